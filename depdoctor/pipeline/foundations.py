"""Which image a project stands on, as far as packages come with it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from depdoctor import lock
from depdoctor.model.config import Config
from depdoctor.model.lock import BaseContents
from depdoctor.model.project import BaseImage
from depdoctor.model.reading import Reading
from depdoctor.rules import Base, Rules


def contents_of(reading: Reading, config: Config, rules: Rules) -> BaseContents | None:
    """What comes with the image of the project's own Dockerfile, else with the configured one; None for nothing known.

    Names without any version are no contents: see `untold`.
    """
    for base, image in _bases(reading, config, rules):
        if base.known and base.packages:
            return BaseContents(
                reference=base.reference,
                packages=base.packages,
                besides=base.besides,
                location=image.location if image else None,
            )
    return None


def untold(reading: Reading, config: Config, rules: Rules) -> str:
    """What to say of an image that brings packages in versions that no table tells, "" where there is none."""
    for base, image in _bases(reading, config, rules):
        if base.packages and not base.known:
            place = f"{image.location}: " if image else ""
            names = ", ".join(sorted(one.name for one in base.packages)[:3])
            return f"{place}no table tells which {names} and other packages {base.reference} brings"
        if base.packages:
            return ""
    return ""


def python_of(reading: Reading, config: Config, rules: Rules) -> str:
    """The Python that its packages are for, "" where no packages come with the image."""
    found = (base for base, _ in _bases(reading, config, rules) if base.known and base.packages)
    return next((base.python for base in found), "")


def python_for(reading: Reading, config: Config, rules: Rules) -> str:
    """The Python that a project runs on.

    Packages that come with an image are for that image's Python. A project that names none gets the configured one,
    and if it refuses that the nearest newer, else older one.
    """
    if stated := python_of(reading, config, rules) or reading.python:
        return stated
    wanted = config.python
    at = lock.PYTHONS.index(wanted) if wanted in lock.PYTHONS else 0
    ordered = (wanted, *lock.PYTHONS[at + 1 :], *reversed(lock.PYTHONS[:at]))
    return next((one for one in ordered if lock.admits(reading.manifests, one)), wanted)


def _bases(reading: Reading, config: Config, rules: Rules) -> Iterator[tuple[Base, BaseImage | None]]:
    """The image of the project's own, and then the configured one.

    Its own is that of the `Dockerfile` in its folder, which is what a build takes unless told otherwise; without one,
    the image that all of its files agree on.
    """
    own = [
        image
        for manifest in reading.manifests
        for image in manifest.base_images
        if image.is_final and image.reference and "$" not in image.reference
    ]
    plain = posixpath.normpath(posixpath.join(reading.project.root, "Dockerfile"))
    chosen = [image for image in own if image.location.path == plain] or own
    if chosen and len({image.reference for image in chosen}) == 1:
        yield rules.base(chosen[0].reference), chosen[0]
    yield rules.base(config.image.base), None
