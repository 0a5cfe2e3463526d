"""Projects without a lockfile: what is asked for them, and what becomes of what no index serves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from depdoctor import discover, lock, read
from depdoctor.adapters.index import RemoteWheels
from depdoctor.adapters.uv import UvResolver
from depdoctor.model.finding import Kind
from depdoctor.model.lock import Answer, DeclaredOnly, Lock, LockOutcome, Question, Unknown, Unresolvable, Why
from depdoctor.model.project import IndexOptions, Location, Manifest, Problem, Project, UnreadableManifest
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Platform
from depdoctor.read import pyproject_toml, requirements_txt

NOW = datetime(2025, 6, 1, tzinfo=UTC)
LINUX = Environment(python="3.11", platform=Platform(libc_version=(2, 36)))


class Recording:
    """Keeps the questions that go by to a resolver."""

    def __init__(self, resolver: UvResolver) -> None:
        self.resolver = resolver
        self.questions: list[Question] = []

    def resolve(self, question: Question) -> Answer:
        self.questions.append(question)
        return self.resolver.resolve(question)


@pytest.fixture(scope="module")
def uv(tmp_path_factory: pytest.TempPathFactory) -> UvResolver:
    return UvResolver(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def resolver(uv: UvResolver) -> Recording:
    return Recording(uv)


def locked(
    resolver: Recording, index: str, *manifests: Manifest, groups: tuple[str, ...] = (), **of: object
) -> LockOutcome:
    project = Project(name="service", root="service", manifests=tuple(manifest.path for manifest in manifests))
    return lock.lock(
        Reading(project=project, manifests=manifests, **of),  # type: ignore[arg-type]
        LINUX,
        resolver,
        indexes=IndexOptions(index_url=index),
        exclude_newer=NOW,
        groups=groups,
    )


def names(outcome: LockOutcome) -> set[str]:
    assert isinstance(outcome, Lock), outcome
    return {str(pin) for pin in outcome.pins}


def requirements(text: str) -> Manifest:
    return requirements_txt.parse(text, "service/requirements.txt")


PYPROJECT = """
[project]
name = "service"
requires-python = ">=3.10"
dependencies = ["numlib<2", "winshell ; sys_platform == 'win32'", "service[gpu]"]

[project.optional-dependencies]
gpu = ["tensorlib[gpu]"]

