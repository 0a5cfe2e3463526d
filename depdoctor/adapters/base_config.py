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
    """Reads configurations; what a digest stands for never changes and is read once, what a tag meant is remembered."""

    def __init__(self, registry: Registry, store: Store, *, machine: str = "x86_64") -> None:
        self._registry = registry
        self._store = store
        self._architecture = _ARCHITECTURES.get(machine, machine)

    def read(self, references: Iterable[str]) -> tuple[tuple[BaseConfig, ...], tuple[str, ...]]:
        """The configurations of these images, and the references of those that cannot be had now or from memory."""
        wanted = sorted(set(references))
        if not wanted:
            return (), ()
        with ThreadPoolExecutor(min(PARALLEL, len(wanted)), thread_name_prefix="base-config") as pool:
            found = list(pool.map(self._one, wanted))
        return (
            tuple(config for config in found if config),
            tuple(name for name, config in zip(wanted, found, strict=True) if config is None),
        )

    def _one(self, reference: str) -> BaseConfig | None:
        key = f"base-config 1 {self._architecture} {reference}"
        try:
            config = self._ask(reference)
        except (RegistryError, ValueError, KeyError, TypeError, AttributeError):
            return self._recalled(reference, key)
        if config is not None:
            kept = {"digest": config.digest, "environment": dict(config.environment), "read_on": config.read_on}
            self._store.remember(key, json.dumps(kept))
        return config

    def _recalled(self, reference: str, key: str) -> BaseConfig | None:
        note = self._store.recall(key)
        if note is None:
            return None
        kept = json.loads(note)
        environment = tuple(sorted(kept["environment"].items()))
        return BaseConfig(reference=reference, digest=kept["digest"], environment=environment, read_on=kept["read_on"])

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
