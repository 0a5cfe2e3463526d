"""`init`: a first configuration from what is found."""

from __future__ import annotations

import os
from pathlib import Path

from depdoctor import config as configuration
from depdoctor import discover, read, rules
from depdoctor.adapters import files, host
from depdoctor.errors import UsageError
from depdoctor.model.noun import dataclass
from depdoctor.model.seams import Progress
from depdoctor.pipeline.standing import Settings
from depdoctor.report import init as report


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The file that was written, and the number of projects that it tells of."""

    path: Path
    projects: int


def init(settings: Settings, progress: Progress) -> Begun:
    """Write a commented `depdoctor.toml` into the root. Raises `UsageError`, also where a configuration stands."""
    path = settings.root / configuration.CONFIG_NAME
    standing = f"{path} stands already"
    if os.path.lexists(path):
        raise UsageError(standing, hint="`init` writes over nothing: edit it, or move it away")
    if source := configuration.load(settings.root, rules.load().libc_of_base).source:
        raise UsageError(
            f"{settings.root / source} holds a configuration already", hint="edit `[tool.depdoctor]` there"
        )
    task = "reading projects"
    found = discover.discover(settings.root)
    progress.start(task, len(found))
    readings = []
    for project in found:
        readings.append(read.read(project, settings.root))
        progress.advance(task)
    progress.finish(task)
    try:
        files.create(path, report.text(readings, host.read()))
    except FileExistsError:
        raise UsageError(standing, hint="`init` writes over nothing: edit it, or move it away") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}", hint="check its folder") from error
    return Begun(path=path, projects=len(readings))
