"""The stories of fixtures/cases, each scanned whole against the small package index on loopback."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from depdoctor import cli

CASES = Path(__file__).parents[1] / "fixtures" / "cases"
STORIES = sorted(path.parent.name for path in CASES.glob("*/case.toml"))

JUDGED = {
    "version-conflict",
    "version-gone",
    "no-wheel",
    "python-unsupported",
    "glibc",
    "index-missing",
    "missing-extra",
    "drift",
}


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def _stories() -> list[object]:
    stories: list[object] = []
    for story in STORIES:
        pending = tomllib.loads((CASES / story / "case.toml").read_text(encoding="utf-8")).get("pending")
        stories.append(pytest.param(story, marks=[pytest.mark.xfail(reason=pending, strict=True)] if pending else []))
    return stories


@pytest.mark.parametrize("story", _stories())
def test_story(
    story: str,
    package_server: str,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = tomllib.loads((CASES / story / "case.toml").read_text(encoding="utf-8"))
    expected = tomllib.loads((CASES / story / "expected.toml").read_text(encoding="utf-8"))
    root = tmp_path / "fleet"
    shutil.copytree(CASES / story / "projects", root)
    configuration = root / "depdoctor.toml"
    written = configuration.read_text(encoding="utf-8") if configuration.exists() else ""
    configuration.write_text(f'python = "{case["python"]}"\n{written}', encoding="utf-8")
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(cache))
    status = cli.run(["scan", str(root), "--format", "json", "--exclude-newer", str(case["exclude-newer"])])
    report = json.loads(capsys.readouterr().out)
    said = [_summary(finding) for finding in report["findings"]]
    problems = [_summary(finding) for finding in report["findings"] if finding["severity"] != "note"]
    wanted = [_wanted(finding) for finding in expected.get("finding", [])]
    for one in wanted:
        assert one in said, f"not reported: {one}\nsaid: {said}"
    silent = JUDGED | set(expected.get("silent", []))
    assert not [one for one in problems if one["kind"] in silent and one not in wanted]
    unknown = {project["name"] for project in report["projects"] if project["status"] == "declared-only"}
    assert unknown == set(expected.get("incomplete", []))
    assert status == (1 if report["summary"]["errors"] else 0)


def _summary(finding: dict[str, object]) -> dict[str, object]:
    causes = finding["causes"]
    assert isinstance(causes, list)
    return {
        "kind": finding["kind"],
        "subject": finding["subject"],
        "projects": finding["projects"],
        "lines": sorted({f"{cause['path']}:{cause['line']}" for cause in causes}),
    }


def _wanted(finding: dict[str, object]) -> dict[str, object]:
    return {key: finding[key] for key in ("kind", "subject", "projects", "lines")}
