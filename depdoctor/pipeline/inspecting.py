"""Looking into wheels and into the configurations of images, without fetching either.

What asks servers is imported where it is asked: most runs need not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from depdoctor.adapters.store import BlobStore
from depdoctor.model.config import DEFAULT_BASE, Config
from depdoctor.model.distribution import Pin, WheelCode
from depdoctor.model.inventory import BaseConfig, Entry, SharedEnvironment
from depdoctor.model.lock import Lock, LockOutcome, Unknown
from depdoctor.model.plan import SCRATCH
from depdoctor.model.project import BaseImage
from depdoctor.model.reading import Reading
from depdoctor.model.seams import Progress
from depdoctor.rules import Rules

MOST_S = 20.0
"""How long registries may take to tell what images are."""

CODE = {"framework", "extension"}
"""The roles of packages that hold GPU code of their own."""


def inspected(
    entries: Sequence[Entry],
    shared: Sequence[SharedEnvironment],
    rules: Rules,
    cache: Path,
    progress: Progress,
    *,
    offline: bool,
) -> tuple[tuple[Entry, ...], tuple[SharedEnvironment, ...], tuple[str, ...]]:
    """Look into the wheels of frameworks and their extensions; and tell of which that could not be done."""
    outcomes = [outcome for entry in entries for outcome in entry.outcomes]
    outcomes += [outcome for one in shared for outcome in one.outcomes]
    pins = {pin.file.sha256: pin for pin in _bound(outcomes, rules) if pin.file}
    task = "looking into wheels"
    progress.start(task, len(pins))
    from depdoctor.adapters.inspection import WheelInspector

    inspector = WheelInspector(BlobStore(cache / "store"), offline=offline)
    found = inspector.inspect(
        (pin.file for pin in pins.values() if pin.file),
        {sha256: rules.members(pin.name) for sha256, pin in pins.items()},
    )
    progress.finish(task)

    def known(outcome: LockOutcome) -> LockOutcome:
        return (
            replace(outcome, pins=tuple(_with(pin, found) for pin in outcome.pins))
            if isinstance(outcome, Lock)
            else outcome
        )

    return (
        tuple(replace(entry, outcomes=tuple(map(known, entry.outcomes))) for entry in entries),
        tuple(replace(one, outcomes=tuple(map(known, one.outcomes))) for one in shared),
        tuple(sorted({one.detail for one in found.values() if isinstance(one, Unknown)})),
    )


def _bound(outcomes: Iterable[LockOutcome], rules: Rules) -> Iterator[Pin]:
    for outcome in outcomes:
        for pin in outcome.pins if isinstance(outcome, Lock) else ():
            bound = rules.cuda_package(pin.name)
            if bound and bound[0].role in CODE and pin.file and pin.file.is_wheel:
                yield pin


def _with(pin: Pin, found: Mapping[str, WheelCode | Unknown]) -> Pin:
    code = found.get(pin.file.sha256) if pin.file else None
    return replace(pin, code=code) if isinstance(code, WheelCode) else pin


def asking_bases(
    readings: Sequence[Reading],
    config: Config,
    rules: Rules,
    cache: Path,
    *,
    offline: bool,
    everything: bool,
    hour: str,
) -> Callable[[float], tuple[tuple[BaseConfig, ...], tuple[str, ...]]]:
    """Begin to read what images say of themselves: those whose tag tables do not know, or all that tell of CUDA.

    Registries are asked but once in this `hour`, or each time where it is "".
    What is returned waits so many seconds, and gives what came and the images of which nothing is known.
    """
    named = {config.image.base, *(image.reference for reading in readings for image in _images(reading))}
    wanted = sorted(
        reference
        for reference in named - {DEFAULT_BASE, SCRATCH, ""}
        if "$" not in reference and (not rules.base(reference).known or (everything and rules.base(reference).cuda))
    )
    if not wanted:
        return lambda _: ((), ())
    machine = next((target.platform.machine for target in config.targets), "x86_64")
    from depdoctor.adapters.base_config import BaseConfigs
    from depdoctor.adapters.registry import OciRegistry

    registry = OciRegistry(offline=offline)
    reader = BaseConfigs(registry, BlobStore(cache / "store"), machine=machine, hour=hour)
    answers: list[tuple[tuple[BaseConfig, ...], tuple[str, ...]]] = []
    thread = threading.Thread(target=lambda: answers.append(reader.read(wanted)), name="bases", daemon=True)
    thread.start()

    def answer(most_s: float) -> tuple[tuple[BaseConfig, ...], tuple[str, ...]]:
        thread.join(max(min(most_s, MOST_S), 0))
        return answers[0] if answers else ((), tuple(wanted))

    return answer


def _images(reading: Reading) -> Iterator[BaseImage]:
    return (image for manifest in reading.manifests for image in manifest.base_images if image.is_final)
