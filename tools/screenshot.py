#!/usr/bin/env python3
"""Make the screenshot of the README: a real scan of the example fleets, as SVG."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

from platformdirs import user_cache_path
from rich.console import Console

from depdoctor.model.seams import NoProgress
from depdoctor.pipeline import scanning
from depdoctor.report import console as report

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 108

FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Fonts that a viewer would fetch from elsewhere; it has a monospaced one of its own."""


def main() -> int:
    """Scan the folder named on the command line, and write docs/images/scan.svg."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "fixtures" / "fleets" / "crossing"
    started = time.monotonic()
    result = scanning.scan(scanning.Settings(root=folder, cache=user_cache_path("depdoctor")), NoProgress())
    with tempfile.TemporaryFile("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True, highlight=False)
        console.print("[dim]$[/] depdoctor scan fixtures/fleets/crossing")
        report.scan(console, result.inventory, result.diagnosis, time.monotonic() - started)
        drawing = FONT_FACE.sub("", console.export_svg(title="depdoctor"))
    (ROOT / "docs" / "images" / "scan.svg").write_text(drawing, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
