"""A requirements file for each layer: every package at one version, with the hash of one file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain

from depdoctor.generate.stages import SHORT, stages
from depdoctor.model.distribution import Pin
from depdoctor.model.plan import Layer, Plan

REMOTE = re.compile(r"https?://[!-~]+")
"""An index that a build can reach; one word, so that it stays one option."""


def requirements_path(layer: Layer) -> str:
    """Where the requirements of a layer lie in the bundle."""
    return f"layers/{layer.key[:SHORT]}.txt"


def requirement_files(plan: Plan, indexes: Sequence[str] = ()) -> dict[str, str]:
    """The requirements of every layer that is built, by path; `indexes` as in `Toolchain`."""
    packages = plan.by_hash()
    layers = chain.from_iterable(stage.node.layers for stage in stages(plan))
    return {requirements_path(layer): requirements(layer, packages, indexes) for layer in layers}


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
    elif known := [index for index in usual if REMOTE.fullmatch(index)]:
        options += [f"--extra-index-url {index}" for index in known[1:] if index not in indexes]
        options.insert(0, f"--index-url {known[0]}")
    lines = [f"{pin.name}=={pin.version} --hash=sha256:{pin.file.sha256}" for pin in pins if pin.file]
    return "\n".join([*options, *lines, ""])


def all_wheels(layer: Layer, packages: Mapping[str, Pin]) -> bool:
    """Whether nothing of a layer has to be built."""
    return all((file := packages[wheel].file) is not None and file.is_wheel for wheel in layer.wheels)
