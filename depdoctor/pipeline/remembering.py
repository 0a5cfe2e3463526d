"""Where nobody can be asked: what a committed plan holds stands in for the locks that could not be had."""

from __future__ import annotations

from dataclasses import replace

from depdoctor import lock
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import DeclaredOnly, Lock, LockOutcome
from depdoctor.model.plan import Plan
from depdoctor.model.seams import Progress
from depdoctor.pipeline.scanning import Scan
from depdoctor.plan.moves import meets


def remembered(result: Scan, committed: Plan | None, progress: Progress) -> Scan:
    """A scan whose locks that nobody could tell are those of the plan, if they meet what the projects declare.

    So a plan can be checked where no index is in reach, as in continuous integration.
    """
    planned = {
        (image.project, image.environment): Lock(
            project=image.project,
            environment=image.environment,
            pins=committed.pins(image) if committed else (),
            base=image.base.reference if image.provided else "",
            provided=image.provided,
        )
        for image in (committed.images if committed else ())
        if not image.variant
    }
    taken: list[str] = []

    def known(entry: Entry, outcome: LockOutcome) -> LockOutcome:
        own = planned.get((outcome.project, outcome.environment))
        if own is None or not isinstance(outcome, DeclaredOnly):
            return outcome
        groups = result.config.project(entry.project.root).groups
        question = lock.question(
            entry.reading,
            outcome.environment,
            indexes=result.config.indexes,
            exclude_newer=result.inventory.index_date,
            groups=groups,
            provided=own.provided,
        )
        if not meets(own, question):
            return outcome
        taken.append(entry.project.name)
        return replace(own, groups=groups)

    entries = tuple(
        replace(entry, outcomes=tuple(known(entry, outcome) for outcome in entry.outcomes))
        for entry in result.inventory.entries
    )
    if taken:
        names = ", ".join(dict.fromkeys(taken))
        progress.say(f"no index could be asked about {names}: the committed plan has what they declare, and stands")
    return replace(result, inventory=replace(result.inventory, entries=entries))
