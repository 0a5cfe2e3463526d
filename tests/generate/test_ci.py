"""CI recipes: every command in them is one that depdoctor takes, and nothing in them is a text of a stranger."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
import yaml
from fleets import fleet, pin
from git_repositories import a_repository, needs_git

from depdoctor import __version__
from depdoctor.adapters.git import Repository
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


@needs_git
def test_what_a_job_keeps_leaves_the_revision_a_tag(tmp_path: Path) -> None:
    """A folder with files of nobody's has no revision to push images under."""
    jobs = yaml.safe_load(recipes()["depdoctor.gitlab-ci.yml"])
    root = tmp_path / "root"
    a_repository(root, tmp_path / "count")
    (root / ".depdoctor-cache").mkdir()
    (root / ".depdoctor-cache" / "wheel").touch()
    assert not Repository(root).revision
    (exclude,) = (line for line in jobs[".depdoctor"]["before_script"] if "exclude" in line)
    subprocess.run(["sh", "-c", exclude], cwd=root, check=True)
    assert Repository(root).revision
    assert jobs["depdoctor-push"]["variables"] == {"GIT_DEPTH": "0"}
    checkout, *rest = yaml.safe_load(recipes()[".github/workflows/depdoctor.yml"])["jobs"]["push"]["steps"]
    assert checkout["with"]["fetch-depth"] == 0
    assert all(not step["with"]["path"].startswith(".") for step in rest if "path" in step.get("with", {}))


class Notes(BaseHTTPRequestHandler):
    """The comments of one merge request, as GitLab's interface has them."""

    notes: ClassVar[dict[int, str]] = {}
    tokens: ClassVar[list[str | None]] = []

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.tokens.append(self.headers["PRIVATE-TOKEN"])
        path = urlsplit(self.path).path.removeprefix("/api/v4/projects/7/merge_requests/3/notes").strip("/")
        if self.command != "GET":
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
            self.notes[int(path) if path else 100 + len(self.notes)] = body
        listed = json.dumps([{"id": number, "body": body} for number, body in self.notes.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(listed)))
        self.end_headers()
        self.wfile.write(listed)

    do_POST = do_PUT = do_GET  # noqa: N815


def test_plan_is_one_comment_however_often_the_pipeline_runs(tmp_path: Path) -> None:
    lines = yaml.safe_load(recipes()[PATHS[1]])["depdoctor-scan"]["script"]
    (comment,) = (line for line in lines if "DEPDOCTOR_GITLAB_TOKEN" in line)
    Notes.notes, Notes.tokens = {1: "a person's own"}, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Notes) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        known = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "CI_API_V4_URL": f"http://127.0.0.1:{server.server_port}/api/v4",
            "CI_PROJECT_ID": "7",
        }
        try:
            for text in ("first $(id)", "second"):
                (tmp_path / "plan.md").write_text(text)
                for given in (
                    {},
                    {"DEPDOCTOR_GITLAB_TOKEN": "secret"},
                    {"DEPDOCTOR_GITLAB_TOKEN": "secret", "CI_MERGE_REQUEST_IID": "3"},
                ):
                    done = subprocess.run(
                        ["sh", "-euc", comment],
                        env={**known, **given},
                        cwd=tmp_path,
                        capture_output=True,
                        text=True,
                        check=False,
                    )
                    assert done.returncode == 0, done.stderr
                assert Notes.notes == {1: "a person's own", 101: f"<!-- depdoctor plan -->\n{text}"}
        finally:
            server.shutdown()
            thread.join()
    assert set(Notes.tokens) == {"secret"}
    assert len(Notes.tokens) == 4


def test_code_quality_is_reported_to_gitlab() -> None:
    job = yaml.safe_load(recipes()[PATHS[1]])["depdoctor-scan"]
    written = job["artifacts"]["reports"]["codequality"]
    assert f'depdoctor scan "$ROOT" --format gitlab --fail-on never > {written}' in job["script"]


def test_no_shell_line_holds_what_a_stranger_may_write() -> None:
    """Text of a pull request reaches a script through the environment alone (GitHub, security hardening)."""
    for script in scripts(yaml.safe_load(recipes()[PATHS[0]])):
        assert "${{" not in script
        assert not re.search(r"pull_request_target", script)
    document = yaml.safe_load(recipes()[PATHS[0]])
    assert document["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in document[True], "YAML reads the key `on` as true"
