"""The whole Dockerfile path on a plan of two images that share a layer: generate, build, run, inspect, verify, push."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name, parse_wheel_filename

from depdoctor.adapters.buildx import Buildx
from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.build.docker import DockerBuilder
from depdoctor.build.oci import OciBuilder
from depdoctor.errors import BuildError
from depdoctor.generate import generate
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.image import BuiltImage, Bundle
from depdoctor.model.label import section_digest
from depdoctor.model.plan import SCRATCH, Base, Image, Layer, Node, Plan, layer_key, node_key
from depdoctor.model.seams import NoProgress
from depdoctor.model.target import Environment, Platform
from depdoctor.verify import verify

ENVIRONMENT = Environment(python="3.11", platform=Platform(libc_version=(2, 36)))


@pytest.fixture(scope="module")
def index(
    engine: DockerEngine, make_wheel: Callable[[Path, str, str, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """An index of three wheels, served to the builds: its address as they see it, and its folder."""
    folder = tmp_path_factory.mktemp("index")
    for name, version in {"alpha": "1.2.0", "beta": "2.0", "gamma": "3.0"}.items():
        (folder / "simple" / name).mkdir(parents=True)
        make_wheel(folder / "simple" / name, name, version, f"WORD = {name!r}\n")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None: ...

    gateway = engine.client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
    with ThreadingHTTPServer((gateway, 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{gateway}:{server.server_port}/simple", folder
        server.shutdown()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fleet")
    for name in ("left", "uv"):
        (root / name).mkdir()
        (root / name / "app.py").write_text(f"import alpha\nprint('{name} ok')\n")
    (root / "left" / ".env").write_text("TOKEN=swordfish")
    (root / "left" / "run.sh").write_text("#!/bin/sh\n")
    (root / "left" / "run.sh").chmod(0o755)
    return root


@pytest.fixture(scope="module")
def plan(index: tuple[str, Path], base: str) -> Plan:
    """`left` holds alpha and beta, `uv` (a name that bake means something else by) alpha and gamma."""
    address, folder = index
    pins = []
    for path in sorted(folder.glob("simple/*/*.whl")):
        name, version, _, _ = parse_wheel_filename(path.name)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        file = DistributionFile(filename=path.name, url=f"{address}/{name}/{path.name}", sha256=sha256)
        pins.append(Pin(name=canonicalize_name(name), version=version, file=file, index=address))
    layers = [
        Layer(key=layer_key(ENVIRONMENT, wheels), wheels=wheels)
        for wheels in [(pin.file.sha256,) for pin in pins if pin.file]
    ]
    foundation = Base(reference=base)
    keys = [node_key("", foundation, layers[:1])]
    keys += [node_key(keys[0], foundation, [layer]) for layer in layers[1:]]
    nodes = [
        Node(key=key, parent=keys[0] if key != keys[0] else "", layers=(layer,))
        for key, layer in zip(keys, layers, strict=True)
    ]
    images = [
        Image(
            name=name,
            project=name,
            environment=ENVIRONMENT,
            base=foundation,
            node=node,
            code=name,
            command=("python", "app.py"),
            imports=("alpha", extra),
        )
        for name, node, extra in (("left", keys[1], "beta"), ("uv", keys[2], "gamma"))
    ]
    return Plan(packages=tuple(pins), nodes=tuple(nodes), images=tuple(images))


@pytest.fixture(scope="module")
def builder(fleet: Path, plan: Plan, prefix: str, uv_binary: Path) -> DockerBuilder:
    engine = DockerEngine(buildx=Buildx(uv=uv_binary, registry=prefix, tag="built"))
    return DockerBuilder(engine=engine, bundle=generate(plan), context=fleet)


@pytest.fixture(scope="module")
def built(builder: DockerBuilder, plan: Plan) -> dict[str, BuiltImage]:
    return {image.name: image for image in builder.build(plan, plan.images, NoProgress())}


def test_every_image_prints_its_own_ok(engine: DockerEngine, built: dict[str, BuiltImage]) -> None:
    assert {name: engine.run(image.reference) for name, image in built.items()} == {
        "left": "left ok\n",
        "uv": "uv ok\n",
    }


def test_the_shared_layers_are_the_same_bytes(built: dict[str, BuiltImage]) -> None:
    left, right = ([layer.diff_id for layer in image.layers] for image in built.values())
    # the base, the empty environment, alpha; then each its own
    assert left[:3] == right[:3]
    assert not set(left[3:4]) & set(right[3:4])


def test_what_is_installed_is_what_was_locked(engine: DockerEngine, plan: Plan, built: dict[str, BuiltImage]) -> None:
    for image in plan.images:
        inspection = engine.inspect(built[image.name].reference, image.imports)
        assert verify(plan, image, inspection).findings == ()


def test_the_neighbours_plan_does_not_fit(engine: DockerEngine, plan: Plan, built: dict[str, BuiltImage]) -> None:
    left, right = plan.images
    inspection = engine.inspect(built[left.name].reference, right.imports)
    subjects = [(finding.code, finding.subject) for finding in verify(plan, right, inspection).findings]
    assert subjects == [("DD604", "beta"), ("DD604", "gamma"), ("DD605", "gamma")]


def test_code_comes_without_its_secrets_and_not_to_be_written(
    engine: DockerEngine, built: dict[str, BuiltImage]
) -> None:
    program = "import os; print(os.getcwd(), sorted(os.listdir()), os.access('app.py', os.W_OK), os.getuid())"
    assert engine.run(built["left"].reference, ["python", "-c", program]) == "/app ['app.py', 'run.sh'] False 65532\n"


def test_images_lists_what_was_built_by_its_labels_alone(
    engine: DockerEngine, plan: Plan, built: dict[str, BuiltImage], images: dict[str, str]
) -> None:
    ours = {reference: image for image in engine.images() for reference in image.references}
    for image in plan.images:
        found = ours[built[image.name].reference.removeprefix("docker.io/")]
        assert (found.project, found.section) == (image.project, section_digest(plan, image))
        assert found.identity in {built[image.name].config.digest, built[image.name].manifest.digest}
        assert engine.stores_blobs() or datetime.now(UTC) - found.since < timedelta(hours=1)
        assert found.shared_bytes is None or 0 < found.shared_bytes < found.size_bytes
    assert not {reference.removeprefix("docker.io/") for reference in images.values()} & ours.keys()


def test_a_native_image_loads_and_is_verified_alike(
    engine: DockerEngine, plan: Plan, fleet: Path, prefix: str, tmp_path: Path
) -> None:
    store = BlobStore(tmp_path / "store")
    builder = OciBuilder(
        store=store, fetcher=WheelFetcher(store), registry=OciRegistry(), root=fleet, output=tmp_path / "images"
    )
    native = {image.name: image for image in builder.build(plan, plan.images, NoProgress())}
    for image in plan.images:
        made = native[image.name]
        name = f"{prefix}/native-{image.name}:v1"
        assert made.layout
        engine.load(made.layout, name)
        assert engine.run(name, image.command) == f"{image.name} ok\n"
        assert verify(plan, image, engine.inspect(name, image.imports)).findings == ()
        known = engine.describe(name, image.name)
        assert [layer.diff_id for layer in known.layers] == [layer.diff_id for layer in made.layers]
        assert {known.config.digest, known.manifest.digest} & {made.config.digest, made.manifest.digest}


def test_an_image_without_a_base_is_refused(builder: DockerBuilder, plan: Plan) -> None:
    bare = Image(
        name="bare", project="bare", environment=ENVIRONMENT, base=Base(reference=SCRATCH), node="", code="bare"
    )
    with pytest.raises(BuildError, match="bare") as caught:
        builder.build(plan, [bare], NoProgress())
    assert "--builder oci" in caught.value.hint


def test_nothing_to_build_is_nothing(builder: DockerBuilder, plan: Plan) -> None:
    assert builder.build(plan, (), NoProgress()) == ()


def test_the_same_image_on_another_day_and_machine(
    engine: DockerEngine, plan: Plan, fleet: Path, built: dict[str, BuiltImage], prefix: str, uv_binary: Path
) -> None:
    """Nothing is taken from the cache of builds, and the code has other times and modes."""
    shutil.copytree(fleet, fleet.parent / "copied", copy_function=shutil.copyfile)
    for path in (fleet.parent / "copied").rglob("*"):
        path.chmod(0o700 if path.is_dir() or path.suffix == ".sh" else 0o600)
    bundle = generate(plan)
    uncached = re.sub(
        r"^RUN ", f"RUN --mount=type=tmpfs,target=/run/{uuid.uuid4()} ", bundle.files["Dockerfile"], flags=re.MULTILINE
    )
    assert uncached != bundle.files["Dockerfile"]
    again = DockerBuilder(
        engine=DockerEngine(buildx=Buildx(uv=uv_binary, registry=prefix, tag="again")),
        bundle=Bundle(files={**bundle.files, "Dockerfile": uncached}),
        context=fleet.parent / "copied",
    )
    for image in again.build(plan, plan.images, NoProgress()):
        assert [layer.diff_id for layer in image.layers] == [layer.diff_id for layer in built[image.name].layers]


def test_code_has_the_modes_that_the_native_builder_gives(
    engine: DockerEngine, plan: Plan, fleet: Path, built: dict[str, BuiltImage], prefix: str, tmp_path: Path
) -> None:
    store = BlobStore(tmp_path / "store")
    native = OciBuilder(
        store=store, fetcher=WheelFetcher(store), registry=OciRegistry(), root=fleet, output=tmp_path / "images"
    ).build(plan, plan.images[:1], NoProgress())
    assert native[0].layout
    engine.load(native[0].layout, f"{prefix}/modes:v1")
    listing = ["python", "-c", "import os; print(sorted((n, oct(os.stat(n).st_mode)) for n in [*os.listdir(), '.']))"]
    found = engine.run(built["left"].reference, listing)
    assert found == engine.run(f"{prefix}/modes:v1", listing)
    assert "('app.py', '0o100644')" in found
    assert "('run.sh', '0o100755')" in found


def test_a_wheel_that_is_too_large_is_split_across_layers(
    fleet: Path, plan: Plan, prefix: str, uv_binary: Path, built: dict[str, BuiltImage], engine: DockerEngine
) -> None:
    root = plan.nodes[0]
    layer = replace(root.layers[0], key=layer_key(ENVIRONMENT, root.layers[0].wheels, 2), parts=2)
    image = replace(plan.images[0], node=node_key("", plan.images[0].base, [layer]), imports=("alpha",))
    split = replace(plan, nodes=(Node(key=image.node, parent="", layers=(layer,)),), images=(image,))
    buildx = Buildx(uv=uv_binary, registry=prefix, tag="split")
    builder = DockerBuilder(engine=DockerEngine(buildx=buildx), bundle=generate(split), context=fleet)
    (one,) = builder.build(split, split.images, NoProgress())
    assert len(one.layers) == len(built["left"].layers)  # beta less, a part more
    assert engine.run(one.reference) == "left ok\n"
    assert verify(split, image, engine.inspect(one.reference, image.imports)).findings == ()
    engine.remove(one.reference)
