"""The bottom layer of an image: an empty virtual environment on the base's interpreter (PEP 405)."""

from __future__ import annotations

from depdoctor.build.oci.stream import LayerStream
from depdoctor.model.image import ENVIRONMENT_ROOT

_ROOT = ENVIRONMENT_ROOT.removeprefix("/")


def links(python: str) -> tuple[str, ...]:
    """The names of the interpreter in an environment, without a leading slash."""
    return tuple(f"{_ROOT}/bin/{name}" for name in ("python", "python3", f"python{python}"))


def owned(python: str) -> tuple[str, ...]:
    """The files that an environment has of its own, without a leading slash, which no wheel may replace."""
    return (*links(python), f"{_ROOT}/pyvenv.cfg")


def write_environment(stream: LayerStream, interpreter: str, python: str, *, sees_base: bool = False) -> None:
    """Write an environment whose interpreter is a link to the one at this absolute path.

    One that `sees_base` has the packages of the base's own Python behind those of its own.
    """
    first, *others = links(python)
    stream.enter(first)
    stream.link(first, interpreter)
    for other in others:
        stream.link(other, "python")
    stream.enter(f"{_ROOT}/lib/python{python}/site-packages/")
    home = interpreter.rpartition("/")[0]
    settings = {"home": home, "include-system-site-packages": str(sees_base).lower(), "version": python}
    text = "".join(f"{key} = {value}\n" for key, value in settings.items())
    stream.file(f"{_ROOT}/pyvenv.cfg", text.encode())
