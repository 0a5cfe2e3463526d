"""Dockerfiles: what an image stands on, and what its RUN lines install."""

from __future__ import annotations

import pytest

from depdoctor.model.project import Manifest
from depdoctor.read.dockerfile import parse
from depdoctor.read.errors import ManifestError


def read(text: str) -> Manifest:
    return parse(text, "app/Dockerfile")


def rows(manifest: Manifest) -> list[tuple[str, int]]:
    return [(str(declared.requirement), declared.location.line) for declared in manifest.requirements]


def kinds(manifest: Manifest) -> list[tuple[str, int]]:
    return [(problem.kind, problem.location.line) for problem in manifest.problems]


def run(command: str) -> Manifest:
    return read(f"FROM base\n{command}\n")


def test_base_images() -> None:
    manifest = read(
        "# syntax=docker/dockerfile:1\nARG TAG=3.11-slim\nARG REG\n"
        "FROM --platform=linux/amd64 python:${TAG} AS build\nFROM ${REG:-r.example}/cuda@sha256:aa\n"
        "COPY --from=build /x /x\n"
    )
    assert [(base.reference, base.stage, base.is_final, base.location.line) for base in manifest.base_images] == [
        ("python:3.11-slim", "build", False, 4),
        ("r.example/cuda@sha256:aa", "", True, 5),
    ]
    assert manifest.python == ""


def test_python_comes_from_the_image_that_the_last_stage_stands_on() -> None:
    assert read("FROM registry.example/python:3.12.1-slim AS base\nFROM base\n").python == "3.12"


def test_an_argument_without_default_is_told() -> None:
    assert kinds(read("ARG X\nFROM base:$X\n")) == [("variable", 2)]


def test_only_stages_that_end_up_in_the_image_count() -> None:
    manifest = read(
        "FROM a AS one\nRUN pip install one\nFROM b AS two\nRUN pip install two\n"
        "FROM c AS three\nRUN pip install three\nFROM three\nCOPY --from=one /venv /venv\nRUN pip install four\n"
    )
    assert rows(manifest) == [("one", 2), ("three", 6), ("four", 9)]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("RUN pip install a b==1", [("a", 2), ("b==1", 2)]),
        ("RUN pip3.11 --quiet install --no-cache-dir --timeout 100 'a>=1' \"b[x,y]\"", [("a>=1", 2), ("b[x,y]", 2)]),
        (
            "RUN apt-get update && python -m pip install -U pip a \\\n # comment\n\\\n  b==2 \\\n && true",
            [("a", 2), ("b==2", 5)],
        ),
        ("RUN sudo X=1 /opt/venv/bin/pip install a; uv pip install --system b | cat", [("a", 2), ("b", 2)]),
        ('RUN ["pip", "install", "a==1"]', [("a==1", 2)]),
        ("RUN <<EOF\npip install a\npip install b\nEOF\nRUN pip install c", [("a", 3), ("b", 4), ("c", 6)]),
        ("ARG V=1.2\nENV W=3\nRUN pip install a==$V b==${W} 'c==$V'", [("a==1.2", 4), ("b==3", 4), ("c==1.2", 4)]),
        ("RUN echo pip install a", []),
        ("RUN pip install git+https://code.example/x@v1#egg=x", [("x @ git+https://code.example/x@v1", 2)]),
        ("RUN pip download a", []),
    ],
)
def test_pip(command: str, expected: list[tuple[str, int]]) -> None:
    manifest = run(command)
    assert rows(manifest) == expected
    assert manifest.problems == ()


@pytest.mark.parametrize(
    ("mounts", "included"),
    [
        ("--mount=type=cache,target=/root/.cache/pip", []),
        ("--mount=type=bind,source=src/requirements.txt,target=/tmp/r.txt", ["app/src/requirements.txt"]),
        ("--mount=source=requirements.txt,dst=r.txt --mount=type=secret,id=netrc", ["app/requirements.txt"]),
        ("--network=none --mount=type=bind,src=.,destination=/tmp", ["app/r.txt"]),
        ("--mount=type=bind,from=other,source=r.txt,target=/tmp/r.txt", []),
    ],
)
def test_what_a_run_mounts_is_read_like_what_is_copied(mounts: str, included: list[str]) -> None:
    manifest = read(f"FROM base\nWORKDIR /tmp\nRUN {mounts} \\\n    pip install -r /tmp/r.txt numpy\n")
    assert rows(manifest) == [("numpy", 4)]
    assert [include.path for include in manifest.includes] == included


