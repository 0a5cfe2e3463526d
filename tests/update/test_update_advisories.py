"""Advisories as OSV and pip-audit write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from depdoctor.adapters import advisories as files
from depdoctor.errors import UsageError
from depdoctor.update.advisories import parse


def osv(events: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "Num_Lib"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {"id": "GHSA-x", "aliases": ["CVE-1"], "summary": "a  flaw", "affected": [affected], **more}


def affected(document: Any) -> list[str]:
    versions = ["0.1", "1.0", "1.5", "2.0", "2.1", "3.0"]
    return [version for version in versions if any(one.affects(Version(version)) for one in parse(document, "x"))]


def test_events_in_any_order() -> None:
    events = [{"introduced": "2.0"}, {"introduced": "0"}, {"fixed": "1.5"}, {"last_affected": "2.1"}]
    assert affected(osv(events)) == ["0.1", "1.0", "2.0", "2.1"]
    assert affected(osv([{"introduced": "1.0"}])) == ["1.0", "1.5", "2.0", "2.1", "3.0"]
    assert affected(osv([{"introduced": "0"}, {"fixed": "not a version"}])) == [
        "0.1",
        "1.0",
        "1.5",
        "2.0",
        "2.1",
        "3.0",
    ]
    [one] = parse(osv(events), "a.json")
    assert (one.id, one.name, one.aliases, one.summary, one.source) == (
        "GHSA-x",
        "num-lib",
        ("CVE-1",),
        "a flaw",
        "a.json",
    )


def test_what_says_nothing_of_python_packages() -> None:
    assert affected(osv([{"introduced": "0"}], withdrawn="2024-01-01T00:00:00Z")) == []
    document = osv([{"introduced": "0"}])
    document["affected"][0]["package"]["ecosystem"] = "npm"
    assert parse(document, "x") == ()
    assert parse({"some": "thing"}, "x") == parse(3, "x") == ()
    git = osv([])
    git["affected"][0]["ranges"] = [{"type": "GIT", "events": [{"introduced": "0"}]}]
    assert affected(git) == []
    git["affected"][0]["versions"] = ["1.0", "what", "2.0"]
    assert affected(git) == ["1.0", "2.0"]


def test_a_local_version_has_the_flaw_of_what_it_was_built_from() -> None:
    [one] = parse(osv([{"introduced": "0"}, {"fixed": "1.5"}]), "x")
    assert one.affects(Version("1.4+cu118"))
    assert not one.affects(Version("1.5+cu118"))


def test_a_report_of_pip_audit() -> None:
    flaw = {"id": "PYSEC-1", "fix_versions": ["1.5", "2.1"], "aliases": ["CVE-2"], "description": "text"}
    report = {
        "dependencies": [{"name": "numlib", "version": "1.0", "vulns": [flaw]}, {"name": "z", "skip_reason": "-"}]
    }
    assert affected(report) == ["1.0", "2.0"]
    flaw["fix_versions"] = []
    assert affected(report) == ["1.0", "1.5", "2.0", "2.1", "3.0"]


def test_folders_and_archives(tmp_path: Path) -> None:
    text = json.dumps(osv([{"introduced": "0"}]))
    (tmp_path / "osv" / "deep").mkdir(parents=True)
    (tmp_path / "osv" / "deep" / "a.json").write_text(text)
    (tmp_path / "osv" / "notes.txt").write_text("not read")
    with ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("a.json", text)
    for path in (tmp_path / "osv", tmp_path / "all.zip", tmp_path / "osv" / "deep" / "a.json"):
        assert [one.id for one in files.read(path, parse)] == ["GHSA-x"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{", "not valid JSON"),
        ("a.json", b"\xff", "not valid JSON"),
        ("a.zip", b"no zip", "no archive"),
        ("missing", None, "no advisories can be read"),
        ("empty/b.json", b"{}", "holds no advisory"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        files.read(path.parent if name.startswith("empty") else path, parse)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "affected", "dependencies", "package", "ranges", "events", "introduced", "fixed", "vulns"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(anything)
def test_nothing_breaks_it(document: Any) -> None:
    assert isinstance(parse(document, "x"), tuple)
