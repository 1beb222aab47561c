"""From a runbook and an environment to what the store is asked: may this run begin now?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from engine.clock import MICROSECONDS, to_iso
from engine.config import Environment
from engine.config.freeze import closed_times
from engine.core.events import Actor, Draft, Event
from engine.core.guards import QUEUE_S, Admission, Closed, Lock, Rules, Switch
from engine.core.state import State
from engine.errors import Refused, Usage
from engine.journal.contract import Admitted, Lease, Standing, Store
from engine.journal.lease import LEASE_S
from engine.language.model import Runbook
from engine.language.template import render
from engine.wiring.admission import calls
from engine.wiring.base import Base
from engine.wiring.faces import RunResult
from engine.wiring.guard_rows import rows_of

LOCK_MAX_CHARS = 200
"""Of the name of a lock, rendered: it stands in messages."""


def rules_of(runbook: Runbook, scope: Mapping[str, Any], closed: tuple[Closed, ...]) -> Rules:
    """The guards of a runbook, rendered in this scope: inputs, event, run. Raises Usage."""
    given: Mapping[str, Any] = runbook.guards.rules if runbook.guards is not None else {}
    most = given.get("max_runs") or {}
    breaker = given.get("breaker") or {}
    return Rules(
        lock=_lock(given.get("lock"), scope),
        cooldown_us=_us(given["cooldown"]) if "cooldown" in given else None,
        max_runs=most.get("count"),
        per_us=_us(most.get("per", 0)),
        breaker_after=breaker.get("after"),
        breaker_reset_us=_us(breaker.get("reset", 0)),
        closed=closed,
    )


def _us(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def _lock(given: Mapping[str, Any] | None, scope: Mapping[str, Any]) -> Lock | None:
    if given is None:
        return None
    key = render(given["key"], scope)
    text = key if isinstance(key, str) else str(key)
    if not text.strip():
        raise Usage("the lock of this run has no name: its template renders to nothing")
    if len(text) > LOCK_MAX_CHARS:
        raise Usage(f"the lock of this run has a name of {len(text)} characters: {text[:40]}...")
    return Lock(text, given.get("when_taken", "queue"))


def asked_for(
    runbook: Runbook, place: Environment, body: Mapping[str, Any], begin: tuple[str, int, Actor]
) -> Admission:
    """What the guards are asked for a run that begins with this body; `begin`: its id, the time,
    and who asks. Raises TemplateProblem, Usage.
    """
    run, at_us, actor = begin
    facts = {
        "id": run,
        "name": runbook.name,
        "started_at": to_iso(at_us),
        "environment": place.name,
        "actor": actor.name,
        "mode": body["mode"],
    }
    scope = {"inputs": body["inputs"], "event": body["event"], "run": facts}
    closed = closed_times(place.windows, at_us, at_us + QUEUE_S * MICROSECONDS)
    rules = rules_of(runbook, scope, closed)
    return Admission(runbook.name, place.name, rules, acts(runbook), body.get("through"))


def acts(runbook: Runbook) -> bool:
    """Whether a run of it would change anything."""
    return any(call.verb == "action" for call in calls(runbook))


EXIT_REFUSED = 6
"""Of a run that a guard was against, or that another one does already."""

_TOLD = ("RunStarted", "RunRefused", "RunFinished")
"""What ends the waiting in line."""


class EnvironmentClosed(Struct, frozen=True):
    """A freeze window that is open now."""

    pack: str
    environment: str
    window: Closed


class Guarding(Base):
    """The guards as the faces see them, and the waiting in line."""

    async def freeze(self, why: str, actor: Actor) -> Switch:
        """Refuses what would change something, until `thaw`. What is under way goes on."""
        if not why.strip():
            raise Usage("say why: everybody who is refused will read it")
        return await self.store.freeze(why, actor, self.clock.now_us())

    async def thaw(self, why: str, actor: Actor) -> Switch:
        """Ends a freeze; the switch as it was. Raises Usage when there is none."""
        was = await self.store.thaw(why, actor, self.clock.now_us())
        if was is None:
            raise Usage("nothing is frozen")
        return was

    async def standing(self) -> Standing:
        """What the guards hold back now, but for freeze windows."""
        return await self.store.standing(self.clock.now_us())

    def closed_now(self) -> list[EnvironmentClosed]:
        """The freeze windows that are open now, of every environment."""
        now_us = self.clock.now_us()
        found: list[EnvironmentClosed] = []
        for pack in self.books.packs():
            for name in self.books.environments(pack):
                place = self.books.environment(pack, name, self.registry, only=())
                open_now = closed_times(place.windows, now_us, now_us + 1)
                found += [EnvironmentClosed(pack, name, window) for window in open_now]
        return found

    async def guard_rows(self) -> list[dict[str, Any]]:
        """What the guards hold back now, freeze windows too, as rows."""
        return rows_of(await self.standing(), self.closed_now())

    async def _reenter(self, state: State, reason: str, actor: Actor) -> None:
        """Asks the guards whether a run that is over may change something again. Raises Refused."""
        now_us = self.clock.now_us()
        windows = self._environment(state.runbook, state.environment).windows
        closed = closed_times(windows, now_us, now_us + 1)
        actor = self._known(state.runbook, actor)
        asked = Draft("UndoRequested", self._redacted(state, {"reason": reason}), now_us, actor)
        verdict = await self.store.reenter(state.run, asked, closed)
        if verdict.answer == "refused":
            raise Refused(f"run {state.run} is not undone: {verdict.reason}")

    async def _turn(
        self, lease: Lease, events: list[Event], observe: Callable[[Event], None] | None
    ) -> list[Event]:
        """Waits in line until the run begins, is refused, or is taken out of it; all its events."""
        while not any(event.type in _TOLD for event in events):
            await self.store.claim(lease, self.clock.now_us())
            seq = events[-1].seq
            await self.store.wait_for_more(lease.run, seq, LEASE_S / 3)
            new = await self.store.events(lease.run, after=seq)
            events = [*events, *new]
            if observe is not None:
                for event in new:
                    observe(event)
        return events


def not_begun(admitted: Admitted) -> RunResult | None:
    """The result of a run that was refused, or is done by another; None when it goes on."""
    verdict = admitted.verdict
    if verdict.answer not in ("refused", "joined"):
        return None
    return RunResult(admitted.run, verdict.answer, EXIT_REFUSED, verdict.reason)


def over_in_line(events: list[Event]) -> RunResult | None:
    """The result of a run whose time in line ended it; None when it goes on."""
    for event in events:
        if event.type == "RunRefused":
            return RunResult(event.run, "refused", EXIT_REFUSED, event.body["reason"])
    if events[-1].type == "RunFinished" and all(e.type != "RunStarted" for e in events):
        return RunResult(events[-1].run, "cancelled", 1, events[-1].body["because"])
    return None


async def withdraw(store: Store, run: str, asked: Draft) -> Event | None:
    """Takes a run out of the line at this cancel; None when it does not wait (any more)."""
    end = {"outcome": "cancelled", "because": asked.body["reason"], "worst": "passed"}
    body = {**end, "outputs": {}, "running": []}
    drafts = [asked, Draft("RunFinished", body, asked.at_us)]
    events = await store.withdraw(run, drafts)
    return events[0] if events else None
