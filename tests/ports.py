"""Ports nobody listens on, below those that the system gives to outgoing connections."""

from __future__ import annotations

import random
import socket


def free_ports(count: int = 1) -> int:
    """The first of some ports in a row that are free."""
    while True:
        first = random.randrange(20_000, 30_000)
        if all(_is_free(port) for port in range(first, first + count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
