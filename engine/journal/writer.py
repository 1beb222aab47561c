"""The one thread that writes to a SQLite journal, and the transaction it writes in.

Whatever was asked for while the last commit was under way is done in the next one, together: a
commit costs the same for one event as for two hundred. Alone, a request waits for nothing but its
own commit.

A request is refused (Moved, Fenced, ...) by rules that look before anything of it is written, so a
refused one leaves nothing behind and those beside it do not notice.

The thread keeps in mind where each run stands, so an append needs no SELECT. `PRAGMA data_version`,
read inside the transaction, says whether another process has committed since: then all that is
forgotten.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter, sleep
from typing import Any

from engine.core.events import Event
from engine.errors import JournalError, RunbookError
from engine.journal import faults, heads
from engine.journal.chain import Encoded
from engine.journal.contract import Lease
from engine.journal.heads import Head
from engine.journal.projection import QUEUED, Summary
from engine.journal.schema import UNCHANGED
from engine.journal.threads import call_later
from engine.journal.turns import LEAVE_S, begin

GROUP_MAX = 1000
"""Requests in one transaction. More would make the first of them wait for the last without being
cheaper."""

QUEUE_MAX = 10_000
"""Requests that wait to be written. Who comes then waits before the queue: memory stays bounded."""

HEADS_MAX = 10_000
"""Runs whose end the writer keeps in mind (1 KB each); beyond, it forgets them all and reads
again."""

_SELECT_HEAD = """
SELECT name, environment, mode, actor, started_us, finished_us, status, because, marks, last_seq,
    head, epoch, holder, renewed_us
