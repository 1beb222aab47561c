"""Puts the parts together: what the faces (command line, server) call.

An `Engine` holds what runs share: the packs, the registry, the store, the clock. Each run gets its
own vault of secrets and its own connections, and gives them back when it lets go.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from engine.clock import Clock, SystemClock, to_datetime
from engine.config import Books, Environment
from engine.core.decide import open_questions
from engine.core.effects import Decision
from engine.core.effects import Question as Asked
from engine.core.events import Actor, Draft, Event
from engine.core.state import State
from engine.errors import Refused, RunbookError, Usage
from engine.journal.contract import Lease, Store
from engine.journal.lease import this_holder
from engine.language.catalog import Kind
from engine.language.inputs import read_input, take_inputs
from engine.language.load import load_runbook
from engine.language.model import Runbook
from engine.language.words import did_you_mean
from engine.registry import Registry
from engine.runner.connections import FAULT, Connections, fault
from engine.runner.drive import Driver, Driving
from engine.runner.perform import Performer
from engine.secret import Vault
from engine.wiring.admission import SANDBOX, admit, called, check_targets, same_targets, targets
from engine.wiring.faces import Answerer, Faces, Ping, Question, RunResult, os_actor

__all__ = [
    "SANDBOX",
    "VERSION",
    "Answerer",
    "Engine",
    "Faces",
    "Ping",
    "Question",
    "RunResult",
    "os_actor",
    "targets",
]

VERSION = "0.1.0"
"""Of the engine, in the first event of every run. The same as in pyproject.toml; a test says so."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_NO_FACES = Faces()


@dataclass(frozen=True, slots=True)
class _Means:
    """What one run works with."""

    lease: Lease
    runbook: Runbook
    connections: Connections
    vault: Vault
    faces: Faces
    actor: Actor


