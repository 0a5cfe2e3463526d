"""The configuration as values. `depdoctor.config` reads it from `depdoctor.toml`."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime

from depdoctor.model.noun import dataclass
from depdoctor.model.packing import USUAL, Packing
from depdoctor.model.project import IndexOptions
from depdoctor.model.target import Target
from depdoctor.model.toolchain import Toolchain
from depdoctor.model.weights import Keep

DEFAULT_PYTHON = "3.11"
DEFAULT_BASE = "python:3.11-slim-bookworm"

MAX_LAYER_BYTES = 4_000_000_000
"""A wheel that is larger than this once installed is split across layers: registries cap blobs at 10 GB and less, and
what breaks off is sent again from its beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentConfig:
    """`[[environment]]`: projects (glob patterns over their names) that are meant to share one environment."""

    name: str
    projects: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectConfig:
    """`[[project]]`: what cannot be found out about one project."""

    path: str
    command: tuple[str, ...] = ()
    port: int | None = None
    health: str = ""
    groups: tuple[str, ...] = ()
    weights: Keep | None = None
    model_version: str = ""
    system_packages: tuple[str, ...] = ()
    replicas: tuple[int, int] | None = None
    metrics: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """`[image]`: the base, where images go, a private CA bundle (used in builds, never baked in), and the packing.

    Wheels of more than `max_layer_bytes` once installed are split across layers. `cache` is a repository that keeps
    what builders made, for builders elsewhere.
    """

    base: str = DEFAULT_BASE
    registry: str = ""
    ca_bundle: str = ""
    weights: Keep = Keep.LAYER
    max_layer_bytes: int = MAX_LAYER_BYTES
    packing: Packing = USUAL
    toolchain: Toolchain = field(default_factory=Toolchain)
    cache: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole configuration. `source` is the file it was read from, relative to the scan root; "" for the defaults.

    `cpu_index_urls` have builds without CUDA, and are asked for variants that want these alone.
    """

    source: str = ""
    python: str = DEFAULT_PYTHON
    exclude_newer: datetime | None = None
    indexes: IndexOptions = field(default_factory=IndexOptions)
    cpu_index_urls: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    environments: tuple[EnvironmentConfig, ...] = ()
    targets: tuple[Target, ...] = ()
    projects: tuple[ProjectConfig, ...] = ()
    image: ImageConfig = field(default_factory=ImageConfig)
    ignored_rules: tuple[str, ...] = ()
    rules_path: str = ""
    advisories: str = ""
    """`[update] advisories`: where known flaws are told, relative to the scan root; "" where nothing tells."""

    def project(self, path: str) -> ProjectConfig:
        """What the configuration says of one project, the defaults where it says nothing."""
        return next((project for project in self.projects if project.path == path), ProjectConfig(path=path))
