"""What stands behind the status of a run in a list: it calls people, asks, or stands still."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from engine.cli.audit import all_events
from engine.cli.called import QUESTION, Calls
from engine.journal.contract import RunRow, Store

CALLING_STATUSES = ("running", "waiting", "in doubt")
"""Of runs that are not over and may call people."""


class Mark(Struct):
    """`calls`: what for people are called, `asks`: what they are asked, `untaken`: what nobody took
    though all who there are were called. `held`: why it cannot be gone on with, as things are.
    `undriven`: nobody drives it, and something is to go on.
    """

    calls: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    untaken: tuple[str, ...] = ()
    held: str = ""
    undriven: bool = False

    @property
    def words(self) -> list[str]:
        """As in the list: one for what people are to do, one where nothing goes on,
        and why not.
        """
        found = [name for name in ("calls", "untaken", "asks") if getattr(self, name)]
        return ["held"] * bool(self.held) + found[:1] + ["undriven"] * self.undriven

    def to_json(self) -> dict[str, Any]:
        """The keys that a run has in a list for machines."""
        said = {"calls": self.calls, "asks": self.asks, "untaken": self.untaken}
        listed = {word: list(what) for word, what in said.items()}
        return {**listed, "held": self.held or None, "undriven": self.undriven}


def hints(marks: Mapping[str, Mark], command: str) -> list[str]:
    """What the words mean, and what is done about them: with the run's name, where it is one."""
    said = []
    by = {word: [run for run, mark in marks.items() if word in mark.words] for word in _HINTS}
    for word, runs in by.items():
        if runs:
            run = runs[0] if len(runs) == 1 else "RUN"
            said.append(_HINTS[word].format(command=command, run=run))
    if takes := [run for run, mark in marks.items() if mark.calls or mark.untaken]:
        run = takes[0] if len(takes) == 1 else "RUN"
        said.append(f"to take what a run calls for: {command} ack {run}")
    return said


_HINTS = {
    "held": "held: it cannot be gone on with as things are; why: {command} watch {run}",
    "untaken": "untaken: all levels were called, and nobody took it",
    "asks": "asks: people were told of a question; which, and how to answer: {command} watch {run}",
    "undriven": (
        "undriven: nobody drives it, so nobody else is called and no step begins, until "
        "{command} resume {run}, or a server takes it up"
    ),
}


async def marks_of(store: Store, rows: Sequence[RunRow]) -> dict[str, Mark]:
    """The marks of those that have any. Of the runs of a server nothing is known here."""
    from engine.journal.called import exhausted, may_call  # noqa: PLC0415 - only where there is a file
    from engine.journal.sqlite import SqliteStore  # noqa: PLC0415
    from engine.journal.undriven import undriven  # noqa: PLC0415

    if not isinstance(store, SqliteStore):
        return {}
    now_us = time.time_ns() // 1000
    listed = [row.run for row in rows]
    some = {*await may_call(store, now_us, listed), *await exhausted(store, listed)}
    still = await undriven(store, listed, now_us)
    found: dict[str, Mark] = {}
    for row in rows:
        mark = Mark()
        if row.mode == "real" and (row.run in some or row.status in CALLING_STATUSES):
            mark, due = await _called(store, row.run)
            mark.undriven = row.run in still and still[row.run].stands_still(due)
        if mark.words:
            found[row.run] = mark
    return found


async def stands_still(store: Store, run: str, calls: Calls) -> bool:
    """Whether nobody drives a run of this machine's journal, and something of it is to go on."""
    from engine.journal.sqlite import SqliteStore  # noqa: PLC0415 - only where there is a file
    from engine.journal.undriven import undriven  # noqa: PLC0415

    if not isinstance(store, SqliteStore):
        return False
    found = await undriven(store, [run], time.time_ns() // 1000)
    return run in found and found[run].stands_still(calls.due())


async def _called(store: Store, run: str) -> tuple[Mark, bool]:
    """What people are called for; and whether somebody is to be called later."""
    calls = Calls()
    async for event in all_events(store, run, 0):
        calls.apply(event)
    open_ = [one for one in calls.calling() if not one.untaken]
    mark = Mark(
        tuple(one.title for one in open_ if not one.key.startswith(QUESTION)),
        tuple(one.title for one in open_ if one.key.startswith(QUESTION)),
        tuple(one.title for one in calls.shown() if one.untaken),
        calls.held,
    )
    return mark, calls.due()
