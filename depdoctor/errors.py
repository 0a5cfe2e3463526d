"""The errors that stop a run. What is wrong with one project is a finding, not an error.

DepdoctorError
├── UsageError            exit 2: a path or an option makes no sense
│   └── ConfigError       exit 2: depdoctor.toml, with file and key
├── RulesError            exit 2: a table in rules/ breaks its schema
├── PlanFileError         exit 2: depdoctor.plan.json cannot be read
└── ToolError             exit 3: something outside failed
    ├── ResolverError     uv is missing or broke
    ├── FetchError        a distribution file could not be had, or was not what its hash says
    ├── RegistryError     a container registry said no
    │   └── UnreachableError  it says nothing, or must not be asked
    ├── EngineError       the container engine failed
    ├── StoreError        the cache folder cannot be used, or holds something else than it should
    └── BuildError        an image could not be made
        └── UnsafeWheelError  a wheel breaks the rules that keep an image safe
"""

from __future__ import annotations

from pathlib import Path


class DepdoctorError(Exception):
    """Anything that stops a run: what happened, where (file and line, or address), and what to do."""

    exit_status = 3

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(filter(None, (self.message, self.where, self.hint)))


class UsageError(DepdoctorError):
    """A path or an option makes no sense."""

    exit_status = 2


class ConfigError(UsageError):
    """The configuration is wrong: in a file, at a key by its path from the top, where these are known."""

    file: Path | None = None
    key: tuple[str | int, ...] = ()


class RulesError(DepdoctorError):
    """A rules table breaks its schema."""

    exit_status = 2


class PlanFileError(DepdoctorError):
    """A plan file cannot be read."""

    exit_status = 2


class ToolError(DepdoctorError):
    """Something outside failed."""


class ResolverError(ToolError):
    """The resolver is missing or broke."""


class FetchError(ToolError):
    """A distribution file could not be fetched, or is not what its hash says."""


class RegistryError(ToolError):
    """A container registry said no, or nothing."""


class AbsentError(RegistryError):
    """A container registry does not have what it is asked for."""


class MissingBlobError(RegistryError):
    """A container registry refuses a manifest, since it lacks a blob of it."""


class UnreachableError(RegistryError):
    """A container registry says nothing, or may not be asked since the run is offline."""


class EngineError(ToolError):
    """The container engine failed or is not there."""


class StoreError(ToolError):
    """The cache folder cannot be used, or holds something else than it should."""


class BuildError(ToolError):
    """An image could not be made."""


class UnsafeWheelError(BuildError):
    """A wheel breaks a rule that keeps an image safe."""
