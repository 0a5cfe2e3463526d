"""Folders that are packages: which of them a project installs, and what their manifests say of them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from depdoctor.discover import discover
from depdoctor.model.local_package import UNSAID_VERSION
from depdoctor.model.reading import LocalUse
from depdoctor.read import pyproject_toml, read, setup_cfg, setup_py

BUILD = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
COMMON = f'{BUILD}[project]\nname = "Our.Common"\nversion = "1.0"\n'


def uses(root: Path, files: dict[str, str], name: str = "app") -> list[LocalUse]:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(textwrap.dedent(text))
    (project,) = (project for project in discover(root) if project.name == name)
    return list(read(project, root).local)


def told(found: list[LocalUse]) -> list[tuple[str, str, str, str]]:
    return [(one.package.folder, one.package.name, one.package.source, one.group) for one in found]


def test_a_folder_is_installed_by_its_path(tmp_path: Path) -> None:
    found = uses(
        tmp_path,
        {
            "app/requirements.txt": "a\n-e ../common\n",
            "app/requirements-dev.txt": "../testing\n",
            "common/pyproject.toml": COMMON,
            "common/src/our_common/__init__.py": "",
            "testing/setup.py": "from setuptools import setup\nsetup(name='testing', version='2')\n",
        },
    )
    assert told(found) == [("common", "our-common", "src", ""), ("testing", "testing", ".", "dev")]
    assert [(one.package.version, str(one.location)) for one in found] == [
        ("1.0", "app/requirements.txt:2"),
        ("2", "app/requirements-dev.txt:1"),
    ]


def test_members_of_a_workspace_and_what_they_need_themselves(tmp_path: Path) -> None:
    member = "dependencies = ['{0}']\n[tool.uv.sources]\n{0} = {{ workspace = true }}\n"
    found = uses(
        tmp_path,
        {
            "pyproject.toml": "[tool.uv.workspace]\nmembers = ['app', 'libs/*']\n",
            "app/pyproject.toml": "[project]\nname = 'app'\nversion = '0'\n" + member.format("left"),
            "libs/left/pyproject.toml": BUILD + "[project]\nname = 'left'\nversion = '0'\n" + member.format("right"),
            "libs/right/pyproject.toml": BUILD + "[project]\nname = 'right'\ndynamic = ['version']\n",
        },
    )
    assert told(found) == [("libs/left", "left", ".", ""), ("libs/right", "right", ".", "")]
    assert [one.package.version for one in found] == ["0", UNSAID_VERSION]


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ("[project]\nname = 'app'\nversion = '1'\n", []),
        (f"{BUILD}[project]\nname = 'app'\nversion = '1'\n", [("app", "app", "src", "")]),
        (f"{BUILD}[project]\nname = 'app'\nversion = '1'\n[tool.uv]\npackage = false\n", []),
        ("[project]\nname = 'app'\nversion = '1'\n[tool.uv]\npackage = true\n", [("app", "app", "src", "")]),
        (f"{BUILD}[tool.poetry]\nname = 'app'\nversion = '1'\n", [("app", "app", "src", "")]),
        (f"{BUILD}[tool.poetry]\nname = 'app'\nversion = '1'\npackage-mode = false\n", []),
    ],
)
def test_a_project_is_a_package_where_tools_install_it(
    manifest: str, expected: list[tuple[str, ...]], tmp_path: Path
) -> None:
    assert told(uses(tmp_path, {"app/pyproject.toml": manifest, "app/src/app/main.py": ""})) == expected


def test_a_project_that_asks_for_its_own_folder_is_a_package(tmp_path: Path) -> None:
    found = uses(tmp_path, {"app/requirements.txt": "-e .\n", "app/src/__init__.py": ""})
    assert told(found) == [("app", "app", ".", "")]  # src is the package itself


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("[tool.setuptools.package-dir]\n'' = 'lib'\n", "lib"),
        ("[tool.setuptools.packages.find]\nwhere = ['code']\n", "code"),
        ("[tool.hatch.build.targets.wheel]\npackages = ['python/pkg']\n", "python"),
        ("[tool.hatch.build.targets.wheel]\npackages = ['pkg']\n", "."),
        ("[tool.poetry]\npackages = [{include = 'pkg', from = 'lib'}]\n", "lib"),
        ("[tool.pdm.build]\npackage-dir = 'lib'\n", "lib"),
        ("[build-system]\nbuild-backend = 'uv_build'\n", "src"),
        ("[build-system]\nbuild-backend = 'uv_build'\n[tool.uv.build-backend]\nmodule-root = ''\n", "."),
        ("[tool.setuptools.package-dir]\n'' = '../other'\n", ""),
        ("[tool.setuptools.package-dir]\n'' = '/etc'\n", ""),
        ('[tool.setuptools.package-dir]\n"" = "a\\nimport os"\n', ""),
        ("", ""),
    ],
)
def test_where_modules_lie_as_the_build_backend_has_it(text: str, source: str) -> None:
    manifest = pyproject_toml.parse(f"[project]\nname = 'x'\n{text}", "pyproject.toml")
    assert manifest.package is not None
    assert manifest.package.source == source


def test_setuptools_says_it_in_its_own_files() -> None:
    text = "[metadata]\nname = x\nversion = 1.2\n[options]\npackage_dir =\n    = lib\n"
    package = setup_cfg.parse(text, "setup.cfg").package
    assert package
    assert (package.name, package.version, package.source) == ("x", "1.2", "lib")
    found = setup_cfg.parse(
        "[options]\n[metadata]\nversion = attr: x.__version__\n[options.packages.find]\nwhere = src\n", "a"
    )
    assert found.package
    assert (found.package.version, found.package.source) == ("", "src")
    assert setup_cfg.parse("[flake8]\nmax-line-length = 120\n", "setup.cfg").package is None
    text = "from setuptools import setup\nsetup(name='x', version='3', package_dir={'': 'lib'})\n"
    package = setup_py.parse(text, "setup.py").package
    assert package
    assert (package.name, package.version, package.source, package.compiled) == ("x", "3", "lib", False)


@pytest.mark.parametrize(
    "files",
    [
        {"fast/pyproject.toml": "[build-system]\nbuild-backend = 'maturin'\n[project]\nname = 'fast'\n"},
        {"fast/setup.py": "from setuptools import setup\nsetup(name='fast', ext_modules=[x])\n"},
    ],
)
def test_what_is_compiled_is_no_folder_to_copy(files: dict[str, str], tmp_path: Path) -> None:
    (found,) = uses(tmp_path, {"app/requirements.txt": "../fast\n", **files})
    assert found.obstacle == "has parts that are compiled"


def test_a_folder_that_is_not_there_is_no_package(tmp_path: Path) -> None:
    assert uses(tmp_path, {"app/requirements.txt": "a\n-e ../gone\n"}) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pyproject.toml", "[project]\nname = 'x'\n[project.scripts]\nserve = 'x.main:run'\n"),
        ("pyproject.toml", "[tool.poetry.scripts]\nserve = 'x.main:run'\nb = {callable = 'y'}\n"),
        (
            "setup.cfg",
            "[metadata]\nname = x\n[options.entry_points]\nconsole_scripts =\n  serve = x.main:run [fast]\n",
        ),
        ("setup.py", "setup(entry_points={'console_scripts': ['serve=x.main:run', 'python=x:y', 'a/b=x:y']})\n"),
    ],
)
def test_commands_of_a_package(path: str, text: str) -> None:
    reader = {"pyproject.toml": pyproject_toml, "setup.cfg": setup_cfg, "setup.py": setup_py}[path]
    package = reader.parse(text, path).package
    assert package
    assert package.scripts == (("serve", "x.main:run"),)


@pytest.mark.parametrize(
    "text",
    [
        'dependencies = ["common @ file:///${PROJECT_ROOT}/../common"]\n',
        'dependencies = ["common @ {root:uri}/../common"]\n',
        'dependencies = ["common @ {root:parent:uri}/common"]\n',
        '[tool.pdm.dev-dependencies]\ndev = ["-e file:///${PROJECT_ROOT}/../common#egg=common"]\n',
    ],
)
def test_tools_name_folders_from_where_the_manifest_lies(text: str, tmp_path: Path) -> None:
    app = f'[project]\nname = "app"\nversion = "1"\n{text}'
    (found,) = uses(tmp_path, {"app/pyproject.toml": app, "common/pyproject.toml": COMMON})
    assert (found.package.folder, found.location.line) == ("common", 4 + ("[tool" in text))


def around(found: list[LocalUse]) -> list[tuple[str, str]]:
    return [(one.package.folder, str(one.location)) for one in found if one.package.module]


def test_modules_around_a_project_are_what_its_code_imports_of_them(tmp_path: Path) -> None:
    found = uses(
        tmp_path,
        {
            "services/api/requirements.txt": "flask\n",
            "services/api/app.py": "import os\nimport flask\nfrom shared.config import X\nimport own\n",
            "services/api/own.py": "",
            "services/api/tests/test_app.py": "import testing_tools\n",
            "services/helpers.py": "try:\n    import unneeded\nexcept ImportError:\n    pass\n",
            "services/other/requirements.txt": "",
            "services/other/inner.py": "",
            "shared/__init__.py": "",
            "shared/config.py": "import helpers\nimport logging\n",
            "testing_tools.py": "",
            "unneeded.py": "",
            "own.py": "",
            "logging.py": "",
            "app.py": "",
        },
        name="services/api",
    )
    assert around(found) == [("shared", "services/api/app.py:3"), ("services/helpers.py", "shared/config.py:1")]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("import diffusers", False),  # which is installed, and a folder of examples is called so
        ("from diffusers import Pipeline", False),
        ("from diffusers.tools import run", True),
        ("import diffusers.tools", True),
        ("from diffusers import tools", True),
    ],
)
def test_a_folder_without_init_is_meant_where_a_part_of_it_is_imported(line: str, meant: bool, tmp_path: Path) -> None:
    files = {"app/requirements.txt": "a\n", "app/app.py": f"{line}\n", "diffusers/tools.py": ""}
    assert bool(around(uses(tmp_path, files))) == meant


def test_nobody_looks_out_of_a_repository(tmp_path: Path) -> None:
    files = {"repo/app/requirements.txt": "a\n", "repo/app/app.py": "import near, far\n"}
    files |= {"repo/near.py": "", "far.py": ""}
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    assert [path for path, _ in around(uses(tmp_path, files, name="repo/app"))] == ["repo/near.py"]
