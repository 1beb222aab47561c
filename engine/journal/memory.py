"""The journal in memory: the same contract, gone with the process. For tests and `memory:`."""

from __future__ import annotations

from collections.abc import Sequence

from engine.clock import Clock, SystemClock
from engine.core.events import Draft, Event
from engine.journal import heads
from engine.journal.chain import (
    Encoded,
    End,
    Row,
    check_end,
    check_run_id,
    decode,
    encode,
    walk,
)
from engine.journal.contract import Lease, RunRow, Verified
from engine.journal.heads import Head
from engine.journal.waiting import After, Waiters, seq_of


class MemoryStore:
    """A `Store` that keeps rows as SQLite would, so that both tell the same. For one event loop."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._heads: dict[str, Head] = {}
        self._rows: dict[str, list[Row]] = {}
        self._waiters = Waiters(self._clock)

    async def create(
        self, run: str, drafts: Sequence[Draft], holder: str
    ) -> tuple[Lease, list[Event]]:
        check_run_id(run)
        encoded = [encode(draft) for draft in drafts]
        if run in self._heads:
            raise heads.already(run)
        head = Head(epoch=1, holder=holder, renewed_us=self._clock.now_us())
        return Lease(run, 1, holder), self._extend(run, head, encoded)

    async def append(self, lease: Lease, after: int, drafts: Sequence[Draft]) -> list[Event]:
        encoded = [encode(draft) for draft in drafts]
        head = self._head(lease.run)
        heads.check_driver(head, lease, after)
        return self._extend(lease.run, head, encoded)

    async def append_outside(self, run: str, draft: Draft) -> Event:
        return self._extend(run, self._head(run), [encode(draft)])[0]

    async def take(self, run: str, holder: str, *, force: bool = False) -> Lease:
        head = heads.taken(run, self._head(run), holder, self._clock.now_us(), force=force)
        self._heads[run] = head
        return Lease(run, head.epoch, holder)

    async def renew(self, lease: Lease) -> None:
        head = self._head(lease.run)
        heads.check_lease(head, lease)
        self._heads[lease.run] = head._replace(renewed_us=self._clock.now_us())

    async def release(self, lease: Lease) -> None:
        head = self._head(lease.run)
        heads.check_lease(head, lease)
        self._heads[lease.run] = head._replace(holder=None)

    async def events(self, run: str, after: int = 0, limit: int | None = None) -> list[Event]:
        after = max(after, 0)
        stop = None if limit is None else after + limit
        return [decode(run, row) for row in self._rows.get(run, [])[after:stop]]

    async def runs(
        self, *, name: str | None = None, status: str | None = None, limit: int = 50
    ) -> list[RunRow]:
        rows = [heads.list_row(run, head) for run, head in self._heads.items()]
        rows.sort(key=lambda row: (row.started_us, row.run), reverse=True)
        wanted = [row for row in rows if name in (None, row.name) and status in (None, row.status)]
        return wanted[:limit]

    async def find(self, prefix: str) -> str:
        if prefix == "last":
            newest = await self.runs(limit=1)
            return heads.one_of(prefix, [row.run for row in newest])
        return heads.one_of(prefix, sorted(run for run in self._heads if run.startswith(prefix)))

    async def wait_for_more(self, run: str, after: After, timeout_s: float) -> bool:
        with self._waiters.waiting(run, after) as waiter:
            if self._heads.get(run, Head()).seq > seq_of(after):
                return True
            return timeout_s > 0 and await self._waiters.first(waiter, timeout_s)

    async def verify(self, run: str | None = None) -> Verified:
        if run is not None:
            end = self._walk(run, self._head(run))
            return Verified(1, end.seq, {"seq": end.seq, "hash": end.hash})
        ends = [self._walk(each, head) for each, head in self._heads.items()]
        return Verified(len(ends), sum(end.seq for end in ends), {})

    async def close(self) -> None:
        """Nothing to let go of."""

    def _head(self, run: str) -> Head:
        return heads.require(run, self._heads.get(run))

    def _walk(self, run: str, head: Head) -> End:
        return check_end(run, walk(run, self._rows[run]), End(head.seq, head.hash))

    def _extend(self, run: str, head: Head, encoded: Sequence[Encoded]) -> list[Event]:
        self._heads[run], events = heads.extend(run, head, encoded)
        rows = self._rows.setdefault(run, [])
        rows.extend(map(heads.row_of, events, encoded))
        self._waiters.wake(run, self._heads[run].seq)
        return events
