"""Judges an image by what was found inside: what is installed is what was locked, and what the code imports imports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from depdoctor.model.finding import CODES, Diagnosis, Finding, Kind, default_severity, worst_first
from depdoctor.model.image import ENVIRONMENT_ROOT, BuiltImage, Inspection, RemoteImage
from depdoctor.model.plan import Image, Plan
from depdoctor.rules import Rules

KINDS = (Kind.NOT_INSTALLED, Kind.NOT_IMPORTABLE, Kind.PYTHON_UNSUPPORTED)

_LIBRARY = re.compile(r"\b((?:lib|ld-)[\w.+-]*\.so(?:\.\d+)*): cannot open shared object file")
_MODULE = re.compile(r"No module named '([^']+)'")
_LIKELY = (
    (
        re.compile(r"version `((?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found"),
        "the base `{base}` is older than the wheel: it lacks the symbol version {0}; take a newer base",
    ),
    (
        re.compile(r"Read-only file system|Permission denied"),
        "`{module}` writes while it is imported; point it to a writable folder such as /tmp",
    ),
    (
        re.compile(r"^killed by SIGKILL"),
        "give the container more memory, and look at what `{module}` loads while it is imported",
    ),
    (
        re.compile(r"^killed by"),
        "a compiled module crashed: it may need a processor feature, a driver or another library's version",
    ),
)
"""What a reason means, first match first; a pattern's groups fill {0}, {1}..."""


def verify(plan: Plan, image: Image, inspection: Inspection, rules: Rules | None = None) -> Diagnosis:
    """Compare an image with its section of the plan. Nothing but the locked packages may stand in the environment.

    `rules` tell which system package holds a library that is missing.
    """
    findings = (
        *_interpreter(image, inspection),
        *_installed(plan, image, inspection),
        *_imports(image, inspection, _system_packages(rules)),
    )
    return Diagnosis(findings=worst_first(findings), rules_run=tuple(sorted(CODES[kind][0] for kind in KINDS)))


def _finding(kind: Kind, image: Image, subject: str, message: str, hint: str, packages: tuple[str, ...]) -> Finding:
    return Finding(
        kind=kind,
        severity=default_severity(kind),
        subject=subject,
        message=message,
        hint=hint,
        packages=packages,
        projects=(image.project,),
    )


def _interpreter(image: Image, inspection: Inspection) -> Iterator[Finding]:
    minor = ".".join(inspection.python.split(".")[:2])
    if minor and minor != image.environment.python:
        yield _finding(
            Kind.PYTHON_UNSUPPORTED,
            image,
            image.base.reference,
            f"image `{image.name}` runs Python {inspection.python}, but its packages were locked for "
            f"{image.environment.python}",
            f"set `base` under `[image]` to one with Python {image.environment.python}, or `python` to {minor}",
            (image.base.reference,),
        )


def _installed(plan: Plan, image: Image, inspection: Inspection) -> Iterator[Finding]:
    locked = {one.name: Version(one.version) for one in image.local if not one.module}
    locked |= {str(pin.name): pin.version for pin in plan.pins(image)}
    found = {str(canonicalize_name(name)): version for name, version in inspection.installed.items()}
    for name in sorted(locked.keys() | found.keys()):
        if name not in found:
            message = f"`{name}=={locked[name]}` is locked for image `{image.name}`, but not installed in it"
            hint = f"build the image again, and look for a step that removes files from {ENVIRONMENT_ROOT}"
        elif name not in locked:
            message = f"`{name}=={found[name]}` is installed in image `{image.name}`, but not locked for it"
            hint = f"add it to the manifest of `{image.project}`, or drop the step that installs it"
        elif not _same(locked[name], found[name]):
            message = f"image `{image.name}` holds `{name}` {found[name]}, but {locked[name]} is locked"
            hint = "build the image again from the plan"
        else:
            continue
        yield _finding(Kind.NOT_INSTALLED, image, name, message, hint, (name,))


def _same(locked: Version, found: str) -> bool:
    try:
        return locked == Version(found)
    except InvalidVersion:
        return False


