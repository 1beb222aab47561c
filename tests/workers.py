"""How many tests `-n auto` runs at a time: more than there are cores, because tests wait.

For about a third of its time a test needs no processor: a server of its starts or ends, a disk
writes, a pause is to be over. With one test for each core the cores stand still meanwhile.
"""

from __future__ import annotations

import os

MORE_MAX = 4
"""Beyond one for each core: each takes 15 s of processor time and 0.3 GB for itself, to collect the
tests and for its servers.
"""


def pytest_xdist_auto_num_workers() -> int | None:
    """A hook. None where `PYTEST_XDIST_AUTO_NUM_WORKERS` says how many: xdist reads it."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    cores = len(os.sched_getaffinity(0))
    return cores + min(cores, MORE_MAX)
