"""The journal in memory: the same contract, gone with the process. For tests and `memory:`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.clock import Clock, SystemClock
from engine.core.events import Actor, Draft, Event
from engine.core.guards import Admission, Closed, Switch, Verdict
from engine.errors import RunbookError
from engine.journal import admission, budgets, heads
from engine.journal.admission import Asked
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
from engine.journal.contract import Admitted, Budget, Lease, RunRow, Standing, Verified
from engine.journal.heads import Head
from engine.journal.memory_desk import MemoryDesk
from engine.journal.waiting import After, Hear, Waiters, seq_of


class MemoryStore:
    """A `Store` that keeps rows as SQLite would, so that both tell the same. For one event loop."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._heads: dict[str, Head] = {}
        self._rows: dict[str, list[Row]] = {}
        self._waiters = Waiters(self._clock)
        self._desk = MemoryDesk(self._heads, self._extend)

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
        events = self._extend(lease.run, head, encoded)
        admission.release(self._desk, events, self._clock.now_us())
        return events

    async def append_outside(self, run: str, draft: Draft) -> Event:
        return self._extend(run, self._head(run), [encode(draft)])[0]

    async def admit(self, run: str, draft: Draft, holder: str, asked: Admission) -> Admitted:
        check_run_id(run)
        return admission.ask(self._desk, Asked(run, draft, holder, asked, self._clock.now_us()))

    async def claim(self, lease: Lease, at_us: int) -> None:
        admission.claim(self._desk, lease, at_us, self._clock.now_us())

    async def withdraw(self, run: str, drafts: Sequence[Draft]) -> list[Event]:
        encoded = [encode(draft) for draft in drafts]
        return admission.withdraw(self._desk, run, encoded, self._clock.now_us())

    async def reenter(self, run: str, asked: Draft, closed: Sequence[Closed]) -> Verdict:
        return admission.reenter(self._desk, run, asked, closed)

    async def freeze(self, why: str, actor: Actor, at_us: int) -> Switch:
        on = self._desk.switched
        if on is None:
            on = self._desk.switched = Switch(at_us, why, actor.name)
        return on

    async def thaw(self, why: str, actor: Actor, at_us: int) -> Switch | None:  # noqa: ARG002 - nobody could read it later
        on, self._desk.switched = self._desk.switched, None
        return on

    async def standing(self, at_us: int) -> Standing:
        return admission.standing(self._desk, at_us, self._clock.now_us())

    async def budget(self, name: str) -> Budget | None:
        return self._desk.budgets.get(name)

    async def spend(self, name: str, at_us: int, used: float | None = None) -> Budget:
        before = self._desk.budgets.get(name) or budgets.fresh(name)
        after = self._desk.budgets[name] = budgets.spent(before, at_us, used)
        return after

    async def block(self, name: str, until_us: int, at_us: int) -> Budget:  # noqa: ARG002 - part of the contract
        before = self._desk.budgets.get(name) or budgets.fresh(name)
        after = self._desk.budgets[name] = budgets.blocked(before, until_us)
        return after

    async def take(self, run: str, holder: str, *, force: bool = False) -> Lease:
        head = heads.taken(run, self._head(run), holder, self._clock.now_us(), force=force)
        self._heads[run] = head
        return Lease(run, head.epoch, holder)

    async def renew(self, leases: Sequence[Lease]) -> dict[str, RunbookError]:
        now_us = self._clock.now_us()
        lost: dict[str, RunbookError] = {}
        for lease in leases:
            head = self._heads.get(lease.run)
            if (error := heads.lost(head, lease)) is not None:
                lost[lease.run] = error
            elif head is not None:
                self._heads[lease.run] = head._replace(renewed_us=now_us)
        return lost

    async def release(self, lease: Lease) -> None:
        head = self._head(lease.run)
        heads.check_lease(head, lease)
        self._heads[lease.run] = head._replace(holder=None)

    async def events(self, run: str, after: int = 0, limit: int | None = None) -> list[Event]:
        after = max(after, 0)
        stop = None if limit is None else after + limit
        return [decode(run, row) for row in self._rows.get(run, [])[after:stop]]

    async def runs(  # noqa: PLR0913 - keyword only: each narrows the list by itself
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        mode: str | None = None,
        run: str | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 50,
    ) -> list[RunRow]:
        rows = [heads.list_row(run, head) for run, head in self._heads.items()]
        rows.sort(key=lambda row: (row.started_us, row.run), reverse=True)
        wanted = [
            row
            for row in rows
            if name in (None, row.name)
            and status in (None, row.status)
            and mode in (None, row.mode)
            and run in (None, row.run)
            and (before is None or (row.started_us, row.run) < before)
        ]
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

    def listen(self, run: str, after: Callable[[], int], hear: Hear) -> Callable[[], None]:
        end = self._waiters.listen(run, after, hear)
        self._waiters.wake(run, self._heads.get(run, Head()).seq)
        return end

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
