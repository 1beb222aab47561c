"""Runs that nobody drives: their driver died, or let go of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from engine.journal.lease import seems_alive
from engine.journal.sqlite import SqliteStore

_SQL = """
SELECT leases.run, holder, renewed_us, finished_us IS NULL, status FROM json_each(?) AS asked
JOIN leases ON leases.run = asked.value JOIN runs ON runs.run = asked.value
"""


class Left(Struct, frozen=True):
    """`died`: its driver did not let go of it. `in_steps`: it waits for nobody.

    A server lets go of what waits for people only, and takes it up when one of them speaks.
    """

    died: bool
    open: bool
    in_steps: bool

    def stands_still(self, due: bool) -> bool:
        """Whether something does not happen that would. `due`: somebody is to be called later."""
        return due or self.in_steps or (self.died and self.open)


async def undriven(store: SqliteStore, runs: Sequence[str], now_us: int) -> dict[str, Left]:
    """Of these, those that nobody drives, as far as can be seen from here."""
    asked = json.dumps(list(runs))

    def work(connection: sqlite3.Connection) -> list[tuple[str, str | None, int, int, str]]:
        return list(connection.execute(_SQL, (asked,)))

    return {
        run: Left(holder is not None, bool(open_), bool(open_) and status == "running")
        for run, holder, at_us, open_, status in await store.read(work)
        if holder is None or not seems_alive(holder, at_us, now_us)
    }
