"""What is known of single packages: their newest releases, and which have no wheel. Remembered, so asked for once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from packaging.utils import NormalizedName, parse_wheel_filename

from depdoctor.adapters.uv_probe import Probe, joined, lines
from depdoctor.adapters.uv_words import Failure
from depdoctor.model.distribution import Pin
from depdoctor.model.lock import Resolved, Unknown
from depdoctor.model.target import Environment

DOUBT_AGE = timedelta(days=365)
"""How much newer a release without wheels must be, for the older one that was taken instead to be doubted."""

Universe = tuple[object, ...]
"""All of a question but its requirements that decides which releases there are."""


class Releases:
    """Asks uv about packages by themselves. `ask` puts a probe to uv. Thread-safe; two threads may ask the same."""

    def __init__(self, ask: Callable[[Probe], Resolved | Unknown | Failure]) -> None:
        self._ask = ask
        self._newest: dict[tuple[Universe, str, bool], Pin | None] = {}
        self._wheelless: dict[Universe, frozenset[NormalizedName]] = {}

    def newest(self, probe: Probe, texts: Mapping[NormalizedName, str], *, sdists: bool) -> dict[NormalizedName, Pin]:
        """The newest release that meets each requirement by itself; those that none meets are left out."""
        universe = _universe(probe)
        keys = {name: (universe, text, sdists) for name, text in texts.items()}
        unknown = {name: key for name, key in keys.items() if key not in self._newest}
        if unknown:
            requirements = tuple(sorted(key[1] for key in unknown.values()))
            question = replace(
                probe.question, requirements=requirements, constraints=(), preferences=(), with_dependencies=False
            )
            answer = self._ask(
                replace(probe, question=question, sdists=sdists, excludes=frozenset(), stand_ins=frozenset())
            )
            if isinstance(answer, Resolved):
                found = {pin.name: pin for pin in answer.pins}
                self._newest.update({key: found.get(name) for name, key in unknown.items()})
            elif isinstance(answer, Failure) and answer.is_proof and len(unknown) == 1:
                self._newest.update(dict.fromkeys(unknown.values()))
        return {name: pin for name, key in keys.items() if (pin := self._newest.get(key))}

    def has_release(self, probe: Probe, name: NormalizedName, text: str) -> bool:
        """Whether some release, with or without a wheel, meets a requirement by itself."""
        return bool(self.newest(probe, {name: text}, sdists=True))

    def learn_wheelless(self, probe: Probe, names: Iterable[NormalizedName]) -> None:
        """Find out which of these packages have no wheel at all for the environment."""
        universe = _universe(probe)
        for name in names:
            known = self._wheelless.get(universe, frozenset())
            if name not in known and not self.newest(probe, {name: name}, sdists=False):
                self._wheelless[universe] = known | {name}

    def wheelless(self, probe: Probe) -> frozenset[NormalizedName]:
        """The packages that are known to have no wheel at all for the environment of a question."""
        return self._wheelless.get(_universe(probe), frozenset())

    def doomed(self, probe: Probe) -> frozenset[NormalizedName]:
        """The packages that a question requires and that are known to have no wheel for what it says of them."""
        universe = _universe(probe)
        return frozenset(
            name
            for name, specifiers in lines(probe.question).items()
            if name in self.wheelless(probe)
            or any(self._newest.get((universe, f"{name}{text}", False), name) is None for text in specifiers)
        )

    def learn_doomed(self, probe: Probe, names: Iterable[NormalizedName]) -> None:
        """Find out of which of these packages, where they have wheels, none meets what the question says of them."""
        stated = lines(probe.question)
        for name in set(names) - self.wheelless(probe):
            for specifier in stated.get(name, ()):
                self.newest(probe, {name: f"{name}{specifier}"}, sdists=False)

    def outdated(self, probe: Probe, pins: Sequence[Pin]) -> tuple[tuple[Pin, Pin], ...]:
        """Of a resolution, the pins that are old only because what came later has no wheel, each with the newest."""
        bounds = {name: joined(specifiers) for name, specifiers in lines(probe.question).items()}
        old = probe.question.exclude_newer - DOUBT_AGE
        suspects = [pin for pin in pins if _uploaded_before(pin, old) and "==" not in bounds.get(pin.name, "")]
        texts = {pin.name: f"{pin.name}{bounds.get(pin.name, '')}" for pin in suspects}
        newest = self.newest(probe, texts, sdists=True)
        left = [pin for pin in suspects if pin.name in newest and _came_much_later(newest[pin.name], pin)]
        wheels = self.newest(probe, {pin.name: texts[pin.name] for pin in left}, sdists=False)
        return tuple(
            (pin, newest[pin.name]) for pin in left if pin.name in wheels and wheels[pin.name].version == pin.version
        )


def installs(pin: Pin, environment: Environment) -> bool:
    """Whether the file of a pin is one for an environment."""
    if not pin.file or not pin.file.is_wheel:
        return True
    return not parse_wheel_filename(pin.file.filename)[3].isdisjoint(environment.tags())


def _universe(probe: Probe) -> Universe:
    return (probe.python, probe.platform, probe.question.indexes, probe.question.exclude_newer)


def _uploaded_before(pin: Pin, moment: datetime) -> bool:
    return pin.file is not None and pin.file.upload_time is not None and pin.file.upload_time < moment


def _came_much_later(release: Pin, pin: Pin) -> bool:
    """Whether a release without wheels came so long after a pin that nobody would expect the pin."""
    if not release.file or release.file.is_wheel or not pin.file:
        return False
    times = release.file.upload_time, pin.file.upload_time
    return times[0] is not None and times[1] is not None and times[0] - times[1] > DOUBT_AGE
