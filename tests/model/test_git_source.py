"""Addresses of git: what may be fetched, and nothing that git could take for something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depdoctor.model.git_source import SCHEMES, GitSource, fixed

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("address", "url", "revision", "folder"),
    [
        (f"git+https://git.example/x/y.git@{COMMIT}", "https://git.example/x/y.git", COMMIT, ""),
        ("git+https://git.example:8443/x@v1.0#subdirectory=a/b", "https://git.example:8443/x", "v1.0", "a/b"),
        ("git+ssh://git@git.example/x.git@feature/one#egg=x", "ssh://git@git.example/x.git", "feature/one", ""),
        ("git+file:///srv/x", "file:///srv/x", "", ""),
    ],
)
def test_the_parts_of_an_address(address: str, url: str, revision: str, folder: str) -> None:
    source = GitSource.of(address)
    assert (source.url, source.revision, source.folder) == (url, revision, folder)
    assert (fixed(address) is not None) == (revision == COMMIT)


@pytest.mark.parametrize(
    "address",
    [
        "git+ext::sh -c touch% /tmp/x",
        "git+ext://git.example/x",
        "git+fd://3/x",
        "git+https://-oProxyCommand=x/y",
        "git+ssh://git@-oProxyCommand=x/y",
        "git+https://user:secret@git.example/x",
        "git+https://token@git.example/x",
        "git+https://git.example/x@--upload-pack=touch",
        "git+https://git.example/x@a..b",
        "git+https://git.example/../x",
        "git+https://git.example",
        "git+https:///x",
        "git+file://host/x",
        "git+https://git.example/x y",
        "git+https://git.example/x?y",
        "git+https://git.example/x@v1#subdirectory=../..",
        "git+https://git.example/x@v1#subdirectory=a/../../b",
        "git+https://git.example/x@v1#subdirectory=-x",
        "git+--upload-pack=touch",
        "https://git.example/x",
    ],
)
def test_what_is_no_place_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"^it"):
        GitSource.of(address)


@given(st.text(alphabet="gitextfdhp+:/@-.#=abc01 \t\n%\\'\"$;", max_size=60))
def test_whatever_is_taken_is_a_place(text: str) -> None:
    try:
        source = GitSource.of(f"git+{text}")
    except ValueError:
        return
    assert source.scheme in SCHEMES
    assert not any(part.startswith("-") for part in (source.url, source.revision, source.folder))
    assert not set(source.url + source.revision) & set(" \t\n")
    assert GitSource.of(str(source) if source.revision else f"git+{source.url}") == source
