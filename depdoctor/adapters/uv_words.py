"""What uv says, read back into facts.

uv explains a failure in prose only, and the prose is not a stable format: all that is read here is a hint, and whoever
rests a verdict on it asks uv a second question first. Names are normalized.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.adapters.uv_proof import read_steps
from depdoctor.adapters.uv_sentence import sentence
from depdoctor.model.noun import dataclass

PROJECT_NAME = "depdoctor-question"
"""What a project is called that exists for one question alone."""

MESSAGE_LIMIT = 4000
"""Characters of an explanation that are kept; a hard case runs to a thousand lines, of which nobody reads the rest."""

_HINT = re.compile(r"^\s*hint: ", re.MULTILINE)
_NAME = re.compile(r"^[`(]?([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?=[\[{=<>!~,;:`)]|\.?$)")
_MARKERS = re.compile(r"\{[^{}]*\}")
"""uv puts the marker that it split on into the name of a package."""

_VEILED = re.compile(r"(?:there (?:is|are) no versions? of|only) [\w.-]+[\[{]")
"""A package with an extra or a marker: uv says that there is no version of it where its cache only lacks the page."""

_UNDATED = re.compile(r"`([^`]+)` is missing an upload date")
_TAG = re.compile(r"`([^`]+)`")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_FAILED_BUILD = re.compile(r"Failed to (?:download and )?build `([^`]+)`")
_WHEELS_FOR = re.compile(r"heels (?:are available )?for `([^`]+)` \([^)]*\)[^:]*: (.+)")
_PRERELEASE = re.compile(r"Pre-releases are available for `([^`]+)`|`([^`]+)` was requested with a pre-release marker")
_NO_PYTHON = re.compile(
    r"(\S+) (?:has|have) no wheels with a matching Python|(\S+) (?:depends?|depend) on Python|(\S+) requires? Python"
)
_NO_PLATFORM = re.compile(r"(\S+) (?:has|have) no (?:wheels with a matching platform tag|\S+-compatible wheels)")
_NO_WHEEL = re.compile(r"(?:all of: ((?:[^\s=<>]+[=<>]\S+ )++)|(\S+) )(?:has|have) no usable wheels")
_NO_VERSION = re.compile(r"there (?:is|are) no versions? of (\S+?),?(?=\s)|only (\S+) (?:is|are) available")
_UNLISTED = re.compile(r"(\S+) (?:was|were) not found in the (?:package registry|provided package locations)")
_YANKED = re.compile(r"(\S+) (?:was|were|is|are) yanked")
_UNUSABLE = re.compile(r"(\S+) (?:has|have) (?:invalid metadata|inconsistent metadata|an invalid package format)")
_DEPENDS = re.compile(r"depends? on (?:one of: |all of: )?(\S+)")
_REQUIRES = re.compile(r"you require (.+?)(?=,? we can conclude|\.(?: |$)|$)")

_OFFLINE = (
    "network was disabled",
    "not found in the cache",
    "to be downloaded from a registry",
    "network connectivity",
)
_UNREACHABLE = (
    "Failed to fetch",
    "Failed to download `",
    "Failed to download metadata",
    "error sending request",
    "could not be fetched from the network",
    "could not be queried due to a lack of valid authentication",
    "Failed to read `--find-links`",
    "Git operation failed",
)
_IDLE_WARNINGS = (
    "is missing an upload date",
    "No dependencies found",
    "is not available; ",
    "Requirements file",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What uv gave as the reason for a failure.

    `needs_build` are releases without a wheel, as uv wrote them; `wrong_python` and `wrong_platform` those whose wheels
    are for others; `absent` the versions that are not there, as uv wrote them, and `veiled` whether one is of a package
    with an extra or a marker; `wheel_tags` the tags that it found; `steps` what it says depends on what; `summary` the
    reason in a sentence.
    """

    message: str
    summary: str
    no_solution: bool = False
    offline: bool = False
    unreachable: bool = False
    failed_build: tuple[NormalizedName, ...] = ()
    needs_build: tuple[str, ...] = ()
    wrong_python: tuple[NormalizedName, ...] = ()
    wrong_platform: tuple[NormalizedName, ...] = ()
    absent: tuple[str, ...] = ()
    unlisted: tuple[NormalizedName, ...] = ()
    yanked: tuple[NormalizedName, ...] = ()
    unusable: tuple[NormalizedName, ...] = ()
    prereleases: tuple[NormalizedName, ...] = ()
    wheel_tags: tuple[str, ...] = ()
    required: tuple[NormalizedName, ...] = ()
    depended_on: tuple[NormalizedName, ...] = ()
    demanded: frozenset[str] = frozenset()
    veiled: bool = False

    @property
    def is_proof(self) -> bool:
        """Whether uv looked at all there is and found no solution."""
        return self.no_solution and not self.offline and not self.unreachable

    @property
    def sourceless(self) -> bool:
        """Whether one package alone is refused: it has neither a wheel nor a source archive that uv takes."""
        return (
            len(self.required) == 1 and not self.lonely and {*self.required} <= {*names_in(" ".join(self.needs_build))}
        )

    @property
    def lonely(self) -> bool:
        """Whether some package is refused for a reason of its own, not for what another asks of it."""
        return any((self.wrong_python, self.wrong_platform, self.absent, self.unlisted, self.yanked))

    steps: tuple[tuple[str, str], ...] = ()


