from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor import rules
from depdoctor.errors import RulesError
from depdoctor.model.finding import Confidence
from depdoctor.rules import TABLES, Rules
from depdoctor.rules.lookup import cuda_of_variant, variant_of

FOLDER = Path(rules.__file__).parent.parent.parent / "rules"

HEAD = 'schema = 1\ntitle = "t"\ndate = 2026-11-22\nsource = "a source"\nconfidence = "primary"\n'


@pytest.fixture(scope="module")
def facts() -> Rules:
    return rules.load()


def write(folder: Path, stem: str, text: str) -> Path:
    path = folder / f"{stem}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_file_is_a_table_and_every_table_a_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == {table.stem for table in TABLES}


def test_the_fields_of_rules_are_the_tables(facts: Rules) -> None:
    for table in TABLES:
        rows = getattr(facts, table.stem)
        assert rows, table.stem
        assert all(isinstance(row, table.type) for row in rows)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.stem)
def test_no_row_hides_another(table: rules.Table[object], facts: Rules) -> None:
    document = tomllib.loads((FOLDER / f"{table.stem}.toml").read_text(encoding="utf-8"))
    keys = {table.key_of(row) for row in getattr(facts, table.stem)}
    assert len(keys) == len(document[table.row])


def test_a_table_is_read_when_it_is_first_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "gpus", HEAD + '[[gpu]]\nname = "Home GPU 1"\ncapability = "8.6"\nmarket = "geforce"\n')
    stems = {table.stem for table in TABLES}
    for facts in (rules.load(), rules.load(tmp_path)):
        assert not stems & vars(facts).keys()
        assert facts.gpu("Tesla T4") is not None
        assert stems & vars(facts).keys() == {"gpus"}
        assert facts.gpus is facts.gpus


def test_every_row_tells_where_it_is_from(facts: Rules) -> None:
    for table in TABLES:
        for row in getattr(facts, table.stem):
            assert row.provenance.source
            assert len(row.provenance.date) == len("2026-11-22")
            assert isinstance(row.provenance.confidence, Confidence)


def test_runs_of_releases_are_in_order(facts: Rules) -> None:
    for row in (*facts.builds, *facts.metadata, *facts.wheels):
        assert row.first <= row.last, row


def test_no_two_default_builds_answer_for_one_release(facts: Rules) -> None:
    for name, builds in facts.builds_by_package.items():
        for platform in ("linux-x86_64", "linux-aarch64", "windows-x86_64"):
            runs = sorted(
                (row.first, row.last)
                for row in builds
                if row.default and (not row.platforms or platform in row.platforms)
            )
            for (_, last), (first, _) in pairwise(runs):
                assert last < first, (name, platform, first)


def test_a_row_of_ones_own_takes_the_place_of_the_one_with_its_key(tmp_path: Path, facts: Rules) -> None:
    path = write(
        tmp_path, "cuda_majors", HEAD + '[[major]]\nmajor = 12\nminor-compatible = true\nlinux-floor = "600"\n'
    )
    for extra in (path, tmp_path):
        changed = rules.load(extra)
        assert len(changed.cuda_majors) == len(facts.cuda_majors)
        major = changed.major(12)
        assert major is not None
        assert major.linux_floor == Version("600")


