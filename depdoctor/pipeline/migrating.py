"""`migrate`: from an environment that projects share to a manifest each. Starts nothing, and deletes nothing."""

from __future__ import annotations

import os
import posixpath
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor import discover, read
from depdoctor import migrate as stage
from depdoctor.adapters import files
from depdoctor.adapters.scan_memory import this_hour
from depdoctor.diagnose import diagnose
from depdoctor.errors import UsageError
from depdoctor.lock import PYTHONS, admits
from depdoctor.lock.modules import inner_modules, modules_of
from depdoctor.model.config import Config
from depdoctor.model.conflict import Conflicts
from depdoctor.model.finding import Diagnosis, Kind
from depdoctor.model.image import Bundle
from depdoctor.model.installed import InstalledDistribution, InstalledEnvironment
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Answer, Impossible, Lock, Question, Resolved
from depdoctor.model.migration import CONSTRAINTS, MANIFEST, PYTHON, Migration, Move
from depdoctor.model.noun import dataclass
from depdoctor.model.project import IndexOptions
from depdoctor.model.reading import Reading
from depdoctor.model.seams import Progress
from depdoctor.model.target import Environment
from depdoctor.pipeline.foundations import python_for, python_of
from depdoctor.pipeline.scanning import asking, configured
from depdoctor.pipeline.standing import Settings
from depdoctor.read import requirements_txt
from depdoctor.read.address import redact
from depdoctor.read.encoding import decode
from depdoctor.read.errors import ManifestError
from depdoctor.report import migration as report
from depdoctor.rules import Rules

Source = tuple[InstalledEnvironment, stage.Modules, Environment]
"""What is installed, which distributions install a module, and where it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """What was worked out, what is wrong in the environment already, and the files that were written."""

    migration: Migration
    broken: Diagnosis
    written: tuple[Path, ...]


def migrate(
    settings: Settings, sources: Sequence[Path], output: Path, projects: Sequence[str], progress: Progress
) -> Migrated:
    """Write a manifest for each project, as files to review and a patch, into a new folder.

    Each of `sources` is a virtual or conda environment, or a file as `pip freeze` writes it; of several, each project
    goes with the one that it fits best. `projects` are folders below the root, none for all. Raises `UsageError`, also
    where the folder stands and is not empty.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output} stands already", hint="`migrate` writes over nothing: name a new folder")
    config, facts = configured(settings)
    found = discover.survey(settings.root, config.exclude).projects
    chosen = [one for one in found if not projects or any(_within(one.root, each) for each in projects)]
    readings = read.read_all(tuple(chosen), settings.root, facts.stdlib_by_name)
    shared = [_source(path, config, facts, settings.root) for path in dict.fromkeys(sources)]
    if not readings:
        raise UsageError(f"no project under `{settings.root}`", hint="name the folder that holds your projects")
    moment = settings.exclude_newer or config.exclude_newer or datetime.fromisoformat(this_hour())
    end = time.monotonic() + settings.budget_s
    task = "resolving what each project needs"
    progress.start(task, len(readings))
    homes = {one.project.name: stage.fitting(one, shared) for one in readings}
    parts = []
    entries: list[Entry] = []
    with asking(settings, lambda: end - time.monotonic()) as oracle:

        def ask(reading: Reading, question: Question) -> Answer:
            indexes = _indexes(reading, config.indexes)
            return oracle.resolve(replace(question, indexes=indexes, builds_allowed=settings.builds_allowed))

        for source in shared:
            here = (one for one in readings if homes[one.project.name] is source[0])
            mine = [_told_apart(one, source[1], settings.root) for one in here]
            moves = []
            for reading in mine:
                python, told = _python(reading, source, config, facts, settings.root)
                placed = (source[0], source[1], replace(source[2], python=python))
                move, answer = _move(reading, placed, moment, ask)
                move = stage.on_python(move, python, told, source[2].python)
                if isinstance(answer, Resolved):
                    lock = Lock(project=reading.project.name, environment=placed[2], pins=answer.pins)
                    added = config.project(reading.project.root).system_packages
                    entries.append(Entry(reading=reading, outcomes=(lock,), system_packages=added))
                moves.append(move)
                progress.advance(task)
            parts.append(stage.migration(source[0], mine, moves, source[2]))
    progress.finish(task)
    installed = tuple(one for one, _, _ in shared)
    inventory = Inventory(
        root=str(settings.root), entries=(), targets=config.targets, index_date=moment, installed=installed
    )
    broken = diagnose(inventory, Conflicts(), facts)
    apart = diagnose(
        replace(inventory, entries=tuple(entries), installed=(), base=config.image.base), Conflicts(), facts
    )
    lacking = [one for one in apart.findings if one.kind is Kind.SYSTEM_LIBRARY]
    result = stage.lacking(stage.joined(parts), lacking)
    texts, unpatched = _standing(settings.root, result)
    result = stage.remarked(result, unpatched)
    folder = os.path.relpath(output.absolute(), settings.root.absolute())
    bundle = Bundle(files=report.files(result, broken, texts, Path(folder).as_posix(), unpatched))
    written = files.write(bundle, output)
    return Migrated(migration=result, broken=broken, written=written)


