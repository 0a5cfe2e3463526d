"""Installs a wheel on paper: which of its files goes where in an image, and what is written besides.

Follows "Installing a wheel" of the binary distribution format specification. `installer` reads the metadata; the files
themselves are not touched here, since `layer` copies their compressed streams as they are.
"""

from __future__ import annotations

import csv
import hashlib
import io
from binascii import b2a_base64
from collections.abc import Iterator, Mapping
from configparser import Error as ConfigError
from typing import NamedTuple
from unicodedata import category, normalize

from installer.utils import canonicalize_name, parse_entrypoints, parse_metadata_file, parse_wheel_filename
from isal import isal_zlib

from depdoctor.build.oci.archive import STORED, Archive, Entry
from depdoctor.build.oci.members import DEFLATE_ERROR
from depdoctor.model.image import ENVIRONMENT_ROOT
from depdoctor.model.launcher import INTERPRETER, launcher

INSTALLER = b"depdoctor\n"

_MAX_METADATA_BYTES = 64 << 20
_ALGORITHMS = ("sha256", "sha384", "sha512")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


class Installed(NamedTuple):
    """A file in an image: its path without a leading slash, its mode, and where its content is from.

    `content` is given for what is written here; else `entry` is copied, and `expected` is its hash as `RECORD` has it
    ("sha256=…"), empty where it has none.
    """

    path: str
    mode: int
    entry: Entry | None
    content: bytes
    expected: str
    archive: Archive | None = None
    """The archive that `entry` is in, None for the wheel itself."""


