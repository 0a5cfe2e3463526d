"""The resolver: uv, asked one question per process.

What uv answers is taken as it is; what it refuses is read with care. A resolution that fails only because builds are
off is unknown, never impossible, and one that succeeds only by going back to a release from before a package stopped
publishing wheels is unknown too. About 60 ms a warm question; a refusal costs one to three.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from depdoctor.adapters.uv_platform import glibc_platform, newer_platform, other_pythons, uv_platform
from depdoctor.adapters.uv_process import Outcome, UvProcess
from depdoctor.adapters.uv_pylock import UnusableLockError, read_pins
from depdoctor.adapters.uv_words import Failure, lacks_upload_times, names_in, read_failure, read_warnings
from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Kind
from depdoctor.model.lock import Answer, Impossible, Question, Resolved, Unknown, Why
from depdoctor.model.project import IndexOptions
from depdoctor.model.target import Environment

DOUBT_AGE = timedelta(days=365)
"""How much newer a release without wheels must be, for the older one that was taken instead to be doubted."""

ROUNDS = 10
"""How often one question may be asked again with something left out, before its answer is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Probe:
    """A question as it is put to uv: what is left out, which platform and Python stand in, and if sdists may do."""

    question: Question
    platform: str
    python: str
    sdists: bool
    excludes: frozenset[NormalizedName] = frozenset()
    prereleases: frozenset[NormalizedName] = frozenset()

    @property
    def builds_off(self) -> bool:
        return not self.question.builds_allowed and self.question.with_dependencies


TIMEOUT_S = 300.0
"""How long one uv process may take where nobody says otherwise."""


