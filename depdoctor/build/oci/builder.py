"""Makes the images of a plan straight from its wheels: no daemon, no root, no Dockerfile, no base unpacked."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path, PurePosixPath

from depdoctor.build.oci.base import BaseImage, look_at
from depdoctor.build.oci.code import write_code
from depdoctor.build.oci.environment import owned, write_environment
from depdoctor.build.oci.image import Step, config, manifest
from depdoctor.build.oci.layer import WheelFile, clash, make_layer
from depdoctor.build.oci.layout import write_layout
from depdoctor.build.oci.stream import LayerStream
from depdoctor.build.oci.tar import MTIME
from depdoctor.errors import BuildError, DepdoctorError
from depdoctor.model.distribution import Pin
from depdoctor.model.image import Blob, BuiltImage
from depdoctor.model.label import labels
from depdoctor.model.plan import Base, Image, Layer, Plan
from depdoctor.model.seams import Fetcher, Progress, Registry, Store
from depdoctor.model.target import Environment

LARGE_BYTES = 24 << 20
"""Wheels of fewer bytes than this are done before a second process would have started."""


WRITERS = 4
"""Images that are put together at the same time: most of that is waiting for the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A layer that is to be made. Everything in it can be sent to another process."""

    key: str
    title: str
    python: str
    wheels: tuple[WheelFile, ...]
    size_bytes: int
    store: Store


class OciBuilder:
    """Matches `seams.Builder`. `root` is the folder that was scanned, `output` where layouts go (None: nowhere)."""

    name = "oci"

    def __init__(
        self,
        *,
        store: Store,
        fetcher: Fetcher,
        registry: Registry,
        root: Path,
        output: Path | None = None,
        workers: int | None = None,
    ) -> None:
        self._store = store
        self._fetcher = fetcher
        self._registry = registry
        self._root = root.resolve()
        self._output = output
        self._workers = workers or (os.cpu_count() or 1) + 1  # one of them waits for the disk

    def build(self, plan: Plan, images: Sequence[Image], progress: Progress) -> tuple[BuiltImage, ...]:
        """Build these images of the plan. Raises `BuildError`, naming the image, `FetchError`, `RegistryError`."""
        layers = self._layers(plan, images, progress)
        self._check_owners(plan, images)
        bases: dict[tuple[Base, Environment], BaseImage] = {}
        for image in images:
            with _naming(image):
                if (image.base, image.environment) not in bases:
                    base = look_at(image.base, image.environment, self._registry, self._store)
                    bases[image.base, image.environment] = base
                    if self._output:
                        self._bring(base, progress)

        def finish(image: Image) -> BuiltImage:
            with _naming(image):
                return self._image(plan, image, bases[image.base, image.environment], layers)

        with ThreadPoolExecutor(WRITERS) as pool:
            return tuple(pool.map(finish, images))

    def _layers(self, plan: Plan, images: Sequence[Image], progress: Progress) -> Mapping[str, Blob]:
        """The blob of each layer by its key; those not in the store yet are made."""
        wanted = {layer.key: (layer, image) for image in reversed(images) for layer in plan.layers(image)}
        blobs: dict[str, Blob] = {}
        missing: list[tuple[Layer, Image]] = []
        for key, (layer, image) in wanted.items():
            blob = _recalled(self._store, key)
            if blob:
                blobs[key] = blob
            else:
                missing.append((layer, image))
        if not missing:
            return blobs
        pins = plan.by_hash()
        files = {sha256: _wheel(pins[sha256], image).file for layer, image in missing for sha256 in layer.wheels}
        paths = self._fetcher.fetch([file for file in files.values() if file], progress)
        jobs = [self._job(layer, image, pins, paths) for layer, image in missing]
        task = "Making layers"
        progress.start(task, sum(job.size_bytes for job in jobs), "B")
        for job, blob in self._run(jobs):
            blobs[job.key] = blob
            progress.advance(task, job.size_bytes)
        progress.finish(task)
        return blobs

    def _job(self, layer: Layer, image: Image, pins: Mapping[str, Pin], paths: Mapping[str, Path]) -> Job:
        wheels = tuple(
            WheelFile(path=paths[sha256], filename=file.filename)
            for sha256 in layer.wheels
            if (file := pins[sha256].file)
        )
        return Job(
            key=layer.key,
            title=_title(layer, pins),
            python=image.environment.python,
            wheels=wheels,
            size_bytes=sum(wheel.path.stat().st_size for wheel in wheels),
            store=self._store,
        )

    def _run(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Blob]]:
        """Do the jobs, the largest first, in as many processes as it pays to start."""
        ordered = sorted(jobs, key=lambda job: (-job.size_bytes, job.key))
        beside = sum(job.size_bytes for job in ordered[1:])
        workers = min(self._workers, len(jobs)) if beside > LARGE_BYTES else 1
        if workers == 1:
            yield from ((job, make(job)) for job in ordered)
            return
        with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_end_with_parent) as pool:
            try:
                futures = {pool.submit(make, job): job for job in ordered}
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except BaseException:
                for child in active_children():
                    child.terminate()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _check_owners(self, plan: Plan, images: Sequence[Image]) -> None:
        """Refuse two wheels that own one path of an image with different content."""
        pins = plan.by_hash()
        for image in images:
            layers = plan.layers(image)
            key = "no clash 2 " + hashlib.sha256(" ".join(sorted(layer.key for layer in layers)).encode()).hexdigest()
            if self._store.recall(key):
                continue
            signs: dict[str, str] = dict.fromkeys(owned(image.environment.python), "")
            owners: dict[str, str] = dict.fromkeys(signs, "the environment")
            for layer in layers:
                title = _title(layer, pins)
                for path, sign in _owned(self._store, layer.key).items():
                    if signs.setdefault(path, sign) != sign:
                        with _naming(image):
                            raise clash(path, owners[path], title)
                    owners.setdefault(path, title)
            for file in owners.keys() & {folder for path in owners for folder in _above(path)}:
                with _naming(image):
                    raise clash(file, owners[file], next(owners[one] for one in owners if one.startswith(f"{file}/")))
            self._store.remember(key, "1")

    def _image(self, plan: Plan, image: Image, base: BaseImage, layers: Mapping[str, Blob]) -> BuiltImage:
        python = image.environment.python
        pins = plan.by_hash()
        steps = [Step(blob=self._environment(base.interpreter, python), title=f"virtual environment, Python {python}")]
        steps += [Step(blob=layers[layer.key], title=_title(layer, pins)) for layer in plan.layers(image)]
        steps.append(Step(blob=self._code(plan, image), title=f"code of {image.project}"))
        configuration, text = config(image, base, steps, labels(plan, image), _created())
        blobs = (*base.layers, *(step.blob for step in steps))
        made, content = manifest(configuration, blobs)
        self._store.add(configuration.digest, [text])
        self._store.add(made.digest, [content])
        layout = None
        if self._output:
            layout = write_layout(self._output / image.name, made, (configuration, *blobs), self._store)
        return BuiltImage(
            name=image.name,
            manifest=made,
            config=configuration,
            layers=blobs,
            base_layers=len(base.layers),
            base_reference=base.repository,
            layout=layout,
        )

    def _environment(self, interpreter: str, python: str) -> Blob:
        return self._kept(lambda stream: write_environment(stream, interpreter, python))

    def _code(self, plan: Plan, image: Image) -> Blob:
        folder = PurePosixPath(image.code)
        others = {PurePosixPath(other.code) for other in plan.images} - {folder}
        inside = [other.relative_to(folder).as_posix() for other in others if other.is_relative_to(folder)]
        project = self._root / image.code
        output = self._output.resolve() if self._output else None
        if output and output != project.resolve() and output.is_relative_to(project.resolve()):
            inside.append(output.relative_to(project.resolve()).as_posix())
        return self._kept(lambda stream: write_code(stream, project, sorted(inside)))

    def _kept(self, write: Callable[[LayerStream], None]) -> Blob:
        """A small layer, written to the store unless it is there."""
        with self._store.draft() as draft:
            stream = LayerStream(draft)
            write(stream)
            blob = stream.close()
            if not self._store.has(blob.digest):
                self._store.keep(draft, blob.digest)
            return blob

    def _bring(self, base: BaseImage, progress: Progress) -> None:
        """Copy the blobs of a base to the store, as a layout on disk has to be whole."""
        task = f"Fetching {base.repository}"
        missing = [blob for blob in base.layers if not self._store.has(blob.digest)]
        if not missing:
            return
        progress.start(task, sum(blob.size_bytes for blob in missing), "B")
        for blob in missing:
            self._store.add(blob.digest, _counted(self._registry.blob(base.repository, blob.digest), task, progress))
        progress.finish(task)


def make(job: Job) -> Blob:
    """Make one layer, in this process or another, and note what it is."""
    with job.store.draft() as draft:
        made = make_layer(job.wheels, job.python, draft)
        if not job.store.has(made.blob.digest):
            job.store.keep(draft, made.blob.digest)
    job.store.remember(_note_key(job.key), f"{json.dumps(asdict(made.blob))}\n{json.dumps(made.owned)}")
    return made.blob


def _end_with_parent() -> None:
    """Let this process clean up and end when it is interrupted, and end when its parent is gone, whatever killed it."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda number, _: sys.exit(128 + number))
    parent = parent_process()
    if parent:
        sentinel = parent.sentinel
        threading.Thread(target=lambda: (wait([sentinel]), os._exit(1)), daemon=True).start()


