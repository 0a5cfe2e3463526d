"""What code imports against what is declared: modules that nothing declared brings, and declarations nobody imports.

Notes, and only where the locked wheels themselves tell: which modules they install, and who else could use them.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Cause, Confidence, Evidence, Finding, Kind, Severity
from depdoctor.model.formats import CODE
from depdoctor.model.graph import without_marker
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import Lock
from depdoctor.model.project import DEFAULT_GROUP, DeclaredRequirement
from depdoctor.model.reading import Import

NAMESPACES = 2
"""From so many distributions on, a module is a namespace that they share, and its name tells none of them."""


def check_undeclared(context: Context) -> Iterator[Finding]:
    """Imports that must not fail, of what the project does not ask for itself, or of what its Python lacks."""
    own = _own_names(context)
    for entry in context.inventory.entries:
        needed = [one for one in entry.reading.imported if not one.guarded and not one.testing]
        yield from _of_another_python(context, entry, [one for one in needed if one.standard])
        yield from _around(entry, next((one.pins for one in entry.locks), ()))
        if lock := _known(entry):
            wanted = [one for one in needed if not one.standard and one.module not in own]
            yield from _undeclared(context, entry, lock, wanted)


def _of_another_python(context: Context, entry: Entry, imported: Sequence[Import]) -> Iterator[Finding]:
    if not entry.outcomes:
        return
    python = Version(entry.outcomes[0].environment.python)
    there = {pin.name for lock in entry.locks for pin in lock.pins}
    for one in imported:
        row = context.rules.stdlib_by_name.get(one.module)
        if row is None:
            continue
        if row.removed and python >= row.removed:
            what = f"is not in the standard library of Python {row.removed} and later"
        elif row.added and python < row.added:
            what = f"is in the standard library of Python {row.added} and later only"
        else:
            continue
        if there & set(row.instead):
            continue
        instead = f", or install {listed(row.instead, 'or')}" if row.instead else ""
        yield Finding(
            kind=Kind.UNDECLARED_IMPORT,
            severity=Severity.NOTE,
            subject=one.module,
            message=f"`import {one.module}` fails with Python {python}: the module {what}",
            hint=f"import what took its place{instead}",
            projects=(entry.project.name,),
            causes=(_place(entry, one),),
            evidence=(row.provenance.evidence(f"`{one.module}` {what}"),),
        )


def _around(entry: Entry, pins: Sequence[Pin]) -> Iterator[Finding]:
    """Modules that are found only where the project is started from a folder around it."""
    named = {str(one.name) for one in entry.requirements()} | {str(pin.name) for pin in pins}
    brought = _providers(pins)
    for use in entry.reading.local:
        module = posixpath.basename(use.package.folder).removesuffix(CODE)
        if use.package.module and use.package.name not in named and module not in brought:
            yield Finding(
                kind=Kind.UNDECLARED_IMPORT,
                severity=Severity.NOTE,
                subject=use.package.folder,
                message=f"code imports `{use.package.folder}` from a folder around it, and nothing installs that",
                hint="its image has a copy; as a package (`pyproject.toml`) that is required by its path, what it "
                "needs itself would count as well",
                projects=(entry.project.name,),
                causes=(Cause(project=entry.project.name, location=use.location, requirement=""),),
            )


def _undeclared(context: Context, entry: Entry, lock: Lock, imported: Sequence[Import]) -> Iterator[Finding]:
    declared = {one.name for one in entry.requirements()}
    declared |= {pin.name for pin in lock.pins if pin.source}  # asked for by its folder or address
    providers = _providers(lock.pins)
    for one in imported:
        brought = providers.get(one.module, ())
        if not brought:
            yield from _missing(context, entry, lock, one)
        elif len(brought) < NAMESPACES and brought[0].name not in declared:
            name = brought[0].name
            yield Finding(
                kind=Kind.UNDECLARED_IMPORT,
                severity=Severity.NOTE,
                subject=name,
                message=f"code imports `{one.module}`, and {name} is there only because other packages require it",
                hint=f"declare {name}: when the others no longer require it, the import fails",
                packages=(name,),
                projects=(entry.project.name,),
                causes=(_place(entry, one),),
                evidence=(_fact(context, f"the wheel of {brought[0]} installs `{one.module}`"),),
            )


def _losses(entry: Entry) -> bool:
    """Whether some file of a project may ask for more than could be read."""
    manifests = entry.reading.manifests
    return bool(entry.reading.unreadable) or any(one.loses for manifest in manifests for one in manifest.problems)


def _missing(context: Context, entry: Entry, lock: Lock, one: Import) -> Iterator[Finding]:
    """A module that no locked wheel has. It may be anything, so only one whose distribution is known is told."""
    row = context.rules.packages_by_module.get(one.module)
    names: Sequence[NormalizedName] = row.packages if row else _elsewhere(context, one.module)
    there = {pin.name for pin in lock.pins}
    if not names or lock.missing or _losses(entry) or there & set(names) or not _stands_on_plain_images(context, entry):
        return
    fact = row.provenance.evidence(f"`{one.module}` comes with {listed(names, 'or')}") if row else None
    yield Finding(
        kind=Kind.UNDECLARED_IMPORT,
        severity=Severity.NOTE,
        subject=names[0],
        message=f"code imports `{one.module}`, and nothing that is declared brings it",
        hint=f"declare {listed(names, 'or')}",
        packages=(names[0],),
        projects=(entry.project.name,),
        causes=(_place(entry, one),),
        evidence=(fact or _fact(context, f"the wheel of {names[0]} installs `{one.module}`"),),
    )


def check_unused(context: Context) -> Iterator[Finding]:
    """Declared packages that no code of the project imports, where nothing else could use them either."""
    own = _own_names(context)
    for entry in context.inventory.entries:
        lock = _known(entry)
        if lock is None or not _tells_its_needs(entry, lock, own):
            continue
        seen = {one.module for one in entry.reading.imported} | entry.reading.mentioned
        by_others = {canonicalize_name(edge.name) for pin in lock.pins for edge in pin.requires or ()}
        pins = lock.by_name
        for one in entry.requirements():
            pin = pins.get(one.name)
            if pin is None or one.group != DEFAULT_GROUP or one.editable or one.requirement.url:
                continue
            used = pin.used_by_name or pin.name in by_others or not pin.modules or seen & set(pin.modules)
            if not used and not _names(pin, one) & seen:
                yield _unused(context, entry, one, pin)


def _unused(context: Context, entry: Entry, one: DeclaredRequirement, pin: Pin) -> Finding:
    text = without_marker(one.requirement)
    modules = listed(f"`{module}`" for module in pin.modules or ())
    return Finding(
        kind=Kind.UNUSED,
        severity=Severity.NOTE,
        subject=one.name,
        message=f"{one.name} is declared, and no code of the project imports {modules}",
        hint=f"if nothing uses {one.name} by its name, take it out: every image carries it",
        packages=(one.name,),
        projects=(entry.project.name,),
        causes=(Cause(project=entry.project.name, location=one.location, requirement=text, chain=(text,)),),
        evidence=(_fact(context, f"the wheel of {pin} installs {modules}"),),
    )


def _names(pin: Pin, one: DeclaredRequirement) -> set[str]:
    """How a text may name a distribution."""
    return {pin.name, pin.name.replace("-", "_"), one.requirement.name}


def _known(entry: Entry) -> Lock | None:
    """A lock of the project of which every wheel could be looked into, None if there is none."""
    return next((lock for lock in entry.locks if lock.pins and all(pin.modules is not None for pin in lock.pins)), None)


def _tells_its_needs(entry: Entry, lock: Lock, own: Container[str]) -> bool:
    """Whether the project has code that runs, and the lock brings all that this imports.

    What is installed by other means, such as by hand, could use any declared package.
    """
    needed = [one for one in entry.reading.imported if not one.testing]
    brought = _providers(lock.pins)
    return bool(needed) and all(
        one.guarded or one.standard or one.module in brought or one.module in own for one in needed
    )


def _providers(pins: Sequence[Pin]) -> Mapping[str, Sequence[Pin]]:
    found: dict[str, list[Pin]] = defaultdict(list)
    for pin in pins:
        for module in pin.modules or ():
            found[module].append(pin)
    return found


def _elsewhere(context: Context, module: str) -> Sequence[NormalizedName]:
    """The one distribution that brings a module to other projects."""
    found = {
        pin.name
        for entry in context.inventory.entries
        for lock in entry.locks
        for pin in lock.pins
        if module in (pin.modules or ())
    }
    return sorted(found) if len(found) < NAMESPACES else ()


def _own_names(context: Context) -> frozenset[str]:
    """What any project's files and folders are called: code may find them on a path that only its runner knows."""
    found: set[str] = set()
    for entry in context.inventory.entries:
        for path in entry.project.sources:
            *folders, name = path.split("/")
            found.update((*folders, name.partition(".")[0]))
    return frozenset(found)


