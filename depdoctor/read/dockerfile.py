"""`Dockerfile`: what an image stands on and what its RUN lines install (Dockerfile reference).

Only the stages that end up in the image count: the last one, those under it, and those it copies from. Nothing is run:
a shell line is split into commands, and what those need from variables is put in where ARG and ENV tell it for certain.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

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
from depdoctor.read import address, requirements_txt, shell
from depdoctor.read.declarations import Declarations
from depdoctor.read.dockerfile_lines import Instruction, instructions, substitute
from depdoctor.read.document import Document
from depdoctor.read.errors import ManifestError
from depdoctor.read.python_version import minor_of
from depdoctor.read.requirement import LocalFolder, parse_requirement
from depdoctor.read.shell import Install, Word

FORMAT = "Dockerfile"

LONGEST = 1_000_000
MOST_INSTRUCTIONS = 2_000

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
    stages, problems = _stages(instructions(text), path)
    if not stages:
        raise ManifestError("has no FROM", hint="is this a Dockerfile?")
    final = _reached(stages)
    chain = _chain(stages[-1])
    found = _Found(path=path)
    for stage in stages:
        if stage in final:
            for install, folder in stage.installs:
                found.take(install, stage, folder)
    bases = tuple(
        BaseImage(reference=stage.base, location=stage.location, stage=stage.name, is_final=stage is chain[0])
        for stage in stages
        if stage.parent is None
    )
    return Manifest(
        path=path,
        format=FORMAT,
        requirements=tuple(found.requirements),
        conda=tuple(found.conda),
        base_images=bases,
        system_packages=tuple(dict.fromkeys(found.system_packages)),
        environment=tuple({key: value for stage in chain for key, value in stage.environment.items()}.items()),
        python=_python(chain[0].base),
        indexes=found.indexes(),
        includes=tuple(dict.fromkeys(found.includes)),
        problems=(*problems, *found.problems),
    )


@dataclass(slots=True, kw_only=True, eq=False)
class _Stage:
    """One FROM and what follows it. `variables` are ARG and ENV as they stand at its end; `base` has them put in."""

    name: str
    base: str
    location: Location
    parent: _Stage | None
    variables: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    installs: list[tuple[Install, str]] = field(default_factory=list)
    copies: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    copied_from: list[str] = field(default_factory=list)
    folder: str = "/"


def _stages(found: Iterable[Instruction], path: str) -> tuple[list[_Stage], list[Problem]]:
    stages: list[_Stage] = []
    problems: list[Problem] = []
    arguments: dict[str, str] = {}
    for count, instruction in enumerate(found):
        if count == MOST_INSTRUCTIONS:
            raise ManifestError(f"has more than {MOST_INSTRUCTIONS} instructions", line=instruction.line)
        if instruction.name == "ARG" and not stages:
            arguments |= instruction.pairs(arguments)
        elif instruction.name == "FROM":
            stage = _stage(instruction, stages, arguments, path)
            stages.append(stage)
            if "$" in stage.base:
                reason = f"the base image `{stage.base}` depends on a build argument without a default"
                problems.append(Problem(location=stage.location, reason=reason, kind="variable"))
        elif stages:
            _note(stages[-1], instruction, arguments)
    return stages, problems


def _stage(instruction: Instruction, stages: Sequence[_Stage], arguments: Mapping[str, str], path: str) -> _Stage:
    words = [word for word in instruction.text.split() if not word.startswith("--")]
    base = address.redact(substitute(words[0], arguments)) if words else ""
    name = words[2] if len(words) > 2 and words[1].upper() == "AS" else ""
    parent = next((stage for stage in reversed(stages) if stage.name and stage.name.lower() == base.lower()), None)
    stage = _Stage(name=name, base=base, location=Location(path=path, line=instruction.line), parent=parent)
    if parent:
        stage.environment.update(parent.environment)
        stage.variables.update(parent.environment)
        stage.folder = parent.folder
    return stage


def _note(stage: _Stage, instruction: Instruction, arguments: Mapping[str, str]) -> None:
    """Take in what an instruction changes for those that follow it in its stage, or what it installs."""
    if instruction.name == "ARG":
        given = instruction.pairs(stage.variables)
        inherited = {word: arguments[word] for word in instruction.words() if word in arguments}
        stage.variables |= inherited | given
    elif instruction.name == "ENV":
        pairs = {key: address.redact(value) for key, value in instruction.pairs(stage.variables).items()}
        stage.environment |= pairs
        stage.variables |= pairs
    elif instruction.name in {"COPY", "ADD"}:
        _copy(stage, instruction)
    elif instruction.name == "WORKDIR":
        stage.folder = _joined(stage.folder, substitute(instruction.text, stage.variables)).rstrip("/") or "/"
    elif instruction.name == "RUN":
        _mount(stage, instruction)
        lines = instruction.lines
        if (words := instruction.words()) and instruction.text.startswith("["):
            lines = ((instruction.line, " ".join(map(shlex.quote, words))),)
        ended = [(number, f"{line} ;") for number, line in instruction.script]
        for install in shell.installs((*lines, (instruction.line, ";"), *ended), stage.variables):
            stage.installs.append((install, stage.folder))


def _copy(stage: _Stage, instruction: Instruction) -> None:
    words = [substitute(word, stage.variables) for word in instruction.words()]
    paths = [word for word in words if not word.startswith("--")]
    if source := next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), ""):
        stage.copied_from.append(source)
    elif len(paths) > 1:
        stage.copies.append((tuple(paths[:-1]), _joined(stage.folder, paths[-1])))


def _mount(stage: _Stage, instruction: Instruction) -> None:
    """Take the files that a RUN mounts out of the context (`--mount=type=bind`, the default) for copied ones."""
    for word in instruction.words():
        if not word.startswith("--"):
            return
        options = dict(option.partition("=")[::2] for option in word.removeprefix("--mount=").split(","))
        source = options.get("source") or options.get("src") or "."
        target = next((options[name] for name in ("target", "dst", "destination") if name in options), "")
        if word.startswith("--mount=") and options.get("type", "bind") == "bind" and target:
            if named := options.get("from"):
                stage.copied_from.append(named)
            else:
                stage.copies.append(((substitute(source, stage.variables),), _joined(stage.folder, target)))


def _joined(folder: str, path: str) -> str:
    """A path of the image; a slash at its end stays, since it makes a folder of it."""
    joined = posixpath.normpath(posixpath.join(folder, path))
    return f"{joined}/" if path.endswith(("/", ".")) and joined != "/" else joined


def _chain(last: _Stage) -> list[_Stage]:
    """A stage and those it stands on, from the base up."""
    chain = [last]
    while chain[0].parent:
        chain.insert(0, chain[0].parent)
    return chain


def _reached(stages: Sequence[_Stage]) -> list[_Stage]:
    """The stages that end up in the last one: those under it, and those that any of them copies from."""
    reached: list[_Stage] = []
    pending = [stages[-1]]
    while pending:
        stage = pending.pop()
        if stage in reached:
            continue
        reached.append(stage)
        pending += [stage.parent] if stage.parent else []
        for name in stage.copied_from:
            pending += [
                other for number, other in enumerate(stages) if name in {other.name, str(number)} and other is not stage
            ]
    return reached


def _python(base: str) -> str:
    """The Python minor of an official Python image, whose tag begins with it."""
    repository, _, tag = base.partition("@")[0].rpartition(":")
    return minor_of(tag.partition("-")[0]) if posixpath.basename(repository) == "python" else ""


@dataclass(slots=True, kw_only=True)
class _Found:
    """What the commands of an image install."""

    path: str
    requirements: list[DeclaredRequirement] = field(default_factory=list)
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

    def take(self, install: Install, stage: _Stage, folder: str) -> None:
        """Take in one installing command, run in a folder of a stage."""
        if install.tool == "pip":
            self._pip(install.words, stage, folder)
            return
        skip = False
        for word in install.words:
            if skip or word.text.startswith("-"):
                skip = not skip and word.text in _VALUED[install.tool]
            elif word.dynamic:
                self._problem(word, f"`{word.text}` is known to the shell only", "dynamic")
            elif install.tool == "conda":
                from depdoctor.read.conda_yaml import conda_requirement

                declarations = Declarations(document=Document({}, {(): word.line}), path=self.path)
                if found := conda_requirement(word.text, declarations, ()):
                    self.conda.append(found)
                self.problems += declarations.problems
            else:
                location = Location(path=self.path, line=word.line)
                self.system_packages.append(SystemPackage(name=re.split(r"[=<>~]", word.text)[0], location=location))

    def _pip(self, words: Sequence[Word], stage: _Stage, folder: str) -> None:
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

    def _option(self, name: str, value: Word, stage: _Stage, folder: str) -> None:
        location = Location(path=self.path, line=value.line)
        if name in {"-e", "--editable"}:
            self._required(value, stage, folder)
        elif role := _ROLES.get(name):
            if value.dynamic:
                self._problem(value, f"`{value.text}` is known to the shell only", "dynamic")
            elif inner := _in_context(_joined(folder, value.text), stage, self.path):
                self.includes.append(Include(path=inner, role=role, location=location))
        elif option := _INDEX_OPTIONS.get(name):
            read = requirements_txt.parse(f"{option} {value.text}", self.path)
            self.own = self.own.joined(read.indexes)
            self.problems += [replace(problem, location=location) for problem in read.problems]

    def _required(self, word: Word, stage: _Stage, folder: str) -> None:
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

    def _folder(self, word: Word, stage: _Stage, folder: str) -> None:
        """A folder of the image that is installed, by where it was copied from."""
        path, _, extras = word.text.partition("[")
        if inner := _in_context(_joined(folder, path).rstrip("/"), stage, self.path):
            if "." in posixpath.basename(inner).lstrip("."):  # a file of the folder was copied, not the folder
                inner = posixpath.dirname(inner) or "."
            asked = tuple(sorted(extra.strip() for extra in extras.rstrip("]").split(",") if extra.strip()))
            location = Location(path=self.path, line=word.line)
            self.includes.append(Include(path=inner, role="project", location=location, extras=asked))

    def _problem(self, word: Word, reason: str, kind: str) -> None:
        self.problems.append(Problem(location=Location(path=self.path, line=word.line), reason=reason, kind=kind))


def _in_context(path: str, stage: _Stage, dockerfile: str) -> str | None:
    """The path of the build context that a path of the image was copied from; None if no COPY tells.

    The context is taken for the folder of the Dockerfile; whoever opens the file may know better.
    """
    holder: _Stage | None = stage
    while holder:
        for sources, target in reversed(holder.copies):
            for source in sources:
                if (copied := _copied(source, target, path)) is not None:
                    return address.inside(posixpath.dirname(dockerfile), copied.lstrip("/") or ".")
        holder = holder.parent
    return None


def _copied(source: str, target: str, path: str) -> str | None:
    """What of a source a path is, after `COPY source target`; a name with an ending is a file, any other a folder."""
    name = posixpath.basename(source.rstrip("/"))
    folder = target.rstrip("/")
    if name not in {"", "."} and path in {folder, f"{folder}/{name}"}:
        return source
    if path != folder and not path.startswith(f"{folder}/"):
        return None
    is_file = "." in name.lstrip(".") and not source.endswith("/")
    return None if is_file else posixpath.join(source, path[len(folder) + 1 :])
