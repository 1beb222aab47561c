"""When runbooks were last rehearsed, and with what verdict: for those that list and start them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from engine.cli.session import Session
from engine.errors import JournalError
from engine.journal.contract import RunRow, Store
from engine.journal.open import is_there
from engine.language.duration import format_duration
from engine.language.model import Runbook

LOOKED_AT_MAX = 2000
"""Rehearsals looked at for a list, the newest ones: enough for every runbook of a large team to be
among them."""


async def latest(store: Store, name: str | None = None) -> dict[str, RunRow]:
    """The latest rehearsal of each runbook that came to its end."""
    limit = LOOKED_AT_MAX if name is None else 20
    rows = await store.runs(name=name, mode="rehearsal", limit=limit)
    return {row.name: row for row in reversed(rows) if row.finished_us is not None}


def look(session: Session, name: str | None = None) -> dict[str, RunRow]:
    """The same, of the session's store. Nothing where there is none yet, or it cannot be read: a
    list of runbooks is worth having without.
    """
    if session.server_url is None and not is_there(session.store_address):
        return {}

    async def read() -> dict[str, RunRow]:
        async with session.open_store() as store:
            return await latest(store, name)

    try:
        return asyncio.run(read())
    except JournalError as e:
        session.output.note(f"when it was rehearsed is not known: {e.message}")
        return {}


def told(row: RunRow | None, every_s: float | None = None) -> str:
    """`2h ago in staging: would resolve`, with a word where that is older than it should be."""
    if row is None or row.finished_us is None:
        return "never" if every_s is None else f"never; every {format_duration(every_s)} it should"
    age_s = max(0.0, time.time() - row.finished_us / 1e6)
    text = f"{format_duration(round(age_s))} ago in {row.environment}: {row.because or row.status}"
    if every_s is not None and age_s > every_s:
        text += f" (stale: it should be every {format_duration(every_s)})"
    return text


def columns(session: Session, runbooks: Iterable[Runbook | None]) -> dict[str, str]:
    """By name, what a list says of each."""
    found = look(session)
    return {
        one.name: told(found.get(one.name), one.rehearse_every_s)
        for one in runbooks
        if one is not None
    }
