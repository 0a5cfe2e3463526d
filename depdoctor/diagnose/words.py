"""How findings are worded: no full stop, literals in backticks, what will happen before why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from depdoctor.model.target import Gpu, Target, numbered


def listed(words: Iterable[object], joint: str = "and") -> str:
    """Words in a row: "a", "a and b", "a, b and c"."""
    texts = [str(word) for word in words]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {joint} {texts[-1]}" if texts else ""


def drivers(targets: Sequence[Target]) -> str:
    """Targets and the driver that each has: "pool-a (driver 470.82.01) and pool-b (CUDA 11.4)"."""
    return listed(f"`{target.name}` ({driver(target)})" for target in targets)


def driver(target: Target) -> str:
    """The driver of a target, or the CUDA version that it is known by."""
    return f"driver {numbered(target.driver)}" if target.driver else f"a driver for CUDA {target.driver_cuda}"


def gpus(found: Iterable[tuple[Target, Gpu]]) -> str:
    """Targets and some of their GPUs: "pool-a (Tesla V100 (7.0))"."""
    by_target: dict[str, list[str]] = {}
    for target, gpu in found:
        by_target.setdefault(target.name, []).append(str(gpu))
    return listed(f"`{name}` ({', '.join(dict.fromkeys(models))})" for name, models in by_target.items())


def shortened(text: str, most: int = 60) -> str:
    """The beginning of a text that nobody reads to its end."""
    return text if len(text) <= most else f"{text[:most].rstrip()} ..."
