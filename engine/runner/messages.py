"""The messages of one run that are on their way: each is looked at once more before it leaves, and
one that still waits for its turn when its driver lets go has not left, which is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from engine.core.effects import Tell
from engine.core.escalate import UNSENT, wanted
from engine.core.judge import Outcome
from engine.core.state import State
from engine.errors import Fenced, Moved
from engine.runner.given import Driving
from engine.runner.written import Written

Known = Callable[[], tuple[State, bool]]
"""The driver's state, and whether it has drafts that the journal may refuse."""


class Messages:
    """Of one driver. Used from one event loop."""

    def __init__(self, given: Driving, known: Known) -> None:
        self._given = given
        self._known = known
        self._written = Written(given.store, given.lease.run, given.runbook)
        self._waiting: dict[str, asyncio.Task[None] | None] = {}
        """By key, those that wait for the turn of their place, and their tasks."""
        self._back: set[str] = set()
        self._leaving = False

    async def tell(self, effect: Tell) -> Outcome:
        """What came of a message. Raises CancelledError where it may have left, JournalError."""
        assert self._given.tell is not None  # noqa: S101 - who knows whom to call can tell them
        if self._leaving:
            return _unsent()
        key = effect.body["key"]
        self._waiting[key] = asyncio.current_task()
        try:
            with self._written:
                return await self._given.tell(effect, lambda: self._needed(effect))
        except asyncio.CancelledError:
            if key not in self._back:
                raise
            return _unsent()
        finally:
            self._waiting.pop(key, None)

    def give_back(self) -> frozenset[str]:
        """From now on nothing leaves any more that has not begun to; the keys of what waited."""
        self._leaving = True
        for key, task in self._waiting.items():
            if task is not None and key not in self._back:
                self._back.add(key)
                task.cancel()
        return frozenset(self._back)

    async def _needed(self, effect: Tell) -> bool:
        """Whether it leaves: it is wanted still, and from here."""
        needed = await self._wanted(effect)
        self._waiting.pop(effect.body["key"], None)  # it is sent before anything else happens here
        return needed

    async def _wanted(self, effect: Tell) -> bool:
        """An acknowledgement or answer may be in the journal by now, and another driver's lease
        (this process may have been stopped for long).
        """
        state, _ = self._known()
        seq, place = state.seq, (effect.body["escalation"], effect.body["summons"])
        try:
            await self._given.store.append(self._given.lease, seq, [])
        except Fenced:
            return False
        except Moved:
            seq = -1
        if effect.body["kind"] not in ("page", "question"):
            return True
        state, ahead = self._known()
        if ahead or state.seq != seq:
            return await self._written.wants(*place)
        return wanted(state, *place)


def _unsent() -> Outcome:
    message = "the process ended before its turn came: it was not sent"
    error: dict[str, Any] = {"message": message, "help": None, "kind": UNSENT, "detail": {}}
    return Outcome(None, {**error, "maybe_done": False, "retryable": True}, 0.0)
