"""A real engine and registry: `DOCKER_HOST`, `DEPDOCTOR_TEST_REGISTRY` and `DEPDOCTOR_TEST_BASE` say where."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import urllib.request
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urljoin

import docker.errors
import pip
import pytest
import requests
import uv

from depdoctor.adapters.buildx import Buildx
from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.registry import MANIFEST_TYPES
from depdoctor.errors import EngineError
from depdoctor.model.image import Bundle

# the session keeps BuildKit from answering each target out of another earlier build
DOCKERFILE = """\
FROM {base} AS environment
ENV DEPDOCTOR_TEST_SESSION={session}
RUN --mount=from=uv,source=uv,target=/bin/uv ["/bin/uv", "venv", "--python", "/usr/bin/python3", "/venv"]
RUN --mount=from=uv,source=uv,target=/bin/uv --mount=source=wheels,target=/wheels \\
    ["/bin/uv", "pip", "install", "--python=/venv/bin/python", "--offline", "--no-index", "--find-links=/wheels", \\
     "--no-cache", "alpha"]
FROM environment AS one
ENV PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin VIRTUAL_ENV=/venv
WORKDIR /app
COPY app.py .
USER 65532:65532
LABEL depdoctor.test=engine
CMD ["python", "app.py"]
FROM one AS two
CMD ["python", "-c", "import alpha; print('two says', alpha.WORD)"]
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.engine)


def missing(reason: str) -> None:
    """Skip, or fail where an engine is promised."""
    if os.environ.get("DEPDOCTOR_REQUIRE_ENGINE") == "1":
        pytest.fail(f"DEPDOCTOR_REQUIRE_ENGINE=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def uv_binary() -> Path:
    return Path(uv.find_uv_bin())


@pytest.fixture(scope="session")
def engine(uv_binary: Path) -> DockerEngine:
    engine = DockerEngine(buildx=Buildx(uv=uv_binary))
    try:
        engine.client.ping()
    except EngineError as error:
        missing(error.message)
    return engine


@pytest.fixture(scope="session")
def registry() -> str:
    """The host and port of a registry on loopback."""
    address = os.environ.get("DEPDOCTOR_TEST_REGISTRY", "")
    if not address:
        missing("DEPDOCTOR_TEST_REGISTRY names no registry")
    try:
        urllib.request.urlopen(f"http://{address}/v2/", timeout=10).close()
    except OSError as error:
        missing(f"no registry answers at {address}: {error}")
    return address


@pytest.fixture(scope="session")
def base(engine: DockerEngine) -> str:
    """An image with Python 3.11, in the registry and in the engine."""
    reference = os.environ.get("DEPDOCTOR_TEST_BASE", "")
    if not reference:
        missing("DEPDOCTOR_TEST_BASE names no base image")
    if not engine.has(reference):  # an engine may forget what the registry keeps
        engine.pull(reference)
    return reference


@pytest.fixture(scope="session")
def base_with_pip(
    engine: DockerEngine, base: str, registry: str, prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The base with pip in it, in the registry."""
    engine.client.ping()
    context = tmp_path_factory.mktemp("with-pip")
    shutil.copytree(Path(pip.__file__).parent, context / "pip", ignore=shutil.ignore_patterns("__pycache__"))
    (context / "Dockerfile").write_text(f"FROM {base}\nCOPY pip /usr/lib/python3/dist-packages/pip\n")
    tag = f"{registry}/{prefix}/bases:with-pip"
    for command in (["build", "--quiet", "--tag", tag, str(context)], ["push", "--quiet", tag]):
        subprocess.run(["docker", *command], check=True, capture_output=True)
    return tag


def wheel(folder: Path, name: str, version: str, code: str) -> Path:
    """A real wheel with one module."""
    info = f"{name}-{version}.dist-info"
    members = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in members.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{member},sha256={digest},{len(text.encode())}\n")
            archive.writestr(member, text)
        archive.writestr(f"{info}/RECORD", "".join(rows) + f"{info}/RECORD,,\n")
    return path


@pytest.fixture(scope="session")
def make_wheel() -> Callable[[Path, str, str, str], Path]:
    """Writes a wheel of one module into a folder, from its name, version and code."""
    return wheel


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan root with an application and the wheel it needs."""
    root = tmp_path_factory.mktemp("project")
    (root / "wheels").mkdir()
    wheel(root / "wheels", "alpha", "1.2.0", "WORD = 'alpha'\n")
    (root / "app.py").write_text("import alpha\nprint('one says', alpha.WORD)\n")
    return root


@pytest.fixture(scope="session")
def prefix(engine: DockerEngine) -> Iterator[str]:
    """A namespace for image names of this run; what bears it is removed from engine and registry afterwards."""
    prefix = f"depdoctor-tests-{uuid.uuid4().hex[:8]}"
    yield prefix
    for image in engine.client.api.images():  # a list alone: others may remove images meanwhile
        for name in (*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())):
            if f"/{prefix}/" in f"/{name}":
                with suppress(docker.errors.ImageNotFound):
                    engine.client.images.remove(name, force=True)  # also where a test that failed left a container
    if address := os.environ.get("DEPDOCTOR_TEST_REGISTRY"):
        forget(address, f"{prefix}/")


def forget(address: str, prefix: str) -> None:
    """Delete every manifest that a registry has a tag for in these repositories (the specification has no more)."""
    with requests.Session() as session:
        page = f"http://{address}/v2/_catalog?n=1000"
        repositories: list[str] = []
        while page:
            answer = session.get(page, timeout=30)
            repositories += answer.json().get("repositories") or ()
            page = urljoin(page, answer.links["next"]["url"]) if "next" in answer.links else ""
        for repository in (one for one in repositories if one.startswith(prefix)):
            place = f"http://{address}/v2/{repository}"
            for tag in session.get(f"{place}/tags/list", timeout=30).json().get("tags") or ():
                found = session.head(
                    f"{place}/manifests/{tag}", headers={"Accept": ", ".join(MANIFEST_TYPES)}, timeout=30
                )
                if digest := found.headers.get("Docker-Content-Digest"):
                    session.delete(f"{place}/manifests/{digest}", timeout=30)


@pytest.fixture(scope="session")
def bundle(prefix: str) -> Callable[[str], Bundle]:
    """Makes a bundle of two targets, `one` and `two`, from a Dockerfile; each has names of its own."""
    numbers = itertools.count()

    def make(dockerfile: str) -> Bundle:
        names = f"{prefix}/b{next(numbers)}"
        targets = {
            name: {
                "context": "${PROJECTS}",
                "dockerfile": "cwd://Dockerfile",
                "contexts": {"uv": "${UV}"},
                "secret": '${CA == "" ? [] : ["id=ca,src=${CA}"]}',
                "target": name,
                "tags": [f"{names}/{name}:${{TAG}}"],
            }
            for name in ("one", "two")
        }
        variables = {name: {"default": ""} for name in ("PROJECTS", "UV", "CA", "TAG")}
        bake = {"variable": variables, "target": targets}
        return Bundle(files={"Dockerfile": dockerfile, "docker-bake.json": json.dumps(bake)})

    return make


@pytest.fixture(scope="session")
def images(engine: DockerEngine, base: str, project: Path, bundle: Callable[[str], Bundle]) -> dict[str, str]:
    """Two images that were built, by name."""
    return dict(engine.build(bundle(DOCKERFILE.format(base=base, session=uuid.uuid4())), project, ["one", "two"]))
