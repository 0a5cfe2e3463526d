"""The modules that a wheel installs, by the paths in it (binary distribution format specification)."""

from __future__ import annotations

from collections.abc import Container, Iterable

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


def inner_modules(within: Container[str], paths: Iterable[str]) -> tuple[str, ...]:
    """The dotted names of the modules and packages inside of some top-level ones, sorted."""
    found = set()
    for path in paths:
        *folders, file = path.split("/")
        stem = file.partition(".")[0]
        parts = folders if stem == "__init__" else [*folders, stem]
        if len(parts) > 1 and parts[0] in within and file.endswith((".py", *_COMPILED)):
            found |= {".".join(parts[:length]) for length in range(2, len(parts) + 1)}
    return tuple(sorted(found))
