"""No engine where one is looked for: what, where and why, without one."""

from __future__ import annotations

import json
import socket
from hashlib import sha256
from pathlib import Path

import pytest

from depdoctor.adapters.docker import DockerEngine
from depdoctor.errors import EngineError


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


def refused() -> EngineError:
    with pytest.raises(EngineError, match="no container engine answers") as caught:
        DockerEngine().run("anything")
    return caught.value


def test_a_socket_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    error = refused()
    assert error.message == "no container engine answers: there is no such socket"
    assert error.where == f"unix://{tmp_path}/no.sock"
    assert "DOCKER_HOST" in error.hint


def test_a_port_that_nobody_listens_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, and not listening: refused
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{held.getsockname()[1]}")
        assert refused().message == "no container engine answers: nothing listens there"


def test_the_engine_is_that_of_the_current_context(tmp_path: Path) -> None:
    place = f"unix://{tmp_path}/context.sock"
    meta = tmp_path / "docker" / "contexts" / "meta" / sha256(b"mine").hexdigest()
    meta.mkdir(parents=True)
    told = {"Name": "mine", "Metadata": {}, "Endpoints": {"docker": {"Host": place, "SkipTLSVerify": False}}}
    (meta / "meta.json").write_text(json.dumps(told))
    (tmp_path / "docker" / "config.json").write_text('{"currentContext": "mine"}')
    assert refused().where == place
