"""What of a project never goes into an image: histories, environments, caches, and files that hold secrets."""

from __future__ import annotations

IGNORED = (
    "**/.git",
    "**/.hg",
    "**/.svn",
    "**/.venv",
    "**/venv",
    "**/node_modules",
    "**/__pycache__",
    "**/*.py[cod]",
    "**/*.egg-info",
    "**/.cache",
    "**/.eggs",
    "**/.hypothesis",
    "**/.ipynb_checkpoints",
    "**/.mypy_cache",
    "**/.nox",
    "**/.pytest_cache",
    "**/.ruff_cache",
    "**/.tox",
    "**/.aws",
    "**/.env",
    "**/.env.*",
    "**/.netrc",
    "**/.pypirc",
    "**/.ssh",
    "**/*.key",
    "**/*.pem",
    "**/depdoctor.plan.json",
)


def dockerignore() -> str:
    """The file that BuildKit reads because it stands beside the Dockerfile and bears its name."""
    return "\n".join([*IGNORED, ""])
