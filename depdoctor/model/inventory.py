"""All that is known after a scan has looked: projects, what they declare, and their locks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from depdoctor.model.installed import InstalledEnvironment
from depdoctor.model.lock import DeclaredOnly, Lock, LockOutcome, Unresolvable
from depdoctor.model.noun import dataclass
from depdoctor.model.project import DeclaredRequirement, Problem, Project
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One project: what was read of it, and the outcome of locking it for each environment that it must run in.

    `system_packages` are what its image adds to the base's own (Debian's names, perhaps with a version).
    """

    reading: Reading
    outcomes: tuple[LockOutcome, ...] = ()
    system_packages: tuple[str, ...] = ()

    @property
    def project(self) -> Project:
        """The project itself."""
        return self.reading.project

    @property
    def locks(self) -> tuple[Lock, ...]:
        """The locks that could be had."""
        return tuple(outcome for outcome in self.outcomes if isinstance(outcome, Lock))

    @property
    def status(self) -> str:
        """One word for the state of the project, as the scan's JSON names it."""
        if not self.reading.manifests and self.reading.unreadable:
            return "unreadable"
        if any(isinstance(outcome, Unresolvable) for outcome in self.outcomes):
            return "unresolvable"
        if not self.outcomes or any(isinstance(outcome, DeclaredOnly) for outcome in self.outcomes):
            return "declared-only"
        return "locked" if all(lock.origin for lock in self.locks) else "resolved"

    @property
    def reason(self) -> str:
        """Why the project is not locked, "" if it is."""
        for outcome in self.outcomes:
            if isinstance(outcome, Unresolvable):
                return outcome.reason.summary or outcome.reason.message
            if isinstance(outcome, DeclaredOnly):
                return outcome.reason.detail
        return "; ".join(str(one.problem.reason) for one in self.reading.unreadable) if not self.locks else ""

    def requirements(self) -> Iterator[DeclaredRequirement]:
        """Every requirement of every manifest, constraints left out."""
        for manifest in self.reading.manifests:
            yield from manifest.requirements


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedEnvironment:
    """Projects that the configuration declares to share one environment.

    `outcomes` are what they lock to together, for each environment for which that was asked.
    """

    name: str
    projects: tuple[str, ...]
    outcomes: tuple[LockOutcome, ...] = ()


TELLING = (
    "CUDA_VERSION",
    "CUDNN_VERSION",
    "NV_CUDNN_VERSION",
    "NVIDIA_DISABLE_REQUIRE",
    "NVIDIA_REQUIRE_CUDA",
    "PYTHON_VERSION",
    "PYTORCH_VERSION",
    "TENSORFLOW_VERSION",
)
"""Variables in the configuration of an image that tell what it brings or demands."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BaseConfig:
    """What the configuration of an image in its registry says (image specification): its variables, digest and date.

    `environment` holds only variables of `TELLING`.
    """

    reference: str
    digest: str
    environment: tuple[tuple[str, str], ...]
    read_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Everything a scan knows before it judges. `index_date` is the moment as of which the index was asked.

    `base` is the reference of the image that the projects' images stand on, "" where nothing is said of it.
    `base_configs` are the configurations of those base images whose registry answered.
    `plan_problem` is why the plan file that stands beside the projects cannot be used, None if it can or there is none.
    """

    root: str
    entries: tuple[Entry, ...]
    targets: tuple[Target, ...]
    shared: tuple[SharedEnvironment, ...] = ()
    index_date: datetime
    incomplete: tuple[str, ...] = ()
    base: str = ""
    plan_problem: Problem | None = None
    base_configs: tuple[BaseConfig, ...] = ()
    installed: tuple[InstalledEnvironment, ...] = ()
    """Environments that stand already, to be judged as they are."""

    def environments(self) -> tuple[Environment, ...]:
        """Every environment that some project was locked for, sorted."""
        return tuple(sorted({outcome.environment for entry in self.entries for outcome in entry.outcomes}))