def test_a_row_of_ones_own_is_added(tmp_path: Path, facts: Rules) -> None:
    write(tmp_path, "gpus", HEAD + '[[gpu]]\nname = "Home GPU 1"\ncapability = "8.6"\nmarket = "geforce"\n')
    assert facts.gpu("home gpu 1") is None
    gpu = rules.load(tmp_path).gpu("home gpu 1")
    assert gpu is not None
    assert gpu.capability == Version("8.6")


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        (
            HEAD + "[[gpu]]\nname = 3\ncapability = '8.6'\nmarket = 'x'\n",
            "`name` cannot be `3`",
            "gpus.toml:7: gpu 1: name",
        ),
        (HEAD + "[[gpu]]\nname = 'a'\nmarket = 'x'\n", "`capability` is missing", "gpus.toml:6: gpu 1"),
        (
            HEAD + "[[gpu]]\nname = 'a'\nmarket = 'x'\ncapability = 'eight'\n",
            "`capability` cannot be",
            "gpu 1: capability",
        ),
        (
            HEAD + "[[gpu]]\nname = 'a'\nmarkt = 'x'\ncapability = '8'\n",
            "unknown key `markt`",
            "gpus.toml:8: gpu 1: markt",
        ),
        (HEAD + "[[gpus]]\nname = 'a'\n", "unknown key `gpus`", "gpus.toml:6: gpus"),
        (HEAD.replace("schema = 1", "schema = 2"), "`schema` must be 1", "gpus.toml:1: schema"),
        (HEAD.replace('source = "a source"\n', "") + "[[gpu]]\nname = 'a'\n", "`source` is missing", "gpu 1"),
        (HEAD + "[[gpu]]\nname = 'a'\nconfidence = 'sure'\n", "`confidence` cannot be `sure`", "gpu 1: confidence"),
        (HEAD + "[[gpu]]\nname = 'a'\ndate = '2026'\n", "`date` must be a date", "gpu 1: date"),
        ("not toml", "is not valid TOML", "gpus.toml:1"),
        (HEAD + "gpu = 3\n", "`gpu` must be rows", "gpus.toml:6: gpu"),
        (HEAD + "gpu = [{ name = 3 }]\n", "`name` cannot be `3`", "gpus.toml: gpu 1: name"),
        (
            HEAD + "[[gpu]]\nname = 'Tesla T4'\nremove = true\ncapability = '1'\n",
            "`capability` does not tell which row",
            "gpus.toml:9: gpu 1: capability",
        ),
        (HEAD + "[[gpu]]\nname = 'Tesla T4'\nremove = 1\n", "`remove` can only be true", "gpus.toml:8: gpu 1: remove"),
        (HEAD + "[[gpu]]\nremove = true\n", "`name` is missing", "gpus.toml:6: gpu 1"),
        (
            HEAD + "[[gpu]]\nname = 'a'\naliases = 'b'\ncapability = '8'\nmarket = 'x'\n",
            "a list is wanted",
            "gpu 1: aliases",
        ),
    ],
)
def test_a_broken_table_is_named_with_file_and_key(tmp_path: Path, text: str, message: str, where: str) -> None:
    write(tmp_path, "gpus", text)
    with pytest.raises(RulesError) as caught:
        rules.load(tmp_path)
    assert message in caught.value.message
    assert caught.value.where.endswith(where)


def test_a_row_is_taken_away_by_its_key(tmp_path: Path, facts: Rules) -> None:
    write(tmp_path, "gpus", 'schema = 1\n[[gpu]]\nname = "Tesla T4"\nremove = true\n')
    fewer = rules.load(tmp_path)
    assert fewer.gpu("T4") is None
    assert len(fewer.gpus) == len(facts.gpus) - 1
    build = facts.builds[0]
    key = f'package = "{build.package}"\nfirst = "{build.first}"\nvariant = "{build.variant}"\n'
    platforms = f"platforms = {list(build.platforms)}\n"
    write(tmp_path, "builds", f"schema = 1\n[[build]]\n{key}{platforms}remove = true\n")
    assert rules.load(tmp_path).builds == facts.builds[1:]


def test_a_row_that_does_not_ship_cannot_be_taken_away(tmp_path: Path) -> None:
    write(tmp_path, "gpus", 'schema = 1\n[[gpu]]\nname = "Tesla T5"\nremove = true\n')
    with pytest.raises(RulesError, match="no gpu Tesla T5 to remove") as caught:
        _ = rules.load(tmp_path).gpus
    assert caught.value.where.endswith("gpus.toml:2: gpu 1")


def test_a_table_with_an_unknown_name_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "gpu", HEAD)
    with pytest.raises(RulesError, match="no table is called `gpu`"):
        rules.load(path)


def test_rules_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="no rules here"):
        rules.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("A100-SXM4-80GB", "NVIDIA A100"),
        ("NVIDIA A100-PCIE-40GB", "NVIDIA A100"),
        ("A10", "NVIDIA A10"),
        ("A10G", "NVIDIA A10G"),
        ("V100", "Tesla V100"),
        ("NVIDIA GeForce RTX 3090", "GeForce RTX 3090"),
        ("RTX 3080 Ti Laptop GPU", "GeForce RTX 3080"),
        ("Quadro RTX 6000", "Quadro RTX 6000"),
        ("NVIDIA RTX 6000 Ada Generation", "NVIDIA RTX 6000 Ada"),
        ("NVIDIA H100 80GB HBM3", "NVIDIA H100"),
        ("NVIDIA TITAN V", "NVIDIA TITAN V"),
    ],
)
def test_a_gpu_is_known_under_its_many_names(facts: Rules, name: str, model: str) -> None:
    found = facts.gpu(name)
    assert found is not None
    assert found.name == model


def test_no_two_gpus_go_by_one_name(facts: Rules) -> None:
    for gpu in facts.gpus:
        assert facts.gpu(gpu.name) == gpu


