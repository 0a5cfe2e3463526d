"""The facts: dated, sourced tables in `rules/*.toml`, as typed rows, and the look-ups that the stages need.

`rules/` stands beside the package in a checkout and inside it (`_rules`) once installed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName

from depdoctor.errors import RulesError
from depdoctor.model.noun import dataclass
from depdoctor.rules import names, rows
from depdoctor.rules.bases import Base
from depdoctor.rules.cpu_builds import CpuBuild
from depdoctor.rules.lookup import Rules
from depdoctor.rules.parts import ByImage, ByPackage
from depdoctor.rules.places import Source
from depdoctor.rules.schema import Table, parse, parse_own

__all__ = ["TABLES", "Base", "Rules", "check", "load"]

TABLES: tuple[Table[Any], ...] = (
    Table("toolkits", "toolkit", rows.Toolkit, ("version",)),
    Table("cuda_majors", "major", rows.CudaMajor, ("major",)),
    Table("driver_branches", "branch", rows.DriverBranch, ("branch",)),
    Table("forward_compat", "compat", rows.ForwardCompat, ("cuda",)),
    Table("architectures", "architecture", rows.Architecture, ("name", "capabilities")),
    Table("gpus", "gpu", rows.GpuModel, ("name",)),
    Table("builds", "build", rows.Build, ("package", "first", "variant", "platforms")),
    Table("cuda_packages", "package", rows.CudaPackage, ("pattern",)),
    Table("components", "component", rows.Component, ("package", "version", "toolkit")),
    Table("wheel_members", "member", rows.WheelMember, ("package", "member")),
    Table("metadata", "metadata", rows.Metadata, ("package", "first", "extra")),
    Table("wheels", "wheels", rows.Wheels, ("package", "first", "platforms")),
    Table("shared_files", "files", rows.SharedFiles, ("module", "packages")),
    Table("breaks", "break", rows.Break, ("package", "versions", "library")),
    Table("lockstep", "pair", rows.Lockstep, ("package", "versions", "leader")),
    Table("system_libraries", "library", rows.SystemLibrary, ("package", "when", "apt")),
    Table("distributions", "distribution", rows.Distribution, ("names",)),
    Table("base_images", "base", rows.BaseImage, ("image", "tag")),
    Table("base_packages", "contents", rows.BasePackages, ("image", "tag")),
    Table("error_packages", "package", rows.ErrorPackage, ("package", "versions", "extra")),
    Table("import_names", "import", names.ImportName, ("module",)),
    Table("stdlib_modules", "module", names.StdlibModule, ("name",)),
    Table("conda_names", "conda", names.CondaName, ("name",)),
    Table("gpu_floors", "floor", rows.GpuFloor, ("package", "versions")),
    Table("cpu_builds", "build", CpuBuild, ("package",)),
)
"""Every table, in the order in which the fields of `Rules` follow."""

_BY_STEM = {table.stem: table for table in TABLES}

PARTED = {
    "builds_by_package": "builds",
    "metadata_by_package": "metadata",
    "wheels_by_package": "wheels",
    "breaks_by_package": "breaks",
    "files_by_package": "shared_files",
    "lockstep_by_package": "lockstep",
    "errors_by_package": "error_packages",
    "floors_by_package": "gpu_floors",
    "libraries_by_package": "system_libraries",
}
"""The look-ups by package whose tables are read a package at a time."""


def load(extra: Path | None = None, *, shipped: Path | None = None) -> Rules:
    """All tables, and those of `extra`: a folder of tables, or one table, named as the one that it adds to.

    A row of `extra` with the key of a row that is there takes its place, and one with `remove = true` takes it away.
    Tables of the package are read when something is first asked of them: most runs need a few. `shipped` is another
    folder to read them from. Raises `RulesError` with the file, line and key, for `extra` here.
    """
    own = {table.stem: _read_own(table, path) for table, path in _extra_tables(extra)} if extra else {}
    return _Deferred.over(own, shipped)


def check() -> None:
    """Read every table of the package to the last pattern. Raises `RulesError` with the file, line and key."""
    for table in TABLES:
        parse(table, *_document(_folder() / f"{table.stem}.toml"), thoroughly=True)


@dataclass(frozen=True, slots=True)
class _Own:
    """What a table of one's own adds, and which keys it takes away, with the place of each."""

    added: tuple[Any, ...]
    removed: Mapping[tuple[str, ...], str]


