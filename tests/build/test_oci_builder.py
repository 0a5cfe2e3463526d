"""Whole images from a plan of small wheels, on a base in a registry on loopback and on none."""

import gzip
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from packaging.utils import canonicalize_name
from packaging.version import Version
from registry_server import Fake, serving
from wheels import make_wheel, record_hash

from depdoctor.adapters.compiler import compiler
from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.build.oci import OciBuilder
from depdoctor.errors import BuildError, RegistryError, UnsafeWheelError
from depdoctor.model.context import probe
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.image import BuiltImage
from depdoctor.model.packing import Compression, Packing
from depdoctor.model.plan import SCRATCH, Base, Image, Layer, Node, Plan, layer_key, node_key
from depdoctor.model.seams import NoProgress
from depdoctor.model.target import Environment, Platform

ENVIRONMENT = Environment(python="3.11", platform=Platform())
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def a_pin(wheel: Path) -> Pin:
    name, version, *_ = wheel.name.split("-")
    content = wheel.read_bytes()
    file = DistributionFile(
        filename=wheel.name, url=wheel.as_uri(), sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content)
    )
    return Pin(name=canonicalize_name(name), version=Version(version), file=file)


def a_plan(base: Base, images: dict[str, Sequence[Sequence[Pin]]], environment: Environment = ENVIRONMENT) -> Plan:
    """A plan of images whose layers hold these pins, bottom first."""
    nodes: dict[str, Node] = {}
    made: list[Image] = []
    for name, layers in images.items():
        parent = ""
        for pins in layers:
            hashes = tuple(pin.file.sha256 for pin in pins if pin.file)
            layer = Layer(key=layer_key(environment, hashes), wheels=hashes)
            key = node_key(parent, base, [layer])
            nodes[key] = Node(key=key, parent=parent, layers=(layer,))
            parent = key
        made.append(
            Image(name=name, project=name, environment=environment, base=base, node=parent, code=name, command=("run",))
        )
    pins = {pin for layers in images.values() for layer in layers for pin in layer}
    return Plan(packages=tuple(sorted(pins, key=str)), nodes=tuple(nodes.values()), images=tuple(made))


@pytest.fixture
def wheels(tmp_path: Path) -> dict[str, Pin]:
    names = ("shared", "left", "right")
    return {name: a_pin(make_wheel(tmp_path, name, files={f"{name}.py": name.encode() * 99})) for name in names}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / "root" / name).mkdir(parents=True)
        (tmp_path / "root" / name / "app.py").write_text(f"print('{name}')\n")
    return tmp_path / "root"


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "cache")


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving() as running:
        yield running


def build(plan: Plan, store: BlobStore, root: Path, **options: Any) -> tuple[BuiltImage, ...]:
    builder = OciBuilder(store=store, fetcher=WheelFetcher(store), registry=OciRegistry(), root=root, **options)
    return builder.build(plan, plan.images, NoProgress())


def config_of(image: BuiltImage, store: BlobStore) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(store.path(image.config.digest).read_bytes())
    return document


def files_of(image: BuiltImage, store: BlobStore) -> dict[str, tarfile.TarInfo]:
    found: dict[str, tarfile.TarInfo] = {}
    for layer in image.layers[image.base_layers :]:
        with tarfile.open(store.path(layer.digest)) as archive:
            found |= {member.name: member for member in archive}
    return found


def two(base: Base, wheels: dict[str, Pin]) -> Plan:
    return a_plan(base, {"a": [[wheels["shared"]], [wheels["left"]]], "b": [[wheels["shared"]], [wheels["right"]]]})


