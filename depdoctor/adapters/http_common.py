"""What everything that speaks HTTP has in common, whatever it speaks it with."""

from __future__ import annotations

from urllib.parse import urlsplit

CONNECT_TIMEOUT_S = 10.0
BLOCK_BYTES = 1 << 18
"""How much of a body is sent at a time, instead of the 16 KiB of the standard library."""

_USUAL_PORTS = {"http": ":80", "https": ":443"}


def origin(address: str) -> str:
    """Scheme, host and port of an address; who may know a password for one may not know it for another."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{host.removesuffix(_USUAL_PORTS.get(parts.scheme, ''))}"
