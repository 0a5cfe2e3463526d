"""Files below the scan root, which a plan names by "./" and uv by their whole place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from packaging.requirements import Requirement

from depdoctor.model.distribution import Pin
from depdoctor.model.lock import Question


def placed(question: Question, root: Path) -> Question:
    """A question whose links and requirements that begin with "./" lead to files below an absolute root."""
    links = tuple(str(root / link) if link.startswith("./") else link for link in question.indexes.find_links)
    requirements = tuple(_line(text, root) if " @ ./" in text else text for text in question.requirements)
    return replace(question, indexes=replace(question.indexes, find_links=links), requirements=requirements)


def _line(text: str, root: Path) -> str:
    requirement = Requirement(text)
    requirement.url = (root / str(requirement.url)).as_uri()
    return str(requirement)


def below(root: Path, pin: Pin) -> Pin:
    """A pin that comes from a file below an absolute root, with the place that it has in a plan."""
    path = Path(pin.source)
    if pin.file is None or not path.is_absolute() or not path.is_relative_to(root):
        return pin
    place = f"./{path.relative_to(root).as_posix()}"
    return replace(pin, source=place, file=replace(pin.file, url=place))
