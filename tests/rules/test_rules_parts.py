"""What is read of a table in parts is what stands in the whole of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from depdoctor import rules
from depdoctor.errors import RulesError
from depdoctor.rules import PARTED, TABLES, Rules
from depdoctor.rules import parts as rules_parts

IMAGES = (
    "python",
    "docker.io/library/python",
    "nvcr.io/nvidia/pytorch",
    "nvcr.io/nvidia/merlin/merlin-pytorch",
    "nvidia/cuda",
    "ubuntu",
    "registry.example/team/own",
)


@pytest.fixture(scope="module")
def whole() -> Rules:
    facts = rules.load()
    return Rules(**{table.stem: getattr(facts, table.stem) for table in TABLES})


@pytest.mark.parametrize("name", PARTED)
def test_the_rows_of_each_package_are_those_of_the_table(name: str, whole: Rules) -> None:
    parts: Any = getattr(rules.load(), name)
    assert dict(parts) == getattr(whole, name)
    assert len(parts) == len(set(parts)) > 0


@pytest.mark.parametrize("name", PARTED)
def test_asking_for_names_parses_no_row(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts: Any = getattr(rules.load(), name)
    names = set(parts)
    monkeypatch.setattr(rules_parts, "_parsed", lambda *_: pytest.fail("a row was parsed"))
    assert parts.keys() & {*names, "no-such-package"} == names
    assert "no-such-package" not in parts


@pytest.mark.parametrize("image", IMAGES)
def test_the_rows_of_each_image_are_those_of_the_table(image: str, whole: Rules) -> None:
    facts = rules.load()
    assert facts.images(image) == tuple(whole.images(image))
    assert facts.contents(image) == tuple(whole.contents(image))
    assert facts.base(f"{image}:24.04-py3") == whole.base(f"{image}:24.04-py3")


def test_some_images_are_known_and_some_are_not(whole: Rules) -> None:
    assert whole.images("docker.io/library/python")
    assert whole.contents("nvcr.io/nvidia/pytorch")
    assert not whole.images("registry.example/team/own")
    assert not whole.contents("python")


def test_a_table_of_ones_own_counts_for_images(tmp_path: Path) -> None:
    head = 'schema = 1\ntitle = "t"\ndate = 2026-11-23\nsource = "a source"\nconfidence = "primary"\n'
    row = '[[base]]\nimage = "registry\\\\.example/team/own"\ntag = "v(?P<python>3\\\\.\\\\d+)"\nrelease = "bookworm"\n'
    (tmp_path / "base_images.toml").write_text(head + row, encoding="utf-8")
    base = rules.load(tmp_path).base("registry.example/team/own:v3.12")
    assert (base.known, base.python, base.release) == (True, "3.12", "bookworm")


def test_a_pattern_of_ones_own_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    head = 'schema = 1\ntitle = "t"\ndate = 2026-11-23\nsource = "a source"\nconfidence = "primary"\n'
    (tmp_path / "base_images.toml").write_text(head + '[[base]]\nimage = "("\ntag = "a"\n', encoding="utf-8")
    with pytest.raises(RulesError, match="`image` cannot be") as told:
        rules.load(tmp_path)
    assert told.value.where is not None
    assert "base_images.toml:7" in told.value.where


def test_patterns_that_ship_are_all_compiled_by_a_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(rules.__file__).parent.parent.parent / "rules"
    rules.check()
    for path in folder.glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        if path.stem == "cuda_packages":
            text = text.replace('pattern = "jaxlib"', 'pattern = "jaxlib("')
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(rules, "_folder", lambda: tmp_path)
    with pytest.raises(RulesError, match="`pattern` cannot be") as told:
        rules.check()
    assert told.value.where is not None
    assert "cuda_packages.toml" in told.value.where
