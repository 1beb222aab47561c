"""Puts the parts together: what the faces (command line, server) call.

An `Engine` holds what runs share: the packs, the registry, the store, the clock. Each run gets its
own vault of secrets and its own connections, and gives them back when it lets go.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from engine.clock import Clock
from engine.config import Books, Environment
from engine.core import guards
from engine.core.effects import Decision
from engine.core.events import Actor, Draft, Event
from engine.core.held import holding
from engine.core.state import State
from engine.errors import Driven, Usage
from engine.journal.contract import Lease, Store
from engine.journal.lease import this_holder
from engine.language.inputs import take_inputs
from engine.language.model import Runbook
from engine.registry import Registry
from engine.runner.budgets import SharedBudgets, budgeted
from engine.runner.connections import Connections
from engine.runner.drive import Driver, Driving, Performing
from engine.runner.minding import Minding
from engine.runner.perform import Performer
from engine.runner.rehearse import Readings, Rehearser
from engine.runner.telling import Pace, Teller
from engine.secret import Vault
from engine.wiring import held as holds
from engine.wiring.admission import (
    SANDBOX,
    admit,
    autonomy_of,
    check_targets,
    check_undo,
    targets,
)
from engine.wiring.asking import Asking
from engine.wiring.calling import Directory, Press, directory_of, teller, telling
from engine.wiring.ended import ended
from engine.wiring.faces import Answerer, Faces, Ping, Question, RunResult, os_actor
from engine.wiring.fit import barred
from engine.wiring.foreseen import Foreseeing
from engine.wiring.guarding import asked_for, not_begun, over_in_line
from engine.wiring.ids import new_id
from engine.wiring.on_call import OnCall
from engine.wiring.ways import EXPLORED_MAX, other_ways, text_of

__all__ = [
    "SANDBOX",
    "VERSION",
    "Answerer",
    "Engine",
    "Faces",
    "Ping",
    "Question",
    "RunResult",
    "new_id",
    "os_actor",
    "targets",
]

VERSION = "0.1.0"
"""Of the engine, in the first event of every run. The same as in pyproject.toml; a test says so."""

_NO_FACES = Faces()


class _Means(Struct, frozen=True):
    """What one run works with."""

    lease: Lease
    runbook: Runbook
    connections: Connections
    vault: Vault
    faces: Faces
    actor: Actor
    directory: Directory
    barred: str | None = None
    """Why no step may be performed any more."""


def _leaving(means: _Means, leave: asyncio.Event) -> _Means:
    return replace(means, faces=replace(means.faces, leave=leave))


class Engine(Asking):
    """Runs runbooks. Everything a face does to a run goes through here, and is an event."""

    def __init__(
        self, *, books: Books, registry: Registry, store: Store, clock: Clock | None = None
    ) -> None:
        super().__init__(books=books, registry=registry, store=store, clock=clock)
        self._driven: set[str] = set()
        self._pace = Pace(self.clock)
        self._minded: Minding | None = None
        self.press = Press()
        """Where people press what they are told: a server says."""

    async def run(  # noqa: PLR0913 - keyword only: each is an independent choice of the caller
        self,
        name: str,
        *,
        environment: str,
        inputs: Mapping[str, Any],
        actor: Actor,
        services: Mapping[str, str] | None = None,
        event: Any = None,
        faces: Faces = _NO_FACES,
        rehearsal: bool = False,
        forced: Mapping[str, int] | None = None,
        plan: str | None = None,
        through: str | None = None,
        autonomy: str | None = None,
        run: str | None = None,
    ) -> RunResult:
        """Starts a runbook and drives it until it is over or waits for people only.

        `services` are the fields of a sandbox's services; `event` is what triggered the run.
        `rehearsal`: nothing is written, actions are previewed; `forced` are ways it takes, by path.
        `plan`: the id of a rehearsal whose plan is carried out; what differs from it is asked
        first. `through`: why it may try an open breaker. `autonomy`: how far it goes by itself, at
        most as far as it would without. `run`: its id, see `new_id`. What a guard is against is
        recorded, and a result. Raises Diagnosed, Usage, Refused before anything is;
        JournalError; Usage when there is a run of this id.
        """
        runbook = self.books.load(name, self.registry)
        place = await self._place(runbook, environment, actor)
        actor = self._known(runbook, actor)
        taken = take_inputs(runbook, inputs)
        more = await self._mode(runbook, plan, forced if rehearsal else None)
        more |= {"through": through} if through is not None else {}
        directory = directory_of(self.books, self.registry, runbook, place)
        vault = Vault(os.environ, services)
        async with self._connected(place, vault) as connections:
            connections.learn(directory.connections())
            body = {
                **text_of(runbook),
                "inputs": taken,
                "event": event,
                "environment": environment,
                "mode": "rehearsal" if rehearsal else "real",
                "autonomy": guards.autonomy_of(autonomy_of(place, runbook), autonomy),
                "engine": VERSION,
                "connections": connections.fingerprints(targets(runbook)),
                "telling": telling(runbook, directory.contacts, place),
                **more,
            }
            draft = Draft("RunStarted", vault.redactor().json(body), self.clock.now_us(), actor)
            began = await self._begin(runbook, place, (run or new_id(draft.at_us), draft), faces)
            if isinstance(began, RunResult):
                return began
            del body, draft  # it may wait for days, and its journal has them
            means = _Means(began[0], runbook, connections, vault, faces, actor, directory)
            return await self._drive(means, began[1], [])

    async def _place(self, runbook: Runbook, environment: str, actor: Actor) -> Environment:
        """Where it runs; may this runbook run there, for this person?"""
        place = self._environment(runbook, environment)
        check_targets(runbook, place)
        admit(place, actor)
        await self.check_who(runbook, place, actor)
        return place

    async def _begin(
        self, runbook: Runbook, place: Environment, first: tuple[str, Draft], faces: Faces
    ) -> tuple[Lease, list[Event]] | RunResult:
        """Asks the guards, but for a rehearsal, and waits in line. A result: it does not begin."""
        (run, draft), holder = first, this_holder()
        lease: Lease | None
        if draft.body["mode"] == "rehearsal":
            lease, events = await self.store.create(run, [draft], holder)
            ended = None
        else:
            asked = asked_for(runbook, place, draft.body, (run, draft.at_us, draft.actor))
            admitted = await self.store.admit(run, draft, holder, asked)
            run, lease, events = admitted.run, admitted.lease, list(admitted.events)
            ended = not_begun(admitted)
        if faces.started is not None:
            faces.started(run)
        if faces.observe is not None:
            for event in events:
                faces.observe(event)
        if lease is None or ended is not None:
            return ended or RunResult(run, "refused", 6, None)
        events = await self._turn(lease, events, faces.observe)
        return over_in_line(events) or (lease, events)

    async def explore(self, first: RunResult, **given: Any) -> list[RunResult]:
        """Rehearses every way that the rehearsal `first` did not take, and the ways these come to.

        `given` is what `run` was given. At most `EXPLORED_MAX` rehearsals.
        """
        results, waiting, seen = [first], [(first.run, dict[str, int]())], set[str]()
        while waiting and len(results) < EXPLORED_MAX:
            run, forced = waiting.pop(0)
            for way in other_ways(await self.state(run), forced):
                key = repr(sorted(way.items()))
                if key in seen or len(results) >= EXPLORED_MAX:
                    continue
                seen.add(key)
                result = await self.run(rehearsal=True, forced=way, **given)
                results.append(result)
                waiting.append((result.run, way))
        return results

    async def resume(  # noqa: PLR0913 - keyword only, as `run`
        self,
        run: str,
        *,
        actor: Actor,
        services: Mapping[str, str] | None = None,
        faces: Faces = _NO_FACES,
        force: bool = False,
        unpause: bool = True,
    ) -> RunResult:
        """Takes a run up again where its journal ends, with the text it began with.

        One that was paused is continued, unless `unpause` is not wanted. Raises Usage when it is
        over; Refused while another driver seems alive (unless `force`), and when a connection
        points elsewhere than it did.
        """
        state = await self._open(run)
        drafts = []
        if state.paused is not None and unpause:
            drafts.append(Draft("ContinueRequested", {"reason": ""}, self.clock.now_us(), actor))
        given = (actor, services, faces, force)
        result = await self._take_up(state, drafts, given)
        while result.status == holds.AGAIN:
            result = await self._take_up(await self._open(run), [], given)
        return result

    async def undo(
        self,
        run: str,
        reason: str,
        *,
        actor: Actor,
        services: Mapping[str, str] | None = None,
        faces: Faces = _NO_FACES,
    ) -> RunResult:
        """Undoes what a finished run did, the last first; it holds the run's lock meanwhile.

        Raises Usage when there is nothing to undo, and Refused (and records it) when a guard is
        against it.
        """
        state = await self.state(run)
        check_undo(state)
        await self._reenter(state, reason, actor)
        state = await self.state(run)
        return await self._take_up(state, [], (actor, services, faces, False))

    async def _take_up(
        self,
        state: State,
        drafts: list[Draft],
        given: tuple[Actor, Mapping[str, str] | None, Faces, bool],
    ) -> RunResult:
        """Drives a run from where its journal ends, with these events first."""
        actor, services, faces, force = given
        run, actor = state.run, self._known(state.runbook, actor)
        vault, lenient = Vault(os.environ, services), holds.lenient_to(state, faces.hold)
        found = holds.grounds(self.books, self.registry, state, hold=lenient)
        directory = found.directory
        async with self._connected(found.place, vault) as connections:
            connections.learn(directory.connections())
            bar, held = holds.looked_at(self.registry, state, found, connections, hold=lenient)
            if held is not None and holds.unchanged(state, await self._events(run), held):
                return holds.held_result(state)
            if run in self._driven:
                raise Driven(f"run {run} is being driven by this process")
            lease = await self.store.take(run, this_holder(), force=force)
            events = await self._turn(lease, await self._events(run), faces.observe)
            if (ended := over_in_line(events)) is not None:
                return ended
            state = self._fold(run, events)
            interrupted = [s.path for s in state.steps.values() if s.in_flight]
            body: dict[str, Any] = {"driver": lease.holder, "interrupted": interrupted}
            body |= {"held": held} if held is not None else {}
            draft = Draft("RunTakenUp", body, self.clock.now_us(), actor)
            runs = (lease, state.runbook, connections, vault, faces, actor, directory)
            means = _Means(*runs, bar)
            first = [draft, *drafts]
            if held is None:
                return await self._drive(means, events, first)
            fits = partial(holds.fits_again, self.books, self.registry, state, services)
            go = holds.Go(self.clock, faces.leave, fits)
            return await go.drive(lambda leave: self._drive(_leaving(means, leave), events, first))

    async def _drive(self, means: _Means, events: list[Event], first: list[Draft]) -> RunResult:
        faces, lease = means.faces, means.lease
        self._asks_who_is_on_call(means.directory, means.connections)
        rehearsal = events[0].body["mode"] == "rehearsal"
        means.directory.foreseeing = Foreseeing(
            self._performer(means, rehearsal=True), means.connections.redact_json, self.clock
        )
        driver = Driver(
            Driving(
                store=self.store,
                lease=lease,
                runbook=means.runbook,
                perform=self._performer(means, rehearsal),
                redact=means.vault.redactor().json,
                clock=self.clock,
                actor=means.actor,
                observe=faces.observe,
                ask=self._asker(lease.run, faces, means.actor, means.vault.redactor().json),
                leave=faces.leave,
                first=means.directory.first,
                called=means.directory.called,
                tell=None if rehearsal else self._teller(means)(lease.run, events[0].body["event"]),
                minding=self._minding(),
            ),
            events,
        )
        events.clear()  # taken in: it may wait for days, and need not hold them
        self._driven.add(lease.run)
        try:
            decision = await driver.drive(first)
        finally:
            self._driven.discard(lease.run)
        await self.store.release(lease)
        if driver.left:
            return RunResult(lease.run, "left", 3, "it is taken up again by whoever drives it next")
        return await self._result(driver.state, decision)

    def _minding(self) -> Minding:
        """What all drivers of this engine have together."""
        known = self._minded
        if known is None or known.clock is not self.clock or known.store is not self.store:
            known = self._minded = Minding(self.store, self.clock)
        return known

    def _asks_who_is_on_call(self, directory: Directory, connections: Connections) -> None:
        """In a sandbox nobody real is there to be asked, or called."""
        if directory.place.name != SANDBOX:
            pack = directory.runbook.name.partition("/")[0]
            budgets = SharedBudgets(self.store, connections, self.clock)
            directory.on_call = OnCall(pack, directory.place, connections, self.desk, budgets)

    def _teller(self, means: _Means) -> Callable[[str, Any], Teller]:
        console = means.faces.console
        return teller(means.directory, means.connections, self._pace, console, self.press)

    def _performer(self, means: _Means, rehearsal: bool) -> Performing:
        """Who carries out the plans. In a rehearsal it is given nothing it could write with."""
        run, connections = means.lease.run, means.connections
        perform: Performing = Performer(
            run, self.registry, connections, means.faces.tell, self.clock
        )
        if rehearsal:
            perform = Rehearser(run, self.registry, Readings(connections), self.clock)
        if means.barred is not None:  # nor is anything asked there: it would be of another target
            perform = barred(means.barred)
        return budgeted(perform, SharedBudgets(self.store, connections, self.clock))

    async def _result(self, state: State, decision: Decision) -> RunResult:
        if state.finished is not None and state.over:
            return ended(state, state.finished)
        if holding(state):
            return holds.held_result(state)
        questions = tuple([await self.question(asked) for asked in decision.ask])
        if any(question.kind == "doubt" for question in questions):
            return RunResult(state.run, "in doubt", 3, None, questions)
        if state.paused is not None:
            return RunResult(state.run, "paused", 7, state.paused, questions)
        return RunResult(state.run, "waiting", 7, None, questions)

    async def _mode(
        self, runbook: Runbook, plan: str | None, forced: Mapping[str, int] | None
    ) -> dict[str, Any]:
        """What the first event says beside the inputs: the plan to carry out, the ways to take."""
        more: dict[str, Any] = {"forced": dict(forced)} if forced else {}
        if plan is not None:
            more |= {"plan": plan, "planned": await self._planned(plan, runbook)}
        return more

    async def _planned(self, plan: str, runbook: Runbook) -> dict[str, str]:
        """The plan hashes of a rehearsal, by path. Raises Usage when it is none of this runbook."""
        state = await self.state(plan)
        if not state.rehearsing or state.finished is None:
            raise Usage(f"run {plan} is no rehearsal that came to its end")
        if state.runbook.name != runbook.name:
            raise Usage(f"run {plan} rehearsed {state.runbook.name}, not {runbook.name}")
        return {s.path: s.hash for s in state.steps.values() if s.is_action and s.hash}
