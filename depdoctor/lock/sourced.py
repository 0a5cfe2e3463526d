"""Packages that come from an address: an archive with a hash, or a commit of a repository."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from depdoctor.lock.declared import Declared
from depdoctor.model.distribution import DistributionFile, LockedPackage, Pin
from depdoctor.model.git_source import PREFIX, GitSource, fixed
from depdoctor.model.lock import Answer, Impossible, Question, Resolved, Unknown
from depdoctor.model.seams import Resolver

UNSAID = "0"
"""The version of a package whose lockfile leaves it out, as readers put it."""

ARCHIVES = (".whl", ".tar.gz", ".zip")


def asked(wanted: Declared, question: Question, resolver: Resolver) -> tuple[Answer, tuple[str, ...]]:
    """The answer with what comes from addresses, and what is missing of that; without it where that cannot be had."""
    wishes: list[str] = []
    untold: list[str] = []
    for text, said in wanted.addressed:
        if refused := _refused(Requirement(text).url or "", builds_allowed=question.builds_allowed):
            untold.append(f"{said}: {refused}")
        else:
            wishes.append(text)
    if wishes:
        whole = resolver.resolve(replace(question, requirements=(*question.requirements, *sorted(wishes))))
        if isinstance(whole, Resolved):
            return whole, tuple(untold)
        untold = [f"{said}{_why(whole, question)}" for text, said in wanted.addressed if text in wishes] + untold
    return resolver.resolve(question) if question.requirements else Resolved(pins=()), tuple(untold)


def _refused(url: str, *, builds_allowed: bool) -> str:
    """Why an address is not asked, "" where it may be."""
    if url.startswith(PREFIX):
        try:
            source = GitSource.of(url)
        except ValueError as error:
            return str(error)
        return "" if source.scheme != "file" or builds_allowed else "a folder is cloned only with `--build-sdists`"
    if url.startswith(("https://", "http://", "./")) and urlsplit(url).path.endswith(ARCHIVES):
        return ""
    return "only archives and git can be had from an address"


def _why(answer: Impossible | Unknown, question: Question) -> str:
    said = next(iter((answer.message if isinstance(answer, Impossible) else answer.detail).strip().splitlines()), "")
    if " is disabled" in said and not question.builds_allowed:
        return ", and only building it tells what it needs: allow that with `--build-sdists`"
    return f", and could not be had from there: {said}" if said else ""


def pin_of(package: LockedPackage, question: Question, resolver: Resolver | None) -> Pin | str:
    """The pin of a package that a lockfile takes from an address, or why there is none, as the end of a sentence.

    With a resolver, the version is asked for where the lockfile leaves it out.
    """
    if not package.source.startswith(PREFIX):
        return _archive(package, question, resolver)
    try:
        source = fixed(package.source)
    except ValueError as error:
        return f"comes from {package.source}: {error}"
    if source is None:
        return f"comes from {package.source}, which names no commit: lock it anew"
    if str(package.version) == UNSAID:
        return _looked_up(package, str(source), question, resolver)
    file = source.file(package.name, package.version)
    return Pin(name=package.name, version=package.version, file=file, source=str(source), requires=package.requires)


def _looked_up(package: LockedPackage, source: str, question: Question, resolver: Resolver | None) -> Pin | str:
    """The pin of what nobody tells the version or the hash of but it itself."""
    if source.startswith("./") and not urlsplit(source).path.endswith(ARCHIVES):
        folder = shlex.quote(source.removeprefix("./"))
        return (
            f"is the folder {source}, not a release: to have it in an image, build it "
            f"(`uv build --wheel --out-dir wheels {folder}`), take it out of the members of its workspace, "
            "name the wheel as its source, and lock anew"
        )
    refused = _refused(source, builds_allowed=question.builds_allowed)
    if resolver is None or refused:
        return f"comes from {source}, which is no index" + (f": {refused}" if refused else "")
    asked = replace(question, requirements=(f"{package.name} @ {source}",), constraints=(), preferences=())
    answer = resolver.resolve(asked)
    if not isinstance(answer, Resolved):
        return f"comes from {source}{_why(answer, question)}"
    return next(pin for pin in answer.pins if pin.name == package.name)


def _archive(package: LockedPackage, question: Question, resolver: Resolver | None) -> Pin | str:
    """The pin of a package that is a file at an address or below the scan root."""
    where = package.source.partition("#")[0]
    told = f"comes from {package.source}, which is no index"
    filename = unquote(PurePosixPath(urlsplit(where).path).name)
    fragment = dict(parse_qsl(urlsplit(package.source).fragment))
    stated = [f"sha256:{fragment['sha256']}"] if re.fullmatch("[0-9a-f]{64}", fragment.get("sha256", "")) else []
    hashes = {*stated, *package.hashes, *(f"sha256:{file.sha256}" for file in package.files if file.sha256)}
    digests = sorted(one.removeprefix("sha256:") for one in hashes if one.startswith("sha256:"))
    if not digests or _refused(where, builds_allowed=question.builds_allowed):
        return _looked_up(package, package.source, question, resolver)
    if len(digests) != 1:
        return told
    version = package.version
    if filename.endswith(".whl"):
        try:
            name, version, _, tags = parse_wheel_filename(filename)
        except InvalidWheelFilename:
            return told
        if name != canonicalize_name(package.name) or not tags & set(question.environment.tags()):
            return f"{told}, and serves {question.environment} with no wheel"
    elif str(version) == UNSAID:
        return told
    size = next((file.size_bytes for file in package.files if file.size_bytes), None)
    file = DistributionFile(filename=filename, url=where, sha256=digests[0], size_bytes=size)
    return Pin(name=package.name, version=version, file=file, source=where, requires=package.requires)


def pins_of(
    packages: Sequence[LockedPackage], question: Question, resolver: Resolver | None
) -> Iterator[tuple[LockedPackage, Pin | str]]:
    """Each package with its pin, or the reason why it has none."""
    for package in packages:
        yield package, pin_of(package, question, resolver)
