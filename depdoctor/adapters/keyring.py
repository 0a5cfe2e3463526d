"""Credentials of package indexes out of the user's keyring, asked as uv asks it: through the `keyring` command.

Only where UV_KEYRING_PROVIDER is "subprocess", so that depdoctor and uv always are the same user to an index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from urllib.parse import urlsplit

PROVIDER = "UV_KEYRING_PROVIDER"
TIMEOUT_S = 30


def account(origin: str) -> tuple[str, str] | None:
    """User and password for an origin ("https://host:port"), None where the keyring has none or is not to be asked."""
    program = shutil.which("keyring") if os.environ.get(PROVIDER) == "subprocess" else None
    if program is None:
        return None
    for service in (origin, urlsplit(origin).netloc):
        try:
            done = subprocess.run(
                [program, "--mode", "creds", "get", service],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
            return None
        user, _, password = done.stdout.rstrip("\n").partition("\n")
        if done.returncode == 0 and user and password:
            return user, password
    return None
