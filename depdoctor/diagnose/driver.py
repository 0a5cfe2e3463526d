"""Drivers that are too old, for the CUDA of the wheels or for the base image itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from packaging.version import Version

from depdoctor.diagnose.container import forward_compatible, markets_of, starts
from depdoctor.diagnose.demand import CudaUse
from depdoctor.diagnose.installation import Installation
from depdoctor.diagnose.offer import Cover, Shortfall, capability, cover, cuda_of, shortfall
from depdoctor.diagnose.outcomes import NOT_DECLARED, Told, by_target, runs
from depdoctor.diagnose.own_demand import refused
from depdoctor.diagnose.remedy import other_builds, ways
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import drivers, listed, shortened
from depdoctor.model.finding import Evidence, Finding, Kind, Severity, State
from depdoctor.model.target import Target, numbered
from depdoctor.rules import Base, Rules
from depdoctor.rules.rows import Build


def check(context: Context) -> Iterator[Finding]:
    """Wheels against drivers, code that is compiled on the fly against drivers, the base image against drivers."""
    if not any(target.driver or target.driver_cuda for target in context.inventory.targets):
        return
    for installation in context.installations:
        targets = context.targets(installation)
        blamed = list(_too_old(context, installation, targets))
        yield from blamed
        named = {name for finding in blamed for name in finding.packages}
        yield from _compiled_on_the_fly(context, installation, targets, named)
    for base, projects in context.bases:
        yield from _base(context, base, projects)
    for entry in context.inventory.entries:
        yield from refused(context, entry)


def _too_old(context: Context, installation: Installation, targets: tuple[Target, ...]) -> Iterator[Finding]:
    rules = context.rules
    base = context.base(*installation.projects)
    failing: dict[tuple[Version, str], list[tuple[CudaUse, list[tuple[Target, Shortfall]]]]] = defaultdict(list)
    for use in _candidates(context, installation):
        if use.cuda is None:
            continue
        short = [
            (target, lack)
            for target in targets
            if (lack := shortfall(use.cuda, target, rules)) and _carried(use.cuda, base, target, rules) is not True
        ]
        if short:
            failing[short[0][1].floor, " ".join(target.name for target, _ in short)].append((use, short))
    for (floor, _), found in failing.items():
        leading, short = min(found, key=_leading)
        names = sorted({use.name for use, _ in found})
        lacking = [target for target, _ in short]

        def fits(build: Build, lacking: list[Target] = lacking) -> bool:
            if build.cuda is None or any(shortfall(build.cuda, target, rules) for target in lacking):
                return False
            models = [capability(gpu, rules) for target in lacking for gpu in target.gpus]
            return not build.targets or all(cover(build.targets, one) is not Cover.NONE for one in models if one)

        refused = any(_carried(leading.cuda, base, target, rules) is False for target in lacking)
        certain = refused and any(_brings_cuda(context, installation, use) for use, _ in found)
        others = [str(use.package) for use, _ in found if use is not leading]
        yield Finding(
            kind=Kind.DRIVER_TOO_OLD,
            severity=Severity.ERROR if certain else Severity.WARNING,
            subject=leading.name,
            message=(
                f"{leading.package} is built for CUDA {leading.cuda} and needs driver {numbered(floor)} or newer, but "
                f"{drivers(lacking)} {'has' if len(lacking) == 1 else 'have'} an older one: "
                "`The NVIDIA driver on your system is too old`"
                + (f"; so {'are' if len(others) > 1 else 'is'} {listed(others)}" if others else "")
            ),
            hint=ways(other_builds(leading, rules, installation, fits), f"ask for a driver of branch {floor.major}"),
            packages=tuple(names),
            projects=installation.projects_with(names),
            causes=installation.causes(leading.name),
            evidence=(*leading.evidence, *short[0][1].evidence),
            targets=tuple(target.name for target in lacking),
            outcomes=by_target(targets, partial(_told, leading.cuda, base, rules)),
        )


def _told(cuda: Version | None, base: Base, rules: Rules, target: Target) -> Told:
    """What becomes of programs of a CUDA version on a target."""
    if cuda is None or not (target.driver or target.driver_cuda):
        return NOT_DECLARED
    lack = shortfall(cuda, target, rules)
    if lack is None:
        return runs(cuda, target, rules)
    carried = _carried(cuda, base, target, rules)
    if carried:
        return State.RUNS, f"by the newer driver libraries that {base.reference} carries"
    if carried is None:
        return (
            State.MAY_FAIL,
            f"not known whether its GPUs take the newer driver libraries that {base.reference} carries",
        )
    return State.FAILS, f"driver too old: needs {numbered(lack.floor)} or newer"


def _candidates(context: Context, installation: Installation) -> list[CudaUse]:
    """Those whose code starts CUDA: frameworks, extensions, bindings, and libraries that a project asks for itself."""
    uses = context.uses(installation)
    mains = [use for use in uses if use.binding.role != "component"]
    if any(use.cuda for use in mains):
        return mains
    return [*mains, *(use for use in uses if use.binding.role == "component" and use.package.direct)]


def _leading(found: tuple[CudaUse, list[tuple[Target, Shortfall]]]) -> tuple[int, bool, str]:
    use, _ = found
    order = {"framework": 0, "extension": 1, "binding": 2}
    return order.get(use.binding.role, 3), not use.package.direct, use.name


def _brings_cuda(context: Context, installation: Installation, use: CudaUse) -> bool:
    """Whether CUDA will be loaded for certain: a package that finds no libraries runs on the CPU instead."""
    if use.binding.libraries != "system" or use.cuda is None:
        return True
    base = context.base(*installation.projects)
    if base.cuda and base.cuda.major == use.cuda.major:
        return True
    return any(
        other.binding.is_runtime and other.cuda and other.cuda.major == use.cuda.major
        for other in context.uses(installation)
    )


def _compiled_on_the_fly(
    context: Context, installation: Installation, targets: tuple[Target, ...], named: set[str]
) -> Iterator[Finding]:
    """PTX that a newer toolkit made is refused by an older driver, minor version compatibility or not."""
    uses = context.uses(installation)
    toolkits = [use for use in uses if use.binding.role == "component" and use.minor_known]
    for use in uses:
        jit = use.binding.jit
        version = use.package.version
        if not jit or use.name in named or version is None or (jit != "always" and version >= Version(jit)):
            continue
        for toolkit in toolkits[:1]:
            older = [
                target
                for target in targets
                if toolkit.cuda
                and (offered := cuda_of(target, context.rules))
                and offered.major == toolkit.cuda.major
                and offered < toolkit.cuda
            ]
            if older:
                yield Finding(
                    kind=Kind.DRIVER_TOO_OLD,
                    severity=Severity.WARNING,
                    subject=use.name,
                    message=(
                        f"{use.package} compiles GPU code with CUDA {toolkit.cuda} on the fly, newer than "
                        f"{drivers(older)}: `the provided PTX was compiled with an unsupported toolchain`"
                    ),
                    hint="hold the CUDA wheels at the minor of the driver, or ask for a newer driver",
                    packages=(use.name, toolkit.name),
                    projects=installation.projects_with([use.name]),
                    causes=installation.causes(use.name, toolkit.name),
                    evidence=(
                        use.binding.provenance.evidence(f"{use.name} hands PTX to the driver"),
                        *toolkit.evidence,
                    ),
                    targets=tuple(target.name for target in older),
                    outcomes=by_target(targets, partial(_hands_over, toolkit.cuda, context.rules)),
                )


def _hands_over(cuda: Version | None, rules: Rules, target: Target) -> Told:
    """What becomes of PTX that a toolkit made on a target."""
    offered = cuda_of(target, rules)
    if offered is None or cuda is None:
        return NOT_DECLARED
    if offered < cuda:
        return State.MAY_FAIL, f"CUDA {offered} driver, older than {cuda}"
    return runs(cuda, target, rules)


def _carried(cuda: Version | None, base: Base, target: Target, rules: Rules) -> bool | None:
    """Whether the base carries a user-mode driver that is new enough for a CUDA version and serves the target.

    None if it carries one and nobody knows whether the target takes it.
    """
    if cuda is None or base.cuda is None or base.cuda.release[:2] < cuda.release[:2]:
        return False
    return forward_compatible(base, target, rules)


def _base(context: Context, base: Base, projects: tuple[str, ...]) -> Iterator[Finding]:
    """The CUDA of a base image against the driver: the container runtime refuses to start, or programs do not."""
    if not base.reference or (base.known and not base.cuda):
        return
    verdicts: dict[str, tuple[Target, bool | None]] = {}
    cuda = base.cuda
    for target in context.inventory.targets:
        brought = base.cuda or target.cuda
        offered = cuda_of(target, context.rules)
        if brought is None or offered is None or offered.release[:2] >= brought.release[:2]:
            continue
        verdict = _runs(base, brought, target, context.rules)
        verdicts[target.name] = (target, verdict)
        if verdict is not True:
            cuda = brought
    older = [target for target, verdict in verdicts.values() if verdict is not True]
    if not older or cuda is None:
        return
    wanted = Version(f"{cuda.major}.{cuda.minor}")
    toolkit = context.rules.toolkit(wanted)
    first = toolkit.linux_driver if toolkit else None
    refused = f"the container does not start: `unsatisfied condition: cuda>={wanted}`"

    def told(target: Target) -> Told:
        if target.name not in verdicts:
            return runs(wanted, target, context.rules) if cuda_of(target, context.rules) else NOT_DECLARED
        runs_there = verdicts[target.name][1]
        if runs_there is None:
            return State.MAY_FAIL, "not known whether its GPUs take the newer driver libraries that the image carries"
        return runs(wanted, target, context.rules) if runs_there else (State.FAILS, refused)

    yield Finding(
        kind=Kind.DRIVER_TOO_OLD,
        severity=Severity.ERROR if any(verdict is False for _, verdict in verdicts.values()) else Severity.WARNING,
        subject=base.reference,
        message=(
            f"{base.reference} brings CUDA {wanted}, newer than {drivers(older)}: "
            f"`unsatisfied condition: cuda>={wanted}`, or error 804 on hardware without forward compatibility"
        ),
        hint=ways(
            "take a base image with the CUDA of the driver or none, since wheels bring their own",
            f"ask for a driver of branch {first.major}" if first else "ask for a newer driver",
        ),
        packages=(base.reference,),
        projects=projects,
        causes=context.from_lines(base.reference, projects),
        evidence=_base_evidence(context, base, wanted),
        targets=tuple(target.name for target in older),
        outcomes=by_target(context.inventory.targets, told),
    )


def _runs(base: Base, cuda: Version, target: Target, rules: Rules) -> bool | None:
    """Whether an image with a newer CUDA than the driver's runs on a target; None where it may."""
    if starts(base, target, rules) is False:
        return False
    if shortfall(cuda, target, rules) is not None:
        return forward_compatible(base, target, rules)
    markets = markets_of(target, rules)
    if markets == {"data-centre"}:
        return True
    return False if base.requires_driver and markets == {"geforce"} else None


