"""What stands behind the status of a run in a list: it calls people, asks, or stands still.

Only runs that are open, or that may call people though they are over, are read for it; and where
the same lists are asked for again and again, only what is new of them.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Container, Iterable, Sequence

from engine.journal.called import called
from engine.journal.calls import QUESTION, Calls, Mark
from engine.journal.contract import RunRow
from engine.journal.sqlite import SqliteStore
from engine.journal.undriven import Left, undriven

CALLING_STATUSES = ("running", "waiting", "in doubt")
"""Of runs that are not over and may call people."""

KEPT_MAX = 1000
"""Runs whose escalations are kept folded (some kilobytes each): five of the longest pages."""

PLAIN_MAX = 10_000
"""Runs that are over and call nobody, of which that is kept: fifty of the longest pages, a megabyte
or two.
"""

PAGE_EVENTS = 500
"""Events read at once, so that a long run does not fill the memory."""


class _Folded:
    """The escalations of a run, up to an event."""

    __slots__ = ("calls", "seq")

    def __init__(self) -> None:
        self.calls = Calls()
        self.seq = 0

    async def read_on(self, store: SqliteStore, run: str) -> None:
        while page := await store.events(run, self.seq, PAGE_EVENTS):
            for event in page:
                self.calls.apply(event)
                self.seq = event.seq


class Marks:
    """Of the runs of one journal. Used from one event loop."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._folded: OrderedDict[str, _Folded] = OrderedDict()
        self._plain: OrderedDict[str, int] = OrderedDict()
        """The last event of each of those that are over and call nobody: most of every list."""
        self._turn = asyncio.Lock()

    async def of(
        self, rows: Iterable[RunRow], now_us: int, driven: Container[str] = ()
    ) -> dict[str, Mark]:
        """The marks of those that have any. `driven`: those that somebody drives, or is about to,
        whatever their leases say.
        """
        some = await self._candidates([row for row in rows if row.mode == "real"], now_us)
        if not some:
            return {}
        still = await undriven(self._store, [row.run for row in some], now_us)
        found: dict[str, Mark] = {}
        async with self._turn:  # two must not fold the same run
            for row in some:
                calls = await self._calls(row)
                left = None if row.run in driven else still.get(row.run)
                mark = _mark(calls, left)
                if mark.words:
                    found[row.run] = mark
        return found

    async def _candidates(self, rows: Sequence[RunRow], now_us: int) -> list[RunRow]:
        over = [
            row
            for row in rows
            if row.finished_us is not None and self._plain.get(row.run) != row.last_seq
        ]
        some: set[str] = set()
        if over:
            some = {*await called(self._store, now_us, [row.run for row in over])}
            self._plain |= {row.run: row.last_seq for row in over if row.run not in some}
            while len(self._plain) > PLAIN_MAX:
                self._plain.popitem(last=False)
        return [row for row in rows if row.run in some or row.status in CALLING_STATUSES]

    async def _calls(self, row: RunRow) -> Calls:
        known = self._folded.setdefault(row.run, _Folded())
        self._folded.move_to_end(row.run)
        if len(self._folded) > KEPT_MAX:
            self._folded.popitem(last=False)
        if known.seq < row.last_seq:
            await known.read_on(self._store, row.run)
        return known.calls


def _mark(calls: Calls, left: Left | None) -> Mark:
    open_ = [one for one in calls.calling() if not one.untaken]
    called = tuple(one.title for one in open_ if not one.key.startswith(QUESTION))
    untaken = tuple(one.title for one in calls.shown() if one.untaken)
    asks = {one.key: one.title for one in open_ if one.key.startswith(QUESTION)}
    if called or untaken:  # that it waits may mean those who are called
        told = {key.removeprefix(QUESTION).rpartition("#")[0] for key in asks}
        asks |= {path: title for path, title in calls.asked.items() if path not in told}
    return Mark(
        called,
        tuple(asks.values()),
        untaken,
        calls.held,
        left is not None and left.stands_still(calls.due()),
        calls.mend,
        calls.mute,
    )
