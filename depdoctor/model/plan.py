"""The plan: which image holds which wheels in which layers.

Layers form one tree over all images of the fleet. A node of the tree holds what every image below it has in common
and no node above it holds; an image is a leaf-to-root path. What can be computed from a plan is a function of
`depdoctor.plan.cost`, not a field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256

from depdoctor.model.alignment import Moved
from depdoctor.model.distribution import Pin
from depdoctor.model.image import APP_ROOT, ENVIRONMENT_ROOT
from depdoctor.model.local_package import LocalPackage
from depdoctor.model.noun import dataclass
from depdoctor.model.packing import USUAL, Packing
from depdoctor.model.target import Environment, Target
from depdoctor.model.weights import Keep, WeightFile

SCHEMA_VERSION = 1

LAYER_FORMAT = 2
"""Raised whenever the bytes that a builder makes of the same wheels change."""

REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
"""What an image reference may consist of (distribution specification), so that it is one word anywhere."""

HEALTH = re.compile(r"(/[!-~]*)?")
"""The path of a health check: visible ASCII, as in the request line of HTTP; "" for none."""

SYSTEM_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9][A-Za-z0-9.+:~-]*)?")
"""A package of Debian, perhaps at a version (Debian policy, 5.6.1 and 5.6.12): one word, and no option."""

PACKAGE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""A normalized name of a package (PEP 503)."""

SCRATCH = "scratch"
"""The base of an image that has none: its layers alone."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Base:
    """The image that others stand on: the reference as configured, and its manifest's digest ("" if not reachable)."""

    reference: str
    digest: str = ""

    @property
    def pinned(self) -> str:
        """The reference by digest where the digest is known."""
        if not self.digest:
            return self.reference
        repository = self.reference.split("@")[0]
        head, _, tail = repository.rpartition("/")
        tail = tail.split(":")[0]
        return f"{head}/{tail}@{self.digest}" if head else f"{tail}@{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Layer:
    """Wheels (by SHA-256 of their files) that are one layer, and the key that follows from them.

    One wheel that is too large for one blob is split across so many `parts`, which always stand together.
    """

    key: str
    wheels: tuple[str, ...]
    parts: int = 1

    @property
    def pieces(self) -> tuple[str, ...]:
        """The key of each blob that the layer is, bottom first."""
        if self.parts == 1:
            return (self.key,)
        return tuple(f"{self.key} {number} of {self.parts}" for number in range(1, self.parts + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of the layer tree: its layers, bottom first, on top of its parent's ("" for a root)."""

    key: str
    parent: str
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image. `name` is the last part of its reference; `node` the leaf whose path from the root it holds.

    `code` is the project's folder relative to the scan root. `imports` are the top-level modules that must import.
    `system_packages` are those of the base's distribution that stand above its wheels.
    `weights` are kept where `keep` says; the code is without them. `model_version` is what people call them.
    `provided` are packages that come with the base, pinned or by name, and that its environment therefore sees.
    `packing` is how its wheels become layers. `local` are the packages that are folders: those that it needs besides
    its wheels, and its own where that is one.
    `variant` is "cpu" where it is without the CUDA that its project names; `why` tells why its project has several
    images, or how one serves targets that differ.
    """

    name: str
    project: str
    environment: Environment
    base: Base
    node: str
    code: str
    command: tuple[str, ...] = ()
    port: int | None = None
    health: str = ""
    imports: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    system_packages: tuple[str, ...] = ()
    provided: tuple[str, ...] = ()
    weights: tuple[WeightFile, ...] = ()
    keep: Keep = Keep.LAYER
    model_version: str = ""
    packing: Packing = USUAL
    local: tuple[LocalPackage, ...] = ()
    variant: str = ""
    why: str = ""

    @property
    def beside(self) -> tuple[LocalPackage, ...]:
        """The local packages that are copied beside its code: all but its own."""
        return tuple(one for one in self.local if one.folder != self.code)

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that its code comes from, its project's first; single files are none."""
        return (self.code, *(one.folder for one in self.beside if not one.is_file))

    @property
    def own(self) -> LocalPackage | None:
        """The package that its project is itself."""
        return next((one for one in self.local if one.folder == self.code), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A project that gets no image, and why; with `targets`, one that gets none for these alone."""

    project: str
    reason: str
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole fleet. `packages` lists every pinned file once, sorted by name, version and file name.

    `moves` tells which versions were chosen for the sake of sharing. `targets` are what it was made for, and `accepted`
    the codes of the findings that the configuration leaves out.
    """

    packages: tuple[Pin, ...]
    nodes: tuple[Node, ...]
    images: tuple[Image, ...]
    skipped: tuple[Skipped, ...] = ()
    moves: tuple[Moved, ...] = ()
    targets: tuple[Target, ...] = ()
    accepted: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def by_hash(self) -> Mapping[str, Pin]:
        """The packages by the SHA-256 of their file."""
        return {pin.file.sha256: pin for pin in self.packages if pin.file}

    def path(self, image: Image) -> tuple[Node, ...]:
        """The nodes that an image stands on, root first."""
        nodes = {node.key: node for node in self.nodes}
        path: list[Node] = []
        key = image.node
        while key:
            path.append(nodes[key])
            key = nodes[key].parent
        return tuple(reversed(path))

    def layers(self, image: Image) -> tuple[Layer, ...]:
        """The layers of wheels that an image holds, bottom first."""
        return tuple(layer for node in self.path(image) for layer in node.layers)

    def pins(self, image: Image) -> tuple[Pin, ...]:
        """The packages that an image installs, by name."""
        files = self.by_hash()
        pins = [files[sha256] for layer in self.layers(image) for sha256 in layer.wheels]
        return tuple(sorted(pins, key=lambda pin: pin.name))


def place_in(image: Image, package: LocalPackage) -> str:
    """Where the folder of a local package lies in an image: its project's own is the code."""
    return APP_ROOT if package.folder == image.code else package.place


def obstacle(image: Image) -> str:
    """Why no Dockerfile can make an image, as the end of a sentence; "" if one can."""
    if image.base.reference == SCRATCH:
        return "it has no base to run commands in"
    patterns = any(set(folder) & set("*?") for folder in (image.code, *(one.folder for one in image.beside)))
    return "COPY takes the name of its folder for a pattern" if patterns else ""


def layer_key(environment: Environment, wheels: Iterable[str], parts: int = 1, *, version: int = LAYER_FORMAT) -> str:
    """What the bytes of a layer follow from: format, environment root, Python, platform, the wheels' SHA-256, parts."""
    split = [parts] if parts > 1 else []
    return _key([version, ENVIRONMENT_ROOT, environment.python, str(environment.platform), sorted(wheels), *split])


def node_key(parent: str, base: Base, layers: Iterable[Layer]) -> str:
    """What a chain of layers follows from: the chain below (the base for a root) and the node's own layers in order."""
    return _key([parent or base.pinned, [layer.key for layer in layers]])


def _key(parts: list[object]) -> str:
    return sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()
