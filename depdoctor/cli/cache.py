"""`cache`: what is kept between runs, and how to be rid of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from depdoctor.adapters.cache_place import cache_folder
from depdoctor.cli.settings import progress_of

CLEAN, FOUND = 0, 1

_DAY_S = 86_400


def run(options: argparse.Namespace) -> int:
    """Do what `action` names."""
    return ACTIONS[options.action](options)


def _size(options: argparse.Namespace) -> int:
    from depdoctor.adapters.cache import CacheFolder
    from depdoctor.cli import terminal
    from depdoctor.report import cache as report

    folder = cache_folder()
    parts = CacheFolder(folder).sizes()
    if options.format == "json":
        sys.stdout.write(report.parts_json(str(folder), parts))
    else:
        report.sizes(terminal.output(), str(folder), parts)
    return CLEAN


def _prune(options: argparse.Namespace) -> int:
    from depdoctor.adapters.cache import CacheFolder
    from depdoctor.cli import terminal
    from depdoctor.report import cache as report

    folder = cache_folder()
    parts = CacheFolder(folder).prune(options.unused * _DAY_S)
    if options.format == "json":
        sys.stdout.write(report.parts_json(str(folder), parts))
    else:
        report.pruned(terminal.output(), parts)
    return CLEAN


def _verify(options: argparse.Namespace) -> int:
    from depdoctor.adapters.cache import CacheFolder
    from depdoctor.cli import terminal
    from depdoctor.report import cache as report

    folder = cache_folder()
    with progress_of(options) as progress:
        bad = CacheFolder(folder).verify(progress)
    if options.format == "json":
        sys.stdout.write(report.verified_json(str(folder), bad))
    else:
        report.verified(terminal.output(), bad)
    return FOUND if bad else CLEAN


ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {"size": _size, "prune": _prune, "verify": _verify}
