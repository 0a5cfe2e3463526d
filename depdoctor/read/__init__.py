"""Reading a project: every manifest of it as values, and what its code imports.

A file per format, each with one pure `parse(text, path)`. Only `files` opens anything, and keeps within the scan root;
what cannot be read becomes an `UnreadableManifest`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from depdoctor.model.formats import DOCKERFILE
from depdoctor.model.installed import InstalledEnvironment
from depdoctor.model.project import Project, Weights
from depdoctor.model.reading import Import, Reading
from depdoctor.read import imports, local_packages, model_card, python_version, same_weights, serving
from depdoctor.read.assembly import Assembly
from depdoctor.read.files import ScanFiles
from depdoctor.read.readers import Parse, Readers

READERS: Mapping[str, Parse] = Readers(
    {
        "requirements.txt": "requirements_txt",
        "pyproject.toml": "pyproject_toml",
        "setup.cfg": "setup_cfg",
        "setup.py": "setup_py",
        "Pipfile": "pipfile",
        "pixi.toml": "pixi_toml",
        "environment.yml": "conda_yaml",
        "cog.yaml": "cog_yaml",
        "bentofile.yaml": "bentofile_yaml",
        "config.yaml": "truss_yaml",
        "Dockerfile": "dockerfile",
        "uv.lock": "uv_lock",
        "poetry.lock": "poetry_lock",
        "pdm.lock": "pdm_lock",
        "Pipfile.lock": "pipfile_lock",
        "pylock.toml": "pylock_toml",
        "conda-lock.yml": "conda_lock",
        "pixi.lock": "pixi_lock",
    }
)
"""The parser of each format. Each takes the text of a file and its path, and raises nothing but `ManifestError`."""


def read(
    project: Project, root: Path, changed: Container[str] = frozenset(), *, outside_allowed: bool = False
) -> Reading:
    """Read all manifests of a project, what they include, and its imports. Never raises for what a file holds.

    `changed` are the modules that only some versions of Python have in their standard library. Symlinks and includes
    out of the root are followed only if that is allowed.

    `Reading.python` comes from `.python-version` of the project or of a folder around it, else from `runtime.txt`, else
    from the first manifest that names one, a Dockerfile last. What `requires-python` says stays with its manifest.
    """
    files = ScanFiles(root=root, outside_allowed=outside_allowed)
    assembly = Assembly(project=project, open_text=files.text, readers=READERS, outside_allowed=outside_allowed)
    assembly.run()
    manifests = tuple(assembly.manifests())
    named = sorted((manifest for manifest in manifests if manifest.python), key=lambda each: each.format == DOCKERFILE)
    code = imports.code(project.sources, files.text_or_none, changed)
    local = tuple(local_packages.local_uses(project, assembly.asked, assembly.facts, files.entries))
    declared = {one.name for manifest in manifests for one in manifest.requirements}
    declared |= {one.name for manifest in manifests for one in manifest.packages}
    own = next((one.package.source for one in local if one.package.folder == project.root and not one.group), ".")
    return Reading(
        project=project,
        manifests=manifests,
        unreadable=tuple(assembly.unreadable()),
        imports=imports.needed(code.imported),
        imported=code.imported,
        mentioned=code.mentioned,
        weights=tuple(_with_card(one, project, files) for one in files.weights(project.weights)),
        python=python_version.python_of(project.root, files.text_or_none)
        or next((manifest.python for manifest in named), ""),
        serving=serving.serving(project, files.text_or_none, own),
        local=(
            *local,
            *local_packages.modules_used(project, code.imported, declared, files),
        ),
    )


def imported_below(project: Project, root: Path, modules: Container[str]) -> tuple[Import, ...]:
    """What a project imports from inside of some modules, by dotted names. Never raises for what a file holds."""
    return imports.below(project.sources, ScanFiles(root=root).text_or_none, modules)


def _with_card(one: Weights, project: Project, files: ScanFiles) -> Weights:
    """A file of weights, with the version that the card beside it states where it has none of its own."""
    if one.version:
        return one
    return replace(one, version=model_card.version_beside(one.path, project.root, files.text_or_none))


def read_all(
    projects: Iterable[Project], root: Path, changed: Container[str] = frozenset(), *, outside_allowed: bool = False
) -> tuple[Reading, ...]:
    """Read projects, and find out which of their files of weights are the same. Never raises for what a file holds."""
    readings = (read(project, root, changed, outside_allowed=outside_allowed) for project in projects)
    return identified(readings, root, outside_allowed=outside_allowed)


def identified(readings: Iterable[Reading], root: Path, *, outside_allowed: bool = False) -> tuple[Reading, ...]:
    """Readings of projects, with those of their files of weights told that are the same."""
    return same_weights.identified(readings, ScanFiles(root=root, outside_allowed=outside_allowed))


def read_environment(root: Path, path: str = ".", *, name: str = "") -> InstalledEnvironment:
    """Read the virtual environment, or the site-packages, at a path under the scan root, without starting its Python.

    Its files are held against what was installed: all by size, and by content those that several distributions claim.
    Never raises for what they hold. No symlink out of the scan root is followed. `name` is what to call it, if not by
    its path.
    """
    from depdoctor.read import conda_meta, installed_files, virtualenv

    files = ScanFiles(root=root)
    found = virtualenv.parse(files, path)
    checked = installed_files.check(found, files)
    return replace(
        found,
        path=name or path,
        damaged=checked.damaged,
        unowned=checked.unowned,
        tools=conda_meta.tools(files, path),
    )