class Wheel:
    """A wheel that is to be installed for one Python minor version ("3.11"), with its `bytecode` where there is any."""

    def __init__(self, archive: Archive, filename: str, python: str) -> None:
        self.archive = archive
        self.bytecode: Archive | None = None
        self._python = python
        try:
            self.name = parse_wheel_filename(filename)
        except ValueError as error:
            raise archive.refuse("its name is not that of a wheel") from error
        self._entries = _by_name(archive)
        self.dist_info = self._find_dist_info()
        self._data = f"{self.dist_info.removesuffix('.dist-info')}.data"
        self._root = ENVIRONMENT_ROOT.removeprefix("/")
        self.site_packages = f"{self._root}/lib/python{python}/site-packages"

    def files(self, lost: frozenset[str] = frozenset()) -> list[Installed]:
        """Every file to install, unsorted, but for those at paths that are `lost` to another wheel."""
        self._check_version()
        record_name = f"{self.dist_info}/RECORD"
        record = self._record(record_name)
        dropped = {record_name, *(f"{self.dist_info}/{name}" for name in (*_SIGNATURES, "INSTALLER", "REQUESTED"))}
        found: list[tuple[Installed, tuple[str, str, str]]] = []
        for name, entry in self._entries.items():
            if name in dropped:
                continue
            expected, size = record.get(name, ("", ""))
            if not expected and not name.startswith(f"{self.dist_info}/"):
                raise self.archive.refuse(f"{name}: RECORD has no hash for it")
            if size and size != str(entry.size_bytes):
                raise self.archive.refuse(f"{name}: RECORD tells another size")
            file = self._place(name, entry, expected)
            found.append((file, (self._recorded(file.path), expected, size) if file.entry else self._row(file)))
        for entry in self.bytecode.entries if self.bytecode else ():
            code = Installed(entry.name, 0o644, entry, b"", "", self.bytecode)
            found.append((code, (self._recorded(entry.name), "", "")))
        for path, content, mode in self._written():
            file = Installed(path, mode, None, content, "")
            found.append((file, self._row(file)))
        missing = record.keys() - self._entries.keys()
        if missing:
            raise self.archive.refuse(f"{min(missing)}: RECORD lists it, and it is not there")
        kept = [(file, row) for file, row in found if file.path not in lost] if lost else found
        return [*(file for file, _ in kept), self._new_record([row for _, row in kept])]

    def sources(self) -> list[tuple[str, str, Entry]]:
        """Every module: the path of its source in an image, and of its byte-code, unless the wheel holds that path."""
        libraries = (f"{self._data}/purelib/", f"{self._data}/platlib/")
        inside = [one for one in self._entries.items() if not one[0].startswith(f"{self._data}/")]
        inside += [one for one in self._entries.items() if one[0].startswith(libraries)]
        placed = {self._place(name, entry, "").path: entry for name, entry in inside}
        tag = f"cpython-{self._python.replace('.', '')}"
        found = []
        for path, entry in sorted(placed.items()):
            folder, _, last = path.rpartition("/")
            target = f"{folder}/__pycache__/{last.removesuffix('.py')}.{tag}.pyc"
            if last.endswith(".py") and not placed.keys() & {target, f"{folder}/__pycache__"}:
                found.append((path, target, entry))
        return found

    def metadata(self) -> str:
        """What the wheel says of itself; empty if it says nothing."""
        entry = self._entries.get(f"{self.dist_info}/METADATA")
        return self._content(entry).decode("utf-8", "replace") if entry else ""

    def _find_dist_info(self) -> str:
        wanted = canonicalize_name(self.name.distribution)
        found = {name.split("/")[0] for name in self._entries if name.split("/")[0].endswith(".dist-info")}
        if len(found) != 1:
            raise self.archive.refuse(f"it has {len(found)} .dist-info folders")
        folder = found.pop()
        if canonicalize_name(folder.removesuffix(".dist-info").rpartition("-")[0]) != wanted:
            raise self.archive.refuse(f"{folder} is that of another package")
        return folder

    def _check_version(self) -> None:
        metadata = parse_metadata_file(self._text("WHEEL"))
        version = str(metadata["Wheel-Version"] or "")
        if not version.startswith("1."):
            raise self.archive.refuse(f"Wheel-Version is {version or 'missing'}, only 1.x is known")

    def _record(self, name: str) -> Mapping[str, tuple[str, str]]:
        """The hash and the size of each file as RECORD has them."""
        if name not in self._entries:
            raise self.archive.refuse("it has no RECORD")
        record: dict[str, tuple[str, str]] = {}
        for row in csv.reader(io.StringIO(self._text("RECORD"), newline="")):
            if len(row) != 3:
                raise self.archive.refuse(f"a row of RECORD has {len(row)} columns")
            path, expected, size = row
            if path in record and record[path] != (expected, size):
                raise self.archive.refuse(f"{path}: RECORD lists it twice")
            if expected and expected.partition("=")[0] not in _ALGORITHMS:
                raise self.archive.refuse(f"{path}: RECORD has a hash of another kind than {', '.join(_ALGORITHMS)}")
            record[path] = expected, size
        return {path: row for path, row in record.items() if not path.endswith("/")}

    def _place(self, name: str, entry: Entry, expected: str) -> Installed:
        if not name.startswith(f"{self._data}/"):
            return Installed(f"{self.site_packages}/{name}", 0o755 if entry.executable else 0o644, entry, b"", expected)
        _, scheme, rest = [*name.split("/", 2), "", ""][:3]
        folders = {
            "purelib": self.site_packages,
            "platlib": self.site_packages,
            "headers": f"{self._root}/include/site/python{self._python}/{self.name.distribution}",
            "scripts": f"{self._root}/bin",
            "data": self._root,
        }
        if scheme not in folders or not rest:
            raise self.archive.refuse(f"{name}: there is no such scheme")
        path = f"{folders[scheme]}/{rest}"
        if scheme != "scripts":
            return Installed(path, 0o755 if entry.executable else 0o644, entry, b"", expected)
        content = self._content(entry)
        if not content.startswith(b"#!python"):
            return Installed(path, 0o755, entry, b"", expected)
        if expected and record_hash(content, expected) != expected:
            raise self.archive.refuse(f"{entry.name}: its content is not what RECORD says")
        _, _, body = content.partition(b"\n")
        return Installed(path, 0o755, None, f"#!{INTERPRETER}\n".encode() + body, "")

    def _written(self) -> Iterator[tuple[str, bytes, int]]:
        """What the installer writes of its own: the launchers of entry points, and its name."""
        yield f"{self.site_packages}/{self.dist_info}/INSTALLER", INSTALLER, 0o644
        if f"{self.dist_info}/entry_points.txt" not in self._entries:
            return
        try:
            entry_points = list(parse_entrypoints(self._text("entry_points.txt")))
        except (ConfigError, ValueError, AssertionError) as error:
            raise self.archive.refuse(f"its entry points cannot be read: {error}") from error
        for name, module, attribute, _ in entry_points:
            if "/" in name or name in (".", "..") or name.startswith(".wh.") or "\n" in module + attribute:
                raise self.archive.refuse(f"an entry point is named {name!r}")
            yield f"{self._root}/bin/{name}", launcher(module, attribute).encode(), 0o755

    def _new_record(self, rows: list[tuple[str, str, str]]) -> Installed:
        path = f"{self.site_packages}/{self.dist_info}/RECORD"
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows(sorted([*rows, (self._recorded(path), "", "")]))
        return Installed(path, 0o644, None, out.getvalue().encode(), "")

    def _row(self, file: Installed) -> tuple[str, str, str]:
        return self._recorded(file.path), record_hash(file.content), str(len(file.content))

    def _recorded(self, path: str) -> str:
        """A path as RECORD has it: relative to site-packages."""
        inside = f"{self.site_packages}/"
        return path.removeprefix(inside) if path.startswith(inside) else f"../../../{path.removeprefix(self._root)[1:]}"

    def _text(self, name: str) -> str:
        entry = self._entries.get(f"{self.dist_info}/{name}")
        if entry is None:
            raise self.archive.refuse(f"it has no {name}")
        try:
            return self._content(entry).decode()
        except UnicodeDecodeError as error:
            raise self.archive.refuse(f"{entry.name} is no UTF-8 text") from error

    def _content(self, entry: Entry) -> bytes:
        if entry.size_bytes > _MAX_METADATA_BYTES:
            raise self.archive.refuse(f"{entry.name}: {entry.size_bytes} bytes of metadata")
        return inflated(self.archive, entry)[1]


