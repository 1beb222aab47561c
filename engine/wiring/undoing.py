"""Rehearses an undo: what `runbook undo RUN` would change, with nothing written.

A run's journal is copied into memory, marked as a rehearsal, and driven on from there by the same
rules, with the reading sides only. The journal of the run itself stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.core.events import Actor, Draft, Event
from engine.core.state import State
from engine.journal.lease import this_holder
from engine.journal.memory import MemoryStore
from engine.runner.drive import Driver, Driving
from engine.runner.rehearse import Readings, Rehearser
from engine.secret import Vault
from engine.wiring.admission import check_targets, check_undo
from engine.wiring.people import People


@dataclass(frozen=True, slots=True)
class UndoRehearsed:
    """What an undo would do. `would_undo`: paths of steps, in order. `fails_at`: the first step of
    it that would not pass, and `why`. `uncertain`: from which step on it cannot tell.
    """

    events: tuple[Event, ...]
    would_undo: tuple[str, ...]
    fails_at: str | None
    why: str | None
    uncertain: str | None

    @property
    def exit_code(self) -> int:
        """As a rehearsal's: 0 would undo it all, 1 would stop, 3 cannot tell."""
        if self.fails_at is not None:
            return 1
        return 3 if self.uncertain is not None else 0


async def rehearse_undo(
    engine: People,
    run: str,
    *,
    actor: Actor,
    services: Mapping[str, str] | None = None,
    observe: Callable[[Event], None] | None = None,
) -> UndoRehearsed:
    """What undoing a finished run would do. Raises Usage when there is nothing to undo."""
    state = await engine.state(run)
    check_undo(state)
    events = await engine.store.events(run)
    place = engine._environment(state.runbook, state.environment)  # noqa: SLF001 - a part of it
    check_targets(state.runbook, place)
    vault = Vault(os.environ, services)
    store = MemoryStore(engine.clock)
    lease, copied = await store.create(run, _as_rehearsal(events), this_holder())
    async with engine._connected(place, vault) as connections:  # noqa: SLF001 - as above
        given = Driving(
            store=store,
            lease=lease,
            runbook=state.runbook,
            perform=Rehearser(run, engine.registry, Readings(connections), engine.clock),
            redact=vault.redactor().json,
            clock=engine.clock,
            actor=actor,
            observe=observe,
        )
        driver = Driver(given, copied)
        asked = Draft("UndoRequested", {"reason": "rehearsed"}, engine.clock.now_us(), actor)
        await driver.drive([asked])
    found = await store.events(run, after=len(copied))
    return _rehearsed(driver.state, tuple(found))


def _as_rehearsal(events: list[Event]) -> list[Draft]:
    drafts = [Draft(e.type, e.body, e.at_us, Actor(**e.actor)) for e in events]
    return [
        Draft(d.type, {**d.body, "mode": "rehearsal"}, d.at_us, d.actor)
        if d.type == "RunStarted"
        else d
        for d in drafts
    ]


def _rehearsed(state: State, events: tuple[Event, ...]) -> UndoRehearsed:
    end: Mapping[str, Any] = state.undo_finished or {}
    return UndoRehearsed(
        events,
        tuple(end.get("undone", ())),
        end.get("failed"),
        end.get("why"),
        state.uncertain,
    )
