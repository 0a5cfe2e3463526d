"""An environment's files against their RECORDs: what was written over, changed, taken away, or put there by nobody."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import uv
from packaging.utils import canonicalize_name
from wheels import make_wheel

from depdoctor.model.installed import DamagedFile, InstalledEnvironment
from depdoctor.read import read_environment

Install = Callable[[str, Mapping[str, bytes]], Path]


def run(*arguments: str | Path) -> None:
    command = [uv.find_uv_bin(), *map(str, arguments), "--offline", "--no-config", "--no-cache"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Installs a wheel of these files into one real environment, and returns its site-packages."""
    run("venv", "--python", sys.executable, tmp_path / "venv")
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")

    def one(name: str, files: Mapping[str, bytes]) -> Path:
        wheel = make_wheel(tmp_path, name, files=files)
        run("pip", "install", "--python", tmp_path / "venv", "--no-deps", "--link-mode", "copy", wheel)
        return Path(packages)

    return one


def looked_at(packages: Path) -> InstalledEnvironment:
    return read_environment(packages.parents[2])


def damaged(packages: Path) -> list[tuple[str, str, str, bool]]:
    found: tuple[DamagedFile, ...] = looked_at(packages).damaged
    return [(each.owner, Path(each.path).name, each.instead, each.is_gone) for each in found]


def test_as_installed_nothing_is_wrong(install: Install) -> None:
    install("one", {"one/__init__.py": b"", "one/data.bin": b"\0" * 100, "single.py": b""})
    packages = install("two", {"space/two.py": b"2"})
    subprocess.run([packages.parents[2] / "bin/python", "-c", "import one"], check=True, timeout=60)  # byte-code
    found = looked_at(packages)
    assert (found.damaged, found.unowned, found.problems) == ((), (), ())


def test_the_one_that_was_installed_last_has_won(install: Install) -> None:
    install("viewer", {"view/__init__.py": b"same", "view/core.py": b"one", "view/extra.py": b""})
    packages = install("viewer_headless", {"view/__init__.py": b"same", "view/core.py": b"two"})
    assert damaged(packages) == [("viewer", "core.py", "viewer-headless", False)]


def test_an_uninstallation_takes_the_files_of_both(install: Install) -> None:
    install("viewer", {"view/__init__.py": b"same", "view/core.py": b"one"})
    packages = install("viewer_headless", {"view/__init__.py": b"same", "view/core.py": b"two"})
    run("pip", "uninstall", "--python", packages.parents[2], "viewer-headless")
    assert damaged(packages) == [("viewer", "__init__.py", "", True), ("viewer", "core.py", "", True)]


def test_edits_and_losses(install: Install) -> None:
    packages = install("one", {"one/__init__.py": b"", "one/a.py": b"a = 1\n", "one/b.py": b"", "one/c.py": b"c"})
    (packages / "one/a.py").write_bytes(b"a = 2  # mended by hand\n")
    (packages / "one/b.py").unlink()
    (packages / "one/c.py").unlink()
    (packages / "one/c.py").symlink_to("a.py")  # as installers link where they may
    assert damaged(packages) == [("one", "a.py", "", False), ("one", "b.py", "", True)]


def test_what_nobody_owns(install: Install) -> None:
    packages = install("one", {"one/__init__.py": b""})
    (packages / "loose.py").touch()
    (packages / "notes.txt").touch()
    (packages / "models").mkdir()
    (packages / "old").mkdir()
    egg = packages / "old-1.0.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: old\nVersion: 1.0\n")
    (egg / "top_level.txt").write_text("old\n")
    assert [Path(path).name for path in looked_at(packages).unowned] == ["loose.py", "models"]
    shutil.rmtree(egg)
    egg.write_text("Metadata-Version: 1.0\nName: old\nVersion: 1.0\n")  # as distutils did, and tells no modules
    assert looked_at(packages).unowned == ()


def test_no_file_outside_is_looked_at(install: Install, tmp_path: Path) -> None:
    packages = install("one", {"one/__init__.py": b""})
    record = packages / "one-1.0.dist-info" / "RECORD"
    (tmp_path / "secret").write_text("x")
    record.write_text(record.read_text() + "../../../../secret,sha256=AAAA,9\n/etc/passwd,,3\n../../../bin/gone,,3\n")
    assert damaged(packages) == []


def test_a_folder_that_leads_out_is_not_judged(install: Install, tmp_path: Path) -> None:
    packages = install("one", {"one/__init__.py": b"", "one/a.py": b"a"})
    (packages / "one").rename(tmp_path / "elsewhere")
    (packages / "one").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/a.py").write_text("longer")
    assert damaged(packages) == []
    assert canonicalize_name("one") in {each.name for each in looked_at(packages).distributions}
