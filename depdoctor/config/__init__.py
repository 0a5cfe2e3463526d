"""The configuration file: `depdoctor.toml`, or `[tool.depdoctor]` of a `pyproject.toml`, as a `Config`."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from depdoctor.config import values
from depdoctor.config.values import moment
from depdoctor.errors import ConfigError
from depdoctor.model.config import (
    DEFAULT_BASE,
    DEFAULT_PYTHON,
    MAX_LAYER_BYTES,
    Config,
    EnvironmentConfig,
    ImageConfig,
    ProjectConfig,
)
from depdoctor.model.packing import LAST_WINS, Compression, Packing
from depdoctor.model.project import IndexOptions
from depdoctor.model.target import PLATFORMS, Platform, Target
from depdoctor.model.toolchain import COMPILER, Installer, Toolchain
from depdoctor.model.weights import Keep

__all__ = ["CONFIG_NAME", "load", "moment", "parse", "stands"]

CONFIG_NAME = "depdoctor.toml"

MUSL_VERSION = (1, 2)
"""musl 1.2 is what every Alpine since 3.13 (2021) carries."""

LEAST_LAYER_BYTES = 1_000_000
"""Wheels of less are bundled, so that splitting them would say the opposite."""

LibcOfBase = Callable[[str], tuple[str, tuple[int, int]]]
"""Tells the C library ("glibc" or "musl") and its version that a base image carries."""

T = TypeVar("T")


def load(root: Path, libc_of_base: LibcOfBase, base: str = "") -> Config:
    """Read the configuration of a scan root; the defaults where there is none. A `base` goes before the one there.

    Raises `ConfigError` with the file and the key; an unknown key names the nearest known one. A `pyproject.toml` that
    is broken as such holds no configuration: the scan reports it as a manifest.
    """
    own = root / CONFIG_NAME
    if own.is_file():
        try:
            return parse(tomllib.loads(own.read_text(encoding="utf-8-sig")), CONFIG_NAME, libc_of_base, base)
        except ConfigError as error:
            error.file = own
            raise
        except tomllib.TOMLDecodeError as error:
            raise _broken(str(error)) from error
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{CONFIG_NAME} cannot be read: {error}", where=CONFIG_NAME) from error
    if os.path.lexists(own):
        hint = "put a file there, or remove it; `depdoctor init` writes one"
        raise ConfigError(f"{CONFIG_NAME} is no file, or a link to none", where=CONFIG_NAME, hint=hint)
    table = _in_pyproject(root)
    if table is not None:
        try:
            return parse(table, "pyproject.toml", libc_of_base, base)
        except ConfigError as error:
            error.file, error.key = root / "pyproject.toml", ("tool", "depdoctor", *error.key)
            raise
    return parse({}, "", libc_of_base, base)


def stands(root: Path) -> bool:
    """Whether a folder has a configuration of its own."""
    return (root / CONFIG_NAME).is_file() or _in_pyproject(root) is not None


def _in_pyproject(root: Path) -> dict[str, Any] | None:
    try:
        tool = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8-sig")).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None
    table = tool.get("depdoctor") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else None


def _broken(said: str) -> ConfigError:
    """The error for a file that is no TOML, by the words of the parser, which end with the place."""
    message, _, place = said.partition(" (at ")
    line = re.search(r"line (\d+)", place)
    return ConfigError(
        f"{CONFIG_NAME} is not valid TOML: {message}",
        where=f"{CONFIG_NAME}:{line[1]}" if line else CONFIG_NAME,
        hint="mend that line, or look at one that is right: `depdoctor init` in an empty folder",
    )


def parse(data: Mapping[str, Any], source: str, libc_of_base: LibcOfBase, base: str = "") -> Config:
    """Turn a parsed configuration table into a `Config`. Raises `ConfigError`."""
    top = _Table(data, source)
    image = top.table("image")
    stated = image.take("base", values.image, DEFAULT_BASE)
    images = ImageConfig(
        base=_given(base) or stated,
        registry=image.take("registry", values.string, ""),
        ca_bundle=image.take("ca-bundle", values.string, ""),
        weights=image.take("weights", values.keep, Keep.LAYER),
        max_layer_bytes=image.take("max-layer-bytes", values.whole(LEAST_LAYER_BYTES, 2**63), None) or MAX_LAYER_BYTES,
        packing=Packing(
            compiled=image.take("compile", values.flag, False),  # noqa: FBT003 - the default
            compression=image.take("compression", values.compression, Compression.COPY),
            last_wins=image.take("clobber", values.one_of(("refuse", LAST_WINS)), "refuse") == LAST_WINS,
        ),
        toolchain=Toolchain(
            image=image.take("builder", values.image, ""),
            packages=image.take("build-packages", values.each(values.system_package), COMPILER),
            snapshot=image.take("debian-snapshot", values.snapshot, ""),
            installer=image.take("installer", values.installer, Installer.UV),
        ),
        cache=image.take("cache", values.string, ""),
    )
    image.end()
    rules = top.table("rules")
    ignored: tuple[str, ...] = rules.take("ignore", values.each(values.string), ())
    rules_path = rules.take("path", values.string, "")
    rules.end()
    update = top.table("update")
    advisories = update.take("advisories", values.string, "")
    update.end()
    libc = libc_of_base(images.base)
    config = Config(
        source=source,
        python=top.take("python", values.python, DEFAULT_PYTHON),
        exclude_newer=top.take("exclude-newer", moment, None),
        indexes=IndexOptions(
            index_url=top.take("index-url", values.address, None),
            extra_index_urls=top.take("extra-index-url", values.each(values.address), ()),
            find_links=top.take("find-links", values.each(values.links), ()),
        ),
        cpu_index_urls=top.take("cpu-index-url", values.each(values.address), ()),
        exclude=top.take("exclude", values.each(values.string), ()),
        environments=tuple(_environment(table) for table in top.tables("environment")),
        targets=_targets(top, libc) or (_anywhere(libc),),
        projects=_projects(top),
        image=images,
        ignored_rules=ignored,
        rules_path=rules_path,
        advisories=advisories,
    )
    top.end()
    return config


def _given(base: str) -> str:
    try:
        return values.image(base) if base else ""
    except ValueError as error:
        raise ConfigError(f"`--base` {error}") from None


def _anywhere(libc: tuple[str, tuple[int, int]]) -> Target:
    """Linux on x86_64 with the C library of the base, and no claim about drivers or GPUs."""
    return Target(name="linux-x86_64", platform=Platform(libc=libc[0], libc_version=libc[1]))


def _environment(table: _Table) -> EnvironmentConfig:
    environment = EnvironmentConfig(
        name=table.need("name", values.string), projects=table.take("projects", values.each(values.string), ("*",))
    )
    table.end()
    return environment


def _projects(top: _Table) -> tuple[ProjectConfig, ...]:
    projects: dict[str, ProjectConfig] = {}
    for table in top.tables("project"):
        project = _project(table)
        if project.path in projects:
            table.fail("path", f"names `{project.path}` once more", "put all that is said of a project into one table")
        projects[project.path] = project
    return tuple(projects.values())


def _targets(top: _Table, base: tuple[str, tuple[int, int]]) -> tuple[Target, ...]:
    """The targets, no two of one name: those without one are called after their platform, and numbered."""
    targets: dict[str, Target] = {}
    for table in top.tables("target"):
        target = _target(table, base)
        if target.name in targets:
            table.fail("name", f"names `{target.name}` once more", "give each target a name of its own")
        if not target.name:
            own = f"{target.platform.system}-{target.platform.machine}"
            names = chain([own], (f"{own}-{number}" for number in count(2)))
            target = replace(target, name=next(name for name in names if name not in targets))
        targets[target.name] = target
    return tuple(targets.values())


def _project(table: _Table) -> ProjectConfig:
    project = ProjectConfig(
        path=table.need("path", values.folder),
        command=table.take("command", values.command, ()),
        port=table.take("port", values.whole(1, 65535), None),
        health=table.take("health", values.string, ""),
        groups=table.take("groups", values.each(values.string), ()),
        weights=table.take("weights", values.keep, None),
        model_version=table.take("model-version", values.string, ""),
        system_packages=table.take("system-packages", values.each(values.system_package), ()),
        replicas=table.take("replicas", values.replicas, None),
        metrics=table.take("metrics", values.http_path, ""),
    )
    table.end()
    return project


def _target(table: _Table, base: tuple[str, tuple[int, int]]) -> Target:
    name = table.take("platform", values.one_of(PLATFORMS), PLATFORMS[0])
    system, _, machine = name.partition("-")
    glibc = table.take("glibc", values.two_numbers, None)
    musl = table.take("libc", values.one_of(("glibc", "musl")), None)
    if glibc:
        libc, libc_version = "glibc", glibc
    elif musl == "musl":
        libc, libc_version = "musl", MUSL_VERSION
    else:
        libc, libc_version = base
    target = Target(
        name=table.take("name", values.string, ""),
        platform=Platform(system=system, machine=machine, libc=libc, libc_version=libc_version),
        driver=table.take("driver", values.version, None),
        driver_cuda=table.take("driver-cuda", values.version, None),
        gpus=table.take("gpus", values.each(values.gpu), ()),
        max_image_bytes=table.take("max-image-bytes", values.whole(1, 2**63), None),
        gpu_memory_bytes=table.take("gpu-memory-bytes", values.whole(1, 2**63), None),
        cuda=table.take("cuda", values.version, None),
        cudnn=table.take("cudnn", values.version, None),
    )
    table.end()
    return target


class _Table:
    """One TOML table while it is read: what nobody took in the end is an unknown key."""

    def __init__(self, data: Mapping[str, Any], source: str, name: str = "") -> None:
        self.data, self.source, self.name = data, source, name
        self.known: list[str] = []

    def fail(self, key: str, message: str, hint: str = "") -> NoReturn:
        place = f"{self.name}.{key}" if self.name else key
        error = ConfigError(f"`{place}` {message}", where=self.source, hint=hint)
        error.key = tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", self.name))
        error.key = (*error.key, key)
        raise error

    def take(self, key: str, read: Callable[[Any], T], default: T) -> T:
        self.known.append(key)
        if key not in self.data:
            return default
        try:
            return read(self.data[key])
        except ValueError as error:
            self.fail(key, str(error))

    def need(self, key: str, read: Callable[[Any], T]) -> T:
        if key not in self.data:
            self.fail(key, "is missing")
        return self.take(key, read, read(self.data[key]))

    def table(self, key: str) -> _Table:
        nothing: Mapping[str, Any] = {}
        value = self.take(key, values.mapping, nothing)
        return _Table(value, self.source, f"{self.name}.{key}" if self.name else key)

    def tables(self, key: str) -> list[_Table]:
        none: tuple[Mapping[str, Any], ...] = ()
        entries = self.take(key, values.each(values.mapping), none)
        return [_Table(entry, self.source, f"{key}[{number}]") for number, entry in enumerate(entries)]

    def end(self) -> None:
        for key in self.data:
            if key not in self.known:
                import difflib

                nearest = difflib.get_close_matches(key, self.known, n=1, cutoff=0)
                self.fail(key, "is not a key of the configuration", f"did you mean `{nearest[0]}`?" if nearest else "")
