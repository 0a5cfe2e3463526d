#!/usr/bin/env python3
"""Propose new rows for the tables of rules/: what releases newer than the tables say of themselves.

    python tools/refresh_rules.py                                          what is new, as a diff
    python tools/refresh_rules.py --write                                  and into the tables
    python tools/refresh_rules.py --table metadata --package ultralytics --since 8.0.0
    python tools/refresh_rules.py --table components --package cuda-toolkit  a new CUDA release

The index is the one that uv is configured with. Read are its pages (which wheels there are), METADATA (what is
required), and with --table builds small members and shared objects of wheels (CUDA, cuDNN, C++ ABI, GPU targets), all
of it by range requests. A maintainer reads the diff before it becomes a fact.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from index_lists import MACHINES, Release, machine_of, releases_of
from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import (
    NormalizedName,
    canonicalize_name,
)
from packaging.version import Version

from depdoctor import rules
from depdoctor.adapters.cache_place import cache_folder
from depdoctor.adapters.index import RemoteWheels
from depdoctor.adapters.inspection import WheelInspector
from depdoctor.adapters.store import BlobStore
from depdoctor.adapters.uv_process import UvProcess
from depdoctor.model.distribution import WheelCode, WheelFacts
from depdoctor.model.graph import without_marker
from depdoctor.rules import Rules

ROOT = Path(__file__).resolve().parent.parent
HEADERS = {"wheels": "wheels", "metadata": "metadata", "builds": "build", "components": "component"}
OLDEST_MINOR = 7
"""Wheels for nothing newer than this minor of Python 3 are left out: nobody asks for them."""

PARALLEL = 8
LIMIT_S = 60.0

_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_LIBC = re.compile(r"(many|musl)linux_(\d+)_(\d+)_")
_LEGACY = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}
_CPYTHON = re.compile(r"cp3(\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """What proposals are made with."""

    known: Rules
    cache: Path
    requires: re.Pattern[str]
    extras: bool
    head: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A proposed row without its releases: rows of consecutive releases that are the same become one."""

    package: str
    fields: tuple[tuple[str, object], ...]
    source: str


