"""How often a server's memory is searched for garbage."""

from __future__ import annotations

import gc

THRESHOLDS = (10_000, 10, 10)
"""New objects before the young ones are searched, and how often that before the older ones are.
Python's own 700 are for scripts: where thousands of runs begin and wait, all of them are searched
a dozen times, nothing is found, and that is half of what they cost. What is no more reachable
without being in a circle is let go at once in any case."""


def collect_seldom() -> None:
    """What is here by now stays: it is not searched any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
