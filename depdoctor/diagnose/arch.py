"""GPUs for which a wheel holds no code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.diagnose.demand import CudaUse
from depdoctor.diagnose.installation import Installation, Package
from depdoctor.diagnose.offer import Cover, at_least, capability, cover
from depdoctor.diagnose.outcomes import Told, by_target, worst
from depdoctor.diagnose.remedy import other_builds, ways
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import gpus, listed
from depdoctor.model.finding import Confidence, Evidence, Finding, Kind, Severity, State
from depdoctor.model.noun import dataclass
from depdoctor.model.target import Gpu, Target
from depdoctor.rules import Base, Rules
from depdoctor.rules.rows import Architecture, Build

Place = tuple[Target, Gpu]


@dataclass(frozen=True, slots=True, order=True)
class Verdict:
    """What speaks against running some code on a GPU: how bad, in the words of a message, and in a few of a table.

    `driver` is what to ask the administrators for, "" where a newer driver is no help.
    """

    severity: Severity
    why: str
    short: str
    driver: str = ""


def check(context: Context) -> Iterator[Finding]:
    """The GPU code of every package against the GPUs of the targets."""
    if not any(target.gpus for target in context.inventory.targets):
        return
    for installation in context.installations:
        targets = context.targets(installation)
        places = [(target, gpu) for target in targets for gpu in target.gpus]
        blamed: dict[NormalizedName, list[Place]] = {}
        for use in sorted(context.uses(installation), key=lambda use: use.binding.follows is not None):
            told = blamed.get(use.binding.follows, []) if use.binding.follows else []
            left = [place for place in places if place not in told]
            verdicts = _verdicts(context.rules, use, left) if use.compiled else {}
            blamed[use.name] = [place for found in verdicts.values() for place in found]
            if verdicts:
                yield _finding(context, installation, use, verdicts)
        for package in installation.among(context.rules.floors_by_package.keys()):
            left = [place for place in places if place not in blamed.get(package.name, ())]
            yield from _too_old(context, installation, package, left)
    for base, projects in context.bases:
        if base.compiled and base.cuda:
            yield from _of_image(context, base, base.cuda, projects)


def _too_old(context: Context, installation: Installation, package: Package, places: list[Place]) -> Iterator[Finding]:
    """GPUs that a package refuses by its own account, though what it is compiled for may not be known."""
    for row in context.rules.floors_by_package[package.name]:
        if package.version is None or not row.versions.contains(package.version, prereleases=True):
            continue
        found = [
            (target, gpu)
            for target, gpu in places
            if (model := capability(gpu, context.rules)) and model < row.capability
        ]
        if found:
            generation = context.rules.architecture(row.capability)
            named = f" ({generation.name})" if generation else ""
            yield Finding(
                kind=Kind.GPU_ARCH,
                severity=Severity.ERROR,
                subject=package.name,
                message=(
                    f"{package} does not work on the GPU of {gpus(found)}: it needs compute capability "
                    f"{row.capability}{named} or newer{f': `{row.error}`' if row.error else ''}"
                ),
                hint=ways(
                    f"take a {package.name} outside `{row.versions}`" if row.versions else "",
                    f"do without {package.name} there, and run it on newer GPUs only",
                ),
                packages=(package.name,),
                projects=installation.projects_with([package.name]),
                causes=installation.causes(package.name),
                evidence=(row.provenance.evidence(f"{package.name} needs compute capability {row.capability}"),),
                targets=tuple(dict.fromkeys(target.name for target, _ in found)),
                outcomes=by_target(
                    context.targets(installation), partial(_row, partial(_above, context.rules, row.capability))
                ),
            )


def _above(rules: Rules, floor: Version, _: Target, gpu: Gpu) -> Told:
    """What becomes of a package that needs a compute capability at least."""
    model = capability(gpu, rules)
    if model is None:
        return State.UNKNOWN, "its compute capability is not known"
    return (State.FAILS, f"needs {floor} or newer") if model < floor else (State.RUNS, f"{floor} is enough")


def _of_image(context: Context, base: Base, cuda: Version, projects: tuple[str, ...]) -> Iterator[Finding]:
    """An image that is made for a framework holds no machine code for GPUs that its toolkit does not know."""
    verdicts: dict[Verdict, list[Place]] = {}
    generations: dict[str, Architecture] = {}
    for target in context.inventory.targets:
        for gpu in target.gpus:
            model = capability(gpu, context.rules)
            generation = context.rules.architecture(model) if model else None
            verdict = _by_toolkit(context.rules, cuda, model) if model else None
            if verdict and generation:
                verdicts.setdefault(verdict, []).append((target, gpu))
                generations[generation.name] = generation
    if not verdicts:
        return

    def told(_: Target, gpu: Gpu) -> Told:
        model = capability(gpu, context.rules)
        generation = context.rules.architecture(model) if model else None
        if model is None or generation is None:
            return State.UNKNOWN, "its compute capability is not known"
        verdict = _by_toolkit(context.rules, cuda, model)
        return _state(verdict) if verdict else (State.RUNS, f"CUDA {cuda} compiles for {generation.name}")

    yield Finding(
        kind=Kind.GPU_ARCH,
        severity=max(verdict.severity for verdict in verdicts),
        subject=base.reference,
        message=f"what {base.reference} holds is compiled with CUDA {cuda} for no GPU of {_reasons(verdicts)}",
        hint="take an image of a CUDA that compiles for the GPU",
        packages=(base.reference,),
        projects=projects,
        causes=context.from_lines(base.reference, projects),
        evidence=(
            *((base.provenance.evidence(f"{base.reference} brings CUDA {cuda}"),) if base.provenance else ()),
            *(
                row.provenance.evidence(f"{name}: CUDA {row.first_toolkit} to {row.last_toolkit or 'now'}")
                for name, row in sorted(generations.items())
            ),
        ),
        targets=_names(verdicts),
        outcomes=by_target(context.inventory.targets, partial(_row, told)),
    )


def _names(verdicts: Mapping[Verdict, list[Place]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(target.name for found in verdicts.values() for target, _ in found))


def _reasons(verdicts: Mapping[Verdict, list[Place]]) -> str:
    """Where and why, the worst first."""
    ranked = sorted(verdicts.items(), key=lambda item: -item[0].severity)
    return "; nor of ".join(f"{gpus(found)}: {verdict.why}" for verdict, found in ranked)


def _row(tell: Callable[[Target, Gpu], Told], target: Target) -> Told:
    """What becomes of code on a target with all its GPUs."""
    return worst([tell(target, gpu) for gpu in target.gpus]) if target.gpus else (State.UNKNOWN, "no GPU is declared")


def _state(verdict: Verdict) -> Told:
    return State.FAILS if verdict.severity is Severity.ERROR else State.MAY_FAIL, verdict.short


def _verdicts(rules: Rules, use: CudaUse, places: list[Place]) -> dict[Verdict, list[Place]]:
    verdicts: dict[Verdict, list[Place]] = {}
    for target, gpu in places:
        model = capability(gpu, rules)
        verdict = _verdict(rules, use, target, model) if model else None
        if verdict:
            verdicts.setdefault(verdict, []).append((target, gpu))
    return verdicts


def _finding(
    context: Context, installation: Installation, use: CudaUse, verdicts: Mapping[Verdict, list[Place]]
) -> Finding:
    rules = context.rules
    places = [place for found in verdicts.values() for place in found]
    models = [model for _, gpu in places if (model := capability(gpu, rules))]

    def fits(build: Build) -> bool:
        return bool(build.targets) and all(cover(build.targets, model) is Cover.MACHINE_CODE for model in models)

    def told(target: Target, gpu: Gpu) -> Told:
        model = capability(gpu, rules)
        if model is None:
            return State.UNKNOWN, "its compute capability is not known"
        if verdict := _verdict(rules, use, target, model):
            return _state(verdict)
        if not use.targets:
            return State.UNKNOWN, "not known what it is compiled for"
        return State.RUNS, "machine code" if cover(use.targets, model) is Cover.MACHINE_CODE else "PTX, compiled there"

    return Finding(
        kind=Kind.GPU_ARCH,
        severity=max(verdict.severity for verdict in verdicts),
        subject=use.name,
        message=f"{use.package} has no code for the GPU of {_reasons(verdicts)}",
        hint=ways(
            *sorted({verdict.driver for verdict in verdicts}),
            other_builds(use, rules, installation, fits)
            or f"take a {use.name} that is compiled for compute capability {listed(sorted(set(models)))}, or keep it "
            f"off {listed(f'`{name}`' for name in _names(verdicts))}",
        ),
        packages=(use.name,),
        projects=installation.projects_with([use.name]),
        causes=installation.causes(use.name),
        evidence=(*use.evidence, *_evidence(rules, use, models, context.date)),
        targets=_names(verdicts),
        outcomes=by_target(context.targets(installation), partial(_row, told)),
    )


def _verdict(rules: Rules, use: CudaUse, target: Target, gpu: Version) -> Verdict | None:
    if use.targets:
        return _by_targets(rules, use, target, gpu)
    return _by_toolkit(rules, use.cuda, gpu) if use.cuda else None


def _by_targets(rules: Rules, use: CudaUse, target: Target, gpu: Version) -> Verdict | None:
    covered = cover(use.targets, gpu)
    if covered is Cover.NONE:
        codes = listed(str(code) for code in use.targets)
        why = f"`no kernel image is available for execution on the device` (it has {codes})"
        return Verdict(Severity.ERROR, why, f"no code for compute capability {gpu}")
    if covered is Cover.PTX and use.cuda and _older_than_toolkit(rules, use.cuda, target):
        why = f"only PTX serves it, which CUDA {use.cuda} made and the older driver refuses"
        toolkit = rules.toolkit(use.cuda)
        first = toolkit.linux_driver if toolkit else None
        newer = f"ask for a driver of branch {first.major} or newer" if first else "ask for a newer driver"
        return Verdict(Severity.ERROR, why, f"only PTX of CUDA {use.cuda}, newer than the driver", newer)
    return None


def _by_toolkit(rules: Rules, cuda: Version, gpu: Version) -> Verdict | None:
    """What follows from the toolkit alone: it cannot have compiled for a generation it does not know.

    Code for an older GPU of the same major, which the toolkit may know, serves as well.
    """
    generation = rules.architecture(gpu)
    if generation is None:
        return None
    last = generation.last_toolkit
    if last and _comparable(cuda, last) and _minor(cuda) > _minor(last):
        why = f"CUDA {last} was the last to compile for {generation.name}"
        return Verdict(Severity.ERROR, why, why)
    known = rules.first_toolkits(gpu)
    if not known or any(first is None or not _comparable(cuda, first) for first in known):
        return None
    first = min(first for first in known if first)
    if _minor(cuda) < _minor(first):
        why = f"CUDA {first} was the first to compile for {generation.name}"
        return Verdict(Severity.WARNING, f"{why}: PTX may serve", why)
    return None


def _comparable(cuda: Version, other: Version) -> bool:
    return len(cuda.release) > 1 or cuda.major != other.major


def _minor(version: Version) -> tuple[int, ...]:
    return version.release[:2]


def _older_than_toolkit(rules: Rules, cuda: Version, target: Target) -> bool:
    toolkit = rules.toolkit(cuda)
    if target.driver is not None and target.platform.system == "linux":
        return bool(toolkit and toolkit.linux_driver and not at_least(target.driver, toolkit.linux_driver))
    return bool(
        target.driver_cuda and len(cuda.release) > 1 and target.driver_cuda < Version(f"{cuda.major}.{cuda.minor}")
    )


def _evidence(rules: Rules, use: CudaUse, models: list[Version], date: str) -> tuple[Evidence, ...]:
    codes = listed(str(code) for code in use.targets)
    if use.package.code and use.package.code.complete:
        where = listed(member for member in use.package.code.members if ".so" in member)
        found = Evidence(
            fact=f"{use.package} is compiled for {codes}",
            source=f"GPU code in {where}",
            date=date,
            confidence=Confidence.PRIMARY,
        )
        return (found,)
    if use.build and use.targets:
        return (use.build.provenance.evidence(f"{use.package} is compiled for {codes}"),)
    generations = {row.name: row for model in models if (row := rules.architecture(model))}
    return tuple(
        row.provenance.evidence(f"{name}: CUDA {row.first_toolkit} to {row.last_toolkit or 'now'}")
        for name, row in sorted(generations.items())
    )


RULE = Rule(
    kind=Kind.GPU_ARCH,
    title="The wheel has no code for the GPU",
    text="""\
GPU code is compiled for compute capabilities. Machine code (`sm_80`) runs on GPUs of the same major from its minor
on, and on no other; PTX (`compute_80`) is compiled by the driver for every later GPU, if the driver is as new as the
toolkit that made it. A wheel with neither stops with `no kernel image is available for execution on the device`. It
happens on new GPUs with old wheels, and on old GPUs since CUDA 13 and some CUDA 12.8 builds left Maxwell, Pascal and
Volta out.

Images that are made for a framework (NVIDIA's, pytorch/pytorch, tensorflow/tensorflow) are held against the GPUs by the
toolkit that they were compiled with.

A newer driver does not help. Take a build of another CUDA version, or the nearest release that has the code.""",
    check=check,
)
