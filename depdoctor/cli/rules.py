"""`rules`: what is checked, and by what facts."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from depdoctor.cli.settings import settings
from depdoctor.errors import UsageError

if TYPE_CHECKING:
    from depdoctor.diagnose import Rule
    from depdoctor.report.rules import TableState

CLEAN = 0

NEARLY = 0.85
"""How like a code or kind a name must be to be taken for a slip of the hand."""

_CODE = re.compile(r"dd\d+")


def run(options: argparse.Namespace) -> int:
    """Do what `action` names."""
    return ACTIONS[options.action](options)


def find(name: str) -> Rule | None:
    """The rule with this code or kind, None if there is none. Raises `UsageError` for what is nearly one."""
    import difflib

    from depdoctor.diagnose import RULES

    rules = {key.lower(): rule for rule in RULES for key in (rule.code, rule.kind.value)}
    wanted = name.strip().lower()
    nearest = difflib.get_close_matches(wanted, rules, n=1, cutoff=NEARLY)
    if wanted not in rules and (_CODE.fullmatch(wanted) or (nearest and "-" in wanted)):
        hint = f"did you mean `{rules[nearest[0]].code}`? " if nearest else ""
        raise UsageError(f"there is no rule `{name}`", hint=f"{hint}`depdoctor rules list` names all of them")
    return rules.get(wanted)


def show(rule: Rule, how: str) -> None:
    """Print the long text of a rule."""
    from depdoctor.cli import terminal
    from depdoctor.report import rules as report

    if how == "json":
        sys.stdout.write(report.rule_json(rule))
    else:
        report.rule(terminal.output(), rule)


def _show(options: argparse.Namespace) -> int:
    rule = find(options.code)
    if rule is None:
        raise UsageError(f"there is no rule `{options.code}`", hint="`depdoctor rules list` names all of them")
    show(rule, options.format)
    return CLEAN


def _list(options: argparse.Namespace) -> int:
    from depdoctor.cli import terminal
    from depdoctor.diagnose import RULES
    from depdoctor.report import rules as report

    if options.format == "json":
        sys.stdout.write(report.listing_json(RULES, _tables(options)))
    else:
        report.listing(terminal.output(), RULES, _tables(options))
    return CLEAN


def _check(options: argparse.Namespace) -> int:
    from depdoctor import rules
    from depdoctor.cli import terminal
    from depdoctor.report import rules as report

    rules.check()
    tables = _tables(options)
    if options.format == "json":
        sys.stdout.write(report.tables_json(tables))
    else:
        report.checked(terminal.output(), tables)
    return CLEAN


def _age(options: argparse.Namespace) -> int:
    from depdoctor.cli import terminal
    from depdoctor.report import rules as report

    today = datetime.now(UTC).date()
    if options.format == "json":
        sys.stdout.write(report.tables_json(_tables(options), today))
    else:
        report.ages(terminal.output(), _tables(options), today)
    return CLEAN


def _tables(options: argparse.Namespace) -> tuple[TableState, ...]:
    """The tables that ship and those of one's own, all of them read and so checked. Raises `RulesError`."""
    from depdoctor import rules
    from depdoctor.pipeline import scanning
    from depdoctor.report.rules import states

    _, facts = scanning.configured(settings(options))
    return states(rules.load(), facts)


ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": _list,
    "show": _show,
    "check": _check,
    "age": _age,
}
