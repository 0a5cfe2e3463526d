"""What an image needs of the GPU node that it runs on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from packaging.version import Version

from depdoctor.diagnose.demand import CudaUse, bindings_of, cuda_uses
from depdoctor.diagnose.installation import installations
from depdoctor.diagnose.offer import Cover, cover
from depdoctor.model.deployment import GpuNeed, Way
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Lock
from depdoctor.model.project import Project
from depdoctor.model.reading import Reading
from depdoctor.rules import Rules

if TYPE_CHECKING:
    from depdoctor.model.plan import Image, Plan


def gpu_need(plan: Plan, image: Image, rules: Rules, inventory: Inventory) -> GpuNeed | None:
    """The GPU node that an image needs; None where its packages bring no CUDA whose version is known.

    `inventory` says the date; what is in it is not looked at, since the plan says what is installed.
    """
    project = Project(name=image.project, root=image.code, manifests=())
    lock = Lock(project=image.project, environment=image.environment, pins=plan.pins(image))
    entry = Entry(reading=Reading(project=project, manifests=()), outcomes=(lock,))
    alone = Inventory(root="", entries=(entry,), targets=(), index_date=inventory.index_date)
    (installation,) = installations(alone, rules)
    uses = cuda_uses(
        installation, bindings_of(installation.packages, rules), rules, inventory.index_date.date().isoformat()
    )
    versions = [use.cuda for use in uses if use.cuda is not None]
    if not versions:
        return None
    newest = max(versions)
    return GpuNeed(cuda=newest, ways=tuple(sorted(_ways(uses, newest, rules))))


def _ways(uses: tuple[CudaUse, ...], newest: Version, rules: Rules) -> Iterator[Way]:
    """A way for each driver that is enough for some GPUs."""
    floors = [_floor(use.cuda, rules) for use in uses if use.cuda is not None]
    own = rules.toolkit(newest)
    toolkit_driver = own.linux_driver if own and len(newest.release) > 1 else None
    if any(floor is None for floor in floors):
        return
    lowest = max(floor for floor in floors if floor is not None)
    if any(_compiles(use) for use in uses):  # what it compiles on the fly, an older driver refuses
        if toolkit_driver is None:
            return
        lowest = max(lowest, toolkit_driver)
    coded = [use.build.targets for use in uses if use.compiled and use.build and use.build.targets]
    if not coded:
        yield Way(driver=lowest)
        return
    groups: defaultdict[Version, list[tuple[int, int]]] = defaultdict(list)
    for capability in sorted({each for row in rules.architectures for each in row.capabilities}):
        covers = {cover(targets, capability) for targets in coded}
        pair = (capability.release[0], capability.release[1] if len(capability.release) > 1 else 0)
        if covers == {Cover.MACHINE_CODE}:
            groups[lowest].append(pair)
        elif Cover.NONE not in covers and toolkit_driver is not None:
            groups[max(lowest, toolkit_driver)].append(pair)
    for driver, capabilities in groups.items():
        yield Way(driver=driver, capabilities=tuple(capabilities))


def _floor(cuda: Version, rules: Rules) -> Version | None:
    """The lowest Linux driver that starts programs of a CUDA version, None if no table tells."""
    row = rules.major(cuda.major)
    if row is not None and row.minor_compatible:
        return row.linux_floor
    toolkit = rules.toolkit(cuda)
    return toolkit.linux_driver if toolkit else None


def _compiles(use: CudaUse) -> bool:
    jit, version = use.binding.jit, use.package.version
    return bool(jit) and (jit == "always" or (version is not None and version < Version(str(jit))))
