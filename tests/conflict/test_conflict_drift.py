from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from packaging.version import Version
from universe import HERE, TODAY, Universe

from depdoctor.conflict import finder
from depdoctor.model.conflict import Drift
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.inventory import Inventory, SharedEnvironment
from depdoctor.model.lock import Lock

WORLD = {
    "jax": {"0.4.1": ["numpy<2"], "0.9.0": ["numpy>=2"]},
    "old": {"1.0": ["helper"]},
    "helper": {"1.0": ["numpy<2"]},
    "numpy": {"1.26.0": [], "2.1.0": []},
}
AGES = {"jax 0.4.1": 800, "jax 0.9.0": 10, "numpy 1.26.0": 700, "numpy 2.1.0": 400}


def dated(pin: Pin) -> Pin:
    """The pin with a file of the age that its release has."""
    age = timedelta(days=AGES.get(f"{pin.name} {pin.version}", 0))
    file = DistributionFile(filename=f"{pin}.whl", url="", sha256="", upload_time=TODAY - age)
    return replace(pin, file=file)


def inventory(one: list[str], other: list[str], *together: tuple[str, str]) -> Inventory:
    """Two projects that are to share an environment, and what they lock to there."""
    world = Universe(releases=WORLD)
    alone = world.inventory({"one": one, "other": other})
    entries = tuple(
        replace(entry, outcomes=tuple(replace(lock, pins=tuple(map(dated, lock.pins))) for lock in entry.locks))
        for entry in alone.entries
    )
    pins = tuple(dated(world.pin(name, Version(version))) for name, version in together)
    lock = Lock(project="shared", environment=HERE, pins=pins)
    shared = SharedEnvironment(name="shared", projects=("one", "other"), outcomes=(lock,))
    return replace(alone, entries=entries, shared=(shared,))


def drifts(found: Inventory) -> tuple[Drift, ...]:
    return finder.find(found, Universe(releases=WORLD), deadline=lambda: False).drifts


TOGETHER = (("jax", "0.4.1"), ("old", "1.0"), ("helper", "1.0"), ("numpy", "1.26.0"))


def test_a_package_that_another_project_holds_back_without_naming_it() -> None:
    aged, transitive = sorted(drifts(inventory(["jax"], ["old"], *TOGETHER)), key=lambda drift: drift.alone.name)
    assert (aged.project, str(aged.alone), str(aged.together), aged.named) == ("one", "jax==0.9.0", "jax==0.4.1", True)
    assert (str(transitive.alone), transitive.named) == ("numpy==2.1.0", False)
    assert aged.causes == transitive.causes, "what jax 0.9.0 requires is what the other project holds back"
    [cause] = transitive.causes
    assert (cause.project, cause.location.line, cause.chain) == ("other", 1, ("old", "helper", "numpy<2"))


def test_what_another_line_names_is_no_drift() -> None:
    found = drifts(inventory(["jax"], ["old", "numpy<2", "jax"], *TOGETHER))
    assert found == ()


@pytest.mark.parametrize(("days", "count"), [(364, 0), (366, 1)])
def test_age_counts_where_the_major_is_the_same(monkeypatch: pytest.MonkeyPatch, days: int, count: int) -> None:
    monkeypatch.setitem(AGES, "jax 0.4.1", days)
    monkeypatch.setitem(AGES, "jax 0.9.0", 0)
    assert len(drifts(inventory(["jax"], ["old", "numpy"], *TOGETHER))) == count


def test_newer_is_no_drift_and_unknown_ages_say_nothing() -> None:
    world = Universe(releases=WORLD)
    found = inventory(["jax<0.5", "numpy"], ["old"], *TOGETHER)
    assert drifts(found) == ()
    bare = replace(
        found.entries[0], outcomes=(Lock(project="one", environment=HERE, pins=(world.pin("jax", Version("0.9.0")),)),)
    )
    assert drifts(replace(found, entries=(bare, found.entries[1]))) == ()
