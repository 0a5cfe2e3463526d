"""`migrate`: from an environment that projects share to a manifest each. Starts nothing, and deletes nothing."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor import discover, read
from depdoctor import migrate as stage
from depdoctor.adapters import files
from depdoctor.adapters.scan_memory import this_hour
from depdoctor.diagnose import diagnose
from depdoctor.errors import UsageError
from depdoctor.lock.modules import modules_of
from depdoctor.model.conflict import Conflicts
from depdoctor.model.finding import Diagnosis
from depdoctor.model.image import Bundle
from depdoctor.model.installed import InstalledDistribution, InstalledEnvironment
from depdoctor.model.inventory import Inventory
from depdoctor.model.lock import Impossible, Question
from depdoctor.model.migration import Migration
from depdoctor.model.noun import dataclass
from depdoctor.model.project import IndexOptions, Reading
from depdoctor.model.seams import Progress
from depdoctor.model.target import Environment
from depdoctor.pipeline.scanning import asking, configured
from depdoctor.pipeline.standing import Settings
from depdoctor.read import requirements_txt
from depdoctor.report import migration as report


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """What was worked out, what is wrong in the environment already, and the files that were written."""

    migration: Migration
    broken: Diagnosis
    written: tuple[Path, ...]


def migrate(settings: Settings, source: Path, output: Path, projects: Sequence[str], progress: Progress) -> Migrated:
    """Write a manifest for each project, as files to review and a patch, into a new folder.

    `source` is a virtual or conda environment, or a file as `pip freeze` writes it. `projects` are folders below the
    root, none for all. Raises `UsageError`, also where the folder stands and is not empty.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output} stands already", hint="`migrate` writes over nothing: name a new folder")
    config, facts = configured(settings)
    installed = _frozen(source) if source.is_file() else read.read_environment(source, name=source.as_posix())
    if not installed.distributions:
        raise UsageError(f"no package is installed in `{source}`", hint="name a virtual environment or a freeze file")
    found = discover.survey(settings.root, config.exclude).projects
    chosen = [one for one in found if not projects or any(_within(one.root, each) for each in projects)]
    readings = read.read_all(tuple(chosen), settings.root, facts.stdlib_by_name)
    if not readings:
        raise UsageError(f"no project under `{settings.root}`", hint="name the folder that holds your projects")
    python = ".".join(installed.python.split(".")[:2]) or config.python
    environment = Environment(python=python, platform=config.targets[0].platform)
    moment = settings.exclude_newer or config.exclude_newer or datetime.fromisoformat(this_hour())
    modules = _modules(installed)
    held, refused = stage.constraints(installed, environment), stage.refused(installed, environment)
    end = time.monotonic() + settings.budget_s
    task = "resolving what each project needs"
    progress.start(task, len(readings))
    moves = []
    with asking(settings, lambda: end - time.monotonic()) as oracle:
        for reading in readings:
            # as installed; without what is broken in the environment; and with nothing held but the lines themselves
            for loose, holding in ((frozenset[NormalizedName](), held), (refused, held), (refused, ())):
                needs = stage.needs(reading, installed, modules, environment, loose)
                own = {need.name for need in needs}
                answer = oracle.resolve(
                    Question(
                        requirements=tuple(sorted({need.line for need in needs})),
                        constraints=tuple(line for line in holding if line.partition("==")[0] not in own),
                        environment=environment,
                        indexes=_indexes(reading, config.indexes),
                        exclude_newer=moment,
                        builds_allowed=settings.builds_allowed,
                    )
                )
                if not isinstance(answer, Impossible):
                    break
            moves.append(stage.move(reading, needs, installed, answer))
            progress.advance(task)
    progress.finish(task)
    result = stage.migration(installed, readings, moves, environment)
    inventory = Inventory(
        root=str(settings.root), entries=(), targets=config.targets, index_date=moment, installed=(installed,)
    )
    broken = diagnose(inventory, Conflicts(), facts)
    texts = {move.root: _standing(settings.root, move.root) for move in moves}
    bundle = Bundle(files=report.files(result, broken, texts))
    written = files.write(bundle, output)
    return Migrated(migration=result, broken=broken, written=written)


def _indexes(reading: Reading, configured: IndexOptions) -> IndexOptions:
    for manifest in reading.manifests:
        configured = configured.joined(manifest.options)
    return configured


def _within(root: str, folder: str) -> bool:
    return folder in {".", root} or root.startswith(f"{folder}/")


def _standing(root: Path, project: str) -> str | None:
    """The requirements file that a project has, as it stands; None if it has none."""
    path = root / project / report.MANIFEST
    if not os.path.lexists(path):
        return None
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="a patch of it would not fit") from error


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
    return InstalledEnvironment(path=path.as_posix(), distributions=tuple(distributions))


def _modules(installed: InstalledEnvironment) -> dict[str, tuple[NormalizedName, ...]]:
    owners: defaultdict[str, set[NormalizedName]] = defaultdict(set)
    for one in installed.distributions:
        for module in modules_of(file.path for file in one.files):
            owners[module].add(one.name)
    return {module: tuple(sorted(names)) for module, names in owners.items()}
