"""The line of every value of a TOML document."""

from __future__ import annotations

import pytest

from depdoctor.read.errors import ManifestError
from depdoctor.read.toml import MOST_TABLES, document

TEXT = '''# comment = "x"
title = "a # b"
"quoted.key".sub = 1
[a.b]   # [not.this]
list = [ "one", # c
  [1, 2], { k = "v", "w.x" = [
    true ] },
]
text = """
[fake]
still = "text" \\"""
"""
raw = \'\'\'
[[fake]]\'\'\'\'
date = 1979-05-27 07:32:00
[[many]]
n = 1
[[many]]
n = 2
[many.sub]
m = 3
[[many.deep]]
z = {}
last = 'end'
'''


def test_every_place() -> None:
    line = document(TEXT).line
    assert line("title") == 2
    assert line("quoted.key", "sub") == 3
    assert line("a", "b") == 4
    assert [line("a", "b", "list", index) for index in range(3)] == [5, 6, 6]
    assert line("a", "b", "list", 1, 1) == 6
    assert line("a", "b", "list", 2, "w.x", 0) == 7
    assert line("a", "b", "text") == 9
    assert line("a", "b", "raw") == 13
    assert line("a", "b", "date") == 15
    assert [line("many", 0, "n"), line("many", 1, "n")] == [17, 19]
    assert line("many", 1, "sub", "m") == 21
    assert line("many", 1, "deep", 0, "z") == 23
    assert line("many", 1, "deep", 0, "last") == 24


def test_the_nearest_place_around_stands_in() -> None:
    line = document(TEXT).line
    assert line("a", "b", "nothing", 3) == 4
    assert line("nowhere") == 0


def test_a_bomb_of_tables_is_refused_at_once() -> None:
    with pytest.raises(ManifestError, match="more than 50000 tables"):
        document("".join(f"[t{number}]\n" for number in range(MOST_TABLES + 1)))
    assert len(document("".join(f"[t{number}]\n" for number in range(100))).data) == 100
