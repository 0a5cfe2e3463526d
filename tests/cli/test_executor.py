"""`--executor`: workers of dask lock and make layers, each with a cache of its own; only digests come back."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path

import pytest
from registry_server import Fake, serving
from wheels import make_wheel

from depdoctor import cli
from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.build.oci import OciBuilder
from depdoctor.model.packing import Compression, Packing
from depdoctor.model.seams import NoProgress
from depdoctor.pipeline.spreading import spread_on
from depdoctor.planfile import load

NAMES = ("alpha", "beta", "gamma", "delta", "slow")


class Index:
    """An index of wheels on loopback that tells who asks for what, and may keep one file waiting."""

    def __init__(self, folder: Path) -> None:
        self.waiting, self.go_on = threading.Event(), threading.Event()
        self.slow = ""
        self.fetched: list[str] = []
        index = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                if self.path.endswith(".whl"):
                    index.fetched.append(self.path)
                    if index.slow and index.slow in self.path and not index.waiting.is_set():
                        index.waiting.set()
                        index.go_on.wait(60)
                try:
                    super().do_GET()
                except ConnectionError:
                    self.close_connection = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    folder = tmp_path / "index"
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        wheel = make_wheel(folder / name, name, files={f"{name}.py": f"NAME = {name!r}\n".encode() * 500})
        (folder / name / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    index = Index(folder)
    thread = threading.Thread(target=index.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield index
    index.go_on.set()
    index.server.shutdown()
    index.server.server_close()
    thread.join()


@pytest.fixture
def fleet(tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "fleet"
    for project, wanted in {"one": "alpha beta", "two": "alpha gamma", "three": "alpha delta slow"}.items():
        (root / project).mkdir(parents=True)
        (root / project / "requirements.txt").write_text("".join(f"{name}==1.0\n" for name in wanted.split()))
        (root / project / "app.py").write_text("print('ok')\n")
    (root / "depdoctor.toml").write_text(f'index-url = "{index.address}"\n[image]\nbase = "scratch"\n')
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    return root


@pytest.fixture
def registry() -> Iterator[Fake]:
    with serving() as fake:
        yield fake


def run(name: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-W", "ignore", "-m", "distributed.cli.dask_" + name, *arguments]
    return subprocess.Popen(
        program, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


class Cluster:
    """A scheduler and three workers as a user starts them, each process with a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        common = ["--scheduler-file", str(self.file)]
        path = os.pathsep.join(filter(None, sys.path))
        self.processes = [
            run("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show", *common)
        ]
        self.workers = {
            f"worker-{number}": run(
                "worker",
                *common,
                *("--name", f"worker-{number}", "--nthreads", "1", "--no-nanny", "--no-dashboard"),
                *("--local-directory", str(folder)),
                DEPDOCTOR_CACHE_DIR=str(folder / f"cache-{number}"),
                PYTHONPATH=path,
            )
            for number in range(3)
        }
        self.processes += self.workers.values()

    @property
    def address(self) -> str:
        return json.loads(self.file.read_text())["address"].replace("tcp://", "dask://")

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    distributed = pytest.importorskip("distributed")
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        until(lambda: running.file.exists() and running.file.stat().st_size > 0, running)
        with distributed.Client(scheduler_file=str(running.file), set_as_default=False) as client:
            client.wait_for_workers(3, timeout=120)
        yield running
    finally:
        running.close()


def until(done: Callable[[], bool], cluster: Cluster) -> None:
    end = time.monotonic() + 120
    while not done():
        dead = next((one for one in cluster.processes if one.poll() is not None), None)
        assert dead is None, dead.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)


def digests(fake: Fake, prefix: str) -> dict[str, str]:
    """The digest of what stands under the plan's tag, for each image below a prefix."""
    return {
        name.removeprefix(f"{prefix}/"): hashlib.sha256(content).hexdigest()
        for name, tags in fake.manifests.items()
        if name.startswith(f"{prefix}/") and not name.endswith("/depdoctor_layers")
        for tag, (_, content) in tags.items()
        if not tag.startswith("sha256")
    }


