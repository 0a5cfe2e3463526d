"""The stages of a Dockerfile: what each stands on, sets, copies and runs (Dockerfile reference)."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from depdoctor.model.noun import dataclass, field
from depdoctor.model.project import Location, Problem
from depdoctor.read import address, shell
from depdoctor.read.dockerfile_lines import HEREDOC, Instruction, substitute
from depdoctor.read.errors import ManifestError
from depdoctor.read.shell import Install

MOST_INSTRUCTIONS = 2_000


@dataclass(slots=True, kw_only=True, eq=False)
class Stage:
    """One FROM and what follows it. `variables` are ARG and ENV as they stand at its end; `base` has them put in."""

    name: str
    base: str
    location: Location
    parent: Stage | None
    variables: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    installs: list[tuple[Install, str, int]] = field(default_factory=list)
    """Commands that install, the folder that each runs in, and how many of `copies` stand before it."""
    copies: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    copied_from: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)
    """The files that here-documents of COPY hold, each line on the line of the Dockerfile that it stands on."""
    folder: str = "/"

    def chain(self) -> list[Stage]:
        """The stage and those it stands on, from the base up."""
        chain = [self]
        while chain[0].parent:
            chain.insert(0, chain[0].parent)
        return chain

    def after(self, copies: int) -> Stage:
        """The stage as a command finds it that runs after so many of its copies."""
        return replace(self, copies=self.copies[:copies])


def stages_of(found: Iterable[Instruction], path: str) -> tuple[list[Stage], list[Problem]]:
    """The stages of a file, and what cannot be known of their bases. Raises `ManifestError` for far too many lines."""
    stages: list[Stage] = []
    problems: list[Problem] = []
    arguments: dict[str, str] = {}
    for count, instruction in enumerate(found):
        if count == MOST_INSTRUCTIONS:
            raise ManifestError(f"has more than {MOST_INSTRUCTIONS} instructions", line=instruction.line)
        if instruction.name in {"ARG", "ENV"}:
            told = address.problems(instruction.text, Location(path=path, line=instruction.line))
            problems += [one for one in told if one.kind == "credentials"]
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


def _stage(instruction: Instruction, stages: Sequence[Stage], arguments: Mapping[str, str], path: str) -> Stage:
    words = [word for word in instruction.text.split() if not word.startswith("--")]
    base = address.redact(substitute(words[0], arguments)) if words else ""
    name = words[2] if len(words) > 2 and words[1].upper() == "AS" else ""
    parent = next((stage for stage in reversed(stages) if stage.name and stage.name.lower() == base.lower()), None)
    stage = Stage(name=name, base=base, location=Location(path=path, line=instruction.line), parent=parent)
    if parent:
        stage.environment.update(parent.environment)
        stage.variables.update(parent.environment)
        stage.folder = parent.folder
    return stage


def _note(stage: Stage, instruction: Instruction, arguments: Mapping[str, str]) -> None:
    """Take in what an instruction changes for those that follow it in its stage, or what it installs."""
    if instruction.name == "ARG":
        given = {key: address.redact(value) for key, value in instruction.pairs(stage.variables).items()}
        inherited = {word: arguments[word] for word in instruction.words() if word in arguments}
        stage.variables |= inherited | given
    elif instruction.name == "ENV":
        pairs = {key: address.redact(value) for key, value in instruction.pairs(stage.variables).items()}
        stage.environment |= pairs
        stage.variables |= pairs
    elif instruction.name in {"COPY", "ADD"}:
        _copy(stage, instruction)
    elif instruction.name == "WORKDIR":
        stage.folder = joined(stage.folder, substitute(instruction.text, stage.variables)).rstrip("/") or "/"
    elif instruction.name == "RUN":
        _mount(stage, instruction)
        lines = instruction.lines
        if (words := instruction.words()) and instruction.text.startswith("["):
            lines = ((instruction.line, " ".join(map(shlex.quote, words))),)
        ended = [(number, f"{line} ;") for number, line in instruction.script]
        for install in shell.installs((*lines, (instruction.line, ";"), *ended), stage.variables):
            stage.installs.append((install, stage.folder, len(stage.copies)))


def _copy(stage: Stage, instruction: Instruction) -> None:
    words = [substitute(word, stage.variables) for word in instruction.words()]
    paths = [word for word in words if not word.startswith("--")]
    if source := next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), ""):
        stage.copied_from.append(source)
    elif names := [match["name"] for match in map(HEREDOC.fullmatch, paths[:-1]) if match]:
        _write(stage, instruction, names, joined(stage.folder, paths[-1]))
    elif len(paths) > 1:
        stage.copies.append((tuple(paths[:-1]), joined(stage.folder, paths[-1])))


def _write(stage: Stage, instruction: Instruction, names: Sequence[str], target: str) -> None:
    """Keep the file that a COPY holds itself; of several, which lines are whose is not kept."""
    path = posixpath.join(target, names[0]) if target.endswith("/") else target
    if instruction.script and len(names) == 1:
        first, _ = instruction.script[0]
        stage.written[path] = "\n" * (first - 1) + "\n".join(line for _, line in instruction.script)


def _mount(stage: Stage, instruction: Instruction) -> None:
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
                stage.copies.append(((substitute(source, stage.variables),), joined(stage.folder, target)))


def joined(folder: str, path: str) -> str:
    """A path of the image; a slash at its end stays, since it makes a folder of it."""
    joined = posixpath.normpath(posixpath.join(folder, path))
    return f"{joined}/" if path.endswith(("/", ".")) and joined != "/" else joined


def reached(stages: Sequence[Stage]) -> list[Stage]:
    """The stages that end up in the last one: those under it, and those that any of them copies from."""
    reached: list[Stage] = []
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


def written(path: str, stage: Stage) -> str:
    """What a here-document wrote to a path of the image, "" for nothing."""
    return next((holder.written[path] for holder in reversed(stage.chain()) if path in holder.written), "")


def in_context(path: str, stage: Stage, dockerfile: str) -> str | None:
    """The path of the build context that a path of the image was copied from; None if no COPY tells.

    The context is taken for the folder of the Dockerfile; whoever opens the file may know better.
    """
    holder: Stage | None = stage
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
