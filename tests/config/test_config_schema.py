"""The published schema of the configuration knows the keys that are read, and refuses what is refused."""

from __future__ import annotations

import json
import re
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from depdoctor import config
from depdoctor.errors import ConfigError

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "config-schema.json").read_text(encoding="utf-8"))
CHECK = Draft202012Validator(SCHEMA)
LEAST = '[[environment]]\nname = "x"\n[[target]]\n[[project]]\npath = "x"\n[image]\n[rules]\n'


def libc(base: str) -> tuple[str, tuple[int, int]]:
    return "glibc", (2, 36)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_key_that_is_read_is_there_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    known: defaultdict[str, set[str]] = defaultdict(set)
    take = config._Table.take

    def noting(table: config._Table, key: str, *more: Any) -> Any:
        known[re.sub(r"\[\d+\]", "", table.name)].add(key)
        return take(table, key, *more)

    monkeypatch.setattr(config._Table, "take", noting)
    config.parse(tomllib.loads(LEAST), "depdoctor.toml", libc)
    told = {"": set(SCHEMA["properties"])}
    for name, one in SCHEMA["properties"].items():
        table = one["items"] if one.get("type") == "array" else one
        if "properties" in table:
            told[name] = set(table["properties"])
    assert told == known, "bring docs/config-schema.json up to date, then run tools/catalogue.py"


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (LEAST, True),
        ('python = "3.12"\nexclude-newer = "2024-12-23"\nexclude = ["a/**"]', True),
        ('[[target]]\ndriver = "525.60.13"\ngpus = ["A10"]\nglibc = "2.31"\nmax-image-bytes = 1', True),
        ('[[project]]\npath = "a"\nport = 8000\nweights = "volume"', True),
        ("pyhton = '3.11'", False),
        ("[image]\nbas = 'x'", False),
        ("python = 3.11", False),
        ("python = '2.7'", False),
        ("exclude-newer = 'soon'", False),
        ("[[target]]\nglibc = '2'", False),
        ("[[target]]\nplatform = 'amiga'", False),
        ("[[project]]\nport = 1", False),
        ("[[project]]\npath = 'a'\nport = 70000", False),
        ("[image]\nweights = 'lost'", False),
        ("[[environment]]\nprojects = []", False),
        ("target = 1", False),
    ],
)
def test_it_takes_what_the_program_takes(text: str, fits: bool) -> None:
    data = tomllib.loads(text)
    try:
        config.parse(data, "depdoctor.toml", libc)
        read = True
    except ConfigError:
        read = False
    assert (read, CHECK.is_valid(data)) == (fits, fits)
