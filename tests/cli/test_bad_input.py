"""One clear message for each bad input: what, where, what to do; the documented exit status; nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from depdoctor import cli

DEAD = "http://127.0.0.1:9/simple"
"""Nothing listens on the discard port."""


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    folder.mkdir()
    return folder


def write(root: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def scan(root: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, object]]:
    status = cli.run(["scan", str(root), "--format", "json", *options])
    return status, json.loads(capsys.readouterr().out)


def test_missing_path(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["scan", str(root / "nowhere")]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"depdoctor: there is no folder `{root / 'nowhere'}`",
        "  name the folder that holds your projects",
    ]


def test_path_is_a_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, {"requirements.txt": "numlib"})
    assert cli.run(["scan", str(root / "requirements.txt")]) == 2
    assert "is a file, not a folder" in capsys.readouterr().err


def test_empty_folder(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, report = scan(root, capsys)
    assert (status, report["projects"], report["findings"]) == (0, [], [])
    assert cli.run(["scan", str(root)]) == 0
    assert "no project" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("requirements.txt", b"\x00\x01\xff\xfe\x00numlib"),
        ("pyproject.toml", "[project\nname = 'x'"),
        ("uv.lock", "version = 1\n[[package]"),
    ],
)
def test_unreadable_manifest_stops_nobody_else(
    name: str, content: bytes | str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(root, {f"broken/{name}": content, "fine/requirements.txt": "numlib==1.26.4\n"})
    status, report = scan(root, capsys)
    found = [one for one in report["findings"] if one["kind"] == "unreadable"]  # type: ignore[index, attr-defined]
    assert [(one["projects"], one["causes"][0]["path"]) for one in found] == [(["broken"], f"broken/{name}")]
    assert found[0]["hint"]
    states = {one["name"]: one["status"] for one in report["projects"]}  # type: ignore[index, attr-defined]
    assert states["fine"] == "resolved"
    assert status == 1


def test_requirement_that_does_not_parse(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, {"one/requirements.txt": "numlib\n\nthis is no requirement ===\n"})
    _, report = scan(root, capsys)
    found = [one for one in report["findings"] if one["kind"] == "unreadable"]  # type: ignore[index, attr-defined]
    assert [(cause["path"], cause["line"]) for one in found for cause in one["causes"]] == [("one/requirements.txt", 3)]


def test_unknown_key_of_the_configuration(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, {"depdoctor.toml": "[image]\nbsae = 'x'\n"})
    assert cli.run(["scan", str(root)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "depdoctor: `image.bsae` is not a key of the configuration",
        "  in depdoctor.toml:2",
        "  did you mean `base`?",
    ]


@pytest.mark.parametrize(
    ("files", "place"),
    [
        (
            {"depdoctor.toml": "python = '3.11'\n\n[[target]]\nname = 'a'\n\n[[target]]\nglibc = '2'\n"},
            "depdoctor.toml:7",
        ),
        ({"depdoctor.toml": "# mine\n[[project]]\nport = 1\n"}, "depdoctor.toml:2"),
        ({"depdoctor.toml": "\n[[target]\nname = 'x'\n"}, "depdoctor.toml:2"),
        ({"pyproject.toml": "[tool.other]\n[tool.depdoctor]\npythn = '3.11'\n"}, "pyproject.toml:3"),
    ],
)
def test_the_line_of_a_wrong_configuration(
    files: dict[str, str], place: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(root, files)
    assert cli.run(["scan", str(root)]) == 2
    assert capsys.readouterr().err.splitlines()[1] == f"  in {place}"


@pytest.mark.parametrize("options", [(), ("--offline",)])
def test_no_index_is_a_note_and_status_0(
    options: tuple[str, ...], root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", DEAD)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    write(root, {"one/requirements.txt": "numlib\n"})
    status, report = scan(root, capsys, *options)
    assert status == 0
    assert [one["status"] for one in report["projects"]] == ["declared-only"]  # type: ignore[index, attr-defined]
    assert report["summary"]["incomplete"]  # type: ignore[index]
    assert {one["severity"] for one in report["findings"]} <= {"note"}  # type: ignore[index, attr-defined]
    strict, _ = scan(root, capsys, "--strict", *options)
    assert strict == 3


def test_broken_plan_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, {"one/requirements.txt": "numlib\n", "depdoctor.plan.json": '{"schema_version": 1'})
    assert cli.run(["build", str(root), "--output", str(root / "images")]) == 2
    assert "depdoctor.plan.json" in capsys.readouterr().err
    assert not (root / "images").exists()


def test_registry_that_is_down(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, {"one/requirements.txt": "numlib\n", "depdoctor.toml": '[image]\nbase = "scratch"\n'})
    assert cli.run(["build", str(root), "--push", "127.0.0.1:9/fleet", "--quiet"]) == 3
    told = capsys.readouterr().err
    assert "127.0.0.1:9" in told
    assert "Traceback" not in told


LISTENING = """\
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background of a shell are born deaf to it
from depdoctor.__main__ import main
sys.exit(main())
"""


def test_interrupt_leaves_nothing_half_written(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, {f"p{n}/requirements.txt": "numlib\n" for n in range(40)})
    write(root, {"depdoctor.toml": '[image]\nbase = "scratch"\n'})

    def build(name: str, most_s: float | None) -> tuple[int, str, float]:
        """A build with a cache of its own, interrupted after so many seconds if it has not ended before."""
        monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / f"cache-{name}"))
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-c", LISTENING, "build", str(root), "--output", str(tmp_path / name)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            _, told = process.communicate(timeout=most_s or 120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            _, told = process.communicate(timeout=60)
        return process.returncode, told, time.monotonic() - started

    status, told, whole_s = build("whole", None)
    assert status == 0, told
    interrupted = 0
    for number, part in enumerate((0.9, 0.8, 0.7, 0.6, 0.5)):
        status, told, _ = build(f"cut-{number}", whole_s * part)
        assert "Traceback" not in told
        images = tmp_path / f"cut-{number}"
        layouts = list(images.glob("*")) if images.exists() else []
        assert all((layout / "index.json").exists() for layout in layouts if not layout.name.startswith("."))
        assert not list(root.glob("depdoctor.plan.json*"))
        if status == 130:
            assert "interrupted" in told
            interrupted += 1
        else:  # it came too late: all was done, or Python itself was about to end
            assert status in {0, -signal.SIGINT}
    assert interrupted


def test_a_folder_that_cannot_be_listed_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, {"a/requirements.txt": "numlib==1.26.4"})
    name, inner = "d" * 250, os.open(root, os.O_RDONLY)
    for _ in range(18):  # a longer path than the system takes
        os.mkdir(name, dir_fd=inner)
        outer, inner = inner, os.open(name, os.O_RDONLY, dir_fd=inner)
        os.close(outer)
    os.close(inner)
    status, report = scan(root, capsys, "--strict")
    assert status == 3
    assert any("cannot be listed: File name too long" in line for line in report["summary"]["incomplete"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", ".", "--output", "notes.txt"],
        ["build", ".", "--output", "notes.txt"],
        ["migrate", "--venv", "notes.txt"],
        ["migrate", "--freeze", "a"],
        ["migrate", "--freeze", "notes.txt"],
    ],
)
def test_a_file_in_place_of_a_folder_is_refused_at_once(
    arguments: list[str], root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(root, {"a/requirements.txt": "numlib==1.26.4", "notes.txt": "raise\nthings\n"})
    monkeypatch.chdir(root)
    assert cli.run(arguments) == 2
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 2)
    assert sorted(path.name for path in root.iterdir()) == ["a", "notes.txt"]


def test_a_cache_that_cannot_be_written_is_told(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(root, {"a/requirements.txt": "numlib==1.26.4", "file": ""})
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(root / "file" / "cache"))
    assert cli.run(["scan", str(root)]) == 3
    assert "`DEPDOCTOR_CACHE_DIR` names another folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["scna", "."], "did you mean `depdoctor scan`?"),
        (["frobnicate"], "`depdoctor --help` lists them"),
        (["generate", "nowhere", "--output", "out", "--only", "docs,nomad"], "kubernetes, helm, docs"),
    ],
)
def test_a_wrong_name_is_told_with_the_right_one(
    arguments: list[str], hint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nowhere").mkdir()
    try:
        status = cli.run([str(tmp_path / one) if one == "nowhere" else one for one in arguments])
    except SystemExit as stop:
        status = stop.code
    told = capsys.readouterr()
    assert (status, told.out) == (2, "")
    assert hint in told.err
    assert len(told.err.splitlines()) == 2
