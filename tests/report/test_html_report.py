from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fleets import six
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor import cli
from depdoctor.model.config import Config
from depdoctor.model.conflict import Conflict, Conflicts, Grouping
from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Cause, Confidence, Diagnosis, Evidence, Finding, Kind, Severity
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import DeclaredOnly, Lock, Unknown, Why
from depdoctor.model.project import Location, Project
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Gpu, Platform, Target
from depdoctor.plan import plan
from depdoctor.report import html

HERE = Environment(python="3.11", platform=Platform())
OLD = Environment(python="3.8", platform=Platform())
SIX = plan(six(), Config(), {})
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def rows(text: str, section: str) -> dict[str, list[str]]:
    """The cells of each row of a section's table, by the row's head."""
    part = text[text.index(f"<section id={section} ") :]
    body = part[part.index("<tbody>") : part.index("</tbody>")]
    found = {}
    for row in body.split("<tr>")[1:]:
        head, *cells = (re.sub(r"<[^>]*>", "", re.sub(r"^[^>]*>", "", cell)) for cell in re.split(r"<t[hd]", row)[1:])
        found[head] = cells
    return found


def entry(name: str, environment: Environment = HERE, **versions: str) -> Entry:
    project = Project(name=name, root=name, manifests=(f"{name}/requirements.txt",))
    pins = tuple(
        Pin(name=canonicalize_name(package), version=Version(version), file=None)
        for package, version in versions.items()
    )
    lock = Lock(project=name, environment=environment, pins=pins)
    return Entry(reading=Reading(project=project, manifests=()), outcomes=(lock,))


def lost(name: str) -> Entry:
    unknown = DeclaredOnly(project=name, environment=HERE, reason=Unknown(why=Why.OFFLINE, detail="not reached"))
    return Entry(
        reading=Reading(project=Project(name=name, root=name, manifests=()), manifests=()), outcomes=(unknown,)
    )


def inventory(*entries: Entry) -> Inventory:
    return Inventory(
        root="fleet",
        entries=entries,
        targets=(
            Target(name="pool", platform=HERE.platform, driver=Version("470"), gpus=(Gpu.parse("V100"),)),
            Target(name="new", platform=HERE.platform, driver=Version("580")),
        ),
        index_date=datetime(2026, 11, 22, tzinfo=UTC),
        incomplete=tuple(f"{one.project.name}: not reached" for one in entries if not one.locks),
    )


def cause(project: str, requirement: str) -> Cause:
    return Cause(
        project=project,
        location=Location(path=f"{project}/requirements.txt", line=1),
        requirement=requirement,
        chain=(requirement,),
    )


def finding(kind: Kind, severity: Severity, project: str, *targets: str) -> Finding:
    return Finding(
        kind=kind,
        severity=severity,
        subject="torch",
        message="needs `more`",
        hint="take it",
        projects=(project,),
        targets=targets,
        causes=(cause(project, "torch==2.5.1"),),
        evidence=(Evidence(fact="a fact", source="a source", date="2026-11-22", confidence=Confidence.PRIMARY),),
    )


APART = Conflict(
    subject=canonicalize_name("numpy"),
    projects=("a", "b", "c"),
    causes=(cause("a", "numpy<2"), cause("b", "numpy>=2")),
    others=(cause("c", "numpy>=2"),),
    environment=HERE,
)
TOGETHER = Grouping(environment=HERE, groups=(("a",), ("b", "c")))
FLEET = (
    entry("a", numpy="1.26.4", torch="2.5.1"),
    entry("b", numpy="2.1.0"),
    entry("c", numpy="2.1.0", torch="2.5.1"),
    entry("old", OLD, numpy="1.24.0"),
    lost("lost"),
)
FOUND = Diagnosis(
    findings=(
        finding(Kind.DRIVER_TOO_OLD, Severity.ERROR, "a", "pool"),
        finding(Kind.CLOBBER, Severity.WARNING, "b"),
        finding(Kind.UNPINNED, Severity.NOTE, "c"),
    ),
    rules_run=("DD201",),
)


@pytest.fixture(scope="module")
def page() -> str:
    return html.scan(inventory(*FLEET), FOUND, Conflicts(conflicts=(APART,), groupings=(TOGETHER,)), SIX)


def test_who_can_share(page: str) -> None:
    assert rows(page, "sharing") == {
        "a": ["", "✗", "✗", "Py", "?"],
        "b": ["✗", "", "✓", "Py", "?"],
        "c": ["✗", "✓", "", "Py", "?"],
        "old": ["Py", "Py", "Py", "", "Py"],
        "lost": ["?", "?", "?", "Py", ""],
    }
    assert "class=no title=numpy>✗" in page


def test_a_conflict_of_three_lines_parts_only_those_who_have_all() -> None:
    three = Conflict(
        subject=canonicalize_name("x"),
        projects=("a", "b", "c"),
        causes=(cause("a", "x>1"), cause("b", "y"), cause("c", "z")),
        others=(cause("a", "y"),),
        environment=HERE,
    )
    grouped = Conflicts(conflicts=(three,), groupings=(TOGETHER,))
    found = rows(html.scan(inventory(*FLEET[:3]), FOUND, grouped, None), "sharing")
    assert found == {"a": ["", "✓", "✗"], "b": ["✓", "", "✓"], "c": ["✗", "✓", ""]}


def test_versions_that_cross_are_there_and_others_are_not(page: str) -> None:
    assert rows(page, "versions") == {"numpy": ["1.26.4", "2.1.0", "2.1.0", "1.24.0"]}
    assert "<td class=v0>2.1.0<td class=v0>2.1.0" in page


