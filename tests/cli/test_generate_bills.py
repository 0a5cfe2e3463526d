"""Bills of materials as files: those that a registry has beside the images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from depdoctor import cli


def written(fleet: Path, output: Path, *options: str) -> dict[str, Any]:
    assert cli.run(["generate", str(fleet), "--output", str(output), "--only", "sbom", "--quiet", *options]) == 0
    assert [path.name for path in output.iterdir()] == ["sbom"]
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (output / "sbom").iterdir()}


def test_each_image_has_a_bill(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    fleet = tmp_path / "fleet"
    for name, text in (("one", "numlib==1.26.4\n"), ("two", "formers==4.44.2\n")):
        (fleet / name).mkdir(parents=True)
        (fleet / name / "requirements.txt").write_text(text)
    (fleet / "depdoctor.toml").write_text('[image]\nbase = "scratch"\n')
    assert cli.run(["plan", str(fleet), "--quiet"]) == 0
    bills = written(fleet, tmp_path / "out")
    assert sorted(bills) == ["one.cdx.json", "two.cdx.json"]
    one = bills["one.cdx.json"]
    (package,) = [each for each in one["components"] if each["type"] == "library"]
    packages = json.loads((fleet / "depdoctor.plan.json").read_text())["packages"]
    locked = {(each["name"], each["version"]): each for each in packages}
    assert (package["purl"], package["version"]) == ("pkg:pypi/numlib@1.26.4", "1.26.4")
    assert package["hashes"] == [{"alg": "SHA-256", "content": locked["numlib", "1.26.4"]["sha256"]}]
    assert {each["name"] for each in bills["two.cdx.json"]["components"]} >= {"formers", "tokenkit"}
    assert written(fleet, tmp_path / "again", "--offline") == bills
