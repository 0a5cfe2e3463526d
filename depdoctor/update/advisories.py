"""Advisories as OSV writes them, and as `pip-audit --format json` reports them.

OSV schema 1.7 (ossf.github.io/osv-schema); pip-audit 2.10.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from depdoctor.model.update import Advisory, Span

ECOSYSTEM = "PyPI"


def parse(document: Any, source: str) -> tuple[Advisory, ...]:
    """The advisories of one JSON document about Python packages; none where it is neither kind.

    A flaw that was withdrawn is none; a version that nobody can read says nothing.
    """
    if isinstance(document, list):
        return tuple(one for each in document for one in parse(each, source))
    if not isinstance(document, Mapping):
        return ()
    if isinstance(document.get("dependencies"), list):
        return tuple(_reported(document["dependencies"], source))
    if isinstance(document.get("affected"), list) and not document.get("withdrawn"):
        return tuple(_published(document, source))
    return ()


def _published(document: Mapping[str, Any], source: str) -> Iterator[Advisory]:
    for one in _mappings(document["affected"]):
        package = one.get("package")
        if not isinstance(package, Mapping) or package.get("ecosystem") != ECOSYSTEM:
            continue
        spans = [span for each in _mappings(one.get("ranges")) if each.get("type") != "GIT" for span in _spans(each)]
        found = (_version(text) for text in _texts(one.get("versions")))
        yield Advisory(
            id=str(document.get("id", "")),
            name=canonicalize_name(str(package.get("name", ""))),
            source=source,
            aliases=tuple(sorted(_texts(document.get("aliases")))),
            summary=_line(document.get("summary") or document.get("details")),
            spans=tuple(spans),
            versions=tuple(sorted(version for version in found if version)),
        )


def _spans(stated: Mapping[str, Any]) -> Iterator[Span]:
    """The spans that events open and close, in the order of their versions; "0" comes before every version."""
    events: list[tuple[Version | None, str]] = []
    for event in _mappings(stated.get("events")):
        for kind in ("introduced", "fixed", "last_affected"):
            version = _version(event[kind]) if kind in event else None
            if version or event.get(kind) == "0":
                events.append((None if event[kind] == "0" else version, kind))
    first: Version | None = None
    is_open = False
    for version, kind in sorted(events, key=lambda one: (one[0] is not None, one[0] or Version("0"))):
        if kind == "introduced":
            first, is_open = (first, True) if is_open else (version, True)
        elif is_open and version is not None:
            yield Span(first=first, fixed=version) if kind == "fixed" else Span(first=first, last=version)
            is_open = False
    if is_open:
        yield Span(first=first)


def _reported(dependencies: Any, source: str) -> Iterator[Advisory]:
    for one in _mappings(dependencies):
        version = _version(one.get("version"))
        for flaw in _mappings(one.get("vulns")):
            if version is None:
                continue
            fixes = sorted({found for text in _texts(flaw.get("fix_versions")) if (found := _version(text))})
            yield Advisory(
                id=str(flaw.get("id", "")),
                name=canonicalize_name(str(one.get("name", ""))),
                source=source,
                aliases=tuple(sorted(_texts(flaw.get("aliases")))),
                summary=_line(flaw.get("description")),
                spans=tuple(_until(version, [fix for fix in fixes if fix > version])),
            )


def _until(version: Version, fixes: list[Version]) -> Iterator[Span]:
    """From a version with a flaw to its fixes: each major that has a fix of its own has the flaw up to that."""
    if not fixes:
        yield Span(first=version)
        return
    first = version
    for fix in fixes:
        yield Span(first=first, fixed=fix)
        first = Version(f"{fix.major + 1}.dev0")


def _version(text: Any) -> Version | None:
    try:
        return Version(str(text))
    except InvalidVersion:
        return None


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _line(value: Any) -> str:
    return " ".join(value.split())[:200] if isinstance(value, str) else ""
