"""The resolver: uv, asked one question per process.

What uv answers is taken as it is; what it refuses is read with care. A resolution that fails only because builds are
off is unknown, never impossible, and one that succeeds only by going back to a release from before a package stopped
publishing wheels is unknown too. About 60 ms a warm question; a refusal costs one to three.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.adapters.uv_places import below, placed
from depdoctor.adapters.uv_platform import glibc_platform, newer_platform, other_pythons, patch_release, uv_platform
from depdoctor.adapters.uv_probe import Probe, as_range, exact_version, joined, lines, names
from depdoctor.adapters.uv_process import DATED, Outcome, Undated, UvProcess
from depdoctor.adapters.uv_pylock import UnusableLockError, located, read_pins
from depdoctor.adapters.uv_releases import Releases, installs
from depdoctor.adapters.uv_stand_in import StandIn
from depdoctor.adapters.uv_unbuilt import Unbuilt
from depdoctor.adapters.uv_words import Failure, names_in, read_failure, read_warnings, without_upload_times
from depdoctor.model.distribution import DistributionFile, WheelFacts
from depdoctor.model.finding import Kind
from depdoctor.model.lock import Answer, Impossible, Question, Resolved, Unknown, Why
from depdoctor.model.project import IndexOptions

ROUNDS = 10
"""How often one question may be asked again with something left out, before its answer is given up."""

MOST_UNBUILT = 40
"""How many source distributions are read for one question; uv names one at a time."""

TIMEOUT_S = 300.0
"""How long one uv process may take where nobody says otherwise."""


class UvResolver:
    """Implements `model.seams.Resolver` with the uv that is installed beside depdoctor, configured as the user's is.

    `cache` is depdoctor's cache folder; `root` is where links to folders such as "./wheels" start from; `remaining_s`
    tells how long an answer may still take, and `sdists` what a source distribution states without being built. Raises
    `ResolverError` where uv cannot be run at all.
    """

    def __init__(
        self,
        cache: Path,
        *,
        offline: bool = False,
        root: Path = Path(),
        interpreter: str = sys.executable,
        remaining_s: Callable[[], float] = lambda: TIMEOUT_S,
        sdists: Callable[[DistributionFile], WheelFacts | None] = lambda _: None,
    ) -> None:
        self._root = root.absolute()
        self._offline = offline
        self._uv = UvProcess(cache, interpreter=interpreter, offline=offline, remaining_s=remaining_s)
        self._lock = threading.Lock()
        self._undated: dict[IndexOptions, Undated] = {}
        self._down: dict[str, Unknown] = {}
        self._releases = Releases(self._ask)
        self._sdists = sdists

    def close(self) -> None:
        """End the uv processes that still run."""
        self._uv.close()

    def resolve(self, question: Question) -> Answer:
        """Every package with its file, proof that there is none, or why it is not known."""
        if not question.requirements:
            return Resolved(pins=())
        question = placed(question, self._root)
        answer = self._resolved(question)
        if isinstance(answer, Unknown) and answer.why is Why.UNREACHABLE:
            answer = self._without_unreachable(question, answer)
        if isinstance(answer, Resolved | Impossible) and question.indexes in self._undated:
            return replace(answer, dated=False)
        return answer

    def _without_unreachable(self, question: Question, unknown: Unknown) -> Answer:
        """What the other indexes have, where additional ones cannot be reached: a likely resolution, never a refusal.

        A package that is tied to an index comes from there or not at all.
        """
        indexes = question.indexes
        left = tuple(address for address in indexes.extra_index_urls if address not in self._down)
        if left == indexes.extra_index_urls or not {address for _, address in indexes.tied}.isdisjoint(self._down):
            return unknown
        answer = self._resolved(replace(question, indexes=replace(indexes, extra_index_urls=left)))
        if isinstance(answer, Unknown) and answer.why is Why.UNREACHABLE:
            return unknown if self._down.keys().isdisjoint(left) else self._without_unreachable(question, unknown)
        if not isinstance(answer, Resolved):
            return unknown
        lacking = tuple(
            f"{self._uv.worded(address)} cannot be reached: this is what the other indexes have"
            for address in indexes.extra_index_urls
            if address not in left
        )
        return replace(answer, missing=(*answer.missing, *lacking))

    def _resolved(self, question: Question) -> Answer:
        platform = uv_platform(question.environment.platform)
        if not platform:
            detail = f"uv cannot resolve for {question.environment.platform}"
            return Unknown(why=Why.NOT_UNDERSTOOD, detail=detail)
        given = {
            canonicalize_name(name): version
            for name, _, version in (text.partition("==") for text in question.provided)
        }
        probe = Probe(
            question=question,
            platform=platform,
            python=question.environment.python,
            sdists=question.builds_allowed or not question.with_dependencies,
            excludes=frozenset(name for name, version in given.items() if not version),
            stand_ins=frozenset(StandIn(name=name, version=version) for name, version in given.items() if version),
            prereleases=frozenset(name for name, version in given.items() if version),
        )
        if probe.builds_off and (doomed := self._releases.doomed(probe)):
            return self._without(probe, doomed, ROUNDS)
        answer = self._answer(probe, ROUNDS)
        return self._doubted(probe, answer) if isinstance(answer, Resolved) and probe.builds_off else answer

    def _answer(self, probe: Probe, rounds: int) -> Answer:
        """The answer to a probe, asked again with less in the way of it where uv's refusal says so."""
        found = self._ask(probe)
        if not isinstance(found, Failure):
            return found
        if unknown := self._unknown(probe, found, rounds) or self._refused(probe, found):
            return unknown
        if early := frozenset(found.prereleases) - probe.prereleases:
            return self._with_prereleases(probe, early, rounds - 1)
        if blocked := self._blocked(probe, found) or frozenset(found.unusable) - probe.blocked:
            why = Why.NOT_UNDERSTOOD if blocked.issubset(found.unusable) else Why.NEEDS_BUILD
            return self._without(probe, blocked, rounds - 1, why)
        if found.wrong_python and (patch := patch_release(found.message, probe.python)) > probe.patch:
            return self._on_a_later_patch(replace(probe, patch=patch))
        return self._impossible(probe, found)

    def _unknown(self, probe: Probe, found: Failure, rounds: int) -> Unknown | None:
        """Why a failure says nothing of the requirements, None where it does."""
        message = self._uv.worded(found.summary)
        # Of a package with an extra or a marker uv says that there is no version, where it has no page in its cache.
        if found.offline or (self._offline and found.veiled):
            return Unknown(why=Why.OFFLINE, detail=message)
        if found.unreachable:
            unknown = Unknown(why=Why.UNREACHABLE, detail=message)
            said = f"{found.message} {found.summary}"
            self._down |= {address: unknown for address in self._addresses(probe.question) if address in said}
            return unknown
        if not found.no_solution and not found.failed_build:
            return Unknown(why=Why.NOT_UNDERSTOOD, detail=message)
        if rounds:
            return None
        return Unknown(why=Why.NEEDS_BUILD if probe.blocked else Why.BUDGET, detail=message)

    def _refused(self, probe: Probe, found: Failure) -> Unknown | None:
        """Which index wants an account, where a package is said to be in none: uv, after the best of all, is silent."""
        singly = probe.singly(found.unlisted)
        again = self._ask(singly) if singly else None
        return self._unknown(probe, again, 1) if isinstance(again, Failure) and again.unreachable else None

    def _addresses(self, question: Question) -> tuple[str, ...]:
        return tuple(entry.address for entry in self._uv.indexes(question.indexes))

    def _with_prereleases(self, probe: Probe, early: frozenset[NormalizedName], rounds: int) -> Answer:
        # Other installers take a pre-release where nothing else satisfies a requirement (PEP 440); uv has to be told.
        answer = self._answer(replace(probe, prereleases=probe.prereleases | early), rounds)
        if not isinstance(answer, Resolved):
            return answer
        taken = [str(pin) for pin in answer.pins if pin.name in early and pin.version.is_prerelease]
        warnings = tuple(f"only a pre-release satisfies the requirements: {pin}" for pin in taken)
        return replace(answer, warnings=answer.warnings + warnings)

    def _blocked(self, probe: Probe, found: Failure) -> frozenset[NormalizedName]:
        """The packages of which a release cannot be looked into, so that it might be the way out.

        uv says of a yanked release too that it has no usable wheels. That is no way out unless this very version is
        demanded: by a range, which finds no yanked release, it is not found.
        """
        unseen: set[NormalizedName] = set()
        for term in found.needs_build if probe.builds_off else ():
            demanded = "==" in term and term in found.demanded
            unseen |= {
                name for name in names_in(term) if demanded or self._releases.has_release(probe, name, as_range(term))
            }
        unseen -= probe.blocked | probe.excludes
        self._releases.learn_wheelless(probe, unseen)
        self._releases.learn_doomed(probe, unseen)
        return frozenset(unseen)

    def _without(
        self, probe: Probe, blocked: frozenset[NormalizedName], rounds: int, why: Why = Why.NEEDS_BUILD
    ) -> Answer:
        """Whether requirements clash whatever the blocked packages hold.

        A release that is pinned gets a stand-in that asks for nothing; any other blocked package is left out. Either
        can only make more possible, so that what stays impossible is so.
        """
        stated = lines(probe.question)
        if any(len(stated.get(name, ())) > 1 for name in blocked) and (direct := self._directly(probe, rounds)):
            return direct
        pinned = {name: version for name in blocked if (version := exact_version(stated.get(name, ())))}
        relaxed = replace(
            probe,
            excludes=(probe.excludes | blocked | self._releases.wheelless(probe)) - pinned.keys(),
            stand_ins=probe.stand_ins | {StandIn(name=name, version=pinned[name]) for name in pinned},
            blocked=probe.blocked | blocked,
        )
        answer = self._answer(relaxed, rounds)
        if not isinstance(answer, Resolved):
            return answer
        problem = "no usable wheel, so that it would have to be built from source"
        if why is not Why.NEEDS_BUILD:
            problem = "the metadata cannot be understood"
        elif as_stated := self._as_stated(probe, relaxed.blocked):
            return as_stated
        known = tuple(pin for pin in answer.pins if pin.name not in relaxed.blocked)
        return Unknown(why=why, detail=f"{problem}: {', '.join(sorted(relaxed.blocked))}", known=known)

    def _as_stated(self, probe: Probe, blocked: frozenset[NormalizedName]) -> Resolved | None:
        """The resolution in which packages without a wheel ask for what their source distributions state."""
        unbuilt = Unbuilt(self._releases, self._sdists)
        bounds = {name: joined(specifiers) for name, specifiers in lines(probe.question).items()}
        unread = unbuilt.read(probe, {name: f"{name}{bounds.get(name, '')}" for name in blocked})
        for _ in range(MOST_UNBUILT):
            if unread:
                return None
            found = self._ask(replace(probe, excludes=frozenset(), stand_ins=unbuilt.stand_ins))
            if isinstance(found, Resolved):
                return unbuilt.named(found)
            if not isinstance(found, Failure) or not found.needs_build:
                return None
            before = unbuilt.stand_ins
            terms = {name: as_range(term) for term in found.needs_build for name in names_in(term)[:1]}
            unread = unbuilt.read(probe, terms)
            if unbuilt.stand_ins == before:
                return None
        return None

    def _directly(self, probe: Probe, rounds: int) -> Impossible | None:
        """The failure of the requirements without any dependency, source distributions admitted, if there is one."""
        if not probe.question.with_dependencies:
            return None
        bare = replace(probe.question, with_dependencies=False)
        everything = replace(probe, question=bare, sdists=True, excludes=frozenset(), stand_ins=frozenset())
        answer = self._answer(everything, rounds)
        return answer if isinstance(answer, Impossible) else None

    def _impossible(self, probe: Probe, found: Failure) -> Answer:
        if found.failed_build:
            return Impossible(
                kind=Kind.BUILD_FAILS,
                message=self._uv.worded(found.message),
                blamed=found.failed_build,
                summary=self._uv.worded(found.summary),
            )
        if found.lonely and (direct := self._directly(probe, ROUNDS)):
            return direct
        # uv names only the requirements that its proof needs: where they are several, each can be had by itself.
        if not found.lonely or len(set(found.required) & names(probe.question.requirements)) > 1:
            return self._refusal(Kind.NO_WHEEL if found.sourceless else Kind.VERSION_CONFLICT, probe, found)
        if found.wrong_platform and (answer := self._elsewhere(probe, found)):
            return answer
        if found.wrong_python and (answer := self._on_another_python(probe, found)):
            return answer
        return self._refusal(_kind(found), probe, found)

    def _elsewhere(self, probe: Probe, found: Failure) -> Answer | None:
        """The verdict where the wheels want a newer C library, if a second question proves that nothing else is wrong.

        uv knows fewer versions of glibc than there are, so that the newer one may also bring wheels that do install
        on the very platform that was asked about.
        """
        newer = newer_platform(probe.question.environment.platform, found.wheel_tags)
        if not newer or newer == probe.platform:
            return None
        answer = self._answer(replace(probe, platform=newer), 0)
        if not isinstance(answer, Resolved):
            return None
        if all(installs(pin, probe.question.environment) for pin in answer.pins):
            return answer
        return self._refusal(Kind.GLIBC, probe, found, f"It resolves for {newer}.")

    def _on_a_later_patch(self, probe: Probe) -> Answer:
        """The verdict where a package wants a later patch release than the first: bases hold one of the last."""
        answer = self._answer(probe, ROUNDS)
        if not isinstance(answer, Resolved):
            return answer
        said = f"needs Python {probe.python}.{probe.patch} or a later {probe.python}"
        return replace(answer, warnings=(*answer.warnings, said))

    def _on_another_python(self, probe: Probe, found: Failure) -> Impossible | None:
        """The verdict where another Python would do. A package that is itself required is tried by itself."""
        stated = lines(probe.question)
        alone = {name: f"{name}{joined(stated[name])}" for name in found.wrong_python if name in stated}
        for python in other_pythons(found.message, found.wheel_tags, probe.python)[:2]:
            there = replace(probe, python=python, patch=0)
            if self._releases.newest(there, alone, sdists=True) if alone else self._resolves(there):
                refusal = self._refusal(Kind.PYTHON_UNSUPPORTED, probe, found, f"It resolves for Python {python}.")
                return replace(refusal, hint=f"take Python {python}, or a release that supports {probe.python}")
        return None

    def _resolves(self, probe: Probe) -> bool:
        return isinstance(self._answer(probe, 0), Resolved)

    def _refusal(self, kind: Kind, probe: Probe, found: Failure, proof: str = "") -> Impossible:
        roots = names(probe.question.requirements)
        named = dict.fromkeys((*found.required, *found.depended_on))
        others = (name for name in named if name not in roots and name != "python")
        blamed = (*(name for name in named if name in roots), *others)
        message = " ".join(filter(None, (self._uv.worded(found.message), proof)))
        summary = f"{self._uv.worded(found.summary)}; {proof[0].lower()}{proof[1:-1]}" if proof else found.summary
        gone = [*found.unlisted, *found.yanked, *(name for text in found.absent for name in names_in(text)[:1])]
        return Impossible(
            kind=kind,
            message=message,
            blamed=blamed,
            steps=found.steps,
            summary=self._uv.worded(summary),
            lacking=tuple(dict.fromkeys(gone)) if kind in {Kind.VERSION_GONE, Kind.INDEX_MISSING} else (),
        )

    def _doubted(self, probe: Probe, answer: Resolved) -> Answer:
        """The resolution, unless it takes an old release for the sole reason that newer ones have no wheel."""
        outdated = self._releases.outdated(probe, answer.pins)
        if not outdated:
            return answer
        said = [f"the newest wheel is of {pin}, and {newest} has to be built from source" for pin, newest in outdated]
        old = {pin.name for pin, _ in outdated}
        if not old & names(probe.question.requirements):
            return replace(answer, warnings=(*answer.warnings, *said))
        if stated := self._as_stated(probe, frozenset(old)):
            return stated
        known = tuple(pin for pin in answer.pins if pin.name not in old)
        return Unknown(why=Why.NEEDS_BUILD, detail="; ".join(said), known=known)

    def _ask(self, probe: Probe) -> Resolved | Unknown | Failure:
        """One run of uv, and more where an index turns out to state no upload times."""
        indexes = probe.question.indexes
        if down := next((self._down[one] for one in self._addresses(probe.question) if one in self._down), None):
            return down
        folders = (one.folder(self._uv.stand_ins) for one in sorted(probe.stand_ins))
        arguments = [*probe.arguments(), *(f"--find-links={folder}" for folder in folders)]
        undated = self._undated.get(indexes, DATED)
        for _ in range(ROUNDS):
            outcome = self._uv.compile(arguments, probe.files(), indexes, undated=undated)
            if not (without := without_upload_times(outcome.stderr)):
                return self._read(probe, outcome)
            additional = bool(indexes.tied) or any(not entry.default for entry in self._uv.indexes(indexes))
            wider = undated.wider(without, has_additional=additional)
            if wider == undated:
                break
            with self._lock:
                undated = self._undated[indexes] = wider
        detail = f"an index does not say when its files were uploaded: {', '.join(sorted(without))}"
        return Unknown(why=Why.NOT_UNDERSTOOD, detail=detail)

    def _too_late(self, question: Question) -> str:
        """Whom a question was put to that got no answer in time; one of several may be all that is slow."""
        indexes = question.indexes
        asked = (*self._addresses(question), *(address for _, address in indexes.tied), *indexes.find_links)
        whom = self._uv.worded(", ".join(dict.fromkeys(asked)))
        return f"no answer in the time there was, asked of {whom}" if whom else "no answer in the time there was"

    def _read(self, probe: Probe, outcome: Outcome) -> Resolved | Unknown | Failure:
        if outcome.timed_out:
            return Unknown(why=Why.BUDGET, detail=self._too_late(probe.question))
        if outcome.status:
            return read_failure(outcome.stderr)
        environment = replace(probe.question.environment, python=probe.python)
        if probe.platform != uv_platform(environment.platform):
            environment = replace(environment, platform=glibc_platform(probe.platform))
        try:
            pins = read_pins(outcome.stdout, environment, probe.question.hashes, patch=probe.patch)
        except UnusableLockError as error:
            return Unknown(why=Why.NOT_UNDERSTOOD, detail=str(error))
        given = {name for text in probe.question.provided for name in names_in(text)}
        found, asked = (below(self._root, pin) for pin in pins if pin.name not in given), probe.question.indexes
        pins = located(found, self._uv.indexes(asked), asked.tied)
        return Resolved(pins=pins, warnings=tuple(map(self._uv.worded, read_warnings(outcome.stderr))))


def _kind(found: Failure) -> Kind:
    """What is wrong where a single requirement fails for the reason given; the most telling reason first."""
    if found.wrong_platform:
        return Kind.NO_WHEEL
    if found.wrong_python:
        return Kind.PYTHON_UNSUPPORTED
    if found.unlisted or any("+" in version for version in found.absent):
        return Kind.INDEX_MISSING
    return Kind.VERSION_GONE