def _stands_on_plain_images(context: Context, entry: Entry) -> bool:
    """Whether no image that the project stands on may have brought the module, nor conda."""
    manifests = entry.reading.manifests
    if any(manifest.conda for manifest in manifests):
        return False
    bases = (base.reference for manifest in manifests for base in manifest.base_images if base.is_final)
    known = (context.rules.base(reference) for reference in bases)
    return all(base.known and not base.brings and not base.packages for base in known)


def _place(entry: Entry, one: Import) -> Cause:
    return Cause(project=entry.project.name, location=one.location, requirement=f"import {one.module}")


def _fact(context: Context, fact: str) -> Evidence:
    return Evidence(fact=fact, source="the locked wheel", date=context.date, confidence=Confidence.PRIMARY)


RULES = (
    Rule(
        kind=Kind.UNDECLARED_IMPORT,
        title="Code imports what the project does not declare",
        text="""\
A module that the code cannot run without comes from a package that the project does not ask for: it is there because
some other package requires it today, or it is not there at all, or it left the standard library of the project's
Python. Imports in tests and notebooks, under `try` and inside functions do not count. Declare the package.""",
        check=check_undeclared,
    ),
    Rule(
        kind=Kind.UNUSED,
        title="A declared package is imported nowhere",
        text="""\
No Python file or notebook of the project imports any module of the package, no text in the code names it, no other
locked package could make use of it, and it has neither commands nor plugins. What nobody uses costs download, space and
conflicts. It stays a note: configuration files, or a program that is started by its name, may use it all the same.""",
        check=check_unused,
    ),
)
