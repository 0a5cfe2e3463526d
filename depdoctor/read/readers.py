"""The readers by format, each imported when the first file of its format is met: few projects have more than three."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

from depdoctor.model.project import Manifest

Parse = Callable[[str, str], Manifest]


class Readers(Mapping[str, Parse]):
    """The parser of each format, from the name of the module here that has it."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = modules

    def __getitem__(self, format_name: str) -> Parse:
        """The parser of a format."""
        parse: Parse = import_module(f"{__package__}.{self._modules[format_name]}").parse
        return parse

    def __iter__(self) -> Iterator[str]:
        """The formats."""
        return iter(self._modules)

    def __len__(self) -> int:
        """How many formats there are."""
        return len(self._modules)