def read_failure(stderr: str) -> Failure:
    """The reasons in uv's message for a run that failed."""
    stderr = re.sub(rf"{PROJECT_NAME}\s+depends\s+on", "you require", stderr)  # uv breaks lines where COLUMNS is set
    start = stderr.find("error:")
    explanation, *hints = _HINT.split(stderr[max(start, 0) :])
    text = re.sub(r"\s+", " ", _MARKERS.sub("", explanation)).strip()
    hint = "\n".join(re.sub(r"\s+", " ", part) for part in hints)
    wheels = [match.group(0) for match in _WHEELS_FOR.finditer(hint)]
    return Failure(
        summary=redacted(sentence(text, hint)),
        message=_shown(text, [part for part in hint.splitlines() if any(wheel in part for wheel in wheels)]),
        no_solution="No solution found" in text,
        offline=any(phrase in stderr for phrase in _OFFLINE),
        unreachable=any(phrase in stderr for phrase in _UNREACHABLE),
        failed_build=_names(_FAILED_BUILD, text),
        needs_build=tuple(dict.fromkeys(term for terms in _groups(_NO_WHEEL, text) for term in terms.split())),
        wrong_python=_names(_NO_PYTHON, text),
        wrong_platform=_names(_NO_PLATFORM, text),
        absent=tuple(dict.fromkeys(_groups(_NO_VERSION, text))),
        veiled=bool(_VEILED.search(re.sub(r"\s+", " ", explanation))),
        unlisted=_names(_UNLISTED, text),
        yanked=_names(_YANKED, text),
        unusable=_names(_UNUSABLE, text),
        prereleases=_names(_PRERELEASE, hint),
        wheel_tags=tuple(tag for wheel in wheels for tag in _TAG.findall(wheel.split("): ", 1)[-1].split(": ", 1)[-1])),
        required=tuple(dict.fromkeys(name for part in _groups(_REQUIRES, text) for name in names_in(part))),
        depended_on=_names(_DEPENDS, text),
        demanded=frozenset(
            word for part in (*_groups(_REQUIRES, text), *_groups(_DEPENDS, text)) for word in part.split()
        ),
        steps=read_steps(text),
    )


def read_warnings(stderr: str) -> tuple[str, ...]:
    """The warnings that matter to whoever asked, in uv's words."""
    lines = (line.removeprefix("warning: ") for line in stderr.splitlines() if line.startswith("warning: "))
    return tuple(dict.fromkeys(line for line in lines if not any(phrase in line for phrase in _IDLE_WARNINGS)))


def without_upload_times(stderr: str) -> frozenset[NormalizedName]:
    """The packages of which uv left files out because their index does not say when they were uploaded."""
    return frozenset(canonicalize_name(re.split(r"-\d", file)[0]) for file in _UNDATED.findall(stderr))


def redacted(text: str) -> str:
    """The text without the credentials that addresses in it may carry."""
    return _CREDENTIALS.sub("***@", text)


def names_in(text: str) -> tuple[NormalizedName, ...]:
    """The packages named in a list of requirements as uv writes them, in order."""
    found = (_NAME.match(word) for word in text.split())
    return tuple(dict.fromkeys(canonicalize_name(m.group(1)) for m in found if m and m.group(1) not in {"and", "or"}))


def _shown(text: str, hints: list[str]) -> str:
    head, _, cause = text.partition(" cause: ")
    message = " ".join([cause if head.startswith("error: No solution") else text.removeprefix("error: "), *hints])
    return redacted(message if len(message) <= MESSAGE_LIMIT else message[:MESSAGE_LIMIT] + " ...")


def _groups(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    return (next(group for group in match.groups() if group) for match in pattern.finditer(text))


def _names(pattern: re.Pattern[str], text: str) -> tuple[NormalizedName, ...]:
    return tuple(dict.fromkeys(name for group in _groups(pattern, text) for name in names_in(group)))
