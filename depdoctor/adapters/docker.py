"""A Docker engine through its SDK: load, run, inspect, push, list and remove images. Builds go to buildx.

The engine is found as the Docker command line finds it: `DOCKER_HOST`, else the current context.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depdoctor.adapters.buildx import Buildx
from depdoctor.adapters.docker_archive import archive, full_name
from depdoctor.errors import EngineError
from depdoctor.model.image import (
    ENVIRONMENT_ROOT,
    UNPACKED_TYPE,
    Blob,
    BuiltImage,
    Bundle,
    Inspection,
    PushedImage,
    StoredImage,
)
from depdoctor.model.label import MODEL_VERSION, PROJECT, REVISION, SECTION, WEIGHTS, base_of, weights_of
from depdoctor.model.noun import dataclass
from depdoctor.model.seams import Progress, Registry

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONTAINER_PREFIX = "depdoctor-"
CONNECT_S = 60
UNDATED = datetime(1980, 1, 2, tzinfo=UTC)
"""What images say of themselves is before this, so that it is the same on every day."""

LAYER_INSTRUCTIONS = ("ADD", "COPY", "RUN", "WORKDIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a container of ours may use: memory, processes, and seconds for one import and for all it does."""

    memory_bytes: int = 8 << 30
    processes: int = 1024
    import_s: float = 300
    total_s: float = 1800


NO_CONNECTION = {
    "FileNotFoundError": "there is no such socket",
    "PermissionError": "this user may not open its socket",
    "ConnectionRefusedError": "nothing listens there",
    "Connection refused": "nothing listens there",
    "NameResolutionError": "its name is not known",
}


