"""From what a project declares to what would be installed: takes the lockfile that is there, else asks a resolver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from depdoctor.lock import base, sourced
from depdoctor.lock.conda import held_by, kept_by, lacking
from depdoctor.lock.declared import Declared, declared
from depdoctor.lock.lockfile import PINNED_LIST, complete_lock, from_lockfile
from depdoctor.lock.modules import modules_of
from depdoctor.lock.overlap import overlaps
from depdoctor.lock.python import PYTHONS, admits, admitted, refusal
from depdoctor.model.distribution import Pin, WheelFacts
from depdoctor.model.finding import Kind
from depdoctor.model.lock import (
    Answer,
    BaseContents,
    DeclaredOnly,
    Impossible,
    Lock,
    LockOutcome,
    Question,
    Resolved,
    Unknown,
    Unresolvable,
    Why,
)
from depdoctor.model.project import IndexOptions, Location, in_groups
from depdoctor.model.reading import Reading
from depdoctor.model.seams import Resolver
from depdoctor.model.target import Environment

__all__ = ["PYTHONS", "admits", "admitted", "enrich", "lock"]


def lock(  # noqa: PLR0913 - a question in all its parts, by name
    reading: Reading,
    environment: Environment,
    resolver: Resolver,
    *,
    indexes: IndexOptions,
    exclude_newer: datetime,
    builds_allowed: bool = False,
    groups: Sequence[str] = (),
    anew: bool = False,
    contents: BaseContents | None = None,
    addresses: bool = False,
) -> LockOutcome:
    """What a project would install in an environment, with these groups besides the default one.

    A complete lockfile is taken as it is, however new; of several the first in this order: `pylock.toml`, `uv.lock`,
    others by path, and requirement files with every line pinned. `groups` are "extra:NAME", "group:NAME" or plain
    names. What cannot be asked for is left out of the answer and told in `Lock.missing`. `anew` asks a resolver even
    where there is a lockfile. `contents` is what the image brings that the project stands on; whoever installs from a
    lockfile of a tool of its own does not use that. With `addresses` what comes from an address is asked for as well,
    which fetches it.
    """
    project = reading.project.name
    if refused := refusal(reading, environment):
        return Unresolvable(project=project, environment=environment, reason=refused)
    if exclusive := _exclusive_groups(reading, groups):
        return Unresolvable(project=project, environment=environment, reason=exclusive)
    wanted = declared(_anew(reading) if anew else reading, environment, groups, indexes)
    manifest = None if anew else complete_lock(reading, groups, wanted)
    if manifest and manifest.format != PINNED_LIST:
        contents = None
    if contents and (against := base.contradiction(reading, environment, groups, contents)):
        return Unresolvable(project=project, environment=environment, reason=against)
    provided = base.provided_by(contents, wanted) if contents else ()
    wanted = base.without(wanted, provided)
    question = _question(wanted, environment, exclude_newer, provided, builds_allowed=builds_allowed)
    if manifest:
        folders = {use.package.folder for use in reading.local if not use.obstacle}
        answer = from_lockfile(
            manifest, reading.project, groups, question, resolver, folders=folders, addresses=addresses
        )
    else:
        held = held_by(reading, wanted, groups)
        answer = _held(held, wanted, question, resolver, addresses=addresses)
    if contents:
        answer = base.upon(answer, contents, provided)
    if isinstance(answer, Lock):
        there = {str(pin.name) for pin in answer.pins} | {canonicalize_name(Requirement(one).name) for one in provided}
        missing = (*answer.missing, *lacking(reading, groups, there))
        return replace(answer, project=project, groups=tuple(sorted(groups)), missing=missing)
    if isinstance(answer, Unknown):
        return DeclaredOnly(project=project, environment=environment, reason=answer)
    return Unresolvable(project=project, environment=environment, reason=answer)


def question(  # noqa: PLR0913 - as it stands beside `lock`
    reading: Reading,
    environment: Environment,
    *,
    indexes: IndexOptions,
    exclude_newer: datetime,
    builds_allowed: bool = False,
    groups: Sequence[str] = (),
    anew: bool = False,
    provided: Sequence[str] = (),
    held: Sequence[str] = (),
    addresses: bool = False,
) -> Question:
    """What a resolver is asked for a project in an environment, with these groups besides the default one.

    What comes from an address is left out but with `addresses`, for a lock that has it.
    Asked `anew`, what lockfiles pin is left out wherever something else says what is needed. `provided` is what a lock
    found to come with the image (`Lock.provided`), and `held` what conda held it to (`Lock.held`).
    """
    wanted = declared(_anew(reading) if anew else reading, environment, groups, indexes)
    if addresses:
        wanted = replace(wanted, requirements=(*wanted.requirements, *sorted(text for text, _ in wanted.addressed)))
    asked = _question(
        base.without(wanted, provided), environment, exclude_newer, provided, builds_allowed=builds_allowed
    )
    return _with(held, asked)


def _anew(reading: Reading) -> Reading:
    """A project as if it had no lockfile, if anything is declared elsewhere."""
    loose = tuple(manifest for manifest in reading.manifests if not manifest.is_lock)
    return replace(reading, manifests=loose) if any(manifest.requirements for manifest in loose) else reading


def _question(
    wanted: Declared,
    environment: Environment,
    exclude_newer: datetime,
    provided: Sequence[str],
    *,
    builds_allowed: bool,
) -> Question:
    return Question(
        requirements=wanted.requirements,
        constraints=wanted.constraints,
        environment=environment,
        indexes=wanted.indexes,
        exclude_newer=exclude_newer,
        builds_allowed=builds_allowed,
        provided=tuple(provided),
    )


def enrich(lock: Lock, facts: Mapping[str, WheelFacts | Unknown]) -> Lock:
    """The lock with what the wheels themselves tell: their requirements, their sizes, and which files they share."""
    pins = tuple(_with_facts(pin, facts) for pin in lock.pins)
    return replace(lock, pins=pins, overlaps=overlaps(lock.pins, facts))


def _exclusive_groups(reading: Reading, groups: Sequence[str]) -> Impossible | None:
    """The refusal of groups that a manifest declares never to be installed together, None if there are none."""
    for manifest in reading.manifests:
        for exclusive in manifest.conflicts:
            if len(both := [group for group in exclusive if in_groups(group, groups)]) > 1:
                listed = " and ".join(group.replace(":", " ") for group in both)
                return Impossible(
                    kind=Kind.SELF_CONFLICT,
                    message=f"{manifest.path} declares that {listed} are never installed together; both are asked for",
                    location=Location(path=manifest.path),
                    line=f"conflicts: {listed}",
                    hint="configure only one of these `groups` for the project",
                )
    return None


def _with(held: Sequence[str], question: Question) -> Question:
    return replace(question, constraints=tuple(sorted({*question.constraints, *held})))


def _held(
    held: tuple[str, ...], wanted: Declared, question: Question, resolver: Resolver, *, addresses: bool
) -> Lock | Impossible | Unknown:
    """The answer with conda's versions held, but for those that leave none: conda has what no index serves."""

    def asked(some: Sequence[str]) -> Lock | Impossible | Unknown:
        answer = _asked(wanted, _with(some, question), resolver, addresses=addresses)
        return replace(answer, held=tuple(some)) if isinstance(answer, Lock) else answer

    whole = asked(held)
    if isinstance(whole, Lock) or not held:
        return whole
    free = asked(())
    if not isinstance(free, Lock) or len(held) == 1:
        return free
    some = asked([one for one in held if kept_by(free, one) or isinstance(asked([one]), Lock)])
    return some if isinstance(some, Lock) else free


