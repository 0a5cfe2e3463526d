"""Configurations and manifests (OCI image specification 1.1), as canonical JSON: the same image, the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from depdoctor.build.oci.base import BaseImage
from depdoctor.model.context import PROBE_INTERVAL_S, PROBE_RETRIES, PROBE_START_S, PROBE_TIMEOUT_S, probe
from depdoctor.model.image import APP_ROOT, ENVIRONMENT_ROOT, HOME, USER, Blob
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Image

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CREATED_BY = "depdoctor: "
"""How the history of an image begins for a layer of ours."""

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A layer of ours, and what it holds in words."""

    blob: Blob
    title: str


def config(
    image: Image, base: BaseImage, steps: Sequence[Step], labels: Mapping[str, str], created: datetime
) -> tuple[Blob, bytes]:
    """The configuration of an image: its base's, with our environment, user and command."""
    inherited = dict(base.config.get("config") or {})
    for name in ("Entrypoint", "Healthcheck", "OnBuild", "Image", "Hostname", "Domainname"):
        inherited.pop(name, None)
    running: dict[str, Any] = {
        **inherited,
        "Env": _environment(inherited.get("Env") or ()),
        "WorkingDir": APP_ROOT,
        "User": USER,
        "Cmd": list(image.command) or inherited.get("Cmd") or ["python"],
        "Labels": {**(inherited.get("Labels") or {}), **labels},
    }
    if image.port:
        running["ExposedPorts"] = {**(inherited.get("ExposedPorts") or {}), f"{image.port}/tcp": {}}
        running["Healthcheck"] = {
            "Test": ["CMD", *probe(image.port, image.health)],
            "Interval": PROBE_INTERVAL_S * NANOSECONDS,
            "Timeout": PROBE_TIMEOUT_S * NANOSECONDS,
            "StartPeriod": PROBE_START_S * NANOSECONDS,
            "Retries": PROBE_RETRIES,
        }
    moment = created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = {
        "architecture": base.architecture,
        "os": "linux",
        "created": moment,
        "config": running,
        "rootfs": {"type": "layers", "diff_ids": [blob.diff_id for blob in (*base.layers, *(s.blob for s in steps))]},
        "history": [*_history(base), *({"created": moment, "created_by": f"{CREATED_BY}{s.title}"} for s in steps)],
    }
    if "variant" in base.config:
        document["variant"] = base.config["variant"]
    return document_blob(document, CONFIG_TYPE)


def manifest(configuration: Blob, layers: Sequence[Blob]) -> tuple[Blob, bytes]:
    """The manifest of an image."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(configuration),
        "layers": [descriptor(layer) for layer in layers],
    }
    return document_blob(document, MANIFEST_TYPE)


def descriptor(blob: Blob) -> dict[str, Any]:
    """A blob as manifests and indexes refer to it."""
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size_bytes}


def document_blob(document: Mapping[str, Any], media_type: str) -> tuple[Blob, bytes]:
    """A document as canonical JSON, and the blob that it is."""
    content = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Blob(digest=digest, size_bytes=len(content), media_type=media_type), content


def _environment(inherited: Sequence[str]) -> list[str]:
    variables = dict(line.partition("=")[::2] for line in inherited)
    variables |= {
        "PATH": f"{ENVIRONMENT_ROOT}/bin:{variables.get('PATH', DEFAULT_PATH)}",
        "VIRTUAL_ENV": ENVIRONMENT_ROOT,
        "HOME": HOME,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return [f"{name}={value}" for name, value in variables.items()]


def _history(base: BaseImage) -> list[Any]:
    """The base's history, made up to its number of layers: engines count on the two agreeing."""
    history = list(base.config.get("history") or ())
    layers = sum(not step.get("empty_layer") for step in history)
    if layers == len(base.layers):
        return history
    return [{"created_by": "base image"}] * len(base.layers)
