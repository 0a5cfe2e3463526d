"""A virtual environment, or any site-packages, from its plain files; its Python is not started, no `.pth` is run.

Recording installed projects and core metadata (PyPA specifications), direct URLs (PEP 610), `pyvenv.cfg` (PEP 405),
and what setuptools wrote before them: `*.egg-info`, `*.egg` and `*.egg-link`.
"""

from __future__ import annotations

import base64
import binascii
import csv
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.model.installed import InstalledDistribution, InstalledEnvironment, InstalledFile
from depdoctor.model.noun import dataclass
from depdoctor.model.project import Location, Problem
from depdoctor.read.address import redact
from depdoctor.read.errors import MOST_REQUIREMENTS, ManifestError
from depdoctor.read.requirement import LONGEST

MOST_DISTRIBUTIONS = 10_000
MOST_FILES = 200_000
"""Of one distribution."""

_LIBRARY = re.compile(r"(?:python|pypy)(?P<minor>\d+\.\d+)t?", re.IGNORECASE)
_END_OF_HEADERS = re.compile(r"(?:\r\n|\r(?!\n)|\n){2}")
_SECTION = re.compile(r"\[(?P<extra>[^:\]]*)(?::(?P<marker>.*))?\]$")


class Files(Protocol):
    """The files under the scan root, by POSIX paths relative to it."""

    def text(self, path: str) -> tuple[str, str]:
        """The text of a file and its encoding. Raises `ManifestError`, of kind "missing" where there is none."""
        ...

    def entries(self, path: str) -> Mapping[str, bool]:
        """The names in a folder, and whether each is a folder (a symlink is none). Raises `ManifestError`."""
        ...


def parse(files: Files, path: str) -> InstalledEnvironment:
    """Read the environment at a path. Raises nothing for what its files hold: that is in `problems`."""
    reader = _Reader(files=files)
    top = "" if path == "." else path
    settings = dict(_settings(reader.optional(posixpath.join(top, "pyvenv.cfg"))))
    folders = tuple(reader.site_packages(top))
    if not folders:
        reader.problem(path, "holds no site-packages", "name the folder of a virtual environment", kind="missing")
    found = [distribution for folder in folders for distribution in reader.distributions(folder)]
    reader.compare(found)
    stated = settings.get("version") or ".".join(settings.get("version_info", "").split(".")[:3])
    named = (match["minor"] for folder in folders for part in folder.split("/") if (match := _LIBRARY.fullmatch(part)))
    return InstalledEnvironment(
        path=path,
        python=stated or next(named, ""),
        home=settings.get("home", ""),
        system_site_packages=settings.get("include-system-site-packages", "").lower() == "true",
        site_packages=tuple(folder or "." for folder in folders),
        distributions=tuple(sorted(found, key=lambda each: (each.name, each.location))),
        problems=tuple(reader.problems),
    )


def _settings(text: str) -> Iterator[tuple[str, str]]:
    """The lines of a `pyvenv.cfg`, as the standard library's `site` reads them."""
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            yield key.strip().lower(), value.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Metadata:
    """What a file of core metadata states. `requires` are lines; of an egg they stand in a file of their own."""

    name: NormalizedName
    version: Version | None
    requires: Sequence[str]
    requires_python: str