def _system_packages(rules: Rules | None) -> dict[str, str]:
    """The Debian package of each shared library that the tables know, where a row leaves no doubt."""
    rows = rules.system_libraries if rules else ()
    return {row.objects[0]: row.apt[0] for row in rows if len(row.objects) == len(row.apt) == 1}


def _imports(image: Image, inspection: Inspection, system_packages: Mapping[str, str]) -> Iterator[Finding]:
    for module, reason in sorted(inspection.import_errors.items()):
        message = f"`import {module}` fails in image `{image.name}`: {reason}"
        hint = _likely(module, image, reason, system_packages)
        yield _finding(Kind.NOT_IMPORTABLE, image, module, message, hint, ())


def _likely(module: str, image: Image, reason: str, system_packages: Mapping[str, str]) -> str:
    """What probably is the cause, and what to do about it."""
    if match := _LIBRARY.search(reason):
        package = system_packages.get(match[1], "")
        add = (
            f'`system-packages = ["{package}"]`' if package else "the Debian package that holds it (`system-packages`)"
        )
        return (
            f"the base `{image.base.reference}` lacks the system library `{match[1]}`; "
            f"add {add} under the `[[project]]` of `{image.project}` in depdoctor.toml, or take a base that has it"
        )
    if match := _MODULE.search(reason):
        return _missing(module, match[1], image.project)
    for pattern, likely in _LIKELY:
        if match := pattern.search(reason):
            return likely.format(*match.groups(), module=module, base=image.base.reference)
    return f"run `docker run --rm IMAGE python -c 'import {module}'` to see the whole traceback"


def _missing(module: str, missing: str, project: str) -> str:
    if missing == module:
        return f"no package in the lock of `{project}` brings `{module}`; add the one that does to its manifest"
    if missing.startswith(f"{module}."):
        return f"`{module}` lacks its part `{missing}`; another package may bring or overwrite the same folder"
    return f"`{module}` needs `{missing}`, which no package in the lock brings; add the one that does to the manifest"


COMPARED = (CODES[Kind.NOT_INSTALLED][0],)
"""The codes of `compare`."""


def compare(
    image: Image, built: BuiltImage, titles: Sequence[str], own: Mapping[str, Any], remote: RemoteImage
) -> Iterator[Finding]:
    """Hold an image in a registry against the one that the plan makes, layer by layer.

    `titles` say what each layer that lies on the base holds, and `own` is the configuration that was made.
    """
    if remote.digest == built.manifest.digest:
        return
    again = "push the image again: `depdoctor push`"
    present = set(remote.layers)
    base = [layer for layer in built.layers[: built.base_layers] if layer.digest not in present]
    if base:
        message = f"`{remote.reference}` does not stand on the base that is planned, `{image.base.pinned}`"
        yield _finding(Kind.NOT_INSTALLED, image, image.base.reference, message, again, (image.base.reference,))
    for layer, title in zip(built.layers[built.base_layers :], titles, strict=True):
        if layer.digest not in present:
            message = f"`{remote.reference}` does not hold {title} as planned"
            yield _finding(Kind.NOT_INSTALLED, image, title.partition("==")[0], message, again, ())
    unknown = present - {layer.digest for layer in built.layers}
    if unknown:
        count = f"{len(unknown)} layers that are" if len(unknown) > 1 else "a layer that is"
        message = f"`{remote.reference}` holds {count} not in the plan: {', '.join(sorted(unknown))}"
        yield _finding(Kind.NOT_INSTALLED, image, image.name, message, again, ())
    running = own.get("config") or {}
    differing = sorted(
        key for key in running.keys() | remote.config.keys() if running.get(key) != remote.config.get(key)
    )
    if differing or not (base or unknown):
        what = ", ".join(differing) or "its layers' order, its history or its time"
        message = f"`{remote.reference}` is not run as planned; what differs: {what}"
        yield _finding(Kind.NOT_INSTALLED, image, image.name, message, again, ())
