"""What git says of a folder: its own commit, the last that touched a project, and what is not committed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from repositories import commit, git

from depdoctor.adapters.git import Repository

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git here")


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A fleet below the root of its repository, with a commit for each project."""
    fleet = tmp_path / "repository" / "fleet"
    git(tmp_path, "init", "--quiet", "repository")
    for name in ("one", "two"):
        (fleet / name).mkdir(parents=True)
        (fleet / name / "app.py").write_text(f"print('{name}')\n")
        commit(fleet, name)
    return fleet


def test_each_project_has_the_commit_that_touched_it(fleet: Path) -> None:
    head = git(fleet, "rev-parse", "HEAD")
    repository = Repository(fleet)
    assert repository.revision == repository.last_touched("two") == head
    assert repository.last_touched("one") == git(fleet, "rev-parse", "HEAD~1")
    assert repository.changed(".") == ()


def test_what_is_not_committed_is_told(fleet: Path) -> None:
    (fleet / "one" / "app.py").write_text("changed\n")
    git(fleet, "mv", "two/app.py", "two/ä b.py")
    (fleet / "new").mkdir()
    (fleet / "new" / "x.py").write_text("untracked\n")
    repository = Repository(fleet)
    assert repository.revision == ""
    assert repository.changed("one") == ("app.py",)
    assert repository.changed("two") == ("ä b.py",)
    assert repository.changed("new") == ()


def test_what_is_untracked_is_no_change_of_a_project(fleet: Path) -> None:
    (fleet / "one" / "notes.txt").write_text("x")
    assert Repository(fleet).revision == ""
    assert Repository(fleet).changed("one") == ()


def test_a_shallow_clone_does_not_know_who_touched_what(fleet: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth", "1", (tmp_path / "repository").as_uri(), str(clone))
    assert Repository(clone / "fleet").revision == git(fleet, "rev-parse", "HEAD")
    assert Repository(clone / "fleet").last_touched("one") == ""


def test_no_repository_is_no_trouble(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    assert (repository.revision, repository.key, repository.last_touched("."), repository.changed(".")) == (
        "",
        "",
        "",
        (),
    )
