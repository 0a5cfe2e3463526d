"""Nothing that stands in a manifest becomes an instruction, a variable or a pattern.

The readers here follow the Dockerfile reference: logical lines, JSON forms, and how COPY and LABEL expand words.
"""

from __future__ import annotations

import json
import re

from fleets import entry, inventory, lock, pin
from hypothesis import example, given, settings
from hypothesis import strategies as st

from depdoctor.generate import generate
from depdoctor.generate.quoting import copy_form, exec_form, label_value
from depdoctor.model.config import Config, ProjectConfig
from depdoctor.plan import plan

TRICKS = [
    "\n",
    "\r",
    "\\",
    '"',
    "'",
    "$",
    "${PATH}",
    "$(x)",
    "`x`",
    "<<EOF",
    "#",
    "]",
    "[",
    "*",
    "?",
    "\u2028",
    "%{",
    "--from=x",
]
HOSTILE = st.lists(st.one_of(st.sampled_from(TRICKS), st.text(max_size=5)), max_size=6).map("".join)
PATHS = HOSTILE.map(lambda text: text.replace("\x00", "")).filter(lambda text: text.strip("/ ."))


def logical_lines(text: str) -> list[str]:
    """Instructions of a Dockerfile: comments gone, continued lines joined."""
    kept = [line for line in re.split(r"\r?\n", text) if not line.lstrip().startswith("#")]
    return [line for line in re.sub(r"\\[ \t]*\n", " ", "\n".join(kept)).split("\n") if line.strip()]


def expand(word: str) -> str:
    """A word as BuildKit's lexer leaves it, no variable being set: quotes and backslashes go, variables vanish."""
    out, position, quote = "", 0, ""
    while position < len(word):
        char = word[position]
        if char == "\\" and quote != "'":
            following = word[position + 1 : position + 2]
            assert following, "a backslash at the end continues the line"
            out += following if not quote or following in '"$\\' else char + following
            position += 2
            continue
        if char == quote:
            quote = ""
        elif char in "'\"" and not quote:
            quote = char
        else:
            assert char != "$" or quote == "'", "a variable would be expanded"
            out += char
        position += 1
    assert not quote, "an open quote"
    return out


def matched(pattern: str) -> str:
    """The only name that a pattern matches, if it is but literals and classes of a single `[`."""
    assert not re.search(r"[*?\[]", pattern.replace("[[]", "")), "a pattern that matches more than one name"
    return pattern.replace("[[]", "[")


@settings(deadline=None)
@given(HOSTILE.filter(lambda path: not set(path) & set("*?")))
def test_copied_path_is_the_one_given(path: str) -> None:
    line = copy_form(path, "/app/")
    assert "\n" not in line
    source, destination = (expand(word) for word in json.loads(line))
    assert matched(source) == path
    assert destination == "/app/"


@settings(deadline=None)
@given(st.lists(HOSTILE))
def test_command_is_the_one_given(arguments: list[str]) -> None:
    line = exec_form(arguments)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == arguments


@settings(deadline=None)
@given(HOSTILE)
def test_label_is_one_word(text: str) -> None:
    word = label_value(text)
    assert word.isprintable() or not text.isprintable()
    assert len(word.splitlines()) == 1
    assert expand(word) == re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda found: f"%{ord(found[0]):02X}", text)


@settings(deadline=None)
@given(PATHS, st.lists(HOSTILE.filter(lambda text: "\x00" not in text)))
@example("a", ["x\nRUN touch /pwned"])
@example("a $(touch x) [b] 'c' \"d\" ${PATH} <<EOF", ["$HOME"])
def test_instructions_do_not_depend_on_names(name: str, command: list[str]) -> None:
    def skeleton(name: str, command: list[str]) -> list[str]:
        config = Config(projects=(ProjectConfig(path=name, command=tuple(command), port=80, health="/$(x)"),))
        made = plan(inventory([entry(name, lock(name, [pin("x")]))]), config, {})
        lines = logical_lines(generate(made).files["Dockerfile"])
        fixed = [line for line in lines if line.split()[0] in {"RUN", "ENV", "USER", "WORKDIR", "HEALTHCHECK"}]
        return [*(line.split()[0] for line in lines), *fixed]

    hostile = skeleton(name, command)
    unfit = re.search(r"[*?\\\x00-\x1f\x7f-\x9f]", name)
    assert hostile == ([] if unfit else skeleton("plain", ["python"] if command else []))
