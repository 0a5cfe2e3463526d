"""A scan or plan of what has not changed: what the last one printed is printed again."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from depdoctor.adapters.cache_place import cache_folder
from depdoctor.adapters.scan_memory import ScanMemory, Told, this_hour
from depdoctor.adapters.watch import Seen
from depdoctor.model.seams import Progress

_NO_MATTER = {"offline", "budget", "quiet", "verbose", "path"}
"""Options that bear on how an answer is found, and not on an answer that is whole."""


class Again:
    """What a command with these options printed last."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._memory = ScanMemory(cache_folder(), options.path, _stated(options))

    def told(self) -> Told | None:
        """What would be printed again, None where something may have changed."""
        return self._memory.recall(this_hour())

    def keep_plan(
        self, printed: str, *, status: int, hour: str, seen: Seen, said: Sequence[str], not_known: Sequence[str]
    ) -> None:
        """Remember a plan, with what was said on the way and what could not be known."""
        told = Told(
            before=printed,
            after="",
            timed=False,
            status=status,
            hour=hour,
            seen=seen,
            said=tuple(said),
            not_known=tuple(not_known),
        )
        self._memory.keep(told)

    def keep(self, render: Callable[[float], str], *, status: int, hour: str, seen: Seen) -> None:
        """Remember what is printed; `render` gives the text for how many seconds it took."""
        one, other = render(1.0), render(2.0)
        place = next((place for place, pair in enumerate(zip(one, other, strict=False)) if len(set(pair)) > 1), None)
        before, after = (one, "") if place is None else (one[:place], one[place + len("1.0") :])
        told = Told(before=before, after=after, timed=place is not None, status=status, hour=hour, seen=seen)
        if (told.text(1.0), told.text(2.0)) == (one, other):
            self._memory.keep(told)


class Heard:
    """Progress that is passed on, and of which one remembers what was said."""

    def __init__(self, listener: Progress) -> None:
        self._listener = listener
        self.said: list[str] = []

    def start(self, task: str, total: int | None = None, unit: str = "") -> None:
        """Pass it on."""
        self._listener.start(task, total, unit)

    def advance(self, task: str, amount: int = 1) -> None:
        """Pass it on."""
        self._listener.advance(task, amount)

    def finish(self, task: str) -> None:
        """Pass it on."""
        self._listener.finish(task)

    def say(self, text: str) -> None:
        """Pass it on, and remember it."""
        self.said.append(text)
        self._listener.say(text)


def _stated(options: argparse.Namespace) -> Mapping[str, object]:
    """The options that bear on what is printed, and what the console does to it."""
    stated = {name: str(value) for name, value in vars(options).items() if name not in _NO_MATTER}
    stated["root"] = str(options.path)
    if options.format in {"sarif", "github", "gitlab"}:
        stated["here"] = str(Path.cwd())  # they name files as seen from here
    if options.format == "console":
        stated["terminal"] = f"{sys.stdout.isatty()} {shutil.get_terminal_size()} {sys.stdout.encoding}"
    return stated
