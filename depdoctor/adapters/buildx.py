"""Builds a bundle with `docker buildx bake`: on the engine's own BuildKit, or on any builder that buildx knows.

The bundle is written to a folder of its own, never into the scan root. What only this machine knows reaches its bake
file through the variables that it declares: `PROJECTS` (the scan root), `UV` (a folder with the uv binary), `CA` and
`NETRC` (files for the build secrets, "" for none), `REGISTRY` and `TAG`. It is thus the same build that a user runs by
hand, and one solve for all targets, so that a stage which several of them share is built once.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path, PurePosixPath
from textwrap import shorten
from urllib.parse import urlsplit

from depdoctor.errors import BuildError, EngineError
from depdoctor.model.image import Bundle
from depdoctor.model.noun import dataclass
from depdoctor.model.seams import NoProgress, Progress

BAKE_FILE = "docker-bake.json"
SECRETS = ("ca", "netrc")
EPOCH_S = 315532800
"""1980-01-01 00:00 UTC, what images say when they were made unless SOURCE_DATE_EPOCH is set; the earliest of a ZIP."""

TAIL_LINES = 40
STEP_LETTERS = 140
GRACE_S = 10

HINTS = (
    ("certificate", "give the CA bundle of your network: `SSL_CERT_FILE`, or `ca-bundle` under `[image]`"),
    ("UnknownIssuer", "give the CA bundle of your network: `SSL_CERT_FILE`, or `ca-bundle` under `[image]`"),
    ("no space left on device", "free disk space of the engine, for instance with `docker buildx prune`"),
    ("failed to resolve source metadata", "check the name of the base image, and `docker login` for its registry"),
    ("pull access denied", "check the name of the base image, and `docker login` for its registry"),
    ("Unable to locate package", "no such package for this base: correct `system-packages` or `build-packages`"),
    ("Hash mismatch", "a file is not the one that was locked; make the plan again"),
    ("is not a docker command", "install the buildx plugin of the Docker command line"),
    ("Cache export is not supported", "leave the cache out, use the containerd image store, or name a builder"),
    ("no builder", "`docker buildx ls` lists the builders that there are"),
    ("Cannot connect to the Docker daemon", "start the engine, or let `DOCKER_HOST` point to one that runs"),
)
"""What to do, by a fragment of what BuildKit, uv or the Docker command line say."""

_STEP = re.compile(r"#\d+ (\[.+)")
_FAILED = re.compile(r" > \[(?P<step>.+?)\] (?P<instruction>.+?):?$")
_WORD = re.compile(r"[!-~]+")
_PLACE = re.compile(r"[^\s:]+:\d+$")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def secrets(environment: Mapping[str, str], ca_bundle: Path | None = None) -> dict[str, Path]:
    """The build secrets that this machine has, by id: `ca` (trusted certificates) and `netrc` (index credentials)."""
    home = Path(environment.get("HOME", "/nonexistent"))
    places = {
        "ca": ca_bundle or Path(environment.get("SSL_CERT_FILE", "")),
        "netrc": Path(environment.get("NETRC", home / ".netrc")),
    }
    return {name: path.resolve() for name, path in places.items() if path.is_file()}


def netrc(accounts: Mapping[str, tuple[str, str]]) -> str:
    """Accounts as lines of a netrc; one that such a file cannot hold, with a space in it, is left out."""
    lines = ""
    for origin, (user, password) in sorted(accounts.items()):
        host = urlsplit(origin).hostname
        if host and _WORD.fullmatch(user) and _WORD.fullmatch(password):
            lines += f"machine {host}\nlogin {user}\npassword {password}\n"
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Buildx:
    """`docker buildx bake` on one builder: "" is the engine's own BuildKit, any other name one of `docker buildx ls`.

    `uv` is the binary that installs the wheels; `secrets` are files by the id under which a stage mounts them. An image
    is called REGISTRY/NAME:TAG, where `registry` may hold a prefix. `push` sends the images there instead of loading
    them into the engine. `docker_context` names another engine than that of the environment. `cache` is a repository
    whose tags keep the build cache of each target, for builders that can export one. `accounts` are user and password
    for origins of indexes ("https://host:port"), which join the secret `netrc`.
    """

    uv: Path
    secrets: Mapping[str, Path] = field(default_factory=dict)
    builder: str = ""
    registry: str = "depdoctor"
    tag: str = "latest"
    push: bool = False
    docker_context: str = ""
    cache: str = ""
    accounts: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)

    def build(
        self, bundle: Bundle, context: Path, targets: Sequence[str], progress: Progress | None = None
    ) -> dict[str, str]:
        """Build targets of the bundle's bake file; the reference of each image by target, with its digest if pushed.

        Raises `BuildError` with the failing step and the end of the output, `EngineError` without a Docker command.
        """
        docker = _docker()
        with _workplace(bundle, self.uv, self.secrets, netrc(self.accounts)) as folder:
            variables = self._environment(context, os.environ)
            builder = self.builder or _own_builder(docker, variables)
            metadata = folder / "metadata.json"
            command = [docker, "buildx", "--builder", builder, "bake", "--progress=plain", "--file", BAKE_FILE]
            command += ["--push" if self.push else "--load", "--metadata-file", str(metadata)]
            command += [f"--set={setting}" for setting in self._cache_settings(targets)]
            status, tail = _run([*command, *targets], folder / "bundle", variables, progress or NoProgress())
            if status:
                raise _failure(tail, targets)
            results = json.loads(metadata.read_text(encoding="utf-8"))
        return {target: self._reference(results[target]) for target in targets}

    def _environment(self, context: Path, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment of the child: every variable of the bake file is set, so that none comes from the user's."""
        held = {*self.secrets, *(["netrc"] if netrc(self.accounts) else [])}
        files = {name.upper(): f"../secrets/{name}" if name in held else "" for name in SECRETS}
        epoch = environment.get("SOURCE_DATE_EPOCH", str(EPOCH_S))
        places = {"PROJECTS": str(context.resolve()), "UV": "../uv", "REGISTRY": self.registry, "TAG": self.tag}
        inherited = dict(environment)
        if self.docker_context:
            inherited.pop("DOCKER_HOST", None)
            inherited["DOCKER_CONTEXT"] = self.docker_context
        fixed = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "SOURCE_DATE_EPOCH": epoch, "BUILDX_BAKE_ENTITLEMENTS_FS": "0"}
        return {**inherited, **fixed, **places, **files}

    def _cache_settings(self, targets: Iterable[str]) -> Iterator[str]:
        if self.cache:
            for target in targets:
                yield f"{target}.cache-from=type=registry,ref={self.cache}:{target}"
                yield f"{target}.cache-to=type=registry,ref={self.cache}:{target},mode=max"

    def _reference(self, result: Mapping[str, str]) -> str:
        name = result["image.name"].split(",")[0]
        return f"{name}@{result['containerimage.digest']}" if self.push else name


