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