class UvResolver:
    """Implements `model.seams.Resolver` with the uv that is installed beside depdoctor, configured as the user's is.

    `cache` is depdoctor's cache folder; `remaining_s` tells how long an answer may still take. Raises `ResolverError`
    where uv cannot be run at all.
    """

    def __init__(
        self,
        cache: Path,
        *,
        offline: bool = False,
        interpreter: str = sys.executable,
        remaining_s: Callable[[], float] = lambda: TIMEOUT_S,
    ) -> None:
        self._uv = UvProcess(cache, interpreter=interpreter, offline=offline, remaining_s=remaining_s)
        self._lock = threading.Lock()
        self._undated: set[IndexOptions] = set()
        self._down: dict[str, Unknown] = {}
        self._newest: dict[tuple[object, ...], Pin] = {}

    def close(self) -> None:
        """End the uv processes that still run."""
        self._uv.close()

    def resolve(self, question: Question) -> Answer:
        """Every package with its file, proof that there is none, or why it is not known."""
        if not question.requirements:
            return Resolved(pins=())
        platform = uv_platform(question.environment.platform)
        if not platform:
            detail = f"uv cannot resolve for {question.environment.platform}"
            return Unknown(why=Why.NOT_UNDERSTOOD, detail=detail)
        probe = _Probe(
            question=question,
            platform=platform,
            python=question.environment.python,
            sdists=question.builds_allowed or not question.with_dependencies,
        )
        answer = self._answer(probe, ROUNDS)
        if isinstance(answer, Resolved) and probe.builds_off:
            return self._doubted(probe, answer)
        return answer

    def _answer(self, probe: _Probe, rounds: int) -> Answer:
        """The answer to a probe, asked again with less in the way of it where uv's refusal says so."""
        found = self._ask(probe)
        if not isinstance(found, Failure):
            return found
        if unknown := self._unknown(probe, found, rounds):
            return unknown
        if found.failed_build:
            return Impossible(kind=Kind.BUILD_FAILS, message=self._uv.worded(found.message), blamed=found.failed_build)
        if early := frozenset(found.prereleases) - probe.prereleases:
            return self._with_prereleases(probe, early, rounds - 1)
        if blocked := self._blocked(probe, found):
            return self._without_blocked(probe, found, blocked, rounds - 1)
        return self._impossible(probe, found)

    def _unknown(self, probe: _Probe, found: Failure, rounds: int) -> Unknown | None:
        """Why a failure says nothing of the requirements, None where it does."""
        message = self._uv.worded(found.message)
        if found.offline:
            return Unknown(why=Why.OFFLINE, detail=message)
        if found.unreachable:
            unknown = Unknown(why=Why.UNREACHABLE, detail=message)
            self._down |= {address: unknown for address in self._addresses(probe.question) if address in found.message}
            return unknown
        if not found.no_solution and not found.failed_build:
            return Unknown(why=Why.NOT_UNDERSTOOD, detail=message)
        if rounds:
            return None
        return Unknown(why=Why.NEEDS_BUILD if probe.excludes else Why.BUDGET, detail=message)

    def _addresses(self, question: Question) -> tuple[str, ...]:
        first = question.indexes.index_url or self._uv.default_index
        return tuple(filter(None, (*question.indexes.extra_index_urls, first)))

    def _with_prereleases(self, probe: _Probe, early: frozenset[NormalizedName], rounds: int) -> Answer:
        # Other installers take a pre-release where nothing else satisfies a requirement (PEP 440); uv has to be told.
        answer = self._answer(replace(probe, prereleases=probe.prereleases | early), rounds)
        if not isinstance(answer, Resolved):
            return answer
        taken = [str(pin) for pin in answer.pins if pin.name in early and pin.version.is_prerelease]
        warnings = tuple(f"only a pre-release satisfies the requirements: {pin}" for pin in taken)
        return replace(answer, warnings=answer.warnings + warnings)

    def _blocked(self, probe: _Probe, found: Failure) -> frozenset[NormalizedName]:
        """The packages of which a release cannot be looked into, so that it might be the way out.

        uv says of a yanked release too that it has no usable wheels. That is no way out unless this very version is
        demanded: by a range, which finds no yanked release, it is not found.
        """
        blocked = set(found.unusable)
        for term in found.needs_build if probe.builds_off else ():
            text = term if term in found.demanded else _as_range(term)
            for name in names_in(term):
                if name not in blocked and self._newest_releases(probe, {name: text}):
                    blocked.add(name)
        return frozenset(blocked) - probe.excludes

    def _without_blocked(
        self, probe: _Probe, found: Failure, blocked: frozenset[NormalizedName], rounds: int
    ) -> Answer:
        """Whether requirements clash whatever a build would bring: first each by itself, then the rest together.

        Leaving a package out can only make more possible, so that what stays impossible is so.
        """
        relaxed = replace(probe, excludes=probe.excludes | blocked)
        answer = self._directly(probe, rounds) or self._answer(relaxed, rounds)
        if not isinstance(answer, Resolved):
            return answer
        if blocked.issubset(found.unusable):
            return Unknown(why=Why.NOT_UNDERSTOOD, detail=self._uv.worded(found.message), known=answer.pins)
        names = ", ".join(sorted(relaxed.excludes))
        detail = f"no usable wheel, so that it would have to be built from source: {names}"
        return Unknown(why=Why.NEEDS_BUILD, detail=detail, known=answer.pins)

    def _directly(self, probe: _Probe, rounds: int) -> Impossible | None:
        """The failure of the requirements without any dependency, source distributions admitted, if there is one."""
        if not probe.question.with_dependencies:
            return None
        bare = replace(probe.question, with_dependencies=False)
        answer = self._answer(replace(probe, question=bare, sdists=True), rounds)
        return answer if isinstance(answer, Impossible) else None

    def _impossible(self, probe: _Probe, found: Failure) -> Answer:
        if found.lonely and (direct := self._directly(probe, ROUNDS)):
            return direct
        # uv names only the requirements that its proof needs: where they are several, each can be had by itself.
        if not found.lonely or len(set(found.required) & _names(probe.question.requirements)) > 1:
            return self._refusal(Kind.VERSION_CONFLICT, probe, found)
        if found.wrong_platform and (answer := self._elsewhere(probe, found)):
            return answer
        if found.wrong_python and (answer := self._on_another_python(probe, found)):
            return answer
        return self._refusal(_kind(found), probe, found)

    def _elsewhere(self, probe: _Probe, found: Failure) -> Answer | None:
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
        if all(_installs(pin, probe.question.environment) for pin in answer.pins):
            return answer
        return self._refusal(Kind.GLIBC, probe, found, f"It resolves for {newer}.")

    def _on_another_python(self, probe: _Probe, found: Failure) -> Impossible | None:
        for python in other_pythons(found.message, found.wheel_tags, probe.python)[:2]:
            if isinstance(self._answer(replace(probe, python=python), 0), Resolved):
                return self._refusal(Kind.PYTHON_UNSUPPORTED, probe, found, f"It resolves for Python {python}.")
        return None

    def _refusal(self, kind: Kind, probe: _Probe, found: Failure, proof: str = "") -> Impossible:
        roots = _names(probe.question.requirements)
        named = dict.fromkeys((*found.required, *found.depended_on))
        others = (name for name in named if name not in roots and name != "python")
        blamed = (*(name for name in named if name in roots), *others)
        message = " ".join(filter(None, (self._uv.worded(found.message), proof)))
        return Impossible(kind=kind, message=message, blamed=blamed, steps=found.steps)

    def _doubted(self, probe: _Probe, answer: Resolved) -> Answer:
        """The resolution, unless it takes an old release for the sole reason that newer ones have no wheel."""
        bounds = _bounds(probe.question)
        old = probe.question.exclude_newer - DOUBT_AGE
        suspects = [pin for pin in answer.pins if _uploaded_before(pin, old) and "==" not in bounds.get(pin.name, "")]
        texts = {pin.name: f"{pin.name}{bounds.get(pin.name, '')}" for pin in suspects}
        newest = self._newest_releases(probe, texts)
        left = [pin for pin in suspects if _much_newer(newest.get(pin.name), pin)]
        wheels = self._newest_releases(probe, {pin.name: texts[pin.name] for pin in left}, sdists=False)
        left = [pin for pin in left if (found := wheels.get(pin.name)) and found.version == pin.version]
        if not left:
            return answer
        said = [f"the newest wheel is of {pin}, and {newest[pin.name]} has to be built from source" for pin in left]
        if any(pin.name in bounds for pin in left):
            known = tuple(pin for pin in answer.pins if pin not in left)
            return Unknown(why=Why.NEEDS_BUILD, detail="; ".join(said), known=known)
        return replace(answer, warnings=(*answer.warnings, *said))

    def _newest_releases(
        self, probe: _Probe, requirements: Mapping[NormalizedName, str], *, sdists: bool = True
    ) -> dict[NormalizedName, Pin]:
        """The newest release that meets each requirement by itself; empty where one has none. Remembered."""
        question = probe.question
        keys = {
            name: (text, sdists, question.environment, question.indexes, question.exclude_newer)
            for name, text in requirements.items()
        }
        if unknown := {name: key for name, key in keys.items() if key not in self._newest}:
            texts = tuple(sorted(key[0] for key in unknown.values()))
            asked = replace(question, requirements=texts, constraints=(), with_dependencies=False)
            answer = self._answer(replace(probe, question=asked, sdists=sdists, excludes=frozenset()), 0)
            if not isinstance(answer, Resolved):
                return {}
            found = {pin.name: pin for pin in answer.pins}
            self._newest |= {key: found[name] for name, key in unknown.items() if name in found}
        return {name: self._newest[key] for name, key in keys.items() if key in self._newest}

    def _ask(self, probe: _Probe) -> Resolved | Unknown | Failure:
        question = probe.question
        indexes = question.indexes
        if down := next((self._down[address] for address in self._addresses(question) if address in self._down), None):
            return down
        files: dict[str, Sequence[str]] = {"": question.requirements}
        if question.constraints:
            files["--constraints"] = question.constraints
        if probe.excludes:
            files["--excludes"] = sorted(probe.excludes)
        arguments = [*_arguments(probe), *_index_arguments(indexes)]
        outcome = self._uv.compile(arguments, files, indexes, undated=indexes in self._undated)
        if lacks_upload_times(outcome.stderr) and indexes not in self._undated:
            with self._lock:
                self._undated.add(indexes)
            outcome = self._uv.compile(arguments, files, indexes, undated=True)
        return self._read(probe, outcome)

    def _read(self, probe: _Probe, outcome: Outcome) -> Resolved | Unknown | Failure:
        if outcome.timed_out:
            return Unknown(why=Why.BUDGET, detail="uv was stopped after too long a time")
        if outcome.status:
            return read_failure(outcome.stderr)
        environment = replace(probe.question.environment, python=probe.python)
        if probe.platform != uv_platform(environment.platform):
            environment = replace(environment, platform=glibc_platform(probe.platform))
        try:
            pins = read_pins(outcome.stdout, environment)
        except UnusableLockError as error:
            return Unknown(why=Why.NOT_UNDERSTOOD, detail=str(error))
        return Resolved(pins=pins, warnings=tuple(map(self._uv.worded, read_warnings(outcome.stderr))))


