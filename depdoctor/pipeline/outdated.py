"""Whether the committed plan is behind the configuration and the manifests that it was made from.

Only what the files themselves say is held against it: `plan --check` does the rest. As long as none of these files
changes, what was said of them is remembered, since a build that finds nothing changed must not pay for reading them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from depdoctor import __version__
from depdoctor.adapters.store import BlobStore
from depdoctor.model.formats import PLAN_NAME, is_code
from depdoctor.model.plan import Plan
from depdoctor.pipeline.standing import Settings

if TYPE_CHECKING:
    from depdoctor.model.config import Config
    from depdoctor.model.inventory import Inventory
    from depdoctor.rules import Rules


def outdated(standing: Plan, settings: Settings) -> tuple[str, ...]:
    """A sentence for each way in which the plan is behind. Raises `ConfigError` and `RulesError`."""
    store = BlobStore(settings.cache / "store")
    note = _note(_files(standing, settings.root))
    said = store.recall(note)
    if said is None:
        said = "\n".join(_read_anew(standing, settings))
        store.remember(note, said)
    return tuple(said.splitlines())


def remember(made: Plan, inventory: Inventory, config: Config, facts: Rules, settings: Settings, since_ns: int) -> None:
    """Remember what will be said of a plan that was just written, so that a build need not read its files again.

    `inventory` is what it was made from: nothing is remembered if a file changed after `since_ns` (of the clock, in
    ns), when reading began, or where a build would read something else.
    """
    files = list(_files(made, settings.root))
    if settings.base or settings.outside_allowed:
        return
    if all(changed_ns < since_ns for path, _, changed_ns in files if path != f"{settings.root}/{PLAN_NAME}"):
        said = "\n".join(_sentences(made, inventory, config, facts))
        BlobStore(settings.cache / "store").remember(_note(files), said)


def _note(files: Iterable[tuple[str, int, int]]) -> str:
    lines = "\n".join(f"{path} {size} {changed_ns}" for path, size, changed_ns in files)
    return f"outdated {__version__} {hashlib.sha256(lines.encode(errors='replace')).hexdigest()}"


def _files(standing: Plan, root: Path) -> Iterator[tuple[str, int, int]]:
    """Path, size and time of each file, but for code, in the root and in the folders of images."""
    for folder in sorted({root, *(root / image.code for image in standing.images)}):
        try:
            with os.scandir(folder) as entries:
                files = sorted((one.name, one) for one in entries if not is_code(one.name) and one.is_file())
                for name, one in files:
                    status = one.stat()
                    yield f"{folder}/{name}", status.st_size, status.st_mtime_ns
        except OSError:
            continue  # a folder that is gone is told by whoever needs it


def _read_anew(standing: Plan, settings: Settings) -> Iterator[str]:
    from datetime import UTC, datetime

    from depdoctor import discover, read
    from depdoctor.model.inventory import Entry, Inventory
    from depdoctor.pipeline.scanning import configured

    config, facts = configured(settings)
    found = (replace(one, sources=(), weights=()) for one in discover.discover(settings.root, config.exclude))
    inventory = Inventory(
        root=str(settings.root),
        entries=tuple(Entry(reading=read.read(project, settings.root)) for project in found),
        targets=config.targets,
        index_date=datetime.now(UTC),
        base=config.image.base,
    )
    return _sentences(standing, inventory, config, facts)


def _sentences(standing: Plan, inventory: Inventory, config: Config, facts: Rules) -> Iterator[str]:
    from depdoctor.diagnose import Context
    from depdoctor.diagnose.stale import stale_plan
    from depdoctor.model.conflict import Conflicts
    from depdoctor.plan.outdated import outdated as differences

    for said in differences(standing, config):
        yield f"{config.source or 'the configuration'} is not as the plan has it: {said}"
    context = Context(inventory=inventory, conflicts=Conflicts(), rules=facts, plan=standing)
    yield from (finding.message for finding in stale_plan(context, PLAN_NAME))
