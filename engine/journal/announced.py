"""Whom a message is to reach, as its run's events say: for who did not see it begin."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from engine.core.events import Event
from engine.journal.sqlite import SqliteStore

_SQL = """
SELECT body FROM events WHERE run = ? AND seq < ? AND type = 'TellStarted'
AND json_extract(body, '$.key') = ? ORDER BY seq DESC LIMIT 1
"""


async def announced(store: SqliteStore, came: Event) -> dict[str, Any]:
    """What announced the message of which `came` tells what came of it; empty where nothing did."""
    asked = (came.run, came.seq, str(came.body["key"]))

    def work(connection: sqlite3.Connection) -> dict[str, Any]:
        row = connection.execute(_SQL, asked).fetchone()
        return dict(json.loads(row[0])) if row is not None else {}

    return await store.read(work)
