"""What a Dockerfile demands of the driver by an NVIDIA_REQUIRE_CUDA of its own, which replaces that of its image."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.version import Version

from depdoctor.diagnose.container import starts
from depdoctor.diagnose.outcomes import NOT_DECLARED, Told, by_target
from depdoctor.diagnose.remedy import ways
from depdoctor.diagnose.rule import Context
from depdoctor.diagnose.words import drivers, shortened
from depdoctor.model.finding import Cause, Confidence, Evidence, Finding, Kind, Severity, State
from depdoctor.model.inventory import Entry
from depdoctor.model.noun import dataclass
from depdoctor.model.project import Location, Manifest
from depdoctor.model.target import Target
from depdoctor.rules import Base

VARIABLE = "NVIDIA_REQUIRE_CUDA"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDemand:
    """A demand on drivers: its text, and the file that states it."""

    text: str
    manifest: Manifest

    def least(self, name: str) -> Version | None:
        """The lowest version of "cuda" or "driver" that it admits; None where an alternative has no floor."""
        floors = []
        for alternative in self.text.split():
            found = re.findall(rf"(?:^|,){name}>=?(\d+(?:\.\d+)*)(?=,|$)", alternative)
            if not found:
                return None
            floors.append(max(map(Version, found)))
        return min(floors, default=None)

    def cause(self, entry: Entry) -> Cause:
        """Where it stands."""
        place = Location(path=self.manifest.path)
        return Cause(project=entry.project.name, location=place, requirement=f"{VARIABLE}={shortened(self.text)}")


def own_demands(entry: Entry) -> Iterator[OwnDemand]:
    """The demands of a project's own images, but of those that switch them off."""
    for manifest in entry.reading.manifests:
        told = dict(manifest.environment) if manifest.base_images else {}
        if (text := told.get(VARIABLE, "").strip()) and "$" not in text and not told.get("NVIDIA_DISABLE_REQUIRE"):
            yield OwnDemand(text=text, manifest=manifest)


def refused(context: Context, entry: Entry) -> Iterator[Finding]:
    """Targets on which the container runtime does not start the image, since the driver does not meet the demand."""
    targets = context.inventory.targets
    for demand in own_demands(entry):
        base = Base(reference=demand.manifest.path, known=False, demand=demand.text)
        verdicts = {target.name: starts(base, target, context.rules) for target in targets}
        failing = [target for target in targets if verdicts[target.name] is False and target.names_gpu]
        if not failing:
            continue

        def told(target: Target, verdicts: dict[str, bool | None] = verdicts) -> Told:
            if verdicts[target.name] is None:
                return NOT_DECLARED
            met = verdicts[target.name]
            return (State.RUNS, "meets the demand") if met else (State.FAILS, "the container does not start")

        yield Finding(
            kind=Kind.DRIVER_TOO_OLD,
            severity=Severity.ERROR,
            subject=demand.manifest.path,
            message=(
                f"{demand.manifest.path} sets {VARIABLE} to `{shortened(demand.text)}`, which {drivers(failing)} "
                f"{'does' if len(failing) == 1 else 'do'} not meet: the container does not start, with `unsatisfied "
                "condition`"
            ),
            hint=ways("lower the demand to what the wheels need", "ask for a driver that meets it"),
            packages=(VARIABLE,),
            projects=(entry.project.name,),
            causes=(demand.cause(entry),),
            evidence=(
                Evidence(
                    fact=f"{VARIABLE}={shortened(demand.text)}",
                    source=demand.manifest.path,
                    date=context.date,
                    confidence=Confidence.PRIMARY,
                ),
            ),
            targets=tuple(target.name for target in failing),
            outcomes=by_target(targets, told),
        )
