"""The modules that a wheel installs."""

from __future__ import annotations

import importlib.metadata

import pytest

from depdoctor.lock.modules import modules_of


@pytest.mark.parametrize(
    ("paths", "modules"),
    [
        (["yaml/__init__.py", "_yaml/__init__.py", "PyYAML-6.0.dist-info/METADATA"], ["_yaml", "yaml"]),
        (["six.py", "six-1.0.dist-info/RECORD"], ["six"]),
        (["_cffi_backend.cpython-311-x86_64-linux-gnu.so", "x.abi3.so", "y.pyd"], ["_cffi_backend", "x", "y"]),
        (["google/cloud/storage/__init__.py"], ["google"]),
        (["a-1.data/purelib/a/__init__.py", "a-1.data/scripts/run.py", "a-1.data/data/b.py"], ["a"]),
        (["requests-stubs/__init__.pyi", "share/x.json", "numpy.libs/libgfortran.so"], []),
        (["data/file.csv"], []),
    ],
)
def test_modules(paths: list[str], modules: list[str]) -> None:
    assert list(modules_of(paths)) == modules


def test_the_same_as_the_standard_library_tells_of_what_is_installed() -> None:
    """`packages_distributions` reads `top_level.txt` or RECORD of every distribution here."""
    theirs = importlib.metadata.packages_distributions()
    for distribution in importlib.metadata.distributions():
        paths = [str(path) for path in distribution.files or () if not str(path).startswith("..")]
        name = distribution.metadata["Name"]
        for module in modules_of(paths):
            assert name in theirs.get(module, [name]), (name, module)