def test_an_unquoted_comparison_is_a_redirection() -> None:
    manifest = run("RUN pip install a>=1.0 'b>=1'")
    assert rows(manifest) == [("a", 2), ("b>=1", 2)]
    assert kinds(manifest) == [("unparsable", 2)]


@pytest.mark.parametrize("word", ["a==$V", "$(cat x)", "`cat x`", "dist/*.whl"])
def test_what_only_the_shell_knows_is_told(word: str) -> None:
    manifest = run(f"RUN pip install {word} b")
    assert rows(manifest) == [("b", 2)]
    assert [problem[1] for problem in kinds(manifest)] == [2]


def test_options_of_indexes_and_secrets() -> None:
    manifest = run("RUN pip install --extra-index-url https://me:hunter2@index.example/simple -f https://x.example a")
    assert manifest.indexes.extra_index_urls == ("https://index.example/simple",)
    assert manifest.indexes.find_links == ("https://x.example",)
    assert kinds(manifest) == [("credentials", 2)]
    assert "hunter2" not in repr(manifest)


CPU, OWN = "https://index.example/cpu", "https://index.example/own"


def test_the_index_of_a_line_is_that_of_its_requirements_alone() -> None:
    manifest = run(
        f"RUN pip install torch --index-url {CPU} && pip install numpy\nRUN uv pip install --index {OWN} tiny"
    )
    assert [(one.name, one.index) for one in manifest.requirements] == [("torch", CPU), ("numpy", ""), ("tiny", "")]
    assert manifest.indexes.index_url is None
    assert manifest.indexes.extra_index_urls == (OWN,)


@pytest.mark.parametrize(
    ("lines", "index", "more"),
    [
        (f"RUN pip install -r requirements.txt -i {OWN}", OWN, ()),
        (f"RUN pip install -i {OWN} wheel\nRUN uv pip install -r requirements.txt --default-index {OWN}", OWN, ()),
        (f"RUN pip install --upgrade pip\nRUN pip install -r requirements.txt -i {OWN}", OWN, ()),
        (f"RUN pip install numpy\nRUN pip install -r requirements.txt -i {OWN}", None, (OWN,)),
        (f"RUN pip install torch -i {CPU}\nRUN pip install -r requirements.txt -i {OWN}", None, (OWN,)),
        (f"RUN pip install torch -i {CPU}\nRUN pip install -r requirements.txt", None, ()),
    ],
)
def test_the_index_of_lines_with_files_is_the_only_one_if_all_have_it(
    lines: str, index: str | None, more: tuple[str, ...]
) -> None:
    manifest = read(f"FROM base\nCOPY requirements.txt .\n{lines}\n")
    assert (manifest.indexes.index_url, manifest.indexes.extra_index_urls) == (index, more)


