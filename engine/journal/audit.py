"""Reading a whole SQLite journal with suspicion: does every chain hold, does the list fit?

The table is read from its first cell to its last, not looked up run by run: where the key of a cell
was altered in the file itself, a look-up goes astray and would accuse its neighbours.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from engine.errors import Broken
from engine.journal import heads, schema
from engine.journal.chain import End, Row, broken, check_end, decode, follow, walk
from engine.journal.contract import Verified
from engine.journal.heads import Head
from engine.journal.projection import NOTHING, advance
from engine.journal.writer import INSERT_RUN, listed_row

_COLUMNS_OF_RUN = """
SELECT seq, at_us, type, version, actor, body, hash FROM events WHERE run = ? ORDER BY seq
"""
_COLUMNS = "SELECT run, seq, at_us, type, version, actor, body, hash FROM events"
_ONE = f"{_COLUMNS} LIMIT 1 OFFSET ?"


def verify(path: Path, busy_s: float, run: str | None) -> Verified:
    """Recomputes the chain of one run or of all, in one read transaction.

    Raises Broken, Usage, sqlite3.Error.
    """
    with closing(schema.connect(path, busy_s)) as connection:
        connection.text_factory = _tolerant
        connection.execute("BEGIN")
        if run is None:
            return _all(connection)
        try:
            end = _one(connection, run)
        except (Broken, sqlite3.DatabaseError):
            _all(connection)  # names it better
            raise
        return Verified(1, end.seq, {"seq": end.seq, "hash": end.hash})


def _tolerant(text: bytes) -> str:
    # An altered byte may be no UTF-8: it must come out as a misfit, not as what cannot be read.
    return text.decode("utf-8", "surrogateescape")


def _one(connection: sqlite3.Connection, run: str) -> End:
    listed = connection.execute("SELECT last_seq, head FROM runs WHERE run = ?", (run,)).fetchone()
    end = walk(run, connection.execute(_COLUMNS_OF_RUN, (run,)))
    if listed is None and end.seq == 0:
        raise heads.no_such(run)
    return check_end(run, end, None if listed is None else End(*listed))


def _all(connection: sqlite3.Connection) -> Verified:
    found = connection.execute("SELECT run, last_seq, head FROM runs ORDER BY run")
    trail = _Trail({run: End(*recorded) for run, *recorded in found})
    read = 0
    try:
        for row in connection.execute(_COLUMNS):
            trail.add(row)
            read += 1
    except sqlite3.DatabaseError as error:
        # Python's cursor steps to the next row before it hands out one, so the last whole row was
        # lost with the error. Asked for alone, it comes.
        with suppress(sqlite3.DatabaseError):
            trail.add(connection.execute(_ONE, (read,)).fetchone())
        trail.give_up(error)
        raise
    trail.judge()
    return Verified(len(trail.ends), sum(end.seq for end in trail.ends.values()), {})


class _Trail:
    """What one reading of all events found, run by run."""

    def __init__(self, listed: dict[Any, End]) -> None:
        self._listed = listed
        self._broken: dict[Any, Broken] = {}
        self.ends: dict[Any, End] = {}

    def add(self, stored: tuple[Any, ...] | None) -> None:
        """Takes a row of `_COLUMNS`."""
        if stored is None:
            return
        run, *row = stored
        if run in self._broken:
            return
        try:
            self.ends[run] = follow(_text(run), self.ends.get(run, End()), tuple(row))
        except Broken as error:
            # Not raised yet: an event whose run was altered breaks two of them, and the one that
            # lacks it is the one to name.
            self._broken[run] = error

    def judge(self) -> None:
        """Raises Broken for the first run that does not hold: of the list, then of the others."""
        for run in [*self._listed, *(run for run in self.ends if run not in self._listed)]:
            if run in self._broken:
                raise self._broken[run]
            check_end(_text(run), self.ends.get(run, End()), self._listed.get(run))

    def give_up(self, error: sqlite3.Error) -> None:
        """Raises Broken for the event where reading ended, by what was read until then."""
        for found in self._broken.values():
            raise found
        for run, recorded in self._listed.items():
            end = self.ends.get(run, End())
            if end.seq != recorded.seq:
                raise broken(_text(run), end.seq + 1, f"cannot be read: {error}") from error


def _text(run: Any) -> str:
    return run if isinstance(run, str) else repr(run)


def rebuild(path: Path, busy_s: float) -> int:
    """The list of runs, anew from the events; see `SqliteStore.rebuild`."""
    with closing(schema.connect(path, busy_s)) as connection:
        # Another connection than the writer's, which notices it as it would another process.
        connection.execute("BEGIN IMMEDIATE")
        runs = [row[0] for row in connection.execute("SELECT DISTINCT run FROM events")]
        listed = dict(connection.execute("SELECT run, last_seq FROM runs").fetchall())
        for run in sorted({*runs, *listed}):
            head = _fold(connection, run)
            recorded = listed.get(run, 0)
            if isinstance(recorded, int) and head.seq < recorded:
                check_end(run, End(head.seq, head.hash), End(recorded))
            connection.execute(INSERT_RUN, listed_row(run, head))
        connection.execute("COMMIT")
        return len(runs)


def _fold(connection: sqlite3.Connection, run: str) -> Head:
    rows: list[Row] = connection.execute(_COLUMNS_OF_RUN, (run,)).fetchall()
    end, summary = walk(run, rows), NOTHING
    check_end(run, end, End(end.seq, end.hash))
    for row in rows:
        summary = advance(summary, decode(run, row))
    return Head(end.seq, end.hash, summary)
