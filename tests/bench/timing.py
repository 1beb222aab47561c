"""Taking turns: ours and its floor one after the other, so that a busy moment hits both."""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import NamedTuple


class Spent(NamedTuple):
    """Of one round, in seconds. `cpu_s` is of the whole process, all its threads."""

    wall_s: float
    cpu_s: float


Timed = Callable[[], Awaitable[Spent]]


class Stopwatch:
    """`with Stopwatch() as watch: ...`, then `watch.spent`. No garbage of others is collected
    inside.
    """

    spent: Spent

    def __enter__(self) -> Stopwatch:
        gc.collect()
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        self.spent = Spent(wall_s - self._wall_s, cpu_s - self._cpu_s)


async def in_turns(rounds: int, *each: Timed) -> list[Spent]:
    """The medians of each: ours, its floor, and more of them. The first round warms up and does not
    count; who goes first changes with every round.
    """
    spent: list[list[Spent]] = [[] for _ in each]
    for number in range(rounds + 1):
        order = range(len(each)) if number % 2 else reversed(range(len(each)))
        for place in order:
            told = await each[place]()
            if number:
                spent[place].append(told)
    return [medians(one) for one in spent]


def medians(spent: list[Spent]) -> Spent:
    return Spent(median(s.wall_s for s in spent), median(s.cpu_s for s in spent))
