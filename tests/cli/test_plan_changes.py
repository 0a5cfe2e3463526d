"""A plan after any chain of edits is the one that nothing remembered gives, byte for byte, and so is what it prints."""

from __future__ import annotations

import hashlib
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from depdoctor import cli, planfile, rules
from depdoctor.adapters.project_memory import ProjectMemory
from depdoctor.model.project import Project

SEED, STEPS = 7, 4
BASE = '[image]\nbase = "scratch"\n'


@pytest.fixture
def pinned(index_folder: Path) -> Callable[..., str]:
    """A line with a pin and its hash."""

    def line(name: str, version: str) -> str:
        hashes = [hashlib.sha256(path.read_bytes()) for path in (index_folder / "files").glob(f"{name}-{version}-*")]
        return f"{name}=={version} " + " ".join(f"--hash=sha256:{one.hexdigest()}" for one in hashes) + "\n"

    return line


@pytest.fixture
def root(tmp_path: Path, package_server: str, pinned: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    folder = tmp_path / "warm" / "fleet"
    for name in ("a", "b", "c"):
        (folder / name).mkdir(parents=True)
        (folder / name / "app.py").write_text("import numlib\n")
    (folder / "own").mkdir()
    (folder / "b" / "requirements.txt").write_text("formers\ntokenkit<0.20\n")
    locked = pinned("numlib", "1.26.4") + pinned("tokenkit", "0.13.3")
    (folder / "c" / "requirements.txt").write_text(f"-c ../pins.txt\n{locked}")
    (folder / "pins.txt").write_text("numlib==1.26.4\n")
    (folder / "depdoctor.toml").write_text(BASE)
    return folder


@pytest.fixture
def recalled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The projects that were told from memory, and whether with their locks."""
    found: list[tuple[str, bool]] = []
    recall = ProjectMemory.recall

    def told(self: ProjectMemory, project: Project) -> object:
        known = recall(self, project)
        if known is not None:
            found.append((project.name, known.outcomes is not None))
        return known

    monkeypatch.setattr(ProjectMemory, "recall", told)
    return found


@pytest.fixture
def planned(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., object]:
    """Plan with what is remembered, and without; both must tell and write the same."""

    def run(*options: str) -> object:
        time.sleep(0.06)  # what was written just now may still be written
        cold = tmp_path / "cold" / "fleet"
        shutil.rmtree(cold, ignore_errors=True)
        shutil.copytree(root, cold)
        for folder in (tmp_path / "cold").glob("cache/[ps]*-*"):  # projects and scans; uv and wheels may stay
            shutil.rmtree(folder)
        told: list[object] = []
        for folder in (cold, root):
            monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(folder.parent / "cache"))
            status = cli.run(["plan", str(folder), *options])
            plan = folder / planfile.PLAN_NAME
            told.append((status, capsys.readouterr(), plan.read_bytes() if plan.exists() else b""))
        assert told[0] == told[1]
        return told[0]

    return run


def test_a_chain_of_edits_ends_where_an_empty_cache_begins(
    root: Path,
    planned: Callable[..., object],
    pinned: Callable[..., str],
    recalled: list[tuple[str, bool]],
    make_index: object,
) -> None:
    def lock(project: str, numlib: str, tokenkit: str) -> None:
        text = pinned("numlib", numlib) + pinned("tokenkit", tokenkit)
        (root / project / "requirements.txt").write_text(text)

    def configure(text: str) -> None:
        (root / "depdoctor.toml").write_text(text + BASE)

    edits: list[Callable[[], object]] = [
        lambda: lock("a", "1.24.4", "0.15.2"),
        lambda: lock("a", "1.26.4", "0.20.3"),
        lambda: (root / "pins.txt").write_text("numlib==2.1.3\n"),
        lambda: (root / "b" / "requirements.txt").write_text("formers\ntokenkit<0.16\n"),
        lambda: (root / "a" / "app.py").write_text("import tokenkit, numlib.array\n"),
        lambda: (root / "a" / "Procfile").write_text("web: uvicorn app:app --port 8080\n"),
        lambda: (root / "a" / "model.onnx").write_bytes(b"0" * 1_500_000),
        lambda: (root / "c" / "model.onnx").write_bytes(b"0" * 1_500_000),
        lambda: (root / "a" / ".python-version").write_text("3.10\n"),
        lambda: (root / ".python-version").write_text("3.12\n"),
        lambda: (root / ".python-version").unlink(missing_ok=True),
        lambda: configure('python = "3.10"\n'),
        lambda: configure('exclude = ["c"]\n'),
        lambda: configure('[[target]]\nname = "small"\nmax-image-bytes = "1 kB"\n'),
        lambda: configure('[rules]\npath = "own"\n'),
        lambda: configure(""),
    ]
    lock("a", "1.26.4", "0.15.2")
    planned()
    assert recalled == []
    planned()
    assert set(recalled) == {("a", True), ("b", False), ("c", False)}, "only a has a lockfile"
    chance = random.Random(SEED)
    for edit in [*edits, *chance.choices(edits, k=STEPS)]:
        edit()
        planned(*chance.choice([(), ("--check",), ("--diff", "--format", "json"), ("--fresh",)]))
    assert len(recalled) > len(edits)


def test_tables_of_ones_own_count(root: Path, planned: Callable[..., object], recalled: list[tuple[str, bool]]) -> None:
    (root / "depdoctor.toml").write_text('[rules]\npath = "own"\n' + BASE)
    planned()
    planned()
    recalled.clear()
    (root / "own" / f"{rules.TABLES[0].stem}.toml").write_text("# nothing yet\n")
    planned()
    assert recalled == []


@pytest.mark.parametrize("variable", ["UV_INDEX", "UV_HTTP_TIMEOUT"])
def test_the_set_up_of_uv_counts(
    variable: str,
    root: Path,
    planned: Callable[..., object],
    recalled: list[tuple[str, bool]],
    package_server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planned()
    planned()
    recalled.clear()
    monkeypatch.setenv(variable, {"UV_HTTP_TIMEOUT": "29", "UV_INDEX": package_server}[variable])
    planned()
    assert recalled == []


def test_whoever_asks_for_more_gets_it_from_the_files(
    root: Path, planned: Callable[..., object], recalled: list[tuple[str, bool]]
) -> None:
    planned()
    planned()
    recalled.clear()
    for option in ("--relock", "--build-sdists", "--allow-outside"):
        planned(option)
    assert recalled == []


def test_another_index_is_asked(
    root: Path, planned: Callable[..., object], make_index: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = planned()
    rows = [{"name": name, "version": version} for name, version in [("numlib", "1.26.4"), ("tokenkit", "0.13.3")]]
    rows = [row | {"uploaded": "2024-01-01T00:00:00Z", "padding_bytes": 3000} for row in rows]
    other = make_index.write_index(tmp_path / "other", rows)  # type: ignore[attr-defined]
    with make_index.served(other) as address:  # type: ignore[attr-defined]
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        assert planned() != before
