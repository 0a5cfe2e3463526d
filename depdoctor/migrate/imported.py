"""Which of the installed distributions a project's imports mean, and which of them it would be left without."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.model.formats import NOTEBOOK
from depdoctor.model.installed import InstalledDistribution, InstalledEnvironment
from depdoctor.model.reading import Import, Reading

Modules = Mapping[str, tuple[NormalizedName, ...]]
"""The distributions that install a module, by its name; of what several install, by the names of what is in it, too."""


def specified(
    imported: Sequence[Import], modules: Modules, below: Mapping[str, Sequence[Import]]
) -> tuple[Import, ...]:
    """Imports, those of a module that several distributions install told apart by what is imported from it.

    `below` has by module what is imported from it, by dotted names.
    """
    found: list[Import] = []
    for one in imported:
        inner = below.get(one.module, ()) if len(modules.get(one.module, ())) > 1 else ()
        named = {
            name: other
            for other in inner
            if (other.guarded, other.testing) == (one.guarded, one.testing) and (name := _known(other.module, modules))
        }
        found += [replace(other, module=name) for name, other in named.items()] or [one]
    return tuple(found)


def _known(dotted: str, modules: Modules) -> str:
    """The longest beginning of a dotted name that is inside of its first part and that somebody installs, or ""."""
    while "." in dotted and dotted not in modules:
        dotted = dotted.rpartition(".")[0]
    return dotted if "." in dotted else ""


def left_out(
    reading: Reading, modules: Modules, installed: InstalledEnvironment, had: Collection[str]
) -> Iterator[str]:
    """Remarks on imports of which a project will not have the distribution; `had` are those that it will have."""
    there = {one.name: one for one in installed.distributions}
    unowned = {posixpath.basename(path).partition(".")[0] for path in installed.unowned}
    own = {canonicalize_name(manifest.name) for manifest in reading.manifests if manifest.name}
    local = {use.package.name for use in reading.local}
    told: set[NormalizedName] = set()
    for one in reading.imported:
        in_notebook = one.location.path.endswith(NOTEBOOK)
        providers = modules.get(one.module, ())
        if one.standard or (one.testing and not in_notebook) or any(name in had or name in own for name in providers):
            continue
        if not providers and not (one.guarded or one.testing) and canonicalize_name(one.module) not in local:
            found = "it lies in the environment without a package: no manifest can bring it"
            none = "nothing that is installed is known to bring it"
            yield f"{one.location}: `{one.module}` is imported, and {found if one.module in unowned else none}"
        for name in providers[:1]:
            if name in told:
                continue
            told.add(name)
            if there[name].source:
                yield f"{one.location}: `{one.module}` is imported, and {_elsewhere(there[name])}"
            elif one.guarded or one.testing:
                where = "in a notebook" if in_notebook else "where it may fail, or late"
                yield (
                    f"{one.location}: `{one.module}` is imported {where}, and is left out: add "
                    f"`{name}=={there[name].version}` if it is needed"
                )


def _elsewhere(there: InstalledDistribution) -> str:
    return f"{there.name} is installed from {there.source}, not from an index: it needs an address, or a wheel"


def by_module(imports: Iterable[Import]) -> dict[str, list[Import]]:
    """Imports of dotted names by the first part of these."""
    found: dict[str, list[Import]] = {}
    for one in imports:
        found.setdefault(one.module.partition(".")[0], []).append(one)
    return found
