"""One page that works from a disk: matrices of who can share and who wants what, findings, targets, layers.

Everything stands in the page as text; its script only filters. Nothing is fetched, and the policy of the page lets
nothing run but that script.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from depdoctor import __version__
from depdoctor.model.conflict import Conflicts
from depdoctor.model.finding import Diagnosis, Severity
from depdoctor.model.inventory import Inventory
from depdoctor.model.plan import Plan
from depdoctor.report.amounts import many
from depdoctor.report.html.elements import Markup, joined, tag
from depdoctor.report.html.findings import STATES, findings, projects, unknown
from depdoctor.report.html.layers import layers
from depdoctor.report.html.matrices import shares, targets, versions


def scan(inventory: Inventory, diagnosis: Diagnosis, conflicts: Conflicts, plan: Plan | None) -> str:
    """Turn a scan into a page. `plan` is the committed one, whose layers are drawn; None if there is none."""
    sections = (
        ("findings", "Findings", findings(diagnosis)),
        ("targets", "What runs where", targets(inventory, diagnosis)),
        ("sharing", "Who can share an environment", shares(inventory, conflicts)),
        ("versions", "Who has which version", versions(inventory)),
        ("layers", "Layers", layers(plan)),
        ("projects", "Projects", projects(inventory)),
        ("unknown", "What could not be known", unknown(inventory)),
    )
    return _page(_head(inventory, diagnosis), [(key, title, body) for key, title, body in sections if body])


def _head(inventory: Inventory, diagnosis: Diagnosis) -> Markup:
    counts = [
        tag("li", tag("b", str(number)), f" {name}{'' if number == 1 else 's'}", class_=f"count {name}")
        for severity in sorted(Severity, reverse=True)
        for name, number in [(str(severity), sum(one.severity is severity for one in diagnosis.findings))]
    ]
    looked = f"{many(len(inventory.entries), 'project')}, index as of {inventory.index_date.date()}"
    return tag("header", tag("h1", "depdoctor"), tag("p", looked), tag("ul", counts, class_="counts"))


def _page(head: Markup, sections: list[tuple[str, str, Markup]]) -> str:
    style, script = _part("page.css"), _part("page.js")
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src '{_digest(script)}'; base-uri 'none'"
    search = tag(
        "form",
        tag("label", "Filter ", tag("input", type="search", id="filter", placeholder="package, project, code")),
        tag("fieldset", tag("legend", "Show"), [_choice(name) for name in STATES]),
        tag("output", id="shown", for_="filter"),
        id="tools",
        role="search",
    )
    links = tag("ul", [tag("li", tag("a", title, href=f"#{key}")) for key, title, _ in sections])
    body = [
        tag("a", "Skip to the findings", href="#findings", class_="skip"),
        head,
        tag("nav", links, aria_label="Parts of this page"),
        search,
        tag(
            "main",
            [
                tag("section", tag("h2", title, id=f"{key}-title"), body, id=key, aria_labelledby=f"{key}-title")
                for key, title, body in sections
            ],
        ),
        tag("footer", tag("p", f"Made by depdoctor {__version__}.")),
        tag("script", Markup(script)),
    ]
    head_element = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", "depdoctor: dependencies"),
        tag("style", Markup(style)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head_element, tag('body', joined(body)), lang='en')}\n"


def _choice(name: str) -> Markup:
    box = tag("input", type="checkbox", name="state", value=name, checked=True)
    return tag("label", box, f" {name}s")


def _part(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"
