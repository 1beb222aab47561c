"""What is done once, however often it is asked for: starts over HTTP, notes, times of schedules."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from engine.clock import MICROSECONDS
from engine.errors import Refused
from engine.journal.sqlite import SqliteStore

REQUEST_KEPT_S = 24 * 3600
"""How long the key of a request is remembered: longer than any sender goes on trying."""


class Note(NamedTuple):
    """Something that is said once about a run. `state`: saying (cut short here: it may have been
    said), said, failed (given up).
    """

    run: str
    kind: str
    state: str
    at_us: int
    detail: str | None


class Requests:
    """The tables of a SQLite journal. `since_us`: since when this server is there."""

    def __init__(self, store: SqliteStore, since_us: int = 0) -> None:
        self._store = store
        self._since_us = since_us

    def cut_short(self, note: Note) -> bool:
        """Whether a server that is gone was saying it."""
        return note.state == "saying" and note.at_us < self._since_us

    async def reserve(self, key: str, digest: str, run: str, now_us: int) -> tuple[str, bool]:
        """The run that this key stands for (`run`, if it is new), and whether it is new.

        Raises Refused when the key came before with something else (another `digest`).
        """
        kept_us = now_us - REQUEST_KEPT_S * MICROSECONDS

        def work(connection: sqlite3.Connection) -> tuple[str, bool]:
            execute = connection.execute
            known = execute(
                "SELECT digest, run FROM requests WHERE key = ? AND at_us >= ?", (key, kept_us)
            ).fetchone()
            if known is not None:
                if known[0] != digest:
                    raise Refused("this idempotency key came before, with another request")
                return known[1], False
            execute("DELETE FROM requests WHERE at_us < ?", (kept_us,))
            execute("INSERT INTO requests VALUES (?, ?, ?, ?)", (key, digest, run, now_us))
            return run, True

        return await self._store.write(work)

    async def begin_note(self, run: str, kind: str, now_us: int) -> Note | None:
        """Announces that it is going to be said. None: it is announced now for the first time;
        else what became of the earlier try.
        """
        sql = "SELECT run, kind, state, at_us, detail FROM notes WHERE run = ? AND kind = ?"

        def work(connection: sqlite3.Connection) -> Note | None:
            row = connection.execute(sql, (run, kind)).fetchone()
            if row is not None:
                return Note(*row)
            values = (run, kind, "saying", now_us)
            connection.execute("INSERT INTO notes VALUES (?, ?, ?, ?, NULL)", values)
            return None

        return await self._store.write(work)

    async def end_note(
        self, run: str, kind: str, state: str, now_us: int, detail: str | None
    ) -> None:
        """Writes that it was said, or given up (`failed`)."""
        sql = "UPDATE notes SET state = ?, at_us = ?, detail = ? WHERE run = ? AND kind = ?"
        values = (state, now_us, detail, run, kind)
        await self._store.write(lambda connection: _run(connection, sql, values))

    async def noted(self, run: str) -> list[Note]:
        """All that is said, or tried to be said, about a run."""
        sql = "SELECT run, kind, state, at_us, detail FROM notes WHERE run = ? ORDER BY at_us, kind"

        def work(connection: sqlite3.Connection) -> list[Note]:
            return [Note(*row) for row in connection.execute(sql, (run,))]

        return await self._store.read(work)

    async def schedule_seen_until(self, name: str) -> int | None:
        """Up to which time a schedule was looked at; None: never."""

        def work(connection: sqlite3.Connection) -> int | None:
            sql = "SELECT seen_us FROM schedules WHERE name = ?"
            row = connection.execute(sql, (name,)).fetchone()
            return None if row is None else int(row[0])

        return await self._store.read(work)

    async def put_schedule(self, name: str, seen_us: int) -> None:
        """Remembers up to which time a schedule was looked at."""
        sql = "INSERT OR REPLACE INTO schedules VALUES (?, ?)"
        await self._store.write(lambda connection: _run(connection, sql, (name, seen_us)))


def _run(connection: sqlite3.Connection, sql: str, values: tuple[object, ...]) -> None:
    connection.execute(sql, values)
