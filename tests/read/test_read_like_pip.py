"""Requirements files read as pip reads them, where pip's own parser can be imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depdoctor.model.project import Manifest
from depdoctor.read.requirements_txt import parse

req_file = pytest.importorskip("pip._internal.req.req_file", reason="pip is not installed here")

LINES = st.sampled_from(
    [
        *(
            "numpy",
            "numpy==1.2",
            "foo[a,b]>=1,<2",
            "  spaced  ",
            "bar ; os_name == 'nt'",
            "baz#joined",
            "qux # comment",
        ),
        *(
            "# comment",
            "   # comment",
            "",
            "   ",
            "\\",
            "a==1 \\",
            "one\\",
            "# comment \\",
            "--hash=sha256:aa \\",
            "two==2",
        ),
        *(
            "-r more.txt",
            "--requirement more.txt",
            "-c limits.txt",
            "--constraint=limits.txt",
            "-e ./folder",
            "-e .[x]",
        ),
        *(
            "--index-url https://index.example/simple",
            "-i https://index.example/simple",
            "--extra-index https://x.example",
        ),
        *("--pre", "--no-index", "-f https://links.example/a.html", "--no-binary :all:", "--only-binary=one,two"),
        *(
            "three==3 --hash=sha256:bb --hash=sha256:cc",
            "four==4 --config-settings x=y",
            "--trusted-host index.example",
        ),
        *(
            "five @ https://index.example/five-1.tar.gz",
            "git+https://code.example/a#egg=six",
            "seven==7 --hash 'sha256:dd'",
        ),
    ]
)


def theirs(text: str, folder: Path) -> list[tuple[int, str, str, str]]:
    """What pip makes of a file: line, kind, value, hashes; [("error",)] where it gives up."""
    (folder / "requirements.txt").write_text(text)
    parser = req_file.RequirementsFileParser(None, req_file.get_line_parser(None))
    found = []
    for line in parser._parse_file(str(folder / "requirements.txt"), constraint=False):
        hashes = ",".join(
            sorted(f"{name}:{value}" for name, values in (line.opts.hashes or {}).items() for value in values)
        )
        if getattr(line, "requirement", None):
            editable = line.requirement in (line.opts.editables or ())  # of `a -e b` pip reads a alone
            kind = "editable" if editable else "requirement"
            found.append((line.lineno, kind, line.requirement, "" if editable else hashes))
        for kind, paths in (("requirements", line.opts.requirements), ("constraints", line.opts.constraints)):
            found += [(line.lineno, kind, path, "") for path in paths or ()]
    return found


def ours(manifest: Manifest) -> list[tuple[int, str, str, str]]:
    found = [
        (
            declared.location.line,
            "editable" if declared.editable else "requirement",
            declared.text,
            "" if declared.editable else ",".join(declared.hashes),
        )
        for declared in manifest.requirements
    ]
    for include in manifest.includes:
        if include.role == "project":
            text = "./folder" if include.path == "folder" else ".[x]"
            found.append((include.location.line, "editable", text, ""))
        else:
            found.append((include.location.line, include.role, include.path, ""))
    told = (
        problem for problem in manifest.problems if "follows an option" not in problem.reason
    )  # pip drops such words
    found += [(problem.location.line, "requirement", problem.reason.split("`")[1], "") for problem in told]
    return found


@given(lines=st.lists(LINES, max_size=12))
@settings(max_examples=120, deadline=None)
def test_the_same_as_pip(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    text = "\n".join(lines)
    folder = tmp_path_factory.getbasetemp()
    try:
        expected = theirs(text, folder)
    except req_file.RequirementsFileParseError:
        assert parse(text, "requirements.txt").problems
        return
    with_content = {number for number, line in enumerate(text.split("\n"), 1) if line.strip() not in {"", "\\"}}
    expected = [(min((n for n in with_content if n >= line), default=line), *rest) for line, *rest in expected]
    manifest = parse(text, "requirements.txt")
    broken = {problem.location.line for problem in manifest.problems}  # pip looks into these later, with their hashes
    expected = [(line, kind, value, "" if line in broken else hashes) for line, kind, value, hashes in expected]
    found = [(line, kind, value, "" if line in broken else hashes) for line, kind, value, hashes in ours(manifest)]
    assert sorted(found) == sorted(expected)
