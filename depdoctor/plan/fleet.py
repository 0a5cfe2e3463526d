"""From an inventory to a plan: which projects get an image, what it is called, and where its wheels lie."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from packaging.utils import canonicalize_name

from depdoctor.errors import ConfigError
from depdoctor.model.config import DEFAULT_BASE, Config
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.local_package import LocalPackage
from depdoctor.model.lock import DeclaredOnly, Lock, LockOutcome, Unresolvable
from depdoctor.model.naming import image_names
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import (
    HEALTH,
    REFERENCE,
    SCRATCH,
    Base,
    Image,
    Node,
    Plan,
    Skipped,
)
from depdoctor.model.project import DEFAULT_GROUP, in_groups
from depdoctor.model.reading import LocalUse
from depdoctor.model.target import Environment
from depdoctor.model.weights import Keep, WeightFile
from depdoctor.plan.bases import base_of
from depdoctor.plan.chains import Chain, lay_out, nodes_of
from depdoctor.plan.layers import parts_of
from depdoctor.plan.serving import started
from depdoctor.plan.variants import Variant, fewest

UNFIT = re.compile(r"[\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters in a path that no Dockerfile, label or plan file should have to carry."""

MAX_REASON = 400

MOST_VERSIONS = 10
"""Files of weights whose versions are told, where they differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """An image whose node is not known yet, and the wheels it needs, by SHA-256."""

    image: Image
    wheels: frozenset[str]


def plan(
    inventory: Inventory,
    config: Config,
    bases: Mapping[str, Base],
    previous: Plan | None = None,
    weights: Mapping[str, tuple[WeightFile, ...]] | None = None,
    others: Mapping[str, tuple[Lock, ...]] | None = None,
    absent: Collection[str] = (),
) -> Plan:
    """The fewest images for every project that has a lock, and one tree of layers for those that can share any.

    With a `previous` plan, an image whose wheels it knows keeps its layers, and others build upon what stands there.
    `bases` holds the bases that could be looked up, by reference (see `base_references`); one that is missing is
    planned without a digest, and an image of one that does not exist (`absent`) is not planned. Deterministic, and
    independent of the order of the inventory. Raises `ConfigError` where the configuration names a base or a health
    check that cannot be one. `weights` are the files of weights of each project, by its name, and `others` further
    locks of it, which become images where they serve a target.
    """
    _check(config)
    drafts: list[_Draft] = []
    skipped: list[Skipped] = []
    pins: list[Pin] = []
    for entry in inventory.entries:
        locks, reason = _chosen(entry, config)
        more = (others or {}).get(entry.project.name, ())
        if reason and not more:
            skipped.append(Skipped(project=entry.project.name, reason=reason))
        held = (weights or {}).get(entry.project.name, ())
        keep = config.project(entry.project.root).weights or config.image.weights
        inside = sum(one.size_bytes for one in held) if keep is Keep.LAYER else 0
        variants = fewest([*locks, *more], inventory.targets, inside)
        names = image_names(entry.project.name, (variant.lock.environment for variant in variants))
        if variants:
            skipped += _unserved(entry, inventory, {name for variant in variants for name in variant.targets})
        for variant in variants:
            lock = variant.lock
            pins += lock.pins
            reference = base_of(lock, config.image.base)
            if reference in absent:
                skipped.append(_baseless(entry, variant, reference))
                continue
            base = bases.get(reference, Base(reference=reference))
            draft = _draft(
                entry,
                variant,
                config,
                base,
                "-".join(filter(None, (names[lock.environment], lock.variant))),
                held,
            )
            drafts.append(draft)
    drafts, unnamed = _apart(drafts)
    skipped += unnamed
    used = {wheel for draft in drafts for wheel in draft.wheels}
    packages = _packages(pin for pin in pins if pin.file and pin.file.sha256 in used)
    most_bytes = config.image.max_layer_bytes
    nodes: list[Node] = []
    images: list[Image] = []
    for cohort in _cohorts(drafts):
        environment, base = cohort[0].image.environment, cohort[0].image.base
        chains = lay_out((draft.wheels for draft in cohort), packages, _standing(previous, environment), most_bytes)
        tree, ends = nodes_of(
            list(chains.values()), environment, base, lambda wheels: parts_of(wheels, packages, most_bytes)
        )
        nodes += tree
        images += [replace(draft.image, node=ends[chains[draft.wheels]]) for draft in cohort]
    return Plan(
        packages=tuple(sorted(packages.values(), key=_package_order)),
        nodes=tuple(nodes),
        images=tuple(sorted(images, key=lambda image: (image.name, image.project))),
        skipped=tuple(sorted(skipped, key=lambda skip: (skip.project, skip.targets))),
        targets=tuple(sorted(inventory.targets, key=lambda target: target.name)),
        accepted=tuple(sorted(set(config.ignored_rules))),
    )


def _baseless(entry: Entry, variant: Variant, reference: str) -> Skipped:
    python = variant.lock.environment.python
    reason = f"there is no base image {reference} for its Python {python}: `base` under [image], or another Python"
    return Skipped(project=entry.project.name, reason=reason, targets=variant.targets)


def _check(config: Config) -> None:
    if not REFERENCE.fullmatch(config.image.base):
        raise ConfigError(
            f"`image.base` is not an image reference: {config.image.base!r}",
            where=config.source,
            hint=f"write it like `{DEFAULT_BASE}`, or `{SCRATCH}` for none",
        )
    for settings in config.projects:
        if not HEALTH.fullmatch(settings.health):
            raise ConfigError(
                f"`health` of `{settings.path}` is not a path: {settings.health!r}",
                where=config.source,
                hint="write it like `/healthz`",
            )


def _apart(drafts: Sequence[_Draft]) -> tuple[list[_Draft], list[Skipped]]:
    """The drafts whose image names are their project's alone, and the projects that would share one."""
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for draft in drafts:
        owners[draft.image.name].add(draft.image.project)
    shared = {name: sorted(projects) for name, projects in owners.items() if len(projects) > 1}
    skipped = {
        draft.image.project: Skipped(
            project=draft.image.project,
            reason=f"its image would be called `{draft.image.name}`, as that of "
            + " and ".join(f"`{other}`" for other in shared[draft.image.name] if other != draft.image.project),
        )
        for draft in drafts
        if draft.image.name in shared
    }
    return [draft for draft in drafts if draft.image.project not in skipped], list(skipped.values())


