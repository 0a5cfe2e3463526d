"""What runs an entry point in an image."""

from __future__ import annotations

from depdoctor.model.image import ENVIRONMENT_ROOT

INTERPRETER = f"{ENVIRONMENT_ROOT}/bin/python"

_LAUNCHER = f"""\
#!{INTERPRETER}
# -*- coding: utf-8 -*-
import sys
from {{module}} import {{imported}}
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({{called}}())
"""
"""In the words of uv: a text of our own, so that no update of a library changes a digest."""


def launcher(module: str, attribute: str) -> str:
    """The script that calls an attribute of a module (entry points specification)."""
    return _LAUNCHER.format(module=module, imported=attribute.partition(".")[0], called=attribute)
