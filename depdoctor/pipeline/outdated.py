"""Whether the committed plan is behind the configuration and the manifests that it was made from.

Only what the files themselves say is held against it: `plan --check` does the rest. As long as none of these files
changes, what was said of them is remembered, since a build that finds nothing changed must not pay for reading them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from depdoctor import __version__
from depdoctor.adapters.store import BlobStore
from depdoctor.model.formats import PLAN_NAME, is_code
from depdoctor.model.plan import Plan
from depdoctor.pipeline.standing import Settings


def outdated(standing: Plan, settings: Settings) -> tuple[str, ...]:
    """A sentence for each way in which the plan is behind. Raises `ConfigError` and `RulesError`."""
    store = BlobStore(settings.cache / "store")
    note = f"outdated {__version__} {_state(standing, settings.root)}"
    said = store.recall(note)
    if said is None:
        said = "\n".join(_sentences(standing, settings))
        store.remember(note, said)
    return tuple(said.splitlines())


def _state(standing: Plan, root: Path) -> str:
    """Names, sizes and times of the files, but for code, in the root and in the folders of images."""
    folders = sorted({root, *(root / image.code for image in standing.images)})
    digest = hashlib.sha256()
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                files = sorted((one.name, one) for one in entries if not is_code(one.name) and one.is_file())
                for name, one in files:
                    status = one.stat()
                    digest.update(f"{folder}/{name} {status.st_size} {status.st_mtime_ns}\n".encode(errors="replace"))
        except OSError:
            continue  # a folder that is gone is told by whoever needs it
    return digest.hexdigest()


def _sentences(standing: Plan, settings: Settings) -> Iterator[str]:
    from datetime import UTC, datetime

    from depdoctor import discover, read
    from depdoctor.diagnose import Context
    from depdoctor.diagnose.stale import stale_plan
    from depdoctor.model.conflict import Conflicts
    from depdoctor.model.inventory import Entry, Inventory
    from depdoctor.pipeline.scanning import configured
    from depdoctor.plan.outdated import outdated as differences

    config, facts = configured(settings)
    for said in differences(standing, config):
        yield f"{config.source or 'the configuration'} is not as the plan has it: {said}"
    found = (replace(one, sources=(), weights=()) for one in discover.discover(settings.root, config.exclude))
    inventory = Inventory(
        root=str(settings.root),
        entries=tuple(Entry(reading=read.read(project, settings.root)) for project in found),
        targets=config.targets,
        index_date=datetime.now(UTC),
        base=config.image.base,
    )
    context = Context(inventory=inventory, conflicts=Conflicts(), rules=facts, plan=standing)
    yield from (finding.message for finding in stale_plan(context, PLAN_NAME))