def _counted(chunks: Iterator[bytes], task: str, progress: Progress) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        progress.advance(task, len(chunk))


def _note_key(key: str) -> str:
    """The key of a note on a layer: its blob on the first line, the paths that it owns on the second."""
    return f"layer {key}"


def _owned(store: Store, key: str) -> dict[str, str]:
    """A short hash of the content of each path that a layer owns."""
    owned: dict[str, str] = json.loads((store.recall(_note_key(key)) or "\n{}").partition("\n")[2])
    return owned


def _recalled(store: Store, key: str) -> Blob | None:
    """The blob that a layer was made to before, if it is still there."""
    note = store.recall(_note_key(key))
    if not note:
        return None
    blob = Blob(**json.loads(note.partition("\n")[0]))
    return blob if store.has(blob.digest) else None


def _wheel(pin: Pin, image: Image) -> Pin:
    if pin.file is None or not pin.file.is_wheel:
        raise BuildError(
            f"{pin} has no wheel to make a layer of",
            where=f"image {image.name}",
            hint="Build with `--builder docker`, which compiles it in the image's own environment",
        )
    return pin


def _above(path: str) -> Iterator[str]:
    """The folders above a path, innermost first."""
    while path := path.rpartition("/")[0]:
        yield path


def _title(layer: Layer, pins: Mapping[str, Pin]) -> str:
    return ", ".join(sorted(str(pins[sha256]) for sha256 in layer.wheels))


def _created() -> datetime:
    """The moment that images say they were made: SOURCE_DATE_EPOCH (seconds), else that of their files."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(given) if given.isdigit() else MTIME, UTC)


@contextmanager
def _naming(image: Image) -> Iterator[None]:
    """Let an error say which image it stops."""
    try:
        yield
    except DepdoctorError as error:
        error.where = "\n".join(filter(None, (f"image {image.name}", error.where)))
        raise
