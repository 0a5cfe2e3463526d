"""How much there is of something, in words."""

from __future__ import annotations


def many(count: int, noun: str) -> str:
    """Turn a count and what is counted into "1 image" or "2 images"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def size(count_bytes: int) -> str:
    """Turn a number of bytes into a short decimal text such as "725 MB"; "" for none."""
    if not count_bytes:
        return ""
    amount, unit = float(count_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if amount >= 100 or unit == "B" else f"{amount:.1f} {unit}"
