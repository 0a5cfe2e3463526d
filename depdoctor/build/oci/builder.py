"""Makes the images of a plan straight from its wheels: no daemon, no root, no Dockerfile, no base unpacked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from depdoctor.build.oci.base import BaseImage, look_at
from depdoctor.build.oci.code import write_code, write_file, write_site_files
from depdoctor.build.oci.environment import write_environment
from depdoctor.build.oci.image import Step, config, manifest
from depdoctor.build.oci.layout import write_layout
from depdoctor.build.oci.owners import check_owners, made_keys, naming, recalled, title_of
from depdoctor.build.oci.recompressed import layer_stream
from depdoctor.build.oci.stream import LayerStream
from depdoctor.build.oci.tar import MTIME
from depdoctor.errors import BuildError
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.image import APP_ROOT, Blob, BuiltImage
from depdoctor.model.label import NO_SOURCE, Source, labels
from depdoctor.model.local_package import LocalPackage
from depdoctor.model.plan import Base, Image, Layer, Plan
from depdoctor.model.seams import Compiler, Fetcher, Progress, Registry, Store, WheelMaker
from depdoctor.model.target import Environment
from depdoctor.model.weights import Keep, layered

if TYPE_CHECKING:
    from depdoctor.build.oci.layer import WheelFile
    from depdoctor.build.oci.making import Job
    from depdoctor.build.oci.spread import Spread

WRITERS = 4
"""Images that are put together at the same time: most of that is waiting for the disk."""


class OciBuilder:
    """Matches `seams.Builder`. `root` is the folder that was scanned, `output` where layouts go (None: nowhere).

    `compiler` finds what makes byte-code for a Python minor version, `source` tells what git knows of a project.
    `cores` may be kept busy. `wheels` makes them of source distributions; without it these are refused.
    `spread` has layers made on other machines, which leave them in `repository`; those of files of this machine alone,
    and those with byte-code, are made here. `made` is told of each layer that was, with the first image that holds it.
    """

    name = "oci"

    def __init__(  # noqa: PLR0913 - what it works with, by name
        self,
        *,
        store: Store,
        fetcher: Fetcher,
        registry: Registry,
        root: Path,
        compiler: Callable[[str], Compiler] | None = None,
        wheels: WheelMaker | None = None,
        source: Callable[[Image], Source] = lambda _: NO_SOURCE,
        output: Path | None = None,
        cores: int = 1,
        spread: Spread | None = None,
        repository: str = "",
        made: Callable[[str, Blob], None] = lambda *_: None,
    ) -> None:
        self._store = store
        self._fetcher = fetcher
        self._registry = registry
        self._compiler = compiler
        self._wheels = wheels
        self._source = source
        self._root = root.resolve()
        self._output = output
        self._spread = spread
        self._repository = repository
        self._made = made
        self._cores = cores

    def build(self, plan: Plan, images: Sequence[Image], progress: Progress) -> tuple[BuiltImage, ...]:
        """Build these images of the plan. Raises `BuildError`, naming the image, `FetchError`, `RegistryError`."""
        with ThreadPoolExecutor(1) as beside:
            looking = beside.submit(self._look_at_bases, images, progress)  # while other processes make layers
            try:
                layers = self._layers(plan, images, progress)
                check_owners(plan, images, self._store)
                bases = looking.result()
            except BaseException:
                beside.shutdown(wait=False, cancel_futures=True)
                self._registry.stop()
                raise

        def finish(image: Image) -> BuiltImage:
            with naming(image):
                return self._image(plan, image, bases[image.base, image.environment], layers)

        with ThreadPoolExecutor(WRITERS) as pool:
            return tuple(pool.map(finish, images))

    def _look_at_bases(
        self, images: Sequence[Image], progress: Progress
    ) -> Mapping[tuple[Base, Environment], BaseImage]:
        bases: dict[tuple[Base, Environment], BaseImage] = {}
        for image in images:
            with naming(image):
                if (image.base, image.environment) not in bases:
                    base = look_at(image.base, image.environment, self._registry, self._store)
                    bases[image.base, image.environment] = base
                    if self._output:
                        self._bring(base, progress)
        return bases

    def _layers(self, plan: Plan, images: Sequence[Image], progress: Progress) -> Mapping[str, Blob]:
        """The blob of each piece of a layer by its key; those not in the store yet are made."""
        wanted = {
            piece: (layer, number, image)
            for image in reversed(images)
            for layer in plan.layers(image)
            for number, piece in enumerate(made_keys(layer, image.packing), 1)
        }
        blobs: dict[str, Blob] = {}
        missing: list[tuple[Layer, int, Image]] = []
        for key, one in wanted.items():
            blob = recalled(self._store, key)
            if blob:
                blobs[key] = blob
            else:
                missing.append(one)
        if self._spread:
            missing = self._made_elsewhere(plan, missing, blobs, self._spread, progress)
        if not missing:
            return blobs
        from depdoctor.build.oci.making import run

        pins = plan.by_hash()
        files = {sha256: self._file(pins[sha256], image) for layer, _, image in missing for sha256 in layer.wheels}
        paths = self._fetcher.fetch([file for file in files.values() if not file.is_repository], progress)
        wheels = self._made_wheels(missing, pins, paths, progress)
        compilers = {
            python: self._compilers(python)
            for python in sorted({image.environment.python for _, _, image in missing if image.packing.compiled})
        }
        jobs = [self._job(layer, number, image, pins, wheels, compilers) for layer, number, image in missing]
        task = "Making layers"
        progress.start(task, sum(job.size_bytes for job in jobs), "B")
        for job, blob in run(jobs, self._cores):
            blobs[job.key] = blob
            self._made(wanted[job.key][2].name, blob)
            progress.advance(task, job.size_bytes)
        progress.finish(task)
        return blobs

    def _made_elsewhere(
        self,
        plan: Plan,
        missing: Sequence[tuple[Layer, int, Image]],
        blobs: dict[str, Blob],
        spread: Spread,
        progress: Progress,
    ) -> list[tuple[Layer, int, Image]]:
        """Have layers made by others; those that remain, since this machine alone has the files or the Python."""
        from depdoctor.build.oci.spread import Order, carried, take

        pins = plan.by_hash()
        orders: list[Order] = []
        here = []
        for layer, number, image in missing:
            files = tuple(self._file(pins[sha256], image) for sha256 in layer.wheels)
            if (
                image.packing.compiled
                or image.packing.last_wins
                or not all(carried(file) and file.is_wheel for file in files)
            ):
                here.append((layer, number, image))
                continue
            orders.append(
                Order(
                    key=made_keys(layer, image.packing)[number - 1],
                    title=title_of(layer, pins, number),
                    python=image.environment.python,
                    files=files,
                    part=(number, layer.parts),
                    compression=image.packing.compression,
                    repository=self._repository,
                )
            )
        task = "Having layers made"
        progress.start(task, len(orders))
        for order, digest in spread(orders):
            blob = take(order, digest, self._store, self._registry)
            if self._output:
                self._store.add(blob.digest, self._registry.blob(self._repository, blob.digest))
            blobs[order.key] = blob
            progress.advance(task)
        progress.finish(task)
        return here

    def _file(self, pin: Pin, image: Image) -> DistributionFile:
        """The file of a pin that a layer can be made of. Raises `BuildError` if it has none."""
        if pin.file is None or not (pin.file.is_wheel or self._wheels):
            raise BuildError(
                f"{pin} has no wheel to make a layer of",
                where=f"image {image.name}",
                hint="Build with `--builder docker`, which compiles it in the image's own environment, or with "
                "`--build-sdists`, which builds it here",
            )
        return pin.file

    def _made_wheels(
        self,
        missing: Sequence[tuple[Layer, int, Image]],
        pins: Mapping[str, Pin],
        paths: Mapping[str, Path],
        progress: Progress,
    ) -> Mapping[tuple[str, Environment], WheelFile]:
        """The wheel of each file for each environment: itself, or what its source distribution is built to."""
        from depdoctor.build.oci.attach import metadata_of_file
        from depdoctor.build.oci.layer import WheelFile

        found: dict[tuple[str, Environment], WheelFile] = {}
        for layer, _, image in missing:
            for sha256 in layer.wheels:
                pin, key = pins[sha256], (sha256, image.environment)
                if key in found or pin.file is None:
                    continue
                file, path = pin.file, paths.get(sha256)
                if not file.is_wheel and self._wheels:
                    with naming(image):
                        file = self._wheels.wheel(pin, path, image.environment, progress)
                    path = self._store.path(f"sha256:{file.sha256}")
                    self._store.remember(f"metadata {sha256}", metadata_of_file(file, path))
                if path is not None:
                    found[key] = WheelFile(path=path, filename=file.filename, sha256=file.sha256)
        return found

    def _compilers(self, python: str) -> Compiler:
        if self._compiler is None:
            raise BuildError(f"nothing is at hand to compile byte-code for Python {python} with")
        return self._compiler(python)

    def _job(
        self,
        layer: Layer,
        number: int,
        image: Image,
        pins: Mapping[str, Pin],
        wheels: Mapping[tuple[str, Environment], WheelFile],
        compilers: Mapping[str, Compiler],
    ) -> Job:
        from depdoctor.build.oci.making import Job

        held = tuple(wheels[sha256, image.environment] for sha256 in layer.wheels)
        return Job(
            key=made_keys(layer, image.packing)[number - 1],
            title=title_of(layer, pins, number),
            python=image.environment.python,
            wheels=held,
            size_bytes=sum(wheel.path.stat().st_size for wheel in held) // layer.parts,
            store=self._store,
            part=(number, layer.parts),
            compression=image.packing.compression,
            compiler=compilers[image.environment.python] if image.packing.compiled else None,
            last_wins=image.packing.last_wins,
        )

    def _image(self, plan: Plan, image: Image, base: BaseImage, layers: Mapping[str, Blob]) -> BuiltImage:
        python = image.environment.python
        pins = plan.by_hash()
        steps = [Step(blob=self._environment(base.interpreter, image), title=f"virtual environment, Python {python}")]
        steps += [
            Step(blob=layers[piece], title=title_of(layer, pins, number))
            for layer in plan.layers(image)
            for number, piece in enumerate(made_keys(layer, image.packing), 1)
        ]
        steps += self._records(plan, image, layers)
        steps += self._weights(image)
        steps += [
            Step(blob=self._beside(plan, image, one), title=f"{one.name} from {one.folder}") for one in image.beside
        ]
        steps.append(Step(blob=self._code(plan, image), title=f"code of {image.project}"))
        configuration, text = config(image, base, steps, labels(plan, image, self._source(image)), _created())
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
            layers_repository=self._repository,
            layout=layout,
        )

    def _environment(self, interpreter: str, image: Image) -> Blob:
        python, sees_base = image.environment.python, bool(image.provided)
        return self._kept(lambda stream: write_environment(stream, interpreter, python, sees_base=sees_base), image)

    def _records(self, plan: Plan, image: Image, layers: Mapping[str, Blob]) -> list[Step]:
        """A layer that keeps RECORD true where a layer replaces files of one below it, if any does."""
        if not image.packing.last_wins:
            return []
        from depdoctor.build.oci.settled import replaced, write_records

        held = [
            tuple((piece, layers[piece]) for piece in made_keys(layer, image.packing)) for layer in plan.layers(image)
        ]
        if not replaced(held, self._store):
            return []
        blob = self._kept(lambda stream: write_records(stream, held, self._store), image)
        return [Step(blob=blob, title="the records of files that were replaced")]

    def _weights(self, image: Image) -> list[Step]:
        """A layer for every file of weights that the image holds."""
        from depdoctor.build.oci.weights import weights_blob

        project = self._root / image.code
        return [
            Step(
                blob=weights_blob(project, files, self._store, image.packing.compression, spare_core=self._cores > 1),
                title=f"weights {', '.join(one.path for one in files)}",
            )
            for files in (layered(image.weights) if image.keep is Keep.LAYER else ())
        ]

    def _beside(self, plan: Plan, image: Image, package: LocalPackage) -> Blob:
        """A layer of a package that is a folder; all images for one Python that need it share it."""
        skipped = self._inside(plan, package.folder)

        def write(stream: LayerStream) -> None:
            if package.is_file:
                write_file(stream, self._root / package.folder, package.copy)
            else:
                write_code(stream, self._root / package.folder, skipped, package.copy)
            write_site_files(stream, package, image.environment.python, package.place)

        return self._kept(write, image)

    def _code(self, plan: Plan, image: Image) -> Blob:
        skipped = sorted([*self._inside(plan, image.code), *(one.path for one in image.weights)])

        def write(stream: LayerStream) -> None:
            write_code(stream, self._root / image.code, skipped)
            if image.own:
                write_site_files(stream, image.own, image.environment.python, APP_ROOT)

        return self._kept(write, image)

    def _inside(self, plan: Plan, folder: str) -> list[str]:
        """What lies in a folder and belongs to other projects, or is what is being made."""
        above = PurePosixPath(folder)
        others = {PurePosixPath(other.code) for other in plan.images} - {above}
        inside = [other.relative_to(above).as_posix() for other in others if other.is_relative_to(above)]
        place = (self._root / folder).resolve()
        output = self._output.resolve() if self._output else None
        if output and output != place and output.is_relative_to(place):
            inside.append(output.relative_to(place).as_posix())
        return sorted(inside)

    def _kept(self, write: Callable[[LayerStream], None], image: Image) -> Blob:
        """A small layer, written to the store unless it is there."""
        with self._store.draft() as draft:
            stream = layer_stream(draft, image.packing.compression)
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


def _counted(chunks: Iterator[bytes], task: str, progress: Progress) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        progress.advance(task, len(chunk))


def _created() -> datetime:
    """The moment that images say they were made: SOURCE_DATE_EPOCH (seconds), else that of their files."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(given) if given.isdigit() else MTIME, UTC)