def test_what_runs_where(page: str) -> None:
    assert rows(page, "targets") == {
        "a": ["✖ DD201 torch", "✓"],
        "b": ["▲ DD301 torch", "▲ DD301 torch"],
        "c": ["✓", "✓"],
        "old": ["✓", "✓"],
        "lost": ["?", "?"],
    }


def test_layers_are_to_scale(page: str) -> None:
    sizes = {image.name: sum(pin.download_bytes for pin in SIX.pins(image)) for image in SIX.images}
    part = page[page.index("<section id=layers ") :]
    for name, whole in sizes.items():
        row = part[part.index(f"<th scope=row>{name}<") :].partition("<tr>")[0]
        width = sum(float(share) for share in re.findall(r"width:([\d.]+)%", row))
        assert width == pytest.approx(100 * whole / max(sizes.values()), abs=0.1)


def test_nothing_is_fetched_and_only_its_own_script_runs(page: str) -> None:
    assert not re.search(r"""(src|href)\s*=\s*["']?(?!#)""", page.partition("<script>")[0].replace('href="#', ""))
    assert "url(" not in page
    assert "@import" not in page
    assert page.count("<script>") == 1
    assert re.search(r"script-src &#x27;sha256-[\w+/]{43}=&#x27;", page)


def test_a_hundred_projects_are_less_than_a_megabyte() -> None:
    packages = [f"a-package-of-some-length-{number:03}" for number in range(300)]
    entries = []
    for number in range(100):
        name = f"a/path/of/some/length/project-{number:03}"
        entries.append(entry(name, **{each: f"1.{(number + place) % 9}.0" for place, each in enumerate(packages)}))
    names = [one.project.name for one in entries]
    crossing = [
        Conflict(
            subject=canonicalize_name(packages[number]),
            projects=tuple(names),
            causes=(cause(names[number], f"x=={number}"), cause(names[number + 1], f"x=={number + 1}")),
            others=tuple(cause(name, f"x=={number + 1}") for name in names[number + 2 :]),
            environment=HERE,
        )
        for number in range(99)
    ]
    found = Diagnosis(
        findings=tuple(finding(Kind.UNPINNED, Severity.NOTE, names[number % 100]) for number in range(400)),
        rules_run=(),
    )
    text = html.scan(inventory(*entries), found, Conflicts(conflicts=tuple(crossing)), None)
    assert len(text.encode()) < 1_000_000


def test_nothing_found_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["scan", str(tmp_path), "--offline", "--format", "html"]) == 0
    text = capsys.readouterr().out
    assert "Nothing was found" in text
    assert "No project was found" in text


TRY = """
const out = [], shown = (kind) => [...document.querySelectorAll(kind)].filter((one) => !one.hidden).length;
const field = document.getElementById("filter"), form = document.getElementById("tools");
const type = (text) => { field.value = text; form.requestSubmit(); };
out.push(shown(".finding"));
type("DD301"); out.push(shown(".finding"));
type("lost"); out.push([...document.querySelectorAll("#sharing tbody tr")].filter((row) => !row.hidden).length);
type(""); document.querySelector("input[value=note]").click(); out.push(shown(".finding"));
document.querySelector("#sharing td.no").click(); out.push(field.value);
const cross = document.querySelector("#sharing td[tabindex]"), key = { key: "ArrowRight", bubbles: true };
cross.focus(); cross.dispatchEvent(new KeyboardEvent("keydown", key));
out.push(document.activeElement !== cross && document.activeElement.getAttribute("aria-label"));
type(""); document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
out.push(field.value, document.querySelectorAll("#sharing [tabindex='0']:not(.scroll)").length);
document.querySelector("summary").click(); out.push(document.querySelector("details").open);
window.dispatchEvent(new Event("beforeprint")); out.push(document.querySelectorAll("details:not([open])").length);
out.push(document.getElementById("shown").textContent);
document.documentElement.dataset.out = JSON.stringify(out);
"""


def browse(page: Path, profile: Path) -> tuple[str, str]:
    assert CHROMIUM
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    ran = subprocess.run(
        [*command, f"--user-data-dir={profile}", page.as_uri()], capture_output=True, text=True, check=False
    )
    return ran.stdout, "\n".join(line for line in ran.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_shows_filters_and_prints_it(page: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    dom, said = browse(tmp_path / "page.html", tmp_path / "profile")
    assert (said, "3 of 3 findings" in dom) == ("", True)
    tried = page.replace("Content-Security-Policy", "x-none").replace("</body>", f"<script>{TRY}</script></body>")
    (tmp_path / "tried.html").write_text(tried, encoding="utf-8")
    dom, said = browse(tmp_path / "tried.html", tmp_path / "profile")
    assert said == ""
    told = re.search(r'data-out="([^"]*)"', dom)
    assert told
    reached = '"a and c exclude one another: numpy","numpy",1'
    assert told[1].replace("&quot;", '"') == f'[3,1,1,2,"numpy",{reached},false,0,"0 of 3 findings"]'


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_runs_no_other_script(page: str, tmp_path: Path) -> None:
    evil = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
    (tmp_path / "page.html").write_text(page.replace("</main>", f"{evil}</main>"), encoding="utf-8")
    dom, said = browse(tmp_path / "page.html", tmp_path / "profile")
    assert "<title>run" not in dom
    assert "Content Security Policy" in said
