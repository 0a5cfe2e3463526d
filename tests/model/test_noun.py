"""Nouns do what dataclasses of the standard library do: each check is made on both."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, field, fields, is_dataclass, replace
from typing import Any

import pytest

from depdoctor.model import noun

Decorator = Callable[..., Callable[[type], Any]]


def classes(decorator: Decorator) -> tuple[Any, Any]:
    """A noun with every kind of field, and one that inherits from it and says more itself."""

    @decorator(frozen=True, slots=True, kw_only=True, order=True)
    class Wheel:
        """A wheel."""

        name: str
        tags: tuple[str, ...] = ()
        found: list[str] = field(default_factory=list, repr=False)
        place: str = field(default="here", compare=False)

    @decorator(frozen=True, slots=True, kw_only=True)
    class Pure(Wheel):
        """A wheel, and a floor."""

        python: int | None = None
        checked: bool = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "checked", self.python is not None)

        def __repr__(self) -> str:
            return f"<{self.name}>"

    return Wheel, Pure


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """Pickled by its name."""

    a: int
    b: tuple[int, ...] = ()


@noun.dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Pickled by its name."""

    a: int
    b: tuple[int, ...] = ()


EACH = pytest.mark.parametrize("decorator", [dataclasses.dataclass, noun.dataclass])


@EACH
def test_a_noun_is_told_apart_by_what_it_holds(decorator: Decorator) -> None:
    wheel, pure = classes(decorator)
    one = wheel(name="a", tags=("x",))
    assert one == wheel(name="a", tags=("x",), place="elsewhere")
    assert one != wheel(name="b")
    assert one != pure(name="a", tags=("x",))
    assert one != "a"
    assert one < wheel(name="b")
    assert wheel(name="b") >= one
    with pytest.raises(TypeError):
        assert one < 3
    assert repr(one).endswith("Wheel(name='a', tags=('x',), place='here')")
    assert repr(pure(name="p")) == "<p>"
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)  # it holds a list


@EACH
def test_a_noun_is_frozen_and_slotted(decorator: Decorator) -> None:
    one = classes(decorator)[0](name="a")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        one.name = "b"
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'name'"):
        del one.name
    assert not hasattr(one, "__dict__")


@EACH
def test_a_noun_is_made_by_keywords(decorator: Decorator) -> None:
    wheel, pure = classes(decorator)
    assert wheel(name="a").found == []
    assert wheel(name="a").found is not wheel(name="a").found
    assert (pure(name="a").checked, pure(name="a", python=3).checked) == (False, True)
    for wrong in ({}, {"name": "a", "size": 3}):
        with pytest.raises(TypeError):
            wheel(**wrong)
    with pytest.raises(TypeError):
        pure(name="a", checked=True)
    with pytest.raises(TypeError):
        wheel("a")
    assert list(inspect.signature(pure).parameters) == ["name", "tags", "found", "place", "python"]


@EACH
def test_the_functions_of_dataclasses_take_a_noun(decorator: Decorator) -> None:
    wheel, pure = classes(decorator)
    one = wheel(name="a", found=["b"])
    assert is_dataclass(wheel)
    assert [each.name for each in fields(pure)] == ["name", "tags", "found", "place", "python", "checked"]
    assert asdict(one) == {"name": "a", "tags": (), "found": ["b"], "place": "here"}
    assert replace(one, name="c") == wheel(name="c", found=["b"])
    assert copy.deepcopy(one) == one
    assert wheel.__match_args__ == ()


@pytest.mark.parametrize("kind", [Theirs, Ours])
def test_a_noun_travels_between_processes(kind: Any) -> None:
    one = kind(a=1, b=(2, 3))
    assert pickle.loads(pickle.dumps(one)) == one
    assert hash(one) == hash((1, (2, 3)))
    assert {one: 1}[kind(a=1, b=(2, 3))] == 1


def by_places(decorator: Decorator) -> tuple[Any, Any]:
    """One that can be changed, and one that is frozen, neither made by keywords alone."""

    @decorator(slots=True)
    class Open:
        a: int
        b: list[int] = field(default_factory=list)
        c: int = field(default=3, kw_only=True)

    @decorator(frozen=True, slots=True, order=True)
    class Span:
        start: int
        end: int = 9

    return Open, Span


@EACH
def test_what_is_not_frozen_is_made_by_places(decorator: Decorator) -> None:
    Open = by_places(decorator)[0]  # noqa: N806
    one = Open(3, c=5)
    one.a = 4
    one.b.append(1)
    assert (one.a, one.b, one.c) == (4, [1], 5)
    assert one == Open(a=4, b=[1], c=5)
    assert one != Open(a=4)
    assert Open.__match_args__ == ("a", "b")
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    for wrong in ((), (1, [], 3)):
        with pytest.raises(TypeError):
            Open(*wrong)
    assert replace(one, a=1) == Open(1, [1], c=5)
    assert not hasattr(one, "__dict__")
    del one.a
    assert not hasattr(one, "a")


@EACH
def test_a_frozen_one_may_be_made_by_places(decorator: Decorator) -> None:
    Span = by_places(decorator)[1]  # noqa: N806
    assert sorted([Span(2), Span(1, 3)]) == [Span(start=1, end=3), Span(2, 9)]
    assert hash(Span(1)) == hash(Span(1, 9))
    with pytest.raises(FrozenInstanceError):
        Span(1).start = 2


def test_what_has_other_options_is_left_to_the_standard_library() -> None:
    @noun.dataclass
    class Bare:
        a: int = 0

    @noun.dataclass(slots=True, eq=False)
    class Itself:
        a: int = 0

    @noun.dataclass(slots=True, unsafe_hash=True)
    class Hashed:
        a: int = 0

    assert Bare(1) == Bare(1)
    assert Itself() != Itself()
    assert hash(Hashed(1)) == hash(Hashed(1))
