"""An expression does what `re` compiles of it, and is compiled when it is first asked."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import depdoctor
from depdoctor.model import expression as module
from depdoctor.model.expression import expression

PACKAGE = Path(depdoctor.__file__).parent


def test_an_expression_is_what_re_compiles() -> None:
    ours, theirs = expression("(?P<a>x+)-y", re.IGNORECASE), re.compile("(?P<a>x+)-y", re.IGNORECASE)
    text = "XX-Y xxx-y -y"
    assert (ours.pattern, ours.flags, ours.groupindex) == (theirs.pattern, theirs.flags, theirs.groupindex)
    assert [each.span() for each in ours.finditer(text)] == [each.span() for each in theirs.finditer(text)]
    assert ours.sub("z", text) == theirs.sub("z", text)
    assert ours.fullmatch("nothing") is None


def test_what_is_no_expression_is_told_when_it_is_asked() -> None:
    broken = expression("(")
    with pytest.raises(re.error):
        broken.match("")


def test_an_expression_has_nothing_more() -> None:
    with pytest.raises(AttributeError):
        _ = expression("a").colour  # type: ignore[attr-defined]


def test_every_expression_of_ours_is_one() -> None:
    users = [path for path in PACKAGE.rglob("*.py") if "import expression\n" in path.read_text(encoding="utf-8")]
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in users]
    found = [one for name in names for one in vars(import_module(name)).values() if type(one) is module._Expression]
    assert len(found) > 50
    for one in found:
        re.compile(one.pattern, one._flags)
