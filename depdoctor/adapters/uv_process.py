"""One uv process per question, in surroundings that cannot change its answer."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path

from packaging.utils import NormalizedName

from depdoctor.adapters.uv_user import NamedIndex, UserSetup, answering, own_names, user_setup
from depdoctor.adapters.uv_words import PROJECT_NAME, redacted
from depdoctor.errors import ResolverError
from depdoctor.model.noun import dataclass
from depdoctor.model.project import IndexOptions

PAGE_AGE_S = 3600
"""How long a page of an index is taken as fresh. Without it uv asks again for every page of every question."""

FILE_AGE_S = 365 * 24 * 3600
"""How long a distribution file is; it never changes under its address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undated:
    """What is known to state no upload times, so that none may be asked for there.

    `additional` indexes, the `default` one, and single `packages` of indexes that only the user's own file names.
    """

    additional: bool = False
    default: bool = False
    packages: frozenset[NormalizedName] = frozenset()

    def wider(self, more: Iterable[NormalizedName], *, has_additional: bool) -> Undated:
        """What to take for undated next, where files of these packages still lack a time; itself at the end."""
        if not self.packages:
            if not self.additional and not self.default and has_additional:
                return Undated(additional=True)
            if not self.default:
                return Undated(default=True)
            if not self.additional and has_additional:
                return Undated(additional=True, default=True)
        return Undated(packages=self.packages | frozenset(more))


DATED = Undated()
"""Every index says when its files were uploaded, for all that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """An index as uv is told of it."""

    name: str
    address: str
    default: bool = False
    undated: bool = False

    def table(self) -> str:
        """Its table in a `uv.toml`."""
        ages = f'{{ api = "max-age={PAGE_AGE_S}", files = "max-age={FILE_AGE_S}, immutable" }}'
        # A JSON string is a TOML string too.
        lines = ["[[index]]", f'name = "{self.name}"', f"url = {json.dumps(self.address)}", f"cache-control = {ages}"]
        lines += ["default = true"] if self.default else []
        lines += ["exclude-newer = false"] if self.undated else []
        return "\n".join(lines) + "\n"

    def options(self) -> list[str]:
        """Its options on the command line, where nothing can be said of its pages and times."""
        return ["--default-index" if self.default else "--index", f"{self.name}={self.address}"]


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
        self, arguments: Sequence[str], files: Mapping[str, Sequence[str]], indexes: IndexOptions, *, undated: Undated
    ) -> Outcome:
        """Run `uv pip compile`; `files` maps a flag such as "--constraints" ("" for the input) to lines of a file."""
        setup = user_setup()
        entries = self._entries(setup, indexes, undated)
        tied = _tied(indexes, entries)
        with tempfile.TemporaryDirectory(prefix="depdoctor-") as scratch:
            named: list[str] = []
            for number, (flag, lines) in enumerate(files.items()):
                is_project = tied and not flag
                # uv tells by its name what a file is, or what it is to become.
                special = "pyproject.toml" if is_project else "pylock.toml" if flag == "--output-file" else ""
                path = Path(scratch, special or f"{number}.txt")
                text = _project(lines, tied) if is_project else "".join(f"{line}\n" for line in lines)
                path.write_text(text, encoding="utf-8")
                named += [flag, str(path)] if flag else [str(path)]
            common = ["--cache-dir", str(self._cache / "uv"), "--python", self._interpreter, "--no-python-downloads"]
            offline = ["--offline"] if self._offline else []
            free = [f"--exclude-newer-package={name}=false" for name in sorted(undated.packages)]
            return self._run([*common, *offline, *arguments, *free, *named], setup, entries)

    @cached_property
    def default_index(self) -> str:
        """The address of the index that the user's uv asks first; "" where it holds credentials or uv will not say.

        An address with credentials stays in the user's own configuration and never enters a file of ours.
        """
        setup = user_setup()
        if setup.default:
            return setup.default.address
        # The same uv with the same configuration says the same: asking takes as long as an answer about packages.
        known = self._cache / "uv-settings" / f"default-{hashlib.sha256(answering().encode()).hexdigest()[:16]}"
        with suppress(OSError, UnicodeDecodeError):
            return known.read_text("utf-8")
        arguments = ["--emit-index-url", "--no-header", "--cache-dir", str(self._cache / "uv"), os.devnull]
        outcome = self._run(arguments, setup, ())
        addresses = (line.removeprefix("--index-url ") for line in outcome.stdout.splitlines())
        address = next((line for line in addresses if "://" in line), "")
        if redacted(address) != address:
            return ""
        if address:
            _write(known, address)
        return address

    def indexes(self, indexes: IndexOptions) -> tuple[IndexEntry, ...]:
        """Where uv looks, as far as it is told: additional indexes first and the default one last."""
        return self._entries(user_setup(), indexes, DATED)

    def worded(self, text: str) -> str:
        """The text without credentials, and without the default index's address and folders of ours."""
        text = redacted(text).replace(str(self._cache / "uv"), "<cache>")
        return text.replace(self.default_index.rstrip("/"), "<index>") if self.default_index else text

    def _entries(self, setup: UserSetup, indexes: IndexOptions, undated: Undated) -> tuple[IndexEntry, ...]:
        """The indexes of the environment and of a question, in the order in which uv is to ask them."""
        if indexes.no_index:
            return ()
        names, own = {one.address: one.name for one in setup.extra}, own_names(indexes.names)
        for number, address in enumerate(indexes.extra_index_urls):
            names.setdefault(address, own.get(address) or f"depdoctor-question-{number}")
        first = NamedIndex(name="depdoctor-default", address=indexes.index_url or self.default_index)
        first = NamedIndex(name=own.get(first.address, first.name), address=first.address)
        if setup.default and first.address == setup.default.address:
            first = setup.default
        entries = [
            IndexEntry(name=name, address=address, undated=undated.additional)
            for address, name in names.items()
            if address != first.address
        ]
        if first.address:
            entries.append(IndexEntry(name=first.name, address=first.address, default=True, undated=undated.default))
        return tuple(entries)

    def _folder(self, configuration: str) -> Path:
        digest = hashlib.sha256(configuration.encode()).hexdigest()[:16]
        folder = self._cache / "uv-settings" / digest
        path = folder / "uv.toml"
        if not path.exists():
            _write(path, configuration)
        return folder

    def _run(self, arguments: Sequence[str], setup: UserSetup, entries: Sequence[IndexEntry]) -> Outcome:
        """Run uv in a folder whose `uv.toml` names the indexes, each with how long its pages stay fresh.

        A configuration file in the working directory adds to what the user has configured for uv, where one on the
        command line replaces it: that is what a user wants who configures none, and one who names a file gets that.
        """
        if (remaining_s := self._remaining_s()) <= 0:
            return Outcome(status=1, stdout="", stderr="", timed_out=True)
        folder = self._folder("" if setup.config_file else "\n".join(entry.table() for entry in entries))
        options: list[str] = []
        if setup.config_file:
            options = ["--config-file", str(Path(setup.config_file).absolute())]
            options += [option for entry in entries for option in entry.options()]
        elif setup.no_config:
            options = ["--config-file", str(folder / "uv.toml")]
        command = [_uv(), "pip", "compile", "--color", "never", "--no-progress", *options, *arguments]
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=setup.variables,
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


