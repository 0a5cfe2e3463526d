"""A package in a git repository: where it lies, and at which commit."""

from __future__ import annotations

from hashlib import sha256

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.address import redact
from depdoctor.model.distribution import DistributionFile
from depdoctor.model.expression import expression
from depdoctor.model.noun import dataclass

PREFIX = "git+"
SCHEMES = ("https", "http", "ssh", "file")
"""Transports that only move data; `ext` and others run what the address says."""

_ADDRESS = expression(
    r"(?P<scheme>[a-z]+)://(?P<place>[^/?#@]*@?[^/?#@]*)(?P<path>/[^?#@]*)"
    r"(?:@(?P<revision>[^?#@]*))?(?:#(?P<fragment>.*))?"
)
_COMMIT = expression(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REVISION = expression(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*")
_PLACE = expression(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9_\[][A-Za-z0-9_.:\]-]*")
_PATH = expression(r"/[!-~]*")
_FOLDER = expression(r"([A-Za-z0-9_.][A-Za-z0-9_.+ -]*/)*[A-Za-z0-9_.][A-Za-z0-9_.+ -]*")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class GitSource:
    """A repository's address, a revision ("" for what its HEAD is) and the folder in it ("" for all)."""

    url: str
    revision: str = ""
    folder: str = ""

    @classmethod
    def of(cls, address: str) -> GitSource:
        """What `git+URL@REVISION#subdirectory=FOLDER` names (PEP 508, pip's VCS support).

        Raises `ValueError`, with the reason, for an address with a secret in it, and for any part that git could take
        for something else than a place: other transports, options, ways out of the repository.
        """
        if not address.startswith(PREFIX):
            raise ValueError("it is no address of git")
        if redact(address) != address:
            raise ValueError("it holds a password")
        parts = _ADDRESS.fullmatch(address.removeprefix(PREFIX))
        if parts is None or parts["scheme"] not in SCHEMES:
            raise ValueError(f"it is no address by {', '.join(SCHEMES)}")
        place, path, revision = parts["place"], parts["path"], parts["revision"]
        asked = dict(one.partition("=")[::2] for one in (parts["fragment"] or "").split("&"))
        folder = asked.get("subdirectory", "").strip("/")
        if place if parts["scheme"] == "file" else not _PLACE.fullmatch(place):
            raise ValueError("it names no host")
        if not _PATH.fullmatch(path) or ".." in path.split("/"):
            raise ValueError("it names no repository")
        if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision):
            raise ValueError("its revision is none")
        if folder and (not _FOLDER.fullmatch(folder) or ".." in folder.split("/")):
            raise ValueError("its folder leads out of the repository")
        return cls(url=f"{parts['scheme']}://{place}{path}", revision=revision or "", folder=folder)

    @property
    def is_fixed(self) -> bool:
        """Whether the revision is a whole commit hash, which nobody can move."""
        return bool(_COMMIT.fullmatch(self.revision))

    @property
    def scheme(self) -> str:
        """The transport: one of `SCHEMES`."""
        return self.url.partition(":")[0]

    def __str__(self) -> str:
        fragment = f"#subdirectory={self.folder}" if self.folder else ""
        return f"{PREFIX}{self.url}@{self.revision}{fragment}"

    @property
    def sha256(self) -> str:
        """What stands for the hash of a file: that of the address, which names the commit."""
        return sha256(str(self).encode()).hexdigest()

    def file(self, name: NormalizedName, version: Version) -> DistributionFile:
        """The source of a package as a file of a plan."""
        return DistributionFile(filename=f"{name}-{version}.git", url=str(self), sha256=self.sha256)


def fixed(address: str) -> GitSource | None:
    """The source that an address names for good; None for any other address. Raises `ValueError` as `GitSource.of`."""
    if not address.startswith(PREFIX):
        return None
    source = GitSource.of(address)
    return source if source.is_fixed else None
