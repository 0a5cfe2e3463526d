"""What the commands of a shell line install. The line is split, never run; what only a shell knows is "dynamic"."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from depdoctor.model.noun import dataclass
from depdoctor.read.dockerfile_lines import substitute
from depdoctor.read.errors import ManifestError


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a command: its text without quotes, its line, and whether only the shell knows what it stands for."""

    text: str
    line: int
    dynamic: bool = False
    redirected: bool = False
    """Whether an unquoted `<` or `>` cut it short, as in `pip install a>=1`."""


@dataclass(frozen=True, slots=True)
class Install:
    """One command that installs: with which tool ("pip", "conda" or "system"), and what it is given.

    "pip uninstall" takes away again what came before.
    """

    tool: str
    words: tuple[Word, ...]


_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<comment>(?<!\S)\#.*)|(?P<end>&&|\|\||[;|&()])"""
    r"""|(?P<word>(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|\$\([^()]*\)|`[^`]*`|\$?[^\s;|&()'"\\`])+)|(?P<other>.)""",
    re.DOTALL,
)
_PART = re.compile(r"""\\(?P<escaped>.)|'(?P<single>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)"|(?P<plain>.)""", re.DOTALL)
_BEFORE = re.compile(r"[A-Za-z_]\w*=|--")
"""Assignments, and the options of RUN itself, such as `--mount=type=cache,target=/root/.cache`."""
_PYTHON = re.compile(r"python[\d.]*$")
_PIP = re.compile(r"pip[\d.]*$")

MOST_WORDS = 5_000
"""In one script."""

_PREFIXES = frozenset(
    {"sudo", "exec", "env", "time", "nice", "command", "if", "then", "elif", "else", "fi", "do", "!", "{"}
)
_INSTALLERS = {
    ("apt-get", "install"): "system",
    ("apt", "install"): "system",
    ("apk", "add"): "system",
    ("yum", "install"): "system",
    ("dnf", "install"): "system",
    ("microdnf", "install"): "system",
    ("conda", "install"): "conda",
    ("conda", "create"): "conda",
    ("mamba", "install"): "conda",
    ("mamba", "create"): "conda",
    ("micromamba", "install"): "conda",
    ("micromamba", "create"): "conda",
}


_NAMED_BY_PIP = {
    "PIP_INDEX_URL": "--index-url",
    "PIP_EXTRA_INDEX_URL": "--extra-index-url",
    "PIP_FIND_LINKS": "--find-links",
}
_NAMED_BY_UV = {
    "UV_INDEX_URL": "--index-url",
    "UV_DEFAULT_INDEX": "--default-index",
    "UV_EXTRA_INDEX_URL": "--extra-index-url",
    "UV_INDEX": "--index",
}
"""The variables that tell pip, and `uv pip`, where to look (configuration of pip, environment variables of uv)."""


def installs(lines: Iterable[tuple[int, str]], variables: Mapping[str, str]) -> Iterator[Install]:
    """The installing commands of a script given as numbered lines that continue one another.

    What variables say of indexes stands as options before what a command says itself. Of the branches of an `if` one is
    run, and only a shell knows which: the last that installs is taken, which is what a flag leads to that is not set.

    Raises `ManifestError` for one far too long.
    """
    choices = [[list[Install]()]]  # the branches of each `if` that is open, around them the script itself
    for command in _commands(lines, variables):
        words = list(command)
        environment = dict(variables)
        while words and (words[0].text in _PREFIXES or _BEFORE.match(words[0].text)):
            name, _, value = words.pop(0).text.partition("=")
            environment[name] = value
            if name == "if":
                choices.append([[]])
            elif name in {"elif", "else"}:
                choices[-1].append([])
            elif name == "fi" and len(choices) > 1:
                taken = list(_taken(choices.pop()))
                choices[-1][-1] += taken
        if found := _install(words, environment):
            choices[-1][-1].append(found)
    for branches in choices:
        yield from _taken(branches)


def _taken(branches: Sequence[Sequence[Install]]) -> Iterator[Install]:
    """What counts of branches of which one is run; of the operating system's packages all, since they harm nobody."""
    at = max((at for at, branch in enumerate(branches) if any(one.tool != "system" for one in branch)), default=0)
    for number, branch in enumerate(branches):
        yield from (one for one in branch if number == at or one.tool == "system")


def _install(words: Sequence[Word], environment: Mapping[str, str]) -> Install | None:
    named = _NAMED_BY_PIP
    names = [posixpath.basename(word.text) for word in words[:3]]
    if names and _PYTHON.match(names[0]) and [word.text for word in words[1:2]] == ["-m"]:
        words, names = words[2:], names[2:]
    if names[:1] == ["uv"] and names[1:2] == ["pip"]:
        words, names, named = words[1:], ["pip", *names[2:]], _NAMED_BY_UV
    if not names:
        return None
    rest = list(words[1:])
    while rest and rest[0].text.startswith("-"):
        rest.pop(0)
    if not rest:
        return None
    verb = rest[0].text
    if _PIP.match(names[0]) and verb == "install":
        return Install("pip", (*_stated(named, environment, rest[0].line), *rest[1:]))
    if _PIP.match(names[0]) and verb == "uninstall":
        return Install("pip uninstall", tuple(rest[1:]))
    tool = _INSTALLERS.get((names[0], verb))
    return Install(tool, tuple(rest[1:])) if tool else None


def _stated(named: Mapping[str, str], environment: Mapping[str, str], line: int) -> Iterator[Word]:
    """The options that variables stand for, several addresses in one each by itself."""
    for variable, option in named.items():
        for value in environment.get(variable, "").split():
            name, equals, address = value.partition("=")
            if "$" not in value:
                yield Word(option, line)
                yield Word(address if equals and "://" not in name else value, line)  # uv may name an index


def _commands(lines: Iterable[tuple[int, str]], variables: Mapping[str, str]) -> Iterator[list[Word]]:
    command: list[Word] = []
    words = 0
    for number, line in lines:
        for token in _TOKEN.finditer(line):
            if token["word"]:
                words += 1
                if words > MOST_WORDS:
                    raise ManifestError(f"has a command of more than {MOST_WORDS} words", line=number)
                command.append(_word(token["word"], number, variables))
            elif token["end"] and command:
                yield command
                command = []
    if command:
        yield command


def _word(written: str, line: int, variables: Mapping[str, str]) -> Word:
    text, plain = "", ""
    redirected = False
    for part in _PART.finditer(written):
        if part["plain"] is not None:
            if part["plain"] in "<>" and not redirected:
                redirected = True
                plain = text
            text += part["plain"]
        else:
            text += part["escaped"] or part["double"] or part["single"] or ""
    text = substitute(plain if redirected else text, variables)
    return Word(text, line, dynamic="$" in text or "`" in text, redirected=redirected)
