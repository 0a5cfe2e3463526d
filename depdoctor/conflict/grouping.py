"""The cure that edits nothing: as few shared environments as can be, and why two of them cannot be one."""

from __future__ import annotations

from collections.abc import Sequence

from depdoctor.conflict.bits import within

MOST_TRIED = 20_000
"""Partial groupings looked at before the best so far is taken; enough for about fifteen projects in any case."""


def partition(projects: Sequence[int], conflicts: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Groups of projects, none of which holds a conflict: the fewest, or the fewest found after `MOST_TRIED` tries.

    A project is the set of its elements; projects are given and returned by their place. Those with most conflicts are
    placed first, each into the first group that takes it, and then all other ways are tried that may need fewer groups.
    """
    degree = [sum(bool(conflict & project) for conflict in conflicts) for project in projects]
    order = sorted(range(len(projects)), key=lambda place: (-degree[place], place))
    best: list[list[int]] = [[place] for place in order]
    tried = 0
    stack: list[tuple[int, list[list[int]], list[int]]] = [(0, [], [])]
    while stack and tried < MOST_TRIED:
        done, groups, unions = stack.pop()
        tried += 1
        if len(groups) >= len(best):
            continue
        if done == len(order):
            best = groups
            continue
        place = order[done]
        ways = []
        for number, union in enumerate(unions):
            joined = union | projects[place]
            if not any(within(conflict, joined) for conflict in conflicts):
                grown = [[*group, place] if at == number else group for at, group in enumerate(groups)]
                ways.append((done + 1, grown, [*unions[:number], joined, *unions[number + 1 :]]))
        ways.append((done + 1, [*groups, [place]], [*unions, projects[place]]))
        stack += reversed(ways)
    return tuple(sorted(tuple(sorted(group)) for group in best))
