"""A source distribution in C, from a private index with its own authority, on packages of Debian as of one moment."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import shutil
import ssl
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from depdoctor import cli
from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.registry import OciRegistry

PASSWORD = "correct-horse-battery"

BACKEND = '''
"""A build backend in the source tree: it needs a compiler, the headers of Python, and nothing of any index."""
import base64, hashlib, os, subprocess, sysconfig, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    tag = f"cp{sysconfig.get_config_var('py_version_nodot')}"
    library = "native" + sysconfig.get_config_var("EXT_SUFFIX")
    include = sysconfig.get_paths()["include"]
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{include}", "native.c", "-o", library], check=True)
    name = f"native-1.0-{tag}-{tag}-linux_x86_64.whl"
    files = {
        library: open(library, "rb").read(),
        "native-1.0.dist-info/METADATA": open("PKG-INFO", "rb").read(),
        "native-1.0.dist-info/WHEEL": (
            f"Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: false\\nTag: {tag}-{tag}-linux_x86_64\\n"
        ).encode(),
    }
    rows = ""
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            rows += f"{path},sha256={digest},{len(content)}\\n"
        wheel.writestr("native-1.0.dist-info/RECORD", rows + "native-1.0.dist-info/RECORD,,\\n")
    return name
'''

SOURCE = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", "", -1, methods};
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }
"""


