"""What projects themselves leave out of their images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from depdoctor.build.oci.code import refuse_secrets
from depdoctor.errors import BuildError
from depdoctor.model.plan import Plan


def ignored_by_projects(plan: Plan, root: Path) -> Mapping[str, tuple[str, ...]]:
    """The lines of the `.dockerignore` of each folder of code that has one.

    Raises `BuildError` where one cannot be read, and where what is left of a folder holds credentials.
    """
    found = {}
    for folder in dict.fromkeys(folder for image in plan.images for folder in image.folders):
        refuse_secrets(root / folder)
        path = root / folder / ".dockerignore"
        try:
            found[folder] = tuple(path.read_text("utf-8-sig").splitlines())
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise BuildError(f"cannot read it: {error}", where=str(path)) from error
    return found
