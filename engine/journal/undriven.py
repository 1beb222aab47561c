"""Runs that nobody drives: their driver let go of them, or died."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from engine.journal.lease import seems_alive
from engine.journal.sqlite import SqliteStore

_SQL = """
SELECT leases.run, holder, renewed_us FROM json_each(?) AS asked
JOIN leases ON leases.run = asked.value
"""


async def undriven(store: SqliteStore, runs: Sequence[str], now_us: int) -> set[str]:
    """Of these, those that nobody drives, as far as can be seen from here."""
    asked = json.dumps(list(runs))

    def work(connection: sqlite3.Connection) -> list[tuple[str, str | None, int]]:
        return list(connection.execute(_SQL, (asked,)))

    rows = await store.read(work)
    return {
        run for run, holder, at_us in rows if not (holder and seems_alive(holder, at_us, now_us))
    }
