"""What of a project never goes into an image: histories, environments, caches, and files that hold secrets."""

from __future__ import annotations

from depdoctor.model.context import IGNORED


def dockerignore() -> str:
    """The file that BuildKit reads because it stands beside the Dockerfile and bears its name."""
    return "\n".join([*IGNORED, ""])
