"""`setup.cfg`: the declarations of setuptools ("Configuring setuptools using setup.cfg files")."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from depdoctor.model.local_package import PackageFacts
from depdoctor.model.noun import dataclass, field
from depdoctor.model.project import DEFAULT_GROUP, Manifest
from depdoctor.read import packaged
from depdoctor.read.declarations import Declarations
from depdoctor.read.document import Document
from depdoctor.read.errors import ManifestError

FORMAT = "setup.cfg"

LONGEST = 1_000_000

_SECTION = re.compile(r"\[(?P<name>[^\]]+)\]")
_OPTION = re.compile(r"(?P<key>[^:=\s][^:=]*?)\s*[:=]\s*(?P<value>.*)$")
_LINE_END = re.compile(r"\r\n?|\n")


@dataclass(slots=True)
class _Option:
    """One option: its lines with content, each with its number."""

    lines: list[tuple[int, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines)


def parse(text: str, path: str) -> Manifest:
    """Read a `setup.cfg`. Raises `ManifestError` with the line of what is no INI."""
    if len(text) > LONGEST:
        raise ManifestError(f"is longer than {LONGEST} characters", hint="is this a manifest?")
    sections = _sections(text)
    declarations = Declarations(document=Document({}, {}), path=path)
    options = sections.get("options", {})
    name = sections.get("metadata", {}).get("name", _Option())
    if python := options.get("python_requires"):
        declarations.python(python.text, (), line=python.lines[0][0] if python.lines else 0)
    _requirements(options.get("install_requires"), DEFAULT_GROUP, declarations)
    for extra, option in sections.get("options.extras_require", {}).items():
        _requirements(option, f"extra:{canonicalize_name(extra)}", declarations)
    return Manifest(
        path=path,
        format=FORMAT,
        name=name.text.strip(),
        requires_python=declarations.requires_python,
        python_line=declarations.python_line,
        requirements=tuple(declarations.requirements),
        includes=tuple(declarations.includes),
        problems=tuple(declarations.problems),
        package=_package(sections, name.text.strip()),
    )


def _package(sections: Mapping[str, Mapping[str, _Option]], name: str) -> PackageFacts | None:
    """What it says of its folder as a package; None for a file of settings of other tools alone."""
    metadata, options = sections.get("metadata", {}), sections.get("options", {})
    if not (metadata or options):
        return None
    version = metadata.get("version", _Option()).text.strip()
    found = re.search(r"^\s*=\s*(\S+)", options.get("package_dir", _Option()).text, re.MULTILINE)
    where = sections.get("options.packages.find", {}).get("where", _Option()).text.strip()
    source = found[1] if found else where
    scripts = sections.get("options.entry_points", {}).get("console_scripts", _Option())
    return packaged.facts(
        name=name,
        version=version,
        source=source,
        installed=True,
        scripts=packaged.listed(line for _, line in scripts.lines),
    )


def _requirements(option: _Option | None, group: str, declarations: Declarations) -> None:
    if option is None:
        return
    for line, text in _entries(option):
        if text.startswith("file:"):
            for file in text.removeprefix("file:").split(","):
                declarations.draw_in(file.strip(), (), group, line)
        else:
            declarations.require([(text, ())], group, line=line)


def _entries(option: _Option) -> Iterator[tuple[int, str]]:
    """The items of a list: one a line, or on a single line apart by semicolons, which markers use too."""
    for line, text in option.lines:
        content = text.partition(" #")[0].strip()
        parts = [content]
        if len(option.lines) == 1 and ";" in content and not _is_requirement(content):
            parts = [part.strip() for part in content.split(";")]
        yield from ((line, part) for part in parts if part)


def _is_requirement(text: str) -> bool:
    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return True


def _sections(text: str) -> dict[str, dict[str, _Option]]:
    """The options of each section, as `configparser` tells them apart, with line numbers."""
    sections: dict[str, dict[str, _Option]] = {}
    section: dict[str, _Option] | None = None
    option: _Option | None = None
    for number, line in enumerate(_LINE_END.split(text), 1):
        content = line.strip()
        if not content or content.startswith(("#", ";")):
            continue
        if line[0] in " \t" and option is not None:
            option.lines.append((number, content))
        elif match := _SECTION.match(content):
            section, option = sections.setdefault(match["name"], {}), None
        elif section is None or not (match := _OPTION.match(content)):
            raise ManifestError("has a line that is neither a section nor an option", line=number, hint="mend the file")
        else:
            option = section[match["key"].strip().lower()] = _Option()
            if match["value"]:
                option.lines.append((number, match["value"]))
    return sections
