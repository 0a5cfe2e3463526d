"""Formats read as the tools that own them read them: the same requirements, or the same pins."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.model.project import Manifest
from depdoctor.read import READERS
from depdoctor.read.conda_yaml import conda_requirement
from depdoctor.read.declarations import Declarations
from depdoctor.read.document import Document
from depdoctor.read.poetry import specifiers

CORPUS = Path(__file__).parents[2] / "fixtures" / "read" / "corpus"
POETRY = [
    path
    for path in sorted(CORPUS.rglob("pyproject.toml"))
    if "poetry" in tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
]
Row = tuple[str, frozenset[str], str, str]


def around(*sets: SpecifierSet) -> list[Version]:
    """Versions at, just below and just above every bound of these sets."""
    bounds = {Version(each.version.removesuffix(".*")) for one in sets for each in one}
    parts = [part for bound in bounds for part in (bound.release, (*bound.release, 1), (*bound.release[:-1], 0))]
    parts += [(*bound.release[:-1], bound.release[-1] + 1) for bound in bounds]
    parts += [(*bound.release[:-1], max(bound.release[-1] - 1, 0), 99) for bound in bounds]
    return sorted({Version(".".join(map(str, each))) for each in parts} | {Version("0"), Version("9999")})


def same_versions(one: SpecifierSet, other: SpecifierSet) -> bool:
    return all(one.contains(version) == other.contains(version) for version in around(one, other))


def rows(requirements: Iterable[Requirement]) -> list[Row]:
    """Requirements in one spelling, versions apart."""
    return sorted(
        (
            canonicalize_name(one.name),
            frozenset(map(canonicalize_name, one.extras)),
            one.url or "",
            str(one.marker or ""),
        )
        for one in requirements
    )


def group(manifest: Manifest, name: str) -> list[Requirement]:
    return [one.requirement for one in manifest.requirements if one.group == name]


@pytest.mark.parametrize("path", POETRY, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_poetry_projects(path: Path) -> None:
    factory = pytest.importorskip("poetry.core.factory", reason="poetry-core is not installed here")
    package = factory.Factory().create_poetry(path.parent).package
    manifest = READERS["pyproject.toml"](path.read_text(encoding="utf-8"), "pyproject.toml")
    for name in ("main", "dev"):
        if name == "dev" and not package.has_dependency_group("dev"):
            continue
        theirs = [Requirement(each.to_pep_508()) for each in package.dependency_group(name).dependencies]
        mine = group(manifest, "" if name == "main" else f"group:{name}")
        assert rows(mine) == rows(theirs)
        by_name = {canonicalize_name(each.name): each.specifier for each in theirs}
        for each in mine:
            assert same_versions(each.specifier, by_name[canonicalize_name(each.name)]), each


NUMBERS = st.lists(st.integers(0, 12), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
SINGLE = st.one_of(
    st.builds("{}{}".format, st.sampled_from(["^", "~", "~=1.", "==", "=", "", ">=", "<", "<=", ">", "!="]), NUMBERS),
    NUMBERS.map("{}.*".format),
    NUMBERS.map("=={}.*".format),
    st.just("*"),
)


@given(constraint=st.lists(SINGLE, min_size=1, max_size=3).map(",".join))
@settings(max_examples=400, deadline=None)
def test_poetry_constraints(constraint: str) -> None:
    parser = pytest.importorskip("poetry.core.constraints.version", reason="poetry-core is not installed here")
    theirs = parser.parse_constraint(constraint)
    ours = specifiers(constraint)
    for version in around(ours):
        assert ours.contains(version) == theirs.allows(parser.Version.parse(str(version))), (version, str(ours))


SETUP_CFG = """\
[metadata]
name = thing
[options]
python_requires = >=3.8
install_requires =
    numpy>=1.20; python_version < "3.12"
    # a comment
    requests[socks]>=2,<3

    importlib-metadata; python_version < "3.8"
setup_requires = wheel
[options.extras_require]
gpu = cupy-cuda11x; onnxruntime-gpu>=1.10
dev =
    pytest
    black==23.1.0
