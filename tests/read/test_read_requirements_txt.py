"""Requirements files, line by line."""

from __future__ import annotations

import pytest

from depdoctor.model.project import Manifest
from depdoctor.read.requirements_txt import LONGEST_LINE, parse


def read(text: str, path: str = "app/requirements.txt") -> Manifest:
    return parse(text, path)


def lines(manifest: Manifest) -> list[tuple[int, str]]:
    return [(declared.location.line, str(declared.requirement)) for declared in manifest.requirements]


def kinds(manifest: Manifest) -> list[tuple[str, int]]:
    return [(problem.kind, problem.location.line) for problem in manifest.problems]


def test_names_extras_markers_and_comments() -> None:
    manifest = read(
        "# heading\n\nnumpy>=1.20,<2  # why\nfoo[b,a]==1 ; python_version < '3.9'\n  bar\nbaz#not-a-comment\n",
    )
    assert lines(manifest) == [(3, "numpy<2,>=1.20"), (4, 'foo[a,b]==1; python_version < "3.9"'), (5, "bar")]
    assert kinds(manifest) == [("unparsable", 6)]


def test_the_line_of_a_continued_requirement_is_where_it_begins() -> None:
    manifest = read("one==1 \\\n  --hash=sha256:aa \\\n  --hash sha256:bb\n\\\n\ntwo\\\n==2\nthree\n")
    assert lines(manifest) == [(1, "one==1"), (6, "two==2"), (8, "three")]
    assert manifest.requirements[0].hashes == ("sha256:aa", "sha256:bb")
    assert manifest.requirements[1].hashes == ()


def test_a_comment_line_ends_a_continuation() -> None:
    assert lines(read("one==1 \\\n# comment \\\ntwo==2\n")) == [(1, "one==1"), (3, "two==2")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    assert lines(read(end.join(("a", "", "b==1", "c")))) == [(1, "a"), (3, "b==1"), (4, "c")]


def test_options_of_indexes() -> None:
    manifest = read(
        "--index-url https://index.example/simple\n--extra-index-url=https://other.example/simple\n"
        "-f https://index.example/links.html\n--find-links ./wheels\n--pre\n--no-index\n"
        "--no-binary :all:\n--no-binary :none:\n--no-binary one,two\n--only-binary three\n"
        "--trusted-host index.example\n"
    )
    assert manifest.problems == ()
    assert manifest.indexes.index_url == "https://index.example/simple"
    assert manifest.indexes.extra_index_urls == ("https://other.example/simple",)
    assert manifest.indexes.find_links == ("https://index.example/links.html", "./app/wheels")
    assert manifest.indexes.prerelease
    assert manifest.indexes.no_index
    assert manifest.indexes.no_binary == ("one", "two")
    assert manifest.indexes.only_binary == ("three",)


def test_includes_are_relative_to_the_file() -> None:
    manifest = read("-r ../base.txt\n-rsub/more.txt\n--requirement=same.txt\n-c constraints.txt\n")
    assert [(include.path, include.role, include.location.line) for include in manifest.includes] == [
        ("base.txt", "requirements", 1),
        ("app/sub/more.txt", "requirements", 2),
        ("app/same.txt", "requirements", 3),
        ("app/constraints.txt", "constraints", 4),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "-r ../../x.txt",
        "-r /etc/passwd",
        "-c ~/x.txt",
        "-r C:/x.txt",
        "-r file:///etc/passwd",
        "-f ../../x",
        "-e /opt/x",
    ],
)
def test_nothing_outside_the_root_is_included(line: str) -> None:
    manifest = read(line + "\n")
    assert manifest.includes == ()
    assert manifest.indexes.find_links == ()
    assert kinds(manifest) == [("outside", 1)]


def test_a_remote_include_is_told_and_not_fetched() -> None:
    manifest = read("-r https://user:word@index.example/requirements.txt\n")
    assert manifest.includes == ()
    assert kinds(manifest) == [("credentials", 1), ("remote", 1)]
    assert "word" not in str(manifest)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("git+https://code.example/a/b@v1#egg=B_c", "B_c @ git+https://code.example/a/b@v1"),
        (
            "-e git+https://code.example/a/b#egg=b[x]&subdirectory=s",
            "b[x] @ git+https://code.example/a/b#subdirectory=s",
        ),
        ("b @ git+ssh://git@code.example/a/b@main", "b @ git+ssh://git@code.example/a/b@main"),
        ("https://index.example/a_b-1.0-py3-none-any.whl", "a-b @ https://index.example/a_b-1.0-py3-none-any.whl"),
        (
            "https://index.example/ab-1.0.tar.gz ; os_name == 'nt'",
            'ab @ https://index.example/ab-1.0.tar.gz ; os_name == "nt"',
        ),
        ("./wheels/a_b-1.0-py3-none-any.whl", "a-b @ ./app/wheels/a_b-1.0-py3-none-any.whl"),
        ("ab @ file:wheels/ab-1.0.tar.gz", "ab @ ./app/wheels/ab-1.0.tar.gz"),
    ],
)
def test_addresses_and_archives(line: str, expected: str) -> None:
    manifest = read(line + "\n")
    assert [str(declared.requirement) for declared in manifest.requirements] == [expected]
    assert manifest.problems == ()


@pytest.mark.parametrize("line", ["git+https://code.example/a/b", "https://index.example/download", "./x.whl"])
def test_an_address_without_a_name_is_told(line: str) -> None:
    manifest = read(line + "\n")
    assert manifest.requirements == ()
    assert kinds(manifest) == [("unnamed", 1)]