def _chosen(entry: Entry, config: Config) -> tuple[tuple[Lock, ...], str]:
    """The locks that become images, or the reason why none does."""
    if UNFIT.search(entry.project.name):
        return (), "the path of its folder holds a backslash, a control character, or bytes that are no UTF-8"
    groups = _named(config.project(entry.project.root).groups)
    linux = [lock for lock in entry.locks if lock.environment.platform.system == "linux"]
    locks = tuple(sorted((lock for lock in linux if _named(lock.groups) == groups), key=lambda lock: lock.environment))
    if not locks:
        return (), _why_not(entry, linux, groups)
    for lock in locks:
        if lock.missing:
            more = f" and {len(lock.missing) - 1} more" if len(lock.missing) > 1 else ""
            return (), f"not all that it needs can be had from an index: {_first_line(lock.missing[0])}{more}"
        for pin in lock.pins:
            if pin.file is None or not pin.file.sha256:
                origin = pin.source or pin.index or "no known place"
                return (), f"{pin} comes from {origin}, which gives no file with a hash"
        for use in _uses(entry, lock):
            if use.obstacle and use.package.folder != entry.project.root:
                folder = shlex.quote(use.package.folder)
                return (), (
                    f"{use.location}: the folder `{use.package.folder}` {use.obstacle}, so that a copy of it does not "
                    f"do: build it (`uv build --wheel --out-dir wheels {folder}`) and name the wheel in its place"
                )
    return locks, ""


def _uses(entry: Entry, lock: Lock) -> Iterator[LocalUse]:
    """The folders that a project installs by their paths in the groups of a lock, and its own."""
    return (use for use in entry.reading.local if in_groups(use.group, lock.groups))


def _unserved(entry: Entry, inventory: Inventory, served: Collection[str]) -> Iterator[Skipped]:
    """The targets that no image of a project runs on, by the reason."""
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for target in inventory.targets:
        outcomes = [one for one in entry.outcomes if one.environment.platform == target.platform]
        if target.name not in served and target.platform.system == "linux" and outcomes:
            reasons[_outcome(outcomes[0])].append(target.name)
    for reason, names in reasons.items():
        yield Skipped(project=entry.project.name, reason=reason, targets=tuple(sorted(names)))


def _outcome(outcome: LockOutcome) -> str:
    """Why a project could not be locked."""
    if isinstance(outcome, Unresolvable):
        return f"no versions satisfy its requirements: {_first_line(outcome.reason.summary or outcome.reason.message)}"
    return f"not locked: {_first_line(outcome.reason.detail)}" if isinstance(outcome, DeclaredOnly) else "no lock"


def _named(groups: Iterable[str]) -> frozenset[str]:
    return frozenset(group for group in groups if group != DEFAULT_GROUP)