@dataclass(slots=True, kw_only=True)
class _Reader:
    files: Files
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: str, reason: str, hint: str = "", *, line: int = 0, kind: str = "unreadable") -> None:
        location = Location(path=path, line=line)
        self.problems.append(Problem(location=location, reason=reason, hint=hint, kind=kind))

    def optional(self, path: str) -> str:
        """The text of a file, "" where there is none."""
        try:
            return self.files.text(path)[0]
        except ManifestError as error:
            if error.kind != "missing":
                self.problem(path, error.message, error.hint, line=error.line, kind=error.kind)
            return ""

    def entries(self, path: str) -> Mapping[str, bool]:
        try:
            return self.files.entries(path)
        except ManifestError as error:
            if error.kind != "missing":
                self.problem(path, error.message, error.hint, kind=error.kind)
            return {}

    def site_packages(self, path: str) -> Iterator[str]:
        """Every folder of packages: the one named itself, or those of an environment in each system's layout."""
        names = self.entries(path)
        if posixpath.basename(path) in {"site-packages", "dist-packages"} or any(map(_is_metadata, names)):
            yield path
            return
        for library in sorted(name for name in names if names[name] and name.lower() in {"lib", "lib64"}):
            folder = posixpath.join(path, library)
            inner = self.entries(folder)
            if inner.get("site-packages"):
                yield posixpath.join(folder, "site-packages")
            for name in sorted(name for name in inner if inner[name] and _LIBRARY.fullmatch(name)):
                if self.entries(posixpath.join(folder, name)).get("site-packages"):
                    yield posixpath.join(folder, name, "site-packages")

    def distributions(self, folder: str) -> Iterator[InstalledDistribution]:
        """The distributions in a folder of packages."""
        names = self.entries(folder)
        metadata = sorted(filter(_is_metadata, names))
        if len(metadata) > MOST_DISTRIBUTIONS:
            self.problem(folder, f"holds more than {MOST_DISTRIBUTIONS} distributions; the rest is not read")
        for name in metadata[:MOST_DISTRIBUTIONS]:
            path = posixpath.join(folder, name)
            if name.startswith("~"):
                hint = "remove the folders there whose names begin with `~`"
                self.problem(path, "is what an interrupted uninstallation left", hint)
            elif found := self._distribution(path, names):
                yield found

    def _distribution(self, path: str, siblings: Mapping[str, bool]) -> InstalledDistribution | None:
        name = posixpath.basename(path)
        if name.endswith(".dist-info"):
            return self._dist_info(path, siblings)
        if name.endswith(".egg-link"):
            return self._egg_link(path)
        if name.endswith(".egg-info"):
            return self._egg_info(path, is_folder=siblings[name])
        if siblings[name]:
            return self._egg_info(posixpath.join(path, "EGG-INFO"), is_folder=True)
        self.problem(path, "is a packed egg, which is not read", "install it anew with pip or uv")
        return None

    def _dist_info(self, path: str, siblings: Mapping[str, bool]) -> InstalledDistribution | None:
        metadata = self._metadata(posixpath.join(path, "METADATA"), posixpath.basename(path))
        if metadata is None:
            return None
        source, editable = self._direct_url(posixpath.join(path, "direct_url.json"))
        installer = self.optional(posixpath.join(path, "INSTALLER")).strip()
        if installer == "conda":
            source = ""  # a folder of the machine that made conda's package, and of no other
        requested = "REQUESTED" in self.entries(path)
        stem = posixpath.basename(path).removesuffix(".dist-info")
        return InstalledDistribution(
            name=metadata.name,
            version=metadata.version,
            location=path,
            requires=tuple(self._requires(metadata.requires, posixpath.join(path, "METADATA"))),
            requires_python=metadata.requires_python,
            requested=requested or (False if installer else None),
            installer=installer.partition("\n")[0][:100],
            editable=editable or f"__editable__.{stem}.pth" in siblings,
            source=source,
            files=tuple(self._record(posixpath.join(path, "RECORD"))),
        )

    def _egg_info(self, path: str, *, is_folder: bool) -> InstalledDistribution | None:
        """What setuptools left in a folder, or distutils in one file."""
        stated = posixpath.join(path, "PKG-INFO") if is_folder else path
        named = posixpath.basename(posixpath.dirname(path) if path.endswith("/EGG-INFO") else path)
        metadata = self._metadata(stated, named)
        if metadata is None:
            return None
        requires, place = metadata.requires, stated
        if is_folder and not requires:
            place = posixpath.join(path, "requires.txt")
            requires = list(_legacy_requires(self.optional(place)))
        return InstalledDistribution(
            name=metadata.name,
            version=metadata.version,
            location=path,
            requires=tuple(self._requires(requires, place)),
            requires_python=metadata.requires_python,
        )

    def _egg_link(self, path: str) -> InstalledDistribution | None:
        """A link that `setup.py develop` left: the folder in its first line holds the metadata and is not looked at."""
        target = self.optional(path).partition("\n")[0].strip()
        try:
            name = canonicalize_name(posixpath.basename(path).removesuffix(".egg-link"), validate=True)
        except InvalidName:
            self.problem(path, "is not called like a distribution")
            return None
        self.problem(path, "links to a folder elsewhere, so its version is not known", "scan that folder as a project")
        return InstalledDistribution(name=name, version=None, location=path, editable=True, source=redact(target))

    def _metadata(self, path: str, folder: str) -> _Metadata | None:
        """Core metadata; what it lacks is taken from the folder's name. None, and a problem, if that has no name."""
        text = self.optional(path)
        headers, _ = parse_email(text[: match.start()] if (match := _END_OF_HEADERS.search(text)) else text)
        stem = posixpath.splitext(folder)[0].split("-")
        if not (headers.get("name") and headers.get("version")):
            self.problem(path, "lacks a name or a version; the folder's name is taken", "install the package anew")
        try:
            name = canonicalize_name(headers.get("name") or stem[0], validate=True)
        except InvalidName:
            self.problem(path, "names no valid distribution, so it is left out", kind="unparsable")
            return None
        stated = headers.get("version") or (stem[1] if len(stem) > 1 else "")
        version = None
        try:
            version = Version(stated)
        except ValueError:  # `InvalidVersion`, or a number with more digits than Python takes
            self.problem(path, f"`{stated[:40]}` is no version that PEP 440 knows", kind="unparsable")
        requires = headers.get("requires_dist", [])
        return _Metadata(
            name=name, version=version, requires=requires, requires_python=headers.get("requires_python", "")
        )

    def _requires(self, lines: Sequence[str], path: str) -> Iterator[Requirement]:
        if len(lines) > MOST_REQUIREMENTS:
            self.problem(path, f"states more than {MOST_REQUIREMENTS} requirements; the rest is not read")
        for line in lines[:MOST_REQUIREMENTS]:
            text = redact(line)
            if len(text) > LONGEST:
                self.problem(path, f"`{text[:80]}...` is too long for a requirement", kind="unparsable")
                continue
            try:
                yield Requirement(text)
            except (InvalidRequirement, RecursionError) as error:
                reason = str(error).partition("\n")[0]
                self.problem(path, f"`{text[:80]}` is not a requirement: {reason}", kind="unparsable")

    def _direct_url(self, path: str) -> tuple[str, bool]:
        """Where a distribution came from if not from an index, and whether it is editable."""
        text = self.optional(path)
        if not text:
            return "", False
        try:
            data = json.loads(text)
            editable = _table(data, "dir_info").get("editable") is True
            return redact(_source(data)), editable
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self.problem(path, "does not tell where the distribution came from", "install the package anew")
            return "", False

    def _record(self, path: str) -> Iterator[InstalledFile]:
        rows = csv.reader(self.optional(path).splitlines())
        try:
            for number, row in enumerate(rows):
                if number == MOST_FILES:
                    self.problem(path, f"lists more than {MOST_FILES} files; the rest is not read")
                    return
                if row and row[0]:
                    yield _file(*row[:3])
        except csv.Error as error:
            self.problem(path, f"cannot be read on: {error}", "install the package anew", line=rows.line_num)

    def compare(self, distributions: Iterable[InstalledDistribution]) -> None:
        """Tell where a distribution is there twice, of which only one can be what was installed last."""
        first: dict[NormalizedName, InstalledDistribution] = {}
        for each in distributions:
            other = first.setdefault(each.name, each)
            if other is not each:
                reason = f"`{each.name}` is installed twice, in `{other.location}` as well"
                self.problem(each.location, reason, "uninstall it until it is gone, then install it once")