def inflated(archive: Archive, entry: Entry) -> tuple[memoryview, bytes]:
    """An entry as it stands in the archive and its content, checked for size, end and CRC."""
    raw = archive.read(entry)
    if entry.method == STORED:
        content = bytes(raw)
    else:
        inflate = isal_zlib.decompressobj(-15)
        try:
            content = inflate.decompress(raw, entry.size_bytes + 1)
        except DEFLATE_ERROR as error:
            raise archive.refuse(f"{entry.name}: {error}") from error
        if not inflate.eof or inflate.unused_data:
            raise archive.refuse(f"{entry.name}: its content is not what its size says")
    if len(content) != entry.size_bytes or isal_zlib.crc32(content) != entry.crc32:
        raise archive.refuse(f"{entry.name}: its content is not what its size and checksum say")
    return raw, content


def record_hash(content: bytes, like: str = "sha256=") -> str:
    """A hash as RECORD has it, of the same kind as another: URL-safe base64 without padding."""
    if like.startswith("sha256="):
        return recorded("sha256", hashlib.sha256(content).digest())
    algorithm = like.partition("=")[0]
    return recorded(algorithm, hashlib.new(algorithm, content).digest())


def recorded(algorithm: str, digest: bytes) -> str:
    """A digest as RECORD has it."""
    return f"{algorithm}={b2a_base64(digest, newline=False).rstrip(b'=').translate(_URL_SAFE).decode()}"


def _is_plain(name: str) -> bool:
    """Whether a name has no control characters."""
    return name.isprintable() or all(category(character) != "Cc" for character in name)


def _by_name(archive: Archive) -> dict[str, Entry]:
    """The entries by name. Names that could leave the image's folder, hide files below or be taken for another go.

    Names that differ in case only are two files on Linux, and stay; those that only differ in how they spell an accent
    cannot be told apart by anybody.
    """
    entries: dict[str, Entry] = {}
    composed: dict[str, str] = {}
    for entry in archive.entries:
        name = entry.name
        parts = name.split("/")
        if "\\" in name or not _is_plain(name) or any(part in ("", ".", "..") for part in parts):
            raise archive.refuse(f"{name!r}: a path that leaves its folder or is not in its plain form")
        if ".wh." in name and any(part.startswith(".wh.") for part in parts):
            raise archive.refuse(f"{name!r}: in an image this name would delete files")
        other = name if name.isascii() else composed.setdefault(normalize("NFC", name), name)
        if name in entries or other != name:
            raise archive.refuse(f"{name!r}: two files of this name")
        entries[name] = entry
    folders: set[str] = set()
    for name in entries:
        folder = name.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    for name in folders & entries.keys():
        raise archive.refuse(f"{name!r}: a file and a folder of this name")
    return entries
