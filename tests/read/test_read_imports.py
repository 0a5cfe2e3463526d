"""What code imports, and how badly it needs it."""

from __future__ import annotations

import json

import pytest

from depdoctor import rules
from depdoctor.read.imports import code, needed

CHANGED = rules.load().stdlib_by_name


def found(**files: str) -> list[tuple[str, bool, bool, str]]:
    texts = {name.replace("__", "/").replace("_INIT", "__init__") + ".py": text for name, text in files.items()}
    return [
        (entry.module, entry.guarded, entry.testing, str(entry.location))
        for entry in code(tuple(texts), texts.get).imported
    ]


def test_plain_imports() -> None:
    code = "import numpy as np, os\nfrom torch.nn import functional\nimport a.b.c\nfrom . import x\nfrom .y import z\n"
    assert found(app=code) == [
        ("a", False, False, "app.py:3"),
        ("numpy", False, False, "app.py:1"),
        ("torch", False, False, "app.py:2"),
    ]


def test_imports_by_a_name_in_a_text_may_fail() -> None:
    text = "m = importlib.import_module('tqdm.auto')\nn = __import__(\n    'attr')\nimport_module(name)\n"
    assert found(app=text) == [("attr", True, False, "app.py:2"), ("tqdm", True, False, "app.py:1")]
    assert found(app="x = import_module('os.path')\nprint 'python 2'\n") == []


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    import m\nexcept ImportError:\n    m = None\n",
        "try:\n    x\nexcept ImportError:\n    import m\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import m\n",
        "import sys\nif sys.platform == 'win32':\n    import m\n",
        "if flag:\n    pass\nelse:\n    with x:\n        import m\n",
        "def f():\n    import m\n",
        "class A:\n    async def f(self):\n        from m import x\n",
        "match x:\n    case 1:\n        import m\n",
        "print 'two'\ntry:\n    import m\nexcept: pass\n",
    ],
)
def test_guarded_imports(code: str) -> None:
    assert [entry[:2] for entry in found(app=code)] == [("m", True)]


@pytest.mark.parametrize(
    "code",
    [
        "if __name__ == '__main__':\n    import m\n",
        "class A:\n    import m\n",
        "with x:\n    import m\n",
        "print 'two'\nimport m\n",
        "import m as \xe9 \nbroken(\n",
        "x = '\\d'\nimport m\n",
    ],
)
def test_unguarded_imports(code: str) -> None:
    assert [entry[:2] for entry in found(app=code)] == [("m", False)]


def test_the_standard_library_is_left_out_and_what_some_pythons_lack_is_marked() -> None:
    text = "import os, distutils, urllib2, tomllib, numpy\nfrom __future__ import division\nimport __main__\n"
    read = code(("app.py",), lambda _path: text, CHANGED).imported
    assert [(one.module, one.standard) for one in read] == [
        ("distutils", True),
        ("numpy", False),
        ("tomllib", True),
        ("urllib2", True),
    ]
    assert needed(read) == ("numpy",)


def test_texts_that_may_name_modules_are_told() -> None:
    text = "pd.read_excel(x, engine='openpyxl')\nAPPS = ['whitenoise.middleware.X', 'a b', 'py-name']\nimport(\n"
    whole = code(("app.py",), lambda _path: text.replace("import(", "")).mentioned
    broken = code(("app.py",), lambda _path: text).mentioned
    assert whole == broken == {"openpyxl", "whitenoise", "py-name"}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([("code", "import numpy as np\n!pip install torch\n%matplotlib inline\nimport torch")], ["numpy", "torch"]),
        ([("code", ["if x:\n", "    !ls\n", "import m"])], ["m"]),
        ([("markdown", "import m"), ("code", "%%bash\nimport m"), ("code", "%%time\nimport n")], ["n"]),
    ],
)
def test_notebooks(cells: list[tuple[str, object]], expected: list[str]) -> None:
    text = json.dumps({"cells": [{"cell_type": kind, "source": source} for kind, source in cells], "nbformat": 4})
    read = code(("a.ipynb",), lambda _path: text).imported
    assert [one.module for one in read] == expected
    assert all(one.testing for one in read)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"cells": 1}', '{"cells": [1]}', "[" * 100_000, '{"worksheets": [{}]}']
)
def test_what_is_no_notebook(text: str) -> None:
    assert code(("a.ipynb",), lambda _path: text).imported == ()


def test_a_projects_own_modules_are_left_out() -> None:
    assert (
        found(
            main="import helper, pkg.sub, lib, tools\n",
            helper="",
            pkg___INIT="",
            pkg__sub="import cousin\n",
            pkg__cousin="",
            src__lib="import helper\n",
            tools__run="import beside\n",
            tools__beside="",
        )
        == []
    )


def test_a_module_inside_a_package_hides_nothing_elsewhere() -> None:
    files = {"data___INIT": "", "data__datasets": "", "main": "import datasets\n"}
    assert [entry[0] for entry in found(**files)] == ["datasets"]


def test_tests_and_tooling_are_apart() -> None:
    result = found(
        tests__a="import pytest\n", setup="import setuptools\n", app="import m\n", test_x="import hypothesis\n"
    )
    assert [(entry[0], entry[2]) for entry in result] == [
        ("hypothesis", True),
        ("m", False),
        ("pytest", True),
        ("setuptools", True),
    ]


def test_needed_is_unguarded_and_not_testing() -> None:
    texts = {
        "a.py": "import one\ndef f():\n    import two\n",
        "test_a.py": "import three\n",
        "b.py": "import one, four\n",
    }
    assert needed(code(tuple(texts), texts.get).imported) == ("four", "one")


def test_a_file_that_cannot_be_read_is_passed_over() -> None:
    assert code(("a.py",), lambda _path: None).imported == ()


@pytest.mark.parametrize(
    "code", ["(" * 100_000, "x = " + "-" * 100_000 + "1", "\x00import m", "import m\n" + "a" * 3_000_000]
)
def test_hostile_code(code: str) -> None:
    assert all(entry[0] == "m" for entry in found(app=code))
