"""What the configuration of an image says, read from its registry without a layer being pulled."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from depdoctor.errors import RegistryError
from depdoctor.model.inventory import TELLING, BaseConfig
from depdoctor.model.seams import Registry, Store

PARALLEL = 8
LIMIT_BYTES = 4 << 20

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class BaseConfigs:
    """Reads configurations, and remembers what a tag meant: within one `hour` (a text) nobody is asked twice.

    Without an hour registries are asked each time, and what is remembered is for when they do not answer. What a digest
    stands for never changes, and is read once.
    """

    def __init__(self, registry: Registry, store: Store, *, machine: str = "x86_64", hour: str = "") -> None:
        self._registry = registry
        self._store = store
        self._hour = hour
        self._architecture = _ARCHITECTURES.get(machine, machine)

    def read(self, references: Iterable[str]) -> tuple[tuple[BaseConfig, ...], tuple[str, ...]]:
        """The configurations of these images, and the references of those that cannot be had now or from memory."""
        wanted = sorted(set(references))
        found = {reference: config for reference in wanted if (config := self._recalled(reference))}
        unknown = [reference for reference in wanted if reference not in found]
        if unknown:
            with ThreadPoolExecutor(min(PARALLEL, len(unknown)), thread_name_prefix="base-config") as pool:
                asked = zip(unknown, pool.map(self._one, unknown), strict=True)
                found |= {reference: config for reference, config in asked if config}
        return (
            tuple(found[reference] for reference in wanted if reference in found),
            tuple(reference for reference in wanted if reference not in found),
        )

    def _one(self, reference: str) -> BaseConfig | None:
        try:
            config = self._ask(reference)
        except (RegistryError, ValueError, KeyError, TypeError, AttributeError):
            return self._recalled(reference, whenever=True)
        if config is not None:
            kept = {"digest": config.digest, "environment": dict(config.environment), "read_on": config.read_on}
            self._store.remember(self._key(reference), json.dumps({**kept, "hour": self._hour}))
        return config

    def _recalled(self, reference: str, *, whenever: bool = False) -> BaseConfig | None:
        """What is remembered of an image, if that still goes."""
        note = self._store.recall(self._key(reference))
        if note is None:
            return None
        kept = json.loads(note)
        if not (whenever or "@" in reference or (self._hour and kept.get("hour") == self._hour)):
            return None
        environment = tuple(sorted(kept["environment"].items()))
        return BaseConfig(reference=reference, digest=kept["digest"], environment=environment, read_on=kept["read_on"])

    def _key(self, reference: str) -> str:
        return f"base-config 1 {self._architecture} {reference}"

    def _ask(self, reference: str) -> BaseConfig | None:
        blob, content = self._registry.manifest(reference)
        manifest: dict[str, Any] = json.loads(content)
        repository = _repository(reference)
        if "manifests" in manifest:
            chosen = next((each for each in manifest["manifests"] if self._fits(each.get("platform", {}))), None)
            if chosen is None:
                return None
            manifest = json.loads(self._registry.manifest(f"{repository}@{chosen['digest']}")[1])
        described = manifest["config"]
        if described.get("size", 0) > LIMIT_BYTES:
            return None
        config = json.loads(b"".join(self._registry.blob(repository, described["digest"])))
        lines = (config.get("config") or {}).get("Env") or ()
        told = dict(line.partition("=")[::2] for line in lines if isinstance(line, str))
        return BaseConfig(
            reference=reference,
            digest=blob.digest,
            environment=tuple(sorted((name, told[name]) for name in TELLING if name in told)),
            read_on=datetime.now(UTC).date().isoformat(),
        )

    def _fits(self, platform: dict[str, str]) -> bool:
        return platform.get("os") == "linux" and platform.get("architecture") == self._architecture


def _repository(reference: str) -> str:
    """A reference without its tag and digest."""
    name = reference.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}"
