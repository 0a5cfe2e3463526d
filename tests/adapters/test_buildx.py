"""What needs no engine: the bake file that is written, the secrets that are found, what a failure says, Ctrl-C."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from depdoctor.adapters.buildx import Buildx, secrets
from depdoctor.errors import BuildError, EngineError
from depdoctor.model.image import Bundle
from depdoctor.model.seams import NoProgress

BAKE = {"target": {"asr": {"dockerfile": "Dockerfile", "target": "asr", "contexts": {"layers": "./layers"}}}}
FILES = {"Dockerfile": "FROM scratch AS asr\n", "docker-bake.json": json.dumps(BAKE), "layers/a.txt": "a==1\n"}

DOCKER = """\
#!{python}
import json, os, sys
if sys.argv[1:3] == ["context", "show"]:
    print("somewhere")
    sys.exit()
arguments = dict(zip(sys.argv, sys.argv[1:]))
seen = {{
    "argv": sys.argv[1:],
    "variables": {{name: os.environ[name] for name in ("PROJECTS", "UV", "CA", "NETRC", "REGISTRY", "TAG")}},
    "bundle": sorted(os.path.join(at, name) for at, _, names in os.walk(".") for name in names),
    "docker": [os.environ.get("DOCKER_CONTEXT"), os.environ.get("DOCKER_HOST")],
    "moment": os.environ["SOURCE_DATE_EPOCH"],
    "uv": os.listdir("../uv"),
    "secrets": {{name: open("../secrets/" + name).read() for name in os.listdir("../secrets")}},
}}
json.dump(seen, open({seen!r}, "w"))
{behaviour}
"""

SUCCEEDS = """
result = {"image.name": "a/asr:v1,b/asr:v1", "containerimage.digest": "sha256:abc"}
json.dump({"asr": result}, open(arguments["--metadata-file"], "w"))
"""
HANGS = "print('#1 [asr 1/1] FROM scratch', flush=True); import time; time.sleep(60)"


@pytest.fixture
def uv_binary(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "uv"
    path.parent.mkdir()
    path.write_text("uv")
    (path.parent / "something-else").write_text("not for the build")
    return path


def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str) -> Path:
    """Put a `docker` on PATH that notes what it was given and then behaves so; returns where the notes are."""
    seen = tmp_path / "seen.json"
    path = tmp_path / "path" / "docker"
    path.parent.mkdir()
    path.write_text(DOCKER.format(python=sys.executable, seen=str(seen), behaviour=behaviour))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(path.parent))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    return seen


def test_bake_is_told_what_only_this_machine_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv_binary: Path
) -> None:
    seen = command(tmp_path, monkeypatch, SUCCEEDS)
    root = tmp_path / "odd ${name} %{root}"
    root.mkdir()
    (tmp_path / "ca,1.pem").write_text("certificates")
    builder = Buildx(uv=uv_binary, secrets={"ca": tmp_path / "ca,1.pem"})
    assert builder.build(Bundle(files=FILES), root, ["asr"]) == {"asr": "a/asr:v1"}
    told = json.loads(seen.read_text())
    assert told["argv"][:4] == ["buildx", "--builder", "somewhere", "bake"]
    assert told["argv"][-1] == "asr"
    assert told["variables"] == {
        "PROJECTS": str(root),
        "UV": "../uv",
        "CA": "../secrets/ca",
        "NETRC": "",
        "REGISTRY": "depdoctor",
        "TAG": "latest",
    }
    assert "--load" in told["argv"]
    assert told["bundle"] == ["./Dockerfile", "./docker-bake.json", "./layers/a.txt"]
    assert told["uv"] == ["uv"]
    assert told["secrets"] == {"ca": "certificates"}
    assert list((tmp_path / "scratch").iterdir()) == []
    assert list(root.iterdir()) == []


def test_a_named_builder_and_a_push_are_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv_binary: Path
) -> None:
    seen = command(tmp_path, monkeypatch, SUCCEEDS)
    monkeypatch.setenv("TAG", "the user's own")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    builder = Buildx(uv=uv_binary, builder="farm", push=True, registry="registry.example/team", tag="v2")
    assert builder.build(Bundle(files=FILES), tmp_path, ["asr"]) == {"asr": "a/asr:v1@sha256:abc"}
    told = json.loads(seen.read_text())
    assert told["argv"][:3] == ["buildx", "--builder", "farm"]
    assert "--push" in told["argv"]
    assert told["variables"]["REGISTRY"] == "registry.example/team"
    assert told["variables"]["TAG"] == "v2"
    assert told["moment"] == "1700000000"


def test_another_context_and_a_cache_are_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv_binary: Path
) -> None:
    seen = command(tmp_path, monkeypatch, SUCCEEDS)
    monkeypatch.setenv("DOCKER_HOST", "unix:///the/usual.sock")
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    builder = Buildx(uv=uv_binary, docker_context="second", cache="registry.example/cache")
    builder.build(Bundle(files=FILES), tmp_path, ["asr"])
    told = json.loads(seen.read_text())
    assert told["docker"] == ["second", None]
    assert told["moment"] == "315532800"
    assert "--set=asr.cache-from=type=registry,ref=registry.example/cache:asr" in told["argv"]
    assert "--set=asr.cache-to=type=registry,ref=registry.example/cache:asr,mode=max" in told["argv"]


STEPS = r"""
#8 [layer_3f 1/1] RUN --mount=type=bind,from=uv,source=uv     --mount=type=secret,id=ca \     if x; fi;     y
#9 [node_1 1/1] COPY --link --from=layer_3f /layer/ /venv/
#8 [layer_3f 1/1] RUN --mount=type=bind,from=uv,source=uv     --mount=type=secret,id=ca \     if x; fi;     y
#9 CACHED
"""


def test_a_step_is_told_once_and_in_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv_binary: Path) -> None:
    command(tmp_path, monkeypatch, f"print({STEPS!r})\n{SUCCEEDS}")
    told: list[str] = []

    class Tells(NoProgress):
        def say(self, text: str) -> None:
            told.append(text)

    Buildx(uv=uv_binary).build(Bundle(files=FILES), tmp_path, ["asr"], Tells())
    assert told[:2] == [
        "[layer_3f 1/1] RUN if x; fi; y",
        "[node_1 1/1] COPY --link --from=layer_3f /layer/ /venv/",
    ]
    assert len(set(told)) == len(told)


def children() -> set[str]:
    """The processes that this one has started and not waited for, other tests' among them (proc(5))."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if path.read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                found.add(path.parent.name)
    return found


