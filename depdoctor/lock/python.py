"""Whether a project may run on the Python of an environment, by what its own manifests say."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.specifiers import SpecifierSet

from depdoctor.model.finding import Kind
from depdoctor.model.lock import Impossible
from depdoctor.model.project import Location, Manifest
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment

PYTHONS = tuple(f"3.{minor}" for minor in range(8, 15))
"""The minors that a project may be tried with, oldest first."""

_PATCH_RELEASES = range(40)
"""Patch releases of a Python minor that a `requires-python` is held against; any one will do."""


def admits(manifests: Sequence[Manifest], python: str) -> bool:
    """Whether some release of a Python minor ("3.11") meets the `requires-python` of every manifest."""
    return all(_admitted(manifest.requires_python, python) for manifest in manifests)


def admitted(manifests: Sequence[Manifest], first: str = "") -> tuple[str, ...]:
    """The Pythons of `PYTHONS` that every manifest admits, `first` before the others and those newest first."""
    ordered = dict.fromkeys((*((first,) if first in PYTHONS else ()), *reversed(PYTHONS)))
    return tuple(python for python in ordered if admits(manifests, python))


def refusal(reading: Reading, environment: Environment) -> Impossible | None:
    """Why the project's own manifests refuse the Python of an environment, None if they do not."""
    for manifest in reading.manifests:
        if not _admitted(manifest.requires_python, environment.python):
            return _refused(manifest, reading, environment.python)
    return None


def _admitted(wanted: SpecifierSet | None, python: str) -> bool:
    # Markers and ranges may name a patch release: an image takes whichever its base has.
    return wanted is None or any(wanted.contains(f"{python}.{patch}", prereleases=True) for patch in _PATCH_RELEASES)


def _refused(manifest: Manifest, reading: Reading, python: str) -> Impossible:
    location = Location(path=manifest.path, line=manifest.python_line)
    line = f"requires-python {manifest.requires_python}"
    choosers = [one.path for one in reading.manifests if one.python == python] if reading.python == python else []
    alone = [one for one in PYTHONS if _admitted(manifest.requires_python, one)]
    fitting = [one for one in alone if admits(reading.manifests, one)]
    if choosers:
        message = f"{location} requires Python {manifest.requires_python}, and {choosers[0]} takes Python {python}"
        hint = (
            f"take Python {_either(fitting)} in {choosers[0]}" if fitting else f"let both name one Python, not {python}"
        )
    elif alone and not fitting:
        others = [one for one in reading.manifests if one is not manifest and one.requires_python is not None]
        said = ", ".join(f"{Location(path=one.path, line=one.python_line)} {one.requires_python}" for one in others)
        message = f"{location} requires Python {manifest.requires_python}, and no Python meets that and {said}"
        hint = "let all of them admit one Python"
    elif fitting:
        message = f"{location} requires Python {manifest.requires_python}, and the image is to have Python {python}"
        hint = f"configure `python` as {_either(fitting)}, or admit Python {python}"
    else:
        message = (
            f"{location} requires Python {manifest.requires_python}, which none of {PYTHONS[0]} to {PYTHONS[-1]} meets"
        )
        hint = "widen it to a Python that there is, 3.11 for example"
    return Impossible(kind=Kind.PYTHON_UNSUPPORTED, message=message, location=location, line=line, hint=hint)


def _either(pythons: Sequence[str]) -> str:
    return pythons[0] if len(pythons) == 1 else f"{pythons[0]} to {pythons[-1]}"
