from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from depdoctor.adapters.buildx import Buildx
from depdoctor.adapters.docker import DockerEngine, Limits
from depdoctor.adapters.registry import OciRegistry
from depdoctor.errors import BuildError, EngineError
from depdoctor.model.image import Bundle
from depdoctor.model.seams import NoProgress


class Lines(NoProgress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def containers(engine: DockerEngine, reference: str) -> set[str]:
    """The names of the containers of one image, since others may be at work on the same engine."""
    found = engine.client.containers.list(all=True, filters={"ancestor": engine.api.inspect_image(reference)["Id"]})
    return {str(container.name) for container in found}


def test_images_run_without_an_entrypoint_or_network(engine: DockerEngine, images: dict[str, str]) -> None:
    assert engine.run(images["one"]) == "one says alpha\n"
    assert engine.run(images["two"]) == "two says alpha\n"
    assert engine.run(images["two"], ["python", "-c", "import os; print(os.getuid())"]) == "65532\n"
    probe = "import socket; print([name for _, name in socket.if_nameindex()])"
    assert engine.run(images["one"], ["python", "-c", probe]) == "['lo']\n"


def test_a_shared_stage_is_built_once(
    engine: DockerEngine, base: str, project: Path, bundle: Callable[[str], Bundle]
) -> None:
    lines = Lines()
    shared = f"FROM {base} AS shared\nRUN echo {time.time_ns()}\n"
    engine.build(
        bundle(shared + 'FROM shared AS one\nFROM shared AS two\nCMD ["true"]\n'), project, ["one", "two"], lines
    )
    assert sum("RUN echo" in line for line in lines.said) == 1


def test_images_of_one_build_share_their_layers(engine: DockerEngine, images: dict[str, str]) -> None:
    one, two = (engine.describe(images[name], name) for name in ("one", "two"))
    assert one.name == "one"
    assert one.layers == two.layers
    assert (one.config.digest or one.manifest.digest) != (two.config.digest or two.manifest.digest)
    assert sum(layer.size_bytes for layer in one.layers) > 100_000_000


def test_inspect_lists_what_is_installed_and_what_does_not_import(engine: DockerEngine, images: dict[str, str]) -> None:
    inspection = engine.inspect(images["one"], ["alpha", "json", "beta"])
    assert inspection.installed == {"alpha": "1.2.0"}
    assert inspection.import_errors == {"beta": "ModuleNotFoundError: No module named 'beta'"}
    assert inspection.python.startswith("3.11.")
    assert containers(engine, images["one"]) == set()


def test_a_container_is_removed_when_its_time_is_up(engine: DockerEngine, images: dict[str, str]) -> None:
    hasty = DockerEngine(limits=Limits(total_s=1))
    with pytest.raises(EngineError, match="did not end within 1 s"):
        hasty.run(images["one"], ["python", "-c", "import time; time.sleep(60)"])
    assert containers(engine, images["one"]) == set()


def test_a_container_is_removed_on_an_interrupt(engine: DockerEngine, images: dict[str, str]) -> None:
    program = (
        "from depdoctor.adapters.docker import DockerEngine\n"
        f"with DockerEngine().container({images['one']!r}, command=['sleep', '60']) as container:\n"
        "    print(container.name, flush=True)\n"
        "    container.wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        name = child.stdout.readline().decode().strip()
        assert containers(engine, images["one"]) == {name}
        child.send_signal(signal.SIGINT)
    assert containers(engine, images["one"]) == set()


def test_an_image_that_fails_says_why(engine: DockerEngine, images: dict[str, str]) -> None:
    with pytest.raises(EngineError, match=r"status 3: no luck"):
        engine.run(images["one"], ["python", "-c", "import sys; print('no luck', file=sys.stderr); sys.exit(3)"])


def test_an_image_without_python_says_so(engine: DockerEngine, project: Path, bundle: Callable[[str], Bundle]) -> None:
    references = engine.build(bundle("FROM scratch AS one\nCOPY app.py /\nFROM one AS two\n"), project, ["one"])
    with pytest.raises(EngineError, match="executable file not found") as caught:
        engine.inspect(references["one"], [])
    assert "python" in caught.value.hint


def test_an_unknown_image_is_named(engine: DockerEngine, registry: str) -> None:
    with pytest.raises(EngineError, match="nobody/nothing"):
        engine.run(f"{registry}/nobody/nothing:v1")


def test_a_layout_loads_and_runs(engine: DockerEngine, images: dict[str, str], prefix: str, tmp_path: Path) -> None:
    """The engine's own export is an OCI layout too; loaded under another name it must be the same image."""
    with (tmp_path / "saved.tar").open("wb") as file:
        file.writelines(engine.client.images.get(images["one"]).save())
    with tarfile.open(tmp_path / "saved.tar") as tar:
        tar.extractall(tmp_path / "layout", filter="data")
    name = f"{prefix}/loaded:v1"
    engine.load(tmp_path / "layout", name)
    assert engine.run(name) == "one says alpha\n"
    assert engine.describe(name, "x").layers == engine.describe(images["one"], "x").layers


def test_a_layout_may_lack_what_the_classic_store_holds(
    engine: DockerEngine, images: dict[str, str], prefix: str, tmp_path: Path
) -> None:
    with (tmp_path / "saved.tar").open("wb") as file:
        file.writelines(engine.client.images.get(images["one"]).save())
    with tarfile.open(tmp_path / "saved.tar") as tar:
        tar.extractall(tmp_path / "layout", filter="data")
    manifest = next(iter(json.loads((tmp_path / "layout/index.json").read_bytes())["manifests"]))["digest"]
    blobs = tmp_path / "layout/blobs/sha256"
    base_layer = json.loads((blobs / manifest.removeprefix("sha256:")).read_bytes())["layers"][0]["digest"]
    (blobs / base_layer.removeprefix("sha256:")).unlink()
    name = f"{prefix}/without-base:v1"
    if engine.stores_blobs():
        with pytest.raises(EngineError, match="lacks the blob"):
            engine.load(tmp_path / "layout", name)
        return
    engine.load(tmp_path / "layout", name)
    assert engine.run(name) == "one says alpha\n"


def test_push_returns_the_digest_of_the_registry(
    engine: DockerEngine, images: dict[str, str], registry: str, prefix: str
) -> None:
    name = f"{registry}/{prefix}/one:v1"
    engine.tag(images["one"], name)
    digest = engine.push(name)
    engine.remove(name)
    pulled = f"{registry}/{prefix}/one@{digest}"
    with pytest.raises(EngineError, match="one@sha256"):
        engine.run(pulled)
    engine.pull(pulled)
    try:
        assert engine.run(pulled) == "one says alpha\n"
    finally:
        engine.remove(pulled)


def test_publish_counts_what_was_sent(
    engine: DockerEngine, images: dict[str, str], base: str, project: Path, registry: str, prefix: str
) -> None:
    first, second = f"{registry}/{prefix}/counted/first:v1", f"{registry}/{prefix}/counted/second:v1"
    engine.tag(images["one"], first)
    engine.tag(images["two"], second)
    began = engine.publish("one", first, OciRegistry())
    again = engine.publish("two", second, OciRegistry())
    assert (began.name, began.reference) == ("one", first)
    assert began.uploaded_bytes + began.reused_bytes == again.uploaded_bytes + again.reused_bytes
    assert again.uploaded_bytes == 0
    manifest = json.loads(OciRegistry().manifest(f"{first.rpartition(':')[0]}@{began.digest}")[1])
    assert began.uploaded_bytes + began.reused_bytes == sum(layer["size"] for layer in manifest["layers"])


def test_publish_sends_a_layer_that_nobody_has(
    engine: DockerEngine, base: str, project: Path, bundle: Callable[[str], Bundle], registry: str, prefix: str
) -> None:
    fresh = f"FROM {base} AS one\nRUN : {time.time_ns()}; head -c 1000000 /dev/urandom >/random\nFROM one AS two\n"
    reference = engine.build(bundle(fresh), project, ["one"])["one"]
    name = f"{registry}/{prefix}/fresh:v1"
    engine.tag(reference, name)
    pushed = engine.publish("one", name, OciRegistry())
    assert pushed.uploaded_bytes >= 1_000_000
    assert pushed.reused_bytes == 0 or pushed.uploaded_bytes < 1_100_000
    assert engine.publish("one", name, OciRegistry()).uploaded_bytes == 0


def test_push_to_nowhere_fails(engine: DockerEngine, images: dict[str, str], prefix: str) -> None:
    name = f"127.0.0.1:1/{prefix}/one:v1"
    engine.tag(images["one"], name)
    with pytest.raises(EngineError, match=r"cannot push 127\.0\.0\.1:1"):
        engine.push(name)


def test_a_build_can_push_at_once(
    engine: DockerEngine, base: str, registry: str, prefix: str, project: Path, uv_binary: Path
) -> None:
    target = {"context": "${PROJECTS}", "dockerfile": "cwd://Dockerfile", "tags": ["${REGISTRY}/pushed:${TAG}"]}
    bake = {"variable": {key: {"default": ""} for key in ("PROJECTS", "REGISTRY", "TAG")}, "target": {"one": target}}
    files = {"Dockerfile": f'FROM {base}\nCMD ["echo", "pushed"]\n', "docker-bake.json": json.dumps(bake)}
    builder = Buildx(uv=uv_binary, push=True, registry=f"{registry}/{prefix}", tag="v7")
    name = f"{registry}/{prefix}/pushed:v7"
    pushed = builder.build(Bundle(files=files), project, ["one"])["one"]
    assert pushed.startswith(f"{name}@sha256:")
    assert engine.run(pushed) == "pushed\n"


def test_a_failing_step_is_named(
    engine: DockerEngine, base: str, project: Path, bundle: Callable[[str], Bundle]
) -> None:
    broken = f"FROM {base} AS one\nRUN echo precisely this went wrong && exit 7\nFROM one AS two\n"
    with pytest.raises(BuildError, match="precisely this went wrong") as caught:
        engine.build(bundle(broken), project, ["one"])
    assert "RUN echo precisely" in caught.value.message.splitlines()[0]
    assert "exit code: 7" in caught.value.message
    assert caught.value.where.endswith("Dockerfile:2")


INTERRUPTED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is born deaf to it
import json, sys
from pathlib import Path
from depdoctor.adapters.buildx import Buildx
from depdoctor.model.image import Bundle
from depdoctor.model.seams import NoProgress

class Tells(NoProgress):
    def say(self, text):
        print(text, flush=True)

uv, context, *files = sys.argv[1:]
bundle = Bundle(files=dict(zip(["Dockerfile", "docker-bake.json"], files)))
Buildx(uv=Path(uv)).build(bundle, Path(context), ["one"], Tells())
"""


def test_an_interrupt_in_a_build_leaves_nothing(
    engine: DockerEngine,
    base: str,
    project: Path,
    bundle: Callable[[str], Bundle],
    uv_binary: Path,
    tmp_path: Path,
) -> None:
    made = bundle(f"FROM {base} AS one\nRUN sleep 300 && echo {time.time_ns()}\nFROM one AS two\n")
    files = [made.files["Dockerfile"], made.files["docker-bake.json"].replace("${TAG}", "interrupted")]
    command = [sys.executable, "-c", INTERRUPTED, str(uv_binary), str(project), *files]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True, start_new_session=True
    ) as child:
        assert child.stdout is not None
        assert any("RUN sleep 300" in line for line in child.stdout)
        os.killpg(child.pid, signal.SIGINT)
        _, stderr = child.communicate(timeout=60)
    assert stderr.rstrip().endswith("KeyboardInterrupt")
    assert list(tmp_path.iterdir()) == []
    assert not [tag for image in engine.client.images.list() for tag in image.tags if tag.endswith(":interrupted")]


def test_an_unreachable_base_is_named(engine: DockerEngine, project: Path, bundle: Callable[[str], Bundle]) -> None:
    with pytest.raises(BuildError, match=r"127\.0\.0\.1:1/base") as caught:
        engine.build(bundle("FROM 127.0.0.1:1/base:v1 AS one\nFROM one AS two\n"), project, ["one"])
    assert "base image" in caught.value.hint


def test_a_secret_reaches_a_step_and_no_layer(
    engine: DockerEngine, base: str, project: Path, bundle: Callable[[str], Bundle], uv_binary: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "odd, name"
    secret.write_text("swordfish")
    dockerfile = (
        f"FROM {base} AS one\n"
        "RUN --mount=type=secret,id=ca,target=/run/ca.pem sha256sum </run/ca.pem | cut -c1-8 >/sum\n"
        'CMD ["cat", "/sum"]\nFROM one AS two\n'
    )
    builder = Buildx(uv=uv_binary, secrets={"ca": secret})
    reference = builder.build(bundle(dockerfile), project, ["one"])["one"]
    assert engine.run(reference) == "b9f195c5\n"
    saved = b"".join(engine.client.images.get(reference).save())
    assert b"swordfish" not in saved


def test_no_engine_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    with pytest.raises(EngineError, match="no container engine answers") as caught:
        DockerEngine().run("anything")
    assert "DOCKER_HOST" in caught.value.hint
