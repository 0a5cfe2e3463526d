"""Findings: what is wrong, where, why it is believed, and what to do."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from depdoctor.model.noun import dataclass
from depdoctor.model.project import Location

if TYPE_CHECKING:
    from depdoctor.model.conflict import Conflict


class Severity(IntEnum):
    """How bad: an error will fail where it is meant to run, a warning may, a note is worth knowing."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        return self.name.lower()


class Kind(StrEnum):
    """Every kind of finding. `CODES` gives each its code and default severity."""

    VERSION_CONFLICT = "version-conflict"
    SELF_CONFLICT = "self-conflict"
    LOCK_DRIFT = "lock-drift"
    DRIFT = "drift"
    LOCKSTEP = "lockstep"
    VERSION_GONE = "version-gone"
    BUILD_FAILS = "build-fails"
    NO_WHEEL = "no-wheel"
    ERROR_PACKAGE = "error-package"
    MISSING_EXTRA = "missing-extra"
    INDEX_MISSING = "index-missing"
    DRIVER_TOO_OLD = "driver-too-old"
    CUDNN_TOOLKIT_MISMATCH = "cudnn-toolkit-mismatch"
    TWO_FRAMEWORKS = "two-frameworks"
    GPU_ARCH = "gpu-arch"
    CUDA_TWICE = "cuda-twice"
    CUDA_ON_CPU = "cuda-on-cpu"
    CLOBBER = "clobber"
    ABI_RUNTIME = "abi-runtime"
    UNOWNED = "unowned"
    PYTHON_UNSUPPORTED = "python-unsupported"
    GLIBC = "glibc"
    SYSTEM_LIBRARY = "system-library"
    UNREADABLE = "unreadable"
    UNPINNED = "unpinned"
    MUTABLE_SOURCE = "mutable-source"
    UNDECLARED_IMPORT = "undeclared-import"
    UNUSED = "unused"
    CREDENTIALS = "credentials"
    IMAGE_DRIFT = "image-drift"
    IMAGE_TOO_LARGE = "image-too-large"
    NAME_COLLISION = "name-collision"
    NOT_INSTALLED = "not-installed"
    NOT_IMPORTABLE = "not-importable"


CODES: dict[Kind, tuple[str, Severity]] = {
    Kind.VERSION_CONFLICT: ("DD101", Severity.WARNING),
    Kind.SELF_CONFLICT: ("DD102", Severity.ERROR),
    Kind.LOCK_DRIFT: ("DD103", Severity.ERROR),
    Kind.DRIFT: ("DD104", Severity.WARNING),
    Kind.LOCKSTEP: ("DD105", Severity.WARNING),
    Kind.VERSION_GONE: ("DD110", Severity.ERROR),
    Kind.BUILD_FAILS: ("DD111", Severity.ERROR),
    Kind.NO_WHEEL: ("DD112", Severity.ERROR),
    Kind.ERROR_PACKAGE: ("DD113", Severity.ERROR),
    Kind.MISSING_EXTRA: ("DD114", Severity.ERROR),
    Kind.INDEX_MISSING: ("DD115", Severity.NOTE),
    Kind.DRIVER_TOO_OLD: ("DD201", Severity.ERROR),
    Kind.CUDNN_TOOLKIT_MISMATCH: ("DD202", Severity.ERROR),
    Kind.TWO_FRAMEWORKS: ("DD203", Severity.ERROR),
    Kind.GPU_ARCH: ("DD204", Severity.ERROR),
    Kind.CUDA_TWICE: ("DD205", Severity.NOTE),
    Kind.CUDA_ON_CPU: ("DD206", Severity.NOTE),
    Kind.CLOBBER: ("DD301", Severity.ERROR),
    Kind.ABI_RUNTIME: ("DD302", Severity.ERROR),
    Kind.UNOWNED: ("DD303", Severity.NOTE),
    Kind.PYTHON_UNSUPPORTED: ("DD401", Severity.ERROR),
    Kind.GLIBC: ("DD402", Severity.ERROR),
    Kind.SYSTEM_LIBRARY: ("DD403", Severity.NOTE),
    Kind.UNREADABLE: ("DD501", Severity.WARNING),
    Kind.UNPINNED: ("DD511", Severity.NOTE),
    Kind.MUTABLE_SOURCE: ("DD512", Severity.NOTE),
    Kind.UNDECLARED_IMPORT: ("DD513", Severity.NOTE),
    Kind.UNUSED: ("DD514", Severity.NOTE),
    Kind.CREDENTIALS: ("DD515", Severity.ERROR),
    Kind.IMAGE_DRIFT: ("DD601", Severity.ERROR),
    Kind.IMAGE_TOO_LARGE: ("DD602", Severity.ERROR),
    Kind.NAME_COLLISION: ("DD603", Severity.ERROR),
    Kind.NOT_INSTALLED: ("DD604", Severity.ERROR),
    Kind.NOT_IMPORTABLE: ("DD605", Severity.ERROR),
}


class Confidence(StrEnum):
    """How sure a fact is: read off the thing itself, quoted by someone, or deduced."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    INFERRED = "inferred"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Evidence:
    """A fact that a finding rests on, where it is from, and the ISO date on which it was read."""

    fact: str
    source: str
    date: str
    confidence: Confidence


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Cause:
    """One requirement that a finding comes from, and the chain of requirements from it down to the subject."""

    project: str
    location: Location
    requirement: str
    chain: tuple[str, ...] = ()


class State(StrEnum):
    """What becomes of something on one target. Where it cannot be told, it is unknown, and never said to run."""

    FAILS = "fails"
    MAY_FAIL = "may-fail"
    RUNS = "runs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Outcome:
    """What happens on one target: its name, what it offers in a few words, the state, and why or with which words."""

    target: str
    machine: str
    state: State
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong or worth knowing.

    `subject` is the package (or `cudnn`, `driver`, an image reference) to blame; `packages` are all that a user must
    look at to act, and no more; `targets` names the targets that it concerns, none where it concerns every one.
    `conflicts` are the minimal sets of lines that it tells of, where it does.
    `outcomes` are one for each target, in the order of the configuration; none where there is but one target, or where
    targets make no difference.
    """

    kind: Kind
    severity: Severity
    subject: str
    message: str
    hint: str = ""
    packages: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    targets: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    outcomes: tuple[Outcome, ...] = ()

    @property
    def code(self) -> str:
        """The stable code of its kind, such as DD101."""
        return CODES[self.kind][0]

    @property
    def public_kind(self) -> str:
        """The kind as reports name it: a conflict inside a project is a version conflict too."""
        return Kind.VERSION_CONFLICT.value if self.kind is Kind.SELF_CONFLICT else self.kind.value


def default_severity(kind: Kind) -> Severity:
    """The severity of a kind unless something raises or lowers it."""
    return CODES[kind][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All findings, worst first, and the codes of the rules that ran, so that silence can be trusted.

    `remarks` are about all findings together, such as how few environments would part all conflicts.
    """

    findings: tuple[Finding, ...]
    rules_run: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def worst_first(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings in the one order that every report uses; total, so that output is stable."""
    return tuple(sorted(findings, key=lambda f: (-f.severity, f.code, f.subject, f.projects, f.causes, f.message)))
