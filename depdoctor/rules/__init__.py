"""The facts: dated, sourced tables in `rules/*.toml`, as typed rows, and the look-ups that the stages need.

`rules/` stands beside the package in a checkout and inside it (`_rules`) once installed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from depdoctor.errors import RulesError
from depdoctor.rules import rows
from depdoctor.rules.bases import Base
from depdoctor.rules.lookup import Rules
from depdoctor.rules.schema import Table, parse

__all__ = ["TABLES", "Base", "Rules", "load"]

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
    Table("import_names", "import", rows.ImportName, ("module",)),
    Table("stdlib_modules", "module", rows.StdlibModule, ("name",)),
    Table("conda_names", "conda", rows.CondaName, ("name",)),
    Table("gpu_floors", "floor", rows.GpuFloor, ("package", "versions")),
)
"""Every table, in the order in which the fields of `Rules` follow."""


def load(extra: Path | None = None, *, shipped: Path | None = None) -> Rules:
    """All tables, and those of `extra`: a folder of tables, or one table, named as the one that it adds to.

    `shipped` is another folder than the package's own to read all tables from.

    A row of `extra` with the key of a row that is there takes its place. Tables of the package are read when something
    is first asked of them: most runs need a few. Raises `RulesError` with the file and the key, for `extra` here.
    """
    added = {table.stem: _read(table, path) for table, path in _extra_tables(extra)} if extra else {}
    return _Deferred.over(added, shipped or _folder())


class _Deferred(Rules):
    """Rules that read each table of the package when it is first asked for; `added` rows take the place of theirs."""

    added: Mapping[str, tuple[Any, ...]]
    folder: Path

    @classmethod
    def over(cls, added: Mapping[str, tuple[Any, ...]], folder: Path) -> Rules:
        facts = object.__new__(cls)
        object.__setattr__(facts, "added", added)
        object.__setattr__(facts, "folder", folder)
        return facts


def _defer(table: Table[Any]) -> None:
    def rows_of(facts: _Deferred) -> tuple[Any, ...]:
        shipped = _read(table, facts.folder / f"{table.stem}.toml")
        if not (added := facts.added.get(table.stem)):
            return shipped
        return tuple({table.key_of(row): row for row in (*shipped, *added)}.values())

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
    known = {table.stem: table for table in TABLES}
    for path in sorted(extra.glob("*.toml")) if extra.is_dir() else (extra,):
        if path.stem not in known:
            raise RulesError(
                f"no table is called `{path.stem}`",
                where=str(path),
                hint=f"a table of your own has the name of one of these: {', '.join(known)}",
            )
        yield known[path.stem], path


def _read(table: Table[Any], path: Path) -> tuple[Any, ...]:
    where = f"{path.parent.name}/{path.name}"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"the table cannot be read: {error}", where=where) from error
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"the table is not valid TOML: {error}", where=where) from error
    return parse(table, document, where)
