"""The values of the configuration: what each key may hold. Every reader raises `ValueError` with what it must be."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar
from urllib.parse import urlsplit

from packaging.version import InvalidVersion, Version

from depdoctor.model.config import DEFAULT_BASE
from depdoctor.model.expression import expression
from depdoctor.model.packing import Compression
from depdoctor.model.target import Gpu
from depdoctor.model.toolchain import Installer
from depdoctor.model.weights import Keep

PYTHON = expression(r"^3\.\d{1,2}$")

KEEPS = tuple(Keep)

T = TypeVar("T")


def mapping(value: Any) -> Mapping[str, Any]:
    """A table."""
    if not isinstance(value, dict):
        raise ValueError("must be a table")
    return value


def string(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ValueError(f"must be a string, not {value!r}")
    return value


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r}")
    return value


def each(read: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    """A list of what `read` takes."""

    def read_all(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise ValueError("must be a list")
        return tuple(read(entry) for entry in value)

    return read_all


def system_package(value: Any) -> str:
    """A package of Debian, perhaps with a version."""
    text = string(value)
    from depdoctor.model.plan import SYSTEM_PACKAGE

    if not SYSTEM_PACKAGE.fullmatch(text):
        raise ValueError(f'must name packages of Debian such as "libgomp1", not {text!r}')
    return text


def snapshot(value: Any) -> str:
    """The address of Debian's packages as of one moment."""
    text = address(value)
    if not re.fullmatch(r"https?://[A-Za-z0-9._~:/{}@+-]+", text) or re.search(r"[{}]", text.replace("{archive}", "")):
        raise ValueError(f"must be the address of an archive, perhaps with {{archive}} in it, not {value!r}")
    return text


def http_path(value: Any) -> str:
    """A path that a service answers."""
    text = string(value)
    if not re.fullmatch(r"/[!-~]*", text):
        raise ValueError(f'must be a path such as "/metrics", not {value!r}')
    return text


def replicas(value: Any) -> tuple[int, int] | None:
    """The least and the most of what runs; one number is both."""
    numbers = [value, value] if isinstance(value, int) and not isinstance(value, bool) else value
    if (
        not isinstance(numbers, list)
        or len(numbers) != 2
        or not all(isinstance(one, int) and not isinstance(one, bool) and one >= 1 for one in numbers)
        or numbers[0] > numbers[1]
    ):
        raise ValueError(f"must be a number such as 2, or the least and the most such as [2, 10], not {value!r}")
    return numbers[0], numbers[1]


def one_of(choices: tuple[str, ...]) -> Callable[[Any], str]:
    """One of these texts."""

    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {value!r}")
        return str(value)

    return read


def whole(least: int, most: int) -> Callable[[Any], int | None]:
    """A whole number between these two, which are among them."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not {value!r}")
        return value

    return read


def keep(value: Any) -> Keep:
    """What becomes of weights."""
    return Keep(one_of(KEEPS)(value))


def compression(value: Any) -> Compression:
    """How layers are compressed."""
    return Compression(one_of(tuple(Compression))(value))


def installer(value: Any) -> Installer:
    """What Dockerfiles install with."""
    return Installer(one_of(tuple(Installer))(value))


def python(value: Any) -> str:
    """A minor version of Python 3."""
    text = string(value)
    if not PYTHON.match(text):
        raise ValueError(f'must name a Python minor such as "3.11", not {text!r}')
    return text


def version(value: Any) -> Version | None:
    """A version (PEP 440)."""
    try:
        return Version(string(value))
    except InvalidVersion as error:
        raise ValueError(f"must be a version, not {value!r}") from error


def two_numbers(value: Any) -> tuple[int, int] | None:
    """The first two numbers of a version."""
    found = version(value)
    if found is None or len(found.release) < 2:
        raise ValueError(f'must have two numbers such as "2.31", not {value!r}')
    return found.release[0], found.release[1]


def gpu(value: Any) -> Gpu:
    """A GPU, by name, compute capability, or both."""
    return Gpu.parse(string(value))


def folder(value: Any) -> str:
    """The folder of a project as projects are named: relative to the root, without a slash at its end."""
    return posixpath.normpath(string(value))


def command(value: Any) -> tuple[str, ...]:
    """The words of a command line, none or more."""
    words = each(string)(value)
    if words and (not words[0].strip() or "\0" in "".join(words)):
        raise ValueError(f"must begin with a program, as the words of a command line do, not {value!r}")
    return words


def image(value: Any) -> str:
    """The reference of an image."""
    from depdoctor.model.plan import REFERENCE

    text = string(value)
    if not REFERENCE.fullmatch(text):
        raise ValueError(f'must be the reference of an image such as "{DEFAULT_BASE}", not {value!r}')
    return text


def address(value: Any) -> str:
    """An address without credentials."""
    text = string(value)
    if urlsplit(text).username or urlsplit(text).password:
        raise ValueError("holds credentials: put them into the environment, a keyring or netrc")
    return text


def links(value: Any) -> str:
    """A page or a folder with distributions; a folder relative to the scan root begins with "./" from here on."""
    text = address(value)
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
