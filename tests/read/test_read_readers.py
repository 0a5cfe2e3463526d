"""The table of readers names the modules that have them."""

from __future__ import annotations

import importlib
import pkgutil

from depdoctor import read
from depdoctor.read import READERS
from depdoctor.read.readers import Readers


def test_every_format_is_read_by_the_module_that_is_named_for_it() -> None:
    formats = {}
    for module in pkgutil.iter_modules(read.__path__):
        found = importlib.import_module(f"{read.__name__}.{module.name}")
        if hasattr(found, "FORMAT"):
            formats[found.FORMAT] = found.parse
    assert dict(READERS) == formats
    assert isinstance(READERS, Readers)
    assert "no-such.format" not in READERS
