"""What becomes of something target by target: the small table of a finding where there are several targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from packaging.version import Version

from depdoctor.diagnose.offer import cuda_of
from depdoctor.diagnose.words import driver, listed
from depdoctor.model.finding import Outcome, State
from depdoctor.model.target import Target
from depdoctor.rules import Rules

Told = tuple[State, str]
"""What becomes of it, and why."""

NOT_DECLARED: Told = (State.UNKNOWN, "no driver is declared")

_ORDER = (State.FAILS, State.MAY_FAIL, State.UNKNOWN, State.RUNS)


def by_target(targets: Sequence[Target], tell: Callable[[Target], Told]) -> tuple[Outcome, ...]:
    """A row for each target, in their order; none where there is but one, or where all of them fare alike."""
    told = [(target, *tell(target)) for target in targets]
    if len({(state, effect) for _, state, effect in told}) < 2:
        return ()
    return tuple(
        Outcome(target=target.name, machine=machine(target), state=state, effect=effect)
        for target, state, effect in told
    )


def machine(target: Target) -> str:
    """What a target is declared to have: "driver 470.82.01, Tesla T4 (7.5)"."""
    known = [driver(target)] if target.driver or target.driver_cuda else []
    return ", ".join([*known, *dict.fromkeys(map(str, target.gpus))]) or str(target.platform)


def worst(told: Sequence[Told]) -> Told:
    """The worst of what several GPUs of one target meet, and in which words."""
    state = min((state for state, _ in told), key=_ORDER.index)
    return state, listed(dict.fromkeys(effect for each, effect in told if each is state))


def runs(cuda: Version, target: Target, rules: Rules) -> Told:
    """In which way a driver that is new enough runs a CUDA version."""
    offered = cuda_of(target, rules)
    if offered is None:
        return State.RUNS, "the driver is new enough"
    if offered.release[:2] < cuda.release[:2]:
        return State.RUNS, f"CUDA {offered} driver: minor version compatibility"
    return State.RUNS, f"CUDA {offered} driver"
