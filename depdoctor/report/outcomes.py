"""What happens on which target, as the console shows it under a finding."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from depdoctor.model.finding import Outcome, State

STATES = {
    State.FAILS: ("✖", "red"),
    State.MAY_FAIL: ("▲", "yellow"),
    State.RUNS: ("✓", "green"),
    State.UNKNOWN: ("?", ""),
}

MOST_TARGETS = 6
"""Targets of one finding that its table shows."""


def table(outcomes: Sequence[Outcome], width: int) -> list[Text]:
    """A line for each target, those that fail first, none of them wider than `width`."""
    ranked = sorted(outcomes, key=lambda one: list(STATES).index(one.state))
    shown = ranked[:MOST_TARGETS]
    if not shown:
        return []
    name = min(max(len(one.target) for one in shown), width // 4)
    machine = min(max(len(one.machine) for one in shown), width // 3)
    lines = []
    for one in shown:
        mark, style = STATES[one.state]
        line = Text.assemble(
            (f"{mark} ", style), f"{fit(one.target, name)}  ", (f"{fit(one.machine, machine)}  ", "dim"), one.effect
        )
        line.truncate(max(width, 1), overflow="ellipsis")
        lines.append(line)
    if len(ranked) > len(shown):
        lines.append(Text(f"and {len(ranked) - len(shown)} more", style="dim"))
    return lines


def fit(text: str, width: int) -> str:
    """A text in exactly so many letters, or what fits of it."""
    return f"{text:{width}}" if len(text) <= width else f"{text[: width - 1]}…"