def _asked(wanted: Declared, question: Question, resolver: Resolver, *, addresses: bool) -> Lock | Impossible | Unknown:
    missing = tuple(said for _, said in wanted.addressed)
    answer: Answer
    if addresses and wanted.addressed:
        answer, missing = sourced.asked(wanted, question, resolver)
    else:
        answer = resolver.resolve(question) if question.requirements else Resolved(pins=())
    missing = (*missing, *wanted.missing)
    if missing and isinstance(answer, Resolved) and not answer.pins and not question.requirements:
        return Unknown(why=Why.NOT_UNDERSTOOD, detail="; ".join(missing))
    if isinstance(answer, Impossible | Unknown):
        return answer
    return Lock(
        project="",
        environment=question.environment,
        pins=answer.pins,
        warnings=answer.warnings,
        missing=(*missing, *answer.missing),
        dated=answer.dated,
    )


def _with_facts(pin: Pin, facts: Mapping[str, WheelFacts | Unknown]) -> Pin:
    found = facts.get(pin.file.sha256) if pin.file else None
    if not pin.file or not isinstance(found, WheelFacts):
        return pin
    file = replace(pin.file, size_bytes=found.size_bytes)
    return replace(
        pin,
        file=file,
        requires=found.requires,
        requires_python=found.requires_python,
        unpacked_bytes=found.unpacked_bytes,
        modules=modules_of(found.paths),
        used_by_name=any(path.endswith(".dist-info/entry_points.txt") for path in found.paths),
    )
