"""What a TOML manifest declares, gathered value by value; whatever is wrong with one becomes a problem at its line."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from depdoctor.model.project import DeclaredRequirement, Include, Location, Problem
from depdoctor.read import address
from depdoctor.read.errors import ManifestError
from depdoctor.read.requirement import LocalFolder, parse_requirement
from depdoctor.read.toml import Document, Path


def text_of(value: Any) -> str:
    """A TOML value if it is a string, else ""."""
    return value if isinstance(value, str) else ""


@dataclass(slots=True, kw_only=True)
class Declarations:
    """What one TOML manifest has told so far. Everything wrong with a value becomes a `Problem` at its line."""

    document: Document
    path: str
    requires_python: SpecifierSet | None = None
    requirements: list[DeclaredRequirement] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def folder(self) -> str:
        """The folder of the manifest."""
        return posixpath.dirname(self.path)

    def location(self, *place: str | int) -> Location:
        """Where a value stands."""
        return Location(path=self.path, line=self.document.places.line(*place))

    def problem(self, place: Path, reason: str, hint: str = "", kind: str = "unparsable") -> None:
        """Note what is wrong with the value at a place."""
        self.problems.append(Problem(location=self.location(*place), reason=reason, hint=hint, kind=kind))

    def python(self, value: Any, place: Path) -> None:
        """Take in `requires-python`."""
        try:
            self.requires_python = SpecifierSet(value)
        except (InvalidSpecifier, TypeError, AttributeError):
            self.problem(place, f"`{value}` is not a set of Python versions", "write it as `>=3.10`")

    def items(self, value: Any, place: Path) -> Iterator[tuple[Any, Path]]:
        """The items of a list with their places; a problem and nothing if it is none."""
        if isinstance(value, list):
            yield from ((item, (*place, index)) for index, item in enumerate(value))
        elif value is not None:
            self.problem(place, "should be a list")

    def requirement(self, value: Any, place: Path, group: str) -> DeclaredRequirement | None:
        """A requirement at a place; a problem, or an include for a folder, and None where it is none."""
        location = self.location(*place)
        if not isinstance(value, str):
            self.problem(place, "should be a requirement in quotes")
            return None
        self.problems.extend(address.problems(value, location))
        try:
            required = parse_requirement(value, self.folder)
        except ManifestError as error:
            if error.kind != "variable":
                self.problem(place, error.message, error.hint, error.kind)
            return None
        if isinstance(required, LocalFolder):
            self.folder_required(required, place, group)
            return None
        text = address.redact(value)
        return DeclaredRequirement(requirement=required, location=location, text=text, group=group)

    def folder_required(self, required: LocalFolder, place: Path, group: str) -> None:
        """Take in a requirement that is a folder."""
        location = self.location(*place)
        self.includes.append(
            Include(path=required.path, role="project", location=location, extras=required.extras, group=group)
        )

    def require(self, values: Iterable[tuple[Any, Path]], group: str) -> None:
        """Take in requirements of a group."""
        for value, place in values:
            if declared := self.requirement(value, place, group):
                self.requirements.append(declared)
