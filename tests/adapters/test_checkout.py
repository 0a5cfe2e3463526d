"""Commits are fetched by git itself, and nothing of an address or a repository is run."""

from __future__ import annotations

from pathlib import Path

import pytest
from git_repositories import a_repository, git, needs_git, serving

from depdoctor.adapters.checkout import check_out, committed_s
from depdoctor.errors import BuildError
from depdoctor.model.git_source import GitSource

pytestmark = needs_git


def test_a_commit_comes_with_the_tags_though_no_branch_leads_to_it(tmp_path: Path) -> None:
    repository = tmp_path / "served" / "demo"
    commit = a_repository(repository, tmp_path / "count")
    git(repository, "commit", "--quiet", "--amend", "--message=another")
    git(repository, "tag", "--force", "v2")
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    with serving(tmp_path / "served") as address:
        source = GitSource.of(f"git+{address}/demo/.git@{commit}")
        folder = check_out(source, tmp_path / "out")
    assert git(folder, "rev-parse", "HEAD") == commit
    assert git(folder, "tag").split() == ["v1", "v2"]
    assert committed_s(source, folder) == int(git(repository, "log", "-1", "--format=%ct", commit))


def test_a_server_that_gives_no_commit_by_its_name_is_asked_for_all(tmp_path: Path) -> None:
    repository = tmp_path / "served" / "demo"
    commit = a_repository(repository, tmp_path / "count")
    git(repository, "tag", "--delete", "v1")
    (repository / "more").write_text("more")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message=more")
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "false")
    git(repository, "config", "protocol.version", "0")
    with serving(tmp_path / "served") as address:
        folder = check_out(GitSource.of(f"git+{address}/demo/.git@{commit}"), tmp_path / "out")
    assert not (folder / "more").exists()


def test_only_the_folder_that_is_named_is_the_package(tmp_path: Path) -> None:
    repository = tmp_path / "demo"
    a_repository(repository, tmp_path / "count")
    (repository / "inner").mkdir()
    (repository / "inner" / "x").write_text("x")
    (repository / "out").symlink_to("/")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message=inner")
    commit = git(repository, "rev-parse", "HEAD")
    where = f"git+file://{repository}@{commit}#subdirectory="
    assert [one.name for one in check_out(GitSource.of(f"{where}inner"), tmp_path / "one").iterdir()] == ["x"]
    for folder in ("none", "out", "out/etc"):
        with pytest.raises(BuildError, match=f"no folder `{folder}`"):
            check_out(GitSource.of(where + folder), tmp_path / folder.replace("/", "_"))


def test_hooks_and_transports_of_submodules_run_nothing(tmp_path: Path) -> None:
    repository = tmp_path / "demo"
    a_repository(repository, tmp_path / "count")
    touched = tmp_path / "touched"
    (repository / ".gitmodules").write_text(
        f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch% {touched}"\n\tupdate = !touch {touched}\n'
    )
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{head},x")
    git(repository, "add", ".gitmodules")
    git(repository, "commit", "--quiet", "--message=wicked")
    commit = git(repository, "rev-parse", "HEAD")
    with pytest.raises(BuildError, match="cannot fetch"):
        check_out(GitSource.of(f"git+file://{repository}@{commit}"), tmp_path / "out")
    assert not touched.exists()


def test_a_commit_that_is_not_there_is_told(tmp_path: Path) -> None:
    a_repository(tmp_path / "demo", tmp_path / "count")
    source = GitSource.of(f"git+file://{tmp_path}/demo@{'0' * 39}1")
    with pytest.raises(BuildError, match="cannot fetch") as caught:
        check_out(source, tmp_path / "out")
    assert str(source) in str(caught.value)