def main(arguments: Sequence[str]) -> int:
    """Print the diff, and write it where that is asked for. 1 if the index cannot be asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", choices=HEADERS, action="append", help="only this table (default: wheels, metadata)")
    parser.add_argument("--package", action="append", help="only this package, which the table need not know yet")
    parser.add_argument("--since", type=Version, help="releases from this one on (default: newer than the table)")
    parser.add_argument("--anew", action="store_true", help="all releases again, instead of rows made before")
    parser.add_argument("--until", type=Version, help="and none after this one")
    parser.add_argument("--requires", default="", help="of METADATA only what requires names that begin so (a pattern)")
    parser.add_argument("--no-extras", action="store_true", help="of METADATA only what is always required")
    parser.add_argument("--folder", type=Path, default=ROOT / "rules", help="where the tables are")
    parser.add_argument("--write", action="store_true", help="write the rows into the tables")
    options = parser.parse_args(arguments)
    cache = cache_folder()
    uv = UvProcess(cache, interpreter=sys.executable, offline=False, remaining_s=lambda: LIMIT_S)
    index = uv.default_index
    if not index:
        print("uv names no index that can be asked without credentials", file=sys.stderr)
        return 1
    known = rules.load(shipped=options.folder)
    for table in options.table or ("wheels", "metadata"):
        usual = ["cuda-toolkit"] if table == "components" else _names(known, table)
        names = [canonicalize_name(name) for name in options.package or usual]
        path = options.folder / f"{table}.toml"
        old = path.read_text(encoding="utf-8")
        kept = _without(old, HEADERS[table], names) if options.anew else old
        ask = _Ask(
            known=known,
            cache=cache,
            requires=re.compile(options.requires),
            extras=not options.no_extras,
            head=_head(old),
        )
        with ThreadPoolExecutor(PARALLEL) as pool:
            pages = pool.map(lambda name: releases_of(index, name), names)
            found = [
                row
                for name, releases in zip(names, pages, strict=True)
                for row in _proposed(ask, table, _wanted(known, table, name, releases, options))
            ]
        new = _with(kept, found, within="]" if table == "components" else "") if found else old
        sys.stdout.writelines(
            difflib.unified_diff(
                old.splitlines(keepends=True), new.splitlines(keepends=True), path.name, path.name, n=1
            )
        )
        if options.write and new != old:
            path.write_text(new, encoding="utf-8")
            getattr(rules.load(shipped=options.folder), table)  # raises if it is no table any more
    return 0


def _names(known: Rules, table: str) -> list[str]:
    return sorted({row.package for row in getattr(known, table)})


def _wanted(
    known: Rules, table: str, name: NormalizedName, releases: Iterable[Release], options: argparse.Namespace
) -> list[Release]:
    newest = max(
        (row.last for row in getattr(known, table) if row.package == name and table != "components"), default=None
    )
    return [
        release
        for release in releases
        if (options.since is None or release.version >= options.since)
        and (options.until is None or release.version <= options.until)
        and (options.anew or options.since is not None or newest is None or release.version > newest)
    ]


def _proposed(ask: _Ask, table: str, releases: Sequence[Release]) -> Iterator[str]:
    """The rows of these releases as TOML, those of consecutive releases that say the same as one."""
    if not releases:
        return
    if table == "components":
        yield from _components(_of_metadata(ask, releases), ask.known)
        return
    make = {"wheels": _of_wheels, "metadata": _of_metadata, "builds": _of_builds}[table]
    rows = list(make(ask, releases))
    place = {release.version: number for number, release in enumerate(releases)}
    proposed: list[tuple[Version, str]] = []
    for strand in dict.fromkeys(_strand(row) for _, row in rows):
        own = [(place[release.version], release, row) for release, row in rows if _strand(row) == strand]
        # A release that says nothing ends a run: the rows of a table hold for all releases from first to last.
        for _, group in groupby(enumerate(own), key=lambda pair: (pair[1][0] - pair[0], pair[1][2])):
            run = [(release.version, row) for _, (_, release, row) in group]
            proposed.append((run[0][0], _toml(ask.head, HEADERS[table], run[0][1], run[0][0], run[-1][0])))
    yield from (text for _, text in sorted(proposed, key=lambda pair: pair[0]))


def _strand(row: Row) -> object:
    """Rows of different extras or platforms go side by side."""
    return dict(row.fields).get("extra", dict(row.fields).get("platforms", ""))


def _of_wheels(_: _Ask, releases: Sequence[Release]) -> Iterator[tuple[Release, Row]]:
    """For whom each release has wheels; nothing of one that has a plain wheel, which serves everybody."""
    for release in releases:
        tags = {tag for _, found in release.wheels for tag in found}
        if any(tag.platform == "any" for tag in tags):
            continue
        platforms: dict[tuple[tuple[str, object], ...], list[str]] = {}
        for machine in MACHINES:
            if fields := _for_whom(release, {tag for tag in tags if machine_of(tag) == machine}):
                platforms.setdefault(_frozen(fields), []).append(f"linux-{machine}")
        for alike, names in platforms.items():
            usual = names == [f"linux-{MACHINES[0]}"]
            row = alike if usual else (("platforms", tuple(names)), *alike)
            yield release, Row(package=release.package, fields=row, source="file lists of the index")


def _for_whom(release: Release, tags: Iterable[Tag]) -> list[tuple[str, object]]:
    every = False
    own: set[int] = set()
    onward: set[int] = set()
    glibc: set[Version] = set()
    musl: set[Version] = set()
    for tag in tags:
        match = _CPYTHON.match(tag.interpreter)
        every = every or (not match and tag.interpreter.startswith("py3"))
        if match:
            (onward if tag.abi == "abi3" else own).add(int(match.group(1)))
        if libc := _libc(tag.platform):
            (musl if libc[0] == "musl" else glibc).add(libc[1])
    least = min(onward, default=None)
    fields: list[tuple[str, object]] = []
    if not every:
        if least is None and max(own, default=0) < OLDEST_MINOR:
            return []
        fields += [("pythons", [f"3.{minor}" for minor in sorted(own) if least is None or minor < least])]
        fields += [("onward", f"3.{least}")] if least is not None else []
    fields += [("glibc", str(min(glibc)))] if glibc and min(glibc) > Version("2.17") else []
    fields += [("musl", str(min(musl)))] if musl else []
    fields += [("sdist", True)] if release.sdist else []
    bounded = release.sdist and "<" in release.requires_python
    fields += [("requires-python", release.requires_python)] if bounded else []
    return [(name, value) for name, value in fields if value != []]


def _libc(platform: str) -> tuple[str, Version] | None:
    """The C library that a platform tag asks for (PEP 600, PEP 656 and the names before them), and its version."""
    if match := _LIBC.match(platform):
        return match.group(1), Version(f"{match.group(2)}.{match.group(3)}")
    legacy = _LEGACY.get(platform.partition("_")[0])
    return ("many", Version(legacy)) if legacy else None


def _of_metadata(ask: _Ask, releases: Sequence[Release]) -> Iterator[tuple[Release, Row]]:
    """What each release requires of the packages that rules look at, by extra."""
    wheels = {file.sha256: file for release in releases if (file := release.newest)}
    facts = RemoteWheels(ask.cache).facts(wheels.values())
    for release in releases:
        found = facts.get(release.newest.sha256) if release.newest else None
        if not isinstance(found, WheelFacts):
            print(f"{release.package} {release.version}: {getattr(found, 'detail', 'no wheel')}", file=sys.stderr)
            continue
        wanted: dict[str, list[str]] = {}
        for requirement in found.requires:
            if _matters(ask, canonicalize_name(requirement.name)) and _is_for_linux(requirement):
                wanted.setdefault(_extra(requirement), []).append(without_marker(requirement))
        for extra, texts in sorted(wanted.items()):
            if extra and not ask.extras:
                continue
            fields = [*((("extra", extra),) if extra else ()), ("requires", sorted(set(texts)))]
            yield release, Row(package=release.package, fields=_frozen(fields), source="METADATA of wheels")


def _components(required: Iterable[tuple[Release, Row]], facts: Rules) -> Iterator[str]:
    """The versions of its libraries that each release of the cuda-toolkit meta package requires, once for each."""
    packages = facts.components_by_package.keys()
    known = {(row.package, row.version) for row in facts.components}
    for release, row in required:
        for requirement in map(Requirement, dict(row.fields)["requires"]):  # type: ignore[call-overload]
            exact = next((one.version for one in requirement.specifier if one.operator == "=="), "").removesuffix(".*")
            package = canonicalize_name(requirement.name)
            if exact and package in packages and (package, Version(exact)) not in known:
                known.add((package, Version(exact)))
                yield f'  {{ package = "{package}", version = "{exact}", toolkit = "{release.version}" }},\n'


def _matters(ask: _Ask, name: NormalizedName) -> bool:
    bound = ask.known.cuda_package(name) is not None or name in ask.known.files_by_package
    return bound and ask.requires.match(name) is not None


def _is_for_linux(requirement: Requirement) -> bool:
    linux = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"}
    return requirement.marker is None or requirement.marker.evaluate({**linux, "extra": _extra(requirement)})


def _extra(requirement: Requirement) -> str:
    """The extra that a requirement is of, "" for what is always required."""
    match = _EXTRA.search(str(requirement.marker or ""))
    return match.group(1) if match else ""


def _of_builds(ask: _Ask, releases: Sequence[Release]) -> Iterator[tuple[Release, Row]]:
    """What the wheel itself says it was built with."""
    wheels = {file.sha256: file for release in releases if (file := release.newest)}
    members = {file.sha256: ask.known.members(release.package) for release in releases if (file := release.newest)}
    found = WheelInspector(BlobStore(ask.cache / "store")).inspect(wheels.values(), members)
    for release in releases:
        code = found.get(release.newest.sha256) if release.newest else None
        if not isinstance(code, WheelCode) or not (code.cuda or code.libraries or code.complete):
            continue
        loaded = dict(library.split(".so.") for library in code.libraries)
        cuda = code.cuda or loaded.get("libcudart", "") or loaded.get("libcublas", "")
        cudnn = code.cudnn or loaded.get("libcudnn", "")
        fields: list[tuple[str, object]] = [("default", True), ("platforms", ["linux-x86_64"])]
        fields += [(name, value) for name, value in (("cuda", cuda), ("cudnn", cudnn)) if value]
        if code.complete:
            fields.append(("targets", sorted(code.targets, key=_by_number)))
        if code.cxx11_abi:
            fields.append(("cxx11-abi", code.cxx11_abi == "1"))
        yield release, Row(package=release.package, fields=_frozen(fields), source=" and ".join(code.members[:3]))


def _by_number(target: str) -> tuple[bool, int, str]:
    return target.startswith("compute"), int(re.sub(r"\D", "", target)), target


def _frozen(fields: Iterable[tuple[str, object]]) -> tuple[tuple[str, object], ...]:
    return tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in fields)


def _toml(head: Mapping[str, str], header: str, row: Row, first: Version, last: Version) -> str:
    """A row, without what the head of the table says for all of them."""
    lines = [f"[[{header}]]", f"package = {json.dumps(row.package)}"]
    lines += [f'first = "{first}"', f'last = "{last}"']
    lines += [f"{name} = {json.dumps(value)}" for name, value in row.fields]
    heads = {
        "source": json.dumps(row.source),
        "date": datetime.now(UTC).date().isoformat(),
        "confidence": json.dumps("primary"),
    }
    lines += [f"{name} = {text}" for name, text in heads.items() if head.get(name) != text]
    return "\n".join(lines) + "\n"


def _head(text: str) -> dict[str, str]:
    """The keys above the first row of a table, as they are written."""
    lines = (line.partition(" = ") for line in text.partition("[[")[0].splitlines())
    return {key: value for key, _, value in lines if value}


def _with(text: str, rows: Sequence[str], within: str) -> str:
    """A table with more rows at its end, or before the bracket that ends its list of rows."""
    if within:
        return text.rstrip().removesuffix(within) + "".join(rows) + f"{within}\n"
    return text.rstrip("\n") + "\n" + "".join(f"\n{row}" for row in rows)


def _without(text: str, header: str, packages: Iterable[str]) -> str:
    """A table without the rows that this tool made of some packages; those with a source of their own stay."""
    names = {f"package = {json.dumps(name)}" for name in packages}
    head, *rows = re.split(rf"(?m)^(?=\[\[{header}\]\])", text)
    by_hand = re.compile(r'(?m)^source = (?!"file lists of the index"|"METADATA of wheels")|^note = ')
    return head + "".join(row for row in rows if not names & set(row.splitlines()) or by_hand.search(row))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
