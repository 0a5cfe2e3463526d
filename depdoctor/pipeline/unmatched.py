"""What the configuration names and nothing answers to: it has no effect, and whoever wrote it believes otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from depdoctor.model.config import Config
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.project import DEFAULT_GROUP
from depdoctor.rules import Rules


def unmatched(inventory: Inventory, config: Config, facts: Rules) -> tuple[str, ...]:
    """GPUs that no table knows, and projects and groups that are not there, each as a sentence."""
    return (*_gpus(inventory, facts), *_projects(inventory, config), *_groups(inventory, config))


def _gpus(inventory: Inventory, facts: Rules) -> Iterator[str]:
    for target in inventory.targets:
        for gpu in target.gpus:
            if gpu.capability is None and facts.gpu(gpu.name) is None:
                way = f"add its compute capability, as in `{gpu} (8.6)`"
                yield f"{target.name}: nothing is known of the GPU `{gpu}`: {way}"


def _projects(inventory: Inventory, config: Config) -> Iterator[str]:
    roots = [entry.project.root for entry in inventory.entries]
    for project in config.projects:
        if project.path not in roots:
            from difflib import get_close_matches

            nearest = get_close_matches(project.path, roots, n=1)
            meant = f": did you mean `{nearest[0]}`?" if nearest else ""
            yield f"{config.source}: no project lies in `{project.path}`, which a [[project]] names{meant}"


def _groups(inventory: Inventory, config: Config) -> Iterator[str]:
    for entry in inventory.entries:
        there = _names(entry)
        for group in config.project(entry.project.root).groups:
            if group not in there and not any(manifest.is_lock for manifest in entry.reading.manifests):
                known = ", ".join(f"`{name}`" for name in sorted(there))
                has = f"it has {known}" if known else "it has none"
                yield f"{entry.project.name}: nothing that it declares is of the group `{group}`: {has}"


def _names(entry: Entry) -> set[str]:
    """The groups of a project by which the configuration may call them."""
    found: set[str] = set()
    for manifest in entry.reading.manifests:
        found.update(manifest.groups)
        found.update(one.group for one in manifest.requirements)
        found.update(one.group for one in manifest.includes)
        found.update(one.group for one in manifest.conda)
    return {group.partition(":")[2] or group for group in found} - {DEFAULT_GROUP}
