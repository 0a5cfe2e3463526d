"""Ways to take at least one member out of every conflict. Sets are integers, a bit per member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from depdoctor.conflict.bits import bits


def hitting_sets(conflicts: Sequence[int], most: int) -> Iterator[int]:
    """Minimal sets that meet every conflict: all of them if there are at most `most`.

    Of more, a few are chosen so that any two members which share no conflict are left in together by one of them.
    """
    found = list(islice(_all(conflicts, 0), most + 1))
    yield from found if len(found) <= most else _covering(conflicts)


def _all(conflicts: Sequence[int], chosen: int) -> Iterator[int]:
    seen: set[int] = set()
    stack = [chosen]
    while stack:
        chosen = stack.pop()
        unmet = next((conflict for conflict in conflicts if not conflict & chosen), None)
        if unmet is None:
            yield chosen
            continue
        for bit in reversed(list(bits(unmet))):
            larger = chosen | bit
            if larger not in seen and _is_minimal(conflicts, larger):
                seen.add(larger)
                stack.append(larger)


def _is_minimal(conflicts: Sequence[int], chosen: int) -> bool:
    """Whether every member is the only one that meets some conflict."""
    return all(any(conflict & chosen == bit for conflict in conflicts) for bit in bits(chosen))


def _covering(conflicts: Sequence[int]) -> Iterator[int]:
    seen: set[int] = set()
    members = 0
    for conflict in conflicts:
        members |= conflict
    everyone = list(bits(members))
    for wanted in [(one, other) for place, one in enumerate(everyone) for other in everyone[:place]]:
        kept = wanted[0] | wanted[1]
        if any(conflict & ~kept == 0 for conflict in conflicts) or any(kept & chosen == 0 for chosen in seen):
            continue
        for bit in everyone:
            if not any(conflict & ~(kept | bit) == 0 for conflict in conflicts):
                kept |= bit
        seen.add(members & ~kept)
        yield members & ~kept
