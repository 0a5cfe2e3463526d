from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from recorded_hosts import Recorded

from depdoctor import cli, config
from depdoctor.model.config import Config
from depdoctor.report import init

EXAMPLE = re.compile(r"^# (?=\[|[a-z-]+ = )", re.MULTILINE)


def libc(base: str) -> tuple[str, tuple[int, int]]:
    return "glibc", (2, 36)


def parsed(text: str) -> Config:
    return config.parse(tomllib.loads(text), "depdoctor.toml", libc)


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPDOCTOR_HOST_GPUS", "")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, python in (("chat", "3.12"), ("rank", "3.12"), ("old", "3.9"), ("loose", "")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "requirements.txt").write_text("numlib==1.0\n", encoding="utf-8")
        if python:
            (folder / ".python-version").write_text(f"{python}\n", encoding="utf-8")
    return tmp_path


def test_what_is_found_stands_in_the_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["init", str(root), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == [str(root / "depdoctor.toml")]
    text = (root / "depdoctor.toml").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == ['python = "3.12"']
    assert "# chat: chat/requirements.txt, Python 3.12" in text
    assert "# loose: loose/requirements.txt\n" in text
    assert "(2 of 4)" in text
    assert parsed(text).python == "3.12"
    assert [path.name for path in root.glob("*depdoctor*")] == ["depdoctor.toml"]


def test_every_example_can_stand_as_it_is(root: Path) -> None:
    assert cli.run(["init", str(root)]) == 0
    text = (root / "depdoctor.toml").read_text(encoding="utf-8")
    full = parsed(EXAMPLE.sub("", text))
    assert full.indexes.index_url
    assert full.exclude_newer
    assert full.exclude
    assert full.environments
    assert full.image.registry
    assert full.ignored_rules
    assert full.rules_path
    assert [project.path for project in full.projects] == ["chat"]
    assert full.targets[0].driver
    assert full.targets[0].gpus[0].name == "A10"


def test_nothing_found_is_a_configuration_too(tmp_path: Path) -> None:
    assert cli.run(["init", str(tmp_path)]) == 0
    text = (tmp_path / "depdoctor.toml").read_text(encoding="utf-8")
    assert parsed(text) == parsed("") != parsed(EXAMPLE.sub("", text))


@pytest.mark.parametrize("name", ["t4-470", "a100-mig-535", "geforce-580", "wsl-555"])
def test_a_machine_with_a_gpu_becomes_a_target(name: str, tmp_path: Path) -> None:
    [target] = parsed(init.text([], Recorded(name, tmp_path).read())).targets
    assert target.gpus
    assert target.driver or target.driver_cuda
    assert target.cuda is None
    assert target.platform.libc_version == libc("")[1]


def test_a_name_cannot_end_its_comment(tmp_path: Path) -> None:
    folder = tmp_path / "a\nevil = 1"
    folder.mkdir()
    (folder / "requirements.txt").write_text("numlib\n", encoding="utf-8")
    assert cli.run(["init", str(tmp_path)]) == 0
    text = (tmp_path / "depdoctor.toml").read_text(encoding="utf-8")
    assert "evil" in text
    assert tomllib.loads(text) == {}


@pytest.mark.parametrize("name", ["depdoctor.toml", "pyproject.toml"])
def test_what_stands_stays(root: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = "[tool.depdoctor]\n" if name == "pyproject.toml" else ""
    (root / name).write_text(text, encoding="utf-8")
    assert cli.run(["init", str(root)]) == 2
    assert name in capsys.readouterr().err
    assert (root / name).read_text(encoding="utf-8") == text
    assert [path.name for path in root.iterdir() if path.is_file()] == [name]


def test_a_link_that_leads_nowhere_stands_too(root: Path) -> None:
    (root / "depdoctor.toml").symlink_to(root / "elsewhere.toml")
    assert cli.run(["init", str(root)]) == 2
    assert not (root / "elsewhere.toml").exists()
