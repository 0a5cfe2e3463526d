"""Which C library an image has, told by the list of its system's packages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from depdoctor.build.oci.looking import members_of
from depdoctor.model.image import Blob
from depdoctor.model.seams import Registry, Store

_DEBIAN = re.compile(r"(?:\./)?var/lib/dpkg/status(?:\.d/libc6)?")
_ALPINE = re.compile(r"(?:\./)?(?:usr/)?lib/apk/db/installed")
_FILE = re.compile(r"(?:\./)?(?:usr/)?lib(?:64)?/(?:[^/]+-linux-gnu/)?libc-(?P<version>2\.\d+)\.so")
_GLIBC = re.compile(r"^Package: libc6\n(?:.+\n)*?Version: (?:\d+:)?(?P<version>\d+\.\d+)", re.MULTILINE)
_MUSL = re.compile(
    r"^P:musl\n(?:.+\n)*?V:(?P<version>\d+\.\d+)|^V:(?P<before>\d+\.\d+).*\n(?:.+\n)*?P:musl$", re.MULTILINE
)


def libc_of(layers: Sequence[Blob], repository: str, registry: Registry, store: Store) -> str:
    """The C library of an image with these layers, bottom first, as "glibc 2.36"; "" where nothing tells."""
    return next(filter(None, (_told(layer, repository, registry, store) for layer in reversed(layers))), "")


def _told(layer: Blob, repository: str, registry: Registry, store: Store) -> str:
    """What a layer says, "" for nothing; noted for ever."""
    key = f"libc 1 {layer.digest}"
    known = store.recall(key)
    if known is not None:
        return known
    found = ""
    with members_of(layer, repository, registry) as members:
        for member, read in members:
            if _DEBIAN.fullmatch(member.name) and (match := _GLIBC.search(read().decode(errors="replace"))):
                found = f"glibc {match['version']}"
            elif _ALPINE.fullmatch(member.name) and (match := _MUSL.search(read().decode(errors="replace"))):
                found = f"musl {match['version'] or match['before']}"
            elif match := _FILE.fullmatch(member.name):
                found = found or f"glibc {match['version']}"
    store.remember(key, found)
    return found