def _write(path: Path, text: str) -> None:
    """Write a file that no other process finds half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
    Path(file.name).replace(path)


def _tied(indexes: IndexOptions, entries: Sequence[IndexEntry]) -> dict[str, NamedIndex]:
    """The index of each package that is tied to one, by the name that it has in this run or in its manifest."""
    names = {**own_names(indexes.names), **{entry.address: entry.name for entry in entries}}
    others = {address: f"depdoctor-tied-{number}" for number, (_, address) in enumerate(indexes.tied)}
    return {
        package: NamedIndex(name=names.get(address) or others[address], address=address)
        for package, address in indexes.tied
    }


def _project(requirements: Sequence[str], tied: Mapping[str, NamedIndex]) -> str:
    """A `pyproject.toml` with these requirements: uv ties a package to an index only there. Nothing builds it."""
    indexes = {one.name: one.address for one in tied.values()}
    lines = ["[project]", f'name = "{PROJECT_NAME}"', 'version = "0"', f"dependencies = {json.dumps(requirements)}"]
    lines += ["[tool.uv.sources]", *(f'{package} = {{ index = "{one.name}" }}' for package, one in tied.items())]
    for name, address in indexes.items():
        lines += ["[[tool.uv.index]]", f'name = "{name}"', f"url = {json.dumps(address)}", "explicit = true"]
    return "\n".join(lines) + "\n"


_FINDING_UV = threading.Lock()
"""`sysconfig`, which `find_uv_bin` asks, shows a second thread what the first has read so far (until Python 3.13)."""


@cache
def _uv() -> str:
    import uv

    try:
        with _FINDING_UV:
            return os.fsdecode(uv.find_uv_bin())
    except FileNotFoundError as error:
        raise ResolverError("uv is not installed", hint="Reinstall the `uv` package.") from error
