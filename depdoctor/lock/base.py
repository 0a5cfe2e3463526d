"""What comes with the image that a project stands on: neither asked for again, nor put aside for something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.lock.declared import Declared
from depdoctor.model.finding import Kind
from depdoctor.model.graph import holds, without_marker
from depdoctor.model.lock import BaseContents, Impossible, Lock, Unknown
from depdoctor.model.project import DeclaredRequirement, in_groups
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment


def contradiction(
    reading: Reading, environment: Environment, groups: Sequence[str], contents: BaseContents
) -> Impossible | None:
    """The first line of the project that wants another version of a package than its image brings, None if none does.

    An installer would put the other version over the one that the image was built around.
    """
    brought = _by_name(contents)
    for manifest in reading.manifests:
        for line in manifest.requirements:
            if line.name in brought and in_groups(line.group, groups) and holds(line.requirement.marker, environment):
                version = _version(brought[line.name])
                if version and not _admits(line, version):
                    return _contradicted(line, version, contents)
    return None


def without(wanted: Declared, provided: Sequence[str]) -> Declared:
    """What is left to ask an index for where these packages are there."""
    names = {canonicalize_name(Requirement(text).name) for text in provided}
    left = (text for text in wanted.requirements if canonicalize_name(Requirement(text).name) not in names)
    addressed = (one for one in wanted.addressed if canonicalize_name(Requirement(one[0]).name) not in names)
    return replace(wanted, requirements=tuple(left), addressed=tuple(addressed))


def upon(
    answer: Lock | Impossible | Unknown, contents: BaseContents, provided: Sequence[str]
) -> Lock | Impossible | Unknown:
    """A lock without what the image brings, of which it says so; a refusal that says what of it stood in the way."""
    if isinstance(answer, Impossible):
        return _beside(answer, contents)
    if isinstance(answer, Unknown):
        return answer
    names = {canonicalize_name(Requirement(text).name) for text in provided}
    return replace(
        answer,
        pins=tuple(pin for pin in answer.pins if pin.name not in names),
        base=contents.reference,
        provided=tuple(provided),
    )


def _beside(answer: Impossible, contents: BaseContents) -> Impossible:
    """A refusal that says where a version comes from that no line of the project names."""
    named = [str(one) for one in contents.packages if one.specifier and str(one) in answer.message]
    if not named:
        return answer
    said = f" ({', '.join(named)} comes with {contents})"
    return replace(answer, message=answer.message + said, summary=(answer.summary or answer.message) + said)


def provided_by(contents: BaseContents, wanted: Declared) -> tuple[str, ...]:
    """The packages that nobody needs to install, as `Question.provided` has them."""
    lines = [Requirement(text) for text in (*wanted.requirements, *wanted.constraints)]
    own = {canonicalize_name(line.name) for line in lines if line.specifier}
    return tuple(sorted({*map(str, contents.packages), *(name for name in contents.besides if name not in own)}))


def _by_name(contents: BaseContents) -> Mapping[NormalizedName, Requirement]:
    return {canonicalize_name(one.name): one for one in contents.packages}


def _version(one: Requirement) -> str:
    return next((each.version for each in one.specifier), "")


def _admits(line: DeclaredRequirement, version: str) -> bool:
    return bool(line.requirement.url) or line.requirement.specifier.contains(version, prereleases=True)


def _contradicted(line: DeclaredRequirement, version: str, contents: BaseContents) -> Impossible:
    wanted = without_marker(line.requirement)
    return Impossible(
        kind=Kind.SELF_CONFLICT,
        message=f"{line.location} wants {wanted}, and {contents} brings {line.name} {version}",
        blamed=(line.name,),
        location=line.location,
        line=wanted,
        hint=(
            f"leave {line.name} to the image, or take an image that brings it in that version: "
            "installed over it, it loses what the image was built for"
        ),
    )