def _python(reading: Reading, source: Source, config: Config, facts: Rules, root: Path) -> tuple[str, stage.Python]:
    """The Python that a project's image is to have, and what is to be told of that."""
    taken, there = python_for(reading, config, facts), source[2].python
    if not source[0].python or taken == there:
        return taken, stage.Python.KNOWN
    stated = reading.python or python_of(reading, config, facts)
    written = os.path.lexists(root / reading.project.root / PYTHON)
    if stated or written or there not in PYTHONS or not admits(reading.manifests, there):
        return taken, stage.Python.ANOTHER
    return there, stage.Python.UNTOLD


def _source(path: Path, config: Config, facts: Rules, root: Path) -> Source:
    """What is installed in an environment, who installs which modules, and where it runs."""
    installed = _frozen(path) if path.is_file() else read.read_environment(path, name=path.as_posix())
    if not any(one.version or one.source or one.editable for one in installed.distributions):
        raise UsageError(f"no package is installed in `{path}`", hint="name a virtual environment or a freeze file")
    python = ".".join(installed.python.split(".")[:2]) or config.python
    return installed, _modules(installed, facts, root), Environment(python=python, platform=config.targets[0].platform)


def _move(
    reading: Reading, source: Source, moment: datetime, ask: Callable[[Reading, Question], Answer]
) -> tuple[Move, Answer]:
    """What a project needs: as installed; else without what is broken there; else with nothing held but its lines."""
    installed, modules, environment = source
    held, refused = stage.constraints(installed, environment), stage.refused(installed, environment)
    for loose, holding in ((frozenset[NormalizedName](), held), (refused, held), (refused, ())):
        needs = stage.needs(reading, installed, modules, environment, loose)
        own = {need.name for need in needs}
        answer = ask(
            reading,
            Question(
                requirements=tuple(sorted({need.line for need in needs})),
                constraints=tuple(line for line in holding if line.partition("==")[0] not in own),
                environment=environment,
                exclude_newer=moment,
            ),
        )
        if not isinstance(answer, Impossible):
            break
    return stage.move(reading, needs, source, answer), answer


def _told_apart(reading: Reading, modules: stage.Modules, root: Path) -> Reading:
    """A reading whose imports of what several distributions install name the part that they mean."""
    shared = {one.module for one in reading.imported if len(modules.get(one.module, ())) > 1}
    if not shared:
        return reading
    inner = read.imported_below(reading.project, root, shared)
    return replace(reading, imported=stage.specified(reading.imported, modules, stage.by_module(inner)))


