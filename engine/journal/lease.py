"""Who drives a run, and whether it still lives, as far as the process table and the time tell.

A holder is `host:pid:start-time`. On the host that asks, a holder is alive exactly when the process
with that pid started at that time is there, so a run whose driver was killed is taken over at once.
Of another host nothing can be seen but how long ago the lease was renewed.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from engine.clock import MICROSECONDS

LEASE_S = 30
"""A holder elsewhere is taken for dead when its lease was not renewed for so long. Renew every
third of it. Shorter, and an event loop that is blocked for a while (a large result, a slow disk)
looks dead."""

_FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""What Linux calls the process table of the machine itself, on every machine."""


@lru_cache(maxsize=1)
def this_host() -> str:
    """This machine and process table: in a container, pids mean something else."""
    name = os.uname().nodename.replace(":", "-")
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return name
    return name if space == _FIRST_PID_NAMESPACE else f"{name}/{space.strip('pid:[]')}"


def this_holder() -> str:
    """The holder that this process is."""
    return _holder(os.getpid())


@lru_cache(maxsize=1)
def _holder(pid: int) -> str:
    return f"{this_host()}:{pid}:{_start_of(pid) or '-'}"


def seems_alive(holder: str, renewed_us: int, now_us: int) -> bool:
    """Whether a holder still drives, as far as can be seen from here."""
    host, _, rest = holder.rpartition(":")[0].rpartition(":")
    start = holder.rpartition(":")[2]
    if host == this_host() and rest.isdecimal():
        return _lives(int(rest), start)
    return now_us - renewed_us < LEASE_S * MICROSECONDS


def _lives(pid: int, start: str) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # somebody else's process: it is there
    now = _start_of(pid)
    return now is None or start in (now, "-")


def _start_of(pid: int) -> str | None:
    """When a process started: the machine's boot and the ticks since. None where there is no /proc.

    A process that ended and was not collected by its parent yet has none that compares equal.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in "ZX":
        return "ended"
    return f"{_boot()}-{fields[19]}"


@lru_cache(maxsize=1)
def _boot() -> str:
    # Ticks count from the boot: a service started by the system has nearly the same ones after
    # each.
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii")[:8]
    except OSError:
        return "0"
