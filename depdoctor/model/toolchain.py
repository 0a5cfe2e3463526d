"""What there is to compile with, where a builder can run commands."""

from __future__ import annotations

from enum import StrEnum

from depdoctor.model.noun import dataclass

COMPILER = ("build-essential", "python3-dev")


class Installer(StrEnum):
    """What installs packages in the stages of a Dockerfile."""

    UV = "uv"
    PIP = "pip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """What Dockerfiles install with, and where they compile: in no stage that an image stands on.

    `image` is the base of that stage, "" for the image's own; `packages` are installed there, and bring the Python that
    it may lack. `snapshot` is the address of an archive of Debian's packages as of one moment, in which `{archive}`
    stands for "debian" and "debian-security"; "", and `image`, take them as their own sources have them. `indexes` are
    asked for what the plan names no index of: the first instead of the usual one ("" for that), the others besides. pip
    as `installer` is that of the base.
    """

    image: str = ""
    packages: tuple[str, ...] = COMPILER
    snapshot: str = ""
    indexes: tuple[str, ...] = ()
    installer: Installer = Installer.UV
