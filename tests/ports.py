"""Ports for servers that tests start, which have to be told one."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from pathlib import Path

_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

FIRST, STOP, FEWEST = 10_000, 32_768, 10_000
"""Where ours begin; where the kernel's begin unless a machine says otherwise; and how many are
enough for all workers.
"""


def _kernels() -> int:
    """Where those begin that the kernel hands out, if that leaves enough to us."""
    try:
        words = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except OSError:
        return STOP
    return int(words[0]) if int(words[0]) >= FIRST + FEWEST else STOP


PORTS = range(FIRST + _WORKER % _WORKERS, _kernels(), _WORKERS)
"""Each worker has its own."""

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
