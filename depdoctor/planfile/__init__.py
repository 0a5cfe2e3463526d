"""`depdoctor.plan.json`: a plan as a document that is committed and reviewed.

Canonical: sorted keys, ASCII, a package a line, absent values left out. The same plan is the same bytes, and its digest
is the SHA-256 of the file. A plan file comes out of a repository that others can write to, so everything in it is
checked before it is believed (`reading`), down to the keys that follow from what they stand for.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from depdoctor.errors import PlanFileError
from depdoctor.model.formats import PLAN_NAME
from depdoctor.model.plan import Plan
from depdoctor.planfile.reading import MAX_BYTES, loads
from depdoctor.planfile.writing import digest, dumps

__all__ = ["PLAN_NAME", "differs", "digest", "dumps", "load", "loads", "write"]


def load(path: Path, name: str = PLAN_NAME) -> Plan:
    """The plan in a file, called `name` in errors. Raises `PlanFileError`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        return loads(content.decode("utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise PlanFileError(
            f"`{name}` cannot be read: {error}",
            where=name,
            hint="restore it from version control, or plan with `--fresh`",
        ) from error


def differs(plan: Plan, path: Path) -> bool:
    """Whether a file holds anything else than this plan."""
    return _differs(dumps(plan).encode(), path)


def _differs(content: bytes, path: Path) -> bool:
    try:
        return path.read_bytes() != content
    except FileNotFoundError:
        return True
    except OSError as error:
        raise PlanFileError(f"`{path.name}` cannot be read: {error}", where=path.name) from error


def write(plan: Plan, path: Path) -> bool:
    """Write a plan file whole or not at all; whether it had to be written. Raises `PlanFileError`."""
    content = dumps(plan).encode()
    if not _differs(content, path):
        return False
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        reason, hint = error.strerror or str(error), f"check who may write to `{path.parent}`, and the space there"
        raise PlanFileError(f"`{path.name}` cannot be written: {reason}", where=str(path), hint=hint) from error
    return True
