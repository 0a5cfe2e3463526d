"""Packages of the base's distribution, in an instruction that leaves neither lists nor logs in the image."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from hashlib import sha256

SOURCES = "/var/cache/apt/depdoctor.list"
"""A file in a mounted cache, so that it is in no layer."""

ARCHIVES = (("debian", ("", "-updates")), ("debian-security", ("-security",)))
"""The archives of Debian, and what their suites are called after the release's name."""


def install(packages: Sequence[str], cache: str, snapshot: str) -> list[str]:
    """The lines of a RUN that installs packages; `cache` names its cache, `snapshot` is as in `Toolchain`."""
    if snapshot:
        cache += f"-{sha256(snapshot.encode()).hexdigest()[:8]}"
    apt = "apt-get"
    lines = [
        f"RUN --mount=type=cache,id={cache}-lists,target=/var/lib/apt/lists,sharing=locked \\",
        f"    --mount=type=cache,id={cache}-files,target=/var/cache/apt,sharing=locked \\",
    ]
    if snapshot:
        apt += f" -o Dir::Etc::SourceList={SOURCES} -o Dir::Etc::SourceParts=/dev/null"
        lines.append("    . /etc/os-release \\")
        lines.append("    && printf '%s\\n' \\")
        lines += [f"        {line} \\" for line in _sources(snapshot)]
        lines.append(f"        > {SOURCES} \\")
        lines.append(f"    && {apt} update \\")
    else:
        lines.append(f"    {apt} update \\")
    names = " ".join(map(shlex.quote, packages))
    return [
        *lines,
        f"    && DEBIAN_FRONTEND=noninteractive {apt} install --yes --no-install-recommends -- {names} \\",
        "    && rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache",
    ]


def _sources(snapshot: str) -> Iterator[str]:
    """The lines of a source list, each a word of the shell; the release's name is known where it runs."""
    for archive, suites in ARCHIVES if "{archive}" in snapshot else (("", ("",)),):
        address = snapshot.replace("{archive}", archive)
        for suite in suites:
            yield f'{shlex.quote(f"deb [check-valid-until=no] {address} ")}"${{VERSION_CODENAME}}{suite} main"'