@dataclass(frozen=True, kw_only=True)
class DockerEngine:
    """Matches `seams.Engine`. Connects on first use; every method raises `EngineError` where no engine answers."""

    buildx: Buildx | None = None
    limits: Limits = Limits()

    @cached_property
    def client(self) -> DockerClient:
        """The connection."""
        import docker
        from docker.errors import DockerException

        try:
            return docker.from_env(timeout=CONNECT_S)
        except DockerException as error:
            raise EngineError(
                f"no container engine answers: {_why(str(error))}",
                where=_address(),
                hint="is Docker running, and may you use it? `DOCKER_HOST` names another engine; "
                "`--builder oci` builds and pushes without one",
            ) from None

    @property
    def api(self) -> Any:
        """The engine's own interface, call by call."""
        return self.client.api

    def build(
        self, bundle: Bundle, context: Path, targets: Sequence[str], progress: Progress | None = None
    ) -> Mapping[str, str]:
        """Build targets of a bundle's bake file; the reference of each image. Raises `BuildError`."""
        if self.buildx is None:
            raise EngineError("this engine was opened without a builder")
        return self.buildx.build(bundle, context, targets, progress)

    def load(self, layout: Path, reference: str) -> None:
        """Load the one image of an OCI image layout and name it.

        The archive carries both an OCI index, for the containerd image store, and Docker's own `manifest.json`, which
        the classic store goes by. The classic store is not sent a layer that it has already.
        """
        held = frozenset() if self.stores_blobs() else self._chains()
        with speaking(f"load {layout} as {reference}"):
            for line in self.api.load_image(archive(layout, reference, held)):
                if problem := line.get("error"):
                    raise EngineError(f"cannot load {layout} as {reference}: {problem}")

    def describe(self, reference: str, name: str) -> BuiltImage:
        """An image of the engine as a built one.

        Its layers are known by their uncompressed digests, since the engine compresses only when it pushes. The
        classic store knows the configuration's digest and no manifest, the containerd store the other way round; what
        is not known is a blob with an empty digest.
        """
        with speaking(f"look at {reference}"):
            image = self.api.inspect_image(reference)
            history = self.api.history(reference)
        diff_ids = image["RootFS"].get("Layers") or []
        steps = [step for step in reversed(history) if step["Size"] or _makes_layer(step["CreatedBy"])]
        sizes = [step["Size"] for step in steps] if len(steps) == len(diff_ids) else [0] * len(diff_ids)
        manifest, config = (image["Id"], "") if self.stores_blobs() else ("", image["Id"])
        return BuiltImage(
            name=name,
            manifest=Blob(digest=manifest, size_bytes=0, media_type=MANIFEST_TYPE),
            config=Blob(digest=config, size_bytes=0, media_type=CONFIG_TYPE),
            layers=tuple(
                Blob(digest=diff_id, size_bytes=size, media_type=UNPACKED_TYPE, diff_id=diff_id)
                for diff_id, size in zip(diff_ids, sizes, strict=True)
            ),
            reference=reference,
        )

    def inspect(self, reference: str, imports: Sequence[str]) -> Inspection:
        """What is installed in an image and which of these modules do not import there.

        Runs `probe.py` in a container without network, rights or a writable file system but /tmp, as the image's user.
        """
        source = files("depdoctor.adapters").joinpath("probe.py").read_text(encoding="utf-8")
        arguments = [ENVIRONMENT_ROOT, str(self.limits.import_s), *imports]
        answer = json.loads(self.run(reference, arguments, entrypoint=["python", "-I", "-c", source]))
        return Inspection(installed=answer["installed"], import_errors=answer["import_errors"], python=answer["python"])

    def run(self, reference: str, command: Sequence[str] = (), *, entrypoint: Sequence[str] = ()) -> str:
        """Run an image to its end without network, and return what it prints to stdout. Raises if it fails."""
        with self.container(reference, command=list(command) or None, entrypoint=list(entrypoint) or None) as container:
            status = self._wait(container, reference)
            output = container.logs(stdout=True, stderr=False).decode("utf-8", "replace")
            if status == 0:
                return output
            noise = container.logs(stdout=False, stderr=True, tail=20).decode("utf-8", "replace").strip()
            reason = "it ran out of memory" if container.attrs["State"].get("OOMKilled") else noise or output.strip()
            raise EngineError(f"{reference} ended with status {status}: {reason}")

    @contextmanager
    def container(self, reference: str, **options: Any) -> Iterator[Container]:
        """A started container that has no network and few rights unless options say otherwise; removed in any case.

        The engine must hold the image: nothing is pulled because a name happens to be given.
        """
        name = CONTAINER_PREFIX + uuid.uuid4().hex[:16]
        settings: dict[str, Any] = {
            "network_mode": "none",
            "read_only": True,
            "tmpfs": {"/tmp": "rw,exec,mode=1777"},  # noqa: S108 - a path inside the container
            "mem_limit": self.limits.memory_bytes,
            "pids_limit": self.limits.processes,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "healthcheck": {"test": ["NONE"]},
        } | options
        try:
            with speaking(f"run {reference}"):
                container = self.client.containers.create(reference, name=name, **settings)
                container.start()
                yield container
        finally:
            self._remove_container(name)

    def has(self, reference: str) -> bool:
        """Whether the engine holds an image under this name."""
        from docker.errors import ImageNotFound

        with speaking(f"look for {reference}"):
            try:
                self.api.inspect_image(reference)
            except ImageNotFound:
                return False
        return True

    def pull(self, reference: str) -> None:
        """Bring an image from its registry into the engine."""
        with speaking(f"pull {reference}"):
            self.client.images.pull(reference)

    def tag(self, reference: str, name: str) -> None:
        """Give an image of the engine another name."""
        repository, _, tag = name.rpartition(":")
        if "/" in tag or not repository:
            repository, tag = name, "latest"
        with speaking(f"tag {reference} as {name}"):
            self.api.tag(reference, repository, tag)

    def push(self, reference: str) -> str:
        """Push an image under its own name and return the digest that it has in the registry."""
        return self._push(reference)[0]

    def publish(self, name: str, reference: str, registry: Registry) -> PushedImage:
        """Push an image under its own name, and count what had to be sent for it. Raises `RegistryError` too.

        The engine says which layers it sent, and the registry how large they are compressed.
        """
        digest, sent = self._push(reference)
        repository = full_name(reference).rpartition(":")[0]
        layers = json.loads(registry.manifest(f"{repository}@{digest}")[1])["layers"]
        with speaking(f"look at {reference}"):
            diff_ids = self.api.inspect_image(reference)["RootFS"].get("Layers") or []
        sizes = {
            (_short(layer["digest"]), _short(diff_id)): layer["size"]
            for layer, diff_id in zip(layers, diff_ids, strict=True)
        }
        uploaded = sum(size for names, size in sizes.items() if sent.intersection(names))
        return PushedImage(
            name=name,
            reference=reference,
            digest=digest,
            uploaded_bytes=uploaded,
            reused_bytes=sum(sizes.values()) - uploaded,
        )

    def _push(self, reference: str) -> tuple[str, frozenset[str]]:
        """The digest, and the layers that were sent: by diff_id from the classic store, else by digest, shortened."""
        digest, sent = "", set()
        with speaking(f"push {reference}"):
            for line in self.api.push(reference, stream=True, decode=True):
                if problem := line.get("error"):
                    raise EngineError(
                        f"cannot push {reference}: {problem}", hint="`docker login` if it asks for rights"
                    )
                digest = (line.get("aux") or {}).get("Digest", digest)
                if line.get("status") == "Pushed":
                    sent.add(line["id"])
            known = self.api.inspect_image(reference).get("RepoDigests") or ()
        if digest := digest or _digest_in(reference, known):
            return digest, frozenset(sent)
        raise EngineError(f"the engine does not say under which digest {reference} was pushed")

    def images(self) -> tuple[StoredImage, ...]:
        """What depdoctor built and the engine holds, by project, newest first. Told by labels, never by names.

        What is shared is told by the classic store alone: the other one does not count shared compressed layers.
        """
        shares = not self.stores_blobs()
        with speaking("list images"):
            rows = [row for row in self.api.df()["Images"] or () if SECTION in (row["Labels"] or {})]
            images = [_stored(row, self.api.inspect_image(row["Id"]), shares=shares) for row in rows]
        return tuple(
            sorted(images, key=lambda image: (image.project, -(image.since or UNDATED).timestamp(), image.identity))
        )

    def remove(self, reference: str) -> None:
        """Remove a name, and the image with it when that was its last."""
        with speaking(f"remove {reference}"):
            self.api.remove_image(reference)

    def _wait(self, container: Container, reference: str) -> int:
        import requests

        try:
            status = container.wait(timeout=self.limits.total_s)["StatusCode"]
        except (requests.Timeout, requests.ConnectionError):  # the latter is a late answer on a Unix socket
            raise EngineError(f"{reference} did not end within {self.limits.total_s:g} s") from None
        container.reload()
        return int(status)

    def _remove_container(self, name: str) -> None:
        from docker.errors import NotFound

        with speaking(f"remove container {name}"), suppress(NotFound):
            self.api.remove_container(name, force=True, v=True)

    def stores_blobs(self) -> bool:
        """Whether the engine uses the containerd image store, which keeps manifests and compressed blobs."""
        with speaking("ask the engine what it is"):
            status = self.api.info().get("DriverStatus") or []
        return ["driver-type", "io.containerd.snapshotter.v1"] in status

    def _chains(self) -> frozenset[tuple[str, ...]]:
        """Every stack of layers, from the bottom, that the engine holds."""
        from docker.errors import ImageNotFound

        stacks: list[tuple[str, ...]] = []
        with speaking("list images"):
            for image in self.api.images(all=True):
                with suppress(ImageNotFound):  # somebody removed it meanwhile
                    stacks.append(tuple(self.api.inspect_image(image["Id"])["RootFS"].get("Layers") or ()))
        return frozenset(stack[:height] for stack in stacks for height in range(1, len(stack) + 1))


