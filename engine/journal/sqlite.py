"""The journal in one SQLite file: durable, shared by the processes of one machine.

Writing is the work of one thread (`writer`). Reading has connections of its own, in few threads, so
that a long list or a `verify` never holds up the event loop. Another process's appends are seen by
asking `PRAGMA data_version` every `POLL_S` while somebody waits for them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from engine.clock import Clock, SystemClock
from engine.core.events import Actor, Draft, Event
from engine.core.guards import Admission, Closed, Switch, Verdict
from engine.errors import JournalError, RunbookError
from engine.journal import admission, audit, budgets, faults, heads, schema, tickets
from engine.journal.admission import Asked
from engine.journal.chain import check_run_id, decode, encode
from engine.journal.contract import Admitted, Budget, Lease, RunRow, Standing, Verified
from engine.journal.heads import Head
from engine.journal.looking import Looker
from engine.journal.threads import done_in
from engine.journal.tickets import SqliteDesk
from engine.journal.waiting import After, Hear, Waiters, seq_of
from engine.journal.writer import Batch, Writer

BUSY_S = 5.0
"""How long a commit waits for another process's. A commit takes milliseconds; a backup may take
seconds."""

READERS = 2
"""Threads that read: a long `verify` leaves one for the rest."""

T = TypeVar("T")

_EVENTS = """
SELECT seq, at_us, type, version, actor, body, hash FROM events WHERE run = ? AND seq > ?
ORDER BY seq LIMIT ?
"""
_RUNS = """
SELECT run, name, environment, mode, actor, started_us, finished_us, status, because, last_seq FROM
runs WHERE (started_us, run) < (?, ?) {narrowed} ORDER BY started_us DESC, run DESC LIMIT ?
"""
_LAST = ((1 << 63) - 1, "")
"""Behind every run there can be."""

_NEWEST = "SELECT run FROM runs ORDER BY started_us DESC, run DESC LIMIT 1"
_FIND = "SELECT run FROM runs WHERE run >= ?1 AND run < ?1 || char(0x10FFFF) ORDER BY run LIMIT 6"
_ENDS = """
SELECT run, last_seq FROM runs WHERE run IN (SELECT value FROM json_each(?))
"""


class SqliteStore:
    """A `Store` over a file that is there, if only empty; `engine.journal.open` makes one.

    Used from one event loop. `factory` is the class of the connection that writes, for tests of its
    faults.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None = None,
        busy_s: float = BUSY_S,
        factory: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> None:
        self.path = self._path = path = path.absolute()  # the working folder may change
        self._busy_s = busy_s
        self._clock = clock or SystemClock()
        self._waiters = Waiters(self._clock)
        self._idle: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(READERS, "journal-reader")
        self._closed = False
        connection = self._open(factory)
        self._writer = Writer(connection, path, busy_s, self._told)
        others = self._writer.others
        where = (path, busy_s)
        self._looker = Looker(where, self._clock, self._waiters, self._ends, others)

    def _open(self, factory: type[sqlite3.Connection]) -> sqlite3.Connection:
        connection = None
        try:
            connection = schema.connect(self._path, self._busy_s, factory)
            schema.prepare(connection, self._path, self._busy_s)
        except (sqlite3.Error, JournalError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, JournalError):
                raise
            raise faults.in_words(error, self._path, self._busy_s) from error
        return connection

    async def create(
        self, run: str, drafts: Sequence[Draft], holder: str
    ) -> tuple[Lease, list[Event]]:
        check_run_id(run)
        encoded = [encode(draft) for draft in drafts]
        fresh = Head(epoch=1, holder=holder, renewed_us=self._clock.now_us())

        def work(batch: Batch) -> list[Event]:
            if batch.head(run) is not None:
                raise heads.already(run)
            return batch.extend(run, fresh, encoded)

        return Lease(run, 1, holder), await self._writer.perform(work)

    async def append(self, lease: Lease, after: int, drafts: Sequence[Draft]) -> list[Event]:
        encoded = [encode(draft) for draft in drafts]
        now_us = self._clock.now_us()

        def work(batch: Batch) -> list[Event]:
            head = heads.require(lease.run, batch.head(lease.run))
            heads.check_driver(head, lease, after)
            events = batch.extend(lease.run, head, encoded)
            admission.release(SqliteDesk(batch), events, now_us)
            return events

        events: list[Event] = await self._writer.perform(work)
        return events

    async def append_outside(self, run: str, draft: Draft) -> Event:
        encoded = [encode(draft)]

        def work(batch: Batch) -> Event:
            return batch.extend(run, heads.require(run, batch.head(run)), encoded)[0]

        event: Event = await self._writer.perform(work)
        return event

    async def admit(self, run: str, draft: Draft, holder: str, asked: Admission) -> Admitted:
        check_run_id(run)
        request = Asked(run, draft, holder, asked, self._clock.now_us())
        return await self._at_desk(lambda desk: admission.ask(desk, request))

    async def claim(self, lease: Lease, at_us: int) -> None:
        now_us = self._clock.now_us()
        await self._at_desk(lambda desk: admission.claim(desk, lease, at_us, now_us))

    async def withdraw(self, run: str, drafts: Sequence[Draft]) -> list[Event]:
        encoded = [encode(draft) for draft in drafts]
        now_us = self._clock.now_us()
        return await self._at_desk(lambda desk: admission.withdraw(desk, run, encoded, now_us))

    async def reenter(self, run: str, asked: Draft, closed: Sequence[Closed]) -> Verdict:
        return await self._at_desk(lambda desk: admission.reenter(desk, run, asked, closed))

    async def freeze(self, why: str, actor: Actor, at_us: int) -> Switch:
        def work(desk: SqliteDesk) -> Switch:
            on = desk.switch()
            if on is None:
                desk.turn(True, why, actor, at_us)
            return on or Switch(at_us, why, actor.name)

        return await self._at_desk(work)

    async def thaw(self, why: str, actor: Actor, at_us: int) -> Switch | None:
        def work(desk: SqliteDesk) -> Switch | None:
            on = desk.switch()
            if on is not None:
                desk.turn(False, why, actor, at_us)
            return on

        return await self._at_desk(work)

    async def standing(self, at_us: int) -> Standing:
        now_us = self._clock.now_us()
        return await self._at_desk(lambda desk: admission.standing(desk, at_us, now_us))

    async def budget(self, name: str) -> Budget | None:
        return await self._read(lambda connection: tickets.budget(connection, name))

    async def spend(self, name: str, at_us: int, used: float | None = None) -> Budget:
        return await self._account(name, lambda before: budgets.spent(before, at_us, used))

    async def block(self, name: str, until_us: int, at_us: int) -> Budget:  # noqa: ARG002 - part of the contract
        return await self._account(name, lambda before: budgets.blocked(before, until_us))

    async def _account(self, name: str, change: Callable[[Budget], Budget]) -> Budget:
        def work(desk: SqliteDesk) -> Budget:
            after = change(desk.budget(name) or budgets.fresh(name))
            desk.put_budget(after)
            return after

        return await self._at_desk(work)

    async def _at_desk(self, work: Callable[[SqliteDesk], T]) -> T:
        done: T = await self._writer.perform(lambda batch: work(SqliteDesk(batch)))
        return done

    async def take(self, run: str, holder: str, *, force: bool = False) -> Lease:
        now_us = self._clock.now_us()

        def change(head: Head) -> Head:
            return heads.taken(run, head, holder, now_us, force=force)

        return Lease(run, (await self._change(run, change)).epoch, holder)

    async def renew(self, leases: Sequence[Lease]) -> dict[str, RunbookError]:
        now_us = self._clock.now_us()
        lost: dict[str, RunbookError]
        lost = await self._writer.perform(lambda batch: batch.renew(leases, now_us))
        return lost

    async def release(self, lease: Lease) -> None:
        def change(head: Head) -> Head:
            heads.check_lease(head, lease)
            return head._replace(holder=None)

        await self._change(lease.run, change)

    async def _change(self, run: str, change: Callable[[Head], Head]) -> Head:
        def work(batch: Batch) -> Head:
            head = change(heads.require(run, batch.head(run)))
            batch.put(run, head)
            return head

        head: Head = await self._writer.perform(work)
        return head

    async def events(self, run: str, after: int = 0, limit: int | None = None) -> list[Event]:
        bounds = (run, after, -1 if limit is None else limit)

        def work(connection: sqlite3.Connection) -> list[Event]:
            return [decode(run, row) for row in connection.execute(_EVENTS, bounds)]

        return await self._read(work)

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
        asked = {"name": name, "status": status, "mode": mode, "run": run}
        given = {key: value for key, value in asked.items() if value is not None}
        sql = _RUNS.format(narrowed=" ".join(f"AND {key} = ?" for key in given))
        values = (*(before or _LAST), *given.values(), limit)

        def work(connection: sqlite3.Connection) -> list[RunRow]:
            found = connection.execute(sql, values)
            return [RunRow(*row) for row in found]

        return await self._read(work)

    async def find(self, prefix: str) -> str:
        sql, values = (_NEWEST, ()) if prefix == "last" else (_FIND, (prefix,))

        def work(connection: sqlite3.Connection) -> list[str]:
            return [row[0] for row in connection.execute(sql, values)]

        return heads.one_of(prefix, await self._read(work))

    async def wait_for_more(self, run: str, after: After, timeout_s: float) -> bool:
        with self._waiters.waiting(run, after) as waiter:
            if (await self._ends([run])).get(run, 0) > seq_of(after):
                return True
            if timeout_s <= 0:
                return False
            self._looker.begin()
            return await self._waiters.first(waiter, timeout_s)

    def listen(self, run: str, after: Callable[[], int], hear: Hear) -> Callable[[], None]:
        end = self._waiters.listen(run, after, hear)
        self._looker.begin()
        return end

    async def verify(self, run: str | None = None) -> Verified:
        return await self._read(lambda _: audit.verify(self._path, self._busy_s, run))

    async def rebuild(self) -> int:
        """Makes the list of runs anew from the events; the number of runs. Leases stay.

        Raises Broken, and changes nothing, where the events themselves do not hold or where some
        that the list knows of are missing: then the list is evidence.
        """
        return await self._read(lambda _: audit.rebuild(self._path, self._busy_s))

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, once what it wrote to tables that hold no events is durable.

        For the ledger and the tokens. It runs in the writer's thread, in a transaction with
        others' work: it raises only RunbookError, and only before it has written anything.
        """
        done: T = await self._writer.perform(lambda batch: work(batch.connection))
        return done

    async def probe(self) -> None:
        """Writes what changes nothing, as far as the disk. Raises JournalError."""
        await self.write(lambda connection: connection.execute(schema.UNCHANGED))

    @property
    def broken(self) -> JournalError | None:
        """Why this store refuses everything, for good: opened anew, the file may hold."""
        return self._writer.broken

    def now_us(self) -> int:
        """The time on the clock of this store."""
        return self._clock.now_us()

    def time_commits(self, hear: Callable[[float], None]) -> None:
        """`hear` is told, in another thread, how many seconds each commit takes from now on."""
        self._writer.timed = hear

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` finds, on a connection that cannot write."""
        return await self._read(work)

    async def close(self) -> None:
        """What is queued is written first. A second call does nothing."""
        self._closed = True
        self._waiters.fail(self._is_closed())
        self._looker.end()
        while self._idle:
            self._idle.pop().close()
        self._pool.shutdown(wait=False)
        await self._writer.close()

    async def _ends(self, runs: Sequence[str]) -> dict[str, int]:
        def work(connection: sqlite3.Connection) -> dict[str, int]:
            return dict(connection.execute(_ENDS, (json.dumps(runs),)).fetchall())

        return await self._read(work)

    def _told(self, changed: dict[str, Head]) -> None:
        if self._waiters:
            for run, head in changed.items():
                self._waiters.wake(run, head.seq)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise self._is_closed()
        return await done_in(self._pool, lambda: self._with_reader(work))

    def _with_reader(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = None
        try:
            connection = self._reader()
            return work(connection)
        except sqlite3.Error as error:
            raise faults.in_words(error, self._path, self._busy_s) from error
        finally:
            if connection is not None:
                self._keep(connection)

    def _reader(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            pass  # all are in use
        connection = schema.connect(self._path, self._busy_s)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _keep(self, connection: sqlite3.Connection) -> None:
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def _is_closed(self) -> JournalError:
        return JournalError(f"the journal {self._path} is closed")
