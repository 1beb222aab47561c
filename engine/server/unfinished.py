"""Which runs of a journal are to be driven by somebody."""

from __future__ import annotations

from collections.abc import Callable

from engine.clock import Clock
from engine.journal.called import calling, may_call
from engine.journal.contract import Store
from engine.journal.sqlite import SqliteStore
from engine.wiring import SANDBOX

OPEN_STATUSES = ("running", "waiting", "in doubt", "queued")
OPEN_MAX = 10_000
"""Unfinished runs that are looked at, of each status."""


async def unfinished(store: Store) -> dict[str, int]:
    """Runs that are not over, and the last event of each."""
    found: dict[str, int] = {}
    for status in OPEN_STATUSES:
        rows = await store.runs(status=status, limit=OPEN_MAX)
        found |= {row.run: row.last_seq for row in rows}
    return found


async def over_and_calling(store: Store, clock: Clock) -> list[str]:
    """Runs that are over and may still call people: whoever takes one up reads whether it does, one
    that cannot be read any more is told as one whose driving broke.
    """
    return await may_call(store, clock.now_us()) if isinstance(store, SqliteStore) else []


async def all_that_call(store: Store, clock: Clock, known: Callable[[str], bool]) -> list[str]:
    """Runs that may call people, over or not, and that are not known. Not those in a sandbox:
    nobody real is called there, and it went with whoever played with it.
    """
    if not isinstance(store, SqliteStore):
        return []
    found = [run for run in await calling(store, clock.now_us()) if not known(run)]
    rows = [row for run in found for row in await store.runs(run=run, limit=1)]
    return [row.run for row in rows if row.environment != SANDBOX]
