"""Whatever a file holds, a reader gives a manifest or its one error; no secret gets through; lines are right."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

from depdoctor.discover import discover
from depdoctor.model.project import Manifest
from depdoctor.read import READERS, read
from depdoctor.read.address import inside, redact
from depdoctor.read.encoding import decode
from depdoctor.read.errors import ManifestError
from depdoctor.read.imports import code
from depdoctor.read.requirements_txt import parse as parse_requirements

FRAGMENTS = st.sampled_from(
    [
        *(
            "[project]\n",
            "[[package]]\n",
            "[tool.uv.sources]\n",
            "[tool.poetry.dependencies]\n",
            "[dependency-groups]\n",
        ),
        *(
            'name = "a"\n',
            'version = "1"\n',
            "version = 1\n",
            'dependencies = ["a", 1, {}]\n',
            "source = {}\n",
            "a.b = 1\n",
        ),
        *(
            'python = "^3"\n',
            'a = ["^1", {git = 1}]\n',
            'dev = [{include-group = "dev"}]\n',
            '"',
            "'''",
            "\\",
            "\n",
            "#",
        ),
        *(
            "-r a",
            "-e ",
            "--hash=",
            "git+https://",
            "${A}",
            "@",
            "[",
            "]",
            "{",
            "}",
            ";",
            "==",
            "file:",
            "../",
            "\x00",
            "\ud7ff",
        ),
        *(
            "- ",
            ": ",
            "&a ",
            "*a ",
            "<<: ",
            "!!python/object:os.system ",
            "|\n",
            "? ",
            "---\n",
            "FROM ",
            "RUN pip install ",
        ),
        *(
            "ARG X\n",
            "COPY a b\n",
            "dependencies:\n",
            "build:\n",
            "setup(",
            "install_requires=",
            "[options]\n",
            '{"default": ',
        ),
    ]
)
TEXTS = st.one_of(st.text(max_size=300), st.lists(FRAGMENTS, max_size=30).map("".join))


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
@given(text=TEXTS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_readers_raise_only_their_error(reader: Callable[[str, str], Manifest], text: str) -> None:
    last = text.count("\n") + text.count("\r") + 1
    try:
        manifest = reader(text, "app/file")
    except ManifestError as error:
        line = error.line
        manifest = None
    if manifest is None:
        assert 0 <= line <= last
        return
    for declared in manifest.requirements:
        assert 1 <= declared.location.line <= last
    assert all(not include.path.startswith(("/", "..")) for include in manifest.includes)


@given(data=st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_bytes_decode_or_are_told(data: bytes) -> None:
    try:
        text, _ = decode(data)
    except ManifestError:
        return
    assert "\0" not in text


@given(
    name=st.sampled_from(sorted(READERS)),
    data=st.one_of(st.binary(max_size=200), TEXTS.map(lambda text: text.encode())),
)
@settings(max_examples=100, deadline=None)
def test_a_project_of_anything_is_read(tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes) -> None:
    root = tmp_path_factory.mktemp("any")
    (root / "a").mkdir()
    (root / "a" / name).write_bytes(data)
    for project in discover(root):
        reading = read(project, root)
        assert len(reading.manifests) + len(reading.unreadable) >= 1


WORDS = st.text("abcxyz0189._~-", min_size=6, max_size=12)


@given(
    user=WORDS,
    word=WORDS,
    tail=st.text("abc/._-@:", max_size=10),
    before=st.sampled_from(["", "x @ ", "-f ", "git+", "-e hg+"]),
)
def test_no_password_survives(user: str, word: str, tail: str, before: str) -> None:
    secret = f"s3cr3t{word}"
    line = f"{before}https://{user}:{secret}@index.example/{tail}"
    assert secret not in redact(line)
    assert redact(redact(line)) == redact(line)
    assert secret not in repr(parse_requirements(f"{line}\n", "requirements.txt"))


@given(path=st.lists(st.sampled_from(["..", ".", "a", "b", "", "~", "/"]), max_size=8).map("/".join))
def test_paths_never_leave_the_root(path: str) -> None:
    joined = inside("one/two", path)
    assert joined is None or Path("/root", joined).relative_to("/root").parts[:1] != ("..",)


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
REQUIREMENTS = st.builds(
    lambda name, extras, version, marker: f"{name}{extras}{version}{marker}",
    NAMES,
    st.sampled_from(["", "[a]", "[a,b]"]),
    st.sampled_from(["", "==1", ">=1,<2", "~=1.4", "!=3.*"]),
    st.sampled_from(["", " ; os_name == 'nt'", " ; python_version >= '3.9' and extra == 'x'"]),
)


@given(
    requirements=st.lists(REQUIREMENTS, max_size=8),
    gaps=st.lists(st.sampled_from(["", "# c", "  "]), min_size=8, max_size=8),
    hashes=st.lists(st.integers(0, 3), min_size=8, max_size=8),
)
@settings(deadline=None)
def test_what_is_written_is_what_is_read(requirements: list[str], gaps: list[str], hashes: list[int]) -> None:
    text, expected = "", []
    for requirement, gap, count in zip(requirements, gaps, hashes, strict=False):
        text += f"{gap}\n"
        line = text.count("\n") + 1
        digests = [f"sha256:{index:02}" for index in range(count)]
        expected.append((line, str(Requirement(requirement)), tuple(digests)))
        text += " \\\n    ".join([requirement, *(f"--hash={digest}" for digest in digests)]) + "\n"
    manifest = parse_requirements(text, "requirements.txt")
    assert manifest.problems == ()
    assert expected == [
        (declared.location.line, str(declared.requirement), declared.hashes) for declared in manifest.requirements
    ]
    locked = bool(requirements) and all(
        count and Requirement(requirement).specifier and "==1" in requirement
        for requirement, count in zip(requirements, hashes, strict=False)
    )
    assert manifest.is_lock == locked


@given(requirements=st.lists(REQUIREMENTS, min_size=1, max_size=6, unique=True), data=st.data())
def test_one_broken_line_costs_one_line(requirements: list[str], data: st.DataObject) -> None:
    broken = data.draw(st.sampled_from(["a b", "=1", "x==", "[y]", "--what"]))
    position = data.draw(st.integers(0, len(requirements)))
    assume(requirements)
    lines = [*requirements[:position], broken, *requirements[position:]]
    manifest = parse_requirements("\n".join(lines), "requirements.txt")
    assert [problem.location.line for problem in manifest.problems] == [position + 1]
    assert [str(declared.requirement) for declared in manifest.requirements] == [
        str(Requirement(r)) for r in requirements
    ]


@given(
    text=st.one_of(
        st.text(max_size=300),
        st.lists(st.sampled_from(["import a\n", "  ", "try:\n", "(", "'''", "\x00", "def f():\n"]), max_size=20).map(
            "".join
        ),
    )
)
@settings(deadline=None)
def test_any_code_is_looked_at(text: str) -> None:
    assert all(entry.location.line >= 1 for entry in code(("x.py",), {"x.py": text}.get).imported)


LONG = 150_000
SHAPES = {
    "spaces": " " * LONG,
    "letters": "a" * LONG,
    "dots": "a." * (LONG // 2),
    "brackets": "[" * LONG,
    "quotes": '"' * LONG,
    "backslashes": "\\\n" * (LONG // 2),
    "hashes": "#" * LONG,
    "requirements": "a==1\n" * (LONG // 5),
    "packages": "version = 1\n" + "[[package]]\nname = 'a'\nversion = '1'\nsource = {}\n" * (LONG // 45),
    "runs": "FROM a\n" + "RUN pip install a b\n" * (LONG // 20),
    "words": "FROM a\nRUN pip install " + "a " * (LONG // 2),
    "variable": "FROM a\nENV A=${" + "A" * LONG,
    "parentheses": "setup(install_requires=" + "(" * LONG,
    "sum": "setup(install_requires=" + "x+" * (LONG // 2) + "x)",
    "ini": "[options]\ninstall_requires =\n" + "  a\n" * (LONG // 4),
    "yaml": "dependencies:\n" + "  - a\n" * (LONG // 6),
    "addresses": "https://u:p@h/x\n" * (LONG // 16),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
def test_long_files_of_any_shape_come_to_an_end(reader: Callable[[str, str], Manifest], shape: str) -> None:
    with contextlib.suppress(ManifestError):
        reader(SHAPES[shape], "app/file")
