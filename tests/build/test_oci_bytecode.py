"""Byte-code in layers: made by an interpreter of the image's version, true, and the same every time."""

import csv
import io
import marshal
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

import pytest
from wheels import make_wheel

from depdoctor.adapters.compiler import ByteCompiler, compiler
from depdoctor.adapters.store import BlobStore
from depdoctor.build.oci.bytecode import ByteCode
from depdoctor.build.oci.layer import MadeLayer, WheelFile, make_layer
from depdoctor.errors import BuildError

HERE = "{}.{}".format(*sys.version_info)
SITE = f"venv/lib/python{HERE}/site-packages"
TAG = sys.implementation.cache_tag
SOURCE = b"import os\n\n\ndef answer(x=('a', frozenset({'b', 'c'}))):\n    raise RuntimeError(os.name, x)\n"
FILES = {
    "demo/__init__.py": SOURCE,
    "demo/broken.py": b"def (:\n",
    "demo/evil.py": b"open('/tmp/depdoctor-was-here', 'w').write('run')\nraise SystemExit(1)\n",
    "demo/nested.py": b"x = " + b"(" * 50_000 + b")" * 50_000 + b"\n",
    "demo/old.py": b"y = 2\n",
    f"demo/__pycache__/old.{TAG}.pyc": b"shipped",
    "demo/data.txt": b"text",
    "demo-1.0.data/purelib/pure.py": b"pure = 1\n",
    "demo-1.0.data/scripts/run.py": b"#!python\nimport demo\n",
    "demo-1.0.data/data/share/hook.py": b"z = 3\n",
}


@dataclass(frozen=True)
class Counted:
    """A compiler that notes what it was asked."""

    of: ByteCompiler
    asked: list[str] = field(default_factory=list)

    def compile(self, sources: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
        def noted() -> Iterator[tuple[str, bytes]]:
            for path, source in sources:
                self.asked.append(path)
                yield path, source

        return self.of.compile(noted())


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path, files=FILES)


def made(wheel: Path, store: BlobStore, by: Counted | ByteCompiler, sha256: str = "0" * 64) -> tuple[MadeLayer, bytes]:
    out = io.BytesIO()
    file = WheelFile(path=wheel, filename=wheel.name, sha256=sha256)
    return make_layer([file], HERE, out, bytecode=ByteCode(compiler=by, store=store)), out.getvalue()


def files_of(layer: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive.getmembers() if one.isfile()}


def test_modules_are_compiled_and_nothing_is_run(wheel: Path, store: BlobStore) -> None:
    files = files_of(made(wheel, store, compiler(HERE))[1])
    path = f"{SITE}/demo/__pycache__/__init__.{TAG}.pyc"
    assert files[path][:16] == MAGIC_NUMBER + b"\x01\x00\x00\x00" + source_hash(SOURCE)
    assert marshal.loads(files[path][16:]).co_filename == f"/{SITE}/demo/__init__.py"
    assert sorted(name for name in files if name.endswith(".pyc")) == [
        f"{SITE}/__pycache__/pure.{TAG}.pyc",
        path,
        f"{SITE}/demo/__pycache__/evil.{TAG}.pyc",
        f"{SITE}/demo/__pycache__/old.{TAG}.pyc",
    ]
    assert files[f"{SITE}/demo/__pycache__/old.{TAG}.pyc"] == b"shipped"
    assert not Path("/tmp/depdoctor-was-here").exists()


def test_record_names_the_byte_code(wheel: Path, store: BlobStore) -> None:
    files = files_of(made(wheel, store, compiler(HERE))[1])
    rows = list(csv.reader(io.StringIO(files[f"{SITE}/demo-1.0.dist-info/RECORD"].decode())))
    inside = {f"{SITE}/{path}" for path, *_ in rows if not path.startswith("../")}
    assert inside == {name for name in files if name.startswith(SITE)}
    assert [f"demo/__pycache__/__init__.{TAG}.pyc", "", ""] in rows


def test_python_takes_it_without_a_look_at_the_source(wheel: Path, store: BlobStore, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(made(wheel, store, compiler(HERE))[1])) as archive:
        archive.extractall(tmp_path / "image", filter="data")
    site = tmp_path / "image" / SITE
    (site / "demo" / "__init__.py").write_text("raise RuntimeError('compiled again')")
    program = "import demo; print(demo.answer.__code__.co_filename); print(demo.__cached__)"
    done = subprocess.run([sys.executable, "-B", "-c", program], cwd=site, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        str(site / "demo" / "__init__.py"),
        str(site / "demo" / "__pycache__" / f"__init__.{TAG}.pyc"),
    ]


def test_a_wheel_is_compiled_once(wheel: Path, store: BlobStore) -> None:
    by = Counted(compiler(HERE))
    first, again = (made(wheel, store, by) for _ in range(2))
    assert first == again
    assert by.asked.count(f"/{SITE}/demo/__init__.py") == 1
    made(wheel, store, by, "1" * 64)
    assert by.asked.count(f"/{SITE}/demo/__init__.py") == 2


def test_a_wheel_without_modules_is_left_as_it_is(store: BlobStore, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"demo/data.txt": b"text"})
    plain = io.BytesIO()
    make_layer([WheelFile(path=wheel, filename=wheel.name)], HERE, plain)
    by = Counted(compiler(HERE))
    assert made(wheel, store, by)[1] == made(wheel, store, by)[1] == plain.getvalue()


def test_what_a_process_has_seen_changes_nothing() -> None:
    by = compiler(HERE)
    other = b"def other(os, answer, name, x, a, b, c): return RuntimeError\n" + b"names = ['answer', 'x', 'os']\n"
    alone = list(by.compile([("/a.py", SOURCE)]))
    assert [*by.compile([("/b.py", other), ("/a.py", SOURCE), ("/a.py", SOURCE)])][1:] == alone * 2


def test_an_interpreter_that_dies_takes_only_its_file_along(tmp_path: Path) -> None:
    fake = tmp_path / "python"
    ending = 'source == b"die" and __import__("os")._exit(9); code = compile('
    fake.write_text(f"#!{sys.executable}\nimport sys\nexec(sys.argv[-1].replace('code = compile(', {ending!r}, 1))\n")
    fake.chmod(0o755)
    sources = [("/a.py", b"a = 1\n"), ("/b.py", b"die"), ("/c.py", b"c = 1\n")]
    first, second, third = ByteCompiler(interpreter=str(fake)).compile(sources)
    assert first
    assert not second
    assert third


def test_no_interpreter_is_said() -> None:
    with pytest.raises(BuildError, match=r"no Python 3\.99 on this machine") as caught:
        compiler("3.99")
    assert "uv python install 3.99" in caught.value.hint
