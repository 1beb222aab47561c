"""Runs that are over and may still call people: an acknowledgement may be outstanding. And those
that nobody is left to be called for.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from engine.clock import MICROSECONDS
from engine.journal.sqlite import SqliteStore

BACK_S = 7 * 86_400.0
"""How long ago such a run ended at most: an escalation is over in hours."""

FOUND_MAX = 10_000
"""Twice as many as call people in a storm: each has somebody who waits to be called."""

_OVER = "finished_us > ?1"
_SQL = """
SELECT run FROM runs WHERE finished_us > ?1 AND mode = 'real' AND EXISTS (
    SELECT 1 FROM events INDEXED BY events_calls WHERE events.run = runs.run
    AND type IN ('EscalationStarted', 'LevelDue', 'EscalationExhausted', 'EscalationClosed')
    AND type IN ('EscalationStarted', 'LevelDue')
    AND NOT EXISTS (
        SELECT 1 FROM events AS ends INDEXED BY events_calls WHERE ends.run = runs.run
        AND ends.type IN (
            'EscalationStarted', 'LevelDue', 'EscalationExhausted', 'EscalationClosed'
        )
        AND ends.type = 'EscalationClosed'
        AND json_extract(ends.body, '$.escalation') = json_extract(events.body, '$.escalation')
    )
) ORDER BY finished_us LIMIT ?2
"""
_AMONG = " FROM json_each(?3) AS asked CROSS JOIN runs ON runs.run = asked.value "
# crossed: those that are asked for are looked up by name, and not all others with them
# the list of types is what the index has: without it, all that runs found would be read
# one that was closed is so for good: a run of which all are needs not be read


async def may_call(store: SqliteStore, now_us: int) -> list[str]:
    """Their names; whether one really does, its events say."""
    return await _found(store, now_us, _SQL)


async def calling(store: SqliteStore, now_us: int) -> list[str]:
    """The same, and runs that are not over; the oldest first."""
    sql = _SQL.replace(_OVER, f"({_OVER} OR finished_us IS NULL)")
    return await _found(store, now_us, sql.replace("ORDER BY finished_us", "ORDER BY started_us"))


async def _found(store: SqliteStore, now_us: int, sql: str, *asked: str) -> list[str]:
    since_us = now_us - round(BACK_S * MICROSECONDS)

    def work(connection: sqlite3.Connection) -> list[str]:
        return [row[0] for row in connection.execute(sql, (since_us, FOUND_MAX, *asked))]

    return await store.read(work)


_EXHAUSTED = """
SELECT run FROM json_each(?3) AS asked CROSS JOIN runs ON runs.run = asked.value WHERE EXISTS (
    SELECT 1 FROM events INDEXED BY events_calls WHERE events.run = runs.run
    AND type IN ('EscalationStarted', 'LevelDue', 'EscalationExhausted', 'EscalationClosed')
    AND type = 'EscalationExhausted'
)
"""


async def called(store: SqliteStore, now_us: int, over: Sequence[str]) -> list[str]:
    """Of these runs, which are over, those that may call people, and those of which all levels of
    an escalation were called; whether somebody took it behind that, their events say.
    """
    among = _SQL.replace(" FROM runs ", _AMONG).replace("ORDER BY finished_us LIMIT ?2", "")
    return await _found(store, now_us, f"{among} UNION {_EXHAUSTED} LIMIT ?2", json.dumps([*over]))