def a_base(fake: Fake, layer: bytes, environment: Sequence[str] = (), **config: Any) -> Base:
    """Push a base of one layer, with Docker's media types."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": list(environment), "Entrypoint": ["/start"], "Labels": {"of": "base"}, **config},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(gzip.decompress(layer)).hexdigest()}"]},
        "history": [{"created_by": "somebody"}, {"created_by": "nothing", "empty_layer": True}],
    }
    content = json.dumps(document).encode()
    config_digest, layer_digest = fake.put("base/python", content, layer)
    manifest = {
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": config_digest,
                   "size": len(content)},
        "layers": [{"mediaType": DOCKER_LAYER, "digest": layer_digest, "size": len(layer)}],
    }  # fmt: skip
    digest = fake.put_manifest("base/python", "3.11", manifest, DOCKER_MANIFEST)
    return Base(reference=f"{fake.host}/base/python:3.11", digest=digest)


def a_tar(*names: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return out.getvalue()


def test_each_layer_is_told_as_it_is_made_with_the_first_image_that_holds_it(
    wheels: dict[str, Pin], store: BlobStore, root: Path
) -> None:
    plan = two(Base(reference=SCRATCH), wheels)
    told: set[tuple[str, str]] = set()
    a, b = build(plan, store, root, made=lambda name, blob: told.add((name, blob.digest)))
    shared, left, right = a.layers[1].digest, a.layers[2].digest, b.layers[2].digest
    assert told == {("a", shared), ("a", left), ("b", right)}
    told.clear()
    build(plan, store, root, made=lambda name, blob: told.add((name, blob.digest)))
    assert not told, "what is remembered is not made"


def test_what_a_wheel_says_of_itself_is_noted_when_its_layer_is_made(
    wheels: dict[str, Pin], store: BlobStore, root: Path
) -> None:
    build(two(Base(reference=SCRATCH), wheels), store, root)
    for name, pin in wheels.items():
        assert pin.file
        assert f"Name: {name}\n" in (store.recall(f"metadata {pin.file.sha256}") or "")


def test_an_image_without_a_base_is_its_layers(wheels: dict[str, Pin], store: BlobStore, root: Path) -> None:
    plan = two(Base(reference=SCRATCH), wheels)
    a, b = build(plan, store, root)
    assert (len(a.layers), a.base_layers, a.base_reference) == (4, 0, "")
    assert a.layers[:2] == b.layers[:2]
    assert a.layers[2:] != b.layers[2:]
    files = files_of(a, store)
    assert files["venv/bin/python"].linkname == "/usr/local/bin/python3.11"
    assert files["venv/bin/python3.11"].linkname == "python"
    assert {"venv/pyvenv.cfg", "venv/lib/python3.11/site-packages/shared.py", "app/app.py"} <= files.keys()
    assert all(path.split("/")[0] in ("venv", "app") for path in files)


def test_a_configuration_says_how_to_run(wheels: dict[str, Pin], store: BlobStore, root: Path) -> None:
    plan = two(Base(reference=SCRATCH), wheels)
    image = replace(plan.images[0], port=8000, health="/ready")
    (built,) = build(replace(plan, images=(image,)), store, root)
    config = config_of(built, store)
    assert config["created"] == "1980-01-01T00:00:00Z"
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    assert config["rootfs"]["diff_ids"] == [layer.diff_id for layer in built.layers]
    assert len(config["history"]) == len(built.layers)
    running = config["config"]
    assert running["Env"] == [
        "PATH=/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "VIRTUAL_ENV=/venv",
        "HOME=/tmp",
        "PYTHONUNBUFFERED=1",
        "PYTHONDONTWRITEBYTECODE=1",
    ]
    assert (running["WorkingDir"], running["User"], running["Cmd"]) == ("/app", "65532:65532", ["run"])
    assert "Entrypoint" not in running
    assert running["ExposedPorts"] == {"8000/tcp": {}}
    assert running["Healthcheck"]["Test"][-1] == "http://127.0.0.1:8000/ready"
    assert running["Labels"]["org.opencontainers.image.title"] == "a"
    image = replace(plan.images[0], port=50051, health="")
    (built,) = build(replace(plan, images=(image,)), store, root)
    assert config_of(built, store)["config"]["Healthcheck"]["Test"] == ["CMD", *probe(50051, "")]


def test_a_base_lends_its_configuration(fake: Fake, wheels: dict[str, Pin], store: BlobStore, root: Path) -> None:
    base = a_base(fake, a_tar("etc/x"), ["PATH=/usr/local/bin:/bin", "PYTHON_VERSION=3.11.9", "LANG=C.UTF-8"])
    built, _ = build(two(base, wheels), store, root)
    config = config_of(built, store)
    assert config["config"]["Env"][:3] == [
        "PATH=/venv/bin:/usr/local/bin:/bin",
        "PYTHON_VERSION=3.11.9",
        "LANG=C.UTF-8",
    ]
    assert "Entrypoint" not in config["config"]
    assert config["config"]["Labels"]["of"] == "base"
    assert len([step for step in config["history"] if not step.get("empty_layer")]) == len(built.layers)
    assert built.base_reference == f"{fake.host}/base/python"
    assert built.base_layers == 1
    assert {layer.media_type for layer in built.layers} == {OCI_LAYER}
    assert not store.has(built.layers[0].digest), "the base's layers are not fetched"
    assert files_of(built, store)["venv/bin/python"].linkname == "/usr/local/bin/python3.11"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["usr/bin/python3.11"], "/usr/bin/python3.11"),
        (["./usr/bin/python3.11", "./usr/local/bin/python3.11"], "/usr/local/bin/python3.11"),
        (["usr/local/bin/python3.12", "usr/bin/python3.11"], "/usr/bin/python3.11"),
    ],
)
def test_the_interpreter_is_found_among_the_names(
    names: list[str], expected: str, fake: Fake, wheels: dict[str, Pin], store: BlobStore, root: Path
) -> None:
    base = a_base(fake, a_tar(*names))
    built, _ = build(two(base, wheels), store, root)
    assert files_of(built, store)["venv/bin/python"].linkname == expected
    asked = len(fake.requests)
    build(two(base, wheels), store, root)
    assert len(fake.requests) == asked, "a base that was looked at is not asked again"


@pytest.mark.parametrize("names", [["usr/bin/python3.12"], ["bin/sh"], ["usr/bin/python3.11/x"]])
def test_a_base_without_this_python_is_refused(
    names: list[str], fake: Fake, wheels: dict[str, Pin], store: BlobStore, root: Path
) -> None:
    with pytest.raises(BuildError, match=r"the base has no Python 3\.11") as caught:
        build(two(a_base(fake, a_tar(*names)), wheels), store, root)
    assert "image a" in caught.value.where


def test_the_manifest_for_the_architecture_is_taken(
    fake: Fake, wheels: dict[str, Pin], store: BlobStore, root: Path
) -> None:
    amd64 = a_base(fake, a_tar("usr/bin/python3.11"))
    manifests = [
        {"digest": f"sha256:{'0' * 64}", "platform": {"os": "linux", "architecture": "s390x"}},
        {"digest": amd64.digest, "platform": {"os": "linux", "architecture": "amd64"}},
    ]
    media_type = "application/vnd.oci.image.index.v1+json"
    digest = fake.put_manifest("base/python", "all", {"schemaVersion": 2, "manifests": manifests}, media_type)
    base = Base(reference=f"{fake.host}/base/python:all", digest=digest)
    assert build(two(base, wheels), store, root)[0].base_layers == 1
    arm = Environment(python="3.11", platform=Platform(machine="aarch64"))
    config = {
        "architecture": "arm64",
        "variant": "v8",
        "rootfs": {"diff_ids": []},
        "config": {"Env": ["PYTHON_VERSION=3.11.9"]},
    }
    (arm_config,) = fake.put("base/python", json.dumps(config).encode())
    described = {"mediaType": "x/y", "digest": arm_config, "size": 1}
    arm64 = fake.put_manifest("base/python", "arm", {"config": described, "layers": []}, DOCKER_MANIFEST)
    both = [*manifests, {"digest": arm64, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}]
    digest = fake.put_manifest("base/python", "both", {"schemaVersion": 2, "manifests": both}, media_type)
    two_platforms = Base(reference=f"{fake.host}/base/python:both", digest=digest)
    (made,) = build(a_plan(two_platforms, {"a": [[wheels["shared"]]]}, arm), store, root)
    assert (config_of(made, store)["architecture"], config_of(made, store)["variant"]) == ("arm64", "v8")
    with pytest.raises(BuildError, match="nothing for linux/arm64"):
        build(a_plan(base, {"a": [[wheels["shared"]]]}, arm), store, root)


def test_a_layout_on_disk_is_whole(fake: Fake, wheels: dict[str, Pin], store: BlobStore, root: Path) -> None:
    base = a_base(fake, a_tar("usr/bin/python3.11"))
    output = root.parent / "images"
    for built in build(two(base, wheels), store, root, output=output):
        layout = output / built.name
        assert built.layout == layout
        assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
        (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
        assert entry["digest"] == built.manifest.digest
        blobs = {path.name: path.read_bytes() for path in (layout / "blobs/sha256").iterdir()}
        assert all(hashlib.sha256(content).hexdigest() == name for name, content in blobs.items())
        manifest = json.loads(blobs[built.manifest.digest[7:]])
        assert {one["digest"][7:] for one in (*manifest["layers"], manifest["config"])} | {
            built.manifest.digest[7:]
        } == blobs.keys()
        assert not [path for path in output.iterdir() if path.name.startswith(".")]


def test_a_layout_is_replaced_whole_and_nothing_else_is(wheels: dict[str, Pin], store: BlobStore, root: Path) -> None:
    plan, output = two(Base(reference=SCRATCH), wheels), root.parent / "images"
    build(plan, store, root, output=output)
    (root / "a" / "app.py").write_text("print('changed')\n")
    changed, _ = build(plan, store, root, output=output)
    assert changed.manifest.digest in (output / "a" / "index.json").read_text()
    assert len(list((output / "a" / "blobs/sha256").iterdir())) == 6
    (output / "a" / "oci-layout").unlink()
    (output / "a" / "mine.txt").write_text("mine")
    with pytest.raises(BuildError, match="in the way"):
        build(plan, store, root, output=output)
    assert (output / "a" / "mine.txt").read_text() == "mine"


def test_the_same_plan_is_the_same_images(wheels: dict[str, Pin], root: Path, tmp_path: Path) -> None:
    plan = two(Base(reference=SCRATCH), wheels)
    one = build(plan, BlobStore(tmp_path / "one"), root)
    (root / "a" / "__pycache__").mkdir()
    (root / "a" / "__pycache__" / "app.pyc").write_bytes(b"1")
    assert build(plan, BlobStore(tmp_path / "two"), root, cores=2) == one


def test_a_change_of_code_changes_one_layer_of_one_image(wheels: dict[str, Pin], store: BlobStore, root: Path) -> None:
    plan = two(Base(reference=SCRATCH), wheels)
    before = build(plan, store, root)
    (root / "a" / "app.py").write_text("print('changed')\n")
    after = build(plan, store, root)
    assert after[1] == before[1]
    assert after[0].layers[:-1] == before[0].layers[:-1]
    assert after[0].layers[-1] != before[0].layers[-1]


def test_what_was_made_is_not_fetched_again(wheels: dict[str, Pin], store: BlobStore, root: Path) -> None:
    plan = two(Base(reference=SCRATCH), wheels)
    before = build(plan, store, root)
    for pin in wheels.values():
        assert pin.file
        store.path(f"sha256:{pin.file.sha256}").unlink()
        Path(pin.file.url.removeprefix("file://")).unlink()
    assert build(plan, store, root) == before


def test_many_processes_make_the_same_layers(
    tmp_path: Path, store: BlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = [a_pin(make_wheel(tmp_path, f"p{n}", files={f"p{n}.py": bytes([n]) * 9999})) for n in range(6)]
    plan = a_plan(Base(reference=SCRATCH), {"a": [[pin] for pin in pins]})
    alone = build(plan, store, root)
    monkeypatch.setattr("depdoctor.build.oci.making.LARGE_BYTES", 0)
    assert build(plan, BlobStore(tmp_path / "other"), root, cores=2) == alone


def test_a_wicked_wheel_is_named(tmp_path: Path, store: BlobStore, root: Path) -> None:
    wicked = a_pin(make_wheel(tmp_path, "wicked", files={"../out.py": b""}))
    with pytest.raises(UnsafeWheelError) as caught:
        build(a_plan(Base(reference=SCRATCH), {"a": [[wicked]]}), store, root)
    assert "wicked-1.0-py3-none-any.whl" in caught.value.where


@pytest.mark.parametrize("together", [True, False])
def test_two_wheels_with_one_path_are_refused(together: bool, tmp_path: Path, store: BlobStore, root: Path) -> None:
    pins = [a_pin(make_wheel(tmp_path, name, files={"cv2.py": name.encode()})) for name in ("one", "other")]
    layers = [pins] if together else [[pin] for pin in pins]
    with pytest.raises(BuildError, match=r"one.*other.*cv2\.py") as caught:
        build(a_plan(Base(reference=SCRATCH), {"a": layers}), store, root)
    assert caught.value.hint


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("together", [True, False])
def test_the_last_of_two_wheels_wins_where_that_is_accepted(
    together: bool, compression: Compression, tmp_path: Path, store: BlobStore, root: Path
) -> None:
    site = "venv/lib/python3.11/site-packages"
    one = a_pin(make_wheel(tmp_path, "aaa", files={"cv2/__init__.py": b"one = 1\n", "cv2/one.py": b"1"}))
    two = a_pin(make_wheel(tmp_path, "bbb", files={"cv2/__init__.py": b"two = 2\n", "cv2/two.py": b"2"}))
    layers = [[two, one]] if together else [[one], [two]]
    plan = a_plan(Base(reference=SCRATCH), {"a": layers})
    packing = Packing(last_wins=True, compression=compression)
    plan = replace(plan, images=tuple(replace(image, packing=packing) for image in plan.images))
    (image,) = build(plan, store, root)
    (again,) = build(plan, BlobStore(tmp_path / "again"), root)
    assert again == image
    assert len(image.layers) == (3 if together else 5)
    found: dict[str, bytes] = {}
    for layer in image.layers:
        content = store.path(layer.digest).read_bytes()
        if compression is Compression.ZSTD:
            content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
        else:
            content = gzip.decompress(content)
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            found |= {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}  # type: ignore[union-attr]
    assert found[f"{site}/cv2/__init__.py"] == b"two = 2\n"
    for name in ("aaa", "bbb"):
        rows = [row.split(",") for row in found[f"{site}/{name}-1.0.dist-info/RECORD"].decode().splitlines()]
        for path, expected, _ in rows:
            content = found[f"{site}/{path}"]
            assert expected in ("", record_hash(content)), path
    assert "cv2/__init__.py" not in found[f"{site}/aaa-1.0.dist-info/RECORD"].decode()
    assert "cv2/__init__.py" in found[f"{site}/bbb-1.0.dist-info/RECORD"].decode()


def test_byte_code_of_a_replaced_module_goes_with_it(tmp_path: Path, store: BlobStore, root: Path) -> None:
    here = "{}.{}".format(*sys.version_info)
    one = a_pin(make_wheel(tmp_path, "aaa", files={"cv2/__init__.py": b"one = 1\n"}))
    two = a_pin(make_wheel(tmp_path, "bbb", files={"cv2/__init__.py": b"def (:\n"}))
    environment = Environment(python=here, platform=Platform())
    for layers in ([[one, two]], [[one], [two]]):
        plan = a_plan(Base(reference=SCRATCH), {"a": layers}, environment)
        packing = Packing(last_wins=True, compiled=True)
        plan = replace(plan, images=tuple(replace(image, packing=packing) for image in plan.images))
        (image,) = build(plan, store, root, compiler=compiler)
        files = files_of(image, store)
        code = f"__init__.cpython-{here.replace('.', '')}.pyc"
        folder = f"venv/lib/python{here}/site-packages/cv2/__pycache__"
        assert (f"{folder}/{code}" in files) == (f"{folder}/.wh.{code}" in files) == (len(layers) == 2)


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("scripts/python", "venv/bin/python"),
        ("scripts/python3.11", "venv/bin/python3.11"),
        ("data/pyvenv.cfg", "venv/pyvenv.cfg"),
        ("data/bin/python3/x", "venv/bin/python3"),
        ("data/lib", "venv/lib"),
    ],
)
def test_a_wheel_may_not_replace_what_is_the_environment_s(
    file: str, place: str, tmp_path: Path, store: BlobStore, root: Path
) -> None:
    pin = a_pin(make_wheel(tmp_path, "demo", files={f"demo-1.0.data/{file}": b"#!/bin/sh\n"}))
    with pytest.raises(BuildError, match=place):
        build(a_plan(Base(reference=SCRATCH), {"a": [[pin]]}), store, root)


def test_a_file_of_one_wheel_may_not_be_a_folder_of_another(tmp_path: Path, store: BlobStore, root: Path) -> None:
    one = a_pin(make_wheel(tmp_path, "one", files={"shared": b"1"}))
    other = a_pin(make_wheel(tmp_path, "other", files={"shared/a.py": b"1"}))
    with pytest.raises(BuildError, match=r"one==1.*other==1.*site-packages/shared"):
        build(a_plan(Base(reference=SCRATCH), {"a": [[one], [other]]}), store, root)


CONFIGS: list[object] = [
    b"<html>log in</html>", b"[]", b"{}", b"null", b'{"architecture": "amd64"}', b"[" * 99999,
    {"architecture": "amd64", "rootfs": {"diff_ids": 3}},
    {"architecture": "amd64", "rootfs": {"diff_ids": []}},
    {"architecture": "amd64", "rootfs": {"diff_ids": ["sha256:../../x"]}},
    {"architecture": "amd64", "rootfs": {"diff_ids": [f"sha256:{'0' * 64}"]}, "config": "x"},
    {"architecture": "amd64", "rootfs": {"diff_ids": [f"sha256:{'0' * 64}"]}, "config": {"Env": [1]}},
    {"architecture": "amd64", "rootfs": {"diff_ids": [f"sha256:{'0' * 64}"]}, "history": ["x"]},
]  # fmt: skip
DIGEST = f"sha256:{'0' * 64}"
MANIFESTS: list[object] = [
    [], {}, "html", None, {"config": None, "layers": []}, {"config": {}, "layers": []},
    {"config": {"digest": "latest", "size": 1, "mediaType": "x"}, "layers": []},
    {"config": {"digest": DIGEST, "size": -1, "mediaType": "x"}, "layers": []},
    {"config": {"digest": DIGEST, "size": 1, "mediaType": "x"}, "layers": [{"digest": DIGEST}]},
    {"manifests": [{"digest": DIGEST, "platform": None}]}, {"manifests": [None]}, {"manifests": 3},
    {"manifests": [{"digest": "../x", "platform": {"os": "linux", "architecture": "amd64"}}]},
]  # fmt: skip


@pytest.mark.parametrize("manifest", MANIFESTS, ids=str)
def test_a_manifest_that_makes_no_sense_is_an_error(
    manifest: object, fake: Fake, wheels: dict[str, Pin], store: BlobStore, root: Path
) -> None:
    fake.put_manifest("base/python", "3.11", manifest, DOCKER_MANIFEST)
    with pytest.raises((RegistryError, BuildError), match=r"something else than an image|offers nothing"):
        build(two(Base(reference=f"{fake.host}/base/python:3.11"), wheels), store, root)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda one: str(one)[:60])
def test_a_configuration_that_makes_no_sense_is_an_error(
    config: object, fake: Fake, wheels: dict[str, Pin], store: BlobStore, root: Path
) -> None:
    content = config if isinstance(config, bytes) else json.dumps(config).encode()
    (digest,) = fake.put("base/python", content)
    layer = {"mediaType": DOCKER_LAYER, "digest": DIGEST, "size": 1}
    manifest = {"config": {"mediaType": "x", "digest": digest, "size": len(content)}, "layers": [layer]}
    fake.put_manifest("base/python", "3.11", manifest, DOCKER_MANIFEST)
    with pytest.raises((RegistryError, BuildError), match=r"something else than an image|the base is for None"):
        build(two(Base(reference=f"{fake.host}/base/python:3.11"), wheels), store, root)


@pytest.mark.parametrize("layer", [b"no gzip", a_tar("bin/x")[:-30], gzip.compress(b"no tar" * 999)])
def test_a_base_layer_that_makes_no_sense_is_an_error(
    layer: bytes, fake: Fake, wheels: dict[str, Pin], store: BlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gzip, "decompress", lambda _: b"")
    with pytest.raises(RegistryError, match="something else than an image"):
        build(two(a_base(fake, layer), wheels), store, root)


def test_an_earlier_output_never_gets_into_an_image(wheels: dict[str, Pin], store: BlobStore, root: Path) -> None:
    plan = a_plan(Base(reference=SCRATCH), {"a": [[wheels["shared"]]]})
    plan = replace(plan, images=(replace(plan.images[0], name="all", code="."),))
    before = build(plan, store, root)
    for output in (root / "images", root / "deep" / "er", root):
        assert [one.manifest for one in build(plan, store, root, output=output)] == [before[0].manifest]
    (root / "images" / ".a-killed").mkdir()
    (root / "images" / ".a-killed" / "oci-layout").write_text("{}")
    assert build(plan, store, root) == before
    (root / "deep" / "own.py").write_text("")
    assert build(plan, store, root) != before


def test_what_has_no_wheel_is_refused(wheels: dict[str, Pin], store: BlobStore, root: Path) -> None:
    shared = wheels["shared"]
    assert shared.file
    sdist = replace(shared, file=replace(shared.file, filename="shared-1.0.tar.gz"))
    with pytest.raises(BuildError, match=r"shared==1\.0 has no wheel") as caught:
        build(a_plan(Base(reference=SCRATCH), {"a": [[sdist]]}), store, root)
    assert "--builder docker" in caught.value.hint


@pytest.mark.parametrize("what", ["manifests", "blobs"])
@pytest.mark.parametrize(("tag", "hint"), [("3.11", "plan --relock"), ("3.11@{}", "name another")])
def test_a_base_that_was_deleted_is_told_with_a_way_out(
    tag: str, hint: str, what: str, fake: Fake, wheels: dict[str, Pin], store: BlobStore, root: Path
) -> None:
    planned = a_base(fake, gzip.compress(a_tar("usr/bin/python3.11")))
    base = replace(planned, reference=f"{fake.host}/base/python:{tag.format(planned.digest)}")
    getattr(fake, what)["base/python"].clear()
    with pytest.raises(BuildError, match="does not have, or does not show, the base") as caught:
        build(two(base, wheels), store, root)
    assert hint in caught.value.hint
    assert "docker login" in caught.value.hint
    assert planned.digest in caught.value.where


def test_a_base_that_cannot_be_had_is_said(wheels: dict[str, Pin], store: BlobStore, root: Path, fake: Fake) -> None:
    with pytest.raises(RegistryError, match="there is no image") as caught:
        build(two(Base(reference=f"{fake.host}/gone:1"), wheels), store, root)
    assert "image a" in caught.value.where


def test_source_date_epoch_is_the_moment(
    wheels: dict[str, Pin], store: BlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    built, _ = build(two(Base(reference=SCRATCH), wheels), store, root)
    assert config_of(built, store)["created"] == "2023-11-14T22:13:20Z"


def test_a_wheel_that_is_too_large_is_split_across_layers(tmp_path: Path, store: BlobStore, root: Path) -> None:
    contents = {f"large/part{number}.py": f"x = {number}\n".encode() * 500 for number in range(9)}
    whole = a_plan(Base(reference=SCRATCH), {"a": [[a_pin(make_wheel(tmp_path, "large", files=contents))]]})
    (node,) = whole.nodes
    (layer,) = node.layers
    split = replace(layer, key=layer_key(ENVIRONMENT, layer.wheels, 3), parts=3)
    key = node_key("", Base(reference=SCRATCH), [split])
    plan = replace(
        whole,
        nodes=(replace(node, key=key, layers=(split,)),),
        images=(replace(whole.images[0], node=key),),
    )
    (one,), (other,) = build(whole, store, root), build(plan, store, root)
    assert len(other.layers) == len(one.layers) + 2
    assert files_of(other, store).keys() == files_of(one, store).keys()
    sizes = []
    for blob in other.layers[1:4]:
        with tarfile.open(store.path(blob.digest)) as archive:
            sizes.append(sum(member.size for member in archive))
    assert max(sizes) <= 1.4 * sum(sizes) / 3
    again = build(plan, BlobStore(tmp_path / "elsewhere"), root)
    assert again[0].manifest == other.manifest
