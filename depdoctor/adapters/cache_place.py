"""Where the cache folder of depdoctor is."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "DEPDOCTOR_CACHE_DIR"


def cache_folder() -> Path:
    """The cache folder of depdoctor: what the variable says, else a folder among those of the user's caches."""
    if override := os.environ.get(CACHE_VARIABLE):
        return Path(override)
    from platformdirs import user_cache_path

    return user_cache_path("depdoctor")