def sdist(folder: Path) -> Path:
    files = {
        "PKG-INFO": "Metadata-Version: 2.2\nName: native\nVersion: 1.0\nRequires-Python: >=3.8\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "native"\nversion = "1.0"\nrequires-python = ">=3.8"\ndependencies = []\n',
        "backend.py": BACKEND,
        "native.c": SOURCE,
    }
    path = folder / "native-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"native-1.0/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def index(
    engine: DockerEngine,
    make_wheel: Callable[[Path, str, str, str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """Its address as builds and this machine see it; only who trusts its authority and has an account gets anything."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    gateway = engine.client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
    authority, key, certificate = tmp_path / "corp.pem", tmp_path / "key.pem", tmp_path / "server.pem"
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    own = ["-subj", "/CN=authority", "-keyout", str(tmp_path / "corp.key"), "-out", str(authority)]
    subprocess.run([*new, *own], check=True, capture_output=True)
    signed = ["-CA", str(authority), "-CAkey", str(tmp_path / "corp.key"), "-subj", "/CN=private"]
    signed += ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", f"subjectAltName=IP:{gateway}"]
    subprocess.run([*new, *signed, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    folder = tmp_path / "index"
    for name, make in {"native": sdist, "pure": lambda into: make_wheel(into, "pure", "2.0", "")}.items():
        (folder / name).mkdir(parents=True)
        path = make(folder / name)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        (folder / name / "index.html").write_text(f'<a href="{path.name}#sha256={sha256}">{path.name}</a>')
    account = "Basic " + base64.b64encode(f"team:{PASSWORD}".encode()).decode()

    class Private(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            if self.headers.get("Authorization") == account:
                super().do_GET()
                return
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Length", "0")
            self.end_headers()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer((gateway, 0), partial(Private, directory=str(tmp_path / "index"))) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        monkeypatch.setenv("UV_INDEX_CORP_USERNAME", "team")
        monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", PASSWORD)
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"corp=https://{gateway}:{server.server_port}")
        monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
        yield f"https://{gateway}:{server.server_port}"
        server.shutdown()


def debian(engine: DockerEngine, base: str) -> str:
    """The address from which the base itself has its packages: an archive like any other."""
    sources = engine.run(base, ["sh", "-c", "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true"])
    address, suite = next(line.split()[-3:-1] for line in sources.splitlines() if line.startswith("deb "))
    asking = f"from urllib.request import urlopen; urlopen('{address}/dists/{suite}/InRelease', timeout=20)"
    if subprocess.run(
        ["docker", "run", "--rm", base, "python3", "-c", asking], capture_output=True, check=False
    ).returncode:
        pytest.skip("containers do not reach the archive of the base")
    return address.removesuffix("/").removesuffix("debian") + "{archive}"


def test_sources_are_compiled_apart_and_secrets_stay_out(
    engine: DockerEngine,
    base: str,
    registry: str,
    prefix: str,
    index: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "fleet"
    (root / "scorer").mkdir(parents=True)
    (root / "scorer" / "requirements.txt").write_text("native==1.0\n")
    (root / "scorer" / "app.py").write_text("import native, shutil\nprint(native.answer(), shutil.which('cc'))\n")
    shutil.copy(tmp_path / "corp.pem", root / "corp.pem")
    (root / "depdoctor.toml").write_text(
        f'[image]\nbase = "{base}"\nca-bundle = "corp.pem"\ndebian-snapshot = "{debian(engine, base)}"\n'
        '[[project]]\npath = "scorer"\ncommand = ["python", "app.py"]\nsystem-packages = ["libgomp1"]\n'
    )
    destination = f"{registry}/{prefix}/compiled"
    assert cli.run(["plan", str(root)]) == 0
    capfd.readouterr()
    assert cli.run(["build", str(root), "--push", destination, "--format", "json"]) == 0
    said = capfd.readouterr()
    assert "scorer is built with docker, since it has source distributions to build: native==1.0" in said.err
    (image,) = json.loads(said.out)["images"]
    reference = f"{destination}/scorer@{image['digest']}"
    assert engine.run(image["reference"]) == "42 None\n"
    client = OciRegistry()
    manifest = json.loads(client.manifest(reference)[1])
    authority = (tmp_path / "corp.pem").read_text().splitlines()[2].encode()
    config = b"".join(client.blob(f"{destination}/scorer", manifest["config"]["digest"]))
    assert PASSWORD.encode() not in config
    assert authority not in config
    for layer in manifest["layers"]:
        content = gzip.decompress(b"".join(client.blob(f"{destination}/scorer", layer["digest"])))
        assert PASSWORD.encode() not in content
        assert authority not in content
    about = json.loads(client.manifest(f"{destination}/scorer:{image['digest'].replace(':', '-')}")[1])
    assert {one["artifactType"] for one in about["manifests"]} >= {"application/vnd.cyclonedx+json"}


@pytest.fixture
def devel(engine: DockerEngine, base_with_pip: str, registry: str, prefix: str, tmp_path: Path) -> str:
    """The base with pip and a compiler: what somebody else's devel image is."""
    debian(engine, base_with_pip)
    context = tmp_path / "devel"
    context.mkdir()
    (context / "Dockerfile").write_text(
        f"FROM {base_with_pip}\n"
        "RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev python3-dev\n"
    )
    tag = f"{registry}/{prefix}/bases:devel"
    for command in (["build", "--quiet", "--tag", tag, str(context)], ["push", "--quiet", tag]):
        subprocess.run(["docker", *command], check=True, capture_output=True)
    return tag


@pytest.mark.parametrize("compiled", [False, True])
def test_pip_installs_and_another_image_compiles(  # noqa: PLR0917 - fixtures
    engine: DockerEngine,
    base_with_pip: str,
    devel: str,
    registry: str,
    prefix: str,
    index: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    compiled: bool,
) -> None:
    root = tmp_path / "fleet"
    (root / "scorer").mkdir(parents=True)
    (root / "scorer" / "requirements.txt").write_text("native==1.0\npure==2.0\n")
    program = """\
import glob, native, pure, shutil
from importlib.metadata import distribution, version
cached = glob.glob("/venv/**/pure.*.pyc", recursive=True)
flags = {open(path, "rb").read(8)[4] for path in cached}
installer = distribution("native").read_text("INSTALLER").strip()
print(native.answer(), version("pure"), installer, shutil.which("cc"), sorted(flags))
"""
    (root / "scorer" / "app.py").write_text(program)
    shutil.copy(tmp_path / "corp.pem", root / "corp.pem")
    (root / "depdoctor.toml").write_text(
        f'[image]\nbase = "{base_with_pip}"\nca-bundle = "corp.pem"\ninstaller = "pip"\nbuilder = "{devel}"\n'
        f"build-packages = []\ncompile = {str(compiled).lower()}\n"
        '[[project]]\npath = "scorer"\ncommand = ["python", "app.py"]\n'
    )
    destination = f"{registry}/{prefix}/pip{compiled:d}"
    assert cli.run(["plan", str(root)]) == 0
    capfd.readouterr()
    assert cli.run(["build", str(root), "--push", destination, "--format", "json"]) == 0
    (image,) = json.loads(capfd.readouterr().out)["images"]
    unchecked_hash = 1  # PEP 552
    assert engine.run(image["reference"]) == f"42 2.0 pip None {[unchecked_hash] if compiled else []}\n"
