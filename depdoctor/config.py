"""The configuration file: `depdoctor.toml`, or `[tool.depdoctor]` of a `pyproject.toml`, as a `Config`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from packaging.version import InvalidVersion, Version

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
from depdoctor.model.expression import expression
from depdoctor.model.packing import LAST_WINS, Compression, Packing
from depdoctor.model.project import IndexOptions
from depdoctor.model.target import PLATFORMS, Gpu, Platform, Target
from depdoctor.model.toolchain import COMPILER, Installer, Toolchain
from depdoctor.model.weights import Keep

CONFIG_NAME = "depdoctor.toml"

MUSL_VERSION = (1, 2)
"""musl 1.2 is what every Alpine since 3.13 (2021) carries."""

LEAST_LAYER_BYTES = 1_000_000
"""Wheels of less are bundled, so that splitting them would say the opposite."""

PYTHON = expression(r"^3\.\d{1,2}$")

LibcOfBase = Callable[[str], tuple[str, tuple[int, int]]]
"""Tells the C library ("glibc" or "musl") and its version that a base image carries."""

KEEPS = tuple(Keep)

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
    try:
        tool = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8-sig")).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return parse({}, "", libc_of_base, base)
    table = tool.get("depdoctor") if isinstance(tool, dict) else None
    if isinstance(table, dict):
        try:
            return parse(table, "pyproject.toml", libc_of_base, base)
        except ConfigError as error:
            error.file, error.key = root / "pyproject.toml", ("tool", "depdoctor", *error.key)
            raise
    return parse({}, "", libc_of_base, base)


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
    stated = image.take("base", _text, DEFAULT_BASE)
    images = ImageConfig(
        base=base or stated,
        registry=image.take("registry", _text, ""),
        ca_bundle=image.take("ca-bundle", _text, ""),
        weights=image.take("weights", _keep, Keep.LAYER),
        max_layer_bytes=image.take("max-layer-bytes", _whole(LEAST_LAYER_BYTES, 2**63), None) or MAX_LAYER_BYTES,
        packing=Packing(
            compiled=image.take("compile", _yes, False),  # noqa: FBT003 - the default
            compression=image.take("compression", _compression, Compression.COPY),
            last_wins=image.take("clobber", _one_of(("refuse", LAST_WINS)), "refuse") == LAST_WINS,
        ),
        toolchain=Toolchain(
            image=image.take("builder", _text, ""),
            packages=image.take("build-packages", _each(_system_package), COMPILER),
            snapshot=image.take("debian-snapshot", _snapshot, ""),
            installer=image.take("installer", _installer, Installer.UV),
        ),
        cache=image.take("cache", _text, ""),
    )
    image.end()
    rules = top.table("rules")
    ignored: tuple[str, ...] = rules.take("ignore", _each(_text), ())
    rules_path = rules.take("path", _text, "")
    rules.end()
    update = top.table("update")
    advisories = update.take("advisories", _text, "")
    update.end()
    libc = libc_of_base(images.base)
    config = Config(
        source=source,
        python=top.take("python", _python, DEFAULT_PYTHON),
        exclude_newer=top.take("exclude-newer", moment, None),
        indexes=IndexOptions(
            index_url=top.take("index-url", _address, None),
            extra_index_urls=top.take("extra-index-url", _each(_address), ()),
            find_links=top.take("find-links", _each(_links), ()),
        ),
        cpu_index_urls=top.take("cpu-index-url", _each(_address), ()),
        exclude=top.take("exclude", _each(_text), ()),
        environments=tuple(_environment(table) for table in top.tables("environment")),
        targets=tuple(_target(table, libc) for table in top.tables("target")) or (_anywhere(libc),),
        projects=tuple(_project(table) for table in top.tables("project")),
        image=images,
        ignored_rules=ignored,
        rules_path=rules_path,
        advisories=advisories,
    )
    top.end()
    return config


def _anywhere(libc: tuple[str, tuple[int, int]]) -> Target:
    """Linux on x86_64 with the C library of the base, and no claim about drivers or GPUs."""
    return Target(name="linux-x86_64", platform=Platform(libc=libc[0], libc_version=libc[1]))


def _environment(table: _Table) -> EnvironmentConfig:
    environment = EnvironmentConfig(
        name=table.need("name", _text), projects=table.take("projects", _each(_text), ("*",))
    )
    table.end()
    return environment


def _project(table: _Table) -> ProjectConfig:
    project = ProjectConfig(
        path=table.need("path", _text),
        command=table.take("command", _each(_text), ()),
        port=table.take("port", _whole(1, 65535), None),
        health=table.take("health", _text, ""),
        groups=table.take("groups", _each(_text), ()),
        weights=table.take("weights", _keep, None),
        model_version=table.take("model-version", _text, ""),
        system_packages=table.take("system-packages", _each(_system_package), ()),
        replicas=table.take("replicas", _replicas, None),
        metrics=table.take("metrics", _http_path, ""),
    )
    table.end()
    return project


def _target(table: _Table, base: tuple[str, tuple[int, int]]) -> Target:
    name = table.take("platform", _one_of(PLATFORMS), PLATFORMS[0])
    system, _, machine = name.partition("-")
    glibc = table.take("glibc", _two_numbers, None)
    musl = table.take("libc", _one_of(("glibc", "musl")), None)
    if glibc:
        libc, libc_version = "glibc", glibc
    elif musl == "musl":
        libc, libc_version = "musl", MUSL_VERSION
    else:
        libc, libc_version = base
    target = Target(
        name=table.take("name", _text, name),
        platform=Platform(system=system, machine=machine, libc=libc, libc_version=libc_version),
        driver=table.take("driver", _version, None),
        driver_cuda=table.take("driver-cuda", _version, None),
        gpus=table.take("gpus", _each(_gpu), ()),
        max_image_bytes=table.take("max-image-bytes", _whole(1, 2**63), None),
        gpu_memory_bytes=table.take("gpu-memory-bytes", _whole(1, 2**63), None),
        cuda=table.take("cuda", _version, None),
        cudnn=table.take("cudnn", _version, None),
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
        value = self.take(key, _mapping, nothing)
        return _Table(value, self.source, f"{self.name}.{key}" if self.name else key)

    def tables(self, key: str) -> list[_Table]:
        none: tuple[Mapping[str, Any], ...] = ()
        entries = self.take(key, _each(_mapping), none)
        return [_Table(entry, self.source, f"{key}[{number}]") for number, entry in enumerate(entries)]

    def end(self) -> None:
        for key in self.data:
            if key not in self.known:
                import difflib

                nearest = difflib.get_close_matches(key, self.known, n=1, cutoff=0)
                self.fail(key, "is not a key of the configuration", f"did you mean `{nearest[0]}`?" if nearest else "")


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be a table")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be a string, not {value!r}")
    return value


def _yes(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r}")
    return value


def _each(read: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    def read_all(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise ValueError("must be a list")
        return tuple(read(entry) for entry in value)

    return read_all


def _system_package(value: Any) -> str:
    text = _text(value)
    from depdoctor.model.plan import SYSTEM_PACKAGE

    if not SYSTEM_PACKAGE.fullmatch(text):
        raise ValueError(f'must name packages of Debian such as "libgomp1", not {text!r}')
    return text


def _snapshot(value: Any) -> str:
    text = _address(value)
    if not re.fullmatch(r"https?://[A-Za-z0-9._~:/{}@+-]+", text) or re.search(r"[{}]", text.replace("{archive}", "")):
        raise ValueError(f"must be the address of an archive, perhaps with {{archive}} in it, not {value!r}")
    return text


def _http_path(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"/[!-~]*", text):
        raise ValueError(f'must be a path such as "/metrics", not {value!r}')
    return text


def _replicas(value: Any) -> tuple[int, int] | None:
    numbers = [value, value] if isinstance(value, int) and not isinstance(value, bool) else value
    if (
        not isinstance(numbers, list)
        or len(numbers) != 2
        or not all(isinstance(one, int) and not isinstance(one, bool) and one >= 1 for one in numbers)
        or numbers[0] > numbers[1]
    ):
        raise ValueError(f"must be a number such as 2, or the least and the most such as [2, 10], not {value!r}")
    return numbers[0], numbers[1]


def _one_of(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {value!r}")
        return str(value)

    return read


def _whole(least: int, most: int) -> Callable[[Any], int | None]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not {value!r}")
        return value

    return read


def _keep(value: Any) -> Keep:
    return Keep(_one_of(KEEPS)(value))


def _compression(value: Any) -> Compression:
    return Compression(_one_of(tuple(Compression))(value))


def _installer(value: Any) -> Installer:
    return Installer(_one_of(tuple(Installer))(value))


def _python(value: Any) -> str:
    text = _text(value)
    if not PYTHON.match(text):
        raise ValueError(f'must name a Python minor such as "3.11", not {text!r}')
    return text


def _version(value: Any) -> Version | None:
    try:
        return Version(_text(value))
    except InvalidVersion as error:
        raise ValueError(f"must be a version, not {value!r}") from error


def _two_numbers(value: Any) -> tuple[int, int] | None:
    version = _version(value)
    if version is None or len(version.release) < 2:
        raise ValueError(f'must have two numbers such as "2.31", not {value!r}')
    return version.release[0], version.release[1]


def _gpu(value: Any) -> Gpu:
    return Gpu.parse(_text(value))


def _address(value: Any) -> str:
    text = _text(value)
    if urlsplit(text).username or urlsplit(text).password:
        raise ValueError("holds credentials: put them into the environment, a keyring or netrc")
    return text


def _links(value: Any) -> str:
    """A page or a folder with distributions; a folder relative to the scan root begins with "./" from here on."""
    text = _address(value)
    if urlsplit(text).scheme or text.startswith(("/", "./")):
        return text
    return f"./{text}"


def moment(value: Any) -> datetime | None:
    """Read a date (its end, as uv takes it) or a moment, as a text or as TOML's own types. Raises `ValueError`."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if "T" in value or " " in value else date.fromisoformat(value)
        except ValueError:
            raise ValueError(f'must be a date such as "2024-12-23", not {value!r}') from None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(23, 59, 59), tzinfo=UTC)
    raise ValueError(f'must be a date such as "2024-12-23", not {value!r}')
