"""What a user wrote: projects, their manifests, and the requirements in them, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field, replace

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from depdoctor.model.distribution import LockedPackage
from depdoctor.model.expression import expression
from depdoctor.model.local_package import PackageFacts
from depdoctor.model.noun import dataclass

DEFAULT_GROUP = ""
"""The group of what a project needs to run."""

_CONDA_EXACT = expression(r"={0,2}(\d+(?:\.\d+)+(?:\.?(?:post|rc|a|b)\d+)?)")
_CONDA_RANGE = expression(r"(?:[<>]=?|!=)[\d.]+(?:,(?:[<>]=?|!=)[\d.]+)*")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Location:
    """A place in a file: POSIX path relative to the scan root, and a 1-based line (0: the file as a whole)."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Project:
    """A folder that is one project.

    `name` is its identity: the POSIX path relative to the scan root, and for the root itself its folder's name.
    `root` is that path too, but "." for the scan root. `manifests` are paths relative to the scan root, and so are
    `sources` and `weights`: the Python files and notebooks, and the files of model weights, that belong to this project
    and to no project inside it. `workspace` names the folders of a uv workspace that this project is a member of.
    """

    name: str
    root: str
    manifests: tuple[str, ...]
    reason: str = ""
    sources: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    workspace: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PassedOver:
    """A path that was not looked at though its name promises something, and why.

    What an `unlisted` folder holds is not known.
    """

    path: str
    reason: str
    unlisted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a folder holds: its projects, the virtual environments in it ("." for itself), and what was passed over."""

    projects: tuple[Project, ...]
    passed_over: tuple[PassedOver, ...] = ()
    environments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredRequirement:
    """One requirement as a manifest states it. Treat `requirement` as read-only: `packaging` lets it be assigned to.

    Addresses in `requirement` and `text` hold no credentials. The address of a local file begins with "./" and is
    relative to the scan root. `index` is the address or name of the one index that the manifest ties it to, "" if none.
    """

    requirement: Requirement
    location: Location
    text: str
    group: str = DEFAULT_GROUP
    hashes: tuple[str, ...] = ()
    editable: bool = False
    index: str = ""

    @property
    def name(self) -> NormalizedName:
        """The normalized name of the distribution that is required."""
        return canonicalize_name(self.requirement.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """Where distributions come from, as a manifest or the configuration says. Addresses never hold credentials.

    Of a package in `tied` (name and address) only the index at that address is asked, and that index of no other
    package. With `first_index` a package comes from the first index that has it, as uv has it, else from whichever has
    the best version, as pip has it. `names` are addresses and what the manifest calls them: uv finds the user's
    credentials by that. `overrides` are PEP 508 texts that count in place of all else that is asked of their packages.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    prerelease: bool = False
    tied: tuple[tuple[str, str], ...] = ()
    first_index: bool = False
    names: tuple[tuple[str, str], ...] = ()
    overrides: tuple[str, ...] = ()

    def joined(self, other: IndexOptions) -> IndexOptions:
        """These options and the other's; the other's index address wins, since it is the nearer one."""
        return IndexOptions(
            index_url=other.index_url or self.index_url,
            extra_index_urls=tuple(dict.fromkeys(self.extra_index_urls + other.extra_index_urls)),
            find_links=tuple(dict.fromkeys(self.find_links + other.find_links)),
            no_index=self.no_index or other.no_index,
            no_binary=tuple(dict.fromkeys(self.no_binary + other.no_binary)),
            only_binary=tuple(dict.fromkeys(self.only_binary + other.only_binary)),
            prerelease=self.prerelease or other.prerelease,
            tied=tuple(sorted({**dict(self.tied), **dict(other.tied)}.items())),
            first_index=self.first_index or other.first_index,
            names=tuple(sorted({**dict(self.names), **dict(other.names)}.items())),
            overrides=tuple(sorted({*self.overrides, *other.overrides})),
        )


def in_groups(group: str, groups: Sequence[str]) -> bool:
    """Whether something of a group ("" for the default one) is among what is wanted."""
    name = group.partition(":")[2]
    return group in (DEFAULT_GROUP, *groups) or bool(name and name in groups)


def tied_to(requirements: Iterable[DeclaredRequirement]) -> IndexOptions:
    """The options that tie packages to the one index that their manifest names for them."""
    return IndexOptions(
        tied=tuple(sorted({str(one.name): one.index for one in requirements if "://" in one.index}.items()))
    )


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Include:
    """What else a manifest draws in, as a path relative to the scan root.

    `role` is "requirements" (-r), "constraints" (-c), "project": a folder whose own requirements count as well
    (`-e ./library`), with the `extras` of it that are asked for; or "member": such a folder by its name in the
    workspace. `group` is the group that asks for it.
    """

    path: str
    role: str
    location: Location
    extras: tuple[str, ...] = ()
    group: str = DEFAULT_GROUP


UNSETTLED = "unsettled"
"""The kind of the problem that a file holds both sides of a merge: no tool reads it."""

