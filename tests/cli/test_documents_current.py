"""What the documents say of rules and commands is what the program says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from depdoctor.cli.arguments import parse
from depdoctor.cli.commands import COMMANDS
from depdoctor.diagnose import RULES

ROOT = Path(__file__).parents[2]
CATALOGUE, HELP, KEYS = "docs/rules/catalogue.md", "docs/commands.md", "docs/configuration.md"


def catalogue(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "tools" / "catalogue.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_documents_are_current() -> None:
    checked = catalogue(ROOT, "--check")
    assert (checked.returncode, checked.stdout) == (0, ""), "run tools/catalogue.py"


def test_every_rule_has_its_section_and_every_command_its_page() -> None:
    sections = (ROOT / CATALOGUE).read_text(encoding="utf-8").splitlines()
    assert all(f"### {rule.code} {rule.kind}" in sections for rule in RULES)
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "commands").glob("*.md")}
    assert pages.keys() == COMMANDS.keys(), "a page that no command has is to be removed"
    assert all(text.startswith(f"# `depdoctor {name}`\n") for name, text in pages.items())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_of_the_help_is_on_the_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "commands" / f"{name}.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        parse([name, "--help"])
    options = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", capsys.readouterr().out.partition("examples:")[0]))
    assert {option for option in options if option.startswith("--")} <= set(re.findall(r"--[a-z][\w-]*", page))


def test_what_is_out_of_date_is_named_and_made_anew(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "catalogue.py", tmp_path / "tools")
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "config-schema.json", tmp_path / "docs")
    made = catalogue(tmp_path)
    pages = [f"docs/commands/{name}.md" for name in COMMANDS]
    assert (made.returncode, sorted(made.stdout.split())) == (0, sorted([CATALOGUE, HELP, *pages, KEYS]))
    before = (tmp_path / HELP).read_text(encoding="utf-8")
    with (tmp_path / HELP).open("a", encoding="utf-8") as file:
        file.write("by hand\n")
    checked = catalogue(tmp_path, "--check")
    assert (checked.returncode, checked.stdout) == (1, f"{HELP}\n")
    assert catalogue(tmp_path).returncode == 0
    assert (tmp_path / HELP).read_text(encoding="utf-8") == before


PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as services make them."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", *PAGES])
def test_no_link_is_broken(page: str) -> None:
    here = ROOT / page
    for found in LINK.finditer(here.read_text(encoding="utf-8")):
        path, _, anchor = (found[1] or found[2]).partition("#")
        if "://" in path:
            continue
        there = (here.parent / path).resolve() if path else here
        assert there.exists(), f"{page}: {path}"
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), f"{page}: {path}#{anchor}"
