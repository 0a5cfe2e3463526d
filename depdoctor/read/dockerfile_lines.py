"""The instructions of a Dockerfile with their lines, and what variables stand for in them (Dockerfile reference)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from depdoctor.model.expression import expression
from depdoctor.model.noun import dataclass

_LINE_END = expression(r"\r\n?|\n")
_DIRECTIVE = expression(r"#\s*(?P<name>[a-z]+)\s*=\s*(?P<value>\S+)\s*$", re.IGNORECASE)
_INSTRUCTION = expression(r"\s*(?P<name>[A-Za-z]+)\s+(?P<rest>.*)$", re.DOTALL)
HEREDOC = expression(r"(?<!<)<<-?(?P<quote>['\"]?)(?P<name>[A-Za-z_][\w.-]*)(?P=quote)")
_VARIABLE = expression(
    r"\\(?P<escaped>\$)|\$(?:(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?:(?P<how>:?[-+])(?P<word>[^{}]*))?\})"
)
_WORD = expression(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*'|["'])+""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its name in capitals, and its physical lines without continuation marks, each with its number.

    `script` are the lines of a here-document that it is given.
    """

    name: str
    lines: tuple[tuple[int, str], ...]
    script: tuple[tuple[int, str], ...] = ()

    @property
    def line(self) -> int:
        """Where it begins."""
        return self.lines[0][0]

    @property
    def text(self) -> str:
        """Its arguments on one line."""
        return " ".join(text for _, text in self.lines).strip()

    def words(self) -> list[str]:
        """Its arguments as words, quotes removed; those of a JSON list where it is given one."""
        text = self.text
        if text.startswith("[") and text.endswith("]"):
            return re.findall(r'"((?:[^"\\]|\\.)*)"', text)
        return [unquoted(word) for word in _WORD.findall(text)]

    def pairs(self, known: Mapping[str, str]) -> dict[str, str]:
        """The variables that ARG or ENV sets; an ARG without a default is not set."""
        words = _WORD.findall(self.text)
        if self.name == "ENV" and words and "=" not in words[0]:  # the old form, for one variable
            return {words[0]: substitute(self.text[len(words[0]) :].strip(), known)}
        pairs = (word.partition("=") for word in words)
        return {name: substitute(unquoted(value), known) for name, equals, value in pairs if equals}


def unquoted(word: str) -> str:
    """A word without its quotes."""
    return re.sub(r"""(['"])(.*?)\1""", r"\2", word, flags=re.DOTALL)


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions of a file. What is none is passed over: the builder is the one to complain."""
    lines = list(enumerate(_LINE_END.split(text), 1))
    escape = _escape(lines)
    position = 0
    while position < len(lines):
        number, line = lines[position]
        position += 1
        match = _INSTRUCTION.match(line)
        if not match or line.lstrip().startswith("#"):
            continue
        parts = [(number, match["rest"])]
        while parts[-1][1].rstrip().endswith(escape):
            kept, ended = parts[-1]
            parts[-1] = (kept, ended.rstrip()[: -len(escape)])
            while position < len(lines) and (
                not lines[position][1].strip() or lines[position][1].lstrip().startswith("#")
            ):
                position += 1  # comments and empty lines do not end an instruction
            if position == len(lines):
                break
            parts.append(lines[position])
            position += 1
        script: list[tuple[int, str]] = []
        for heredoc in HEREDOC.finditer(parts[-1][1]):
            while position < len(lines) and lines[position][1].strip() != heredoc["name"]:
                script.append(lines[position])
                position += 1
            position += 1
        yield Instruction(match["name"].upper(), tuple(parts), tuple(script))


def _escape(lines: list[tuple[int, str]]) -> str:
    """What continues a line: a backslash, unless a directive at the top says otherwise."""
    for _, line in lines:
        match = _DIRECTIVE.match(line)
        if not match:
            break
        if match["name"].lower() == "escape" and match["value"] == "`":
            return "`"
    return "\\"


def substitute(text: str, known: Mapping[str, str]) -> str:
    """A text with the variables that are known put in; the others stay as they are written."""

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name = match["name"] or match["braced"]
        how, word = match["how"] or "", match["word"] or ""
        if how.endswith("-"):
            return known.get(name) or word
        if how.endswith("+"):
            return word if known.get(name) else ""
        return known.get(name, match.group())

    return _VARIABLE.sub(value, text)