def _address() -> str:
    """Where an engine is looked for."""
    from docker.constants import DEFAULT_UNIX_SOCKET
    from docker.context import ContextAPI

    usual = {"base_url": DEFAULT_UNIX_SOCKET}
    place = os.environ.get("DOCKER_HOST") or (usual | ContextAPI.kwargs_from_context())["base_url"]
    return str(place).removeprefix("http+")


def _why(said: str) -> str:
    """In short why there is no connection, by the exception that the SDK quotes."""
    return next((why for name, why in NO_CONNECTION.items() if name in said), said)


@contextmanager
def speaking(task: str) -> Iterator[None]:
    """Turn what the SDK raises into an `EngineError` that says what was being done."""
    import requests
    from docker.errors import APIError, DockerException, ImageNotFound

    try:
        yield
    except ImageNotFound as error:
        raise EngineError(
            f"cannot {task}: {error.explanation}", hint="build or push it first, and check its name"
        ) from None
    except APIError as error:
        raise EngineError(f"cannot {task}: {error.explanation or error}", hint=_hint(str(error))) from None
    except (DockerException, requests.RequestException) as error:
        raise EngineError(f"cannot {task}: {error}", hint="is the engine still running?") from None


def _digest_in(reference: str, known: Iterable[str]) -> str:
    """The digest of an image in the repository of a reference; the containerd store tells it nowhere else."""
    repository = full_name(reference).rpartition(":")[0]
    pairs = (name.rpartition("@")[::2] for name in known)
    return next((digest for name, digest in pairs if full_name(name).rpartition(":")[0] == repository), "")


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _stored(image: Mapping[str, Any], details: Mapping[str, Any], *, shares: bool) -> StoredImage:
    labels = image["Labels"]
    shared = image["SharedSize"]
    told = (details["Created"], details["Metadata"]["LastTagTime"])
    return StoredImage(
        identity=image["Id"],
        references=tuple(sorted(image["RepoTags"] or ())),
        project=labels.get(PROJECT, ""),
        section=labels[SECTION],
        revision=labels.get(REVISION, ""),
        since=since if (since := max(map(_moment, told))) > UNDATED else None,
        size_bytes=image["Size"],
        shared_bytes=shared if shares and shared >= 0 else None,
        containers=max(image["Containers"], 0),
        base=base_of(labels),
        weights=weights_of(labels.get(WEIGHTS, "")),
        model_version=labels.get(MODEL_VERSION, ""),
    )


def _moment(text: str) -> datetime:
    """A moment as the engine writes it: RFC 3339, with nanoseconds that Python cannot hold."""
    return datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", text))


def _makes_layer(created_by: str) -> bool:
    return created_by.removeprefix("|").split(" ", 1)[0] in LAYER_INSTRUCTIONS


def _hint(problem: str) -> str:
    if "executable file not found" in problem or "no such file or directory" in problem:
        return "the image has no such program on its PATH; an image of depdoctor has `python` there"
    return ""
