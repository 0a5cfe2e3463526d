"""Inventories out of case files.

A case is a TOML file: what projects declare and what they lock to, where they must run, and what must be said of them.
`pins` are a lock (with `requires` for the edges); a project without them is known only by what it declares. `files` are
manifests as they are written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor import rules
from depdoctor.diagnose import diagnose
from depdoctor.model.conflict import Apart, Conflict, Conflicts, Drift, Edit, Fix, Grouping
from depdoctor.model.distribution import DistributionFile, Pin, WheelCode
from depdoctor.model.finding import Cause, Diagnosis, Kind
from depdoctor.model.formats import format_of
from depdoctor.model.installed import DamagedFile, InstalledDistribution, InstalledEnvironment
from depdoctor.model.inventory import BaseConfig, Entry, Inventory, SharedEnvironment
from depdoctor.model.lock import DeclaredOnly, Impossible, Lock, LockOutcome, Overlap, Unknown, Unresolvable, Why
from depdoctor.model.project import (
    DeclaredRequirement,
    IndexOptions,
    Location,
    Manifest,
    Problem,
    Project,
    UnreadableManifest,
    Weights,
)
from depdoctor.model.reading import Import, Reading
from depdoctor.model.target import Environment, Gpu, Platform, Target
from depdoctor.read import READERS, conda_yaml, dockerfile
from depdoctor.rules import Rules

STDLIB = rules.load().stdlib_by_name
DAY = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="session")
def facts() -> Rules:
    return rules.load()


@pytest.fixture
def inventory_of() -> Callable[[Mapping[str, Any]], Inventory]:
    return build_inventory


@pytest.fixture
def case_of() -> Callable[[Mapping[str, Any]], tuple[Inventory, Conflicts]]:
    def read(case: Mapping[str, Any]) -> tuple[Inventory, Conflicts]:
        inventory = build_inventory(case)
        return inventory, conflicts_of(case, inventory)

    return read


@pytest.fixture
def diagnosed(facts: Rules) -> Callable[[Mapping[str, Any]], Diagnosis]:
    def run(case: Mapping[str, Any], tables: Rules = facts) -> Diagnosis:
        inventory = build_inventory(case)
        return diagnose(inventory, conflicts_of(case, inventory), tables)

    return run


def build_inventory(case: Mapping[str, Any]) -> Inventory:
    targets = tuple(_target(raw) for raw in case.get("target", [{}]))
    entries = tuple(_entry(raw, targets) for raw in case.get("project", []))
    names = tuple(entry.project.name for entry in entries)
    shared = (SharedEnvironment(name="shared", projects=names),) if case.get("shared") else ()
    configs = tuple(
        BaseConfig(
            reference=raw["reference"],
            digest="sha256:" + "0" * 64,
            environment=tuple(sorted(raw["environment"].items())),
            read_on=DAY.date().isoformat(),
        )
        for raw in case.get("config", ())
    )
    return Inventory(
        root="fleet",
        entries=entries,
        targets=targets,
        shared=shared,
        index_date=DAY,
        base=case.get("base", ""),
        base_configs=configs,
        installed=tuple(map(_installed, case.get("installed", ()))),
    )


def _installed(raw: Mapping[str, Any]) -> InstalledEnvironment:
    """An environment as `pins`, with `requires` for what their metadata state, and what is wrong with its files."""
    distributions = []
    for text in raw["pins"]:
        requirement = Requirement(text)
        (specifier,) = requirement.specifier
        name = canonicalize_name(requirement.name)
        distributions.append(
            InstalledDistribution(
                name=name,
                version=Version(specifier.version),
                location=f"{raw['name']}/site-packages/{name}-{specifier.version}.dist-info",
                requires=tuple(map(Requirement, raw.get("requires", {}).get(name, ()))),
                requires_python=raw.get("requires-python", {}).get(name, ""),
            )
        )
    return InstalledEnvironment(
        path=raw["name"],
        python=raw.get("python", "3.11.4"),
        system_site_packages=raw.get("system", False),
        distributions=tuple(distributions),
        damaged=tuple(
            DamagedFile(
                owner=canonicalize_name(one["owner"]),
                path=f"{raw['name']}/site-packages/{one['path']}",
                instead=one.get("instead", ""),
                is_gone=one.get("gone", False),
            )
            for one in raw.get("damaged", ())
        ),
        unowned=tuple(f"{raw['name']}/site-packages/{name}" for name in raw.get("unowned", ())),
    )


def conflicts_of(case: Mapping[str, Any], inventory: Inventory) -> Conflicts:
    environment = Environment(python="3.11", platform=inventory.targets[0].platform)
    found = tuple(
        Conflict(
            subject=canonicalize_name(raw["subject"]),
            projects=tuple(sorted({cause["project"] for cause in raw["causes"]})),
            causes=tuple(map(_cause, raw["causes"])),
            environment=environment,
            fixes=tuple(map(_fix, raw.get("fixes", ()))),
            proof="a proof",
        )
        for raw in case.get("conflict", [])
    )
    groupings = tuple(
        Grouping(
            environment=environment,
            groups=tuple(map(tuple, raw["groups"])),
            apart=tuple(
                Apart(one=one["one"], other=one["other"], conflict=found[one["conflict"]])
                for one in raw.get("apart", ())
            ),
        )
        for raw in case.get("grouping", [])
    )
    drifts = tuple(
        Drift(
            project=raw["project"],
            shared="shared",
            environment=environment,
            alone=_released(raw["alone"]),
            together=_released(raw["together"]),
            named=raw["named"],
            causes=tuple(map(_cause, raw.get("causes", ()))),
        )
        for raw in case.get("drift", [])
    )
    return Conflicts(conflicts=found, groupings=groupings, drifts=drifts)


def _cause(raw: Mapping[str, Any]) -> Cause:
    return Cause(
        project=raw["project"],
        location=Location(path=f"{raw['project']}/requirements.txt", line=raw["line"]),
        requirement=raw["chain"][0],
        chain=tuple(raw["chain"]),
    )


def _fix(raw: Mapping[str, Any]) -> Fix:
    """A fix as `edits` of project, line, before and after; the first is of the package that is to change."""
    edits = tuple(
        Edit(
            project=edit["project"],
            location=Location(path=f"{edit['project']}/requirements.txt", line=edit["line"]),
            before=edit["before"],
            after=edit["after"],
        )
        for edit in raw["edits"]
    )
    name = canonicalize_name(Requirement(edits[0].after).name)
    return Fix(edits=edits, name=name, selects=Version(raw["selects"]))


def _released(raw: Mapping[str, Any]) -> Pin:
    """A pin as `pin` ("numpy==2.1.0"), and the day on which it was `uploaded`, if that is known."""
    requirement = Requirement(raw["pin"])
    (specifier,) = requirement.specifier
    day = raw.get("uploaded")
    uploaded = datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None
    file = DistributionFile(filename=f"{requirement.name}.whl", url="", sha256="", upload_time=uploaded)
    return Pin(name=canonicalize_name(requirement.name), version=Version(specifier.version), file=file)


def _target(raw: Mapping[str, Any]) -> Target:
    system, _, machine = raw.get("platform", "linux-x86_64").partition("-")
    major, minor = (int(part) for part in raw.get("glibc", "2.36").split("."))
    libc = raw.get("libc", "glibc")

    def version(key: str) -> Version | None:
        return Version(raw[key]) if key in raw else None

    return Target(
        name=raw.get("name", "here"),
        platform=Platform(system=system, machine=machine, libc=libc, libc_version=(major, minor)),
        driver=version("driver"),
        driver_cuda=version("driver-cuda"),
        gpus=tuple(_gpu(text) for text in raw.get("gpus", ())),
        cuda=version("cuda"),
        cudnn=version("cudnn"),
        max_image_bytes=raw.get("max-image-bytes"),
    )


def _gpu(text: str) -> Gpu:
    name, _, capability = text.partition(" (")
    if not capability and "." in name:
        name, capability = "", name
    if not capability:
        return Gpu(name=name, capability=None)
    major, minor = capability.rstrip(")").split(".")
    return Gpu(name=name, capability=(int(major), int(minor)))


def _entry(raw: Mapping[str, Any], targets: tuple[Target, ...]) -> Entry:
    name = raw["name"]
    path = f"{name}/requirements.txt"
    declared = tuple(
        DeclaredRequirement(
            requirement=Requirement(text),
            location=Location(path=path, line=line),
            text=text,
            group=raw.get("group", ""),
        )
        for line, text in enumerate(raw.get("requirements", ()), start=1)
    )
    problems = tuple(
        Problem(location=Location(path=path, line=one["line"]), reason=one["reason"], kind=one["kind"])
        for one in raw.get("problems", ())
    )
    unreadable = tuple(
        UnreadableManifest(
            path=broken, format="requirements", problem=Problem(location=Location(path=broken), reason="is not text")
        )
        for broken in raw.get("unreadable", ())
    )
    conda = tuple(
        conda_yaml.parse("dependencies:\n" + "".join(f"  - {text}\n" for text in texts), f"{name}/environment.yml")
        for texts in (raw.get("conda"),)
        if texts
    )
    indexes = IndexOptions(extra_index_urls=tuple(raw.get("indexes", ())))
    listed = (Manifest(path=path, format="requirements", requirements=declared, problems=problems, indexes=indexes),)
    images = tuple(dockerfile.parse(text, f"{name}/Dockerfile") for text in (raw.get("dockerfile"),) if text)
    asked = tuple(
        Manifest(path=f"{name}/pyproject.toml", format="pyproject.toml", requires_python=SpecifierSet(text))
        for text in (raw.get("requires-python"),)
        if text
    )
    files = tuple(READERS[format_of(path)](text, path) for path, text in raw.get("files", {}).items())
    manifests = (*(listed if declared or problems else ()), *conda, *images, *asked, *files)
    project = Project(name=name, root=name, manifests=(path,))
    imports = tuple(
        Import(
            module=module,
            guarded=module in raw.get("guarded", ()),
            testing=module in raw.get("testing", ()),
            location=Location(path=f"{name}/app.py", line=line),
            standard=module in STDLIB,
        )
        for line, module in enumerate(raw.get("imports", ()), start=1)
    )
    reading = Reading(
        project=project,
        manifests=manifests,
        unreadable=unreadable,
        imported=imports,
        imports=tuple(raw.get("imports", ())),
        mentioned=frozenset(raw.get("mentioned", ())),
        python=raw.get("python-version", ""),
        weights=tuple(
            Weights(path=f"{name}/{one['path']}", format="safetensors", size_bytes=one["bytes"])
            for one in raw.get("weights", ())
        ),
    )
    python = raw.get("python", "3.11")
    platforms = sorted({target.platform for target in targets})
    outcomes = tuple(_outcome(raw, Environment(python=python, platform=platform)) for platform in platforms)
    added = tuple(raw.get("system_packages", ()))
    return Entry(reading=reading, outcomes=outcomes if manifests else (), system_packages=added)


def _outcome(raw: Mapping[str, Any], environment: Environment) -> LockOutcome:
    name = raw["name"]
    if "refused" in raw:
        refused = raw["refused"]
        reason = Impossible(
            kind=Kind(refused["kind"]),
            message=refused["message"],
            blamed=tuple(canonicalize_name(one) for one in refused["blamed"]),
            lacking=tuple(canonicalize_name(one) for one in refused.get("lacking", ())),
        )
        return Unresolvable(project=name, environment=environment, reason=reason)
    if "pins" not in raw:
        why = Unknown(why=Why(raw.get("why", "offline")), detail=raw.get("detail", "the network is off"))
        return DeclaredOnly(project=name, environment=environment, reason=why)
    edges = raw.get("requires", {})
    sizes = raw.get("bytes", {})
    pins = []
    for text in raw["pins"]:
        requirement = Requirement(text)
        (specifier,) = requirement.specifier
        package = canonicalize_name(requirement.name)
        known = [Requirement(edge) for edge in edges.get(package, ())]
        tags = raw.get("tags", {}).get(package, "py3-none-any")
        ending = ".tar.gz" if package in raw.get("sdists", ()) else f"-{tags}.whl"
        filename = f"{package.replace('-', '_')}-{specifier.version}{ending}"
        file = DistributionFile(
            filename=filename,
            url=f"https://index.example/{filename}",
            sha256=f"{abs(hash(filename)):064x}",
            size_bytes=sizes.get(package),
        )
        modules = raw.get("modules", {}).get(package)
        pins.append(
            Pin(
                name=package,
                version=Version(specifier.version),
                file=file,
                requires=tuple(known),
                requires_python=raw.get("pins-python", {}).get(package, ""),
                modules=None if modules is None else tuple(modules),
                used_by_name=package in raw.get("commands", ()),
                code=_inside(raw.get("inside", {}).get(package)),
            )
        )
    overlaps = tuple(
        Overlap(packages=tuple(map(canonicalize_name, one["packages"])), files=one["files"], example=one["example"])
        for one in raw.get("overlaps", ())
    )
    origin = Location(path=f"{name}/uv.lock") if raw.get("lockfile") else None
    return Lock(
        project=name,
        overlaps=overlaps,
        environment=environment,
        pins=tuple(sorted(pins, key=str)),
        origin=origin,
        warnings=tuple(raw.get("warnings", ())),
    )


def _inside(raw: Mapping[str, Any] | None) -> WheelCode | None:
    """What a wheel was found to hold, as `inside` tells of a package."""
    if raw is None:
        return None
    return WheelCode(**{name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()})


def with_driver(inventory: Inventory, driver: str) -> Inventory:
    return replace(inventory, targets=tuple(replace(target, driver=Version(driver)) for target in inventory.targets))