def _docker() -> str:
    if docker := shutil.which("docker"):
        return docker
    raise EngineError(
        "there is no `docker` command on PATH",
        hint="install the Docker command line with buildx, or use `--builder oci`, which needs neither",
    )


def _own_builder(docker: str, environment: Mapping[str, str]) -> str:
    """The builder that is the BuildKit inside the engine: it bears the name of the current context."""
    shown = subprocess.run([docker, "context", "show"], env=environment, capture_output=True, text=True, check=False)
    return shown.stdout.strip() or "default"


@contextmanager
def _workplace(bundle: Bundle, uv: Path, secrets: Mapping[str, Path], accounts: str) -> Iterator[Path]:
    """A folder with the bundle, the uv binary alone in a folder, and the secrets; gone afterwards.

    Secrets are links, but for a netrc that `accounts` are added to, which nobody else may read.
    """
    with tempfile.TemporaryDirectory(prefix="depdoctor-") as name:
        folder = Path(name)
        for path, text in bundle.files.items():
            if not _inside(path):
                raise BuildError(f"the bundle would write `{path}` outside its folder")
            file = folder / "bundle" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        (folder / "uv").mkdir()
        _link(uv, folder / "uv" / "uv")
        (folder / "secrets").mkdir()
        for identity, secret in secrets.items():
            (folder / "secrets" / identity).symlink_to(secret)
        if accounts:
            place = folder / "secrets" / "netrc"
            known = place.read_text(encoding="utf-8") + "\n" if "netrc" in secrets else ""
            place.unlink(missing_ok=True)
            place.touch(mode=0o600)
            place.write_text(known + accounts, encoding="utf-8")
        yield folder


def _inside(path: str) -> bool:
    parts = PurePosixPath(path)
    return not parts.is_absolute() and ".." not in parts.parts


def _link(source: Path, destination: Path) -> None:
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy(source, destination)


def _run(
    command: Sequence[str], folder: Path, variables: Mapping[str, str], progress: Progress
) -> tuple[int, list[str]]:
    """Run to the end while telling each step; the exit status and the last lines. Ctrl-C ends the child first."""
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    told: set[str] = set()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                tail.append(_CREDENTIALS.sub("***@", line.rstrip()))
                if (step := _STEP.match(line)) and line not in told:  # BuildKit repeats those that it comes back to
                    told.add(line)
                    progress.say(_in_short(step[1]))
            return process.wait(), list(tail)
        except BaseException:
            _end(process)
            raise


def _in_short(step: str) -> str:
    """A step without what a RUN mounts, on one line."""
    words = [word for word in step.split() if not word.startswith("--mount=") and word != "\\"]
    return shorten(" ".join(words), STEP_LETTERS, placeholder=" …")


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _failure(tail: Sequence[str], targets: Sequence[str]) -> BuildError:
    text = "\n".join(tail)
    reason = next((line for line in reversed(tail) if line.startswith(("ERROR:", "error:"))), tail[-1] if tail else "")
    step = next((match for line in tail if (match := _FAILED.match(line))), None)
    place = next((line for line in tail if _PLACE.match(line)), "")
    what = f"step [{step['step']}] failed: `{step['instruction']}`" if step else f"cannot build {', '.join(targets)}"
    hint = next((hint for fragment, hint in HINTS if fragment in text), "")
    return BuildError(f"{what}: {reason}\n{text}", where=place, hint=hint)