class _Deferred(Rules):
    """Rules that read each table of the package when it is first asked for; `own` ones change them."""

    own: Mapping[str, _Own]
    folder: Path | None

    @classmethod
    def over(cls, own: Mapping[str, _Own], folder: Path | None) -> Rules:
        facts = object.__new__(cls)
        object.__setattr__(facts, "own", own)
        object.__setattr__(facts, "folder", folder)
        return facts

    def images(self, image: str) -> Sequence[rows.BaseImage]:
        """The rows of images of this name; no others are read."""
        return super().images(image) if self._changed("base_images") else _shipped_images("base_images").rows(image)

    def contents(self, image: str) -> Sequence[rows.BasePackages]:
        """The rows of what images of this name hold; no others are read."""
        return (
            super().contents(image) if self._changed("base_packages") else _shipped_images("base_packages").rows(image)
        )

    def _changed(self, stem: str) -> bool:
        return self.folder is not None or stem in self.own


@lru_cache(maxsize=len(TABLES))
def _shipped_images(stem: str) -> ByImage[Any]:
    return ByImage(_BY_STEM[stem], _source(_folder() / f"{stem}.toml"))


def _defer_parts(name: str, stem: str) -> None:
    """Have rows by their package read a package at a time, where no table of one's own changes them."""

    def rows_of(facts: _Deferred) -> Mapping[NormalizedName, tuple[Any, ...]]:
        if stem in facts.own:
            return getattr(super(_Deferred, facts), name)  # type: ignore[no-any-return]
        return _parts(stem, facts.folder) if facts.folder else _shipped_parts(stem)

    reader = cached_property(rows_of)
    reader.__set_name__(_Deferred, name)
    setattr(_Deferred, name, reader)


@lru_cache(maxsize=len(TABLES))
def _shipped_parts(stem: str) -> Mapping[NormalizedName, tuple[Any, ...]]:
    return _parts(stem, _folder())


def _parts(stem: str, folder: Path) -> Mapping[NormalizedName, tuple[Any, ...]]:
    return ByPackage(_BY_STEM[stem], _source(folder / f"{stem}.toml"))


for _name, _stem in PARTED.items():
    _defer_parts(_name, _stem)


def _defer(table: Table[Any]) -> None:
    def rows_of(facts: _Deferred) -> tuple[Any, ...]:
        there = _read(table, facts.folder / f"{table.stem}.toml") if facts.folder else _shipped(table)
        if not (own := facts.own.get(table.stem)):
            return there
        rows = {table.key_of(row): row for row in there}
        for key, place in own.removed.items():
            if rows.pop(key, None) is None:
                hint = f"a row is known by {', '.join(table.key).replace('_', '-')}, as it ships"
                raise RulesError(f"there is no {table.row} {' '.join(key)} to remove", where=place, hint=hint)
        return tuple((rows | {table.key_of(row): row for row in own.added}).values())

    reader = cached_property(rows_of)
    reader.__set_name__(_Deferred, table.stem)
    setattr(_Deferred, table.stem, reader)


for _table in TABLES:
    _defer(_table)


def _folder() -> Path:
    package = Path(__file__).resolve().parent.parent
    installed = package / "_rules"
    return installed if installed.is_dir() else package.parent / "rules"


def _extra_tables(extra: Path) -> Iterator[tuple[Table[Any], Path]]:
    if not extra.exists():
        raise RulesError("there are no rules here", where=str(extra), hint="see `path` under `[rules]`")
    for path in sorted(extra.glob("*.toml")) if extra.is_dir() else (extra,):
        if path.stem not in _BY_STEM:
            raise RulesError(
                f"no table is called `{path.stem}`",
                where=str(path),
                hint=f"a table of your own has the name of one of these: {', '.join(_BY_STEM)}",
            )
        yield _BY_STEM[path.stem], path


@lru_cache(maxsize=len(TABLES))
def _shipped(table: Table[Any]) -> tuple[Any, ...]:
    """A table of the package: it is what it is for as long as the program runs."""
    return _read(table, _folder() / f"{table.stem}.toml")


def _read(table: Table[Any], path: Path) -> tuple[Any, ...]:
    return parse(table, *_document(path))


def _read_own(table: Table[Any], path: Path) -> _Own:
    return _Own(*parse_own(table, *_document(path)))


def _document(path: Path) -> tuple[dict[str, Any], Source]:
    source = _source(path)
    try:
        return tomllib.loads(source.text), source
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        place = f"{source.name}:{line.group(1)}" if line else source.name
        raise RulesError(f"the table is not valid TOML: {error}", where=place) from error


def _source(path: Path) -> Source:
    name = f"{path.parent.name}/{path.name}"
    try:
        return Source(name, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"the table cannot be read: {error}", where=name) from error
