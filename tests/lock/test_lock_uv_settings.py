"""`[tool.uv]` of a project: what is locked for it is what `uv lock` locks in its folder."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uv

from depdoctor import lock
from depdoctor.adapters.uv import UvResolver
from depdoctor.model.finding import Kind
from depdoctor.model.lock import Lock, LockOutcome, Unresolvable
from depdoctor.model.project import IndexOptions, Manifest, Project
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Platform
from depdoctor.read import pyproject_toml, uv_lock

LINUX = Environment(python="3.11", platform=Platform(libc_version=(2, 36)))

PROJECT = """\
[project]
name = "service"
version = "0"
requires-python = "==3.11.*"
dependencies = {dependencies}
{extras}
[tool.uv]
"""

EXTRAS = """
[project.optional-dependencies]
old = ["numlib==1.26.4"]
new = ["numlib==2.1.3"]
"""

EXCLUSIVE = 'conflicts = [[{{ extra = "old" }}, {{ extra = "new" }}]]\n'

STALE = """
[[tool.uv.index]]
name = "stale"
url = "{stale}"
"""

CASES = {
    "overrides": ('["servekit==0.6.4"]', 'override-dependencies = ["tokenkit==0.19.1"]\n', "tokenkit", "0.19.1"),
    "constraints": ('["numlib"]', 'constraint-dependencies = ["numlib<2"]\n', "numlib", "1.26.4"),
    "source": (
        '["tensorlib", "numlib"]',
        f'sources.tensorlib = {{{{ index = "stale" }}}}\n{STALE}explicit = true\n',
        "tensorlib",
        "2.3.1",
    ),
    "explicit index": (
        '["tensorlib", "numlib"]',
        f'sources.tensorlib = {{{{ index = "stale" }}}}\n{STALE}explicit = true\n',
        "numlib",
        "2.1.3",
    ),
    "first index": ('["numlib", "tensorlib"]', STALE, "numlib", "1.24.4"),
    "best of all": ('["numlib"]', f'index-strategy = "unsafe-best-match"\n{STALE}', "numlib", "2.1.3"),
    "default index": ('["numlib"]', f"{STALE}default = true\n", "numlib", "1.24.4"),
    "source by marker": (
        '["tensorlib"]',
        f'sources.tensorlib = [{{{{ index = "stale", marker = "os_name == \'posix\'" }}}}]\n{STALE}explicit = true\n',
        "tensorlib",
        "2.3.1",
    ),
    "an extra of several that conflict": ('["tokenkit"]', EXCLUSIVE, "numlib", "1.26.4"),
}


def project(dependencies: str, *, extras: bool = False) -> str:
    return PROJECT.format(dependencies=dependencies, extras=EXTRAS if extras else "")


def locked(manifest: Manifest, index: str, cache: Path, groups: tuple[str, ...]) -> LockOutcome:
    return lock.lock(
        Reading(project=Project(name="service", root=".", manifests=(manifest.path,)), manifests=(manifest,)),
        LINUX,
        UvResolver(cache),
        indexes=IndexOptions(index_url=index),
        exclude_newer=datetime(2025, 6, 1, tzinfo=UTC),
        groups=groups,
    )


def versions(outcome: LockOutcome) -> dict[str, str]:
    assert isinstance(outcome, Lock), outcome
    return {pin.name: str(pin.version) for pin in outcome.pins if pin.name != "service"}


@pytest.mark.parametrize("case", CASES)
def test_what_is_locked_is_what_uv_locks(case: str, package_server: str, stale_server: str, tmp_path: Path) -> None:
    dependencies, settings, package, version = CASES[case]
    text = project(dependencies, extras="old" in settings) + settings.format(stale=stale_server)
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(text)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    subprocess.run(
        [uv.find_uv_bin(), "lock", "--cache-dir", tmp_path / "theirs", "--default-index", package_server]
        if case != "default index"
        else [uv.find_uv_bin(), "lock", "--cache-dir", tmp_path / "theirs"],
        cwd=folder,
        env=kept | {"UV_PYTHON_DOWNLOADS": "never"},
        check=True,
    )
    groups = ("extra:old",) if case.startswith("an extra") else ()
    theirs = locked(
        uv_lock.parse((folder / "uv.lock").read_text(), "uv.lock"), package_server, tmp_path / "theirs", groups
    )
    ours = locked(pyproject_toml.parse(text, "pyproject.toml"), package_server, tmp_path / "ours", groups)
    assert versions(ours) == versions(theirs)
    assert versions(ours)[package] == version


def test_groups_that_are_never_installed_together_are_refused(package_server: str, tmp_path: Path) -> None:
    manifest = pyproject_toml.parse(project("[]", extras=True) + EXCLUSIVE.format(), "pyproject.toml")
    outcome = locked(manifest, package_server, tmp_path, ("old", "new"))
    assert isinstance(outcome, Unresolvable)
    assert outcome.reason.kind is Kind.SELF_CONFLICT
    assert outcome.reason.location
    assert outcome.reason.message.startswith("pyproject.toml declares that extra new and extra old")


@pytest.mark.parametrize("columns", ["40", "200"])
def test_a_refusal_of_a_tied_package_names_it(
    columns: str, package_server: str, stale_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    _, settings, _, _ = CASES["source"]
    text = project('["tensorlib>=2.4"]') + settings.format(stale=stale_server)
    outcome = locked(pyproject_toml.parse(text, "pyproject.toml"), package_server, tmp_path, ())
    assert isinstance(outcome, Unresolvable)
    assert outcome.reason.kind is Kind.VERSION_GONE
    assert outcome.reason.blamed == ("tensorlib",)
    assert "depdoctor" not in outcome.reason.message + outcome.reason.summary
