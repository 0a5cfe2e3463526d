"""What stands in an environment already, as an installation that rules can judge like any other."""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from depdoctor.diagnose.installation import Installation, Packages
from depdoctor.diagnose.trace import Part, asked_extras
from depdoctor.model.distribution import Pin
from depdoctor.model.graph import holds
from depdoctor.model.installed import InstalledDistribution, InstalledEnvironment
from depdoctor.model.lock import Lock
from depdoctor.model.project import DeclaredRequirement, Location
from depdoctor.model.target import Environment, Platform


def standing(found: InstalledEnvironment, platform: Platform) -> Installation:
    """An installed environment as an installation: what nothing in it requires was asked for by name.

    Distributions whose version is not known are left out.
    """
    environment = Environment(python=".".join((found.python or "3").split(".")[:2]), platform=platform)
    known = {each.name: each for each in found.distributions if each.version is not None}
    pins = tuple(
        Pin(
            name=each.name,
            version=each.version,
            file=None,
            requires=each.requires,
            requires_python=each.requires_python,
            source=each.source,
        )
        for each in known.values()
        if each.version is not None
    )
    lock = Lock(project=found.path, environment=environment, pins=pins, origin=Location(path=found.path))
    extras = asked_extras((), lock)
    required = {
        canonicalize_name(edge.name)
        for pin in pins
        for edge in pin.requires or ()
        if holds(edge.marker, environment, extras.get(pin.name, frozenset()))
    }
    part = Part(
        project=found.path,
        lock=lock,
        declared=tuple(_asked(each) for each in known.values() if each.name not in required),
        manifest=found.path,
    )
    return Installation(
        name=found.path,
        environment=environment,
        parts=(part,),
        packages=Packages((part,)),
        complete=True,
        standing=True,
    )


def _asked(each: InstalledDistribution) -> DeclaredRequirement:
    text = f"{each.name}=={each.version}"
    return DeclaredRequirement(requirement=Requirement(text), location=Location(path=each.location), text=text)
