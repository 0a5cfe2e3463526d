"""uv against the small index: what it resolves, and what its refusals are taken for."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from wheels import make_wheel, wheel_files

from depdoctor.adapters.uv import UvResolver
from depdoctor.model.finding import Kind
from depdoctor.model.lock import Answer, Impossible, Question, Resolved, Unknown, Why
from depdoctor.model.project import IndexOptions
from depdoctor.model.target import Environment, Platform

NOW = datetime(2025, 6, 1, tzinfo=UTC)
LINUX = Platform(libc_version=(2, 36))


class Asking:
    """Asks a resolver about requirements against the index on loopback."""

    def __init__(self, resolver: UvResolver, index: str) -> None:
        self.resolver = resolver
        self.index = index

    def __call__(self, *requirements: str, **about: Any) -> Answer:
        return self.resolver.resolve(self.question(*requirements, **about))

    def question(
        self,
        *requirements: str,
        python: str = "3.11",
        platform: Platform = LINUX,
        moment: datetime = NOW,
        builds: bool = False,
        dependencies: bool = True,
        constraints: tuple[str, ...] = (),
        indexes: IndexOptions | None = None,
    ) -> Question:
        return Question(
            requirements=tuple(sorted(requirements)),
            constraints=constraints,
            environment=Environment(python=python, platform=platform),
            indexes=indexes or IndexOptions(index_url=self.index),
            exclude_newer=moment,
            builds_allowed=builds,
            with_dependencies=dependencies,
        )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def ask(cache: Path, package_server: str) -> Asking:
    return Asking(UvResolver(cache), package_server)


def pins(answer: Answer) -> dict[str, str]:
    assert isinstance(answer, Resolved), answer
    return {name: str(version) for name, version in answer.versions.items()}


def refusal(answer: Answer) -> tuple[Kind, tuple[str, ...]]:
    assert isinstance(answer, Impossible), answer
    return answer.kind, answer.blamed


def unknown(answer: Answer) -> Unknown:
    assert isinstance(answer, Unknown), answer
    return answer


def test_every_pin_has_its_file(ask: Asking) -> None:
    answer = ask("servekit")
    assert pins(answer) == {"servekit": "0.6.4", "formers": "4.46.3", "tokenkit": "0.20.3", "numlib": "1.26.4"}
    assert isinstance(answer, Resolved)
    for pin in answer.pins:
        assert pin.file
        assert pin.file.filename == f"{pin.name}-{pin.version}-py3-none-any.whl"
        assert pin.file.url.startswith(ask.index.removesuffix("simple"))
        assert len(pin.file.sha256) == 64
        assert pin.file.size_bytes
        assert pin.file.upload_time


def test_nothing_is_asked_where_nothing_is_required(tmp_path: Path) -> None:
    unreachable = IndexOptions(index_url="http://index.example/simple")
    assert Asking(UvResolver(tmp_path), "")(indexes=unreachable) == Resolved(pins=())


def test_the_index_is_seen_as_it_stood(ask: Asking) -> None:
    assert pins(ask("tensorlib", moment=datetime(2024, 6, 30, tzinfo=UTC))) == {"tensorlib": "2.3.1"}
    assert pins(ask("tensorlib")) == {"tensorlib": "2.4.0"}


def test_markers_count_for_the_environment_asked_about(ask: Asking) -> None:
    assert refusal(ask("plotkit", "numlib>=2")) == (Kind.VERSION_CONFLICT, ("numlib", "plotkit"))
    assert pins(ask("plotkit", "numlib>=2", python="3.12"))["numlib"] == "2.1.3"
    assert "winshell" in pins(ask("plotkit", platform=Platform(system="windows", libc="")))


def test_constraints_bound_without_requiring(ask: Asking) -> None:
    assert pins(ask("formers", constraints=("tokenkit<0.20", "boardlog<2")))["formers"] == "4.44.2"


def test_without_dependencies_only_what_is_named(ask: Asking) -> None:
    answer = ask("servekit==0.6.4", "fastkernels==2.6.3", dependencies=False)
    assert pins(answer) == {"servekit": "0.6.4", "fastkernels": "2.6.3"}


@pytest.mark.parametrize(
    ("requirements", "blamed"),
    [
        (("tokenkit==0.19.1", "tokenkit==0.20.3"), ("tokenkit",)),
        (("servekit", "chatchain"), ("chatchain", "servekit", "tokenkit", "formers")),
        (("tensorvision==0.18.1", "tensorlib==2.4.0"), ("tensorlib", "tensorvision")),
        (("formers[speech]==4.46.3", "audiolib==2.1.0"), ("audiolib", "formers")),
        (("hubclient", "numlib>=2"), ("hubclient", "numlib")),
        (("fastkernels", "tokenkit==0.19.1", "servekit"), ("servekit", "tokenkit", "formers")),
        (("fastkernels==2.6.3", "kernelhub"), ("fastkernels", "kernelhub")),
        (("fastkernels>=2.7", "fastkernels<2.7"), ("fastkernels",)),
    ],
    ids=[
        "pins",
        "third package",
        "lockstep",
        "extra",
        "yanked way out",
        "beside a package without wheels",
        "about the version of a package without wheels",
        "between ranges of a package without wheels",
    ],
)
def test_a_conflict_names_what_clashes(ask: Asking, requirements: tuple[str, ...], blamed: tuple[str, ...]) -> None:
    kind, names = refusal(ask(*requirements))
    assert kind is Kind.VERSION_CONFLICT
    assert set(names) >= {name for name in blamed if any(text.startswith(name) for text in requirements)}
    assert set(names) <= set(blamed)


@pytest.mark.parametrize(
    ("requirement", "kind"),
    [
        ("tensorlib==2.5.0.dev20241202", Kind.VERSION_GONE),
        ("tensorlib>=3", Kind.VERSION_GONE),
        ("hubclient>=0.23.2", Kind.VERSION_GONE),
        ("tensorlib==2.4.0+cpu", Kind.INDEX_MISSING),
        ("nobody-made-this", Kind.INDEX_MISSING),
        ("legacyops==1.3.0", Kind.PYTHON_UNSUPPORTED),
        ("winshell==306.0", Kind.NO_WHEEL),
    ],
)
def test_a_single_requirement_fails_for_a_reason_of_its_own(ask: Asking, requirement: str, kind: Kind) -> None:
    name = requirement.partition("=")[0].partition(">")[0]
    for companions in ((), ("numlib", "chatchain")):
        assert refusal(ask(requirement, *companions)) == (kind, (name,))


def test_a_requirement_that_only_a_third_package_states_may_fail_so_too(ask: Asking) -> None:
    kind, blamed = refusal(ask("tensorvision==0.18.1", python="3.12"))
    assert kind is Kind.PYTHON_UNSUPPORTED
    assert blamed[0] == "tensorvision"
    assert "tensorlib" in blamed


def test_an_older_c_library_is_blamed_only_where_a_newer_one_would_serve(ask: Asking) -> None:
    answer = ask("onnxrun", platform=Platform(libc_version=(2, 17)))
    assert refusal(answer) == (Kind.GLIBC, ("onnxrun",))
    assert refusal(ask("onnxrun", platform=Platform(libc="musl", libc_version=(1, 2))))[0] is Kind.GLIBC
    assert refusal(ask("winshell", platform=Platform(libc_version=(2, 17))))[0] is Kind.NO_WHEEL


def test_a_c_library_between_those_that_uv_knows_gets_its_wheels(ask: Asking) -> None:
    assert pins(ask("onnxrun", platform=Platform(libc_version=(2, 27)))) == {"onnxrun": "1.18.0"}
    assert refusal(ask("onnxrun", platform=Platform(libc_version=(2, 26))))[0] is Kind.GLIBC


def test_a_machine_that_uv_does_not_know_is_no_conflict(ask: Asking) -> None:
    assert unknown(ask("numlib", platform=Platform(machine="s390x"))).why is Why.NOT_UNDERSTOOD
    assert unknown(ask("numlib", platform=Platform(libc_version=(2, 5)))).why is Why.NOT_UNDERSTOOD


def test_what_only_a_build_would_tell_is_unknown(ask: Asking) -> None:
    answer = unknown(ask("fastkernels", "numlib<2"))
    assert answer.why is Why.NEEDS_BUILD
    assert "fastkernels" in answer.detail
    assert [str(pin) for pin in answer.known] == ["numlib==1.26.4"]


def test_what_is_learned_of_packages_without_wheels_changes_no_answer(cache: Path, package_server: str) -> None:
    questions = [
        ("fastkernels==2.6.3", "numlib<2"),
        ("fastkernels>=2.7", "numlib<2"),
        ("kernelhub",),
        ("kernelhub", "fastkernels==2.6.3"),
        ("deeptrain", "boardlog>=2"),
        ("deeptrain>=0.10", "boardlog>=2"),
        ("deeptrain==0.14.4", "kernelhub", "chatchain", "servekit"),
        ("numlib", "boardlog>=2"),
    ]
    fresh = [Asking(UvResolver(cache), package_server)(*requirements) for requirements in questions]
    for order in (questions, questions[::-1]):
        one = Asking(UvResolver(cache), package_server)
        for requirements in order:
            answer = one(*requirements)
            expected = fresh[questions.index(requirements)]
            assert type(answer) is type(expected), requirements
            if isinstance(answer, Resolved | Unknown):
                assert answer == expected
    assert [type(answer).__name__ for answer in fresh] == [
        *("Unknown", "Unknown", "Unknown", "Impossible", "Unknown", "Unknown", "Impossible", "Resolved")
    ]


def test_an_ancient_wheel_stands_for_nothing(ask: Asking) -> None:
    answer = unknown(ask("deeptrain"))
    assert answer.why is Why.NEEDS_BUILD
    assert "deeptrain==0.3.1.dev5" in answer.detail
    assert "deeptrain==0.14.4" in answer.detail
    assert unknown(ask("deeptrain", "boardlog>=2")).why is Why.NEEDS_BUILD
    assert pins(ask("deeptrain==0.3.1.dev5"))["boardlog"] == "1.8"


def test_builds_happen_only_where_they_are_allowed(ask: Asking) -> None:
    assert pins(ask("fastkernels", builds=True)) == {"fastkernels": "2.7.0"}
    kind, blamed = refusal(ask("flatmap", builds=True))
    assert (kind, blamed) == (Kind.BUILD_FAILS, ("flatmap",))
    assert unknown(ask("flatmap")).why is Why.NEEDS_BUILD


def test_going_back_years_is_for_others_to_judge(ask: Asking) -> None:
    assert pins(ask("formers<4.30", "tokenkit>=0.15"))["formers"] == "4.17.0"


def test_a_missing_extra_and_a_yanked_pin_are_warned_of(ask: Asking) -> None:
    for requirement, word in (("tensorlib[gpu]==2.3.1", "extra"), ("hubclient==0.23.2", "yanked")):
        answer = ask(requirement)
        assert isinstance(answer, Resolved)
        assert [warning for warning in answer.warnings if word in warning]
    assert ask("tensorlib[gpu]==2.4.0") == Resolved(pins=ask("tensorlib[gpu]==2.4.0").pins)


def test_pre_releases_serve_where_nothing_else_does(ask: Asking) -> None:
    assert pins(ask("previewkit"))["previewkit"] == "1.0.0rc1"
    assert pins(ask("deeptrain==0.3.1.dev5", "boardlog"))["deeptrain"] == "0.3.1.dev5"


def test_a_folder_of_links_needs_no_index(ask: Asking, package_index: str) -> None:
    options = IndexOptions(no_index=True, find_links=(package_index,))
    assert pins(ask("servekit", indexes=options))["tokenkit"] == "0.20.3"
    assert refusal(ask("nobody-made-this", indexes=options))[0] is Kind.INDEX_MISSING


def test_links_to_a_folder_start_from_the_root(cache: Path, index_folder: Path) -> None:
    options = IndexOptions(no_index=True, find_links=("./files",))
    assert "tokenkit" in pins(Asking(UvResolver(cache, root=index_folder), "")("servekit", indexes=options))
    answer = Asking(UvResolver(cache, root=index_folder / "simple"), "")("servekit", indexes=options)
    assert unknown(answer).why is Why.UNREACHABLE


def test_an_index_without_upload_times_is_taken_as_it_is(ask: Asking, index_folder: Path) -> None:
    pages = (index_folder / "simple").as_uri()
    assert pins(ask("tensorlib", indexes=IndexOptions(index_url=pages))) == {"tensorlib": "2.4.0"}
    both = IndexOptions(index_url=ask.index, extra_index_urls=(pages,))
    assert pins(ask("tensorlib", indexes=both)) == {"tensorlib": "2.4.0"}


def test_wheels_may_be_refused(ask: Asking) -> None:
    options = IndexOptions(index_url=ask.index, no_binary=("fastkernels",))
    assert pins(ask("fastkernels", builds=True, indexes=options)) == {"fastkernels": "2.7.0"}
    options = IndexOptions(index_url=ask.index, only_binary=("fastkernels",))
    assert not isinstance(ask("fastkernels", builds=True, indexes=options), Resolved)
    assert pins(ask("numlib<2", indexes=options)) == {"numlib": "1.26.4"}


def test_an_index_that_is_down_is_no_conflict_and_is_not_asked_twice(
    ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    down = IndexOptions(index_url="http://127.0.0.1:9/simple")
    first = unknown(ask("numlib", indexes=down))
    assert first.why is Why.UNREACHABLE
    assert ask("tokenkit", indexes=down) is first


def test_an_additional_index_that_is_down_is_left_out_and_told(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    dead = ("http://127.0.0.1:9/simple", "http://127.0.0.1:9/other")
    some = IndexOptions(index_url=ask.index, extra_index_urls=dead)
    answer = ask("numlib<2", indexes=some)
    assert pins(answer) == {"numlib": "1.26.4"}
    assert isinstance(answer, Resolved)
    assert [said.partition(" ")[0] for said in answer.missing] == list(dead)
    assert unknown(ask("numlib<2", "numlib>=2", indexes=some)).why is Why.UNREACHABLE
    assert unknown(ask("not-published-anywhere", indexes=some)).why is Why.UNREACHABLE
    tied = replace(some, tied=(("numlib", dead[0]),))
    assert unknown(ask("numlib<2", indexes=tied)).why is Why.UNREACHABLE


def test_a_package_is_not_gone_because_an_additional_index_wants_an_account(
    ask: Asking, private_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    indexes = IndexOptions(index_url=ask.index, extra_index_urls=(private_server,))
    answer = unknown(ask("not-published-anywhere==1.0", indexes=indexes))
    assert answer.why is Why.UNREACHABLE
    assert f"the index {private_server} refuses" in answer.detail
    assert "401" in answer.detail
    again = Asking(UvResolver(tmp_path / "cache"), ask.index)
    host = urlsplit(private_server).hostname
    (tmp_path / "netrc").write_text(f"machine {host}\nlogin team\npassword s3cr3t\n")
    assert refusal(again("not-published-anywhere==1.0", indexes=indexes))[0] is Kind.INDEX_MISSING


def test_offline_nothing_is_impossible(tmp_path: Path, package_server: str) -> None:
    offline = Asking(UvResolver(tmp_path, offline=True), package_server)
    assert unknown(offline("numlib")).why is Why.OFFLINE
    assert unknown(offline("numlib[fast]==1.26.4")).why is Why.OFFLINE
    assert unknown(offline("numlib==1.26.4; sys_platform == 'linux'")).why is Why.OFFLINE
    assert unknown(offline("numlib>=1; python_version < '4'")).why is Why.OFFLINE
    Asking(UvResolver(tmp_path), package_server)("numlib<2")
    assert pins(offline("numlib<2")) == {"numlib": "1.26.4"}
    assert unknown(offline("numlib<2", "tokenkit")).why is Why.OFFLINE


def test_the_index_of_the_users_uv_is_asked(ask: Asking, package_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.setenv(variable, package_server)
        assert pins(ask("servekit", indexes=IndexOptions()))["tokenkit"] == "0.20.3"
        monkeypatch.delenv(variable)


def test_the_surroundings_change_no_answer(ask: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ask("formers")
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text('[tool.uv]\nconstraint-dependencies = ["formers<4.30"]\n')
    monkeypatch.chdir(project)
    for name, value in {
        "UV_RESOLUTION": "lowest",
        "UV_EXCLUDE_NEWER": "2022-01-01",
        "UV_PRERELEASE": "allow",
        "UV_CONSTRAINT": str(project / "absent.txt"),
        "UV_PYTHON": "3.99",
        "UV_CACHE_DIR": str(tmp_path / "elsewhere"),
        "VIRTUAL_ENV": str(tmp_path / "absent"),
        "PYTHONPATH": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    assert ask("formers") == before
    assert not (tmp_path / "elsewhere").exists()


def test_credentials_reach_no_message_and_no_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://someone:s3cret@127.0.0.1:9/simple")
    answer = Asking(UvResolver(cache), "")("numlib", indexes=IndexOptions())
    assert unknown(answer).why is Why.UNREACHABLE
    assert "s3cret" not in unknown(answer).detail
    assert not [path for path in (cache / "uv-settings").rglob("uv.toml") if "s3cret" in path.read_text()]


def test_closing_ends_the_process_that_runs(cache: Path, package_server: str) -> None:
    resolver = UvResolver(cache, interpreter=sys.executable)
    running: set[subprocess.Popen[str]] = resolver._uv._running
    asking = threading.Thread(target=Asking(resolver, package_server), args=("servekit", "plotkit"))
    asking.start()
    deadline = time.monotonic() + 30
    while not running and asking.is_alive() and time.monotonic() < deadline:
        time.sleep(0.001)
    resolver.close()
    asking.join(timeout=30)
    assert not asking.is_alive()
    assert not running


def test_a_later_patch_release_of_the_python_will_do(tmp_path: Path) -> None:
    files = wheel_files("latelib", "1.0", {"latelib.py": b""})
    files["latelib-1.0.dist-info/METADATA"] += b"Requires-Python: >=3.11.5\n"
    make_wheel(tmp_path, "latelib", whole=files)
    indexes = IndexOptions(no_index=True, find_links=(str(tmp_path),))
    asking = Asking(UvResolver(tmp_path / "cache"), "")
    answer = asking("latelib==1.0", indexes=indexes)
    assert pins(answer) == {"latelib": "1.0"}
    assert isinstance(answer, Resolved)
    assert answer.warnings == ("needs Python 3.11.5 or a later 3.11",)
    earlier = asking("latelib==1.0", indexes=indexes, python="3.10")
    assert refusal(earlier) == (Kind.PYTHON_UNSUPPORTED, ("latelib",))
