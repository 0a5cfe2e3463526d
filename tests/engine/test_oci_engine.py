"""Natively built images in a real registry and a real engine."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.adapters.compiler import compiler
from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.build.oci import OciBuilder
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.image import BuiltImage
from depdoctor.model.packing import Compression, Packing
from depdoctor.model.plan import Base, Image, Layer, Node, Plan, layer_key, node_key
from depdoctor.model.seams import NoProgress
from depdoctor.model.target import Environment, Platform
from depdoctor.push import push, push_all

ENVIRONMENT = Environment(python="3.11", platform=Platform())
APP = """\
import importlib.metadata, os, sys
import alpha, beta
print(alpha.WORD, beta.WORD, importlib.metadata.version("alpha"), sys.prefix, os.getuid(), os.getcwd())
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> BlobStore:
    return BlobStore(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def plan(
    base: str, make_wheel: Callable[[Path, str, str, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Plan:
    """Two images that share a layer."""
    folder = tmp_path_factory.mktemp("wheels")
    pins = {
        name: _pin(make_wheel(folder, name, "1.2.0", f"WORD = {text!r}\n"))
        for name, text in (("alpha", "one"), ("beta", "two"))
    }
    digest = OciRegistry().digest(base)
    pinned = Base(reference=base, digest=digest)
    layers = [
        Layer(key=layer_key(ENVIRONMENT, [pin.file.sha256]), wheels=(pin.file.sha256,))
        for pin in pins.values()
        if pin.file
    ]
    root = Node(key=node_key("", pinned, layers[:1]), parent="", layers=tuple(layers[:1]))
    leaf = Node(key=node_key(root.key, pinned, layers[1:]), parent=root.key, layers=tuple(layers[1:]))
    images = [
        Image(name=name, project=name, environment=ENVIRONMENT, base=pinned, node=node.key, code=name, command=command)
        for name, node, command in (
            ("whole", leaf, ("python", "app.py")),
            ("half", root, ("python", "-c", "import alpha; print(alpha.WORD)")),
        )
    ]
    return Plan(packages=tuple(pins.values()), nodes=(root, leaf), images=tuple(images))


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    for name in ("whole", "half"):
        (root / name).mkdir()
        (root / name / "app.py").write_text(APP)
    return root


@pytest.fixture(scope="module")
def built(plan: Plan, store: BlobStore, scanned: Path) -> tuple[BuiltImage, ...]:
    builder = OciBuilder(
        store=store, fetcher=WheelFetcher(store), registry=OciRegistry(), root=scanned, output=scanned / "images"
    )
    return builder.build(plan, plan.images, NoProgress())


@pytest.fixture(scope="module")
def destination(registry: str, prefix: str) -> str:
    """A place in the registry of this run."""
    return f"{registry}/{prefix}/oci"


def _pin(wheel: Path) -> Pin:
    name, version, *_ = wheel.name.split("-")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return Pin(
        name=canonicalize_name(name),
        version=Version(version),
        file=DistributionFile(filename=wheel.name, url=wheel.as_uri(), sha256=sha256),
    )


def _run(engine: DockerEngine, reference: str, *command: str) -> str:
    output: bytes = engine.client.containers.run(
        reference, list(command) or None, remove=True, network_mode="none", read_only=True
    )
    return output.decode().strip()


def test_pushed_images_run(
    built: tuple[BuiltImage, ...], destination: str, store: BlobStore, engine: DockerEngine
) -> None:
    pushed = push_all(built, destination, OciRegistry(), store, ["1"], NoProgress())
    for image in pushed:
        engine.client.images.pull(image.reference)
    assert _run(engine, pushed[0].reference) == "one two 1.2.0 /venv 65532 /app"
    assert _run(engine, pushed[1].reference) == "one"
    again = push_all(built, destination, OciRegistry(), store, ["1"], NoProgress())
    assert sum(image.uploaded_bytes for image in again) == 0


def test_what_the_engine_pulled_is_what_was_pushed(
    built: tuple[BuiltImage, ...], destination: str, store: BlobStore, engine: DockerEngine
) -> None:
    pushed = push(built[0], destination, OciRegistry(), store, ["again"], NoProgress())
    engine.client.images.pull(pushed.reference)
    image = engine.client.images.get(pushed.reference)
    assert image.attrs["RootFS"]["Layers"] == [layer.diff_id for layer in built[0].layers]
    assert f"{destination}/{built[0].name}@{pushed.digest}" in image.attrs["RepoDigests"]


def test_a_layout_can_be_loaded(built: tuple[BuiltImage, ...], engine: DockerEngine, destination: str) -> None:
    assert built[0].layout
    reference = f"{destination}/loaded:1"
    engine.load(built[0].layout, reference)
    assert _run(engine, reference) == "one two 1.2.0 /venv 65532 /app"


@pytest.mark.parametrize("compression", Compression)
def test_byte_code_and_any_compression_run(
    compression: Compression,
    plan: Plan,
    store: BlobStore,
    scanned: Path,
    engine: DockerEngine,
    destination: str,
    tmp_path: Path,
) -> None:
    packing = Packing(compiled=True, compression=compression)
    packed = replace(plan, images=tuple(replace(image, packing=packing) for image in plan.images[:1]))
    builder = OciBuilder(
        store=store,
        fetcher=WheelFetcher(store),
        registry=OciRegistry(),
        root=scanned,
        output=tmp_path / "images",
        compiler=compiler,
    )
    (image,) = builder.build(packed, packed.images, NoProgress())
    pushed = push(image, f"{destination}/{compression}", OciRegistry(), store, ["1"], NoProgress())
    engine.client.images.pull(pushed.reference)
    assert _run(engine, pushed.reference) == "one two 1.2.0 /venv 65532 /app"
    program = "import alpha, os; print(os.path.exists(alpha.__spec__.cached))"
    assert _run(engine, pushed.reference, "python", "-c", program) == "True"


def test_the_environment_is_one_that_tools_know(
    built: tuple[BuiltImage, ...], engine: DockerEngine, destination: str, uv_binary: Path
) -> None:
    assert built[0].layout
    reference = f"{destination}/tools:1"
    engine.load(built[0].layout, reference)
    container = engine.client.containers.create(reference, ["true"])
    try:
        archive, _ = container.get_archive("/venv")
        listing = subprocess.run(
            ["tar", "-t"], input=b"".join(archive), capture_output=True, check=True
        ).stdout.decode()
    finally:
        container.remove()
    assert {"venv/pyvenv.cfg", "venv/bin/python", "venv/bin/python3.11"} <= set(listing.split())
    output = engine.client.containers.run(
        reference,
        ["/uv", "--no-cache", "--offline", "pip", "check", "--python", "/venv/bin/python"],
        remove=True,
        volumes={str(uv_binary): {"bind": "/uv", "mode": "ro"}},
        stderr=True,
    )
    assert "Checked 2 packages" in output.decode()
