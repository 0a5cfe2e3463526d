"""A requirements file for each layer: every package at one version, with the hash of one file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain

from depdoctor.generate.installing import MOUNT_ROOT
from depdoctor.generate.stages import SHORT, stages
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.plan import Layer, Plan

REMOTE = re.compile(r"https?://[!-~]+")
"""An index that a build can reach; one word, so that it stays one option."""


def requirements_path(layer: Layer) -> str:
    """Where the requirements of a layer lie in the bundle."""
    return f"layers/{layer.key[:SHORT]}.txt"


def repositories_path(layer: Layer) -> str:
    """Where those of them that are commits of repositories lie."""
    return f"layers/{layer.key[:SHORT]}.git.txt"


def requirement_files(plan: Plan, indexes: Sequence[str] = ()) -> dict[str, str]:
    """The requirements of every layer that is built, by path; `indexes` as in `Toolchain`."""
    packages = plan.by_hash()
    layers = tuple(chain.from_iterable(stage.node.layers for stage in stages(plan)))
    listed = {requirements_path(layer): requirements(layer, packages, indexes) for layer in layers}
    fetched = {repositories_path(layer): repositories(layer, packages) for layer in layers}
    return listed | {path: text for path, text in fetched.items() if text}


def requirements(layer: Layer, packages: Mapping[str, Pin], usual: Sequence[str] = ()) -> str:
    """The requirements of one layer, in the requirements file format, sorted by name.

    An index is named only where the lock names one that a build can reach, else those that are `usual`. Several are
    safe together, since the hash decides.
    """
    pins = sorted((packages[wheel] for wheel in layer.wheels), key=lambda pin: pin.name)
    indexes = sorted({pin.index for pin in pins if REMOTE.fullmatch(pin.index)})
    options = [f"--extra-index-url {index}" for index in indexes]
    if indexes and all(pin.index in indexes for pin in pins):
        options[0] = f"--index-url {indexes[0]}"
    else:
        first, *others = (index if REMOTE.fullmatch(index) else "" for index in (*usual, ""))
        options += [f"--extra-index-url {index}" for index in others if index and index not in indexes]
        options[:0] = [f"--index-url {first}"] if first else []
    lines = [_line(pin, pin.file) for pin in pins if pin.file and not pin.file.is_repository]
    return "\n".join([*options, *lines, ""])


def _line(pin: Pin, file: DistributionFile) -> str:
    """A package of an index by its version, one of an address by that."""
    named = f"{pin.name}=={pin.version}"
    if pin.source and REMOTE.fullmatch(file.url):
        named = f"{pin.name} @ {file.url}"
    elif place := local_place(pin):
        named = f"{pin.name} @ file://{MOUNT_ROOT}/{place}"
    return f"{named} --hash=sha256:{file.sha256}"


def local_place(pin: Pin) -> str:
    """Where the file of a package lies below the scan root, "" if it does not."""
    return pin.file.url.removeprefix("./") if pin.file and pin.source and pin.file.url.startswith("./") else ""


def repositories(layer: Layer, packages: Mapping[str, Pin]) -> str:
    """The packages of a layer that are commits of repositories, in the requirements file format; "" for none.

    They stand apart, since no file has the hash that all others are held against.
    """
    pins = sorted((packages[wheel] for wheel in layer.wheels), key=lambda pin: pin.name)
    return "".join(f"{pin.name} @ {pin.file.url}\n" for pin in pins if pin.file and pin.file.is_repository)


def all_wheels(layer: Layer, packages: Mapping[str, Pin]) -> bool:
    """Whether nothing of a layer has to be built."""
    return all((file := packages[wheel].file) is not None and file.is_wheel for wheel in layer.wheels)
