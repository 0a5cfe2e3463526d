"""`rules` and `explain`: what is checked, and by what facts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from depdoctor.cli.settings import settings
from depdoctor.errors import UsageError

if TYPE_CHECKING:
    from depdoctor.report.rules import TableState

CLEAN = 0


def run(options: argparse.Namespace) -> int:
    """Do what `action` names."""
    return ACTIONS[options.action](options)


def explain(options: argparse.Namespace) -> int:
    """Print the long text of a rule, named by its code or its kind."""
    import difflib

    from depdoctor.cli import terminal
    from depdoctor.diagnose import RULES
    from depdoctor.report import rules as report

    wanted = options.code.strip().lower()
    rules = {name.lower(): rule for rule in RULES for name in (rule.code, rule.kind.value)}
    if wanted not in rules:
        nearest = difflib.get_close_matches(wanted, rules, n=1)
        hint = f"did you mean `{rules[nearest[0]].code}`? " if nearest else ""
        raise UsageError(f"there is no rule `{options.code}`", hint=f"{hint}`depdoctor rules list` names all of them")
    if options.format == "json":
        sys.stdout.write(report.rule_json(rules[wanted]))
    else:
        report.rule(terminal.output(), rules[wanted])
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
    from depdoctor.cli import terminal
    from depdoctor.report import rules as report

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
    "show": explain,
    "check": _check,
    "age": _age,
}
