"""The layer of a project's own code."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depdoctor.build.oci.code import _ignoring, refuse_secrets, write_code
from depdoctor.build.oci.stream import LayerStream
from depdoctor.errors import BuildError
from depdoctor.model.context import IGNORED


def packed(project: Path, *skipped: str) -> bytes:
    out = io.BytesIO()
    stream = LayerStream(out)
    write_code(stream, project, skipped)
    stream.close()
    return out.getvalue()


def members(project: Path, *skipped: str) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(packed(project, *skipped))) as archive:
        return {member.name.removeprefix("app").removeprefix("/"): member for member in archive}


def put(project: Path, *paths: str) -> None:
    for path in paths:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(path)


def test_files_come_with_their_content_and_fixed_attributes(tmp_path: Path) -> None:
    put(tmp_path, "app.py", "package/ü.py", "package/deep/data.txt")
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "run.sh").chmod(0o700)
    (tmp_path / "app.py").chmod(0o600)
    found = members(tmp_path)
    assert list(found) == ["", "app.py", "package", "package/deep", "package/deep/data.txt", "package/ü.py", "run.sh"]
    assert {(one.uid, one.gid, one.mtime) for one in found.values()} == {(0, 0, 315532800)}
    assert (found["run.sh"].mode, found["app.py"].mode, found["package"].mode) == (0o755, 0o644, 0o755)


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    put(one, "b.py", "a.py", "c/d.py")
    before = packed(one)
    put(other, "c/d.py", "a.py", "b.py")
    os.utime(other / "a.py", (0, 0))
    (other / "b.py").chmod(0o640)
    assert packed(other) == before


def test_what_does_not_belong_there_stays_out(tmp_path: Path) -> None:
    left_out = [
        ".git/config", ".venv/bin/x", "__pycache__/a.pyc", "a.pyc", "node_modules/x.js", ".env", ".env.local", ".netrc",
        "sub/.git/HEAD", "sub/__pycache__/b.pyc", "server.pem", ".ssh/id", "depdoctor.plan.json", ".mypy_cache/x",
        "someenv/pyvenv.cfg", "someenv/lib/x.py", "images/api/oci-layout", "images/api/index.json",
    ]  # fmt: skip
    put(tmp_path, "app.py", "sub/env.py", ".envrc.py", *left_out)
    files = {path for path, member in members(tmp_path).items() if member.isfile()}
    assert files == {"app.py", "sub/env.py", ".envrc.py"}


IGNORES = {
    "*.log": {"sub/b.log", "sub/deep/c.log"},
    "**/*.log": set(),
    "sub": {"a.log"},
    "/sub/": {"a.log"},
    "./sub/deep": {"a.log", "sub/b.log"},
    "*/*.log": {"a.log", "sub/deep/c.log"},
    "**": set(),
    "**\n!sub/b.log": {"sub/b.log"},
    "sub\n!sub/deep": {"a.log", "sub/deep/c.log"},
    "# a.log\n\n  a.log  ": {"sub/b.log", "sub/deep/c.log"},
    "?.log": {"sub/b.log", "sub/deep/c.log"},
    "\ufeffa.log": {"sub/b.log", "sub/deep/c.log"},
}


@pytest.mark.parametrize("text", IGNORES)
def test_a_dockerignore_is_read_as_docker_reads_it(text: str, tmp_path: Path) -> None:
    put(tmp_path, "a.log", "sub/b.log", "sub/deep/c.log")
    (tmp_path / ".dockerignore").write_text(f"{text}\n")
    files = {path for path, member in members(tmp_path).items() if member.isfile()}
    assert files - {".dockerignore"} == IGNORES[text]


def test_folders_of_other_projects_stay_out(tmp_path: Path) -> None:
    put(tmp_path, "app.py", "services/api/app.py", "services/tool.py")
    assert set(members(tmp_path, "services/api")) == {"", "app.py", "services", "services/tool.py"}


def test_links_inside_the_project_stay_links(tmp_path: Path) -> None:
    put(tmp_path, "a/real.py")
    (tmp_path / "a/link.py").symlink_to("real.py")
    (tmp_path / "up.py").symlink_to("a/../a/real.py")
    found = members(tmp_path)
    assert found["a/link.py"].issym()
    assert found["a/link.py"].linkname == "real.py"
    assert found["up.py"].linkname == "a/../a/real.py"


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside.py", "a/../../outside.py", "loop/../../outside.py"])
def test_links_out_of_the_project_are_refused(target: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    put(project, "a/b.py")
    put(tmp_path, "outside.py")
    (project / "link.py").symlink_to(target)
    with pytest.raises(BuildError, match="leaves the project") as caught:
        packed(project)
    assert caught.value.where.endswith("link.py")


def test_a_link_through_a_link_is_followed_to_its_end(tmp_path: Path) -> None:
    project = tmp_path / "project"
    put(project, "a.py")
    put(tmp_path, "out/secret.py")
    (project / "folder").symlink_to("../out")
    (project / ".dockerignore").write_text("folder\n")
    (project / "link.py").symlink_to("folder/secret.py")
    with pytest.raises(BuildError, match="leaves the project"):
        packed(project)


def test_names_that_an_image_cannot_hold_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".wh.app.py").write_text("")
    with pytest.raises(BuildError, match="would delete a file"):
        packed(tmp_path)
    (tmp_path / ".wh.app.py").rename(tmp_path / os.fsdecode(b"caf\xe9.py"))
    with pytest.raises(BuildError, match="UTF-8"):
        packed(tmp_path)


def test_links_that_lead_nowhere_stay(tmp_path: Path) -> None:
    for name, target in {"self": "self", "there": "back", "back": "there", "gone": "./gone.py"}.items():
        (tmp_path / name).symlink_to(target)
    found = members(tmp_path)
    assert {name: found[name].linkname for name in found if name} == {
        "self": "self", "there": "back", "back": "there", "gone": "gone.py",
    }  # fmt: skip


def test_a_link_to_a_name_of_odd_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(os.fsdecode(b"caf\xe9.py"))
    with pytest.raises(BuildError, match="target of this link is no UTF-8") as caught:
        packed(tmp_path)
    assert str(caught.value).encode()


def test_odd_names_that_are_left_out_are_no_trouble(tmp_path: Path) -> None:
    put(tmp_path, "app.py")
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    (tmp_path / os.fsdecode(b"caf\xe9") / "x.py").write_text("")
    (tmp_path / ".dockerignore").write_text("caf*\n")
    assert set(members(tmp_path)) == {"", ".dockerignore", "app.py"}


def test_images_and_environments_leave_no_empty_folder(tmp_path: Path) -> None:
    put(tmp_path, "app.py", "images/api/oci-layout", "images/web/oci-layout", "mine/pyvenv.cfg", "both/a.py")
    put(tmp_path, "both/image/oci-layout")
    assert set(members(tmp_path)) == {"", "app.py", "both", "both/a.py"}


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "app.py")
    os.mkfifo(tmp_path / "pipe")
    assert set(members(tmp_path)) == {"", "app.py"}


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        packed(tmp_path / "gone")
    assert "gone" in caught.value.where


def test_a_manifest_with_credentials_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "app.py")
    (tmp_path / "requirements.txt").write_text("numpy\n--index-url https://me:hunter2@index.example/simple\n")
    with pytest.raises(BuildError, match="credentials") as refused:
        packed(tmp_path)
    assert refused.value.where.endswith("requirements.txt:2")
    assert "hunter2" not in str(refused.value)
    (tmp_path / ".dockerignore").write_text("requirements.txt\n")
    assert "requirements.txt" not in members(tmp_path)
    (tmp_path / ".dockerignore").unlink()
    (tmp_path / "requirements.txt").write_text("a @ git+https://git@code.example/a.git\n")
    assert "requirements.txt" in members(tmp_path)


def test_credentials_are_found_wherever_an_image_would_take_them(tmp_path: Path) -> None:
    put(tmp_path, "app.py", ".venv/requirements.txt")
    leak = "--index-url https://me:hunter2@index.example/simple\n"
    (tmp_path / ".venv" / "requirements.txt").write_text(leak)
    refuse_secrets(tmp_path)
    put(tmp_path, "deep/er/requirements.txt")
    (tmp_path / "deep" / "er" / "requirements.txt").write_text(leak)
    with pytest.raises(BuildError, match="credentials"):
        refuse_secrets(tmp_path)


@given(
    parts=st.lists(
        st.sampled_from([pattern.removeprefix("**/") for pattern in IGNORED])
        | st.sampled_from(["a.pyc", "a.pyd", "a.py", ".env.local", "environment", "id_rsa.pub", "x.pem", "src"])
        | st.text("ab.*[]-_", min_size=1, max_size=4).filter(lambda name: name not in (".", "..")),
        min_size=1,
        max_size=4,
    )
)
def test_our_own_patterns_alone_match_as_they_do_among_others(parts: list[str]) -> None:
    path = "/".join(parts)
    assert _ignoring([])(path) == _ignoring(["/nothing-else"])(path)
