"""Output goes on, or ends quietly, whatever stands behind stdout and stderr."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from depdoctor import cli
from depdoctor.cli import commands
from depdoctor.errors import UsageError


def start(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "depdoctor", *arguments]
    surroundings = {**os.environ, "NO_COLOR": "1", **environment}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings)


@pytest.mark.parametrize("shown", ["console", "json"])
def test_a_reader_that_goes_away_is_no_trouble(shown: str) -> None:
    process = start("rules", "list", "--format", shown)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    talk = process.stderr.read()
    assert (process.wait(), talk) == (141, b"")
    process.stderr.close()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_signs_that_an_encoding_lacks_are_replaced(encoding: str) -> None:
    out, err = start("rules", "list", PYTHONIOENCODING=encoding).communicate()
    assert b"Traceback" not in err
    assert "x error" in out.decode(encoding)


def test_documents_are_utf_8_whatever_the_terminal_shows() -> None:
    out, _ = start("rules", "list", "--format", "json", PYTHONIOENCODING="ascii").communicate()
    assert json.loads(out.decode("utf-8"))


def test_every_line_of_an_error_is_indented(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise UsageError("it cannot be done", where="a: 1\nb: 2", hint="do\nthis")

    monkeypatch.setitem(commands.COMMANDS, "host", fail)
    assert cli.run(["host"]) == 2
    assert capsys.readouterr().err == "depdoctor: it cannot be done\n  in a: 1\n  b: 2\n  do\n  this\n"
