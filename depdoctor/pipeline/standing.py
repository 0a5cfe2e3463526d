"""What a command starts from: the settings of a run, and the plan that stands. Light to import, and nothing is scanned.

A committed plan is enough to build from, so a build that finds nothing changed must not pay for scanning.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from depdoctor import planfile
from depdoctor.errors import UsageError
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Image, Plan
from depdoctor.model.seams import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user said on the command line. `cache` is the user's cache folder for depdoctor.

    `environments` are virtual environments to look into as well, wherever they lie. `relock` says that neither
    lockfiles nor the committed plan hold any version in place. `outside_allowed` lets symlinks and includes lead out
    of the root. `executor` is the address of one that does what any machine can do, "" for none. `base` is an image to
    stand on in place of the configured one, "" for that.
    """

    root: Path
    cache: Path
    offline: bool = False
    exclude_newer: datetime | None = None
    builds_allowed: bool = False
    budget_s: float = 60.0
    inspect: bool = False
    environments: tuple[Path, ...] = ()
    relock: bool = False
    outside_allowed: bool = False
    executor: str = ""
    base: str = ""


def committed_plan(settings: Settings) -> Plan | None:
    """Read the plan file that stands beside the projects, None if there is none. Raises `PlanFileError`."""
    path = settings.root / planfile.PLAN_NAME
    return planfile.load(path) if path.is_file() else None


def standing_plan(settings: Settings, progress: Progress) -> Plan:
    """The committed plan, or else one made now, which is not written.

    Told are projects without an image, and in what a committed plan is behind the files that it was made from.
    """
    standing = committed_plan(settings)
    if standing is None:
        from depdoctor.pipeline.planning import plan

        progress.say(f"there is no {planfile.PLAN_NAME}: planning now")
        standing = plan(settings, progress, write=False).plan
    else:
        _tell_outdated(standing, settings, progress)
    for one in standing.skipped:
        where = f" on {', '.join(one.targets)}" if one.targets else ""
        progress.say(f"no image for {one.project}{where}: {one.reason}")
    return standing


def _tell_outdated(standing: Plan, settings: Settings, progress: Progress) -> None:
    """Say in what the plan is behind the files that it was made from; it is followed all the same."""
    from depdoctor.pipeline.outdated import outdated

    said = outdated(standing, settings)
    for text in said:
        progress.say(text)
    if said:
        progress.say(f"{planfile.PLAN_NAME} is followed as it stands: run `depdoctor plan` to bring it up to date")


def wanted_images(standing: Plan, names: Sequence[str]) -> tuple[Image, ...]:
    """The images of the plan with these names, all of them for none. Raises `UsageError`."""
    known = {image.name: image for image in standing.images}
    for name in names:
        if name not in known:
            raise UsageError(f"the plan has no image `{name}`", hint=f"it has {', '.join(known) or 'none'}")
    if not known:
        reasons = "; ".join(f"{one.project}: {one.reason}" for one in standing.skipped[:3])
        raise UsageError("the plan has no image to build", where=reasons, hint="run `depdoctor scan` to see why")
    return tuple(known[name] for name in names) or standing.images
