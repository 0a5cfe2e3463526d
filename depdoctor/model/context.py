"""What every builder must agree on about a project's folder and a running image."""

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
    "**/.git-credentials",
    "**/.netrc",
    "**/.npmrc",
    "**/.pypirc",
    "**/.ssh",
    "**/id_dsa*",
    "**/id_ecdsa*",
    "**/id_ed25519*",
    "**/id_rsa*",
    "**/*.key",
    "**/*.p12",
    "**/*.pfx",
    "**/*.pem",
    "**/depdoctor.plan.json",
)
"""What of a project never goes into an image: histories, environments, caches, and files that hold secrets.

Patterns of `.dockerignore`, relative to the project's folder.
"""

ASK = "import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=4).close()"
KNOCK = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=4).close()"

PROBE_INTERVAL_S = 30
PROBE_TIMEOUT_S = 5
PROBE_START_S = 120
PROBE_RETRIES = 3


def probe(port: int, health: str) -> list[str]:
    """The command that tells whether a service is healthy: Python, since a slim base has no curl.

    Without a path to ask for, a service is well that takes connections.
    """
    return ["python", "-c", *((ASK, f"http://127.0.0.1:{port}{health}") if health else (KNOCK, str(port)))]
