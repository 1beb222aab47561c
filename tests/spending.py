"""How much processor time something may take: the same on a busy machine as on an idle one."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

ENDLESS = 10
"""Times what is allowed, of all threads of this process: what takes so much is ended."""


@contextmanager
def at_most_s(limit_s: float, what: str = "it") -> Iterator[None]:
    """Fails where this thread takes more processor time. What would never end is interrupted, if
    it runs in Python at all; what does not even do that is ended by `faulthandler_timeout`.
    """

    def ended(_number: int, _frame: object) -> None:
        # No Exception: whoever is attacked may catch those.
        pytest.fail(f"{what} took {ENDLESS * limit_s:g} s of processor time and went on")

    before = signal.signal(signal.SIGPROF, ended)
    signal.setitimer(signal.ITIMER_PROF, ENDLESS * limit_s)
    begun_s = time.thread_time()
    try:
        yield
    finally:
        took_s = time.thread_time() - begun_s
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert took_s < limit_s, f"{what} took {took_s:.2f} s of processor time, and may {limit_s:g}"
