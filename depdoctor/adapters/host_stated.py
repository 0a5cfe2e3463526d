"""What the environment states of a machine, so that a runner without a GPU can speak for one that has some."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from packaging.version import InvalidVersion, Version

from depdoctor.errors import UsageError
from depdoctor.model.host import Fact, Gpus, HostGpu, Known, NotKnown
from depdoctor.model.noun import dataclass
from depdoctor.model.target import PLATFORMS, Gpu

PREFIX = "DEPDOCTOR_HOST_"


def _version(text: str) -> bool:
    try:
        return len(Version(text).release) > 0
    except InvalidVersion:
        return False


def _two_numbers(text: str) -> bool:
    return _version(text) and len(Version(text).release) > 1


CHECKS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "platform": (PLATFORMS.__contains__, f"one of {', '.join(PLATFORMS)}"),
    "glibc": (_two_numbers, 'two numbers such as "2.31"'),
    "libc": (("glibc", "musl").__contains__, "glibc or musl"),
    "driver": (_version, 'a version such as "535.129.03"'),
    "driver-cuda": (_version, 'a version such as "12.2"'),
    "gpus": (lambda text: all(part.strip() for part in text.split(",")), 'such as "A10, 8.6, GeForce RTX 3090 (8.6)"'),
    "cuda": (_version, 'a version such as "11.7"'),
    "cudnn": (_version, 'a version such as "8.2.4"'),
}

GROUPS = (("platform", "glibc", "libc"), ("driver", "driver-cuda", "gpus"), ("cuda", "cudnn"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """The values by key of `[[target]]`; an empty one states that there is none."""

    values: Mapping[str, str]

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> Stated:
        """Take the variables out of an environment. Raises `UsageError`."""
        values = {}
        for variable, value in sorted(environment.items()):
            if not variable.startswith(PREFIX):
                continue
            key = variable.removeprefix(PREFIX).lower().replace("_", "-")
            if key not in CHECKS:
                nearest = difflib.get_close_matches(key, CHECKS, n=1, cutoff=0)[0]
                raise UsageError(f"`{variable}` states nothing of a host", hint=f"did you mean `{_variable(nearest)}`?")
            good, wanted = CHECKS[key]
            if value.strip() and not good(value.strip()):
                raise UsageError(f"`{variable}` must be {wanted}, not {value!r}")
            values[key] = value.strip()
        return cls(values=values)

    def covers(self, key: str) -> bool:
        """Whether the group of a key is stated, at least in part."""
        return any(member in self.values for group in GROUPS if key in group for member in group)

    def fact(self, key: str) -> Fact:
        """What is stated for a key of a group that is stated."""
        if key not in self.values:
            return NotKnown(reason=f"`{_variable(key)}` is not set")
        if not self.values[key]:
            return NotKnown(reason=f"`{_variable(key)}` is empty")
        return Known(text=self.values[key], source=_variable(key))

    @property
    def platform(self) -> tuple[str, str] | None:
        """System and machine, None where they are not stated."""
        system, _, machine = self.values.get("platform", "").partition("-")
        return (system, machine) if machine else None

    @property
    def libc(self) -> tuple[str, Fact]:
        """The C library and its version."""
        version = self.fact("glibc")
        return ("glibc" if isinstance(version, Known) else self.values.get("libc", "")), version

    @property
    def gpus(self) -> Gpus | NotKnown:
        """The GPUs; none where the variable is empty."""
        if "gpus" not in self.values:
            return NotKnown(reason=f"`{_variable('gpus')}` is not set")
        parts = filter(None, self.values["gpus"].split(","))
        return Gpus(each=tuple(HostGpu(model=Gpu.parse(part)) for part in parts), source=_variable("gpus"))


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace("-", "_")
