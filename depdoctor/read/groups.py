"""Which group the requirements of a file belong to, by the file's name."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from packaging.utils import canonicalize_name

from depdoctor.model.expression import expression
from depdoctor.model.formats import DOCKERFILE, ENVIRONMENT, REQUIREMENTS, format_of, is_parts_folder
from depdoctor.model.project import DEFAULT_GROUP

_RUNNING = frozenset(
    {
        *("base", "common", "main", "core", "prod", "production", "run", "runtime", "requirements"),
        *("lock", "locked", "freeze", "frozen", "pinned", "compiled", "in"),
    }
)
"""Words in a name that mean what the project needs to run, or how the file was made."""

_WORDS = expression(r"[-_.]+")


IMAGE_GROUP = "image"
"""What a Dockerfile installs by itself. Other Dockerfiles than the main one add their name: `image-triton`."""


def groups_of(paths: Sequence[str], root: str) -> Mapping[str, str]:
    """The group of each requirements file, environment file and Dockerfile of the project in the folder `root`.

    `requirements.txt` and the like are the default group, `requirements-dev.txt`, `dev-requirements.txt` and
    `requirements/dev.txt` the group `dev`; a `Dockerfile` is the group `image`. `train_env.yaml` of conda is the group
    `train` beside an `environment.yml` or a `requirements.txt`: another environment than theirs. The only manifest of
    a project is its default group, whatever it is called.
    """
    groups = {path: _named(path) for path in paths if format_of(path) == REQUIREMENTS}
    environments = {path: _environment(path) for path in paths if format_of(path) == ENVIRONMENT}
    if DEFAULT_GROUP in {*groups.values(), *environments.values()}:
        groups |= environments
    groups |= {path: _image(path, root) for path in paths if format_of(path) == DOCKERFILE}
    if len({posixpath.splitext(path)[0] if format_of(path) == REQUIREMENTS else path for path in paths}) == 1:
        return dict.fromkeys(groups, DEFAULT_GROUP)
    if all(format_of(path) == DOCKERFILE for path in paths):
        return {path: DEFAULT_GROUP if group == IMAGE_GROUP else group for path, group in groups.items()}
    return groups


def _environment(path: str) -> str:
    words = _WORDS.split(posixpath.splitext(posixpath.basename(path))[0].lower())
    named = [word for word in words if word not in {"environment", "conda", "env", *_RUNNING}]
    return canonicalize_name("-".join(named)) if named else DEFAULT_GROUP


def _image(path: str, root: str) -> str:
    folder, name = posixpath.split(posixpath.relpath(path, root))
    words = [word for word in _WORDS.split(name) if word.lower() not in {"dockerfile", "containerfile"}]
    return str(canonicalize_name("-".join([IMAGE_GROUP, *folder.split("/"), *words]).strip("-")))


def _named(path: str) -> str:
    folder, name = posixpath.split(path)
    words = [word for word in _WORDS.split(posixpath.splitext(name)[0].lower()) if word]
    if not is_parts_folder(folder):
        words = [word for word in words if word not in {"requirement", "requirements"}]
    words = [word for word in words if word not in _RUNNING]
    return canonicalize_name("-".join(words)) if words else DEFAULT_GROUP
