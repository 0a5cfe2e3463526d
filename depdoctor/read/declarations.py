"""What a manifest declares, gathered value by value; whatever is wrong with one becomes a problem at its line."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from depdoctor.model.noun import dataclass, field
from depdoctor.model.project import (
    DEFAULT_GROUP,
    BaseImage,
    DeclaredRequirement,
    Include,
    Location,
    Problem,
    SystemPackage,
)
from depdoctor.read import address
from depdoctor.read.document import Document, Path
from depdoctor.read.errors import MOST_REQUIREMENTS, ManifestError
from depdoctor.read.requirement import LocalFolder, parse_requirement

_OWN_FOLDER = {
    "file:///${PROJECT_ROOT}": "file:.",
    "{root:uri}": "file:.",
    "{root:parent:uri}": "file:..",
}
"""How a manifest names a folder from where it lies itself (PDM: local dependencies; Hatch: context formatting)."""


def text_of(value: Any) -> str:
    """A TOML value if it is a string, else ""."""
    return value if isinstance(value, str) else ""


@dataclass(slots=True, kw_only=True)
class Declarations:
    """What one manifest has told so far. Everything wrong with a value becomes a `Problem` at its line.

    A value's line is that of its `place` in the document, unless `line` says it.
    """

    document: Document
    path: str
    requires_python: SpecifierSet | None = None
    python_line: int = 0
    requirements: list[DeclaredRequirement] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def folder(self) -> str:
        """The folder of the manifest."""
        return posixpath.dirname(self.path)

    def location(self, *place: str | int, line: int = 0) -> Location:
        """Where a value stands."""
        return Location(path=self.path, line=line or self.document.line(*place))

    def problem(self, place: Path, reason: str, hint: str = "", kind: str = "unparsable", line: int = 0) -> None:
        """Note what is wrong with the value at a place."""
        self.problems.append(Problem(location=self.location(*place, line=line), reason=reason, hint=hint, kind=kind))

    def python(self, value: Any, place: Path, line: int = 0) -> None:
        """Take in `requires-python`."""
        try:
            self.requires_python = SpecifierSet(value)
            self.python_line = self.location(*place, line=line).line
        except (InvalidSpecifier, TypeError, AttributeError):
            self.problem(place, f"`{value}` is not a set of Python versions", "write it as `>=3.10`", line=line)

    def items(self, value: Any, place: Path) -> Iterator[tuple[Any, Path]]:
        """The items of a list with their places; a problem and nothing if it is none.

        Raises `ManifestError` for a list far too long.
        """
        if isinstance(value, list):
            if len(value) > MOST_REQUIREMENTS:
                raise ManifestError(f"has a list of {len(value)} items", line=self.document.line(*place))
            yield from ((item, (*place, index)) for index, item in enumerate(value))
        elif value is not None:
            self.problem(place, "should be a list")

    def requirement(self, value: Any, place: Path, group: str, line: int = 0) -> DeclaredRequirement | None:
        """A requirement at a place; a problem, or an include for a folder, and None where it is none."""
        location = self.location(*place, line=line)
        if not isinstance(value, str):
            self.problem(place, "should be a requirement in quotes", line=line)
            return None
        for written, meant in _OWN_FOLDER.items():
            value = value.replace(written, meant)
        self.problems.extend(address.problems(value, location))
        try:
            required = parse_requirement(value, self.folder)
        except ManifestError as error:
            if error.kind != "variable":
                self.problem(place, error.message, error.hint, error.kind, line)
            return None
        if isinstance(required, LocalFolder):
            self.folder_required(required, place, group, line)
            return None
        text = address.redact(value)
        return DeclaredRequirement(requirement=required, location=location, text=text, group=group)

    def folder_required(self, required: LocalFolder, place: Path, group: str, line: int = 0) -> None:
        """Take in a requirement that is a folder."""
        location = self.location(*place, line=line)
        self.includes.append(
            Include(path=required.path, role="project", location=location, extras=required.extras, group=group)
        )

    def require(self, values: Iterable[tuple[Any, Path]], group: str, line: int = 0) -> None:
        """Take in requirements of a group."""
        for value, place in values:
            if len(self.requirements) + len(self.problems) > MOST_REQUIREMENTS:
                raise ManifestError(f"has more than {MOST_REQUIREMENTS} requirements", hint="is this a manifest?")
            if declared := self.requirement(value, place, group, line):
                self.requirements.append(declared)

    def draw_in(self, file: str, place: Path, group: str = DEFAULT_GROUP, line: int = 0) -> None:
        """Take in a requirements file that the manifest names."""
        location = self.location(*place, line=line)
        if (inner := address.inside(self.folder, file)) is None:
            self.problems.append(address.outside(location, file))
        else:
            self.includes.append(Include(path=inner, role="requirements", location=location, group=group))

    def system(self, value: Any, place: Path) -> tuple[SystemPackage, ...]:
        """A list of packages of the operating system."""
        listed = self.items(value, place)
        return tuple(
            SystemPackage(name=name, location=self.location(*where)) for name, where in listed if isinstance(name, str)
        )

    def base(self, reference: str, place: Path) -> tuple[BaseImage, ...]:
        """The image that a manifest builds on, if it names one."""
        if not reference:
            return ()
        return (BaseImage(reference=address.redact(reference), location=self.location(*place), is_final=True),)
