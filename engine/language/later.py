"""Keys that are read and checked, and that this version does not execute."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import Diagnostic, Place
from engine.language.model import Call, Entry, Group, Runbook, walk_runbook

NOT_YET = ("approve", "undo")
"""Of steps, with `on_failure: undo`. Of the runbook: `guards`, `escalation`, `autonomy`."""


def later(runbook: Runbook) -> list[Diagnostic]:
    """Every key of this runbook, and of those it calls, that this version does not execute."""
    found: list[Diagnostic] = []
    for one in (runbook, *runbook.calls.values()):
        found.extend(_of(one))
    return found


def _of(runbook: Runbook) -> Iterator[Diagnostic]:
    if runbook.guards is not None:
        yield _told("guards", runbook.guards.place)
    if runbook.autonomy is not None and runbook.autonomy[0] != "auto":
        yield _told(f"autonomy: {runbook.autonomy[0]}", runbook.autonomy[1])
    if runbook.escalation is not None:
        yield _told("escalation", runbook.escalation.place)
    for entry in walk_runbook(runbook):
        if entry.on_failure == "undo":
            place = entry.key_places.get("on_failure", entry.place)
            yield _told("on_failure: undo", place)
        for key in NOT_YET:
            if _uses(entry, key):
                yield _told(key, entry.key_places.get(key, entry.place))


def _uses(entry: Entry, key: str) -> bool:
    if isinstance(entry, Call):
        return bool(getattr(entry, key))
    return isinstance(entry, Group) and key == "undo" and bool(entry.undo)


def _told(key: str, place: Place) -> Diagnostic:
    what = f"'{key}' is not executed by this version"
    return Diagnostic(
        "RB600", what, place, "take it out to run this, or wait for the version that does", len(key)
    )