def _base_evidence(context: Context, base: Base, cuda: Version) -> tuple[Evidence, ...]:
    if base.provenance and base.demand:
        return (base.provenance.evidence(f"{base.reference} demands `{shortened(base.demand)}`"),)
    if base.provenance and base.cuda:
        return (base.provenance.evidence(f"{base.reference} brings CUDA {base.cuda}"),)
    toolkit = context.rules.toolkit(cuda)
    if toolkit is None or toolkit.linux_driver is None:
        return ()
    return (toolkit.provenance.evidence(f"CUDA {cuda} comes with driver {numbered(toolkit.linux_driver)}"),)


RULE = Rule(
    kind=Kind.DRIVER_TOO_OLD,
    title="The driver is too old for the CUDA that is installed",
    text="""\
A wheel that is built for CUDA 12 needs a driver of branch 525 or newer, one for CUDA 13 a driver of branch 580 or
newer, whatever its minor: below that floor nothing starts. Above it every minor of the same major runs (minor version
compatibility), which is therefore no finding. Two things stay: GPU code that is compiled on the fly (PTX) is refused
by a driver older than the toolkit that made it, and images such as nvidia/cuda make the container runtime compare
their CUDA version with the driver's. Such images also carry a newer user-mode driver (cuda-compat), which data-centre
GPUs take on some branches of the driver and a GeForce never does (error 804).

Take another build of the same release (the PyTorch index has one per CUDA version), an older release, a base image
without CUDA, or ask for the driver branch that the hint names.""",
    check=check,
)
