"""A real bash completes commands, options and choices."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from depdoctor import cli

BASH, FISH = shutil.which("bash"), shutil.which("fish")

ASK = """
source {script}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_shtab_depdoctor
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert cli.run(["completion", "bash"]) == 0
    path = tmp_path / "depdoctor.bash"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    return path


@pytest.mark.skipif(BASH is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("depdoctor sc", {"scan"}),
        ("depdoctor scan --fo", {"--format"}),
        ("depdoctor scan --format sa", {"sarif"}),
        ("depdoctor rules ch", {"check"}),
        ("depdoctor plan --che", {"--check"}),
    ],
)
def test_bash_completes(words: str, offered: set[str], script: Path) -> None:
    assert BASH
    text = ASK.format(script=script, words=" ".join(f"'{word}'" for word in words.split()))
    ran = subprocess.run([BASH, "-c", text], capture_output=True, text=True, check=True)
    assert set(ran.stdout.split()) == offered


@pytest.fixture
def planned(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("team/rag", "team/Ocr"):
        (tmp_path / "fleet" / name).mkdir(parents=True)
        (tmp_path / "fleet" / name / "requirements.txt").write_text("numlib\n", encoding="utf-8")
    assert cli.run(["plan", str(tmp_path / "fleet"), "--base", "scratch", "--quiet"]) == 0
    return tmp_path / "fleet"


NAMES = [
    ("depdoctor build --image ", {"team-rag", "team-ocr"}),
    ("depdoctor verify --image team-oc", {"team-ocr"}),
    ("depdoctor update --project team/O", {"team/Ocr"}),
    ("depdoctor explain team/ra", {"team/rag"}),
]


@pytest.mark.skipif(BASH is None, reason="no bash")
@pytest.mark.parametrize(("words", "offered"), NAMES)
def test_bash_completes_names_of_the_plan(words: str, offered: set[str], planned: Path, script: Path) -> None:
    assert BASH
    text = ASK.format(script=script, words=" ".join(f"'{word}'" for word in words.split(" ")))
    ran = subprocess.run([BASH, "-c", text], capture_output=True, text=True, check=True, cwd=planned)
    assert set(ran.stdout.split()) == offered
    ran = subprocess.run([BASH, "-c", text], capture_output=True, text=True, check=True, cwd=planned.parent)
    assert (ran.stdout.split(), ran.stderr) == ([], ""), "there is no plan"


@pytest.mark.skipif(FISH is None, reason="no fish")
@pytest.mark.parametrize(("words", "offered"), NAMES)
def test_fish_completes_names_of_the_plan(
    words: str, offered: set[str], planned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert FISH
    capsys.readouterr()
    assert cli.run(["completion", "fish"]) == 0
    text = f"{capsys.readouterr().out}\ncomplete -C '{words}'"
    ran = subprocess.run([FISH, "--no-config", "-c", text], capture_output=True, text=True, check=True, cwd=planned)
    assert {line.split("\t")[0] for line in ran.stdout.splitlines()} == offered


@pytest.mark.parametrize("shell", ["zsh", "fish", "tcsh"])
def test_other_shells_know_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("scan", "plan", "migrate", "hook"))


def test_an_unknown_shell_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run(["completion", "dos"])
    assert ended.value.code == 2
    assert "bash" in capsys.readouterr().err
