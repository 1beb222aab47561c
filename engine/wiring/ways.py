"""The ways through a runbook: its text as a run keeps it, and the ways a rehearsal did not take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.core.state import State
from engine.language.model import Choose, Runbook
from engine.wiring.admission import called

EXPLORED_MAX = 50
"""Rehearsals of one exploration: a runbook with more ways is looked at way by way."""


def text_of(runbook: Runbook) -> dict[str, Any]:
    """What a run goes by, whatever becomes of the files."""
    texts = {book.name: book.text for book in called(runbook)}
    return {"name": runbook.name, "digest": runbook.digest, "texts": texts}


def other_ways(state: State, forced: Mapping[str, int]) -> list[dict[str, int]]:
    """For each choose that a rehearsal came to, the ways not taken, on top of those forced."""
    found = []
    for step in state.steps.values():
        if isinstance(step.entry, Choose) and step.path not in forced:
            taken = step.plan.get("way")
            numbers = range(1, len(step.entry.ways) + 1)
            found += [{**forced, step.path: number} for number in numbers if number != taken]
    return found
