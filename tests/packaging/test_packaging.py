import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_wheel_holds_every_rules_table(wheel: Path) -> None:
    tables = {path.name for path in (ROOT / "rules").glob("*.toml")}
    names = zipfile.ZipFile(wheel).namelist()
    assert tables
    assert {name.removeprefix("depdoctor/_rules/") for name in names if name.startswith("depdoctor/_rules/")} == tables


def test_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name and "/_rules/" not in name}
    modules = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "depdoctor").rglob("*")
        if path.suffix in {".py", ".j2", ".typed", ".css", ".js"}
    }
    assert names == modules


def test_rules_are_found_in_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import depdoctor; print(depdoctor.__file__)\n"
                "from depdoctor import rules; [getattr(rules.load(), table.stem) for table in rules.TABLES]"
            ),
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(tmp_path))
