"""Which group the requirements of a file belong to, by the file's name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from packaging.utils import canonicalize_name

from depdoctor.model.formats import REQUIREMENTS, format_of, is_parts_folder
from depdoctor.model.project import DEFAULT_GROUP

_RUNNING = frozenset(
    {
        *("base", "common", "main", "core", "prod", "production", "run", "runtime", "requirements"),
        *("lock", "locked", "freeze", "frozen", "pinned", "compiled", "in"),
    }
)
"""Words in a name that mean what the project needs to run, or how the file was made."""

_WORDS = re.compile(r"[-_.]+")


def groups_of(paths: Sequence[str]) -> Mapping[str, str]:
    """The group of each requirements file among a project's manifests.

    `requirements.txt` and the like are the default group, `requirements-dev.txt`, `dev-requirements.txt` and
    `requirements/dev.txt` the group `dev`. A project's only manifest is its default group whatever it is called.
    """
    groups = {path: _named(path) for path in paths if format_of(path) == REQUIREMENTS}
    stems = {posixpath.splitext(path)[0] for path in groups}
    if len(stems) == 1 and len(groups) == len(paths):
        return dict.fromkeys(groups, DEFAULT_GROUP)
    return groups


def _named(path: str) -> str:
    folder, name = posixpath.split(path)
    words = [word for word in _WORDS.split(posixpath.splitext(name)[0].lower()) if word]
    if not is_parts_folder(folder):
        words = [word for word in words if word not in {"requirement", "requirements"}]
    words = [word for word in words if word not in _RUNNING]
    return canonicalize_name("-".join(words)) if words else DEFAULT_GROUP