def _arguments(probe: _Probe) -> list[str]:
    question = probe.question
    arguments = ["--format", "pylock.toml", "--no-header", "--no-annotate", "--no-sources", "--resolution", "highest"]
    arguments += ["--python-version", probe.python, "--python-platform", probe.platform]
    arguments += ["--exclude-newer", question.exclude_newer.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")]
    arguments += ["--preview-features", "index-exclude-newer"]
    arguments += [] if question.with_dependencies else ["--no-deps"]
    # Nothing is built for an answer without dependencies: source distributions are merely named there.
    arguments += [] if probe.sdists else ["--no-build"]
    arguments += ["--prerelease", "allow" if question.indexes.prerelease else "if-necessary"]
    return arguments + [f"--prerelease-package={name}=allow" for name in sorted(probe.prereleases)]


def _index_arguments(indexes: IndexOptions) -> list[str]:
    arguments = ["--no-index"] if indexes.no_index else []
    arguments += [f"--find-links={address}" for address in indexes.find_links]
    arguments += [f"--no-binary={name}" for name in indexes.no_binary]
    arguments += [f"--only-binary={name}" for name in indexes.only_binary]
    # Options of a requirements file mean what pip means by them: every index may serve any package.
    return arguments + (["--index-strategy", "unsafe-best-match"] if indexes.extra_index_urls else [])


def _kind(found: Failure) -> Kind:
    """What is wrong where a single requirement fails for the reason given; the most telling reason first."""
    if found.wrong_platform:
        return Kind.NO_WHEEL
    if found.wrong_python:
        return Kind.PYTHON_UNSUPPORTED
    if found.unlisted or any("+" in version for version in found.absent):
        return Kind.INDEX_MISSING
    return Kind.VERSION_GONE


def _names(requirements: Iterable[str]) -> set[NormalizedName]:
    return {name for text in requirements for name in names_in(text)[:1]}


def _bounds(question: Question) -> dict[NormalizedName, str]:
    """What is declared of each package's version in the environment asked about; several declarations joined."""
    bounds: dict[NormalizedName, SpecifierSet] = {}
    markers = question.environment.markers()
    for requirement in map(Requirement, question.requirements):
        if not requirement.marker or requirement.marker.evaluate(markers):
            name = canonicalize_name(requirement.name)
            bounds[name] = bounds.get(name, SpecifierSet()) & requirement.specifier
    return {name: str(specifier) for name, specifier in bounds.items()}


def _as_range(term: str) -> str:
    name, exact, version = term.partition("==")
    return f"{name}>={version},<={version}" if exact else term


def _uploaded_before(pin: Pin, moment: datetime) -> bool:
    return pin.file is not None and pin.file.upload_time is not None and pin.file.upload_time < moment


def _much_newer(release: Pin | None, pin: Pin) -> bool:
    """Whether a release came so long after a pin that nobody would expect the pin."""
    if not release or not release.file or release.file.is_wheel or not pin.file:
        return False
    times = release.file.upload_time, pin.file.upload_time
    return times[0] is not None and times[1] is not None and times[0] - times[1] > DOUBT_AGE


def _installs(pin: Pin, environment: Environment) -> bool:
    if not pin.file or not pin.file.is_wheel:
        return True
    return not parse_wheel_filename(pin.file.filename)[3].isdisjoint(environment.tags())
