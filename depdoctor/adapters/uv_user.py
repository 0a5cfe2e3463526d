"""What of the user's own set-up reaches uv: the indexes that are configured for it, and how to reach them."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from depdoctor import __version__
from depdoctor.adapters.http_common import origin
from depdoctor.model.expression import expression
from depdoctor.model.noun import dataclass

_INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_KEYRING_PROVIDER",
    "UV_INSECURE_HOST",
    "UV_CONFIG_FILE",
    "UV_NO_CONFIG",
)
"""Which indexes are asked, and as whom: another value may mean another answer."""

_NETWORK_VARIABLES = (
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
    "UV_HTTP_",
    "UV_REQUEST_",
    "UV_CONCURRENT_",
    "UV_OFFLINE",
)
"""How they are reached. Every other variable of uv's would change what it answers, and is left out."""

_DROPPED_VARIABLES = ("VIRTUAL_ENV", "CONDA_", "PYTHON", "PIP_", "FORCE_COLOR", "CLICOLOR", "RUST_LOG")

_NAMED = expression(r"([A-Za-z0-9._-]+)=(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedIndex:
    """An index that the environment names; its address holds no credentials, uv gets those by the name."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSetup:
    """Variables for uv, and the indexes that they no longer name. `default` is None where the environment has none.

    `config_file` is the one that the user tells uv to read in place of all others, `no_config` that it shall read none.
    """

    variables: Mapping[str, str]
    extra: tuple[NamedIndex, ...]
    default: NamedIndex | None
    config_file: str
    no_config: bool


def user_setup() -> UserSetup:
    """The set-up as it is in the environment now."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("UV_", *_DROPPED_VARIABLES))
        or name.startswith((*_INDEX_VARIABLES, *_NETWORK_VARIABLES))
    }
    legacy = variables.pop("UV_INDEX_URL", "")
    first = variables.pop("UV_DEFAULT_INDEX", "") or legacy
    texts = [*variables.pop("UV_INDEX", "").split(), *variables.pop("UV_EXTRA_INDEX_URL", "").split()]
    found = [_index(text, f"depdoctor-{number}", variables) for number, text in enumerate(texts)]
    return UserSetup(
        extra=tuple({one.address: one for one in reversed(found)}.values())[::-1],
        default=_index(first, "depdoctor-default", variables) if first else None,
        config_file=variables.pop("UV_CONFIG_FILE", ""),
        no_config=variables.pop("UV_NO_CONFIG", "").lower() in {"1", "true", "yes", "on", "y", "t"},
        variables=variables,
    )


def answering() -> str:
    """Who answers questions about packages: uv of this version, asked by this version of depdoctor as this user."""
    return f"uv {_release()}, depdoctor {__version__}, {identity()}"


def _release() -> str:
    """The version of uv beside us. The name of a folder tells it; `importlib.metadata` loads readers of mail first."""
    for folder in sys.path:
        for found in sorted(Path(folder).glob("uv-*.dist-info")):
            return found.name.removesuffix(".dist-info").partition("-")[2]
    from importlib.metadata import version

    return version("uv")


def identity() -> str:
    """A digest of all that the user's set-up says of indexes: where it differs, so may uv's answers.

    Credentials count, since an index may show each user something else; they cannot be read off the digest.
    """
    digest = hashlib.sha256()
    for name in sorted(os.environ):
        if name.startswith(_INDEX_VARIABLES):
            digest.update(f"{name}={os.environ[name]}\0".encode())
    for path in _config_files():
        try:
            content = path.read_bytes()
        except OSError:
            continue
        digest.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\0".encode())
    return digest.hexdigest()


def own_names(named: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What projects call their indexes, by address, but for names that the user has given to another address.

    uv finds credentials by the name: a project must not get those of the user's own index by calling another one so.
    """
    setup = user_setup()
    users = [*setup.extra, *([setup.default] if setup.default else [])]
    users += [_index(text, name, {}) for name, text in _configured()]
    bound = {_account_key(one.name): one.address.rstrip("/") for one in users}
    return {
        address: name
        for address, name in named
        if bound.get(_account_key(name), address.rstrip("/")) == address.rstrip("/")
    }


def accounts(named: Iterable[tuple[str, str]] = ()) -> Mapping[str, tuple[str, str]]:
    """User and password for each origin ("https://host:port") of an index that the environment or a file names.

    `named` are the addresses of projects' indexes, and what they are called there.
    """
    setup = user_setup()
    variables = dict(setup.variables)
    indexes = [*setup.extra, *([setup.default] if setup.default else [])]
    if not setup.no_config:
        indexes += [_index(text, name, variables) for name, text in _configured()]
    indexes += [NamedIndex(name=name, address=address) for address, name in own_names(named).items()]
    found: dict[str, tuple[str, str]] = {}
    for one in indexes:
        key = _account_key(one.name)
        if secret := variables.get(f"{key}_PASSWORD"):
            found.setdefault(origin(one.address), (variables.get(f"{key}_USERNAME", ""), secret))
    return found


def _account_key(name: str) -> str:
    return f"UV_INDEX_{re.sub(r'[^A-Z0-9]', '_', name.upper())}"


def _configured() -> Iterator[tuple[str, str]]:
    """Name and address of each index in the user's configuration files."""
    for number, path in enumerate(_config_files()):
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            continue  # uv itself says so, and better
        pip = settings.get("pip", {})
        for place, table in enumerate((settings, pip if isinstance(pip, dict) else {})):
            listed = table.get("extra-index-url", [])
            for at, text in enumerate([table.get("index-url"), *(listed if isinstance(listed, list) else [])]):
                if isinstance(text, str):
                    yield f"depdoctor-file-{number}-{place}-{at}", text
        entries = settings.get("index", [])
        for at, entry in enumerate(entries if isinstance(entries, list) else []):
            if isinstance(entry, dict) and isinstance(entry.get("url"), str):
                yield str(entry.get("name") or f"depdoctor-file-{number}-{at}"), entry["url"]


def _index(text: str, name: str, variables: dict[str, str]) -> NamedIndex:
    """The index that an entry such as "corp=https://user:secret@host/simple" names; its credentials go to variables."""
    if match := _NAMED.fullmatch(text):
        name, text = match.groups()
    if "://" not in text:
        return NamedIndex(name=name, address=str(Path(text).absolute()))
    parts = urlsplit(text)
    user, at, host = parts.netloc.rpartition("@")
    if at:
        key = _account_key(name)
        account, _, secret = user.partition(":")
        variables.setdefault(f"{key}_USERNAME", unquote(account))
        variables.setdefault(f"{key}_PASSWORD", unquote(secret))
    return NamedIndex(name=name, address=urlunsplit(parts._replace(netloc=host)))


def _config_files() -> Iterator[Path]:
    """Where uv looks for a configuration that is neither a project's nor named on its command line."""
    if named := os.environ.get("UV_CONFIG_FILE"):
        yield Path(named)
        return
    homes = [os.environ.get("XDG_CONFIG_HOME") or "~/.config", os.environ.get("APPDATA", "")]
    systems = [*os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep), "/etc"]
    systems.append(os.environ.get("PROGRAMDATA", ""))
    for folder in filter(None, (*homes, *systems)):
        yield Path(folder).expanduser() / "uv" / "uv.toml"