@pytest.mark.parametrize(
    ("lines", "index", "more"),
    [
        (f"ENV PIP_INDEX_URL={OWN}\nRUN pip install -r requirements.txt", OWN, ()),
        (f"ENV PIP_INDEX_URL={CPU}\nRUN pip install -r requirements.txt -i {OWN}", OWN, ()),
        (f"ARG PIP_EXTRA_INDEX_URL='{CPU} {OWN}'\nRUN pip install -r requirements.txt", None, (CPU, OWN)),
        (f"ENV PIP_EXTRA_INDEX_URL {CPU}\nRUN uv pip install -r requirements.txt", None, ()),
        (f"ENV UV_INDEX=own={OWN}\nRUN uv pip install -r requirements.txt", None, (OWN,)),
        (f"RUN PIP_EXTRA_INDEX_URL={CPU} pip install -r requirements.txt", None, (CPU,)),
        ("ARG HOST\nENV PIP_INDEX_URL=https://$HOST/simple\nRUN pip install -r requirements.txt", None, ()),
    ],
)
def test_variables_tell_an_index_as_options_do(lines: str, index: str | None, more: tuple[str, ...]) -> None:
    manifest = read(f"FROM base\nCOPY requirements.txt .\n{lines}\n")
    assert (manifest.indexes.index_url, manifest.indexes.extra_index_urls) == (index, more)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("COPY requirements.txt .\nRUN pip install -r requirements.txt", ["app/requirements.txt"]),
        (
            "WORKDIR /srv\nCOPY deps/requirements.txt /srv/\nRUN pip install -r /srv/requirements.txt",
            ["app/deps/requirements.txt"],
        ),
        ("WORKDIR srv\nADD . .\nRUN pip install --requirement=sub/r.txt", ["app/sub/r.txt"]),
        ("COPY a.txt b.txt /x/\nRUN pip install -r /x/b.txt -r /x/a.txt", ["app/b.txt", "app/a.txt"]),
        ("COPY a.txt /x/renamed.txt\nRUN pip install -r /x/renamed.txt", ["app/a.txt"]),
        (
            "WORKDIR /x\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY service/ /x/",
            ["app/requirements.txt"],
        ),
        (
            "WORKDIR /x\nCOPY one/ .\nRUN pip install -r r.txt\nCOPY two/ .\nRUN pip install -r r.txt",
            ["app/one/r.txt", "app/two/r.txt"],
        ),
        ("RUN pip install -r /somewhere/else.txt", []),
        ("COPY ../../secret.txt .\nRUN pip install -r secret.txt", []),
    ],
)
def test_files_are_those_that_were_copied(lines: str, expected: list[str]) -> None:
    assert [include.path for include in run(lines).includes] == expected


@pytest.mark.parametrize(
    "lines", ["COPY . /app\nRUN pip install -e /app", "WORKDIR /app\nCOPY pyproject.toml ./\nRUN pip install '.[x]'"]
)
def test_folders_are_those_that_were_copied(lines: str) -> None:
    (include,) = run(lines).includes
    assert (include.path, include.role) == ("app", "project")


def test_conda_and_system_packages() -> None:
    manifest = run(
        "RUN apt-get update && apt-get install -y --no-install-recommends git \\\n  libgl1=1.2"
        " && conda install -c pytorch -y a=1.2 b"
    )
    assert [(package.name, package.location.line) for package in manifest.system_packages] == [
        ("git", 2),
        ("libgl1", 3),
    ]
    assert [(package.name, package.constraint) for package in manifest.conda] == [("a", "=1.2"), ("b", "")]
    assert all(package.location.line for package in manifest.conda)


def test_variables_for_what_runs() -> None:
    manifest = read(
        'FROM a AS one\nENV A=1 B="two words"\nENV OLD form of it\nFROM one\nENV A=2 U=https://me:hunter2@x.example\n'
    )
    assert dict(manifest.environment) == {"A": "2", "B": "two words", "OLD": "form of it", "U": "https://x.example"}


@pytest.mark.parametrize("text", ["", "RUN pip install a\n", "just words\n"])
def test_what_is_no_dockerfile(text: str) -> None:
    with pytest.raises(ManifestError, match="has no FROM"):
        read(text)


@pytest.mark.parametrize(
    ("copied", "expected"),
    [
        ("COPY <<-EOT requirements.txt\n\ta>=4,<5\n\n\tb\nEOT", [("a<5,>=4", 4), ("b", 6)]),
        ("COPY <<requirements.txt /app/\na\nb==1\nrequirements.txt", [("a", 4), ("b==1", 5)]),
        ("ADD --chmod=644 <<'EOT' ./requirements.txt\na\nEOT", [("a", 4)]),
        ("COPY <<one <<two /app/\na\none\nb\ntwo", []),
    ],
)
def test_a_file_that_the_dockerfile_itself_holds(copied: str, expected: list[tuple[str, int]]) -> None:
    manifest = read(f"FROM base\nWORKDIR /app\n{copied}\nRUN pip install -r requirements.txt\n")
    assert (rows(manifest), manifest.includes, manifest.problems) == (expected, (), ())