[dependency-groups]
dev = ["boardlog==1.8"]
"""


def test_one_question_holds_the_default_group(resolver: Recording, package_server: str) -> None:
    pyproject = pyproject_toml.parse(PYPROJECT, "service/pyproject.toml")
    outcome = locked(resolver, package_server, pyproject)
    assert names(outcome) == {"numlib==1.26.4", "tensorlib==2.4.0", "fastmath==1.2.0"}
    assert [question.requirements for question in resolver.questions] == [("numlib<2", "tensorlib[gpu]")]
    assert isinstance(outcome, Lock)
    assert (outcome.project, outcome.origin, outcome.missing) == ("service", None, ())


@pytest.mark.parametrize("group", ["dev", "group:dev"])
def test_groups_are_locked_where_they_are_asked_for(resolver: Recording, package_server: str, group: str) -> None:
    outcome = locked(
        resolver, package_server, pyproject_toml.parse(PYPROJECT, "service/pyproject.toml"), groups=(group,)
    )
    assert "boardlog==1.8" in names(outcome)
    assert isinstance(outcome, Lock)
    assert outcome.groups == (group,)


def test_constraints_of_a_manifest_count(resolver: Recording, package_server: str) -> None:
    constraint = requirements_txt.parse("tokenkit<0.20\nnumlib<2\n", "constraints.txt")
    manifest = Manifest(path="requirements.txt", format="requirements.txt", constraints=constraint.requirements)
    assert "formers==4.44.2" in names(locked(resolver, package_server, manifest, requirements("formers")))


def test_the_index_that_a_manifest_names_is_nearer(resolver: Recording, package_server: str) -> None:
    outcome = locked(resolver, "http://127.0.0.1:9/simple", requirements(f"--index-url {package_server}\ntokenkit\n"))
    assert names(outcome) == {"tokenkit==0.20.3"}


def test_what_no_index_serves_is_missing_and_the_rest_is_locked(resolver: Recording, package_server: str) -> None:
    text = "tokenkit\nlogger @ git+https://git.example/logger@v1\nthis is no requirement\n"
    outcome = locked(resolver, package_server, requirements(text))
    assert names(outcome) == {"tokenkit==0.20.3"}
    assert isinstance(outcome, Lock)
    assert [text.partition(": ")[0] for text in outcome.missing] == [
        "service/requirements.txt:2",
        "service/requirements.txt:3",
    ]


def test_where_nothing_can_be_asked_nothing_is(resolver: Recording, package_server: str) -> None:
    outcome = locked(resolver, package_server, requirements("logger @ git+https://git.example/logger@v1\n"))
    assert isinstance(outcome, DeclaredOnly)
    assert (outcome.reason.why, "service/requirements.txt:1" in outcome.reason.detail) == (Why.NOT_UNDERSTOOD, True)
    assert not resolver.questions


def test_a_file_that_cannot_be_read_is_missing(resolver: Recording, package_server: str) -> None:
    problem = Problem(location=Location(path="service/other.txt"), reason="it is no text")
    unreadable = UnreadableManifest(path="service/other.txt", format="requirements.txt", problem=problem)
    outcome = locked(resolver, package_server, requirements("tokenkit"), unreadable=(unreadable,))
    assert isinstance(outcome, Lock)
    assert outcome.missing == ("service/other.txt: it is no text",)


def test_what_another_group_lacks_is_not_missing(resolver: Recording, package_server: str) -> None:
    problem = Problem(location=Location(path="service/requirements-dev.txt", line=1), reason="gone", kind="missing")
    dev = replace(requirements(""), path="service/requirements-dev.txt", problems=(problem,), groups=("dev",))
    unreadable = UnreadableManifest(path="service/d.txt", format="requirements.txt", problem=problem, groups=("dev",))
    manifests = (requirements("tokenkit"), dev)
    alone = locked(resolver, package_server, *manifests, unreadable=(unreadable,))
    both = locked(resolver, package_server, *manifests, unreadable=(unreadable,), groups=("dev",))
    assert isinstance(alone, Lock)
    assert isinstance(both, Lock)
    assert (alone.missing, len(both.missing)) == ((), 2)


def test_a_project_without_requirements_has_an_empty_lock(resolver: Recording, package_server: str) -> None:
    assert names(locked(resolver, package_server, requirements("# nothing yet\n"))) == set()


def test_a_refusal_and_what_is_unknown_keep_their_reasons(resolver: Recording, package_server: str) -> None:
    refused = locked(resolver, package_server, requirements("tokenkit==0.19.1\nservekit\n"))
    assert isinstance(refused, Unresolvable)
    assert refused.reason.kind is Kind.VERSION_CONFLICT
    unknown = locked(resolver, package_server, requirements("fastkernels\n"))
    assert isinstance(unknown, DeclaredOnly)
    assert unknown.reason.why is Why.NEEDS_BUILD


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        (">=3.12", True),
        ("<3.11", True),
        (">=3.11.4", False),
        ("==3.11.*", False),
        ("!=3.11.0", False),
        ("~=3.9", False),
    ],
)
def test_a_project_that_refuses_the_python_is_not_asked_about(
    resolver: Recording, package_server: str, asked: str, *, refused: bool
) -> None:
    text = f'[project]\nname = "x"\nrequires-python = "{asked}"\ndependencies = ["tokenkit"]\n'
    outcome = locked(resolver, package_server, pyproject_toml.parse(text, "service/pyproject.toml"))
    assert isinstance(outcome, Unresolvable) is refused
    if isinstance(outcome, Unresolvable):
        assert outcome.reason.kind is Kind.PYTHON_UNSUPPORTED
        assert "service/pyproject.toml" in outcome.reason.message
        assert not resolver.questions


@pytest.mark.parametrize(
    ("files", "place", "message", "hint"),
    [
        (
            {"pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.99"\n'},
            ("service/pyproject.toml", 3),
            "none of 3.8 to 3.14 meets",
            "widen it",
        ),
        (
            {"setup.cfg": "[metadata]\nname = x\n\n[options]\npython_requires = <3.10\n"},
            ("service/setup.cfg", 5),
            "the image is to have Python 3.11",
            "3.8 to 3.9",
        ),
        (
            {"pyproject.toml": '[tool.poetry]\nname = "x"\n[tool.poetry.dependencies]\npython = "~3.12"\n'},
            ("service/pyproject.toml", 4),
            "the image is to have Python 3.11",
            "configure `python` as 3.12",
        ),
        (
            {
                "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.12"\n',
                "setup.cfg": "[options]\npython_requires = <3.12\n",
            },
            ("service/pyproject.toml", 3),
            "no Python meets that and service/setup.cfg:2 <3.12",
            "one Python",
        ),
        (
            {
                "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.12"\n',
                "Dockerfile": "FROM python:3.11-slim\n",
            },
            ("service/pyproject.toml", 3),
            "service/Dockerfile takes Python 3.11",
            "3.12 to 3.14 in service/Dockerfile",
        ),
    ],
    ids=["no Python", "too new", "too old", "two files", "image"],
)
def test_a_python_that_is_refused_is_blamed_on_a_line(
    files: dict[str, str], place: tuple[str, int], message: str, hint: str, tmp_path: Path
) -> None:
    folder = tmp_path / "service"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    (project,) = discover.discover(tmp_path)
    outcome = lock.lock(
        read.read(project, tmp_path), LINUX, UvResolver(tmp_path / "cache"), indexes=IndexOptions(), exclude_newer=NOW
    )
    assert isinstance(outcome, Unresolvable)
    assert outcome.reason.kind is Kind.PYTHON_UNSUPPORTED
    assert outcome.reason.location == Location(path=place[0], line=place[1])
    assert outcome.reason.message.startswith(f"{place[0]}:{place[1]} requires Python ")
    assert message in outcome.reason.message
    assert hint in outcome.reason.hint


@pytest.mark.parametrize("wanted", ["==3.10.2", "<=3.10.4,>=3.10", ">=3.9,!=3.11.*,<3.12"])
def test_a_single_patch_release_is_a_python_too(wanted: str) -> None:
    text = f'[project]\nname = "x"\nrequires-python = "{wanted}"\n'
    manifest = pyproject_toml.parse(text, "pyproject.toml")
    assert lock.admits((manifest,), "3.10")
    assert not lock.admits((manifest,), "3.11")


def test_wheels_complete_a_lock(resolver: Recording, package_server: str, tmp_path: Path) -> None:
    plain = locked(resolver, package_server, requirements("servekit\nfastkernels==2.6.3 ; sys_platform == 'win32'\n"))
    assert isinstance(plain, Lock)
    facts = RemoteWheels(tmp_path).facts(pin.file for pin in plain.pins if pin.file)
    full = lock.enrich(plain, facts).by_name
    assert full["servekit"].requires == (Requirement("formers>=4.45.2"), Requirement("numlib<2"))
    assert full["numlib"].requires_python == ">=3.9"
    assert all(pin.unpacked_bytes and pin.download_bytes for pin in full.values())
    assert lock.enrich(plain, {}) == plain
    unknown = Unknown(why=Why.OFFLINE, detail="")
    assert lock.enrich(plain, {pin.file.sha256: unknown for pin in plain.pins if pin.file}) == plain
