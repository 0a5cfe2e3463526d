"""What stands in a plan file, checked down to the keys that follow from what they stand for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NoReturn

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from depdoctor.errors import PlanFileError
from depdoctor.model.alignment import Moved
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.formats import PLAN_NAME
from depdoctor.model.git_source import PREFIX, fixed
from depdoctor.model.local_package import SCRIPT_CALL, SCRIPT_NAME, LocalPackage
from depdoctor.model.packing import USUAL, WORDS, Packing
from depdoctor.model.plan import (
    HEALTH,
    LAYER_FORMAT,
    PACKAGE_NAME,
    REFERENCE,
    SCHEMA_VERSION,
    SYSTEM_PACKAGE,
    Base,
    Image,
    Layer,
    Node,
    Plan,
    Skipped,
    layer_key,
    node_key,
)
from depdoctor.model.target import Environment, Gpu, Platform, Target
from depdoctor.model.weights import Keep, WeightFile
from depdoctor.planfile.value import Value, fail

KEEP = re.compile("|".join(Keep))

PACKING = re.compile("|".join(WORDS))
VARIANT = re.compile("cpu")

MAX_BYTES = 64 << 20
MAX_FILE_BYTES = 1 << 50
MOST_PARTS = 100
HEX = re.compile(r"[0-9a-f]{64}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
IMAGE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
PYTHON = re.compile(r"3\.\d{1,2}")
PLATFORM = re.compile(r"linux-(?P<machine>[a-z0-9_]+)-(?P<libc>glibc|musl)(?P<major>\d{1,2})\.(?P<minor>\d{1,3})")
ANY_PLATFORM = re.compile(rf"{PLATFORM.pattern}|(windows|macos)-[a-z0-9_]+")
CODE = re.compile(r"DD\d{3}")
ANY = re.compile(r"[^\x00]*")
PROVIDED = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(==[0-9A-Za-z.+!]+)?")
MODULE = re.compile(r"\w+(\.\w+)*")
CONFLICT_MARKER = re.compile(r"^(?:<{7}|={7}|>{7})(?: |$)", re.MULTILINE)
CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


@lru_cache(maxsize=2)
def loads(text: str, path: str = PLAN_NAME) -> Plan:
    """The plan in a text. Raises `PlanFileError` with `path` and the key that is wrong."""
    if len(text) > MAX_BYTES:
        fail(path, "", f"is over {MAX_BYTES >> 20} MiB")
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        if marker := CONFLICT_MARKER.search(text):
            line = text.count("\n", 0, marker.start()) + 1
            raise PlanFileError(
                f"`{path}` holds the marks of a merge that is not settled",
                where=f"{path}:{line}",
                hint="take either side of it whole (`git checkout --ours`), then run `depdoctor plan`",
            ) from error
        line = getattr(error, "lineno", 0)
        raise PlanFileError(
            f"`{path}` is not a plan: {error}",
            where=f"{path}:{line}" if line else path,
            hint="restore it from version control, or plan with `--fresh`",
        ) from error
    return _plan(Value(document, path, ""))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a key twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _plan(document: Value) -> Plan:
    fields = document.fields("schema_version packages nodes images", "skipped moves targets accepted")
    if fields["schema_version"].whole(0, 1 << 30) != SCHEMA_VERSION:
        fields["schema_version"].fail(f"must be {SCHEMA_VERSION}; this plan was made by another version of depdoctor")
    packages = fields["packages"].each(_read_package)
    files = {pin.file.sha256: pin.file.filename for pin in packages if pin.file}
    if len(files) < len(packages):
        fields["packages"].fail("lists a file twice")
    plan = Plan(
        packages=packages,
        nodes=fields["nodes"].each(lambda value: _read_node(value, files)),
        images=fields["images"].each(_read_image),
        skipped=fields["skipped"].each(_read_skipped) if "skipped" in fields else (),
        moves=fields["moves"].each(_read_move) if "moves" in fields else (),
        targets=fields["targets"].each(_read_target) if "targets" in fields else (),
        accepted=fields["accepted"].each(lambda item: item.text(CODE)) if "accepted" in fields else (),
    )
    _check_tree(plan, fields["nodes"], fields["images"])
    return plan


def _read_package(value: Value) -> Pin:
    fields = value.fields("name version filename url sha256", "size_bytes unpacked_bytes index source")
    for key in {"url", "index", "source"} & set(fields):
        if fields[key].text().startswith(PREFIX):
            _check_repository(fields[key], fields["sha256"])
        elif CREDENTIALS.search(fields[key].text()):
            fields[key].fail("must not hold credentials")
    return Pin(
        name=_package_name(fields["name"]),
        version=_version(fields["version"]),
        file=DistributionFile(
            filename=fields["filename"].text(FILENAME),
            url=fields["url"].text(),
            sha256=fields["sha256"].text(HEX),
            size_bytes=fields["size_bytes"].whole(0, MAX_FILE_BYTES) if "size_bytes" in fields else None,
        ),
        index=fields["index"].text() if "index" in fields else "",
        source=fields["source"].text() if "source" in fields else "",
        unpacked_bytes=fields["unpacked_bytes"].whole(0, MAX_FILE_BYTES) if "unpacked_bytes" in fields else None,
    )


def _check_repository(value: Value, sha256: Value) -> None:
    """That an address of git is one that may be fetched, at a commit, and that the hash is that of the address."""
    try:
        source = fixed(value.text())
    except ValueError as error:
        value.fail(f"cannot be fetched: {error}")
    if source is None:
        value.fail("must name a whole commit")
    if sha256.text(HEX) != source.sha256:
        sha256.fail("is not that of the address")


def _package_name(value: Value) -> NormalizedName:
    name = value.text()
    if not name or canonicalize_name(name) != name or not IMAGE_NAME.fullmatch(name):
        value.fail("must be a normalized package name")
    return canonicalize_name(name)


def _version(value: Value) -> Version:
    try:
        return Version(value.text())
    except InvalidVersion as error:
        value.fail(str(error))


def _read_node(value: Value, files: Mapping[str, str]) -> Node:
    fields = value.fields("key layers", "parent")
    return Node(
        key=fields["key"].text(HEX),
        parent=fields["parent"].text(HEX) if "parent" in fields else "",
        layers=fields["layers"].each(lambda layer: _read_layer(layer, files)),
    )


def _read_layer(value: Value, files: Mapping[str, str]) -> Layer:
    fields = value.fields("key wheels", "parts")
    wheels = fields["wheels"].members()
    for filename, wheel in wheels.items():
        if files.get(wheel.text(HEX)) != filename:
            wheel.fail("is not among `packages`")
    if not wheels:
        value.fail("has no wheels")
    parts = fields["parts"].whole(2, MOST_PARTS) if "parts" in fields else 1
    if parts > 1 < len(wheels):
        value.fail("splits more than one wheel")
    return Layer(
        key=fields["key"].text(HEX), wheels=tuple(sorted(wheel.text() for wheel in wheels.values())), parts=parts
    )


def _read_image(value: Value) -> Image:
    optional = "node command port health imports targets system_packages from_base weights keep "
    optional += "model_version packing local variant why"
    fields = value.fields("name project python platform base code", optional)
    base = fields["base"].fields("reference", "digest")
    platform = PLATFORM.fullmatch(fields["platform"].text())
    if not platform:
        fields["platform"].fail(f"must be a platform like {PLATFORM.pattern}")
    return Image(
        name=fields["name"].text(IMAGE_NAME),
        project=fields["project"].inside(),
        environment=Environment(
            python=fields["python"].text(PYTHON),
            platform=Platform(
                machine=platform["machine"],
                libc=platform["libc"],
                libc_version=(int(platform["major"]), int(platform["minor"])),
            ),
        ),
        base=Base(
            reference=base["reference"].text(REFERENCE),
            digest=base["digest"].text(DIGEST) if "digest" in base else "",
        ),
        node=fields["node"].text(HEX) if "node" in fields else "",
        code=fields["code"].inside(),
        command=fields["command"].each(_read_argument) if "command" in fields else (),
        port=fields["port"].whole(1, 65535) if "port" in fields else None,
        health=fields["health"].text(HEALTH) if "health" in fields else "",
        imports=fields["imports"].each(lambda item: item.text(MODULE)) if "imports" in fields else (),
        targets=fields["targets"].each(_read_argument) if "targets" in fields else (),
        system_packages=fields["system_packages"].each(lambda item: item.text(SYSTEM_PACKAGE))
        if "system_packages" in fields
        else (),
        provided=fields["from_base"].each(lambda item: item.text(PROVIDED)) if "from_base" in fields else (),
        weights=fields["weights"].each(_read_weights) if "weights" in fields else (),
        keep=Keep(fields["keep"].text(KEEP)) if "keep" in fields else Keep.LAYER,
        model_version=fields["model_version"].text() if "model_version" in fields else "",
        packing=Packing.of(fields["packing"].each(lambda item: item.text(PACKING))) if "packing" in fields else USUAL,
        local=fields["local"].each(_read_local) if "local" in fields else (),
        variant=fields["variant"].text(VARIANT) if "variant" in fields else "",
        why=fields["why"].text() if "why" in fields else "",
    )


def _read_target(value: Value) -> Target:
    numbers = ("max_image_bytes", "gpu_memory_bytes")
    versions = ("driver", "driver_cuda", "cuda", "cudnn")
    fields = value.fields("name platform", " ".join(("gpus", *numbers, *versions)))
    return Target(
        name=fields["name"].text(),
        platform=_platform(fields["platform"]),
        gpus=fields["gpus"].each(lambda item: Gpu.parse(item.text())) if "gpus" in fields else (),
        **{name: fields[name].whole(1, 1 << 63) for name in numbers if name in fields},  # type: ignore[arg-type]
        **{name: _version(fields[name]) for name in versions if name in fields},  # type: ignore[arg-type]
    )


def _platform(value: Value) -> Platform:
    """Any platform, as it is written."""
    text = value.text(ANY_PLATFORM)
    if linux := PLATFORM.fullmatch(text):
        libc_version = (int(linux["major"]), int(linux["minor"]))
        return Platform(machine=linux["machine"], libc=linux["libc"], libc_version=libc_version)
    system, _, machine = text.partition("-")
    return Platform(system=system, machine=machine)


def _read_weights(value: Value) -> WeightFile:
    fields = value.fields("path sha256 size_bytes")
    return WeightFile(
        path=fields["path"].inside(),
        sha256=fields["sha256"].text(HEX),
        size_bytes=fields["size_bytes"].whole(0, MAX_FILE_BYTES),
    )


def _read_local(value: Value) -> LocalPackage:
    fields = value.fields("name version folder source", "scripts module")
    scripts = fields["scripts"].members() if "scripts" in fields else {}
    for name, called in scripts.items():
        if not SCRIPT_NAME.fullmatch(name):
            called.fail("is not the name of a command")
    return LocalPackage(
        name=fields["name"].text(PACKAGE_NAME),
        version=str(_version(fields["version"])),
        folder=fields["folder"].inside(),
        source=fields["source"].inside(),
        module="module" in fields and fields["module"].true(),
        scripts=tuple(sorted((name, called.text(SCRIPT_CALL)) for name, called in scripts.items())),
    )


def _read_argument(value: Value) -> str:
    return value.text(ANY)


def _read_skipped(value: Value) -> Skipped:
    fields = value.fields("project reason", "targets")
    return Skipped(
        project=fields["project"].text(ANY),
        reason=fields["reason"].text(ANY),
        targets=fields["targets"].each(_read_argument) if "targets" in fields else (),
    )


def _read_move(value: Value) -> Moved:
    fields = value.fields("package projects reason saved_bytes", "before after")
    return Moved(
        package=_package_name(fields["package"]),
        before=str(_version(fields["before"])) if "before" in fields else "",
        after=str(_version(fields["after"])) if "after" in fields else "",
        projects=fields["projects"].each(_read_argument),
        reason=fields["reason"].text(),
        saved_bytes=fields["saved_bytes"].whole(-MAX_FILE_BYTES, MAX_FILE_BYTES),
    )


def _check_tree(plan: Plan, nodes: Value, images: Value) -> None:
    """That nodes form trees, parents first, that keys are what they stand for, and that no wheel comes twice."""
    known: dict[str, Node] = {}
    for node in plan.nodes:
        if node.key in known or (node.parent and node.parent not in known):
            nodes.fail(f"must list each node once, after its parent: {node.key}")
        known[node.key] = node
    checked: set[str] = set()
    for number, image in enumerate(plan.images):
        here = Value(image, images.path, f"images[{number}]")
        if image.node and image.node not in known:
            here.fail("stands on a node that is not there")
        pins = plan.pins(image)
        if len({pin.name for pin in pins}) < len(pins):
            here.fail("would install a package twice")
        for node in plan.path(image):
            checked.add(node.key)
            keys = [layer.key for layer in node.layers]
            if keys != _keys(node, image) or node.key != node_key(node.parent, image.base, node.layers):
                _refuse_older(here.path, node, image)
                here.fail(f"stands on a node whose keys are not those of its wheels: {node.key}")
    for key in known:
        if key not in checked:
            nodes.fail(f"holds a node that no image stands on: {key}")


def _keys(node: Node, image: Image, version: int = LAYER_FORMAT) -> list[str]:
    return [layer_key(image.environment, layer.wheels, layer.parts, version=version) for layer in node.layers]


def _refuse_older(path: str, node: Node, image: Image) -> None:
    """Raise `PlanFileError` if layers were made in another way when a plan was written."""
    if [layer.key for layer in node.layers] in [_keys(node, image, version) for version in range(1, LAYER_FORMAT)]:
        raise PlanFileError(
            f"`{path}` was written before layers were made as this version makes them: all of them are others now",
            where=path,
            hint="plan with `--fresh`, and commit the new plan",
        )
