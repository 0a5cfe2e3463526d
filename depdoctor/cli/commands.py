"""A function per command: options in, exit status out. What it prints comes from a report."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from depdoctor.cli.settings import progress_of, settings
from depdoctor.errors import UsageError

if TYPE_CHECKING:
    from depdoctor.model.finding import Diagnosis
    from depdoctor.model.measurement import Measurement
    from depdoctor.pipeline.native import BuildWish

CLEAN, FOUND, INCOMPLETE = 0, 1, 3


def scan(options: argparse.Namespace) -> int:
    """Name every conflict and mismatch."""
    from depdoctor.cli import reports
    from depdoctor.cli.again import Again

    started = time.monotonic()
    if options.list:
        return _list(options)
    again = Again(options)
    if (told := again.told()) is not None:
        sys.stdout.write(told.text(time.monotonic() - started))
        return told.status
    from depdoctor.pipeline import scanning

    with progress_of(options) as progress:
        result = scanning.scan(settings(options), progress)
    sys.stdout.write(reports.scan(options, result, time.monotonic() - started))
    unknown = options.strict and result.inventory.incomplete
    status = INCOMPLETE if unknown else _verdict(result.diagnosis, options.fail_on)
    if result.seen is not None:
        hour = "" if result.dated else result.inventory.index_date.isoformat()
        again.keep(lambda took_s: reports.scan(options, result, took_s), status=status, hour=hour, seen=result.seen)
    return status


def _list(options: argparse.Namespace) -> int:
    from depdoctor.cli import terminal
    from depdoctor.pipeline import scanning
    from depdoctor.report import listing

    found, readings = scanning.listed(settings(options))
    if options.format == "json":
        sys.stdout.write(listing.json(found, readings))
    else:
        listing.console(terminal.output(), found, readings)
    return CLEAN


def plan(options: argparse.Namespace) -> int:
    """Plan an image for each project."""
    from depdoctor.adapters.scan_memory import this_hour
    from depdoctor.cli.again import Again, Heard

    # Whoever wants a plan afresh, or everything locked again, wants to hear what index and registries say now.
    again = None if options.fresh or options.relock else Again(options)
    if again is not None and (told := again.told()) is not None:
        with progress_of(options) as progress:
            for text in told.said:
                progress.say(text)
        return _printed(told.before, told.not_known, told.status)
    from depdoctor.cli import reports
    from depdoctor.model.alignment import Align
    from depdoctor.pipeline import planning

    hour = this_hour()
    with progress_of(options) as progress:
        heard = Heard(progress)
        made = planning.plan(
            settings(options),
            heard,
            fresh=options.fresh,
            mode=Align(options.align),
            write=not (options.check or options.diff),
        )
    printed = reports.plan(options, made, _state(made.changed, check=options.check, dry=options.diff))
    not_known = made.incomplete if options.strict else ()
    status = CLEAN
    if not_known:
        status = INCOMPLETE
    elif options.check:
        status = FOUND if made.changed else _verdict(made.diagnosis, options.fail_on)
    if again is not None and made.seen is not None:
        again.keep_plan(printed, status=status, hour=hour, seen=made.seen, said=heard.said, not_known=not_known)
    return _printed(printed, not_known, status)


def _printed(text: str, not_known: Sequence[str], status: int) -> int:
    sys.stdout.write(text)
    sys.stderr.writelines(f"depdoctor: not known: {one}\n" for one in not_known)
    return status


def _state(changed: bool, *, check: bool, dry: bool) -> str:  # noqa: FBT001 - of one sentence
    if check or dry:
        return "is out of date: run `depdoctor plan`" if changed else "is up to date"
    return "written" if changed else "stands as it was"


def generate(options: argparse.Namespace) -> int:
    """Write a Dockerfile, a bake file and hashed requirements."""
    from depdoctor.pipeline import deploying

    kinds = tuple(filter(None, (kind.strip() for kind in options.only.split(","))))
    if options.split:
        kinds = tuple("split" if kind == "dockerfile" else kind for kind in kinds)
    with progress_of(options) as progress:
        written = deploying.generate_files(settings(options), progress, kinds, options.output, options.registry or "")
    if options.format == "json":
        from depdoctor.report import json

        sys.stdout.write(json.files(written))
    else:
        sys.stdout.writelines(f"{path}\n" for path in written)
    return CLEAN


def build(options: argparse.Namespace) -> int:
    """Build the images of the plan."""
    from depdoctor.pipeline import native

    started = time.monotonic()
    output = options.output or (None if options.push or options.load else Path("images"))
    wish = native.BuildWish(
        output=output,
        push=options.push or "",
        load=options.load,
        builder=options.builder,
        images=tuple(options.image),
        compiled=options.compile,
        compression=options.compression or "",
        contexts=tuple(options.docker_context),
        builders=tuple(options.buildx),
    )
    return _delivered(options, wish, started)


def push(options: argparse.Namespace) -> int:
    """Push the images of the plan."""
    from depdoctor.pipeline import delivery

    started = time.monotonic()
    wish = delivery.push_wish(settings(options), options.to or "", tuple(options.image))
    wish = replace(wish, compiled=options.compile, compression=options.compression or "")
    return _delivered(options, wish, started)


def _delivered(options: argparse.Namespace, wish: BuildWish, started: float) -> int:
    """Do what is wished, or only tell what that would be."""
    from depdoctor.pipeline import delivery

    with progress_of(options) as progress:
        if not options.dry_run:
            made = delivery.build(settings(options), progress, wish)
        else:
            intents = delivery.rehearse(settings(options), progress, wish)
    if not options.dry_run:
        from depdoctor.cli import reports

        reports.built(options, made, started)
        return CLEAN
    from depdoctor.cli import terminal
    from depdoctor.report import intent

    if options.format == "json":
        sys.stdout.write(intent.json(intents))
    else:
        intent.console(terminal.output(), intents)
    return CLEAN


def verify(options: argparse.Namespace) -> int:
    """Check that what was locked is installed in each image, and imports."""
    from depdoctor.cli import terminal
    from depdoctor.pipeline import references

    if references.is_exact(str(options.path)) and not options.path.exists() and not options.source:
        options.path, options.source, options.remote = Path(), str(options.path), True
    if options.source and references.is_exact(options.source) and (options.image or not options.remote):
        raise UsageError(
            f"`{options.source}` is one image, which is compared with the plan",
            hint="give `--remote` and no `--image`; or REGISTRY/PREFIX, without name and tag",
        )
    if options.remote and not options.source:
        raise UsageError("`--remote` needs to know where the images are", hint="add `--from REGISTRY/PREFIX`")
    if options.shared_venv and not options.measure:
        raise UsageError("`--venv` is what `--measure` measures beside the images", hint="give both, or neither")
    if options.remote and options.measure:
        raise UsageError("`--remote` runs nothing, and `--measure` measures what runs", hint="give one of them")
    measured: tuple[Measurement, ...] = ()
    shared: tuple[Measurement, ...] = ()
    with progress_of(options) as progress:
        if options.remote:
            from depdoctor.pipeline import comparing

            diagnosis = comparing.compare_images(settings(options), progress, options.image, options.source)
        else:
            from depdoctor.pipeline import verifying

            verified = verifying.verify_images(
                settings(options),
                progress,
                tuple(options.image),
                options.source or "",
                measures=options.measure,
                venv=options.shared_venv,
            )
            diagnosis, measured, shared = verified.diagnosis, verified.measured, verified.shared
    if options.format == "json":
        from depdoctor.report import json

        sys.stdout.write(json.verified(diagnosis, measured, shared))
    else:
        from depdoctor.report import console, measurement

        console.findings(terminal.output(), diagnosis)
        if not diagnosis.findings:
            clean = "what stands there is what is planned", "what was locked is installed, and imports"
            sys.stdout.write(f"{clean[0] if options.remote else clean[1]}\n")
        if measured:
            measurement.table(terminal.output(), measured, shared)
    return _verdict(diagnosis, options.fail_on)


def host(options: argparse.Namespace) -> int:
    """Print this machine as a target."""
    from depdoctor.adapters import host as machine
    from depdoctor.report import target

    found = machine.read()
    sys.stdout.write(target.json(found) if options.format == "json" else target.block(found))
    return CLEAN


def init(options: argparse.Namespace) -> int:
    """Write a first configuration."""
    from depdoctor.pipeline import beginning

    with progress_of(options) as progress:
        begun = beginning.init(settings(options), progress)
    if options.format == "json":
        from depdoctor.report import json

        sys.stdout.write(json.files((begun.path,)))
    else:
        sys.stdout.write(f"{begun.path} written; projects found: {begun.projects}. Next: `depdoctor scan`\n")
    return CLEAN


def _done_by(module: str) -> Callable[[argparse.Namespace], int]:
    """A command that its own module does, which is not imported for another command."""

    def run(options: argparse.Namespace) -> int:
        return import_module(f"depdoctor.cli.{module}").run(options)  # type: ignore[no-any-return]

    return run


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "scan": scan,
    "plan": plan,
    "generate": generate,
    "build": build,
    "push": push,
    "verify": verify,
    "rebase": _done_by("rebase"),
    "host": host,
    "rules": _done_by("rules"),
    "explain": _done_by("explain"),
    "whatif": _done_by("whatif"),
    "migrate": _done_by("migrate"),
    "update": _done_by("update"),
    "hook": _done_by("hook"),
    "completion": _done_by("completion"),
    "images": _done_by("images"),
    "cache": _done_by("cache"),
    "init": init,
}


def _verdict(diagnosis: Diagnosis, fail_on: str) -> int:
    if fail_on == "never":
        return CLEAN
    from depdoctor.model.finding import Severity

    threshold = Severity[fail_on.upper()]
    return FOUND if any(one.severity >= threshold for one in diagnosis.findings) else CLEAN
