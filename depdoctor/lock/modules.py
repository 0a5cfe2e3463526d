"""The modules that a wheel installs, by the paths in it (binary distribution format specification)."""

from __future__ import annotations

from collections.abc import Iterable

_COMPILED = (".so", ".pyd")
_LIBRARIES = frozenset({"purelib", "platlib"})


def modules_of(paths: Iterable[str]) -> tuple[str, ...]:
    """The top-level modules and packages, sorted; folders without any code are none."""
    found = set()
    for path in paths:
        parts = path.split("/")
        if parts[0].endswith(".data"):
            if len(parts) < 3 or parts[1] not in _LIBRARIES:
                continue
            parts = parts[2:]
        name = parts[0] if len(parts) > 1 else parts[0].partition(".")[0]
        if parts[-1].endswith((".py", *_COMPILED)) and name.isidentifier():
            found.add(name)
    return tuple(sorted(found))
