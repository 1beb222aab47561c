"""A run in virtual time, in a world that is told: what the runner does, without a real one.

Decide, append, let the announced attempt find what the `World` says, conclude. Waiting takes no
time. Scenarios and replays differ only in where their world comes from: a file, or a recorded run.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.core.decide import decide
from engine.core.effects import Decision, Perform, Question, Record, Tell
from engine.core.escalate import conclude_tell
from engine.core.events import ENGINE, Actor, Draft
from engine.core.judge import Outcome, conclude
from engine.core.state import State
from engine.core.summons import STATUS
from engine.core.tree import StepState
from engine.errors import RunbookError
from engine.language.model import Call
from engine.language.shape import ShapeError
from engine.plugin import to_json
from engine.registry import Registry

EVENTS_MAX = 50_000
"""Events of one run in virtual time. A day of asking every 5 s has 35,000; more is a run that does
not end.
"""

STOPPED: Mapping[str, Any] = {
    "message": "stopped before it had an answer",
    "kind": "stopped",
    "help": None,
    "maybe_done": False,
    "retryable": False,
    "detail": {},
}
"""What comes of a check that is not wanted any more."""


@dataclass(frozen=True, slots=True)
class Came:
    """What an attempt finds, and how long it takes to."""

    outcome: Outcome
    took_us: int


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says, and when."""

    at_us: int
    type: str
    body: Mapping[str, Any]
    actor: Actor


@dataclass(frozen=True, slots=True)
class Open:
    """A question, since when it is open, and how many words people have said at its path."""

    question: Question
    since_us: int
    heard: int


