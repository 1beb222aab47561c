"""Forks that find imported what forks before them had to import.

Most of what a fork of an engine does would be to import what it needs as it goes, the same in each.
So one that comes to its end tells its parent what it imported, and the parent does so too.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn


class Fork:
    """A process of its own, which does `work` and nothing else."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._told, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _do(work, told)
        os.close(told)

    def wait(self) -> int:
        """Its exit code (negative: the signal that ended it)."""
        with os.fdopen(self._told) as told:  # up to its end, which is that of the process
            names = told.read().split()
        _, status = os.waitpid(self.pid, 0)
        for name in names:
            with suppress(ImportError):  # made by another module, not found by its name
                importlib.import_module(name)
        return os.waitstatus_to_exitcode(status)


def _do(work: Callable[[], object], told: int) -> NoReturn:
    had = set(sys.modules)
    try:
        work()
        with os.fdopen(told, "w") as parent:
            parent.write("\n".join(name for name in list(sys.modules) if name not in had))
    except BaseException:  # noqa: BLE001 - told, and then the process is gone
        traceback.print_exc()
    finally:
        os._exit(0)
