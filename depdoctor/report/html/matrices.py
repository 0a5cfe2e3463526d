"""The matrices: projects by projects, packages by projects, projects by targets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.conflict import Conflicts
from depdoctor.model.finding import Diagnosis, Kind, Severity
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import DeclaredOnly, Unresolvable
from depdoctor.model.target import Target, numbered
from depdoctor.report.amounts import many
from depdoctor.report.html.elements import Markup, joined, path, scrolling, tag
from depdoctor.report.html.sharing import Verdict, apart, verdicts

MOST_CELLS = 10_000
"""Cells of the matrix of packages; those that most projects have at different versions come first."""

COLOURS = 7
"""Colours of versions; a version that is one of more than that has its number alone."""

ELSEWHERE = frozenset(
    {Kind.VERSION_CONFLICT, Kind.DRIFT, Kind.UNREADABLE, Kind.UNPINNED, Kind.MUTABLE_SOURCE, Kind.CREDENTIALS}
)
"""Kinds of findings that say nothing of where a project by itself runs: about sharing, and about files."""

CUT = 20
"""From about this length on the head of a column may be cut off, and is told when it is pointed at."""

CLASSES = {Verdict.SHOWN: "yes", Verdict.APART: "no", Verdict.PYTHON: "other", Verdict.UNKNOWN: "dunno"}


def shares(inventory: Inventory, conflicts: Conflicts) -> Markup:
    """Projects by projects."""
    names = [entry.project.name for entry in inventory.entries]
    if len(names) < 2:
        return Markup()
    known, kept_apart = verdicts(inventory, conflicts), apart(conflicts)
    rows = []
    for one in names:
        cells = []
        for other in names:
            if one == other:
                cells.append(tag("td", class_="self"))
                continue
            verdict = known[one, other]
            by = ", ".join(sorted(kept_apart[one, other])) if verdict is Verdict.APART else ""
            cells.append(tag("td", verdict.sign, class_=CLASSES[verdict], title=by))
        rows.append(tag("tr", tag("th", one, scope="row"), cells))
    counted = [sum(each is verdict for each in known.values()) // 2 for verdict in Verdict]
    legend = [
        tag("li", tag("span", verdict.sign, class_=f"key {CLASSES[verdict]}"), f" {verdict.words}: {count}")
        for verdict, count in zip(Verdict, counted, strict=True)
        if count
    ]
    about = tag(
        "p",
        "Pairs of projects; a cross tells by which packages when it is pointed at or reached with the arrow keys, "
        "and filters by them.",
    )
    return joined([about, tag("ul", legend, class_="legend"), _matrix("Projects by projects", names, rows)])


def versions(inventory: Inventory) -> Markup:
    """Packages that projects have at different versions, by projects."""
    entries = [entry for entry in inventory.entries if entry.locks]
    having: defaultdict[NormalizedName, dict[str, Version]] = defaultdict(dict)
    for entry in entries:
        for pin in entry.locks[0].pins:
            having[pin.name][entry.project.name] = pin.version
    crossing = [name for name, found in having.items() if len(set(found.values())) > 1]
    crossing.sort(key=lambda name: (-len(set(having[name].values())), -len(having[name]), name))
    if not crossing:
        return tag("p", "No package is at different versions in two projects that are locked.") if entries else Markup()
    shown = crossing[: max(MOST_CELLS // len(entries), 1)]
    holding = {project for name in shown for project in having[name]}
    names = [entry.project.name for entry in entries if entry.project.name in holding]
    rows = []
    for name in shown:
        colours = {version: place for place, version in enumerate(sorted(set(having[name].values()), reverse=True))}
        cells = []
        for project in names:
            version = having[name].get(project)
            colour = colours[version] if version is not None else COLOURS
            style = f"v{colour}" if colour < COLOURS else ""
            cells.append(tag("td", "" if version is None else str(version), class_=style))
        rows.append(tag("tr", tag("th", name, scope="row"), cells))
    about = (
        f"{many(len(crossing), 'package')} at different versions in {many(len(entries), 'locked project')}; "
        "a colour is a version of its row, the newest dark blue."
    )
    if len(shown) < len(crossing):
        about += f" The first {len(shown)} are here; `--format json` has them all."
    return joined([tag("p", about), _matrix("Packages by projects", names, rows)])


def targets(inventory: Inventory, diagnosis: Diagnosis) -> Markup:
    """Projects by the targets where they must run."""
    if not inventory.entries or not inventory.targets:
        return Markup()
    rows = [
        tag(
            "tr",
            tag("th", path(entry.project.name), scope="row"),
            [_runs(entry, target, diagnosis) for target in inventory.targets],
        )
        for entry in inventory.entries
    ]
    heads = [joined([target.name, tag("small", _of(target))]) for target in inventory.targets]
    legend = tag(
        "ul",
        tag("li", tag("span", "✓", class_="key yes"), " nothing speaks against it"),
        tag("li", tag("span", "▲", class_="key other"), " may fail"),
        tag("li", tag("span", "✖", class_="key no"), " fails"),
        tag("li", tag("span", "?", class_="key dunno"), " not known: the project is not locked for it"),
        class_="legend",
    )
    head = tag("thead", tag("tr", tag("td"), [tag("th", each, scope="col") for each in heads]))
    table = tag("table", head, tag("tbody", rows), class_="list runs", data_filter=True)
    return joined([legend, scrolling("What runs where", table)])


def _runs(entry: Entry, target: Target, diagnosis: Diagnosis) -> Markup:
    against = [
        one
        for one in diagnosis.findings
        if entry.project.name in one.projects
        and one.kind not in ELSEWHERE
        and one.severity > Severity.NOTE
        and (not one.targets or target.name in one.targets)
    ]
    worst = max((one.severity for one in against), default=Severity.NOTE)
    subjects = ", ".join(sorted({f"{one.code} {one.subject}" for one in against if one.severity is worst}))
    outcomes = [one for one in entry.outcomes if one.environment.platform == target.platform]
    if worst is Severity.ERROR or any(isinstance(one, Unresolvable) for one in outcomes):
        return tag("td", "✖ ", tag("span", subjects or "has no resolution"), class_="no")
    if worst is Severity.WARNING:
        return tag("td", "▲ ", tag("span", subjects), class_="other")
    if not outcomes or any(isinstance(one, DeclaredOnly) for one in outcomes):
        return tag("td", "?", class_="dunno")
    return tag("td", "✓", class_="yes")


def _of(target: Target) -> str:
    driver = (
        f"driver {numbered(target.driver)}"
        if target.driver
        else f"CUDA {target.driver_cuda}"
        if target.driver_cuda
        else ""
    )
    return ", ".join(part for part in (str(target.platform), driver, " ".join(map(str, target.gpus))) if part)


def _matrix(caption: str, columns: Sequence[str], rows: Iterable[Markup]) -> Markup:
    heads = [tag("th", tag("span", name, title=name if len(name) > CUT else ""), scope="col") for name in columns]
    table = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", tag("td"), heads)),
        tag("tbody", list(rows)),
        class_="matrix",
        data_filter=True,
    )
    return scrolling(caption, table)
