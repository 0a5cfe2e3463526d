"""Names in OCI registries, read as Docker reads them, and what a token must allow there."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from depdoctor.errors import RegistryError
from depdoctor.model.noun import dataclass

HUB = "docker.io"
HUB_HOST = "registry-1.docker.io"

_REFERENCE = re.compile(
    r"(?P<repository>[a-zA-Z0-9\[][a-zA-Z0-9.:\[\]_/-]*?)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_REPOSITORY = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A name in a registry: the host that answers for it, the repository there, and a tag or digest ("" if none)."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def base(self) -> str:
        """The address of its repository's interface."""
        return f"{'http' if is_loopback(self.host) else 'https'}://{self.host}/v2/{self.repository}"


def parse(reference: str) -> Reference:
    """Read a reference as Docker does. Raises `RegistryError` if it is none."""
    match = _REFERENCE.fullmatch(reference)
    host, rest = _split(match["repository"]) if match else ("", "")
    if not match or not _REPOSITORY.fullmatch(rest) or not _has_port(host):
        raise RegistryError(
            f"`{reference}` is not an image reference", hint="It looks like registry.example/team/name:tag"
        )
    tag = match["tag"] or ("" if match["digest"] else "latest")
    return Reference(host=host, repository=rest, tag=tag, digest=match["digest"] or "")


def _split(name: str) -> tuple[str, str]:
    """The host that answers for a name, and the repository there."""
    host, _, rest = name.partition("/")
    if not rest or not ("." in host or ":" in host or host == "localhost"):
        host, rest = HUB, name
    return (HUB_HOST, rest if "/" in rest else f"library/{rest}") if host == HUB else (host, rest)


def _has_port(host: str) -> bool:
    """Whether the port of a host, if it has one, is one that there can be."""
    try:
        return urlsplit(f"//{host}").port != 0
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether a host (with or without port) is this machine."""
    name = (urlsplit(f"//{host}").hostname or "").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a token must allow: to pull from a repository, perhaps to push there, perhaps to mount from a source."""

    name: Reference
    push: bool
    source: str

    @property
    def key(self) -> tuple[str, str, bool, str]:
        """What tells one token from another: tags do not."""
        return self.name.host, self.name.repository, self.push, self.source
