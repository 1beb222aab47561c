"""Keys that are read and checked, and that this version does not execute."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import Diagnostic, Place
from engine.language.model import Runbook


def later(runbook: Runbook) -> list[Diagnostic]:
    """Every key of this runbook, and of those it calls, that this version does not execute."""
    found: list[Diagnostic] = []
    for one in (runbook, *runbook.calls.values()):
        found.extend(_of(one))
    return found


def _of(runbook: Runbook) -> Iterator[Diagnostic]:
    if runbook.escalation is not None:
        yield _told("escalation", runbook.escalation.place)


def _told(key: str, place: Place) -> Diagnostic:
    what = f"'{key}' is not executed by this version"
    return Diagnostic(
        "RB600", what, place, "take it out to run this, or wait for the version that does", len(key)
    )
