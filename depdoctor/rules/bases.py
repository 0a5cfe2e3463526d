"""Base images: what their tags tell, by the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from packaging.requirements import Requirement
from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.noun import dataclass
from depdoctor.rules.rows import BaseImage, BasePackages, Distribution, Provenance

UNKNOWN_LIBC = ("glibc", (2, 28))
"""What is assumed of a base that the tables do not know: the oldest glibc for which most wheels are made today."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What the tag of a base image tells. `cuda` is None where it brings none, if `known`.

    A `slim` one has no libraries beyond those of C and C++; a `compiled` one holds GPU code of its CUDA. `brings` is a
    package that it has installed already, in `version` where that is told. `demand` is its NVIDIA_REQUIRE_CUDA, ""
    where nobody has looked.
    """

    reference: str
    known: bool
    libc: str = UNKNOWN_LIBC[0]
    libc_version: tuple[int, int] = UNKNOWN_LIBC[1]
    python: str = ""
    family: str = ""
    release: str = ""
    cuda: Version | None = None
    cudnn: Version | None = None
    requires_driver: bool = False
    renamed: tuple[str, ...] = ()
    slim: bool = False
    compiled: bool = False
    brings: NormalizedName | None = None
    version: Version | None = None
    demand: str = ""
    packages: tuple[Requirement, ...] = ()
    """Distributions that belong to it: pinned, or by name alone where the version is not known."""
    besides: tuple[NormalizedName, ...] = ()
    """Others that it has, which a project may replace by a version of its own."""
    provenance: Provenance | None = None


def read(
    reference: str,
    images: Callable[[str], Iterable[BaseImage]],
    contents: Callable[[str], Iterable[BasePackages]],
    distributions: Callable[[], Iterable[Distribution]],
) -> Base:
    """What the tables tell of a reference; the first row of images that matches is believed.

    `images` and `contents` give the rows of an image of a name.
    """
    name, _, _ = reference.partition("@")
    image, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
    rows = [row for row in contents(image) if row.tag.match(tag)]
    packages, besides = _packages(rows), tuple(sorted({name for row in rows for name in row.besides}))
    for row in images(image):
        if not (match := row.tag.match(tag)):
            continue
        told = {key: value for key, value in match.groupdict().items() if value}
        release = told.get("release", row.release)
        system = next((each for each in distributions() if release in each.names), None)
        if system is None:
            continue
        major, minor = system.libc_version.release[:2]
        return Base(
            reference=reference,
            known=True,
            libc=system.libc,
            libc_version=(major, minor),
            python=told.get("python", row.python),
            family=system.family,
            release=release,
            cuda=Version(told["cuda"]) if "cuda" in told else row.cuda,
            cudnn=Version(told["cudnn"]) if "cudnn" in told else row.cudnn,
            requires_driver=row.requires_driver,
            renamed=system.renamed,
            slim=row.slim,
            compiled=row.compiled,
            brings=row.brings,
            version=Version(told["version"]) if "version" in told else None,
            packages=packages,
            besides=besides,
            provenance=row.provenance,
        )
    return Base(reference=reference, known=False, packages=packages, besides=besides)


def _packages(rows: Iterable[BasePackages]) -> tuple[Requirement, ...]:
    """What belongs to an image, by name; pinned where some row pins it."""
    found: dict[str, Requirement] = {}
    for row in rows:
        for package in row.packages:
            if package.specifier or package.name not in found:
                found[package.name] = package
    return tuple(found[name] for name in sorted(found))
