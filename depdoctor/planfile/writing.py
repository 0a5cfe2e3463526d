"""A plan as canonical JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

from depdoctor.model.address import redact
from depdoctor.model.alignment import Moved
from depdoctor.model.distribution import Pin
from depdoctor.model.git_source import PREFIX
from depdoctor.model.local_package import LocalPackage
from depdoctor.model.plan import Image, Node, Plan
from depdoctor.model.target import Target
from depdoctor.model.weights import Keep
from depdoctor.planfile.reading import CREDENTIALS

ROWS = frozenset({"moves", "packages", "skipped", "targets"})
"""Lists whose items stand on one line each."""


def dumps(plan: Plan) -> str:
    """A plan as canonical JSON. Addresses lose any credentials."""
    files = {sha256: pin.file.filename for sha256, pin in plan.by_hash().items() if pin.file}
    document = {
        "images": [_image(image) for image in plan.images],
        "nodes": [_node(node, files) for node in plan.nodes],
        "packages": [_package(pin) for pin in plan.packages],
        "schema_version": plan.schema_version,
        "skipped": [
            {"project": skip.project, "reason": skip.reason, **_filled(targets=list(skip.targets))}
            for skip in plan.skipped
        ],
    }
    if plan.moves:
        document["moves"] = [_move(move) for move in plan.moves]
    if plan.targets:
        document["targets"] = [_target(target) for target in plan.targets]
    if plan.accepted:
        document["accepted"] = list(plan.accepted)
    return "{\n" + ",\n".join(f' "{key}": {_section(key, document[key])}' for key in sorted(document)) + "\n}\n"


def digest(plan: Plan) -> str:
    """The digest of the whole plan, "sha256:<hex>": that of its file."""
    return f"sha256:{sha256(dumps(plan).encode()).hexdigest()}"


def _section(key: str, value: object) -> str:
    if key in ROWS and isinstance(value, list):
        rows = ",\n  ".join(json.dumps(row, sort_keys=True) for row in value)
        return f"[\n  {rows}\n ]" if rows else "[]"
    return json.dumps(value, indent=1, sort_keys=True).replace("\n", "\n ")


def _filled(**values: object) -> dict[str, object]:
    """The values that are there."""
    return {key: value for key, value in values.items() if value is not None and value not in ("", [])}


def _package(pin: Pin) -> dict[str, object]:
    file = pin.file
    found = _filled(
        name=pin.name,
        version=str(pin.version),
        filename=file.filename if file else None,
        sha256=file.sha256 if file else None,
        size_bytes=file.size_bytes if file else None,
        unpacked_bytes=pin.unpacked_bytes,
        index=CREDENTIALS.sub("", pin.index),
        source=_public(pin.source),
    )
    return {**found, "url": _public(file.url)} if file else found


def _public(address: str) -> str:
    """An address without credentials; the account of one of git over ssh is none."""
    return redact(address) if address.startswith(PREFIX) else CREDENTIALS.sub("", address)


def _node(node: Node, files: Mapping[str, str]) -> dict[str, object]:
    layers = [
        _filled(
            key=layer.key,
            wheels={files[wheel]: wheel for wheel in layer.wheels},
            parts=layer.parts if layer.parts > 1 else None,
        )
        for layer in node.layers
    ]
    return _filled(key=node.key, parent=node.parent, layers=layers)


def _move(move: Moved) -> dict[str, object]:
    return {
        "package": move.package,
        "projects": list(move.projects),
        "reason": move.reason,
        "saved_bytes": move.saved_bytes,
        **_filled(before=move.before, after=move.after),
    }


def _local(one: LocalPackage) -> dict[str, object]:
    found: dict[str, object] = {"name": one.name, "version": one.version, "folder": one.folder, "source": one.source}
    found |= {"scripts": dict(one.scripts)} if one.scripts else {}
    return {**found, "module": True} if one.module else found


def _target(target: Target) -> dict[str, object]:
    versions = {"driver": target.driver, "driver_cuda": target.driver_cuda, "cuda": target.cuda, "cudnn": target.cudnn}
    return _filled(
        name=target.name,
        platform=str(target.platform),
        gpus=[str(gpu) for gpu in target.gpus],
        max_image_bytes=target.max_image_bytes,
        gpu_memory_bytes=target.gpu_memory_bytes,
        **{name: str(version) if version else None for name, version in versions.items()},
    )


def _image(image: Image) -> dict[str, object]:
    return _filled(
        name=image.name,
        project=image.project,
        python=image.environment.python,
        platform=str(image.environment.platform),
        base=_filled(reference=image.base.reference, digest=image.base.digest),
        node=image.node,
        code=image.code,
        command=list(image.command),
        port=image.port,
        health=image.health,
        imports=list(image.imports),
        targets=list(image.targets),
        weights=[{"path": one.path, "sha256": one.sha256, "size_bytes": one.size_bytes} for one in image.weights],
        keep=None if image.keep is Keep.LAYER else str(image.keep),
        model_version=image.model_version,
        variant=image.variant,
        why=image.why,
        system_packages=list(image.system_packages),
        from_base=list(image.provided),
        packing=list(image.packing.words()),
        local=[_local(one) for one in image.local],
    )
