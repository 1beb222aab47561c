"""Ports for servers that tests start, which have to be told one."""

from __future__ import annotations

import contextlib
import os
import random
import socket

_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

PORTS = range(10_000 + _WORKER % _WORKERS, 32_768, _WORKERS)
"""Each worker has its own, below `net.ipv4.ip_local_port_range` as Linux has it."""

_given: set[int] = set()
_chance = random.Random()
"""So that other sessions on this machine, which begin anywhere, are not met at each port."""


def free_port() -> int:
    """A port of the loopback that is free, and stays so until a test listens there, also again.

    Not one of those that the kernel hands out: it gives the next to whoever connects or listens.
    """
    while True:
        port = _chance.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port
