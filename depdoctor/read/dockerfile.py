"""`Dockerfile`: what an image stands on and what its RUN lines install (Dockerfile reference).

Only the stages that end up in the image count: the last one, those under it, and those it copies from. Nothing is run:
a shell line is split into commands, and what those need from variables is put in where ARG and ENV tell it for certain.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from depdoctor.model.noun import dataclass, field
from depdoctor.model.project import (
    BaseImage,
    CondaRequirement,
    DeclaredRequirement,
    Include,
    IndexOptions,
    Location,
    Manifest,
    Problem,
    SystemPackage,
)
from depdoctor.read import address, requirements_txt
from depdoctor.read.declarations import Declarations
from depdoctor.read.dockerfile_lines import instructions
from depdoctor.read.dockerfile_stages import Stage, in_context, joined, reached, stages_of, written
from depdoctor.read.document import Document
from depdoctor.read.errors import ManifestError
from depdoctor.read.python_version import minor_of
from depdoctor.read.requirement import LocalFolder, parse_requirement
from depdoctor.read.shell import Install, Word

FORMAT = "Dockerfile"

LONGEST = 1_000_000

_INDEX_OPTIONS = {
    **{name: name for name in ("-i", "--index-url", "--extra-index-url", "-f", "--find-links")},
    **{name: name for name in ("--no-binary", "--only-binary")},
    "--index": "--extra-index-url",
    "--default-index": "--index-url",
}
"""What tells pip, or uv in its place, where to look, each as a requirements file has it."""
_ROLES = {"-r": "requirements", "--requirement": "requirements", "-c": "constraints", "--constraint": "constraints"}
_VALUED = {
    "pip": frozenset(
        {
            *_INDEX_OPTIONS,
            *_ROLES,
            *("-e", "--editable", "-t", "--target", "--prefix", "--root", "--platform", "--python-version", "--src"),
            *(
                "--implementation",
                "--abi",
                "--progress-bar",
                "--timeout",
                "--retries",
                "--cache-dir",
                "--proxy",
                "--log",
            ),
            *("--trusted-host", "--global-option", "--install-option", "--config-settings", "--upgrade-strategy"),
            *("--cert", "--client-cert", "--python", "-p", "--exclude-newer", "--index-strategy", "--torch-backend"),
            *("-C", "--build-option", "--link-mode", "--use-feature", "--upgrade-package", "-P", "--root-user-action"),
        }
    ),
    "conda": frozenset({"-c", "--channel", "-n", "--name", "-p", "--prefix", "--file", "-f", "--solver", "--freeze"}),
    "system": frozenset({"-t", "--target-release", "-o", "--option", "-c", "--config-file", "--virtual", "-X"}),
}
"""Options of each kind of tool that take a value."""

_INSTALLERS_THEMSELVES = frozenset({"pip", "uv"})
"""Tools that images bring up to date, and that no project means when it lists what it needs."""


def parse(text: str, path: str) -> Manifest:
    """Read a Dockerfile. Raises `ManifestError` if it has no FROM, or is far too long."""
    if len(text) > LONGEST:
        raise ManifestError(f"is longer than {LONGEST} characters")
    stages, problems = stages_of(instructions(text), path)
    if not stages:
        raise ManifestError("has no FROM", hint="is this a Dockerfile?")
    final = reached(stages)
    chain = stages[-1].chain()
    found = _Found(path=path)
    for stage in stages:
        if stage in final:
            for install, folder, copies in stage.installs:
                found.take(install, stage.after(copies), folder)
    bases = tuple(
        BaseImage(reference=stage.base, location=stage.location, stage=stage.name, is_final=stage is chain[0])
        for stage in stages
        if stage.parent is None
    )
    return Manifest(
        path=path,
        format=FORMAT,
        requirements=tuple(found.requirements),
        constraints=tuple(found.constraints),
        conda=tuple(found.conda),
        base_images=bases,
        system_packages=tuple(dict.fromkeys(found.system_packages)),
        environment=tuple({key: value for stage in chain for key, value in stage.environment.items()}.items()),
        python=_python(chain[0].base),
        indexes=found.indexes(),
        includes=tuple(dict.fromkeys(found.includes)),
        problems=(*problems, *found.problems),
    )


def _python(base: str) -> str:
    """The Python minor of an official Python image, whose tag begins with it."""
    repository, _, tag = base.partition("@")[0].rpartition(":")
    return minor_of(tag.partition("-")[0]) if posixpath.basename(repository) == "python" else ""


def _contradict(before: Requirement, after: Requirement) -> bool:
    """Whether pip, asked for one after the other, installs another version the second time, as far as they tell."""
    if before.marker or after.marker or before.url:
        return False
    pinned = [one.version for one in before.specifier if one.operator == "==" and not one.version.endswith(".*")]
    fixed = [one.version for one in after.specifier if one.operator == "==" and not one.version.endswith(".*")]
    return (
        bool(after.url)
        or any(not after.specifier.contains(version, prereleases=True) for version in pinned)
        or any(not before.specifier.contains(version, prereleases=True) for version in fixed)
    )


@dataclass(slots=True, kw_only=True)
class _Found:
    """What the commands of an image install."""

    path: str
    requirements: list[DeclaredRequirement] = field(default_factory=list)
    constraints: list[DeclaredRequirement] = field(default_factory=list)
    conda: list[CondaRequirement] = field(default_factory=list)
    system_packages: list[SystemPackage] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    options: IndexOptions = field(default_factory=IndexOptions)
    own: IndexOptions = field(default_factory=IndexOptions)
    """What the command that is being read says of indexes."""
    lines: list[tuple[str | None, bool]] = field(default_factory=list)
    """The index of each command of pip, and whether it draws in files."""

    def indexes(self) -> IndexOptions:
        """Where everything comes from: the one index of all commands, where some draw in files; several add up."""
        addresses = tuple(dict.fromkeys(url for url, draws in self.lines if draws and url))
        if len({url for url, _ in self.lines}) == 1 and addresses:
            return replace(self.options, index_url=addresses[0])
        return self.options.joined(IndexOptions(extra_index_urls=addresses))

    def take(self, install: Install, stage: Stage, folder: str) -> None:
        """Take in one installing command, run in a folder of a stage."""
        if install.tool == "pip":
            self._pip(install.words, stage, folder)
            return
        if install.tool == "pip uninstall":
            gone = {canonicalize_name(word.text) for word in install.words}
            self.requirements = [one for one in self.requirements if one.name not in gone]
            return
        skip = False
        for word in install.words:
            if skip or word.text.startswith("-"):
                skip = not skip and word.text in _VALUED[install.tool]
            elif word.dynamic:
                self._problem(word, f"`{word.text}` is known to the shell only", "dynamic")
            elif install.tool == "conda":
                from depdoctor.read.conda_yaml import conda_requirement

                declarations = Declarations(document=Document({}, {}), path=self.path)
                if found := conda_requirement(word.text, declarations, ()):
                    self.conda.append(replace(found, location=Location(path=self.path, line=word.line)))
                self.problems += declarations.problems
            else:
                location = Location(path=self.path, line=word.line)
                self.system_packages.append(SystemPackage(name=re.split(r"[=<>~]", word.text)[0], location=location))

    def _pip(self, words: Sequence[Word], stage: Stage, folder: str) -> None:
        """Read the arguments of pip: files and folders by where they were copied from, the rest as requirements."""
        asked, drawn = len(self.requirements), len(self.includes)
        self.own = IndexOptions()
        option: Word | None = None
        for word in words:
            if option is None and word.text.startswith("-"):
                name, equals, value = word.text.partition("=")
                if equals:
                    self._option(name, Word(value, word.line, word.dynamic), stage, folder)
                elif name in _VALUED["pip"]:
                    option = word
            elif option is not None:
                self._option(option.text, word, stage, folder)
                option = None
            else:
                self._required(word, stage, folder)
        url = self.own.index_url
        self.options = self.options.joined(replace(self.own, index_url=None))
        if url:  # it is asked for what stands on its own line, and need not have anything else
            self.requirements[asked:] = [replace(one, index=url) for one in self.requirements[asked:]]
        if len(self.requirements) > asked or len(self.includes) > drawn:
            self.lines.append((url, len(self.includes) > drawn))
        self._replaced(asked)

    def _replaced(self, asked: int) -> None:
        """Leave out what earlier commands installed and this one has in another version."""
        now = self.requirements[asked:]
        for before in self.requirements[:asked]:
            for one in now:
                if before.name == one.name and _contradict(before.requirement, one.requirement):
                    reason = f"`{before.text}` is replaced by `{one.text}` of line {one.location.line}"
                    hint = "take it out: its files stay in a layer of the image"
                    self.problems.append(Problem(location=before.location, reason=reason, hint=hint, kind="replaced"))
                    self.requirements.remove(before)
                    break

    def _option(self, name: str, value: Word, stage: Stage, folder: str) -> None:
        location = Location(path=self.path, line=value.line)
        if name in {"-e", "--editable"}:
            self._required(value, stage, folder)
        elif role := _ROLES.get(name):
            if value.dynamic:
                self._problem(value, f"`{value.text}` is known to the shell only", "dynamic")
            elif text := written(joined(folder, value.text), stage):
                self._written(text, role)
            elif inner := in_context(joined(folder, value.text), stage, self.path):
                self.includes.append(Include(path=inner, role=role, location=location))
        elif (option := _INDEX_OPTIONS.get(name)) and any(character.isspace() for character in value.text):
            self._problem(value, f"`{address.redact(value.text)}` is known to the shell only", "dynamic")
        elif option:
            read = requirements_txt.parse(f"{option} {value.text}", self.path)
            self.own = self.own.joined(read.indexes)
            self.problems += [replace(problem, location=location) for problem in read.problems]

    def _written(self, text: str, role: str) -> None:
        """Take in a requirements file that the Dockerfile itself holds."""
        read = requirements_txt.parse(text, self.path)
        (self.requirements if role == "requirements" else self.constraints).extend(read.requirements)
        self.own = self.own.joined(read.indexes)
        self.problems += read.problems

    def _required(self, word: Word, stage: Stage, folder: str) -> None:
        location = Location(path=self.path, line=word.line)
        if word.dynamic or "*" in word.text.partition("==")[0]:
            self._problem(word, f"`{address.redact(word.text)}` is known to the shell only", "dynamic")
            return
        if word.redirected:
            hint = "quote the requirement"
            reason = f"what follows `{word.text}` is a redirection to the shell, not a version"
            self.problems.append(Problem(location=location, reason=reason, hint=hint, kind="unparsable"))
        self.problems += address.problems(word.text, location)
        try:
            required = parse_requirement(word.text, "/")
        except ManifestError as error:
            if error.kind == "outside":
                self._folder(word, stage, folder)
            elif error.kind != "variable":
                self.problems.append(Problem(location=location, reason=error.message, hint=error.hint, kind=error.kind))
            return
        if isinstance(required, LocalFolder):
            self._folder(word, stage, folder)
        elif required.url and required.url.startswith("./"):
            return  # a file that the build makes or fetches
        elif required.name.lower() not in _INSTALLERS_THEMSELVES:
            self.requirements.append(
                DeclaredRequirement(requirement=required, location=location, text=address.redact(word.text))
            )

    def _folder(self, word: Word, stage: Stage, folder: str) -> None:
        """A folder of the image that is installed, by where it was copied from."""
        path, _, extras = word.text.partition("[")
        if inner := in_context(joined(folder, path).rstrip("/"), stage, self.path):
            if "." in posixpath.basename(inner).lstrip("."):  # a file of the folder was copied, not the folder
                inner = posixpath.dirname(inner) or "."
            asked = tuple(sorted(extra.strip() for extra in extras.rstrip("]").split(",") if extra.strip()))
            location = Location(path=self.path, line=word.line)
            self.includes.append(Include(path=inner, role="project", location=location, extras=asked))

    def _problem(self, word: Word, reason: str, kind: str) -> None:
        self.problems.append(Problem(location=Location(path=self.path, line=word.line), reason=reason, kind=kind))