@pytest.mark.parametrize(
    ("line", "path", "extras"),
    [
        ("-e .", "app", ()),
        ("-e .[gpu,Dev_x]", "app", ("dev-x", "gpu")),
        ("../lib", "lib", ()),
        ("./x/y", "app/x/y", ()),
    ],
)
def test_folders_are_projects_of_their_own(line: str, path: str, extras: tuple[str, ...]) -> None:
    (include,) = read(line + "\n").includes
    assert (include.path, include.role, include.extras) == (path, "project", extras)


@pytest.mark.parametrize(
    "line",
    [
        "--extra-index-url https://someone:hunter2@index.example/simple",
        "foo @ https://hunter2@index.example/foo-1.0.tar.gz",
        "-e git+https://oauth2:hunter2@code.example/a/b#egg=foo",
        "foo @ git+ssh://git:hunter2@code.example/a/b",
        "https://index.example/foo-1.0.tar.gz?access_token=hunter2",
        "-f https://index.example/?X-Amz-Signature=hunter2&x=1",
        "--bogus https://a:hunter2@index.example",
        "nonsense nonsense https://a:hunter2@index.example",
    ],
)
def test_secrets_are_left_out_and_told(line: str) -> None:
    manifest = read(f"ok==1\n{line}\n")
    assert "hunter2" not in repr(manifest)
    assert ("credentials", 2) in kinds(manifest)


@pytest.mark.parametrize(
    "line", ["foo==${VERSION}", "-r ${DIR}/x.txt", "--index-url https://${HOST}/simple", "-f ${LINKS}"]
)
def test_variables_are_never_expanded(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VERSION", "DIR", "HOST", "LINKS"):
        monkeypatch.setenv(name, "secret-value")
    manifest = read(line + "\n")
    assert "secret-value" not in repr(manifest)
    assert (manifest.requirements, manifest.includes, manifest.indexes.index_url, manifest.indexes.find_links) == (
        (),
        (),
        None,
        (),
    )
    assert kinds(manifest) == [("variable", 1)]


def test_credentials_from_variables_leave_a_usable_address() -> None:
    manifest = read("--index-url https://${NAME}:${WORD}@index.example/simple\n")
    assert manifest.indexes.index_url == "https://index.example/simple"
    assert kinds(manifest) == [("variable", 1)]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("https://git@code.example/a.git", None),
        ("ssh://git@code.example/a.git", None),
        ("ssh://deploy@code.example/a.git", None),
        ("https://${TOKEN}@code.example/a.git", "variable"),
        ("https://git:${TOKEN}@code.example/a.git", "variable"),
        ("https://git:hunter2@code.example/a.git", "credentials"),
        ("https://ghp_abcdef@code.example/a.git", "credentials"),
        ("https://pre${TOKEN}@code.example/a.git", "credentials"),
        ("ssh://git:hunter2@code.example/a.git", "credentials"),
        ("https://code.example/a.git?token=abc", "credentials"),
        ("https://code.example/a.git?token=${TOKEN}", "variable"),
    ],
)
def test_only_what_holds_a_secret_is_said_to(address: str, kind: str | None) -> None:
    manifest = read(f"a @ git+{address}\n")
    assert kinds(manifest) == ([(kind, 1)] if kind else [])


@pytest.mark.parametrize(
    "line",
    ["numpy=1.2", "foo bar", "==1", "--hash", "--no-such-option x", "foo==1 --hash 'x", "a" * (LONGEST_LINE + 1)],
)
def test_a_line_that_does_not_parse_leaves_the_rest(line: str) -> None:
    manifest = read(f"one\n{line}\ntwo\n")
    assert lines(manifest) == [(1, "one"), (3, "two")]
    assert kinds(manifest) == [("unparsable", 2)]


def test_single_equals_gets_a_hint() -> None:
    (problem,) = read("numpy=1.2\n").problems
    assert problem.hint == "pip wants `==`"


def test_a_hashed_list_is_a_lock() -> None:
    manifest = read("a==1 --hash=sha256:aa\nb==2 ; os_name == 'nt' --hash=sha256:bb\n")
    assert manifest.is_lock
    assert [(package.name, str(package.version), package.line, package.hashes) for package in manifest.packages] == [
        ("a", "1", 1, ("sha256:aa",)),
        ("b", "2", 2, ("sha256:bb",)),
    ]
    assert str(manifest.packages[1].marker) == 'os_name == "nt"'
    assert len(manifest.requirements) == 2


@pytest.mark.parametrize(
    "text",
    [
        "a==1 --hash=sha256:aa\nb==2\n",
        "a==1 --hash=sha256:aa\nb>=2 --hash=sha256:bb\n",
        "a==1 --hash=sha256:aa\nb==2.* --hash=sha256:bb\n",
        "a==1 --hash=sha256:aa\n-r more.txt\n",
        "a==1 --hash=sha256:aa\nb=2\n",
        "a==1\nb==2\n",
        "",
    ],
)
def test_what_is_no_lock(text: str) -> None:
    assert not read(text).is_lock


def test_a_compiled_list_is_a_lock_without_hashes() -> None:
    header = "# This file was autogenerated by uv via the following command:\n#    uv pip compile requirements.in\n"
    assert read(f"{header}a==1\n    # via b\nb==2\n").is_lock
    assert not read(f"{header}a==1\nb\n").is_lock


def test_a_version_that_python_cannot_count_to_is_no_requirement() -> None:
    manifest = parse(f"a>={'1' * 5000}\nb\n", "requirements.txt")
    assert [declared.name for declared in manifest.requirements] == ["b"]
    assert [problem.location.line for problem in manifest.problems] == [1]