@pytest.mark.parametrize(
    ("reference", "libc", "cuda", "cudnn"),
    [
        ("python:3.11-slim-bookworm", ("glibc", (2, 36)), None, None),
        ("python:3.12", ("glibc", (2, 41)), None, None),
        ("docker.io/library/python:3.10.14-slim-bullseye", ("glibc", (2, 31)), None, None),
        ("python:3.11-alpine3.19", ("musl", (1, 2)), None, None),
        ("debian:bookworm-20240812-slim", ("glibc", (2, 36)), None, None),
        ("ubuntu:20.04", ("glibc", (2, 31)), None, None),
        ("centos:7", ("glibc", (2, 17)), None, None),
        ("nvidia/cuda:12.1.1-cudnn8-runtime-ubuntu20.04", ("glibc", (2, 31)), "12.1.1", "8"),
        ("nvcr.io/nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04", ("glibc", (2, 35)), "12.4.1", "9"),
        ("nvidia/cuda:11.7.1-devel-ubi8", ("glibc", (2, 28)), "11.7.1", None),
        ("nvidia/cuda:11.3.1-base-ubuntu18.04@sha256:0123", ("glibc", (2, 27)), "11.3.1", None),
        ("pytorch/pytorch:2.1.0-cuda12.1-cudnn8-runtime", ("glibc", (2, 35)), "12.1", "8"),
    ],
)
def test_a_tag_tells_what_is_in_the_image(
    facts: Rules, reference: str, libc: tuple[str, tuple[int, int]], cuda: str | None, cudnn: str | None
) -> None:
    base = facts.base(reference)
    assert base.known
    assert facts.libc_of_base(reference) == libc
    assert base.cuda == (Version(cuda) if cuda else None)
    assert base.cudnn == (Version(cudnn) if cudnn else None)


@pytest.mark.parametrize("reference", ["127.0.0.1:5000/base:1", "registry.example/team/thing", "python:unheard-of"])
def test_an_image_that_nobody_knows_stays_unknown(facts: Rules, reference: str) -> None:
    assert not facts.base(reference).known
    assert facts.libc_of_base(reference) == rules.bases.UNKNOWN_LIBC


@pytest.mark.parametrize(
    ("version", "variant", "cuda"),
    [
        ("2.1.0+cu118", "cu118", "11.8"),
        ("2.1.0+cu92", "cu92", "9.2"),
        ("2.9.1+cu130", "cu130", "13.0"),
        ("0.4.20+cuda12.cudnn89", "cu12", "12"),
        ("2.1.2+pt20cu118", "cu118", "11.8"),
        ("2.5.9+cu12torch2.4cxx11abifalse", "cu12", "12"),
        ("2.1.0+cpu", "cpu", None),
        ("2.1.0+rocm6.0", "rocm6.0", None),
        ("2.1.0", "", None),
        ("1.0+abc", "", None),
    ],
)
def test_a_label_tells_the_build(version: str, variant: str, cuda: str | None) -> None:
    assert variant_of(Version(version)) == variant
    assert cuda_of_variant(variant) == (Version(cuda) if cuda else None)


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("cupy-cuda12x", {"major": "12"}),
        ("cupy-cuda112", {"major": "11", "minor": "2"}),
        ("cupy-cuda92", {"major": "9", "minor": "2"}),
        ("mxnet-cu117", {"major": "11", "minor": "7"}),
        ("nvidia-cudnn-cu12", {"major": "12"}),
        ("nvidia-cuda-runtime", {"major": None}),
        ("jax-cuda13-plugin", {"major": "13"}),
        ("pycolmap-cuda12", {"major": "12"}),
        ("nvidia-dali-cuda120", {"major": "12"}),
        ("cudf-cu12", {"major": "12"}),
    ],
)
def test_a_name_tells_the_cuda(facts: Rules, name: str, groups: dict[str, str | None]) -> None:
    found = facts.cuda_package(canonicalize_name(name))
    assert found is not None
    told = found[1].groupdict()
    assert {key: told.get(key) for key in groups} == groups


@pytest.mark.parametrize("name", ["requests", "numpy", "onnxruntime", "cupy", "barracuda", "accumulate"])
def test_other_names_tell_nothing(facts: Rules, name: str) -> None:
    assert facts.cuda_package(canonicalize_name(name)) is None


@pytest.mark.parametrize("stem", ["builds", "metadata"])
def test_a_table_read_a_package_at_a_time_has_the_rows_of_the_whole(stem: str) -> None:
    facts = rules.load()
    by_package = getattr(facts, f"{stem}_by_package")
    together = [row for name in by_package for row in by_package[name]]
    assert sorted(map(repr, together)) == sorted(map(repr, getattr(facts, stem)))
    assert {name: rows for name, rows in by_package.items() if {row.package for row in rows} != {name}} == {}
    assert "no-such-package" not in by_package
