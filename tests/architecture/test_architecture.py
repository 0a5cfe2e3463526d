import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_stage_imports_another() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_files_stay_below_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "depdoctor").rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


def test_version_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "depdoctor", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("depdoctor ")
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert not imported & {"rich", "docker", "resolvelib", "requests", "packaging", "argparse"}


def test_a_build_from_a_plan_imports_nothing_that_scans() -> None:
    """With nothing changed, a build takes about as long as its imports."""
    code = "import sys, depdoctor.cli.commands, depdoctor.pipeline.delivery; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    own = {"rules", "config", "read", "diagnose", "conflict", "model.finding", "model.lock", "model.project"}
    heavy = {"rich", "docker", "requests", "yaml", "installer", "isal.igzip", "packaging.requirements"}
    assert not imported & (heavy | {f"depdoctor.{name}" for name in own})


def test_a_hook_imports_neither_a_resolver_nor_other_commands(tmp_path: Path) -> None:
    """Once a commit's hook is warm, most of its time goes into imports."""
    (tmp_path / "requirements.txt").write_text("numpy>=1.26\n", encoding="utf-8")
    code = (
        "import sys; from depdoctor.cli import run; status = run(['hook', 'requirements.txt']);"
        "print(*sys.modules); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DEPDOCTOR_CACHE_DIR": str(tmp_path / "cache")},
    )
    imported = set(done.stdout.split())
    own = {"cli.scan", "cli.images", "cli.rules", "cli.terminal", "conflict.finder", "conflict.search", "read.poetry"}
    own |= {"read.yaml", "adapters.uv", "adapters.http", "pipeline.scanning", "planfile", "report.console"}
    heavy = {"rich", "docker", "requests", "yaml", "pathspec", "importlib.metadata", "email", "difflib", "resolvelib"}
    assert "depdoctor.read.requirements_txt" in imported
    assert not imported & (heavy | {f"depdoctor.{name}" for name in own})
