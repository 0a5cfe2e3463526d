"""A piece of a plan file, which is held against what may stand there as it is taken."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from depdoctor.errors import PlanFileError
from depdoctor.model.noun import dataclass

MAX_TEXT = 8192
PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f]*")

T = TypeVar("T")


def fail(path: str, key: str, problem: str) -> NoReturn:
    """Raise the `PlanFileError` that says what is wrong with a key, "" for the whole document."""
    raise PlanFileError(
        f"`{key or 'the document'}` {problem}",
        where=path,
        hint="restore it from version control, or plan with `--fresh`",
    )


@dataclass(frozen=True, slots=True)
class Value:
    """A piece of the document, and the key that leads to it."""

    content: Any
    path: str
    key: str

    def fail(self, problem: str) -> NoReturn:
        """Raise the `PlanFileError` that says what is wrong with this piece."""
        fail(self.path, self.key, problem)

    def fields(self, required: str, optional: str = "") -> dict[str, Value]:
        """The members of an object that has all of `required`, and none that is not in either."""
        if not isinstance(self.content, dict):
            self.fail("must be an object")
        names, wanted = set(self.content), set(required.split())
        for name in sorted(wanted - names):
            self.fail(f"lacks `{name}`")
        for name in sorted(names - wanted - set(optional.split())):
            self.fail(f"has an unknown key `{name[:80]}`")
        return {name: self._at(name, f".{name}") for name in names}

    def members(self) -> dict[str, Value]:
        """The members of an object with keys of any name."""
        if not isinstance(self.content, dict):
            self.fail("must be an object")
        return {name: self._at(name, f".{name[:80]}") for name in self.content}

    def each(self, read: Callable[[Value], T]) -> tuple[T, ...]:
        """The items of a list."""
        if not isinstance(self.content, list):
            self.fail("must be a list")
        return tuple(read(self._at(number, f"[{number}]")) for number in range(len(self.content)))

    def _at(self, step: str | int, suffix: str) -> Value:
        return Value(self.content[step], self.path, f"{self.key}{suffix}".lstrip("."))

    def text(self, pattern: re.Pattern[str] = PLAIN) -> str:
        """A string that matches a pattern as a whole."""
        if not isinstance(self.content, str) or len(self.content) > MAX_TEXT or not pattern.fullmatch(self.content):
            self.fail(f"must be a string like {pattern.pattern}")
        return self.content

    def whole(self, low: int, high: int) -> int:
        """A whole number within bounds."""
        if type(self.content) is not int or not low <= self.content <= high:
            self.fail(f"must be a whole number from {low} to {high}")
        return self.content

    def true(self) -> bool:
        """The one value of a mark that is else left out."""
        if self.content is not True:
            self.fail("must be true, or not there")
        return True

    def inside(self) -> str:
        """A POSIX path that stays within the folder it is relative to."""
        path = self.text()
        if not path or path.startswith("/") or "\\" in path or ".." in path.split("/"):
            self.fail("must be a relative path without `..`")
        return path
