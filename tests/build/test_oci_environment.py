"""The bottom layer as an environment that a real interpreter starts in."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from depdoctor.build.oci.environment import write_environment
from depdoctor.build.oci.stream import LayerStream
from depdoctor.model.image import ENVIRONMENT_ROOT

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize("sees_base", [True, False])
def test_packages_of_the_base_are_seen_only_where_they_are_to_be(tmp_path: Path, *, sees_base: bool) -> None:
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    asked = [base, "-Ic", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    paths = subprocess.run(asked, capture_output=True, check=True, text=True)
    file = io.BytesIO()
    stream = LayerStream(file)
    write_environment(stream, str(base), PYTHON, sees_base=sees_base)
    stream.close()
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        archive.extractall(tmp_path, filter="fully_trusted")
    python = tmp_path / ENVIRONMENT_ROOT.removeprefix("/") / "bin" / "python"
    seen = subprocess.run([python, "-Ic", "import sys; print(sys.path)"], capture_output=True, check=True, text=True)
    assert (paths.stdout.strip() in seen.stdout) is sees_base
    assert str(tmp_path) in seen.stdout
