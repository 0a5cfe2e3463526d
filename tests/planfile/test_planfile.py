"""The plan as a document."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fleets import entry, fleet, inventory, lock, pin, six
from packaging.utils import canonicalize_name

from depdoctor import planfile
from depdoctor.errors import PlanFileError
from depdoctor.model.alignment import Moved
from depdoctor.model.config import Config, ProjectConfig
from depdoctor.model.label import labels, section_digest
from depdoctor.model.plan import LAYER_FORMAT, Base, Plan, layer_key
from depdoctor.plan import plan

SETTINGS = ProjectConfig(
    path="a", command=("python", "app.py", "--name", 'ünï \n "q" $HOME'), port=80, health="/healthz"
)


MOVED = Moved(
    package=canonicalize_name("x"), before="2.0", after="", projects=("a", "b"), reason="goes with y", saved_bytes=-5
)


def small() -> Plan:
    base = Base(reference="python:3.11-slim-bookworm", digest="sha256:" + "a" * 64)
    found = fleet({"a": [pin("x"), pin("y-z", "2.0+cpu", unpacked_bytes=5)], "b": [pin("x")]})
    found = replace(found, entries=(*found.entries, entry("broken")))
    return plan(found, Config(projects=(SETTINGS,)), {base.reference: base})


@pytest.mark.parametrize(
    "made", [small(), replace(small(), moves=(MOVED,)), plan(six(), Config(), {}), plan(inventory([]), Config(), {})]
)
def test_plan_survives_the_round_trip(made: Plan) -> None:
    text = planfile.dumps(made)
    assert planfile.loads(text) == made
    assert planfile.dumps(planfile.loads(text)) == text
    assert planfile.digest(made) == f"sha256:{sha256(text.encode()).hexdigest()}"


def test_document_is_reviewable() -> None:
    text = planfile.dumps(plan(six(), Config(), {}))
    assert text.isascii()
    rows = [line for line in text.splitlines() if '"size_bytes"' in line]
    assert len(rows) == 130
    assert rows == sorted(rows, key=lambda row: json.loads(row.rstrip(","))["name"])


def test_one_bump_changes_few_lines() -> None:
    before = planfile.dumps(plan(fleet({"a": [pin("x"), pin("y")], "b": [pin("x")]}), Config(), {})).splitlines()
    after = planfile.dumps(plan(fleet({"a": [pin("x"), pin("y", "2.0")], "b": [pin("x")]}), Config(), {})).splitlines()
    assert len(before) == len(after)
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 5


def test_credentials_never_reach_the_file() -> None:
    secret = replace(pin("x"), index="https://user:hunter2@index.example/simple")
    assert "hunter2" not in planfile.dumps(plan(fleet({"a": [secret]}), Config(), {}))


def test_file_is_rewritten_only_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / planfile.PLAN_NAME
    assert planfile.differs(small(), path)
    assert planfile.write(small(), path)
    before = path.stat()
    assert not planfile.differs(small(), path)
    assert not planfile.write(small(), path)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino
    assert planfile.load(path) == small()
    assert [item.name for item in tmp_path.iterdir()] == [planfile.PLAN_NAME]


def test_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / planfile.PLAN_NAME
    path.mkdir()
    with pytest.raises(PlanFileError, match="cannot be read"):
        planfile.write(small(), path)
    with pytest.raises(PlanFileError, match="cannot be written: No such file or directory\n"):
        planfile.write(small(), tmp_path / "missing" / planfile.PLAN_NAME)
    assert [item.name for item in tmp_path.iterdir()] == [planfile.PLAN_NAME]


def test_missing_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(PlanFileError) as caught:
        planfile.load(tmp_path / "no.json")
    assert caught.value.where == planfile.PLAN_NAME


Edit = Callable[[dict[str, Any]], object]

DEEP = "[" * 100_000
EDITS: dict[str, tuple[Edit, str]] = {
    "another version": (lambda d: d.update(schema_version=2), "schema_version"),
    "a flag for a version": (lambda d: d.update(schema_version=True), "schema_version"),
    "an unknown key": (lambda d: d.update(extra=1), "extra"),
    "a missing key": (lambda d: d.pop("nodes"), "nodes"),
    "a list for an object": (lambda d: d["packages"].__setitem__(0, []), "packages[0]"),
    "an object for a list": (lambda d: d.update(images={}), "images"),
    "a hash cut short": (lambda d: d["packages"][0].update(sha256="ab"), "packages[0].sha256"),
    "a hash in capitals": (lambda d: d["packages"][0].update(sha256="A" * 64), "packages[0].sha256"),
    "a name not normalized": (lambda d: d["packages"][0].update(name="X_y"), "packages[0].name"),
    "a version that is none": (lambda d: d["packages"][0].update(version="one"), "packages[0].version"),
    "a file name with a path": (lambda d: d["packages"][0].update(filename="../x.whl"), "packages[0].filename"),
    "a negative size": (lambda d: d["packages"][0].update(size_bytes=-1), "packages[0].size_bytes"),
    "a size that is no number": (lambda d: d["packages"][0].update(size_bytes=1.5), "packages[0].size_bytes"),
    "a url with a line": (lambda d: d["packages"][0].update(url="https://a\nb"), "packages[0].url"),
    "a url with a password": (lambda d: d["packages"][0].update(url="https://a:b@c/d"), "packages[0].url"),
    "an image name with a slash": (lambda d: d["images"][0].update(name="a/b"), "images[0].name"),
    "a base that is no reference": (lambda d: d["images"][0]["base"].update(reference="x\nRUN y"), "reference"),
    "code outside": (lambda d: d["images"][0].update(code="../secret"), "images[0].code"),
    "code at the root": (lambda d: d["images"][0].update(code="/etc"), "images[0].code"),
    "code on a drive": (lambda d: d["images"][0].update(code="C:\\x"), "images[0].code"),
    "another system": (lambda d: d["images"][0].update(platform="windows-x86_64"), "images[0].platform"),
    "a port out of range": (lambda d: d["images"][0].update(port=65536), "images[0].port"),
    "a health path with a blank": (lambda d: d["images"][0].update(health="/ x"), "images[0].health"),
    "a command with a NUL": (lambda d: d["images"][0].update(command=["\0"]), "images[0].command[0]"),
    "an import that is none": (lambda d: d["images"][0].update(imports=["os; x"]), "images[0].imports[0]"),
    "a long text": (lambda d: d["skipped"][0].update(reason="x" * 10_000), "skipped[0].reason"),
    "a node that is not there": (lambda d: d["images"][0].update(node="0" * 64), "images[0]"),
    "a node twice": (lambda d: d["nodes"].append(d["nodes"][0]), "nodes"),
    "a child before its parent": (lambda d: d["nodes"].reverse(), "nodes"),
    "a node of no image": (lambda d: d["images"].pop(0), "nodes"),
    "a package twice": (lambda d: d["packages"].append(d["packages"][0]), "packages"),
    "a layer key that is another's": (lambda d: d["nodes"][0]["layers"][0].update(key="0" * 64), "images[0]"),
    "a node key that is another's": (lambda d: _rename(d, d["nodes"][0]["key"], "0" * 64), "images[0]"),
    "a wheel under another name": (lambda d: _swap(d["nodes"][0]["layers"][0]), "packages"),
    "a wheel that is not listed": (lambda d: d["packages"].pop(0), "packages"),
    "a layer of nothing": (lambda d: d["nodes"][0]["layers"][0].update(wheels={}), "layers[0]"),
}


def _rename(document: dict[str, Any], old: str, new: str) -> None:
    changed = json.loads(json.dumps(document).replace(old, new))
    document.clear()
    document.update(changed)


def _swap(layer: dict[str, Any]) -> None:
    layer["wheels"] = {f"z{name}": wheel for name, wheel in layer["wheels"].items()}


@pytest.mark.parametrize(("edit", "key"), EDITS.values(), ids=EDITS.keys())
def test_hostile_document_is_refused_with_its_key(edit: Edit, key: str) -> None:
    document = json.loads(planfile.dumps(small()))
    edit(document)
    with pytest.raises(PlanFileError) as caught:
        planfile.loads(json.dumps(document), "fleet/depdoctor.plan.json")
    assert key in caught.value.message
    assert caught.value.where == "fleet/depdoctor.plan.json"
    assert caught.value.exit_status == 2
    assert len(caught.value.message) < 500


def test_a_plan_of_an_older_way_to_make_layers_says_so() -> None:
    made = small()
    text = planfile.dumps(made)
    for image in made.images:
        for layer in made.layers(image):
            older = layer_key(image.environment, layer.wheels, layer.parts, version=LAYER_FORMAT - 1)
            text = text.replace(layer.key, older)
    with pytest.raises(PlanFileError, match="before layers were made as this version makes them") as caught:
        planfile.loads(text)
    assert "--fresh" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        DEEP,
        "[]",
        '{"a": 1, "a": 2}',
        '{"schema_version": NaN}',
        '{"schema_version": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(PlanFileError):
        planfile.loads(text)


def test_oversized_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planfile.reading, "MAX_BYTES", 100)
    (tmp_path / "big.json").write_text(" " * 1000)
    with pytest.raises(PlanFileError, match="over"):
        planfile.load(tmp_path / "big.json")


def test_section_of_an_image_ignores_the_others() -> None:
    def made(other: str) -> Plan:
        return plan(inventory([entry("a", lock("a", [pin("x")])), entry("b", lock("b", [pin(other)]))]), Config(), {})

    one, two = made("y"), made("z")
    assert section_digest(one, one.images[0]) == section_digest(two, two.images[0])
    assert section_digest(one, one.images[1]) != section_digest(two, two.images[1])
    assert labels(one, one.images[0]) == labels(two, two.images[0])
    assert planfile.digest(one) != planfile.digest(two)
