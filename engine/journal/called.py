"""Runs that are over and may still call people: an acknowledgement may be outstanding."""

from __future__ import annotations

import sqlite3

from engine.clock import MICROSECONDS
from engine.journal.sqlite import SqliteStore

BACK_S = 7 * 86_400.0
"""How long ago such a run ended at most: an escalation is over in hours."""

FOUND_MAX = 1000

_OVER = "finished_us > ?"
_SQL = """
SELECT run FROM runs WHERE finished_us > ? AND mode = 'real' AND EXISTS (
    SELECT 1 FROM events WHERE events.run = runs.run AND type IN ('EscalationStarted', 'LevelDue')
    AND NOT EXISTS (
        SELECT 1 FROM events AS ends WHERE ends.run = runs.run AND ends.type = 'EscalationClosed'
        AND json_extract(ends.body, '$.escalation') = json_extract(events.body, '$.escalation')
    )
) ORDER BY finished_us LIMIT ?
"""
# one that was closed is so for good: a run of which all are needs not be read


async def may_call(store: SqliteStore, now_us: int) -> list[str]:
    """Their names; whether one really does, its events say."""
    return await _found(store, now_us, _SQL)


async def calling(store: SqliteStore, now_us: int) -> list[str]:
    """The same, and runs that are not over; the oldest first."""
    sql = _SQL.replace(_OVER, f"({_OVER} OR finished_us IS NULL)")
    return await _found(store, now_us, sql.replace("ORDER BY finished_us", "ORDER BY started_us"))


async def _found(store: SqliteStore, now_us: int, sql: str) -> list[str]:
    since_us = now_us - round(BACK_S * MICROSECONDS)

    def work(connection: sqlite3.Connection) -> list[str]:
        return [row[0] for row in connection.execute(sql, (since_us, FOUND_MAX))]

    return await store.read(work)
