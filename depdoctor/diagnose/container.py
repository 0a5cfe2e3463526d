"""What the container runtime makes of an image's demands: NVIDIA_REQUIRE_CUDA, and the forward compatibility package.

NVIDIA_REQUIRE_CUDA is a list of alternatives between spaces; an alternative is a list of conditions between commas, all
of which must hold (NVIDIA Container Toolkit, "Specialized Configurations with Docker", constraints).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from packaging.version import InvalidVersion, Version

from depdoctor.diagnose.offer import capability, cuda_of
from depdoctor.model.expression import expression
from depdoctor.model.target import Target
from depdoctor.rules import Base, Rules
from depdoctor.rules.rows import ForwardCompat

BRANDS: Mapping[str, frozenset[str]] = {
    "data-centre": frozenset({"tesla", "nvidia"}),
    "workstation": frozenset({"quadro", "quadrortx", "nvidiartx"}),
    "geforce": frozenset({"geforce", "geforcertx", "titan", "titanrtx"}),
}
"""What the driver calls the brands of each market."""

_CONDITION = expression(r"(?P<name>[a-z]+)(?P<sign>>=|<=|!=|=|>|<)(?P<value>[\w.]+)")
_SIGNS: Mapping[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "!=": operator.ne,
}


def starts(base: Base, target: Target, rules: Rules) -> bool | None:
    """Whether the container runtime starts an image on a target by what the image demands; None where nobody knows."""
    verdicts = [_alternative(text, target, rules) for text in base.demand.split()]
    if True in verdicts:
        return True
    return None if None in verdicts or not verdicts else False


def forward_compatible(base: Base, target: Target, rules: Rules) -> bool | None:
    """Whether the newer user-mode driver that an image carries (cuda-compat) serves a target; None if nobody knows.

    It serves data-centre GPUs on some branches of the driver and never a GeForce.
    """
    if not base.requires_driver or base.cuda is None or target.platform.system != "linux":
        return False
    markets = markets_of(target, rules)
    if not target.gpus or markets != {"data-centre"}:
        return None if not markets or "" in markets else False
    if target.driver is None:
        return None
    minor = base.cuda.release[:2]
    row = next((row for row in rules.forward_compat if row.cuda.release[:2] == minor), None)
    if row is not None:
        return _takes(row, target.driver)
    # a minor that no row tells of: what both its neighbours take, it takes
    older = [row for row in rules.forward_compat if row.cuda.release[:2] < minor]
    newer = [row for row in rules.forward_compat if row.cuda.release[:2] > minor]
    if not older or not newer:
        return None
    beside = (max(older, key=lambda row: row.cuda), min(newer, key=lambda row: row.cuda))
    return all(_takes(row, target.driver) for row in beside) or None


def _takes(row: ForwardCompat, driver: Version) -> bool:
    """Whether a branch of the driver takes the libraries; one between those that are listed is taken for served."""
    return driver.major >= min(row.branches) and driver.major not in row.refused


def markets_of(target: Target, rules: Rules) -> set[str]:
    """The markets of a target's GPUs, "" for a GPU that the tables do not know by name."""
    models = [rules.gpu(gpu.name) if gpu.name else None for gpu in target.gpus]
    return {model.market if model else "" for model in models}


def _alternative(text: str, target: Target, rules: Rules) -> bool | None:
    verdicts = [_condition(part, target, rules) for part in text.split(",")]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _condition(text: str, target: Target, rules: Rules) -> bool | None:
    match = _CONDITION.fullmatch(text.strip().lower())
    if match is None:
        return None
    name, sign, value = match.group("name", "sign", "value")
    if name == "brand":
        return _brand(value, target, rules) if sign == "=" else None
    offered = {"cuda": cuda_of(target, rules), "driver": target.driver, "arch": _oldest(target, rules)}.get(name)
    try:
        wanted = Version(value)
    except InvalidVersion:
        return None
    if offered is None:
        return None
    # `driver>=535` and `cuda>=12.4` compare as many numbers as they name.
    width = len(wanted.release)
    return _SIGNS[sign](Version(".".join(map(str, offered.release[:width]))), wanted)


def _brand(value: str, target: Target, rules: Rules) -> bool | None:
    markets = markets_of(target, rules)
    if not markets or not markets <= BRANDS.keys():
        return None
    return all(value in BRANDS[market] for market in markets)


def _oldest(target: Target, rules: Rules) -> Version | None:
    found = [capability(gpu, rules) for gpu in target.gpus]
    return min((each for each in found if each), default=None) if all(found) else None
