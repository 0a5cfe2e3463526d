"""What a person sees on a terminal while work goes on."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class TerminalProgress:
    """Progress on stderr: bars where it is a terminal, lines with --verbose, nothing with --quiet."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._quiet, self._verbose = quiet, verbose
        self._tasks: dict[str, TaskID] = {}
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )

    def __enter__(self) -> TerminalProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def start(self, task: str, total: int | None = None, unit: str = "") -> None:
        """Show a bar for a task, or say that it begins."""
        if self._verbose and not self._console.is_terminal:
            self._console.print(task, markup=False, soft_wrap=True)
        self._tasks[task] = self._bars.add_task(task, total=total, count="", unit=unit)

    def advance(self, task: str, amount: int = 1) -> None:
        """Move the bar of a task."""
        if task in self._tasks:
            number = self._tasks[task]
            self._bars.advance(number, amount)
            shown = next(one for one in self._bars.tasks if one.id == number)
            self._bars.update(number, count=_count(shown.completed, shown.total, str(shown.fields["unit"])))

    def finish(self, task: str) -> None:
        """Take the bar of a task away."""
        if task in self._tasks:
            self._bars.remove_task(self._tasks.pop(task))

    def say(self, text: str) -> None:
        """Print a line."""
        if not self._quiet:
            self._console.print(text, markup=False, soft_wrap=True)


def _count(done: float, total: float | None, unit: str) -> str:
    scale = 1e6 if unit == "B" else 1
    name = " MB" if unit == "B" else ""
    return f"{done / scale:.0f}/{total / scale:.0f}{name}" if total else f"{done / scale:.0f}{name}"