def test_three_workers_make_what_one_process_makes(
    fleet: Path, index: Index, registry: Fake, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.run(["plan", str(fleet), "--quiet", "--executor", cluster.address]) == 0
    plan = fleet / "depdoctor.plan.json"
    spread = plan.read_bytes()
    assert any((folder / "uv").exists() for folder in cluster.folder.glob("cache-*"))  # they asked uv, each its own
    index.fetched.clear()
    push = ["build", str(fleet), "--quiet", "--push"]
    assert cli.run([*push, f"{registry.host}/many", "--executor", cluster.address]) == 0
    layers = registry.manifests["many/depdoctor_layers"]
    assert {layer.key for node in load(plan).nodes for layer in node.layers} <= set(layers)
    assert len(index.fetched) == len(set(index.fetched)) == len(NAMES)  # each by one worker, and by nobody else

    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "alone"))
    plan.unlink()
    assert cli.run(["plan", str(fleet), "--quiet"]) == 0
    assert plan.read_bytes() == spread
    assert cli.run([*push, f"{registry.host}/one"]) == 0
    assert digests(registry, "many") == digests(registry, "one")
    assert len(digests(registry, "one")) == 3

    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "third"))
    index.fetched.clear()
    assert cli.run([*push, f"{registry.host}/many", "--executor", cluster.address]) == 0
    assert not index.fetched  # what stands in the shared repository is made by nobody again


def test_a_worker_that_is_killed_in_the_middle_stops_nothing(
    fleet: Path, index: Index, registry: Fake, cluster: Cluster, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    assert cli.run(["plan", str(fleet), "--quiet"]) == 0
    index.fetched.clear()
    index.slow = "slow-1.0"
    killed: list[str] = []

    def kill() -> None:
        assert index.waiting.wait(120)
        with distributed.Client(scheduler_file=str(cluster.file), set_as_default=False) as client:
            names = {address: one["name"] for address, one in client.scheduler_info(n_workers=-1)["workers"].items()}
            while len(busy := [address for address, tasks in client.processing().items() if tasks]) != 1:
                time.sleep(0.05)
            killed.append(names[busy[0]])
            cluster.workers[names[busy[0]]].kill()

    killing = threading.Thread(target=kill)
    killing.start()
    push = ["build", str(fleet), "--quiet", "--push"]
    assert cli.run([*push, f"{registry.host}/many", "--executor", cluster.address]) == 0
    killing.join(120)
    assert len(killed) == 1
    assert sum("slow-1.0" in path for path in index.fetched) == 2
    index.slow = ""
    assert cli.run([*push, f"{registry.host}/one"]) == 0
    assert digests(registry, "many") == digests(registry, "one")
    assert len(digests(registry, "one")) == 3


def threads() -> Executor:
    return ThreadPoolExecutor(3)


def processes() -> Executor:
    return ProcessPoolExecutor(2, get_context("spawn"))


@pytest.mark.parametrize(("kind", "compression"), [(threads, "copy"), (threads, "zstd"), (processes, "copy")])
def test_any_executor_makes_the_same_layouts(
    kind: Callable[[], Executor], compression: str, fleet: Path, registry: Fake, tmp_path: Path
) -> None:
    assert cli.run(["plan", str(fleet), "--quiet"]) == 0
    alone = str(tmp_path / "alone")
    assert cli.run(["build", str(fleet), "--quiet", "--compression", compression, "--output", alone]) == 0
    plan = load(fleet / "depdoctor.plan.json")
    packing = Packing(compression=Compression(compression))
    images = tuple(replace(image, packing=packing) for image in plan.images)
    with ExitStack() as stack:
        executor = stack.enter_context(kind())
        store = BlobStore(tmp_path / "store")
        builder = OciBuilder(
            store=store,
            fetcher=WheelFetcher(store, offline=True),
            registry=OciRegistry(),
            root=fleet,
            output=tmp_path / "spread",
            spread=spread_on(executor, (), offline=False),
            repository=f"{registry.host}/shared/depdoctor_layers",
        )
        made = builder.build(replace(plan, images=images), images, NoProgress())
    for one in made:
        alone = json.loads((tmp_path / "alone" / one.name / "index.json").read_bytes())["manifests"][0]["digest"]
        assert one.manifest.digest == alone


@pytest.mark.parametrize(
    ("address", "said"),
    [("dask://", "no address"), ("http://localhost:1", "no address"), ("dask://a b:1", "no address")],
)
def test_what_is_no_address_is_refused(
    address: str, said: str, fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["plan", str(fleet), "--quiet", "--executor", address]) == 2
    assert said in capsys.readouterr().err


def test_workers_need_a_registry_to_share(fleet: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.run(["plan", str(fleet), "--quiet"]) == 0
    command = ["build", str(fleet), "--output", str(tmp_path / "images"), "--executor", "dask://127.0.0.1:1"]
    assert cli.run(command) == 2
    assert "registry" in capsys.readouterr().err
