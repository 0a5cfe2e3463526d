"""What a rule is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from packaging.utils import NormalizedName

from depdoctor.diagnose.demand import CudaUse, cuda_uses
from depdoctor.diagnose.installation import Installation, installations
from depdoctor.model.conflict import Conflicts
from depdoctor.model.finding import CODES, Finding, Kind
from depdoctor.model.inventory import Inventory
from depdoctor.model.plan import Plan
from depdoctor.model.target import Target
from depdoctor.rules import Base, Rules


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that rules judge by. `plan` is the committed plan, None if there is none."""

    inventory: Inventory
    conflicts: Conflicts
    rules: Rules
    plan: Plan | None = None

    @cached_property
    def installations(self) -> tuple[Installation, ...]:
        """What each project installs in each environment, and what projects that share one install together."""
        return installations(self.inventory, self.rules)

    @cached_property
    def date(self) -> str:
        """The ISO date as of which the index was asked."""
        return self.inventory.index_date.date().isoformat()

    @cached_property
    def base(self) -> Base:
        """The base image; an unknown one where nothing is said of it."""
        return self.rules.base(self.inventory.base) if self.inventory.base else Base(reference="", known=False)

    def uses(self, installation: Installation) -> tuple[CudaUse, ...]:
        """How the packages of an installation are bound to CUDA."""
        if installation.key not in self._uses:
            self._uses[installation.key] = cuda_uses(installation, self.rules, self.date)
        return self._uses[installation.key]

    def followers(self, installation: Installation) -> list[NormalizedName]:
        """The packages of an installation that are built for a framework, on whatever device."""
        bound = ((name, self.rules.cuda_package(name)) for name in installation.packages)
        return [name for name, found in bound if found and found[0].follows]

    def targets(self, installation: Installation) -> tuple[Target, ...]:
        """The targets that an installation is for."""
        platform = installation.environment.platform
        return tuple(target for target in self.inventory.targets if target.platform == platform)

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