_LOSSES = frozenset(
    {UNSETTLED, "unparsable", "unnamed", "remote", "missing", "outside", "cycle", "dynamic", "unreadable"}
)
"""The kinds of problems that leave requirements unknown."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """A piece of a manifest that could not be understood or used; the rest of the manifest stands.

    `kind` is one word: "unparsable", "unnamed" (a requirement whose package no one names), "credentials" (left out of
    an address), "variable" (never expanded), "outside" (leads out of the scan root), "missing", "cycle", "remote",
    "encoding", "dynamic" (only running code would tell), "replaced" (by what is installed later), "unsettled" (both
    sides of a merge) or "unreadable".
    """

    location: Location
    reason: str
    hint: str = ""
    kind: str = "unreadable"

    @property
    def loses(self) -> bool:
        """Whether requirements stay unknown for it."""
        return self.kind in _LOSSES


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CondaRequirement:
    """A requirement on a conda package: its name, its version constraint as conda writes them, "" for any.

    Conda packages are other things than distributions of the same name; whoever compares them must say so.
    """

    name: str
    constraint: str
    location: Location
    channel: str = ""
    build: str = ""
    group: str = DEFAULT_GROUP

    @property
    def specifier(self) -> str:
        """The constraint as PEP 440 has it, "" where that is not certain: `=1.23` is `==1.23.*`."""
        constraint = self.constraint.replace(" ", "")
        if not (match := _CONDA_EXACT.fullmatch(constraint.removesuffix(".*"))):
            return constraint if _CONDA_RANGE.fullmatch(constraint) else ""
        try:
            version = Version(match[1])
        except InvalidVersion:
            return ""
        return f"=={version}.*" if len(version.release) < 3 and not constraint.startswith("==") else f"=={version}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CondaPackage:
    """A conda package that a lockfile pins for one conda platform ("linux-64"). `sha256` is hex, "" if not told."""

    name: str
    version: str
    platform: str
    url: str = ""
    sha256: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BaseImage:
    """An image that a build starts from, with build arguments put in; `stage` is what the file calls the result.

    `is_final` marks the image under the last stage, which is what the built image stands on.
    """

    reference: str
    location: Location
    stage: str = ""
    is_final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SystemPackage:
    """A package of the operating system that a manifest installs."""

    name: str
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One file as it was read. Lockfiles fill `packages`, all others `requirements`; both may be empty.

    `name` is what the file calls its own project. `overrides` replace what packages ask for, as
    `tool.uv.override-dependencies` does. `conflicts` are sets of groups that are never installed together.
    `python` is the minor ("3.11") that the file itself asks for and `cuda` the CUDA version, "" where it names none;
    `environment` are the variables it sets for what runs, without credentials. `package` is what it says of its folder
    as a package, None where it is about none.
    """

    path: str
    format: str
    name: str = ""
    requires_python: SpecifierSet | None = None
    python_line: int = 0
    """The line of `requires_python`, 0 where that is not known."""
    requirements: tuple[DeclaredRequirement, ...] = ()
    constraints: tuple[DeclaredRequirement, ...] = ()
    overrides: tuple[DeclaredRequirement, ...] = ()
    conflicts: tuple[tuple[str, ...], ...] = ()
    packages: tuple[LockedPackage, ...] = ()
    conda: tuple[CondaRequirement, ...] = ()
    conda_packages: tuple[CondaPackage, ...] = ()
    channels: tuple[str, ...] = ()
    base_images: tuple[BaseImage, ...] = ()
    system_packages: tuple[SystemPackage, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    python: str = ""
    cuda: str = ""
    indexes: IndexOptions = field(default_factory=IndexOptions)
    includes: tuple[Include, ...] = ()
    outside: tuple[Include, ...] = ()
    """Files that it draws in from outside of the scan root, which only an explicit wish lets be read."""
    problems: tuple[Problem, ...] = ()
    package: PackageFacts | None = None
    digests: tuple[str, ...] = ()
    """Of a lockfile, by which digest it knows the manifest that it was made from; of a manifest, those that it has."""
    groups: tuple[str, ...] = ()
    """The groups of the project that draw the file in, where that is known; it may hold others of its own."""

    @property
    def options(self) -> IndexOptions:
        """How a resolver is to be asked about what this file declares, its overrides included."""
        return replace(self.indexes, overrides=tuple(sorted({str(one.requirement) for one in self.overrides})))

    @property
    def is_lock(self) -> bool:
        """Whether this file pins a whole environment."""
        return bool(self.packages)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class UnreadableManifest:
    """A manifest that could not be read at all, and why; `groups` of the project draw it in, where that is known."""

    path: str
    format: str
    problem: Problem
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Weights:
    """A file of model weights. `size_bytes` is that of the weights, also where a Git LFS pointer stands in for them.

    `tensors`, `parameters` and `dtypes` (name and number of parameters of that type) come from the file's header; None
    and empty where the format does not tell without being run, as with pickles. `sha256` is hex, "" while
    nobody has needed it. `version` is what the file itself, or else the model card above it, calls this version of the
    model, "" where neither does.
    """

    path: str
    format: str
    size_bytes: int
    tensors: int | None = None
    parameters: int | None = None
    dtypes: tuple[tuple[str, int], ...] = ()
    sha256: str = ""
    version: str = ""