FROM runs LEFT JOIN leases USING (run) WHERE run = ?
"""
_INSERT_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_RUN = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_MOVE_RUN = "UPDATE runs SET last_seq = ?, head = ? WHERE run = ?"
_INSERT_LEASE = "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)"
_RENEW = "UPDATE leases SET renewed_us = ? WHERE run = ? AND epoch = ?"


class Batch:
    """What the requests of one transaction did so far, as those behind them see it."""

    def __init__(self, connection: sqlite3.Connection, known: dict[str, Head]) -> None:
        self.connection = connection
        """For what is no event: in the same transaction, and before the events are written."""
        self._known = known
        self._rows: list[tuple[Any, ...]] = []
        self._before: dict[str, Head | None] = {}
        self.changed: dict[str, Head] = {}

    def head(self, run: str) -> Head | None:
        head = self.changed.get(run) or self._known.get(run)
        if head is None:
            row = self.connection.execute(_SELECT_HEAD, (run,)).fetchone()
            if row is not None:
                head = self._known[run] = head_of(row)
        return head

    def extend(self, run: str, head: Head, drafts: Sequence[Encoded]) -> list[Event]:
        new, events = heads.extend(run, head, drafts)
        self._rows += [(run, *heads.row_of(*pair)) for pair in zip(events, drafts, strict=True)]
        self.put(run, new)
        return events

    def put(self, run: str, head: Head) -> None:
        if run not in self._before:
            self._before[run] = self._known.get(run)
        self.changed[run] = head

    def renew(self, leases: Sequence[Lease], now_us: int) -> dict[str, RunbookError]:
        """One statement for all of them, and no look at those whose end is not kept in mind. Those
        that are lost, with the reason.
        """
        lost: dict[str, RunbookError] = {}
        unknown, rows = [], []
        for lease in leases:
            run = lease.run
            head = self.changed.get(run) or self._known.get(run)
            if head is None:
                unknown.append(lease)
            elif (error := heads.lost(head, lease)) is not None:
                lost[run] = error
                continue
            else:
                known = self.changed if run in self.changed else self._known
                known[run] = head._replace(renewed_us=now_us)
            rows.append((now_us, run, lease.epoch))
        done = self.connection.executemany(_RENEW, rows).rowcount if rows else 0
        if done < len(rows):
            for lease in unknown:
                if (error := heads.lost(self.head(lease.run), lease)) is not None:
                    lost[lease.run] = error
        return lost

    def flush(self) -> None:
        write = self.connection.executemany
        if self._rows:
            write(_INSERT_EVENT, self._rows)
        moved, listed, leased = [], [], []
        for run, head in self.changed.items():
            before = self._before[run]
            if before is None or head.summary is not before.summary:
                listed.append(listed_row(run, head))
            elif head.seq != before.seq:
                moved.append((head.seq, head.hash, run))
            lease = (head.epoch, head.holder, head.renewed_us)
            if before is None or lease != (before.epoch, before.holder, before.renewed_us):
                leased.append((run, *lease))
        for statement, rows in ((_MOVE_RUN, moved), (INSERT_RUN, listed), (_INSERT_LEASE, leased)):
            if rows:
                write(statement, rows)


def head_of(row: tuple[Any, ...]) -> Head:
    """A row of `_SELECT_HEAD`."""
    *shown, marks, last_seq, digest, epoch, holder, renewed_us = row
    name, environment, mode, actor, started_us, finished_us, status, because = shown
    doubts, questions = json.loads(marks)
    summary = Summary(
        name,
        environment,
        mode,
        actor,
        started_us,
        finished_us,
        None if finished_us is None else status,
        because,
        tuple(doubts),
        tuple(questions),
        status == QUEUED,
    )
    return Head(last_seq, digest, summary, epoch or 0, holder, renewed_us or 0)


def listed_row(run: str, head: Head) -> tuple[Any, ...]:
    """What `INSERT_RUN` takes."""
    summary = head.summary
    return (
        run,
        summary.name,
        summary.environment,
        summary.mode,
        summary.actor,
        summary.started_us,
        summary.finished_us,
        summary.status,
        summary.because,
        json.dumps([summary.doubts, summary.questions]),
        head.seq,
        head.hash,
    )


class Request:
    """One call that writes. `work` runs in the writer's thread, inside the transaction."""

    __slots__ = ("error", "future", "result", "work")

    def __init__(self, work: Callable[[Batch], Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None


Told = Callable[[dict[str, Head]], None]
"""Hears, in the loop's thread, which runs a commit changed."""


class Writer:
    """Owns the connection that writes. Used from one event loop."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, busy_s: float, told: Told
    ) -> None:
        self._connection = connection
        self._path = path
        self._busy_s = busy_s
        self._told = told
        self.timed: Callable[[float], None] | None = None
        """Hears, in the writer's thread, how many seconds each commit took."""
        self._heads: dict[str, Head] = {}
        self._version: int | None = None
        self._others = 0
        self._leave = False
        """Others write too: they come next."""
        connection.execute("PRAGMA busy_timeout = 0")  # `begin` waits
        self._file = identity_of(path)
        self._refusal: JournalError | None = None
        self.broken: JournalError | None = None
        """Why everything is refused until the file is opened anew; see `faults`."""
        self._queue: SimpleQueue[Request | None] = SimpleQueue()
        self._room = asyncio.Semaphore(QUEUE_MAX)
        self._ended: asyncio.Future[None] | None = None
        threading.Thread(target=self._run, name="journal-writer", daemon=True).start()

    async def perform(self, work: Callable[[Batch], Any]) -> Any:
        """What `work` returns, once it is durable.

        Who is cancelled while waiting does not know whether it was written: read before going on.
        """
        async with self._room:
            if self._ended is not None:
                raise JournalError(f"the journal {self._path} is closed")
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._queue.put(Request(work, future))
            return await future

    async def others(self) -> int:
        """How often another process was found to have committed."""
        found: int = await self.perform(lambda _: self._others)
        return found

    async def close(self) -> None:
        """Writes what is queued, then closes the connection."""
        if self._ended is None:
            self._ended = asyncio.get_running_loop().create_future()
            self._queue.put(None)
        await asyncio.shield(self._ended)

    def _run(self) -> None:
        going_on = True
        while going_on:
            group, going_on = self._gather()
            if group:
                changed = self._perform(group)
                loop = group[0].future.get_loop()
                call_later(loop, _deliver, group, changed, self._told)
            if self._leave:
                self._leave = False
                sleep(LEAVE_S)
        self._connection.close()
        if self._ended is not None:
            call_later(self._ended.get_loop(), self._ended.set_result, None)

    def _gather(self) -> tuple[list[Request], bool]:
        """Waits for a request, takes what is there by then, and says whether more may come."""
        group: list[Request] = []
        first = self._queue.get()
        while first is not None:
            group.append(first)
            if len(group) >= GROUP_MAX or self._queue.empty():
                return group, True
            first = self._queue.get()
        return group, False

    def _perform(self, group: list[Request]) -> dict[str, Head]:
        """One transaction for all, or where one spoils it for the others, one for each."""
        self._refusal = self._refusal or self._removed()
        if self._refusal is not None:
            _fail(group, self._refusal)
            return {}
        try:
            return self._transaction(group)
        except sqlite3.Error as error:
            self._roll_back()
            if len(group) > 1 and faults.is_of_one_row(error) and self._refusal is None:
                return self._one_by_one(group)
            self._judge(error)
            _fail(group, faults.in_words(error, self._path, self._busy_s))
        except BaseException as error:  # noqa: BLE001
            # A bug: told to its caller, who would otherwise wait for ever.
            self._roll_back()
            if len(group) > 1:
                return self._one_by_one(group)
            group[0].error = error
        return {}

    def _transaction(self, group: list[Request]) -> dict[str, Head]:
        execute = self._connection.execute
        begin(self._connection, self._busy_s)
        version = execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._leave = self._version is not None
            self._others += 1
            self._version = version
            self._heads.clear()
        elif len(self._heads) > HEADS_MAX:
            self._heads.clear()
        batch = Batch(self._connection, self._heads)
        for request in group:
            try:
                request.result, request.error = request.work(batch), None
            except RunbookError as error:
                request.error = error
        batch.flush()
        begun_s = perf_counter()
        execute("COMMIT")
        if self.timed is not None:
            self.timed(perf_counter() - begun_s)
        self._heads |= batch.changed
        return batch.changed

    def _one_by_one(self, group: Iterable[Request]) -> dict[str, Head]:
        changed: dict[str, Head] = {}
        for request in group:
            changed |= self._perform([request])
        return changed

    def _roll_back(self) -> None:
        """What was kept in mind may be of the transaction that is no more."""
        self._heads.clear()
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._refuse(error)

    def _removed(self) -> JournalError | None:
        """SQLite goes on writing to a file that was removed, and nobody would ever read it."""
        if identity_of(self._path) == self._file:
            return None
        return JournalError(
            f"the journal {self._path} was removed or replaced while it was in use",
            help="put it back from a backup, or start the run again with a new one",
        )

    def _judge(self, error: sqlite3.Error) -> None:
        if faults.is_final(error):
            self._refuse(error)

    def _refuse(self, error: sqlite3.Error) -> None:
        """From now on everything is refused; see `faults` for why."""
        first = faults.in_words(error, self._path, self._busy_s)
        self._refusal = self.broken = JournalError(
            f"the journal is refused since an earlier error: {first.message}", help=first.help
        )
        self._take_back()

    def _take_back(self) -> None:
        """Writes a transaction that changes nothing over the one whose commit was not acknowledged.

        An `fsync` that fails leaves the frames of its transaction in the log, commit mark and all:
        whoever opens the file next would find refused events. The next transaction is written in
        the same place, whether its own `fsync` succeeds or not.
        """
        with suppress(sqlite3.Error):
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(UNCHANGED)
            self._connection.execute("COMMIT")


def identity_of(path: Path) -> tuple[int, int] | None:
    """Which file it is, whatever its name. None when it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _fail(group: Iterable[Request], error: JournalError) -> None:
    for request in group:
        # Each its own: an exception that several tasks raise would gather the tracebacks of all.
        request.error = JournalError(error.message, help=error.help)


def _deliver(group: list[Request], changed: dict[str, Head], told: Told) -> None:
    for request in group:
        if request.future.done():
            continue  # cancelled
        if request.error is not None:
            request.future.set_exception(request.error)
        else:
            request.future.set_result(request.result)
    if changed:
        told(changed)