class World(Protocol):
    """What a run in virtual time meets."""

    def attempt(self, state: State, step: StepState) -> Came | None:
        """What the attempt that begins now finds; None when nobody knows: it never comes back."""
        ...

    def answer(self, state: State, asked: Open) -> Said | None:
        """What a person says to an open question; None leaves it open."""
        ...

    def called(self, state: State, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Whom a level that is due calls: what its `LevelDue` says besides what was decided."""
        ...

    def tell(self, state: State, effect: Tell) -> Came:
        """What becomes of telling somebody by a channel."""
        ...

    def word(self, state: State, heard: Mapping[str, int]) -> Said | None:
        """What a person says unasked, behind so many things of each type that people said so."""
        ...


class Virtual:
    """Drives a state to the end of its run, or to where nothing more is known."""

    def __init__(self, state: State, world: World, until_s: float | None = None) -> None:
        self.state = state
        self.events: list[Draft] = []
        self.cut = False
        """It was not played further than `until_s` seconds behind its beginning."""
        self.stuck: list[str] = []
        """Paths of attempts that never come back."""
        self._world = world
        self._flying: list[tuple[int, int, str, Outcome]] = []
        self._calls: dict[str, tuple[str, str]] = {}
        """Escalation and summons of messages under way, by their key."""
        self._since: dict[tuple[str, int], int] = {}
        self._heard: Counter[str] = Counter()
        self._words: Counter[str] = Counter()
        self._until_s = until_s

    def put(self, type_: str, body: Mapping[str, Any], at_us: int, actor: Actor = ENGINE) -> None:
        draft = Draft(type_, body, max(at_us, self.state.now_us), actor)
        self.state.apply(draft)
        self.events.append(draft)

    def take_off(self, path: str) -> None:
        """An attempt is under way."""
        step = self.state.steps[path]
        came = self._world.attempt(self.state, step)
        if came is None:
            self.stuck.append(path)
            return
        due_us = max(step.attempt_us + came.took_us, self.state.now_us)
        heapq.heappush(self._flying, (due_us, len(self.events), path, came.outcome))

    def tell(self, effect: Tell) -> None:
        """A message is on its way."""
        came, body = self._world.tell(self.state, effect), effect.body
        self._calls[body["key"]] = (body["escalation"], body["summons"])
        due_us = self.state.now_us + came.took_us
        heapq.heappush(self._flying, (due_us, len(self.events), body["key"], came.outcome))

    def go_on_telling(self) -> None:
        """Messages that are under way come to their end."""
        for key, one in self.state.escalations.items():
            for summons in one.summons.values():
                if summons.status == "flying":
                    body = {"key": summons.key(self.state.run, key), "escalation": key}
                    who = {"who": summons.recipient["id"], "channel": summons.by["channel"]}
                    more = {"summons": summons.id, "attempt": summons.attempt}
                    self.tell(Tell({**body, **who, **more}, {}))

    def go(self) -> Decision:
        """The last decision: what it asks, nobody answers."""
        while len(self.events) < EVENTS_MAX:
            decision = decide(self.state)
            if decision.record:
                self._record(decision.record)
            elif not self._stop(decision.stop) and not self._next(decision):
                return decision
        raise RunbookError(f"the run does not come to an end within {EVENTS_MAX} events")

    def _record(self, records: list[Record | Perform | Tell]) -> None:
        turns = self.state.turns
        for record in records:
            body = record.body
            if record.type == "LevelDue":
                body = {**body, **self._world.called(self.state, body)}
            self.put(record.type, body, self.state.now_us)
            if isinstance(record, Perform):
                self.take_off(record.body["path"])
            elif isinstance(record, Tell):
                self.tell(record)
            if self.state.turns != turns:
                return

    def _stop(self, paths: list[str]) -> bool:
        """Checks that are not wanted any more come back at once, without an answer."""
        for path in paths:
            self._flying = [one for one in self._flying if one[2] != path]
            heapq.heapify(self._flying)
            if path in self.stuck:
                self.stuck.remove(path)
            self._land(path, Outcome(None, STOPPED, 0.0, 0.5), self.state.now_us)
        return bool(paths)

    def _land(self, path: str, outcome: Outcome, at_us: int) -> None:
        at_us = max(at_us, self.state.now_us)
        if path in self._calls:
            record = conclude_tell(self.state, *self._calls.pop(path), outcome, at_us)
        else:
            record = conclude(self.state, path, outcome, at_us)
        self.put(record.type, record.body, at_us)

    def _next(self, decision: Decision) -> bool:
        """Lets the next thing happen; False when there is none."""
        said = self._said(decision.ask)
        land_us = self._flying[0][0] if self._flying else None
        said_us = max(said.at_us, self.state.now_us) if said is not None else None
        alone = land_us is None and said_us is None
        wake_us = self._wake_us(decision, alone)
        times = [at_us for at_us in (land_us, said_us, wake_us) if at_us is not None]
        if not times:
            return False
        first = min(times)
        if self._until_s is not None and first > self.state.started_us + self._until_s * 1e6:
            self.cut = True
            return False
        if first == land_us:
            _, _, path, outcome = heapq.heappop(self._flying)
            self._land(path, outcome, first)
        elif said is not None and first == said_us:
            self.hear(said)
            self.put(said.type, said.body, first, said.actor)
        else:
            self.put("TimeReached", {}, first)
        return True

    def _wake_us(self, decision: Decision, alone: bool) -> int | None:
        """When time brings the next thing. `alone`: nothing else can happen any more."""
        if self.stuck:  # a limit around an attempt that nobody knows the end of proves nothing
            return None
        status = self.state.escalations.get(STATUS)
        if not alone or self._until_s is not None or status is None or status.closed is not None:
            return decision.wake_us
        # a run that waits for a person tells how it stands for ever: that brings it no further
        status.closed = "set aside"
        other_us = decide(self.state).wake_us
        status.closed = None
        return decision.wake_us if other_us is not None else None

    def hear(self, said: Said | Draft) -> None:
        """Somebody says something: to a question, or unasked."""
        if "path" in said.body:
            self._heard[said.body["path"]] += 1
        else:
            self._words[said.type] += 1

    def _said(self, asked: list[Question]) -> Said | None:
        """What a person says next."""
        found = self._world.word(self.state, self._words)
        for question in asked:
            heard = self._heard[question.path]
            since_us = self._since.setdefault((question.path, heard), self.state.now_us)
            answer = self._world.answer(self.state, Open(question, since_us, heard))
            if answer is not None and (found is None or answer.at_us < found.at_us):
                found = answer
        return found


def called_by_name(body: Mapping[str, Any]) -> dict[str, Any]:
    """Whom a level calls where nobody's addresses are looked up: each name by the level's channels,
    which know every message by its key.
    """
    by = [{"channel": name, "again": True} for name in body["by"]]
    return {"recipients": [{"id": who, "name": who, "by": by} for who in body["who"]]}


TOLD_US = 10_000
"""How long a channel takes in virtual time."""


def tell_at_once(_state: State, _effect: Tell) -> Came:
    """A channel that works."""
    return Came(Outcome({"follows": False}, None, TOLD_US / 1000, 0.5), TOLD_US)


def really(step: StepState, registry: Registry) -> Mapping[str, Any] | None:
    """What a step without a target (`run.value`) finds: it reaches nothing, so it just runs.

    None for one that has a target, or waits for something; and for an action of any family but
    `run`, whose actions change nothing outside of the run.
    """
    entry = step.entry
    if not isinstance(entry, Call) or entry.signature.takes_target:
        return None
    if entry.verb == "action" and not entry.type.startswith("run."):
        return None
    parameters = entry.signature.parameters
    try:
        params = {n: parameters[n].shape.take(v) for n, v in step.plan["params"].items()}
    except ShapeError as error:
        raise RunbookError(f"`{step.path}`: a parameter {error.what}") from error
    work = registry.step(entry.type, entry.verb).call(None, params)
    try:
        work.send(None)
    except StopIteration as done:
        return to_json(done.value)
    work.close()
    return None
