"""The published schema says what the reader and the writer do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fleets import ENVIRONMENT, fleet, lock, pin, six
from jsonschema import Draft202012Validator
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor import planfile
from depdoctor.errors import PlanFileError
from depdoctor.model.alignment import Moved
from depdoctor.model.config import Config, ProjectConfig
from depdoctor.model.local_package import LocalPackage
from depdoctor.model.plan import Skipped
from depdoctor.model.target import Gpu, Platform, Target
from depdoctor.plan import plan

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "plan-schema.json").read_text())
MOVED = Moved(
    package=canonicalize_name("y"), before="", after="1.0", projects=("a",), reason="goes with x 1.0", saved_bytes=-5
)
FULL = ProjectConfig(
    path="a", command=("python", "app.py"), port=80, health="/healthz", system_packages=("libgomp1", "libgl1=1.6.0-1")
)


def small() -> dict[str, Any]:
    found = fleet({"a": [pin("x", unpacked_bytes=9_000_000_000), pin("y")], "b": [pin("x")], "empty": []})
    board = Target(name="board", platform=Platform(machine="aarch64"), max_image_bytes=5)
    windows = Target(name="desk", platform=Platform(system="windows"), gpus=(Gpu.parse("RTX 4090 (8.9)"),))
    found = replace(
        found, targets=(Target(name="node", platform=ENVIRONMENT.platform, driver=Version("550.54")), board, windows)
    )
    without = replace(lock("b", [pin("z")]), variant="cpu", environment=replace(ENVIRONMENT, platform=board.platform))
    config = Config(projects=(FULL,), ignored_rules=("DD511",))
    made = plan(found, config, {}, others={"b": (replace(without, pins=(pin("z"),)),)})
    skipped = Skipped(project="a", reason="nothing resolves", targets=("board",))
    local = LocalPackage(
        name="common", folder="libs/common", version="1.5", source="src", scripts=(("serve", "common:run"),)
    )
    module = LocalPackage(name="shared", folder="shared", module=True)
    made = replace(made, images=tuple(replace(image, local=(local, module)) for image in made.images))
    made = replace(made, moves=(MOVED,), skipped=(*made.skipped, skipped))
    assert planfile.loads(planfile.dumps(made)) == made
    document: dict[str, Any] = json.loads(planfile.dumps(made))
    return document


def test_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_everything_is_in_the_document() -> None:
    document = small()
    assert {image["name"]: image.get("variant") for image in document["images"]}["b-aarch64-cpu"] == "cpu"
    assert [layer["parts"] for node in document["nodes"] for layer in node["layers"] if "parts" in layer] == [3]
    assert [one["name"] for one in document["targets"]] == ["board", "desk", "node"]
    assert document["accepted"] == ["DD511"]


@pytest.mark.parametrize("document", [small(), json.loads(planfile.dumps(plan(six(), Config(), {})))])
def test_plans_fit(document: dict[str, Any]) -> None:
    Draft202012Validator(SCHEMA).validate(document)


EDITS: list[Callable[[dict[str, Any]], object]] = [
    lambda d: d.update(schema_version=2),
    lambda d: d.update(extra=1),
    lambda d: d.pop("nodes"),
    lambda d: d["packages"][0].update(sha256="ab"),
    lambda d: d["packages"][0].update(name="X_y"),
    lambda d: d["packages"][0].update(filename="../x.whl"),
    lambda d: d["packages"][0].update(size_bytes=-1),
    lambda d: d["packages"][0].pop("url"),
    lambda d: d["images"][0].update(name="a/b"),
    lambda d: d["images"][0].update(code="../secret"),
    lambda d: d["images"][0].update(code="/etc"),
    lambda d: d["images"][0].update(code="a/.."),
    lambda d: d["images"][0].update(port=0),
    lambda d: d["images"][0].update(health="x"),
    lambda d: d["images"][0].update(system_packages=["-o=APT::x"]),
    lambda d: d["images"][0].update(system_packages=["a; rm -rf /"]),
    lambda d: d["images"][0].update(platform="windows-x86_64"),
    lambda d: d["images"][0]["base"].update(reference="x\nRUN y"),
    lambda d: d["moves"][0].update(package="X_y"),
    lambda d: d["moves"][0].update(saved_bytes=0.5),
    lambda d: d["moves"][0].pop("reason"),
    lambda d: d["nodes"][0]["layers"][0].update(wheels={}),
    lambda d: d["nodes"][0]["layers"][0].update(parts=1),
    lambda d: d["images"][0].update(variant="gpu"),
    lambda d: d["targets"][0].update(platform="plan9-x86_64"),
    lambda d: d["targets"][0].update(max_image_bytes=0),
    lambda d: d["targets"][0].pop("name"),
    lambda d: d.update(accepted=["everything"]),
    lambda d: d["skipped"][0].update(targets="all"),
]


@pytest.mark.parametrize("edit", EDITS)
def test_what_the_schema_refuses_the_reader_refuses(edit: Callable[[dict[str, Any]], object]) -> None:
    document = small()
    edit(document)
    assert not Draft202012Validator(SCHEMA).is_valid(document)
    with pytest.raises(PlanFileError):
        planfile.loads(json.dumps(document))


def test_every_key_that_is_written_is_described() -> None:
    found = fleet({"a": [pin("x", unpacked_bytes=5)]})
    document = json.loads(planfile.dumps(plan(found, Config(projects=(FULL,)), {})))
    described = SCHEMA["$defs"]
    assert set(document) <= set(SCHEMA["properties"])
    assert set(document["packages"][0]) <= set(described["package"]["properties"])
    assert set(document["images"][0]) <= set(described["image"]["properties"])
