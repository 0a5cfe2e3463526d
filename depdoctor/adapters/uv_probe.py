"""A question as it is put to uv: its command line, and what stands in its requirements."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.adapters.uv_stand_in import StandIn
from depdoctor.adapters.uv_words import names_in
from depdoctor.model.lock import Question
from depdoctor.model.noun import dataclass
from depdoctor.model.project import IndexOptions

LOCK_FLAG = "--output-file"
"""The flag of the file that uv takes earlier pins from, and writes to as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A question, the platform and Python that stand in for its own, and whether source distributions will do.

    `excludes` are packages taken out of the universe, `stand_ins` releases put into it with nothing inside, and
    `blocked` the packages that stood in the way of this very question. `patch` is the first patch release of the Python
    that counts: what is asked for runs on the newest, whatever `Requires-Python` names.
    """

    question: Question
    platform: str
    python: str
    sdists: bool
    patch: int = 0
    excludes: frozenset[NormalizedName] = frozenset()
    stand_ins: frozenset[StandIn] = frozenset()
    blocked: frozenset[NormalizedName] = frozenset()
    prereleases: frozenset[NormalizedName] = frozenset()

    @property
    def builds_off(self) -> bool:
        """Whether the answer may hang on a build that is not allowed."""
        return not self.question.builds_allowed and self.question.with_dependencies

    def singly(self, packages: Sequence[str]) -> Probe | None:
        """The question for these packages alone, put to one index after the other; None where each was asked so."""
        indexes = self.question.indexes
        if not packages or not indexes.extra_index_urls or indexes.first_index:
            return None
        question = replace(
            self.question,
            requirements=tuple(sorted(packages)),
            constraints=(),
            indexes=replace(indexes, first_index=True),
            with_dependencies=False,
        )
        return replace(self, question=question)

    def arguments(self) -> list[str]:
        """The flags of `uv pip compile` for this question."""
        question = self.question
        arguments = ["--format", "pylock.toml", "--no-header", "--no-annotate"]
        arguments += [] if question.indexes.tied else ["--no-sources"]
        python = f"{self.python}.{self.patch}" if self.patch else self.python
        arguments += ["--resolution", "highest", "--python-version", python, "--python-platform", self.platform]
        arguments += ["--exclude-newer", question.exclude_newer.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")]
        arguments += ["--preview-features", "index-exclude-newer"]
        arguments += [] if question.with_dependencies else ["--no-deps"]
        # Nothing is built for an answer without dependencies: source distributions are merely named there.
        # What comes from an address is built for its name and version alone.
        fetched = any(" @ " in text for text in question.requirements) and not question.builds_allowed
        arguments += [] if self.sdists and not fetched else ["--no-build"]
        arguments += ["--prerelease", "allow" if question.indexes.prerelease else "if-necessary"]
        arguments += [f"--prerelease-package={name}=allow" for name in sorted(self.prereleases)]
        return arguments + _index_arguments(question.indexes, sdists=self.sdists and not fetched)

    def files(self) -> dict[str, Sequence[str]]:
        """The lines of its input files by the flag that names each; "" for the requirements themselves."""
        files: dict[str, Sequence[str]] = {"": self.question.requirements}
        given = [text for text in self.question.provided if "==" in text]
        if constraints := (*self.question.constraints, *given):
            files["--constraints"] = constraints
        if overrides := self.question.indexes.overrides:
            files["--overrides"] = overrides
        if self.excludes:
            files["--excludes"] = sorted(self.excludes)
        if self.question.preferences:
            files[LOCK_FLAG] = _as_lock(self.question.preferences)
        return files


def _as_lock(preferences: Iterable[str]) -> list[str]:
    """Pins as an earlier lock in the form of the output (pylock.toml specification): uv keeps what it can of that."""
    lines = ['lock-version = "1.0"', 'created-by = "depdoctor"']
    for name, _, version in (pin.partition("==") for pin in preferences):
        lines += ["[[packages]]", f"name = {json.dumps(name)}", f"version = {json.dumps(version)}"]
    return lines


def _index_arguments(indexes: IndexOptions, *, sdists: bool) -> list[str]:
    arguments = ["--no-index"] if indexes.no_index else []
    arguments += [f"--find-links={address}" for address in indexes.find_links]
    arguments += [f"--no-binary={name}" for name in indexes.no_binary]
    # Where nothing at all may be built, uv takes no list of what must not.
    arguments += [f"--only-binary={name}" for name in indexes.only_binary] if sdists else []
    several = indexes.extra_index_urls and not indexes.first_index
    # Options of a requirements file mean what pip means by them: every index may serve any package.
    return arguments + (["--index-strategy", "unsafe-best-match"] if several else [])


def names(requirements: Iterable[str]) -> set[NormalizedName]:
    """The packages that requirements ask for."""
    return {name for text in requirements for name in names_in(text)[:1]}


def lines(question: Question) -> dict[NormalizedName, list[SpecifierSet]]:
    """What each requirement that counts in the environment says of its package's version."""
    found: dict[NormalizedName, list[SpecifierSet]] = {}
    markers = question.environment.markers()
    for requirement in map(Requirement, question.requirements):
        if not requirement.marker or requirement.marker.evaluate(markers):
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement.specifier)
    return found


def joined(specifiers: Iterable[SpecifierSet]) -> str:
    """What several lines say of a version together."""
    both = SpecifierSet()
    for specifier in specifiers:
        both &= specifier
    return str(both)


def exact_version(specifiers: Iterable[SpecifierSet]) -> str:
    """The version that some line pins with `==`, "" where none does."""
    single = (next(iter(specifier)) for specifier in specifiers if len(specifier) == 1)
    return next((one.version for one in single if one.operator == "==" and not one.version.endswith(".*")), "")


def as_range(term: str) -> str:
    """A release as uv writes it, as a range that admits this release alone, and not if it was yanked."""
    name, exact, version = term.partition("==")
    return f"{name}>={version},<={version}" if exact else term
