"""Requirement files and PEP 621 projects say the same to uv: the requirements that it adds before it asks any index.

Lines that uv would go to the network or run a build for (addresses, folders), and those that both call broken, are left
out of what it is given. Markers count through two environments. Needs no network: uv is run offline, with no index.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
import uv
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.model.project import DeclaredRequirement, Project
from depdoctor.model.reading import Reading
from depdoctor.read import read

FIXTURES = Path(__file__).parents[2] / "fixtures" / "read" / "corpus"

Read = dict[tuple[str, str], list[str]]
"""The constraints on each (distribution, extra or ""), one text per requirement."""

LINUX = {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux", "platform_machine": "x86_64"}
WINDOWS = {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows", "platform_machine": "AMD64"}
ENVIRONMENTS = {
    "x86_64-manylinux_2_36": {**LINUX, "python_version": "3.11", "python_full_version": "3.11.0"},
    "x86_64-pc-windows-msvc": {**WINDOWS, "python_version": "3.12", "python_full_version": "3.12.0"},
}

CASES = {
    "operators.txt": "a>=1,<2\nb==2.*\nc~=1.4.2\nd!=3.*\ne!=3.1,>2\nf==1.0+cu118\ng\nh==1.0rc1\ni (>=1)\nj>=1 , <3\n",
    "names.txt": "Foo_Bar[One,two]>=1\nzope.interface\nA.B-C__d==1\n",
    "markers.txt": "a>=1 ; os_name == 'nt'\na<1 ; os_name != 'nt'\nb;python_version<'3.12'\nc ; extra == 'x'\n",
    "lines.txt": "a>=1,<2\n# no\nb # yes\nc==1 \\\n    --hash=sha256:" + "0" * 64 + "\n",
    "constraints.txt": "-c limits.txt\na\nb>=1\n",
    "limits.txt": "a<=3\nunused==1\n",
    "nested.txt": "-r operators.txt\n-r sub/more.txt\nz\n",
    "sub/more.txt": "-r ../names.txt\nmore\n",
}
PROJECT = """[project]
name = "whole"
version = "1"
dependencies = ["a>=1", "b ; sys_platform == 'win32'", "c[fast]~=2.1"]
[project.optional-dependencies]
one = ["d<4"]
two = ["e", "whole[one]"]
[dependency-groups]
dev = ["f==1", { include-group = "docs" }]
docs = ["g!=2"]
"""


def uv_reads(folder: Path, path: str, platform: str) -> Read:
    """What uv adds as direct dependencies when it compiles a file."""
    python = ENVIRONMENTS[platform]["python_version"]
    command = [uv.find_uv_bin(), "pip", "compile", path, "--verbose", "--no-deps", "--offline", "--no-index"]
    command += ["--python-platform", platform, "--python-version", python, "--no-config", "--no-sources"]
    command += ["--cache-dir", str(Path(tempfile.gettempdir(), "depdoctor-tests-uv"))]
    if path.endswith(".toml"):
        groups = tomllib.loads((folder / path).read_text()).get("dependency-groups", {})
        command += ["--all-extras", *(f"--group={name}" for name in groups)]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=60)
    found: Read = {}
    for line in re.findall(r"^DEBUG Adding direct dependency: (.+)$", done.stderr, re.MULTILINE):
        match = re.fullmatch(r"(?P<name>[\w.-]+)(?:\[(?P<extra>[^\]]+)\])?(?:\{[^}]*\})?(?P<range>.*)", line)
        assert match, line
        found.setdefault((match["name"], match["extra"] or ""), []).append(match["range"])
    if not found and done.returncode and "No solution found" not in done.stderr:
        raise ValueError(done.stderr[-400:])
    return found


def we_read(reading: Reading, platform: str) -> Read:
    """The same of a reading: requirements in force there, and the constraints on what is required."""
    required = list(_in_force(_all(reading), ENVIRONMENTS[platform]))
    names = {canonicalize_name(each.name) for each in required}
    constraints = (each for manifest in reading.manifests for each in manifest.constraints)
    bounds = [each for each in _in_force(constraints, ENVIRONMENTS[platform]) if canonicalize_name(each.name) in names]
    found: Read = {}
    for each in [*required, *bounds]:
        for extra in sorted(each.extras) or [""]:
            found.setdefault((canonicalize_name(each.name), canonicalize_name(extra)), []).append(str(each.specifier))
    return found


def _all(reading: Reading) -> Iterator[DeclaredRequirement]:
    own = {canonicalize_name(manifest.name) for manifest in reading.manifests}
    for manifest in reading.manifests:
        yield from (each for each in manifest.requirements if each.name not in own)


def _in_force(declared: Iterable[DeclaredRequirement], environment: Mapping[str, str]) -> Iterator[Requirement]:
    for each in declared:
        if _holds(each.requirement.marker, environment):
            yield each.requirement


def _holds(marker: Marker | None, environment: Mapping[str, str]) -> bool:
    return marker is None or marker.evaluate({**environment, "extra": ""})


def admits(written: str, version: Version) -> bool:
    """Whether a version is in a range as uv prints it: `>=1, <2.dev0 | >=3+`, where `+` is after any local version."""
    return any(all(_compares(part.strip(), version) for part in segment.split(",")) for segment in written.split("|"))


def _compares(part: str, version: Version) -> bool:
    match = re.fullmatch(r"(?P<operator>\*|[<>=]=?)(?P<version>\S*?)(?P<after>\+?)", part)
    assert match, part
    if match["operator"] == "*":
        return True
    bound = Version(match["version"])
    operator = {">=": ">", "<": "<="}.get(match["operator"], match["operator"]) if match["after"] else match["operator"]
    return {
        "<": version < bound,
        "<=": version <= bound,
        ">": version > bound,
        ">=": version >= bound,
        "==": version == bound,
    }[operator]


def samples(texts: Iterable[str]) -> list[Version]:
    """Versions at, around and between those that constraints name."""
    found = {Version("0"), Version("9999")}
    for text in re.findall(r"\d[\w.+!]*", " ".join(texts)):
        version = Version(text.rstrip(".+"))
        release = list(version.release)
        found |= {version, Version(version.base_version), Version(f"{version.base_version}.1")}
        for place in range(len(release)):
            for step in (-1, 1):
                near = [*release[:place], max(0, release[place] + step)]
                found.add(Version(".".join(map(str, near))))
    return sorted(version for version in found if not version.is_devrelease)


def differences(ours: Read, theirs: Read) -> list[str]:
    """Where two readings differ: by name and extra, or in the versions that they admit."""
    told = [f"only one of us reads {key}" for key in sorted(ours.keys() ^ theirs.keys())]
    for key in sorted(ours.keys() & theirs.keys()):
        versions = samples([*ours[key], *theirs[key]])
        mine = {tuple(SpecifierSet(text).contains(each, prereleases=True) for each in versions) for text in ours[key]}
        other = {tuple(admits(text, each) for each in versions) for text in theirs[key]}
        if mine != other:
            told.append(f"{key}: {ours[key]} against {theirs[key]}")
    return told


def compared(folder: Path, path: str, platform: str) -> list[str]:
    """What differs for a file of a folder, which is changed: lines that only the network or a build can tell go."""
    project = Project(name="x", root=".", manifests=(path,))
    reading = read(project, folder)
    for manifest in reading.manifests:
        gone = {each.location.line for each in manifest.requirements if each.requirement.url}
        gone |= {each.location.line for each in manifest.includes if each.role == "project"}
        gone |= {each.location.line for each in manifest.problems if each.kind in {"unparsable", "unnamed"}}
        if gone and not path.endswith(".toml"):
            lines = (folder / manifest.path).read_text(encoding="utf-8").split("\n")
            kept = ["" if number in gone else line for number, line in enumerate(lines, 1)]
            (folder / manifest.path).write_text("\n".join(kept), encoding="utf-8")
    ours, theirs = we_read(read(project, folder), platform), uv_reads(folder, path, platform)
    if path.endswith(".toml"):  # uv is told to take no notice of where these come from, lest it goes there
        uv_table = tomllib.loads((folder / path).read_text()).get("tool", {}).get("uv", {})
        sources = {canonicalize_name(name) for name in uv_table.get("sources", {})}
        ours, theirs = ({key: each[key] for key in each if key[0] not in sources} for each in (ours, theirs))
    return differences(ours, theirs)


@pytest.mark.parametrize("platform", ENVIRONMENTS)
@pytest.mark.parametrize("path", CASES)
def test_requirement_files(path: str, platform: str, tmp_path: Path) -> None:
    for name, text in CASES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert compared(tmp_path, path, platform) == []


@pytest.mark.parametrize("platform", ENVIRONMENTS)
def test_a_project(platform: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    assert compared(tmp_path, "pyproject.toml", platform) == []


REAL = sorted(
    path
    for path in FIXTURES.rglob("*")
    if path.name == "requirements.txt" or (path.name == "pyproject.toml" and "\n[project]" in f"\n{path.read_text()}")
)


@pytest.mark.parametrize("path", REAL, ids=lambda path: str(path.relative_to(FIXTURES)))
def test_real_manifests(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path.parent, tmp_path / "project")
    assert compared(tmp_path / "project", path.name, "x86_64-manylinux_2_36") == []
