"""One uv process per question, in surroundings that cannot change its answer."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from depdoctor.adapters.uv_words import redacted
from depdoctor.errors import ResolverError
from depdoctor.model.project import IndexOptions

PAGE_AGE_S = 3600
"""How long a page of an index is taken as fresh. Without it uv asks again for every page of every question."""

FILE_AGE_S = 365 * 24 * 3600
"""How long a distribution file is; it never changes under its address."""

_KEPT_UV_VARIABLES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_KEYRING_PROVIDER",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
    "UV_INSECURE_HOST",
    "UV_CONFIG_FILE",
    "UV_NO_CONFIG",
    "UV_HTTP_",
    "UV_REQUEST_",
    "UV_CONCURRENT_",
    "UV_OFFLINE",
)
"""How the user reaches an index. Every other variable of uv's would change what it answers, and is left out."""

_DROPPED_VARIABLES = ("VIRTUAL_ENV", "CONDA_", "PYTHON", "PIP_", "FORCE_COLOR", "CLICOLOR", "RUST_LOG")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run of uv ended. `timed_out` where it was killed for taking too long."""

    status: int
    stdout: str
    stderr: str
    timed_out: bool = False


class UvProcess:
    """Runs uv for one interpreter with a cache folder of its own.

    Thread-safe. `close` ends what still runs. Raises `ResolverError` where uv cannot be started at all.
    """

    def __init__(
        self, cache_folder: Path, *, interpreter: str, offline: bool, remaining_s: Callable[[], float]
    ) -> None:
        self._cache = cache_folder.absolute()
        self._interpreter = interpreter
        self._offline = offline
        self._remaining_s = remaining_s
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()

    def close(self) -> None:
        """End the processes that this object started and that still run."""
        with self._lock:
            for process in self._running:
                process.kill()

    @property
    def stand_ins(self) -> Path:
        """Where wheels lie that stand in for others."""
        return self._cache / "uv-stand-ins"

    def compile(
        self, arguments: Sequence[str], files: Mapping[str, Sequence[str]], indexes: IndexOptions, *, undated: bool
    ) -> Outcome:
        """Run `uv pip compile`; `files` maps a flag such as "--constraints" ("" for the input) to lines of a file.

        `undated` says that some index of these options states no upload times, so that none may be asked for there.
        """
        folder, environment = self._surroundings(indexes, undated=undated)
        with tempfile.TemporaryDirectory(prefix="depdoctor-") as scratch:
            named: list[str] = []
            for number, (flag, lines) in enumerate(files.items()):
                path = Path(scratch, f"{number}.txt")
                path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
                named += [flag, str(path)] if flag else [str(path)]
            common = ["--cache-dir", str(self._cache / "uv"), "--python", self._interpreter, "--no-python-downloads"]
            offline = ["--offline"] if self._offline else []
            return self._run([*common, *offline, *arguments, *named], folder, environment)

    @cached_property
    def default_index(self) -> str:
        """The address of the index that the user's uv asks first; "" where it holds credentials or uv will not say.

        An address with credentials stays in the user's own configuration and never enters a file of ours.
        """
        arguments = ["--emit-index-url", "--no-header", "--cache-dir", str(self._cache / "uv"), os.devnull]
        outcome = self._run(arguments, self._folder(""), _environment())
        addresses = (line.removeprefix("--index-url ") for line in outcome.stdout.splitlines())
        address = next((line for line in addresses if "://" in line), "")
        return address if redacted(address) == address else ""

    def worded(self, text: str) -> str:
        """The text without credentials, and without the default index's address and folders of ours."""
        text = redacted(text).replace(str(self._cache / "uv"), "<cache>")
        return text.replace(self.default_index.rstrip("/"), "<index>") if self.default_index else text

    def _surroundings(self, indexes: IndexOptions, *, undated: bool) -> tuple[Path, dict[str, str]]:
        """A folder whose `uv.toml` names the indexes, each with how long its pages stay fresh.

        A configuration file in the working directory adds to what the user has configured for uv, where one on the
        command line would replace it.
        """
        environment = _environment()
        default = indexes.index_url or (self.default_index if not indexes.no_index else "")
        if default:
            environment.pop("UV_DEFAULT_INDEX", None)
        entries = [_entry(address, undated=undated) for address in indexes.extra_index_urls]
        if default:
            entries.append(_entry(default, default=True, undated=undated and not indexes.extra_index_urls))
        return self._folder("\n".join(entries)), environment

    def _folder(self, configuration: str) -> Path:
        digest = hashlib.sha256(configuration.encode()).hexdigest()[:16]
        folder = self._cache / "uv-settings" / digest
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "uv.toml"
        if not path.exists():
            with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
                file.write(configuration)
            Path(file.name).replace(path)
        return folder

    def _run(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Outcome:
        if (remaining_s := self._remaining_s()) <= 0:
            return Outcome(status=1, stdout="", stderr="", timed_out=True)
        command = [_uv(), "pip", "compile", "--color", "never", "--no-progress", *arguments]
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise ResolverError(
                f"uv could not be started: {error.strerror}", where=command[0], hint="Reinstall the `uv` package."
            ) from error
        with self._lock:
            self._running.add(process)
        try:
            stdout, stderr = process.communicate(timeout=remaining_s)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            return Outcome(status=process.returncode, stdout=stdout, stderr=stderr, timed_out=True)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        return Outcome(status=process.returncode, stdout=stdout, stderr=stderr)


@cache
def _uv() -> str:
    import uv

    try:
        return os.fsdecode(uv.find_uv_bin())
    except FileNotFoundError as error:
        raise ResolverError("uv is not installed", hint="Reinstall the `uv` package.") from error


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if (not name.startswith(("UV_", *_DROPPED_VARIABLES)) or name.startswith(_KEPT_UV_VARIABLES))
    }
    if address := kept.pop("UV_INDEX_URL", ""):
        kept.setdefault("UV_DEFAULT_INDEX", address)
    return kept


def _entry(address: str, *, default: bool = False, undated: bool = False) -> str:
    ages = f'{{ api = "max-age={PAGE_AGE_S}", files = "max-age={FILE_AGE_S}, immutable" }}'
    url = json.dumps(address)  # a JSON string is a TOML string too
    lines = ["[[index]]", f"url = {url}", f"cache-control = {ages}"]
    lines += ["default = true"] if default else []
    lines += ["exclude-newer = false"] if undated else []
    return "\n".join(lines) + "\n"
