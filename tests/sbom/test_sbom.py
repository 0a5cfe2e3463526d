"""The bill of materials and the provenance of an image, held against their schemas."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.store import BlobStore
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.git_source import GitSource
from depdoctor.model.plan import SCRATCH, Base, Image, Layer, Node, Plan, layer_key, node_key
from depdoctor.model.seams import NoProgress
from depdoctor.model.target import Environment, Platform
from depdoctor.pipeline import attesting
from depdoctor.sbom import bill, provenance, stated

ENVIRONMENT = Environment(python="3.11", platform=Platform())
PINNED = Base(reference="registry.example/python:3.11", digest=f"sha256:{'b' * 64}")


def a_pin(name: str, number: int, version: str = "1.0") -> Pin:
    filename = f"{name}-{version}-py3-none-any.whl"
    file = DistributionFile(filename=filename, url=f"https://index.example/{filename}", sha256=f"{number:064x}")
    return Pin(name=canonicalize_name(name), version=Version(version), file=file)


def a_plan(*pins: Pin, base: Base = PINNED) -> tuple[Plan, Image]:
    hashes = tuple(pin.file.sha256 for pin in pins if pin.file)
    layer = Layer(key=layer_key(ENVIRONMENT, hashes), wheels=hashes)
    node = Node(key=node_key("", base, [layer]), parent="", layers=(layer,))
    image = Image(name="api", project="api", environment=ENVIRONMENT, base=base, node=node.key, code="api")
    return Plan(packages=pins, nodes=(node,), images=(image,)), image


@pytest.mark.parametrize(("ending", "second"), [("-py3-none-any.whl", "one"), (".tar.gz", "two")])
def test_what_is_built_here_is_read_each_time(ending: str, second: str, tmp_path: Path) -> None:
    wheel = a_pin("p", 1)
    assert wheel.file
    pin = replace(wheel, file=replace(wheel.file, filename=f"p-1.0{ending}"))
    plan, image = a_plan(pin)
    store = BlobStore(tmp_path)
    for name, expected in (("one", "one"), ("two", second)):
        store.remember(f"metadata {1:064x}", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        made = attesting._bill(plan, image, store, WheelFetcher(store), NoProgress())
        assert made["components"][0]["name"] == expected


def billed(*metadata: str, base: Base = PINNED) -> dict[str, Any]:
    """The bill of packages p0, p1, ... with this metadata, once it has passed the schema."""
    pins = [a_pin(f"p{number}", number) for number in range(len(metadata))]
    plan, image = a_plan(*pins, base=base)
    texts = {f"{number:064x}": stated(text, ENVIRONMENT) for number, text in enumerate(metadata)}
    found = bill(plan, image, texts)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(found)) is None
    return found


LICENSES = {
    "License-Expression: mit or apache-2.0": [{"expression": "MIT OR Apache-2.0"}],
    "License: BSD-3-Clause": [{"expression": "BSD-3-Clause"}],
    "License: BSD": [{"license": {"name": "BSD"}}],
    "License: BSD\nClassifier: License :: OSI Approved :: BSD License": [{"license": {"name": "BSD License"}}],
    "Classifier: License :: OSI Approved": [],
    "Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: Public Domain": [
        {"license": {"name": "MIT License"}},
        {"license": {"name": "Public Domain"}},
    ],
    "License: Permission is hereby granted,\n        free of charge": [],
    "License: UNKNOWN-THING": [{"license": {"name": "UNKNOWN-THING"}}],
    "Summary: none stated": [],
    "": [],
}


@pytest.mark.parametrize("text", LICENSES)
def test_licenses_are_what_the_wheel_states(text: str) -> None:
    found = billed(f"Metadata-Version: 2.4\nName: P0\nVersion: 1.0\n{text}\n")
    assert found["components"][0].get("licenses", []) == LICENSES[text]


def test_components_name_their_file_and_what_they_need() -> None:
    needs = (
        "Name: P0\nRequires-Dist: P1>=1\nRequires-Dist: p2; python_version < '3'\nRequires-Dist: p2; extra == 'x'\n"
        "Requires-Dist: absent\nRequires-Dist: odd; os_name ~= 'posix'\nRequires-Dist: ((broken\nSummary: Does things\n"
        "Project-URL: Homepage, https://p0.example\nProject-URL: Odd, javascript:alert(1)\n"
    )
    found = billed(needs, "Name: p1\n", "Name: p2\n")
    first = found["components"][0]
    assert (first["name"], first["version"], first["purl"]) == ("P0", "1.0", "pkg:pypi/p0@1.0")
    assert first["hashes"] == [{"alg": "SHA-256", "content": "0" * 64}]
    assert first["externalReferences"] == [{"type": "website", "url": "https://p0.example"}]
    edges = {one["ref"]: one["dependsOn"] for one in found["dependencies"]}
    assert edges["pkg:pypi/p0@1.0"] == ["pkg:pypi/p1@1.0"]
    assert edges["image:api"] == [f"base:{PINNED.pinned}", "pkg:pypi/p0@1.0", "pkg:pypi/p2@1.0"]


def test_the_base_is_a_component_unless_there_is_none() -> None:
    assert found_names(billed("Name: p0\n")) == ["p0", "registry.example/python:3.11"]
    assert found_names(billed("Name: p0\n", base=Base(reference=SCRATCH))) == ["p0"]


def found_names(found: dict[str, Any]) -> list[str]:
    return [one["name"] for one in found["components"]]


def test_the_same_image_has_the_same_bill_and_another_has_another_number() -> None:
    assert billed("Name: p0\n") == billed("Name: p0\n")
    assert billed("Name: p0\n")["serialNumber"] != billed("Name: p0\n", "Name: p1\n")["serialNumber"]


def test_metadata_that_makes_no_sense_is_survived() -> None:
    assert found_names(billed("\x00\x01 nonsense", "Name: \udcff\n".encode("utf-8", "replace").decode()))[0] == "p0"


def test_the_provenance_names_plan_wheels_and_base() -> None:
    plan, image = a_plan(a_pin("p0", 7, "2.0+cu121"))
    found = provenance(plan, image, f"sha256:{'a' * 64}", "registry.example/team/api", f"sha256:{'c' * 64}")
    assert found["subject"] == [{"name": "registry.example/team/api", "digest": {"sha256": "a" * 64}}]
    definition = found["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["plan"] == f"sha256:{'c' * 64}"
    base, wheel = definition["resolvedDependencies"]
    assert base["digest"] == {"sha256": "b" * 64}
    assert (wheel["uri"], wheel["digest"]) == ("pkg:pypi/p0@2.0%2Bcu121", {"sha256": f"{7:064x}"})


def test_a_package_from_a_repository_is_known_by_its_commit() -> None:
    source = GitSource.of(f"git+https://git.example/p0.git@{'c' * 40}")
    name, version = canonicalize_name("p0"), Version("1.0")
    plan, image = a_plan(Pin(name=name, version=version, file=source.file(name, version), source=str(source)))
    found = bill(plan, image, {source.sha256: stated("Name: p0\nVersion: 1.0\n", ENVIRONMENT)})
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(found)) is None
    (component,) = (one for one in found["components"] if one["name"] == "p0")
    assert component["purl"].endswith(f"?vcs_url=git%2Bhttps%3A%2F%2Fgit.example%2Fp0.git%40{'c' * 40}")
    assert "hashes" not in component
    statement = provenance(plan, image, f"sha256:{'a' * 64}", "registry.example/api", f"sha256:{'d' * 64}")
    *_, dependency = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert dependency == {"uri": str(source), "name": "p0", "digest": {"gitCommit": "c" * 40}}
