"""What a source distribution says of its requirements without being built: nothing of it is ever run or unpacked.

In this order: PKG-INFO where it lists requirements, or says of what metadata version it is and that they are not
dynamic (core metadata 2.2); `requires.txt` beside it, which setuptools wrote when the archive was made; a static
`[project]` table; a `setup.py` that nowhere speaks of any. A `setup.py` that decides by the machine may say otherwise
once it is run: good enough to resolve by and to say so, no proof that anything is impossible.
"""

from __future__ import annotations

import configparser
import gzip
import io
import lzma
import tarfile
import tomllib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

_AT_THE_TOP = frozenset({"PKG-INFO", "pyproject.toml", "setup.py", "setup.cfg"})
MOST_MEMBERS = 50_000
MOST_UNPACKED_BYTES = 512 * 1024 * 1024
MOST_MEMBER_BYTES = 2 * 1024 * 1024
STATIC_METADATA = Version("2.2")
"""From this metadata version on, what is not called dynamic is the same in every wheel that is built of it."""


class UnreadableSdistError(Exception):
    """An archive that cannot be read, or that is larger than any that is taken for honest."""


def requirements_of(content: bytes, filename: str) -> tuple[tuple[Requirement, ...], str] | None:
    """The requirements that an archive states, and its `requires-python`; None where only a build would tell.

    Raises `UnreadableSdistError`.
    """
    members = dict(_members(content, filename))
    raw: RawMetadata = {}
    if information := members.get("PKG-INFO"):
        raw, _ = parse_email(information)
    found = _of_metadata(raw)
    if found is None:
        found = _of_requires_txt(members)
    if found is None:
        found = _of_project_table(members.get("pyproject.toml", b""))
    if found is None and _is_plain(members):
        found = ()
    return None if found is None else (found, raw.get("requires_python", ""))


def _of_metadata(raw: RawMetadata) -> tuple[Requirement, ...] | None:
    stated = tuple(_requirements(raw.get("requires_dist", [])))
    try:
        static = Version(raw.get("metadata_version", "1.0")) >= STATIC_METADATA
    except InvalidVersion:
        static = False
    dynamic = "requires-dist" in {field.lower() for field in raw.get("dynamic", [])}
    return stated if stated or (static and not dynamic) else None


def _of_requires_txt(members: Mapping[str, bytes]) -> tuple[Requirement, ...] | None:
    """The `requires.txt` of setuptools: plain lines, then sections `[extra:marker]`. None without an `egg-info`."""
    folders = sorted(path for path in members if path.endswith(".egg-info/PKG-INFO"))
    if not folders:
        return None
    text = members.get(folders[0].replace("PKG-INFO", "requires.txt"), b"").decode("utf-8", "replace")
    reader = configparser.ConfigParser(
        allow_no_value=True, delimiters=("\0",), comment_prefixes=("#",), strict=False, interpolation=None
    )
    reader.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        reader.read_string(f"[:]\n{text}")
    except configparser.Error:
        return None
    found: list[Requirement] = []
    for section in reader.sections():
        extra, _, marker = section.partition(":")
        conditions = [f"({marker})" if marker else "", f'extra == "{extra}"' if extra else ""]
        condition = " and ".join(filter(None, conditions))
        for line in reader[section]:
            own, _, its = line.partition(";")
            whole = " and ".join(filter(None, (f"({its.strip()})" if its.strip() else "", condition)))
            found += _requirements([f"{own} ; {whole}" if whole else line])
    return tuple(found)


def _of_project_table(text: bytes) -> tuple[Requirement, ...] | None:
    """The `dependencies` of a `[project]` table that does not call them dynamic (PEP 621)."""
    try:
        table = tomllib.loads(text.decode("utf-8", "replace")).get("project")
    except tomllib.TOMLDecodeError:
        return None
    if not isinstance(table, dict) or "dependencies" in (table.get("dynamic") or []):
        return None
    stated = table.get("dependencies", [])
    return tuple(_requirements(stated)) if isinstance(stated, list) else None


def _is_plain(members: Mapping[str, bytes]) -> bool:
    """Whether a `setup.py` alone makes the wheel and nowhere speaks of requirements, as with distutils."""
    files = [members.get(name, b"") for name in ("setup.py", "setup.cfg")]
    return bool(files[0]) and "pyproject.toml" not in members and not any(b"install_requires" in text for text in files)


def _requirements(lines: list[str]) -> Iterator[Requirement]:
    for line in lines:
        try:
            yield Requirement(line)
        except (InvalidRequirement, TypeError):
            continue


def _members(content: bytes, filename: str) -> Iterator[tuple[str, bytes]]:
    """The files that may state requirements, by their path inside the archive's one folder."""
    try:
        yield from _of_zip(content) if filename.endswith(".zip") else _of_tar(content)
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise UnreadableSdistError(f"{filename} cannot be read: {error}") from error
    except (EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UnreadableSdistError(f"{filename} cannot be read: {error or 'it ends too early'}") from error


def _of_tar(content: bytes) -> Iterator[tuple[str, bytes]]:
    unpacked = 0
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:*") as archive:
        for number, member in enumerate(archive):
            unpacked += member.size
            if number > MOST_MEMBERS or unpacked > MOST_UNPACKED_BYTES:
                raise UnreadableSdistError("the archive unpacks to more than is read of one")
            if member.isreg() and (path := _wanted(member.name)) and member.size <= MOST_MEMBER_BYTES:
                opened = archive.extractfile(member)
                yield path, opened.read() if opened else b""


def _of_zip(content: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            if (path := _wanted(entry.filename)) and entry.file_size <= MOST_MEMBER_BYTES:
                with archive.open(entry) as opened:
                    yield path, opened.read(MOST_MEMBER_BYTES)


def _wanted(name: str) -> str:
    """The path below the archive's folder of a file that may state requirements, "" for any other."""
    parts = PurePosixPath(name).parts[1:]
    path = "/".join(parts)
    in_egg_info = len(parts) in {2, 3} and parts[-2].endswith(".egg-info")
    wanted = path in _AT_THE_TOP or (in_egg_info and parts[-1] in {"PKG-INFO", "requires.txt"})
    return path if wanted and ".." not in parts else ""
