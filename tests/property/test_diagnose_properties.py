"""What must hold of every diagnosis: no driver is too new, no GPU hides another, nothing is guessed."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor import rules
from depdoctor.diagnose import diagnose
from depdoctor.model.conflict import Conflicts
from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Finding, Kind, Severity
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Lock
from depdoctor.model.project import DeclaredRequirement, Location, Manifest, Project
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Gpu, Platform, Target
from depdoctor.rules import Rules

LINUX = Platform()
DAY = datetime(2026, 11, 22, tzinfo=UTC)
NOTHING = Rules()
UNHURRIED = settings(deadline=None)


@cache
def facts() -> Rules:
    return rules.load()


def releases() -> list[str]:
    pins = {f"{row.package}=={row.last}" for row in facts().builds}
    labelled = {f"{row.package}=={row.last}+{row.variant}" for row in facts().builds if row.variant}
    return sorted(pins | labelled | {"cuda-python==13.1.1", "numpy==2.1.0", "protobuf==4.25.0", "requests==2.32.3"})


def drivers() -> list[Version]:
    found = {row.linux_driver for row in facts().toolkits if row.linux_driver}
    return sorted(found | {Version(str(row.branch)) for row in facts().driver_branches})


def gpus() -> list[Gpu]:
    return [Gpu(name=row.name, capability=None) for row in facts().gpus]


@st.composite
def fleets(draw: st.DrawFn) -> tuple[Entry, ...]:
    chosen = draw(st.lists(st.lists(st.sampled_from(releases()), max_size=5), min_size=1, max_size=3))
    return tuple(entry(f"project-{number}", pins) for number, pins in enumerate(chosen))


def entry(name: str, pins: list[str]) -> Entry:
    requirements = list({canonicalize_name(Requirement(pin).name): Requirement(pin) for pin in pins}.values())
    path = f"{name}/requirements.txt"
    declared = tuple(
        DeclaredRequirement(requirement=one, location=Location(path=path, line=line), text=str(one))
        for line, one in enumerate(requirements, start=1)
    )
    lock = Lock(
        project=name,
        environment=Environment(python="3.11", platform=LINUX),
        pins=tuple(
            Pin(name=canonicalize_name(one.name), version=Version(next(iter(one.specifier)).version), file=None)
            for one in requirements
        ),
    )
    reading = Reading(
        project=Project(name=name, root=name, manifests=(path,)),
        manifests=(Manifest(path=path, format="requirements", requirements=declared),),
    )
    return Entry(reading=reading, outcomes=(lock,))


def found(entries: tuple[Entry, ...], target: Target, tables: Rules, base: str = "") -> tuple[Finding, ...]:
    inventory = Inventory(root="fleet", entries=entries, targets=(target,), index_date=DAY, base=base)
    return diagnose(inventory, Conflicts(), tables).findings


def blamed(findings: tuple[Finding, ...], kind: Kind) -> set[tuple[str, str]]:
    return {
        (finding.subject, project)
        for finding in findings
        if finding.kind is kind and finding.severity > Severity.NOTE
        for project in finding.projects
    }


def by_package(findings: tuple[Finding, ...], kind: Kind) -> set[tuple[str, str]]:
    return {
        (package, project)
        for finding in findings
        if finding.kind is kind
        for package in finding.packages
        for project in finding.projects
    }


@UNHURRIED
@given(fleets(), st.sampled_from(drivers()), st.sampled_from(drivers()))
def test_a_newer_driver_never_adds_a_driver_finding(entries: tuple[Entry, ...], one: Version, other: Version) -> None:
    older, newer = sorted((one, other))
    before = found(entries, Target(name="t", platform=LINUX, driver=older), facts())
    after = found(entries, Target(name="t", platform=LINUX, driver=newer), facts())
    assert by_package(after, Kind.DRIVER_TOO_OLD) <= by_package(before, Kind.DRIVER_TOO_OLD)


@UNHURRIED
@given(fleets(), st.sampled_from(gpus()), st.sampled_from(gpus()))
def test_another_gpu_never_hides_an_architecture_finding(entries: tuple[Entry, ...], one: Gpu, other: Gpu) -> None:
    before = found(entries, Target(name="t", platform=LINUX, gpus=(one,)), facts())
    after = found(entries, Target(name="t", platform=LINUX, gpus=(one, other)), facts())
    assert blamed(before, Kind.GPU_ARCH) <= blamed(after, Kind.GPU_ARCH)


@UNHURRIED
@given(fleets(), st.sampled_from(drivers()), st.sampled_from(gpus()))
def test_without_facts_there_is_no_error(entries: tuple[Entry, ...], driver: Version, gpu: Gpu) -> None:
    target = Target(name="t", platform=LINUX, driver=driver, gpus=(gpu,), cuda=Version("12.1"), cudnn=Version("8"))
    findings = found(entries, target, NOTHING, "nvidia/cuda:12.1.1-cudnn8-runtime-ubuntu20.04")
    assert all(finding.severity is Severity.NOTE for finding in findings)


@UNHURRIED
@given(fleets())
def test_without_claims_there_is_no_word_on_machines(entries: tuple[Entry, ...]) -> None:
    findings = found(entries, Target(name="t", platform=LINUX), facts())
    assert not blamed(findings, Kind.DRIVER_TOO_OLD) | blamed(findings, Kind.GPU_ARCH)


@UNHURRIED
@given(fleets(), st.sampled_from(drivers()), st.sampled_from(gpus()), st.data())
def test_a_table_without_its_rows_degrades_to_silence(
    entries: tuple[Entry, ...], driver: Version, gpu: Gpu, data: st.DataObject
) -> None:
    """Each kind rests on a table; without the table the kind is not found, and nothing fails."""
    target = Target(name="t", platform=LINUX, driver=driver, gpus=(gpu,))
    stem = data.draw(st.sampled_from([field.name for field in fields(Rules)]))
    tables = {field.name: getattr(facts(), field.name) for field in fields(Rules)}
    findings = found(entries, target, Rules(**{**tables, stem: ()}))
    rests = {"breaks": Kind.ABI_RUNTIME, "shared_files": Kind.CLOBBER, "cuda_majors": Kind.DRIVER_TOO_OLD}
    assert stem not in rests or not blamed(findings, rests[stem])


@UNHURRIED
@given(fleets(), st.sampled_from(drivers()), st.sampled_from(gpus()), st.randoms())
def test_the_order_of_projects_does_not_matter(
    entries: tuple[Entry, ...], driver: Version, gpu: Gpu, random: object
) -> None:
    target = Target(name="t", platform=LINUX, driver=driver, gpus=(gpu,))
    shuffled = list(entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert found(entries, target, facts()) == found(tuple(shuffled), target, facts())