def _is_metadata(name: str) -> bool:
    return name.endswith((".dist-info", ".egg-info", ".egg-link", ".egg"))


def _table(data: Any, key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _source(data: Mapping[str, Any]) -> str:
    """A `direct_url.json` as one address, written as a requirement has it. Raises `ValueError` if it is none."""
    url, folder, repository = data["url"], data.get("subdirectory"), _table(data, "vcs_info")
    if not isinstance(url, str):
        raise ValueError("the address is no text")
    if repository:
        url = f"{repository['vcs']}+{url}@{repository['commit_id']}"
    return f"{url}#subdirectory={folder}" if folder else url


def _file(path: str, digest: str = "", size: str = "") -> InstalledFile:
    algorithm, _, encoded = digest.partition("=")
    sha256 = ""
    if algorithm == "sha256" and len(encoded) == 43:
        try:
            sha256 = base64.urlsafe_b64decode(f"{encoded}=").hex()
        except (binascii.Error, ValueError):
            sha256 = ""  # a hash that nothing can have
    known = size.isascii() and size.isdigit() and len(size) <= 18
    return InstalledFile(path=path, sha256=sha256, size_bytes=int(size) if known else None)


def _legacy_requires(text: str) -> Iterator[str]:
    """The lines of a setuptools `requires.txt` as requirements: a section names an extra, a marker, or both."""
    condition = ""
    for line in map(str.strip, text.splitlines()):
        if section := _SECTION.match(line):
            extra, marker = section["extra"].strip(), (section["marker"] or "").strip()
            named = f'extra == "{extra}"' if extra else ""
            condition = f"({marker}) and {named}" if marker and named else marker or named
        elif line and not line.startswith("#"):
            yield f"{line} ; {condition}" if condition else line
