"""Indexes that the user's own set-up names: all are asked, none leaks a secret, and none is taken for another."""

from __future__ import annotations

import os
import socket
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from depdoctor.adapters.uv import UvResolver
from depdoctor.adapters.uv_process import UvProcess
from depdoctor.adapters.uv_user import identity
from depdoctor.model.lock import Answer, Question, Resolved, Unknown, Why
from depdoctor.model.project import IndexOptions
from depdoctor.model.target import Environment, Platform

LINUX = Environment(python="3.11", platform=Platform(libc_version=(2, 36)))
SECRET = "s3cr3t"
SPRING = datetime(2024, 6, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "system"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def ask(cache: Path, *requirements: str, indexes: IndexOptions | None = None) -> Answer:
    question = Question(
        requirements=requirements, environment=LINUX, indexes=indexes or IndexOptions(), exclude_newer=SPRING
    )
    return UvResolver(cache).resolve(question)


def versions(answer: Answer) -> dict[str, str]:
    assert isinstance(answer, Resolved), answer
    return {name: str(version) for name, version in answer.versions.items()}


def with_account(address: str) -> str:
    return address.replace("://", f"://team:{SECRET}@")


def configure(tmp_path: Path, text: str) -> None:
    path = tmp_path / "home" / "uv" / "uv.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("UV_DEFAULT_INDEX", "{}"),
        ("UV_DEFAULT_INDEX", "corp={}"),
        ("UV_INDEX_URL", "{}"),
        ("UV_INDEX", "corp={}"),
        ("UV_INDEX", "{}"),
        ("UV_EXTRA_INDEX_URL", "{}"),
    ],
)
def test_a_private_index_without_times_answers(
    variable: str, text: str, private_server: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has is neither gone nor conflicting, although nothing tells when it was uploaded."""
    if variable in {"UV_INDEX", "UV_EXTRA_INDEX_URL"}:
        monkeypatch.setenv("UV_DEFAULT_INDEX", "file:///absent")
    monkeypatch.setenv(variable, text.format(with_account(private_server)))
    answer = ask(cache, "servekit")
    assert versions(answer) == {"servekit": "0.6.4", "formers": "4.46.3", "tokenkit": "0.20.3", "numlib": "1.26.4"}
    assert isinstance(answer, Resolved)
    assert not answer.dated
    assert SECRET not in repr(answer)
    assert not [path for path in cache.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize("way", ["variables", "netrc"])
def test_credentials_may_come_from_elsewhere(
    way: str, private_server: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"corp={private_server}")
    refused = ask(cache, "numlib")
    assert isinstance(refused, Unknown)
    assert refused.why is Why.UNREACHABLE
    if way == "netrc":
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login team password {SECRET}\n")
    else:
        monkeypatch.setenv("UV_INDEX_CORP_USERNAME", "team")
        monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", SECRET)
    assert versions(ask(cache, "numlib")) == {"numlib": "2.1.3"}


def test_credentials_that_are_percent_encoded(odd_server: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX", odd_server.replace("://", "://a%20b%40corp:p%2Fw%3Ad@"))
    assert versions(ask(cache, "numlib")) == {"numlib": "1.26.4"}


def test_only_the_index_without_times_is_taken_as_it_is_now(
    package_server: str, private_server: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("UV_INDEX", with_account(private_server))
    assert versions(ask(cache, "tensorlib")) == {"tensorlib": "2.4.0"}
    monkeypatch.setenv("UV_INDEX", package_server)
    monkeypatch.setenv("UV_DEFAULT_INDEX", with_account(private_server))
    assert versions(ask(cache, "tensorlib")) == {"tensorlib": "2.3.1"}


def test_an_index_of_the_users_configuration_without_times_answers(
    package_server: str, private_server: str, cache: Path, tmp_path: Path
) -> None:
    configure(
        tmp_path,
        f'[[index]]\nname = "corp"\nurl = "{with_account(private_server)}"\n'
        f'[[index]]\nname = "main"\nurl = "{package_server}"\ndefault = true\n',
    )
    answer = ask(cache, "servekit")
    assert versions(answer) == {"servekit": "0.6.4", "formers": "4.46.3", "tokenkit": "0.20.3", "numlib": "1.26.4"}
    assert SECRET not in repr(answer)


def test_indexes_of_a_project_are_asked_whatever_uv_is_told_to_read(
    package_server: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = IndexOptions(index_url=package_server)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    configure(tmp_path, "[[index]]\nurl = 'file:///absent'\n")
    assert versions(ask(cache, "tensorlib", indexes=project)) == {"tensorlib": "2.3.1"}
    monkeypatch.delenv("UV_NO_CONFIG")
    named = tmp_path / "named.toml"
    named.write_text(f'[[index]]\nurl = "{package_server}"\ndefault = true\n')
    monkeypatch.setenv("UV_CONFIG_FILE", str(named))
    assert versions(ask(cache, "tensorlib")) == {"tensorlib": "2.3.1"}
    named.write_text("")
    assert versions(ask(cache, "tensorlib", indexes=project)) == {"tensorlib": "2.3.1"}


def test_every_change_of_the_set_up_is_another_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [identity()]
    for name, value in {
        "UV_INDEX": "https://index.example/simple",
        "UV_INDEX_CORP_PASSWORD": SECRET,
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_CONFIG_FILE": str(tmp_path / "named.toml"),
    }.items():
        monkeypatch.setenv(name, value)
        seen.append(identity())
    (tmp_path / "named.toml").write_text("no-index = true\n")
    seen.append(identity())
    monkeypatch.delenv("UV_CONFIG_FILE")
    configure(tmp_path, "no-index = true\n")
    seen.append(identity())
    assert len(set(seen)) == len(seen)
    assert SECRET not in "".join(seen)
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "9")
    assert identity() == seen[-1]


def test_an_index_that_hangs_is_named_when_the_time_is_up(
    cache: Path, package_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
        monkeypatch.setenv("UV_INDEX", address.replace("://", f"://team:{SECRET}@"))
        question = Question(requirements=("numlib",), environment=LINUX, exclude_newer=SPRING)
        answer = UvResolver(cache, remaining_s=lambda: 1.5).resolve(question)
    assert isinstance(answer, Unknown)
    assert answer.why is Why.BUDGET
    assert answer.detail == f"no answer in the time there was, asked of {address}, <index>"


class _Listening(BaseHTTPRequestHandler):
    """Remembers who introduces himself."""

    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.heard.append(self.headers.get("Authorization", ""))
        self.send_error(401)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("way", ["environment", "file"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_project_gets_no_secret_by_calling_its_index_like_the_user_s(
    private_server: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, way: str, tied: bool
) -> None:
    if way == "environment":
        monkeypatch.setenv("UV_INDEX", f"corp={with_account(private_server)}")
    else:
        configure(tmp_path, f'[[index]]\nname = "corp"\nurl = "{private_server}"\n')
        monkeypatch.setenv("UV_INDEX_CORP_USERNAME", "team")
        monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", SECRET)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "file:///absent")
    _Listening.heard.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Listening) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/simple"
        extra = () if tied else (address,)
        asked = IndexOptions(
            extra_index_urls=extra, names=((address, "corp"),), tied=(("absentlib", address),) if tied else ()
        )
        answer = ask(cache, "absentlib", indexes=asked)
        server.shutdown()
    assert not isinstance(answer, Resolved)
    assert _Listening.heard
    assert not any(_Listening.heard)


def test_the_default_index_is_asked_of_uv_once_for_each_set_up(cache: Path, tmp_path: Path) -> None:
    def told(*, remaining_s: float = 60.0) -> str:
        uv = UvProcess(cache, interpreter=sys.executable, offline=False, remaining_s=lambda: remaining_s)
        return uv.default_index

    configure(tmp_path, 'index-url = "http://index.example/one"')
    assert told(remaining_s=0) == ""  # uv is not even started, and nothing is remembered of that
    assert told() == told(remaining_s=0) == "http://index.example/one"
    configure(tmp_path, 'index-url = "http://index.example/two"')
    assert told(remaining_s=0) == ""
    assert told() == "http://index.example/two"
    configure(tmp_path, f'index-url = "http://someone:{SECRET}@index.example/one"')
    assert told() == ""
    assert not [path for path in cache.rglob("*") if path.is_file() and SECRET in path.read_text(errors="replace")]