"""


def test_setup_cfg(tmp_path: Path) -> None:
    if not importlib.util.find_spec("setuptools"):
        pytest.skip("setuptools is not installed here")
    path = tmp_path / "setup.cfg"
    path.write_text(SETUP_CFG, encoding="utf-8")
    # In a process of its own, for setuptools wants to come before whatever else imports distutils.
    program = (
        "import json, sys; from setuptools.config.setupcfg import read_configuration as read; "
        "json.dump(read(sys.argv[1])['options'], sys.stdout, default=str)"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(path)]
    theirs = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    manifest = READERS["setup.cfg"](SETUP_CFG, "setup.cfg")
    assert rows(group(manifest, "")) == rows(map(Requirement, theirs["install_requires"]))
    for extra, wanted in theirs["extras_require"].items():
        assert rows(group(manifest, f"extra:{extra}")) == rows(map(Requirement, wanted))
    assert manifest.requires_python == SpecifierSet(str(theirs["python_requires"]))


PIPFILE = """\
[[source]]
url = "https://index.example/simple"
verify_ssl = true
name = "main"
[packages]
numpy = "*"
"ruamel.yaml" = ">=0.17"
torch = {version = "==2.1.0", extras = ["opt"], markers = "sys_platform == 'linux'"}
[dev-packages]
pytest = ">=7,<9"
[requires]
python_version = "3.10"
"""


def test_pipfile() -> None:
    plette = pytest.importorskip("plette", reason="plette, the parser of pipenv, is not installed here")
    theirs = plette.Pipfile.load(io.StringIO(PIPFILE))
    manifest = READERS["Pipfile"](PIPFILE, "Pipfile")
    for section, name in (("packages", ""), ("dev-packages", "group:dev")):
        wanted = {canonicalize_name(key): value._data for key, value in theirs[section].items()}
        mine = {canonicalize_name(each.name): each for each in group(manifest, name)}
        assert mine.keys() == wanted.keys()
        for key, value in wanted.items():
            stated = value if isinstance(value, dict) else {"version": value}
            version = "" if stated["version"] == "*" else stated["version"]
            assert mine[key].specifier == SpecifierSet(version)
            assert mine[key].extras == set(stated.get("extras", ()))
            assert bool(mine[key].marker) == ("markers" in stated)
    assert manifest.python == theirs["requires"].python_version
    assert manifest.digests == (theirs.get_hash().value,)


SPECS = [
    "numpy", "numpy=1.24", "numpy==1.24.3", "numpy >= 1.20, < 2", "numpy >=1.20,<2|>3", "numpy 1.24|1.25",
    "numpy !=1.24.1", "numpy ~=1.24",
    "numpy 1.24.*", "numpy>=1.20,<2", "numpy =1.24", "numpy=1.24.*=py310*",
    "a 1.0 py_0", "pytorch::pytorch==2.1.0", "nvidia/label/cuda-11.8.0::cuda-toolkit", "python 3.10.*", "__cuda >=11",
    "pkg[version='>=1.0',build=py*]", "conda-forge::scikit-learn>=1,<1.4", "libblas=*=*mkl", "tzdata", "R-base",
]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS)
def test_conda_specifications(spec: str) -> None:
    rattler = pytest.importorskip("rattler", reason="rattler, the library of pixi, is not installed here")
    theirs = rattler.MatchSpec(spec)
    declarations = Declarations(document=Document({}, {(): 1}), path="environment.yml")
    ours = conda_requirement(spec, declarations, ())
    assert ours is not None
    assert not declarations.problems
    assert ours.name == theirs.name.normalized
    assert ours.build == (theirs.build or "")
    assert ours.channel == (theirs.channel.name if theirs.channel else "")
    stated = theirs.version
    if ours.constraint in {"", "*", "=*"}:
        assert stated is None or str(stated) == "*"
    else:
        assert str(rattler.VersionSpec(ours.constraint)) == str(stated)


PIXI_LOCK = """\
version: 6
environments:
  default:
    channels:
    - url: https://conda.example/conda-forge/
    indexes:
    - https://index.example/simple
    packages:
      linux-64:
      - conda: https://conda.example/conda-forge/linux-64/python-3.11.9-hb806964_0_cpython.conda
      - pypi: https://index.example/files/numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl
      - pypi: .
      osx-arm64:
      - conda: https://conda.example/conda-forge/osx-arm64/python-3.11.9-h932a869_0_cpython.conda
  test:
    channels:
    - url: https://conda.example/conda-forge/
    packages:
      linux-64:
      - conda: https://conda.example/conda-forge/linux-64/python-3.11.9-hb806964_0_cpython.conda
packages:
- conda: https://conda.example/conda-forge/linux-64/python-3.11.9-hb806964_0_cpython.conda
  sha256: 177f33a1fb8d3476b38f73c37b42f01c0b014fa0e039a701fd9f83d83aae6d40
  md5: bd19b3096442ea342f2a5becacd4e1b5
  depends: []
  size: 30884494
- conda: https://conda.example/conda-forge/osx-arm64/python-3.11.9-h932a869_0_cpython.conda
  sha256: 177f33a1fb8d3476b38f73c37b42f01c0b014fa0e039a701fd9f83d83aae6d41
  depends: []
- pypi: .
  name: ranker
  version: 0.1.0
  sha256: 177f33a1fb8d3476b38f73c37b42f01c0b014fa0e039a701fd9f83d83aae6d42
  requires_dist:
  - numpy>=1.20
  editable: true
- pypi: https://index.example/files/numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl
  name: numpy
  version: 1.26.4
  sha256: 666dbfb6ec68962c033a450943ded891bed2d54e6755e35e5835d63f4f6931d5
  requires_python: '>=3.9'
"""


@pytest.mark.parametrize("version", [6, 7])
def test_pixi_lock(version: int, tmp_path: Path) -> None:
    rattler = pytest.importorskip("rattler", reason="rattler, the library of pixi, is not installed here")
    path = tmp_path / "pixi.lock"
    path.write_text(PIXI_LOCK, encoding="utf-8")
    theirs = rattler.LockFile.from_path(path)
    if version == 7:
        theirs.to_path(path)  # as pixi writes it today
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"version: {version}\n")
    manifest = READERS["pixi.lock"](text, "pixi.lock")
    for name, environment in theirs.environments():
        for platform in environment.platforms():
            packages = environment.packages(platform)
            wanted = {
                (each.name, str(each.version), each.location) for each in packages if hasattr(each, "package_record")
            }
            ours = {
                (each.name, each.version, each.url)
                for each in manifest.conda_packages
                if each.platform == platform.name
            }
            assert wanted == ours or name != "default"
            assert wanted <= ours
            wheels = {each.name for each in packages} - {name for name, _, _ in wanted}
            group = "" if name == "default" else f"group:{name}"
            locked = [each for each in manifest.packages if group in each.groups]
            assert wheels == {each.name for each in locked if _installed_on(each.marker, platform.name)}


def _installed_on(marker: Marker | None, platform: str) -> bool:
    system, _, machine = platform.partition("-")
    machine = {"64": "x86_64"}.get(machine, machine)
    environment = {"sys_platform": {"osx": "darwin"}.get(system, system), "platform_machine": machine}
    return marker is None or marker.evaluate(environment)