class Engine:
    """Runs runbooks. Everything a face does to a run goes through here, and is an event."""

    def __init__(
        self, *, books: Books, registry: Registry, store: Store, clock: Clock | None = None
    ) -> None:
        self.books = books
        self.registry = registry
        self.store = store
        self.clock = clock or SystemClock()
        self._driven: set[str] = set()

    # -- runs --------------------------------------------------------------------------------------

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
    ) -> RunResult:
        """Starts a runbook and drives it until it is over or waits for people only.

        `services` are the fields of a sandbox's services; `event` is what triggered the run. Raises
        Diagnosed, Usage, NotYet, Refused before anything is recorded; JournalError.
        """
        runbook = self.books.load(name, self.registry)
        place = self._environment(runbook, environment)
        check_targets(runbook, place)
        admit(runbook, place, actor, self.books)
        taken = take_inputs(runbook, inputs)
        vault = Vault(os.environ, services)
        async with self._connected(place, vault) as connections:
            body = {
                "name": runbook.name,
                "digest": runbook.digest,
                "texts": {book.name: book.text for book in called(runbook)},
                "inputs": taken,
                "event": event,
                "environment": environment,
                "mode": "real",
                "engine": VERSION,
                "connections": connections.fingerprints(targets(runbook)),
            }
            at_us = self.clock.now_us()
            draft = Draft("RunStarted", vault.redactor().json(body), at_us, actor)
            lease, events = await self.store.create(_new_id(at_us), [draft], this_holder())
            if faces.started is not None:
                faces.started(lease.run)
            if faces.observe is not None:
                faces.observe(events[0])
            means = _Means(lease, runbook, connections, vault, faces, actor)
            return await self._drive(means, events, [])

    async def resume(
        self,
        run: str,
        *,
        actor: Actor,
        services: Mapping[str, str] | None = None,
        faces: Faces = _NO_FACES,
        force: bool = False,
    ) -> RunResult:
        """Takes a run up again where its journal ends, with the text it began with.

        Raises Usage when it is over; Refused while another driver seems alive (unless `force`), and
        when a connection points elsewhere than it did.
        """
        state = await self.state(run)
        if state.finished is not None:
            raise Usage(f"run {run} is over: {state.finished['outcome']}")
        place = self._environment(state.runbook, state.environment)
        check_targets(state.runbook, place)
        vault = Vault(os.environ, services)
        async with self._connected(place, vault) as connections:
            now = connections.fingerprints(targets(state.runbook))
            if state.environment != SANDBOX:
                same_targets(state.connections, now)
            if run in self._driven:
                raise Refused(f"run {run} is being driven by this process")
            lease = await self.store.take(run, this_holder(), force=force)
            events = await self._events(run)
            state = self._fold(run, events)
            interrupted = [s.path for s in state.steps.values() if s.in_flight]
            body = {"driver": lease.holder, "interrupted": interrupted}
            draft = Draft("RunTakenUp", body, self.clock.now_us(), actor)
            means = _Means(lease, state.runbook, connections, vault, faces, actor)
            return await self._drive(means, events, [draft])

    async def _drive(self, means: _Means, events: list[Event], first: list[Draft]) -> RunResult:
        faces, lease = means.faces, means.lease
        performer = Performer(lease.run, self.registry, means.connections, faces.tell, self.clock)
        driver = Driver(
            Driving(
                store=self.store,
                lease=lease,
                runbook=means.runbook,
                perform=performer,
                redact=means.vault.redactor().json,
                clock=self.clock,
                actor=means.actor,
                observe=faces.observe,
                ask=self._asker(faces.ask),
            ),
            events,
        )
        self._driven.add(lease.run)
        try:
            decision = await driver.drive(first)
        finally:
            self._driven.discard(lease.run)
        await self.store.release(lease)
        return await self._result(driver.state, decision)

    async def _result(self, state: State, decision: Decision) -> RunResult:
        if state.finished is not None:
            end = state.finished
            status, because = end["outcome"], end["because"]
            bad = end["worst"] in ("errored", "unknown")
            code = 0 if status == "resolved" else 3 if bad else 1
            return RunResult(state.run, status, code, because, (), end["outputs"])
        questions = tuple([await self._question(asked) for asked in decision.ask])
        if any(question.kind == "doubt" for question in questions):
            return RunResult(state.run, "in doubt", 3, None, questions)
        return RunResult(state.run, "waiting", 7, None, questions)

    # -- people ------------------------------------------------------------------------------------

    async def answer(self, run: str, path: str, answer: str, note: str, actor: Actor) -> Event:
        """Records a person's answer. `path` may be the step's id, or empty for the only open
        question.

        Raises Usage when there is no such open question, or it takes another answer.
        """
        state = await self.state(run)
        asked = _open_question(state, path, ("confirm", "do", "acknowledge"))
        if answer not in asked.answers:
            choices = " or ".join(asked.answers)
            raise Usage(f"`{asked.id}` takes {choices}, not `{answer}`")
        body = {"path": asked.path, "answer": answer, "note": note}
        return await self._say(state, "Answered", body, actor)

    async def settle(self, run: str, path: str, happened: bool, reason: str, actor: Actor) -> Event:
        """Records a person's word on whether an action in doubt happened. Raises Usage."""
        state = await self.state(run)
        asked = _open_question(state, path, ("doubt",))
        body = {"path": asked.path, "happened": happened, "reason": reason}
        return await self._say(state, "DoubtSettled", body, actor)

    async def cancel(self, run: str, reason: str, actor: Actor) -> Event:
        """Asks a run to stop. Whoever drives it does so; one that nobody drives, once it is
        resumed.
        """
        state = await self.state(run)
        if state.finished is not None:
            raise Usage(f"run {run} is over: {state.finished['outcome']}")
        return await self._say(state, "CancelRequested", {"reason": reason}, actor)

    async def questions(self, run: str) -> tuple[Question, ...]:
        """What a run waits for people to say, whether or not somebody drives it now."""
        state = await self.state(run)
        return tuple([await self._question(asked) for asked in open_questions(state)])

    async def state(self, run: str) -> State:
        """A run as its journal tells it. Raises Usage when there is none."""
        return self._fold(run, await self._events(run))

    def _asker(self, ask: Answerer | None) -> Any:
        if ask is None:
            return None

        async def asker(asked: Asked) -> tuple[str, str] | None:
            return await ask(await self._question(asked))

        return asker

    async def _question(self, asked: Asked) -> Question:
        """A question in the words of its step type."""
        text, evidence = asked.title, None
        if asked.kind in ("confirm", "do"):
            kind: Kind = "check" if asked.kind == "confirm" else "action"
            told = await self.registry.step(asked.type, kind).call(None, asked.params)
            text, evidence = told.text, told.evidence
        elif asked.kind == "acknowledge":
            text = asked.params["message"] or asked.title
        elif asked.kind == "doubt":
            text = f"did `{asked.title}` ({asked.type}) happen?"
            evidence = asked.params.get("params")
        asked_for = (asked.path, asked.id, asked.kind, asked.type, asked.title)
        return Question(*asked_for, text, asked.answers, evidence)

    async def _say(self, state: State, type_: str, body: dict[str, Any], actor: Actor) -> Event:
        """Records a person's words, without the run's secrets as far as they can be had here."""
        vault = Vault(os.environ)
        with suppress(RunbookError):  # an environment that is gone: its secrets cannot be had
            place = self._environment(state.runbook, state.environment)
            Connections(place, self.registry, vault).learn(targets(state.runbook))
        draft = Draft(type_, vault.redactor().json(body), self.clock.now_us(), actor)
        return await self.store.append_outside(state.run, draft)

    # -- connections and inputs --------------------------------------------------------------------

    async def doctor(
        self, pack: str, environment: str, services: Mapping[str, str] | None = None
    ) -> list[Ping]:
        """Asks every connection of an environment whether it answers, one after the other."""
        place = self.books.environment(pack, environment, self.registry)
        async with self._connected(place, Vault(os.environ, services)) as connections:
            return [await self._ping(place, connections, name) for name in place.connections]

    async def _ping(self, place: Environment, connections: Connections, name: str) -> Ping:
        begun_s = self.clock.monotonic_s()
        kind, where = place.connections[name].adapter, "-"
        try:
            adapter = connections.adapter(name)
            where = adapter.fingerprint()
            message, ok, fix = await adapter.ping(), True, None
        except RunbookError as error:
            message, ok, fix = error.message, False, error.help
        except Exception as error:  # noqa: BLE001 - a plugin's fault: the others are asked all the same
            message, ok, fix = fault(error), False, FAULT
        took_ms = round((self.clock.monotonic_s() - begun_s) * 1000, 1)
        redact = connections.redact
        return Ping(name, kind, where, ok, took_ms, redact(message), redact(fix) if fix else None)

    def parse_inputs(self, runbook: Runbook, pairs: Sequence[str]) -> dict[str, Any]:
        """`name=value` texts as values of their declared types. Raises Usage."""
        found: dict[str, Any] = {}
        for pair in pairs:
            name, equals, text = pair.partition("=")
            if not equals:
                raise Usage(f"an input is given as name=value, not `{pair}`")
            if name in found:
                raise Usage(f"input `{name}` is given twice")
            spec = runbook.inputs.get(name)
            if spec is None:
                known = runbook.inputs
                raise Usage(f"{runbook.name} has no input `{name}`", help=did_you_mean(name, known))
            try:
                found[name] = read_input(spec, text)
            except ValueError as error:
                raise Usage(f"input `{name}` {error}") from error
        return found

    @asynccontextmanager
    async def _connected(self, place: Environment, vault: Vault) -> AsyncIterator[Connections]:
        connections = Connections(place, self.registry, vault)
        try:
            yield connections
        finally:
            await connections.close()

    def _environment(self, runbook: Runbook, name: str) -> Environment:
        pack = runbook.name.partition("/")[0]
        return self.books.environment(pack, name, self.registry, only=targets(runbook))

    # -- the journal -------------------------------------------------------------------------------

    async def _events(self, run: str) -> list[Event]:
        events = await self.store.events(run)
        if not events:
            raise Usage(f"there is no run {run}")
        return events

    def _fold(self, run: str, events: list[Event]) -> State:
        """The state of a run, with the texts of its first event: editing a file never changes a
        run.
        """
        first = events[0].body
        texts: Mapping[str, str] = first["texts"]

        def find(name: str) -> tuple[str, str] | None:
            return (f"{name} (as recorded)", texts[name]) if name in texts else None

        name = first["name"]
        file = f"{name} (as recorded)"
        return State.of(run, load_runbook(name, texts[name], file, self.registry, find), events)


def _open_question(state: State, path: str, kinds: tuple[str, ...]) -> Asked:
    asked = [q for q in open_questions(state) if q.kind in kinds]
    found = [q for q in asked if not path or path in (q.path, q.id)]
    if len(found) == 1:
        return found[0]
    what = "nothing in doubt" if kinds == ("doubt",) else "no open question"
    if not asked:
        raise Usage(f"run {state.run} has {what}")
    where = f"at `{path}`" if path and not found else "that is the only one"
    open_paths = ", ".join(q.path for q in asked)
    raise Usage(f"run {state.run} has {what} {where}", help=f"open are: {open_paths}")


def _new_id(at_us: int) -> str:
    """A run's name: sorts by time, can be read out on the phone, and does not collide."""
    stamp = to_datetime(at_us).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{''.join(secrets.choice(_ALPHABET) for _ in range(8))}"
