"""Releases that have no wheel, by what their source distributions state of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.adapters.uv_probe import Probe
from depdoctor.adapters.uv_releases import Releases
from depdoctor.adapters.uv_stand_in import StandIn
from depdoctor.model.distribution import DistributionFile, Pin, WheelFacts
from depdoctor.model.lock import Resolved

Key = tuple[NormalizedName, Version]


class Unbuilt:
    """The stand-ins of one question. `facts` tells what a source distribution states, None where only a build would."""

    def __init__(self, releases: Releases, facts: Callable[[DistributionFile], WheelFacts | None]) -> None:
        self._releases = releases
        self._facts = facts
        self._read: dict[Key, tuple[Pin, WheelFacts]] = {}

    @property
    def stand_ins(self) -> frozenset[StandIn]:
        """A wheel with the requirements of each release that was read."""
        return frozenset(
            StandIn(
                name=name,
                version=str(version),
                requires=tuple(map(str, facts.requires)),
                requires_python=facts.requires_python,
            )
            for (name, version), (_, facts) in self._read.items()
        )

    def read(self, probe: Probe, texts: Mapping[NormalizedName, str]) -> frozenset[NormalizedName]:
        """Read the newest release that meets each requirement; returns those that cannot be read."""
        unread: set[NormalizedName] = set()
        for name, text in texts.items():
            pin = self._releases.newest(probe, {name: text}, sdists=True).get(name)
            facts = self._facts(pin.file) if pin and pin.file else None
            if pin and facts:
                self._read[name, pin.version] = (pin, facts)
            elif not (pin and pin.file and pin.file.is_wheel):  # else an older one is asked for, which uv names next
                unread.add(name)
        return frozenset(unread)

    def named(self, answer: Resolved) -> Resolved:
        """The answer with the source distributions in place of what stood in for them, each with a warning."""
        said = [
            f"{pin} has no wheel: what it requires is read from its source distribution, which has to be built"
            for pin in answer.pins
            if (pin.name, pin.version) in self._read
        ]
        pins = tuple(self._true(pin) for pin in answer.pins)
        return replace(answer, pins=pins, warnings=(*answer.warnings, *said))

    def _true(self, pin: Pin) -> Pin:
        if (pin.name, pin.version) not in self._read:
            return pin
        true, facts = self._read[pin.name, pin.version]
        return replace(true, requires=facts.requires, requires_python=facts.requires_python)
