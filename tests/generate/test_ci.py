"""CI recipes: every command in them is one that depdoctor takes, and nothing in them is a text of a stranger."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
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


class Comments(BaseHTTPRequestHandler):
    """The comments of one request, as the interfaces of both have them."""

    folders: ClassVar[tuple[str, str]] = ("", "")
    written: ClassVar[dict[int, str]] = {}
    tokens: ClassVar[list[str | None]] = []

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.tokens.append(self.headers["PRIVATE-TOKEN"] or self.headers["Authorization"])
        listed, own = self.folders
        path = urlsplit(self.path).path
        if self.command in {"POST", "GET"}:
            assert path == listed
        if self.command != "GET":
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
            number = 100 + len(self.written) if self.command == "POST" else int(path.removeprefix(f"{own}/"))
            self.written[number] = body
        told = json.dumps([{"id": number, "body": body} for number, body in self.written.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815


def gitlab() -> tuple[str, list[dict[str, str]], str, tuple[str, str]]:
    lines = yaml.safe_load(recipes()[PATHS[1]])["depdoctor-scan"]["script"]
    (comment,) = (line for line in lines if "DEPDOCTOR_GITLAB_TOKEN" in line)
    project = {"CI_PROJECT_ID": "7"}
    token = {**project, "DEPDOCTOR_GITLAB_TOKEN": "secret"}
    notes = "/projects/7/merge_requests/3/notes"
    return comment, [project, token, {**token, "CI_MERGE_REQUEST_IID": "3"}], "secret", (notes, notes)


def github() -> tuple[str, list[dict[str, str]], str, tuple[str, str]]:
    steps = yaml.safe_load(recipes()[PATHS[0]])["jobs"]["scan"]["steps"]
    (script,) = (step["run"] for step in steps if "PULL_REQUEST" in step.get("env", {}))
    comment = script[script.index("python - <<") :]
    given = {"GH_TOKEN": "secret", "PULL_REQUEST": "3", "GITHUB_REPOSITORY": "team/models"}
    return (
        comment,
        [given],
        "Bearer secret",
        (
            "/repos/team/models/issues/3/comments",
            "/repos/team/models/issues/comments",
        ),
    )


@pytest.mark.parametrize("recipe", [github, gitlab])
def test_plan_is_one_comment_however_often_the_pipeline_runs(
    recipe: Callable[[], tuple[str, list[dict[str, str]], str, tuple[str, str]]], tmp_path: Path
) -> None:
    comment, environments, token, folders = recipe()
    Comments.written, Comments.tokens, Comments.folders = {1: "a person's own"}, [], folders
    with ThreadingHTTPServer(("127.0.0.1", 0), Comments) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        known = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "CI_API_V4_URL": address,
            "GITHUB_API_URL": address,
        }
        try:
            for text in ("first $(id)", "second" + "é" * 70_000):
                (tmp_path / "plan.md").write_text(text, encoding="utf-8")
                for given in environments:
                    done = subprocess.run(
                        ["sh", "-euc", comment],
                        env={**known, **given},
                        cwd=tmp_path,
                        capture_output=True,
                        text=True,
                        check=False,
                    )
                    assert done.returncode == 0, done.stderr
                assert Comments.written == {1: "a person's own", 101: f"<!-- depdoctor plan -->\n{text[:60_000]}"}
        finally:
            server.shutdown()
            thread.join()
    assert set(Comments.tokens) == {token}
    assert len(Comments.tokens) == 4


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
