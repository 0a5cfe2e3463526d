"""The CUDA toolkits that stand on targets, against the major that something needs of them."""

from __future__ import annotations

from collections.abc import Sequence

from depdoctor.diagnose.demand import CudaUse
from depdoctor.diagnose.installation import Installation
from depdoctor.diagnose.outcomes import Told, by_target
from depdoctor.diagnose.provider import Provider, host_cuda, of_major
from depdoctor.diagnose.remedy import other_builds
from depdoctor.diagnose.words import listed
from depdoctor.model.finding import Evidence, Outcome, State
from depdoctor.model.noun import dataclass
from depdoctor.model.target import Target
from depdoctor.rules import Base, Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherToolkits:
    """Toolkits of another major than is needed: what they are, and on which targets, with a row for each of all."""

    found: tuple[Provider, ...]
    targets: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def words(self) -> str:
        """Who has which toolkit."""
        return listed(dict.fromkeys(host.words for host in self.found))

    @property
    def names(self) -> set[str]:
        """What findings name beside the package."""
        return {name for host in self.found for name in host.names}

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What is known of the toolkits."""
        return tuple(dict.fromkeys(fact for host in self.found for fact in host.evidence))

    def builds(self, use: CudaUse, rules: Rules, installation: Installation) -> str:
        """Which build would fit them; "" if none is known, or if they are of several majors."""
        majors = {host.version.major for host in self.found}
        return other_builds(use, rules, installation, of_major(majors.pop())) if len(majors) == 1 else ""


def other_toolkits(base: Base, targets: Sequence[Target], major: int, effect: str = "") -> OtherToolkits | None:
    """The toolkits on targets whose major is not this one, None if there is none. `effect` is what happens there."""
    hosts = {target.name: host_cuda(base, target) for target in targets}
    wrong = {name: host for name, host in hosts.items() if host and host.version.major != major}

    def told(target: Target) -> Told:
        host = hosts[target.name]
        if host is None:
            return State.UNKNOWN, "no toolkit is declared"
        if target.name in wrong:
            return State.FAILS, f"CUDA {host.version}{effect}"
        return State.RUNS, f"CUDA {host.version}"

    if not wrong:
        return None
    return OtherToolkits(found=tuple(wrong.values()), targets=tuple(wrong), outcomes=by_target(targets, told))
