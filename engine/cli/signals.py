"""What signals do while asynchronous work goes on: they end it in order, nothing is left behind.

A sandbox has servers of its own running; a process that just died would leave them.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill`, and a terminal that was closed."""


def cancel_on_signals() -> None:
    """From now on each of them cancels the task that calls this, which gives back all it holds."""
    task = asyncio.current_task()
    if task is not None:
        _set(dict.fromkeys(ENDING, task.cancel))


@contextlib.contextmanager
def heeding(handlers: Mapping[signal.Signals, Callable[[], object]]) -> Iterator[None]:
    """Inside, these signals do something else."""
    _set(handlers)
    try:
        yield
    finally:
        cancel_on_signals()


def _set(handlers: Mapping[signal.Signals, Callable[[], object]]) -> None:
    for number, handler in handlers.items():
        handle(number, handler)


def handle(number: signal.Signals, handler: Callable[[], object]) -> None:
    """Has a signal do this. Nothing where signals cannot be taken in: on a thread other than the
    main one, and where the system knows none of them.
    """
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        asyncio.get_running_loop().add_signal_handler(number, handler)
