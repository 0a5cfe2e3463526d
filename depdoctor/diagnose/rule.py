"""What a rule is, and what it is given."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName

from depdoctor.diagnose.base import known_base, own_images, reference_of
from depdoctor.diagnose.demand import Bindings, CudaUse, bindings_of, cuda_uses
from depdoctor.diagnose.installation import Installation, installations
from depdoctor.diagnose.standing import standing
from depdoctor.model.conflict import Conflicts
from depdoctor.model.finding import CODES, Cause, Finding, Kind
from depdoctor.model.inventory import Inventory
from depdoctor.model.noun import dataclass
from depdoctor.model.target import Platform, Target
from depdoctor.rules import Base, Rules

if TYPE_CHECKING:
    from depdoctor.model.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that rules judge by. `plan` is the committed plan, None if there is none."""

    inventory: Inventory
    conflicts: Conflicts
    rules: Rules
    plan: Plan | None = None

    @cached_property
    def installations(self) -> tuple[Installation, ...]:
        """What each project installs in each environment, what projects that share one do together, and what stands."""
        platform = next((target.platform for target in self.inventory.targets), Platform())
        found = (standing(each, platform) for each in self.inventory.installed)
        return (*installations(self.inventory, self.rules), *found)

    @cached_property
    def date(self) -> str:
        """The ISO date as of which the index was asked."""
        return self.inventory.index_date.date().isoformat()

    def base(self, *projects: str) -> Base:
        """The image that projects stand on; the configured one where theirs differ, an unknown one if there is none."""
        references = {self._references[name] for name in projects if name in self._references}
        return self.known_base(references.pop() if len(references) == 1 else self.inventory.base)

    def known_base(self, reference: str) -> Base:
        """What is known of an image."""
        if reference not in self._bases:
            self._bases[reference] = known_base(self.inventory, self.rules, reference)
        return self._bases[reference]

    @cached_property
    def bases(self) -> tuple[tuple[Base, tuple[str, ...]], ...]:
        """Every image that projects stand on, with these projects."""
        groups: dict[str, list[str]] = defaultdict(list)
        for name, reference in self._references.items():
            groups[reference].append(name)
        return tuple((self.known_base(reference), tuple(sorted(names))) for reference, names in sorted(groups.items()))

    def from_lines(self, reference: str, projects: Iterable[str]) -> tuple[Cause, ...]:
        """The lines by which projects' own files start from an image."""
        wanted = set(projects)
        return tuple(
            Cause(project=entry.project.name, location=image.location, requirement=f"FROM {reference}")
            for entry in self.inventory.entries
            if entry.project.name in wanted
            for image in own_images(entry)
            if image.reference == reference
        )

    def uses(self, installation: Installation) -> tuple[CudaUse, ...]:
        """How the packages of an installation are bound to CUDA."""
        if installation.key not in self._uses:
            self._uses[installation.key] = cuda_uses(installation, self.bound, self.rules, self.date)
        return self._uses[installation.key]

    def followers(self, installation: Installation) -> list[NormalizedName]:
        """The packages of an installation that are built for a framework, on whatever device."""
        return [name for name in installation.packages.keys() & self.bound.keys() if self.bound[name][0].follows]

    @cached_property
    def bound(self) -> Bindings:
        """How whatever is installed anywhere is bound to CUDA."""
        names = frozenset[NormalizedName]().union(*(each.packages.keys() for each in self.installations))
        return bindings_of(names, self.rules)

    def targets(self, installation: Installation) -> tuple[Target, ...]:
        """The targets that an installation is for."""
        platform = installation.environment.platform
        return tuple(target for target in self.inventory.targets if target.platform == platform)

    @cached_property
    def _references(self) -> dict[str, str]:
        return {entry.project.name: reference_of(self.inventory, self.plan, entry) for entry in self.inventory.entries}

    @cached_property
    def _bases(self) -> dict[str, Base]:
        return {}

    @cached_property
    def _uses(self) -> dict[str, tuple[CudaUse, ...]]:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A pure function from what is known to findings of one kind, with the words that explain it.

    `title` is one line; `text` is what `explain CODE` prints: what happens, why, and what to do.
    """

    kind: Kind
    title: str
    text: str
    check: Callable[[Context], Iterator[Finding]]

    @property
    def code(self) -> str:
        """The code of its kind, such as DD201."""
        return CODES[self.kind][0]
