"""What the marks of runs in a list mean, and what is done about them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from engine.journal.calls import Calls, Mark
from engine.journal.contract import RunRow, Store


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
    "mute": (
        "mute: nor can anybody be called for it, before that is put right; what does: "
        "{command} watch {run}"
    ),
    "untaken": "untaken: all levels were called, and nobody took it",
    "asks": "asks: it waits for an answer; to what, and how to give it: {command} watch {run}",
    "undriven": (
        "undriven: nobody drives it, so nobody else is called and no step begins, until "
        "{command} resume {run}, or a server takes it up"
    ),
}


async def marks_of(store: Store, rows: Sequence[RunRow]) -> dict[str, Mark]:
    """The marks of those that have any: from the journal, or as the server said with the list."""
    from engine.journal.sqlite import SqliteStore  # noqa: PLC0415 - only where there is a file

    if isinstance(store, SqliteStore):
        from engine.journal.marks import Marks  # noqa: PLC0415

        return await Marks(store).of(rows, time.time_ns() // 1000)
    from engine.cli.remote import RemoteStore  # noqa: PLC0415 - httpx

    if isinstance(store, RemoteStore):
        return {row.run: store.marks[row.run] for row in rows if row.run in store.marks}
    return {}


async def stands_still(store: Store, run: str, calls: Calls) -> bool:
    """Whether nobody drives a run, and something of it is to go on; as far as is known here."""
    from engine.journal.sqlite import SqliteStore  # noqa: PLC0415 - only where there is a file

    if isinstance(store, SqliteStore):
        from engine.journal.undriven import undriven  # noqa: PLC0415

        found = await undriven(store, [run], time.time_ns() // 1000)
        return run in found and found[run].stands_still(calls.due())
    rows = await store.runs(run=run, limit=1)
    marks = await marks_of(store, rows)
    return run in marks and marks[run].undriven
