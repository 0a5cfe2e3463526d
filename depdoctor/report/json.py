"""The JSON of every command. `docs/scan-schema.json` publishes that of a scan."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depdoctor.report.conflict_json import cause, conflict, grouping

if TYPE_CHECKING:
    from depdoctor.model.alignment import Advice
    from depdoctor.model.conflict import Grouping
    from depdoctor.model.cost import Costs, LayoutCost, PlanDiff
    from depdoctor.model.finding import Diagnosis, Finding
    from depdoctor.model.image import BuiltImage, PushedImage
    from depdoctor.model.installed import InstalledEnvironment
    from depdoctor.model.inventory import Entry, Inventory
    from depdoctor.model.measurement import Measurement
    from depdoctor.model.memory import Need
    from depdoctor.model.migration import Migration
    from depdoctor.model.plan import Plan
    from depdoctor.model.project import Weights

SCHEMA_VERSION = 1


def scan(inventory: Inventory, diagnosis: Diagnosis, elapsed_s: float, groupings: Sequence[Grouping] = ()) -> str:
    """Turn a scan into its JSON document."""
    return _text(
        {
            "schema_version": SCHEMA_VERSION,
            "root": inventory.root,
            "projects": [_project(entry) for entry in inventory.entries],
            "weights": _weights(inventory),
            "environments": [_environment(one) for one in inventory.installed],
            "findings": [finding(one) for one in diagnosis.findings],
            "groupings": [grouping(one) for one in groupings],
            "summary": {
                **counts(diagnosis),
                "rules_run": list(diagnosis.rules_run),
                "incomplete": list(inventory.incomplete),
                "index_date": inventory.index_date.date().isoformat(),
                "elapsed_s": round(elapsed_s, 2),
            },
        }
    )


def verified(result: Diagnosis, measured: Sequence[Measurement] = (), shared: Sequence[Measurement] = ()) -> str:
    """Turn what was found inside images into JSON, with what they cost to run where that was measured."""
    from depdoctor.report.measurement import values

    figures = {"measured": values(measured), "in_virtual_environment": values(shared)} if measured else {}
    return _text(
        {
            "schema_version": SCHEMA_VERSION,
            "findings": [finding(one) for one in result.findings],
            **figures,
            "summary": {**counts(result), "rules_run": list(result.rules_run)},
        }
    )


def migrated(done: Migration, broken: Diagnosis, written: Sequence[Path]) -> str:
    """Turn a migration into JSON."""
    return _text(
        {
            "schema_version": SCHEMA_VERSION,
            "source": done.source,
            "python": done.python,
            "projects": [
                {
                    "name": move.project,
                    "requirements": [
                        {"requirement": need.line, "path": need.location.path, "line": need.location.line or None}
                        for need in move.needs
                    ],
                    "packages": list(move.pins),
                    "moved": [asdict(one) for one in move.moved],
                    "reason": move.unknown or None,
                    "remarks": list(move.remarks),
                }
                for move in done.moves
            ],
            "contested": [
                {
                    "package": one.name,
                    "installed": str(one.installed) if one.installed else None,
                    "wants": [
                        {"project": project, "requirement": want, "path": place.path, "line": place.line or None}
                        for project, want, place in one.wants
                    ],
                }
                for one in done.contested
            ],
            "unneeded": list(done.idle) if done.idle_known else None,
            "tools": list(done.tools),
            "not_read": list(done.remarks),
            "findings": [finding(one) for one in broken.findings],
            "files": [path.as_posix() for path in written],
        }
    )


def hooked(result: Diagnosis, judged: Sequence[str], unknown: Sequence[str]) -> str:
    """Turn what a commit hook found into JSON; `unknown` are projects that only a scan with the network judges."""
    return _text(
        {
            "schema_version": SCHEMA_VERSION,
            "projects": list(judged),
            "findings": [finding(one) for one in result.findings],
            "summary": {**counts(result), "rules_run": list(result.rules_run), "incomplete": list(unknown)},
        }
    )


def plan(  # noqa: PLR0913 - all that a plan tells, by name
    made: Plan,
    costs: Costs,
    change: PlanDiff,
    *,
    path: str,
    changed: bool,
    advice: Sequence[Advice] = (),
    afresh: LayoutCost | None = None,
    needs: Sequence[Need] = (),
    findings: Sequence[Finding] = (),
) -> str:
    """Turn what a plan amounts to into JSON; the plan itself is a file."""
    from depdoctor.model.cohort import cohorts

    images = {image.name: image for image in made.images}
    return _text(
        {
            "schema_version": SCHEMA_VERSION,
            "plan": path,
            "changed": changed,
            "images": [
                {
                    "name": cost.name,
                    "project": images[cost.name].project,
                    "base": images[cost.name].base.pinned,
                    "platform": str(images[cost.name].environment.platform),
                    "targets": list(images[cost.name].targets),
                    "variant": images[cost.name].variant or None,
                    "why": images[cost.name].why or None,
                    "packages": len(made.pins(images[cost.name])),
                    "layers": cost.layers,
                    "download_bytes": cost.download_bytes,
                    "unpacked_bytes": cost.unpacked_bytes,
                    "own_download_bytes": cost.own_download_bytes,
                    "own_unpacked_bytes": cost.own_unpacked_bytes,
                    "cuda_bytes": cost.cuda_bytes,
                    "weights_bytes": cost.weights_bytes,
                    "largest": [{"package": name, "unpacked_bytes": count} for name, count in cost.largest],
                    "pulls": [{"others_present": count, "bytes": left} for count, left in cost.pulls],
                }
                for cost in costs.images
            ],
            "cohorts": [
                {
                    "images": list(one.images),
                    "base": one.base.pinned,
                    "python": one.environment.python,
                    "platform": str(one.environment.platform),
                    "apart": one.apart or None,
                }
                for one in cohorts(made)
            ],
            "skipped": [
                {"project": one.project, "reason": one.reason, "targets": list(one.targets)} for one in made.skipped
            ],
            "costs": {
                **{name: asdict(getattr(costs, name)) for name in ("planned", "single", "popularity", "least")},
                "bound_bytes": costs.bound_bytes,
                "afresh": asdict(afresh) if afresh else None,
            },
            "memory": [
                {
                    "project": one.project,
                    "parameters": one.parameters,
                    "needed_bytes": dict(one.needed),
                    "targets": [
                        {"target": name, "gpu_memory_bytes": size, "fits": widest or None}
                        for name, size, widest in one.fits
                    ],
                }
                for one in needs
            ],
            "findings": [finding(one) for one in findings],
            "diff": asdict(change),
            "alignment": {
                "saved_bytes": sum(move.saved_bytes for move in made.moves),
                "moves": [asdict(move) for move in made.moves],
                "advice": [_advice(one) for one in advice],
            },
        }
    )


def _advice(one: Advice) -> dict[str, Any]:
    return {
        **asdict(replace(one, edits=())),
        "edits": [
            {
                "project": edit.project,
                "path": edit.location.path,
                "line": edit.location.line or None,
                "requirement": edit.requirement,
            }
            for edit in one.edits
        ],
    }


def files(written: Sequence[Path]) -> str:
    """Turn the paths of generated files into JSON."""
    return _text({"schema_version": SCHEMA_VERSION, "files": [path.as_posix() for path in written]})


def built(images: Sequence[BuiltImage], pushed: Sequence[PushedImage], elapsed_s: float) -> str:
    """Turn built and pushed images into JSON."""
    sent = {one.name: one for one in pushed}
    return _text(
        {
            "schema_version": SCHEMA_VERSION,
            "images": [
                {
                    "name": one.name,
                    "digest": sent[one.name].digest if one.name in sent else one.manifest.digest or None,
                    "image_id": one.config.digest or None,
                    "layers": len(one.layers),
                    "bytes": None if one.unpacked else sum(layer.size_bytes for layer in one.layers),
                    "unpacked_bytes": sum(layer.size_bytes for layer in one.layers) if one.unpacked else None,
                    "layout": str(one.layout) if one.layout else None,
                    "reference": sent[one.name].reference if one.name in sent else one.reference or None,
                    "uploaded_bytes": sent[one.name].uploaded_bytes if one.name in sent else None,
                }
                for one in images
            ],
            "summary": {"elapsed_s": round(elapsed_s, 2)},
        }
    )


def counts(result: Diagnosis) -> dict[str, int]:
    """How many errors, warnings and notes there are."""
    from depdoctor.model.finding import Severity

    return {
        f"{severity}s": sum(one.severity is severity for one in result.findings)
        for severity in sorted(Severity, reverse=True)
    }


def finding(one: Finding) -> dict[str, Any]:
    """Turn one finding into its JSON object."""
    return {
        "code": one.code,
        "kind": one.public_kind,
        "severity": str(one.severity),
        "subject": one.subject,
        "packages": list(one.packages),
        "projects": list(one.projects),
        "targets": list(one.targets),
        "outcomes": [
            {"target": each.target, "machine": each.machine, "state": each.state.value, "effect": each.effect}
            for each in one.outcomes
        ],
        "message": one.message,
        "hint": one.hint,
        "causes": [cause(each) for each in one.causes],
        "evidence": [
            {"fact": fact.fact, "source": fact.source, "date": fact.date, "confidence": str(fact.confidence)}
            for fact in one.evidence
        ],
        "conflicts": [conflict(each) for each in one.conflicts],
    }


def _project(entry: Entry) -> dict[str, Any]:
    locks = entry.locks
    environments = [outcome.environment for outcome in entry.outcomes]
    manifests = [manifest.path for manifest in entry.reading.manifests]
    return {
        "name": entry.project.name,
        "path": entry.project.root,
        "python": environments[0].python if environments else entry.reading.python or None,
        "manifests": sorted({*manifests, *(one.path for one in entry.reading.unreadable)}),
        "status": entry.status,
        "packages": max((len(lock.pins) for lock in locks), default=0),
        "download_bytes": max((sum(pin.download_bytes for pin in lock.pins) for lock in locks), default=0),
        "reason": entry.reason or None,
        "from_base": sorted({one for lock in locks for one in lock.provided}),
    }


def _weights(inventory: Inventory) -> list[dict[str, Any]]:
    """Every file of weights; those that are the same as one, with all its places."""
    same: dict[str, list[tuple[str, Weights]]] = {}
    for entry in inventory.entries:
        for one in entry.reading.weights:
            same.setdefault(one.sha256 or one.path, []).append((entry.project.name, one))
    return [
        {
            "format": group[0][1].format,
            "size_bytes": group[0][1].size_bytes,
            "sha256": group[0][1].sha256 or None,
            "tensors": next((one.tensors for _, one in group if one.tensors is not None), None),
            "parameters": next((one.parameters for _, one in group if one.parameters is not None), None),
            "dtypes": dict(next((one.dtypes for _, one in group if one.dtypes), ())),
            "files": [{"project": project, "path": one.path} for project, one in group],
        }
        for group in same.values()
    ]


def _environment(one: InstalledEnvironment) -> dict[str, Any]:
    return {
        "path": one.path,
        "python": one.python or None,
        "packages": len(one.distributions),
        "damaged_files": len(one.damaged),
        "unowned": list(one.unowned),
    }


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