def test_an_interrupt_ends_the_child_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv_binary: Path
) -> None:
    command(tmp_path, monkeypatch, HANGS)

    class Interrupts(NoProgress):
        def say(self, text: str) -> None:
            raise KeyboardInterrupt(text)

    before, began = children(), time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Buildx(uv=uv_binary).build(Bundle(files=FILES), tmp_path, ["asr"], Interrupts())
    assert time.monotonic() - began < 60  # the child alone would have slept longer
    assert list((tmp_path / "scratch").iterdir()) == []
    assert children() <= before


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "layers/../../outside"])
def test_a_bundle_stays_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv_binary: Path, path: str
) -> None:
    command(tmp_path, monkeypatch, SUCCEEDS)
    with pytest.raises(BuildError, match="outside its folder"):
        Buildx(uv=uv_binary).build(Bundle(files=FILES | {path: "x"}), tmp_path, ["asr"])


def test_no_docker_command_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv_binary: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="no `docker` command") as caught:
        Buildx(uv=uv_binary).build(Bundle(files=FILES), tmp_path, ["asr"])
    assert "--builder oci" in caught.value.hint


OUTPUT = r"""
#9 [layer-3f 1/1] RUN uv pip install
#9 ERROR: process "/bin/uv pip install" did not complete successfully: exit code: 1
------
 > [layer-3f 1/1] RUN ["/bin/uv", "pip", "install"]:
0.413 error: Request failed after 3 retries https://robot:hunter2@index.example/simple/
0.413   Caused by: invalid peer certificate: UnknownIssuer
------
Dockerfile:12
--------------------
  12 | >>> RUN ["/bin/uv", "pip", "install"]
--------------------
ERROR: failed to solve: process "/bin/uv pip install" did not complete successfully: exit code: 1
"""


def test_a_failure_names_step_place_reason_and_remedy_but_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv_binary: Path
) -> None:
    command(tmp_path, monkeypatch, f"print({OUTPUT!r}); sys.exit(1)")
    with pytest.raises(BuildError) as caught:
        Buildx(uv=uv_binary).build(Bundle(files=FILES), tmp_path, ["asr"])
    first = caught.value.message.splitlines()[0]
    assert 'step [layer-3f 1/1] failed: `RUN ["/bin/uv", "pip", "install"]`' in first
    assert "exit code: 1" in first
    assert caught.value.where == "Dockerfile:12"
    assert "SSL_CERT_FILE" in caught.value.hint
    assert "hunter2" not in str(caught.value)
    assert "index.example" in str(caught.value)


def test_secrets_are_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine index.example")
    (tmp_path / "corp.pem").write_text("corp")
    (tmp_path / "system.pem").write_text("system")
    environment = {"HOME": str(tmp_path), "SSL_CERT_FILE": str(tmp_path / "system.pem")}
    assert secrets(environment) == {"ca": tmp_path / "system.pem", "netrc": tmp_path / ".netrc"}
    assert secrets(environment, tmp_path / "corp.pem")["ca"] == tmp_path / "corp.pem"
    assert secrets({"SSL_CERT_FILE": str(tmp_path / "gone.pem")}) == {}
