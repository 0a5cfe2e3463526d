"""An image on the patched successor of its base: another manifest and configuration, and not a byte of a layer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from depdoctor.build.oci.base import BaseImage
from depdoctor.build.oci.image import CREATED_BY, DEFAULT_PATH, Step, config, manifest
from depdoctor.errors import BuildError
from depdoctor.model.image import Blob, BuiltImage
from depdoctor.model.label import DIRTY, REVISION, Source, labels
from depdoctor.model.plan import Image, Plan
from depdoctor.model.seams import Store

PATCHED = re.compile(r"(PYTHON_.*|.*_VERSION|.*_SHA256|.*_DIGEST|GPG_KEY|NV_.*)")
"""Variables that tell which patch release of something a base holds, and so differ between a base and its successor."""

_FOR_ALL = ("User", "WorkingDir", "StopSignal", "Shell", "Volumes")


def objection(old: BaseImage, new: BaseImage, old_libc: str, new_libc: str) -> str:
    """Why one base cannot take the other's place, as the end of a sentence about it; "" if it can.

    The Python and the architecture are those that both were looked at for.
    """
    if old.interpreter != new.interpreter:
        return f"has its Python at {new.interpreter}, and the images link to {old.interpreter}"
    if not old_libc or not new_libc:
        return "cannot be told to have the same C library: neither dpkg's nor apk's list of packages says which it is"
    if old_libc != new_libc:
        return f"has {new_libc}, and the wheels were chosen for {old_libc}"
    before, after = old.config.get("config") or {}, new.config.get("config") or {}
    for key in _FOR_ALL:
        if (before.get(key) or None) != (after.get(key) or None):
            return f"is run otherwise: {key} is {after.get(key)!r}, and was {before.get(key)!r}"
    was, now = (
        {"PATH": DEFAULT_PATH, **dict(line.partition("=")[::2] for line in one.get("Env") or ())}
        for one in (before, after)
    )
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name) and not PATCHED.fullmatch(name):
            return f"sets {name} to {now.get(name, '')!r}, and it was {was.get(name, '')!r}"
    return ""


def rebased(
    plans: tuple[Plan, Plan],
    image: Image,
    bases: tuple[BaseImage, BaseImage],
    remote: tuple[Blob, bytes, bytes],
    store: Store,
) -> BuiltImage:
    """The image of this name in the second plan, made of the layers that stand in a registry for the first.

    `bases` are the old one and the new one; `remote` is the manifest of what stands there, with its bytes, and those of
    its configuration. Raises `BuildError` unless that is the very image that the native builder makes from the first
    plan.
    """
    standing, content, configuration = remote
    try:
        steps, source, created = _read(bases[0], json.loads(content), json.loads(configuration))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _foreign() from error
    was, _ = config(image, bases[0], steps, labels(plans[0], image, source), created)
    before, _ = manifest(was, (*bases[0].layers, *(step.blob for step in steps)))
    if before.digest != standing.digest:
        raise _foreign()
    successor = next(one for one in plans[1].images if one.name == image.name)
    now, text = config(successor, bases[1], steps, labels(plans[1], successor, source), created)
    layers = (*bases[1].layers, *(step.blob for step in steps))
    made, document = manifest(now, layers)
    store.add(now.digest, [text])
    store.add(made.digest, [document])
    return BuiltImage(
        name=image.name,
        manifest=made,
        config=now,
        layers=layers,
        base_layers=len(bases[1].layers),
        base_reference=bases[1].repository,
    )


def _read(
    base: BaseImage, document: Mapping[str, Any], configuration: Mapping[str, Any]
) -> tuple[list[Step], Source, datetime]:
    """What lies on a base, what version control said of it, and the moment that it tells."""
    count = len(document["layers"]) - len(base.layers)
    described = [_blob(layer) for layer in document["layers"]]
    diff_ids = configuration["rootfs"]["diff_ids"]
    blobs = [replace(blob, diff_id=diff_id) for blob, diff_id in zip(described, diff_ids, strict=True)]
    history = configuration["history"][-count:]
    steps = [
        Step(blob=blob, title=step["created_by"].removeprefix(CREATED_BY))
        for blob, step in zip(blobs[-count:], history, strict=True)
    ]
    told = configuration["config"]["Labels"]
    source = Source(revision=told.get(REVISION, ""), dirty=told.get(DIRTY) == "true")
    return steps, source, datetime.fromisoformat(configuration["created"])


def _blob(described: Mapping[str, Any]) -> Blob:
    return Blob(digest=described["digest"], size_bytes=described["size"], media_type=described["mediaType"])


def _foreign() -> BuildError:
    return BuildError(
        "what stands there is not what the native builder makes from the plan on the old base",
        hint="build and push it again: `depdoctor build --push`",
    )
