"""Real manifests, mutated: every reader gives a manifest or its one error, whatever became of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from depdoctor.discover import discover
from depdoctor.model.formats import format_of
from depdoctor.model.project import Manifest
from depdoctor.read import READERS, read
from depdoctor.read.encoding import decode
from depdoctor.read.errors import ManifestError

CORPUS = Path(__file__).parents[2] / "fixtures" / "read" / "corpus"
MANIFESTS = sorted(path for path in CORPUS.rglob("*") if path.is_file() and format_of(path.name))
CONTENTS = [path.read_bytes() for path in MANIFESTS]

WORDS = st.sampled_from(
    [
        *(b"\n", b"\r", b"\t", b" ", b'"', b"'", b"\\", b"#", b"=", b"==", b",", b";", b"@", b"[", b"]", b"{", b"}"),
        *(
            b"\x00",
            b"\xff\xfe",
            b"\xef\xbb\xbf",
            b"\xed\xa0\x80",
            b"${A}",
            b"../",
            b"0",
            b"9" * 5000,
            b"true",
            b"[[",
            b"- ",
        ),
        *(
            b": ",
            b"&a ",
            b"*a ",
            b"<<: *a",
            b"extra == 'x'",
            b"git+",
            b"file:///",
            b"-r ",
            b"-e ",
            b"RUN ",
            b"$(",
            b"||",
        ),
    ]
)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), WORDS, st.sampled_from(["swap", "double"])), max_size=6)


def mutate(content: bytes, edits: list[tuple[float, int, bytes, str]], other: bytes) -> bytes:
    """Cut pieces out of a file and put a word, or what stood there twice, or a piece of another file in their place."""
    for place, length, word, kind in edits:
        start = int(place * len(content))
        gone = content[start : start + length]
        instead = word if kind == "swap" else gone + word + gone
        content = content[:start] + instead + content[start + length :]
    return content + other


def pieces(content: bytes) -> st.SearchStrategy[bytes]:
    return st.integers(0, len(content)).map(lambda start: content[start : start + 80])


@pytest.mark.parametrize("number", range(len(MANIFESTS)), ids=lambda number: str(MANIFESTS[number].relative_to(CORPUS)))
def test_as_it_stands_each_is_read_whole(number: int) -> None:
    path = MANIFESTS[number]
    manifest = READERS[format_of(path.name)](decode(CONTENTS[number])[0], str(path.relative_to(CORPUS)))
    assert manifest.requirements or manifest.packages or manifest.conda or manifest.base_images or manifest.channels
    assert {problem.kind for problem in manifest.problems} <= {"dynamic", "unnamed"}  # a repository without a name


@pytest.mark.parametrize("number", range(len(MANIFESTS)), ids=lambda number: str(MANIFESTS[number].relative_to(CORPUS)))
@given(data=st.data(), edits=EDITS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_it_is_read_or_refused(
    number: int, data: st.DataObject, edits: list[tuple[float, int, bytes, str]]
) -> None:
    other = data.draw(st.one_of(st.just(b""), st.sampled_from(CONTENTS).flatmap(pieces)))
    content = mutate(CONTENTS[number], edits, other)
    own = format_of(MANIFESTS[number].name)
    try:
        text, _ = decode(content)
    except ManifestError:
        return
    last = text.count("\n") + text.count("\r") + 1
    for reader in (READERS[own], READERS[data.draw(st.sampled_from(sorted(READERS)))]):
        try:
            manifest = reader(text, "app/file")
        except ManifestError as error:
            line = error.line
        else:
            line = assert_usable(manifest)
        assert 0 <= line <= last


def assert_usable(manifest: Manifest) -> int:
    """A manifest can be printed, its requirements hashed and compared; the last line that it names."""
    declared = (*manifest.requirements, *manifest.constraints, *manifest.overrides)
    assert len({each.requirement for each in declared}) <= len(declared)
    assert repr(manifest)
    places = [each.location for each in declared]
    places += [each.location for each in manifest.includes]
    places += [each.location for each in manifest.problems]
    assert min((place.line for place in places), default=0) >= 0
    assert all(not include.path.startswith(("/", "..")) for include in manifest.includes)
    return max((place.line for place in places), default=0)


@given(data=st.data(), numbers=st.lists(st.sampled_from(range(len(MANIFESTS))), min_size=1, max_size=4, unique=True))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_folder_of_mutated_manifests_is_read(
    numbers: list[int], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("mutated")
    for number in numbers:
        path = root / "project" / MANIFESTS[number].name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(mutate(CONTENTS[number], data.draw(EDITS), b""))
    for project in discover(root):
        reading = read(project, root)
        assert len(reading.manifests) + len(reading.unreadable) >= len(project.manifests)
