"""`dataclass`, as in the standard library but made in a fraction of the time.

A command that takes a fraction of a second defines some two hundred nouns first, and `dataclasses` compiles six
functions for each of them. Here only `__init__` is compiled, when the first of its kind is made (most never are), and
what else a noun needs is shared. Type checkers are shown the decorator of the standard library, which also does the
work for whatever has no slots or inherits from another.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import field
from functools import partial
from operator import attrgetter, ge, gt, le, lt
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "field"]

_OPTIONS = {"frozen", "slots", "kw_only", "order"}

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, **options: bool) -> Any:
        """Make a class a dataclass."""
        if cls is not None or not options.get("slots") or options.keys() - _OPTIONS:
            return dataclasses.dataclass(cls, **options)

        def make(noun: type) -> type:
            inherits = any(map(dataclasses.is_dataclass, noun.__bases__))
            return dataclasses.dataclass(noun, **options) if inherits else _made(noun, options)

        return make


def _made(cls: type, options: Mapping[str, bool]) -> type:
    own = {name for name, value in vars(cls).items() if value is not None}
    keywords = options.get("kw_only", False)
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=keywords)(cls)
    values = _values([each.name for each in dataclasses.fields(made) if each.compare])
    methods: dict[str, Any] = {
        "__init__": _Init(made),
        "__repr__": _repr,
        "__eq__": lambda one, other: (
            values(one) == values(other) if other.__class__ is one.__class__ else NotImplemented
        ),
        "__hash__": None,
    }
    if options.get("frozen"):
        made.__dataclass_params__.frozen = True  # so that `dataclasses` knows what may inherit from it
        methods |= {
            "__hash__": lambda one: hash(values(one)),
            "__setattr__": _frozen,
            "__delattr__": _frozen,
            "__getstate__": _state,
            "__setstate__": _restore,
        }
    if options.get("order"):
        methods |= {f"__{compare.__name__}__": _comparing(compare, values) for compare in (lt, le, gt, ge)}
    for name in methods.keys() - own:
        setattr(made, name, methods[name])
    return made  # type: ignore[no-any-return]


class _Init:
    """Stands for the `__init__` of a noun until someone asks for it, and puts the compiled one in its place."""

    __slots__ = ("_noun",)

    def __init__(self, noun: type) -> None:
        self._noun = noun

    def __get__(self, instance: object, owner: type | None = None) -> Callable[..., None]:
        init = _init(self._noun)
        setattr(self._noun, "__init__", init)  # noqa: B010 - mypy takes the class for an instance
        return init if instance is None else partial(init, instance)


def _init(cls: type) -> Callable[..., None]:
    """The one function that is compiled: its parameters are the fields, and it sets their slots."""
    known: dict[str, Any] = {"_missing": dataclasses.MISSING}
    parameters, body = [], []
    fields = sorted((each for each in dataclasses.fields(cls) if each.init), key=lambda each: bool(each.kw_only))
    for number, each in enumerate(fields):
        known[f"_set{number}"] = getattr(cls, each.name).__set__
        default, value = "", each.name
        if each.default is not dataclasses.MISSING:
            known[f"_default{number}"] = each.default
            default = f"=_default{number}"
        elif each.default_factory is not dataclasses.MISSING:
            known[f"_new{number}"] = each.default_factory
            default, value = "=_missing", f"_new{number}() if {value} is _missing else {value}"
        if each.kw_only and "*" not in parameters:
            parameters.append("*")
        parameters.append(f"{each.name}{default}")
        body.append(f"_set{number}(self, {value})")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    text = f"def __init__({', '.join(('self', *parameters))}):\n  {'; '.join(body) or 'pass'}"
    made: dict[str, Any] = {}
    exec(f"def make({', '.join(known)}):\n {text}\n return __init__", vars(sys.modules[cls.__module__]), made)  # noqa: S102 - as `dataclasses` does
    init: Callable[..., None] = made["make"](**known)
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = {**{each.name: each.type for each in fields}, "return": None}
    return init


def _values(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda one: tuple(getattr(one, name) for name in names)


def _comparing(compare: Callable[[Any, Any], bool], values: Callable[[Any], tuple[Any, ...]]) -> Callable[..., Any]:
    return lambda one, other: (
        compare(values(one), values(other)) if other.__class__ is one.__class__ else NotImplemented
    )


def _repr(self: Any) -> str:
    told = (f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self) if each.repr)
    return f"{type(self).__qualname__}({', '.join(told)})"


def _frozen(_: Any, name: str, *value: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot {'assign to' if value else 'delete'} field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for each, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)
