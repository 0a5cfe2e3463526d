"""What manifests say is never markup, a command or the end of a line in a report, whatever they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from depdoctor.model.finding import Cause, Diagnosis, Finding, Kind, Severity
from depdoctor.model.project import Location
from depdoctor.report import github, markdown, sarif
from depdoctor.report.html.elements import phrase, tag, text

PIECES = (
    *(
        "<script>alert(1)</script>",
        "</script>",
        "<!--",
        "-->",
        "]]>",
        "<img src=x onerror=alert(1)>",
        '"',
        "'",
        "&amp;",
    ),
    *("`", "``", "```", "|", "\\", "*", "_", "[a](b)", "![a](b)", "@team", "#1", "https://index.example/x", "www.a.b"),
    *("::error file=a::b", "%0A", "\n", "\r", ",", ":", "=", "~~", "---", "# a", "1. ", "> ", "- ", "\u2028", "\x00"),
    *("numpy", "==1.0", " "),
)

HOSTILE = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=8).map("".join)

TEXTS = st.tuples(HOSTILE, HOSTILE, HOSTILE, HOSTILE.filter(bool), HOSTILE)
"""Subject, message, hint, path and requirement of a finding."""

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def leaves(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from leaves(token.children or [])


def shown(text: str) -> str:
    """A text without its white space, which pages show as they like; CommonMark has no NUL."""
    return "".join(text.replace("\x00", "\ufffd").split())


@given(HOSTILE)
def test_text_shows_as_it_is_in_markdown(value: str) -> None:
    tokens = list(leaves(READER.parse(f"- x {markdown.text(value)} y\n")))
    assert {token.type for token in tokens if token.type not in {"text", "code_inline", "text_special"}} <= {
        *("bullet_list_open", "list_item_open", "paragraph_open", "inline"),
        *("bullet_list_close", "list_item_close", "paragraph_close"),
    }
    read = "".join(token.content for token in tokens if token.type in {"text", "code_inline", "text_special"})
    assert shown(read.replace("`", "")) == shown(f"x {value} y".replace("`", ""))


@given(HOSTILE)
def test_code_shows_as_it_is_in_markdown(value: str) -> None:
    tokens = list(leaves(READER.parse(f"- x {markdown.code(value)} y\n")))
    assert [shown(token.content) for token in tokens if token.type == "code_inline"] == [shown(value)]
    assert not any(token.type in {"html_inline", "html_block", "link_open", "image"} for token in tokens)


@given(st.lists(st.tuples(HOSTILE, HOSTILE), max_size=4))
def test_a_table_has_the_cells_that_it_is_given(rows: list[tuple[str, str]]) -> None:
    tokens = READER.parse(markdown.table(("a", "b"), rows))
    assert sum(token.type == "td_open" for token in tokens) == 2 * len(rows)
    assert not any(token.type in {"html_inline", "html_block", "link_open", "image"} for token in leaves(tokens))


def hostile(texts: tuple[str, ...]) -> Diagnosis:
    subject, message, hint, path, requirement = texts
    cause = Cause(project=subject, location=Location(path=path, line=3), requirement=requirement)
    one = Finding(
        kind=Kind.UNPINNED, severity=Severity.ERROR, subject=subject, message=message, hint=hint, causes=(cause,)
    )
    return Diagnosis(findings=(one,), rules_run=())


@given(TEXTS)
def test_an_annotation_is_one_line_with_one_command(texts: tuple[str, ...]) -> None:
    text = github.scan(hostile(texts), ())
    assert text.count("\n") == 1
    assert "\r" not in text
    properties, _, data = text.removeprefix("::error ").rstrip("\n").partition("::")
    stated = dict(part.split("=", 1) for part in properties.split(","))
    decoded = {name: _read(value).replace("%25", "%") for name, value in stated.items()}
    assert decoded == {"title": f"DD511 unpinned: {texts[0]}", "file": texts[3], "line": "3"}
    assert texts[1] in _read(data).replace("%25", "%")


def _read(value: str) -> str:
    return value.replace("%3A", ":").replace("%2C", ",").replace("%0D", "\r").replace("%0A", "\n")


@given(TEXTS)
def test_sarif_tells_it_as_it_is(texts: tuple[str, ...]) -> None:
    [result] = json.loads(sarif.scan(hostile(texts), (), ()))["runs"][0]["results"]
    assert texts[1] in result["message"]["text"]
    assert unescape(result["properties"]["subject"]) == unescape(texts[0])


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(HOSTILE, HOSTILE)
def test_an_element_holds_its_text_and_nothing_else(value: str, title: str) -> None:
    read = Elements(tag("p", value, title=title))
    assert [name for name, _ in read.elements] == ["p"]
    assert unescape(text(value)) == read.text
    assert read.elements[0][1].get("title", "") == unescape(text(title))
    assert {*map(ord, read.text)}.isdisjoint({*range(9), 0x202E, *range(0xD800, 0xE000)})


@given(HOSTILE)
def test_a_phrase_is_text_and_code(value: str) -> None:
    read = Elements(phrase(value))
    assert {name for name, _ in read.elements} <= {"code"}
    assert read.text.replace("`", "") == unescape(text(value)).replace("`", "")