def _indexes(reading: Reading, configured: IndexOptions) -> IndexOptions:
    for manifest in reading.manifests:
        configured = configured.joined(manifest.options)
    return configured


def _within(root: str, folder: str) -> bool:
    return folder in {".", root} or root.startswith(f"{folder}/")


def _standing(root: Path, done: Migration) -> tuple[dict[str, str], dict[str, str]]:
    """The files that a migration would change, as they stand; and why of some there can be no patch."""
    texts: dict[str, str] = {}
    unpatched: dict[str, str] = {}
    for move in done.moves:
        for name in (MANIFEST, CONSTRAINTS, PYTHON):
            path = posixpath.normpath(posixpath.join(move.root, name))
            if not os.path.lexists(root / path):
                continue
            try:
                data = (root / path).read_bytes()
                texts[path] = decode(data)[0]
                if texts[path].encode() != data:
                    unpatched[path] = "is not UTF-8"
                elif (root / path).is_symlink():
                    unpatched[path] = "is a link"
            except (OSError, ManifestError) as error:
                unpatched[path] = f"cannot be read ({error.message if isinstance(error, ManifestError) else error})"
    return texts, unpatched


def _frozen(path: Path) -> InstalledEnvironment:
    """What `pip freeze` printed: names and versions, and nothing of what they require."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` cannot be read: {error}", hint="`pip freeze > freeze.txt` makes one") from error
    manifest = requirements_txt.parse(text, path.name)
    distributions = []
    for line in manifest.requirements:
        pins = [one for one in line.requirement.specifier if one.operator in {"==", "==="}]
        distributions.append(
            InstalledDistribution(
                name=line.name,
                version=Version(pins[0].version) if pins else None,
                location=str(line.location),
                source=line.requirement.url or "",
            )
        )
    # what was installed from a folder elsewhere, such as where conda's packages were made, is no line of a manifest
    lines = text.splitlines()
    for problem in manifest.problems:
        with suppress(InvalidRequirement, IndexError):
            there = Requirement(lines[problem.location.line - 1])
            distributions.append(
                InstalledDistribution(
                    name=canonicalize_name(there.name),
                    version=None,
                    location=str(problem.location),
                    source=redact(there.url or ""),
                )
            )
    return InstalledEnvironment(path=path.as_posix(), distributions=tuple(distributions))


def _modules_of_folder(one: InstalledDistribution, root: Path) -> tuple[str, ...]:
    """The modules in the folder of a distribution that is installed from there, if that is below the root."""
    if not one.source.startswith("file:"):
        return ()
    folder = Path(url2pathname(urlsplit(one.source).path))
    if not folder.resolve().is_relative_to(root.resolve()):
        return ()
    with suppress(OSError):
        places = [place for place in (folder, folder / "src") if place.is_dir()]
        return modules_of(
            path.relative_to(place).as_posix() for place in places for path in place.glob("*/__init__.py")
        )
    return ()


def _modules(installed: InstalledEnvironment, facts: Rules, root: Path) -> dict[str, tuple[NormalizedName, ...]]:
    """Who installs each module: by the files that are recorded, else by name, as a freeze has no files."""
    owners: defaultdict[str, set[NormalizedName]] = defaultdict(set)
    for one in installed.distributions:
        folder = _modules_of_folder(one, root) if one.editable else ()
        told = folder or (one.files and not one.editable)
        by_name = () if told else (one.name.replace("-", "_"), *facts.modules_by_package.get(one.name, ()))
        owners |= {module: owners[module] | {one.name} for module in folder}
        for module in (*by_name, *modules_of(file.path for file in one.files)):
            owners[module].add(one.name)
    several = {module for module, names in owners.items() if len(names) > 1}
    for one in installed.distributions:
        for module in inner_modules(several, (file.path for file in one.files)):
            owners[module].add(one.name)
    return {module: tuple(sorted(names)) for module, names in owners.items()}
