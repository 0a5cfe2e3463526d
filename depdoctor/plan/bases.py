"""The base that an image stands on: its Python must be the one that the project was locked for."""

from __future__ import annotations

import re

from depdoctor.model.config import Config
from depdoctor.model.inventory import Inventory
from depdoctor.model.lock import Lock

PYTHON_IMAGE = re.compile(r"(?P<repository>(?:.*/)?python:)(?P<python>3\.\d+)(?:\.\d+)?(?P<variant>(?:-.*)?)")
"""A repository called `python` tags its images by the version of Python first, as the official one does."""


def base_reference(configured: str, python: str) -> str:
    """The base for a Python minor ("3.11"): the configured one, or its sibling where its tag names another Python."""
    image = PYTHON_IMAGE.fullmatch(configured)
    if image is None or image["python"] == python:
        return configured
    return f"{image['repository']}{python}{image['variant']}"


def base_references(inventory: Inventory, config: Config) -> tuple[str, ...]:
    """Every base that a plan of this inventory may need, sorted; their digests are what `plan` wants to be given."""
    locks = [lock for entry in inventory.entries for lock in entry.locks]
    return tuple(sorted({base_of(lock, config.image.base) for lock in locks}))


def base_of(lock: Lock, configured: str) -> str:
    """The base for a lock: the one whose packages it takes as given, else the configured one."""
    return lock.base or base_reference(configured, lock.environment.python)
