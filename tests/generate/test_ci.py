"""CI recipes: every command in them is one that depdoctor takes, and nothing in them is a text of a stranger."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import yaml
from fleets import fleet, pin

from depdoctor import __version__
from depdoctor.cli import arguments
from depdoctor.generate import generate
from depdoctor.model.config import Config
from depdoctor.plan import plan

PATHS = (".github/workflows/depdoctor.yml", "depdoctor.gitlab-ci.yml")


def recipes() -> dict[str, str]:
    return dict(generate(plan(fleet({"a": [pin("x")]}), Config(), {}), only=["ci"]).files)


def scripts(document: Any) -> list[str]:
    """Every shell line of a recipe."""
    if isinstance(document, dict):
        own = [document["run"]] if isinstance(document.get("run"), str) else []
        for key in ("script", "before_script"):
            own += document.get(key, [])
        return own + [line for value in document.values() for line in scripts(value) if line not in own]
    return [line for value in document for line in scripts(value)] if isinstance(document, list) else []


def test_recipes_are_for_both() -> None:
    assert set(recipes()) == set(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_every_command_is_one_that_there_is(path: str) -> None:
    lines = [line for script in scripts(yaml.safe_load(recipes()[path])) for line in script.splitlines()]
    commands = [line for line in lines if line.startswith("depdoctor ")]
    for command in commands:
        words = shlex.split(command.partition(">")[0])[1:]
        assert arguments.parse(words).command == words[0]
    assert {shlex.split(command)[1] for command in commands} == {"scan", "plan", "push"}
    assert any(f"depdoctor=={__version__}" in line for line in lines)


def test_no_shell_line_holds_what_a_stranger_may_write() -> None:
    """Text of a pull request reaches a script through the environment alone (GitHub, security hardening)."""
    for script in scripts(yaml.safe_load(recipes()[PATHS[0]])):
        assert "${{" not in script
        assert not re.search(r"pull_request_target", script)
    document = yaml.safe_load(recipes()[PATHS[0]])
    assert document["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in document[True], "YAML reads the key `on` as true"