def _why_not(entry: Entry, linux: Sequence[Lock], groups: frozenset[str]) -> str:
    if linux:
        return f"no lock for the groups {', '.join(sorted(groups)) or 'of the default alone'}"
    if entry.locks:
        return "locked for other systems than Linux only"
    for outcome in entry.outcomes:
        if not isinstance(outcome, Lock):
            return _outcome(outcome)
    unreadable = next(iter(entry.reading.unreadable), None)
    return f"unreadable: {_first_line(unreadable.problem.reason)}" if unreadable else "nothing to install"


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")[:MAX_REASON]


def _draft(
    entry: Entry, variant: Variant, config: Config, base: Base, name: str, weights: Sequence[WeightFile]
) -> _Draft:
    project, lock = entry.project, variant.lock
    settings = config.project(project.root)
    local = _local(entry, lock)
    programs = {str(pin.name) for pin in lock.pins} | {name for one in local for name, _ in one.scripts}
    command, port, health = started(settings, entry.reading.serving, programs)
    image = Image(
        name=name,
        project=project.name,
        environment=lock.environment,
        base=base,
        node="",
        code=project.root,
        command=command,
        port=port,
        health=health,
        imports=tuple(sorted(entry.reading.imports)),
        system_packages=tuple(sorted(set(settings.system_packages))),
        weights=tuple(sorted(weights)),
        keep=(settings.weights or config.image.weights) if weights else Keep.LAYER,
        model_version=(settings.model_version or _stated_version(entry, weights)) if weights else "",
        provided=lock.provided,
        packing=config.image.packing,
        local=local,
        targets=variant.targets,
        variant=lock.variant,
        why=variant.why,
    )
    return _Draft(image=image, wheels=frozenset(pin.file.sha256 for pin in lock.pins if pin.file))


def _local(entry: Entry, lock: Lock) -> tuple[LocalPackage, ...]:
    """The packages that are folders and that an image needs besides its pins, and its own where a copy of it does.

    Of one name the project's own counts, else what it installs, else what it imports from around it.
    """
    uses = sorted((use.package for use in _uses(entry, lock) if not use.obstacle), reverse=True)
    uses.sort(key=lambda one: (one.folder == entry.project.root, not one.module))
    by_name = {one.name: one for one in uses}
    return tuple(by_name[name] for name in sorted(by_name) if canonicalize_name(name) not in lock.by_name)


def _stated_version(entry: Entry, weights: Sequence[WeightFile]) -> str:
    """What files of weights, or the cards beside them, say of their version; with their paths where they differ."""
    root = "" if entry.project.root == "." else f"{entry.project.root}/"
    versions = {one.path.removeprefix(root): one.version for one in entry.reading.weights if one.version}
    stated = {one.path: versions[one.path] for one in weights if one.path in versions}
    if len(set(stated.values())) == 1:
        return next(iter(stated.values()))
    return ", ".join(f"{path} {stated[path]}" for path in sorted(stated)[:MOST_VERSIONS])


def _packages(pins: Iterable[Pin]) -> dict[str, Pin]:
    """Every file once, by SHA-256, without what a plan does not need."""
    found: defaultdict[str, list[tuple[Pin, DistributionFile]]] = defaultdict(list)
    for pin in pins:
        if pin.file:
            found[pin.file.sha256].append((pin, pin.file))
    return {sha256: _joined(same) for sha256, same in found.items()}


def _joined(same: Sequence[tuple[Pin, DistributionFile]]) -> Pin:
    """One pin for one file: the first in order, with the sizes that any of them knows."""
    first, file = min(same, key=lambda pair: (_package_order(pair[0]), pair[0].index, pair[0].source))
    size = max((file.size_bytes for _, file in same if file.size_bytes is not None), default=None)
    unpacked = max((pin.unpacked_bytes for pin, _ in same if pin.unpacked_bytes is not None), default=None)
    file = replace(file, size_bytes=size, upload_time=None)
    return replace(first, file=file, unpacked_bytes=unpacked, requires=None)


def _package_order(pin: Pin) -> tuple[object, ...]:
    file = pin.file
    return (pin.name, pin.version, file.filename if file else "", file.sha256 if file else "", file.url if file else "")


def _cohorts(drafts: Iterable[_Draft]) -> list[list[_Draft]]:
    """Images that can share layers at all: those of one base and one environment. Each cohort is sorted by name."""
    cohorts: defaultdict[tuple[Base, Environment], list[_Draft]] = defaultdict(list)
    for draft in drafts:
        cohorts[draft.image.base, draft.image.environment].append(draft)
    return [sorted(cohorts[key], key=lambda draft: (draft.image.name, draft.image.project)) for key in sorted(cohorts)]


def _standing(previous: Plan | None, environment: Environment) -> list[Chain]:
    """The chains of the images that a plan has for an environment."""
    if previous is None:
        return []
    images = [image for image in previous.images if image.environment == environment]
    return [tuple(layer.wheels for layer in previous.layers(image)) for image in images]
