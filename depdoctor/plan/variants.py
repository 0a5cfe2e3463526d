"""Variants: the fewest images of a project that serve every target, and why it takes that many.

An image serves a target of its processor whose C library is no older than its wheels need, which takes its size, and
which names no GPU if it is without CUDA.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from depdoctor.model.lock import Lock
from depdoctor.model.noun import dataclass
from depdoctor.model.target import Target
from depdoctor.plan.sizes import weight

MB, GB = 10**6, 10**9

MOST_WAYS = 12
"""Locks of a project among which the fewest are searched for; of more, every one is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A lock that becomes an image, the targets that this serves, and why it is one of its own ("" for the only)."""

    lock: Lock
    targets: tuple[str, ...] = ()
    why: str = ""


def fewest(locks: Sequence[Lock], targets: Iterable[Target], weights_bytes: int = 0) -> tuple[Variant, ...]:
    """The fewest of these locks that serve all targets, the smallest where several are as few; all without targets.

    A target that takes none of them gets the smallest that runs there. A lock that runs on no target is left out.
    """
    sizes = {number: sum(map(weight, lock.pins)) + weights_bytes for number, lock in enumerate(locks)}
    choices: dict[str, list[int]] = {}
    wanted = {target.name: target for target in targets}
    for name, target in wanted.items():
        running = [number for number in sizes if _runs(locks[number], target)]
        most = target.max_image_bytes
        fitting = [number for number in running if most is None or sizes[number] <= most]
        if running:
            choices[name] = fitting or [min(running, key=lambda number: (sizes[number], number))]
    if not choices:
        return tuple(Variant(lock=lock) for lock in locks)
    chosen = _cover(choices, sizes)
    served: dict[int, list[Target]] = {number: [] for number in chosen}
    for name, ways in choices.items():
        best = min((number for number in ways if number in served), key=lambda number: (sizes[number], number))
        served[best].append(wanted[name])
    return tuple(
        Variant(
            lock=locks[number],
            targets=tuple(sorted(target.name for target in served[number])),
            why=_why(number, served, locks, sizes),
        )
        for number in chosen
        if served[number]
    )


def _runs(lock: Lock, target: Target) -> bool:
    """Whether an image of a lock starts on a target, however large it is."""
    built, there = lock.environment.platform, target.platform
    alike = (built.system, built.machine, built.libc) == (there.system, there.machine, there.libc)
    return alike and built.libc_version <= there.libc_version and not (lock.variant and target.names_gpu)


def _cover(choices: Mapping[str, Sequence[int]], sizes: Mapping[int, int]) -> tuple[int, ...]:
    """The fewest numbers of which every choice has one: of as few the lightest, then the first."""
    useful = sorted({number for ways in choices.values() for number in ways})
    if len(useful) > MOST_WAYS:
        return tuple(useful)
    for count in range(1, len(useful) + 1):
        covers = [one for one in combinations(useful, count) if all(set(ways) & set(one) for ways in choices.values())]
        if covers:
            return min(covers, key=lambda one: (sum(sizes[number] for number in one), one))
    return tuple(useful)


def _why(number: int, served: Mapping[int, Sequence[Target]], locks: Sequence[Lock], sizes: Mapping[int, int]) -> str:
    """What an image is for that another one of the same project is not."""
    own = locks[number]
    others = [locks[other] for other in served if other != number]
    names = _listed(served[number])
    if own.variant:
        return _without_cuda(number, served[number], locks, sizes)
    machines = {other.environment.platform.machine for other in others} - {own.environment.platform.machine}
    if machines:
        return f"for {own.environment.platform.machine}: {names}"
    if others:
        return f"for {own.environment.platform}: {names}" if not others[0].variant else f"with CUDA: {names}"
    older = {target.platform for target in served[number]}
    if len(older) > 1:
        return f"wheels for {own.environment.platform} run on all of {names}"
    return ""


def _without_cuda(number: int, served: Sequence[Target], locks: Sequence[Lock], sizes: Mapping[int, int]) -> str:
    own = locks[number]
    whole = [n for n, lock in enumerate(locks) if not lock.variant and lock.environment == own.environment]
    told = f"without CUDA for {_listed(served)}, which {'name' if len(served) > 1 else 'names'} no GPU"
    if not whole:
        return f"{told}: nothing resolves for {own.environment.platform} with it"
    small = [one for one in served if one.max_image_bytes is not None and one.max_image_bytes < sizes[whole[0]]]
    takes = ", ".join(f"`{one.name}` takes {_size(one.max_image_bytes or 0)}" for one in small)
    with_it, without_it = (_size(sizes[one]) for one in (whole[0], number))
    return f"{told}: {takes}, and the image is {with_it} with it, {without_it} without"


def _listed(targets: Sequence[Target]) -> str:
    """Names of targets: "`a`, `b` and `c`"."""
    names = [f"`{target.name}`" for target in targets]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _size(count: int) -> str:
    return f"{count / GB:.1f} GB" if count >= GB else f"{count / MB:.0f} MB"