def test_a_file_that_the_dockerfile_itself_holds_stands_also_in_later_stages() -> None:
    manifest = read("FROM base AS one\nCOPY <<EOT /c.txt\na<2\nEOT\nFROM one\nCOPY . /\nRUN pip install -c /c.txt a\n")
    assert rows(manifest) == [("a", 7)]
    assert [(str(each.requirement), each.location.line) for each in manifest.constraints] == [("a<2", 3)]


@pytest.mark.parametrize("how", ["ARG", "ENV"])
def test_a_password_in_a_variable_is_told_where_it_stands(how: str) -> None:
    path = "ENV PATH=${HOME}/bin:$PATH\n"
    url = "https://me:hunter2@index.example/simple"
    manifest = read(f"FROM base\n{how} PIP_INDEX_URL={url}\n{path}RUN pip install a\n")
    assert kinds(manifest) == [("credentials", 2)]
    assert manifest.requirements[0].index == "https://index.example/simple"
    assert "hunter2" not in repr(manifest)


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        (("pip install a==1", "pip install a==2"), ["a==2"]),
        (("pip install a==1 && pip install 'a>=2'",), ["a>=2"]),
        (("pip install 'a<2'", "pip install a==2"), ["a==2"]),
        (("pip install a==1", "pip install a@https://h.example/a-2-py3-none-any.whl"), ["a"]),
        (("pip install A.b==1 c", "uv pip install a-b==2"), ["c", "a-b==2"]),
    ],
)
def test_a_later_command_replaces_what_an_earlier_one_installed(commands: tuple[str, ...], expected: list[str]) -> None:
    manifest = read("\n".join(["FROM base", *(f"RUN {command}" for command in commands)]))
    assert [row.partition(" @")[0] for row, _ in rows(manifest)] == expected
    assert kinds(manifest) == [("replaced", 2)]


@pytest.mark.parametrize(
    "commands",
    [
        ("pip install a==1 a==2",),  # pip refuses this
        ("pip install a==2", "pip install 'a>=1'"),
        ("pip install 'a<2'", "pip install 'a>=1'"),
        ("pip install a==1", "pip install 'a==2; python_version<\"3\"'"),
        ("pip install a==1", "pip install b==2"),
    ],
)
def test_what_pip_leaves_as_it_is_or_refuses_stays(commands: tuple[str, ...]) -> None:
    manifest = read("\n".join(["FROM base", *(f"RUN {command}" for command in commands)]))
    assert len(rows(manifest)) == 2
    assert not kinds(manifest)


def test_what_is_uninstalled_again_is_not_asked_for() -> None:
    manifest = run("RUN pip install a Cv_Two b && pip uninstall -y cv-two && pip install c")
    assert [row for row, _ in rows(manifest)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ('if [ "$NIGHTLY" = 1 ]; then pip install serve-nightly; else pip install serve; fi', ["serve"]),
        ("if a; then pip install one; elif b; then pip install two; else pip install three; fi", ["three"]),
        # nothing stands for the flag that is not set
        ("if a; then pip install one; fi", ["one"]),
        ("if a; then pip install one; else echo none; fi; pip install two", ["one", "two"]),
        ("if a; then pip install one; else if b; then pip install two; fi; pip install three; fi", ["two", "three"]),
        ("if a; then pip install torch==2.3.0; else pip install torch==2.4.0; fi", ["torch==2.4.0"]),
        ("pip install one && if a; then pip install two", ["one", "two"]),
    ],
)
def test_of_branches_of_which_one_is_run_the_last_counts(command: str, expected: list[str]) -> None:
    manifest = run(f"RUN {command}")
    assert [text for text, _ in rows(manifest)] == expected
    assert not manifest.problems


def test_packages_of_the_system_count_in_every_branch() -> None:
    found = run("RUN if a; then apt-get install -y libgl1; else apt-get install -y libgomp1; fi").system_packages
    assert [one.name for one in found] == ["libgl1", "libgomp1"]


def test_an_address_that_a_command_makes_is_told_as_such() -> None:
    command = "RUN pip install torch --extra-index-url https://i.example/cu$(echo 13.0 | cut -d. -f1,2 | tr -d .)"
    manifest = run(command)
    assert [text for text, _ in rows(manifest)] == ["torch"]
    assert kinds(manifest) == [("dynamic", 2)]
    assert not manifest.options.extra_index_urls
