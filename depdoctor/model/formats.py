"""Which file names are manifests: a row per format, first match wins."""

from __future__ import annotations

import posixpath
import re

from depdoctor.model.expression import expression

REQUIREMENTS = "requirements.txt"
DOCKERFILE = "Dockerfile"
ENVIRONMENT = "environment.yml"
CONDA_GROUP = "conda"
"""The group of an environment file that lists what a requirements file lists, too: one of two ways to install it."""
NOTEBOOK = ".ipynb"
CODE = ".py"
POETRY_LOCK = "poetry.lock"

PLAN_NAME = "depdoctor.plan.json"
"""The plan that is committed beside the projects."""

GENERATED = "# Made by `depdoctor generate`"
"""How a Dockerfile of ours begins: it is no manifest of anybody's."""

_PATTERNS: tuple[tuple[str, str], ...] = (
    (REQUIREMENTS, r"(?:[\w.]+[-_.])?requirements?(?:[-_.][\w.-]+)?\.(?:txt|in)"),
    ("pyproject.toml", r"pyproject\.toml"),
    ("setup.cfg", r"setup\.cfg"),
    ("setup.py", r"setup\.py"),
    ("Pipfile", r"Pipfile"),
    ("pixi.toml", r"pixi\.toml"),
    ("uv.lock", r"uv\.lock"),
    ("poetry.lock", r"poetry\.lock"),
    ("pdm.lock", r"pdm\.lock"),
    ("Pipfile.lock", r"Pipfile\.lock"),
    ("pylock.toml", r"pylock(?:\.[^.]+)?\.toml"),
    ("conda-lock.yml", r"conda-lock(?:\.[\w-]+)?\.ya?ml|[\w-]+\.conda-lock\.ya?ml"),
    ("pixi.lock", r"pixi\.lock"),
    (ENVIRONMENT, r"(?:[\w.-]+[-_.])?(?:environment|conda|env)(?:[-_.][\w.-]+)?\.ya?ml"),
    ("cog.yaml", r"cog\.yaml"),
    ("bentofile.yaml", r"bentofile\.ya?ml"),
    ("config.yaml", r"config\.yaml"),
    (DOCKERFILE, r"(?:Dockerfile|Containerfile)(?:[-_.][\w.-]+)?|[\w.-]+\.(?:Dockerfile|Containerfile)"),
)

_ANY = expression("|".join(f"(?P<f{index}>{pattern})" for index, (_, pattern) in enumerate(_PATTERNS)), re.IGNORECASE)

_PARTS_FOLDER = "requirements"
"""A folder of this name holds the parts of its parent's requirements, a group per file."""


def format_of(path: str) -> str:
    """The format of a manifest by its path, "" for any other file."""
    folder, _, name = path.rpartition("/")
    if (match := _ANY.fullmatch(name)) and match.lastgroup:
        return _PATTERNS[int(match.lastgroup[1:])][0]
    if name.lower().endswith((".txt", ".in")) and is_parts_folder(folder):
        return REQUIREMENTS
    return ""


def is_parts_folder(path: str) -> bool:
    """Whether a folder holds parts of its parent's requirements (`requirements/base.txt`)."""
    return posixpath.basename(path).lower() == _PARTS_FOLDER


_WEIGHTS = expression(
    r".+\.(?:safetensors|gguf|onnx|pt|pth|ckpt|h5|keras|engine|tflite)|saved_model\.pb"
    r"|(?:[\w-]*_)?model(?:-\d+-of-\d+)?\.bin",
    re.IGNORECASE,
)


def is_code(name: str) -> bool:
    """Whether a file name is that of Python code, or of a notebook."""
    return name.endswith((CODE, NOTEBOOK))


def is_weights(name: str) -> bool:
    """Whether a file name is that of model weights."""
    return bool(_WEIGHTS.fullmatch(name))
