from __future__ import annotations

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor import rules
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.finding import Finding, Kind, Severity
from depdoctor.model.image import Inspection
from depdoctor.model.plan import Base, Image, Layer, Node, Plan
from depdoctor.model.target import Environment, Platform
from depdoctor.verify import verify

PINS = {"alpha": "1.0", "beta-one": "2.0+cu118", "gamma": "3.1"}


def pin(name: str, version: str) -> Pin:
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    file = DistributionFile(filename=filename, url=f"https://index.example/{filename}", sha256=f"hash-of-{name}")
    return Pin(name=canonicalize_name(name), version=Version(version), file=file)


IMAGE = Image(
    name="speech-asr",
    project="speech/asr",
    environment=Environment(python="3.11", platform=Platform()),
    base=Base(reference="python:3.11-slim-bookworm"),
    node="leaf",
    code="speech/asr",
)
PLAN = Plan(
    packages=tuple(pin(name, version) for name, version in PINS.items()),
    nodes=(
        Node(key="root", parent="", layers=(Layer(key="l1", wheels=("hash-of-alpha",)),)),
        Node(key="leaf", parent="root", layers=(Layer(key="l2", wheels=("hash-of-beta-one", "hash-of-gamma")),)),
    ),
    images=(IMAGE,),
)


def found(
    installed: dict[str, str] | None = None, errors: dict[str, str] | None = None, python: str = "3.11.9"
) -> tuple[Finding, ...]:
    inspection = Inspection(
        installed=PINS if installed is None else installed, import_errors=errors or {}, python=python
    )
    return verify(PLAN, IMAGE, inspection).findings


def test_an_image_that_holds_what_was_locked_is_clean() -> None:
    assert found() == ()
    assert verify(PLAN, IMAGE, Inspection(installed=PINS, import_errors={})).rules_run == ("DD401", "DD604", "DD605")


def test_versions_are_compared_as_versions_and_names_as_names() -> None:
    assert found({"Alpha": "1.0.0", "beta_one": "2.0+cu118", "gamma": "3.1"}) == ()


@pytest.mark.parametrize(
    ("installed", "subject", "words"),
    [
        (PINS | {"delta": "1"}, "delta", "not locked"),
        ({name: version for name, version in PINS.items() if name != "alpha"}, "alpha", "not installed"),
        (PINS | {"gamma": "3.2"}, "gamma", "3.2, but 3.1 is locked"),
        (PINS | {"beta-one": "2.0"}, "beta-one", r"2.0, but 2.0\+cu118 is locked"),
        (PINS | {"gamma": "3.1, 3.2"}, "gamma", "3.1, 3.2, but 3.1 is locked"),
    ],
)
def test_each_difference_is_one_finding(installed: dict[str, str], subject: str, words: str) -> None:
    (finding,) = found(installed)
    assert (finding.kind, finding.severity, finding.subject) == (Kind.NOT_INSTALLED, Severity.ERROR, subject)
    assert finding.packages == (subject,)
    assert finding.projects == ("speech/asr",)
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(finding.message)


@pytest.mark.parametrize(
    ("module", "reason", "likely"),
    [
        ("cv2", "ImportError: libGL.so.1: cannot open shared object file: No such file or directory", "`libGL.so.1`"),
        (
            "tf",
            "ImportError: see below (from ImportError: libstdc++.so.6: cannot open shared object file: x)",
            "`libstdc++.so.6`",
        ),
        ("yaml", "ModuleNotFoundError: No module named 'yaml'", "no package in the lock of `speech/asr` brings `yaml`"),
        ("numpy", "ModuleNotFoundError: No module named 'numpy.core'", "lacks its part `numpy.core`"),
        ("alpha", "ModuleNotFoundError: No module named 'pkg_resources'", "`alpha` needs `pkg_resources`"),
        ("torch", "killed by SIGSEGV", "crashed"),
        ("torch", "killed by SIGKILL (out of memory?)", "more memory"),
        ("a", "ImportError: /lib/libc.so.6: version `GLIBC_2.38' not found (required by /venv/x.so)", "GLIBC_2.38"),
        ("nltk", "OSError: [Errno 30] Read-only file system: '/nltk_data'", "writes while it is imported"),
        ("odd", "ValueError: no idea", "docker run --rm IMAGE python -c 'import odd'"),
    ],
)
def test_a_failed_import_names_the_module_the_error_and_what_is_likely(module: str, reason: str, likely: str) -> None:
    (finding,) = found(errors={module: reason})
    assert (finding.kind, finding.subject) == (Kind.NOT_IMPORTABLE, module)
    assert reason in finding.message
    assert likely in finding.hint


def test_another_interpreter_than_the_lock_is_for_is_an_error() -> None:
    (finding,) = found(python="3.12.1")
    assert (finding.kind, finding.subject) == (Kind.PYTHON_UNSUPPORTED, "python:3.11-slim-bookworm")


def test_the_worst_order_is_total() -> None:
    inspection = Inspection(installed={"zeta": "1", "eta": "2"}, import_errors={"b": "x", "a": "y"}, python="3.12.0")
    findings = verify(PLAN, IMAGE, inspection).findings
    assert [finding.code for finding in findings] == ["DD401"] + ["DD604"] * 5 + ["DD605"] * 2
    assert [finding.subject for finding in findings[1:6]] == ["alpha", "beta-one", "eta", "gamma", "zeta"]


def test_the_tables_name_the_system_package() -> None:
    reason = "OSError: libgomp.so.1: cannot open shared object file: No such file or directory"
    inspection = Inspection(installed=PINS, import_errors={"alpha": reason})
    (with_rules,) = verify(PLAN, IMAGE, inspection, rules.load()).findings
    (without,) = verify(PLAN, IMAGE, inspection).findings
    assert '`system-packages = ["libgomp1"]`' in with_rules.hint
    assert "libgomp1" not in without.hint
