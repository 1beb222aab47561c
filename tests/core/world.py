"""A world for the core: scripted outcomes, virtual time, no asyncio. What the runner does, in forty
lines.

`run(book, script)` drives a runbook to its end, or to where only people can help, and returns its
events. A script maps a path to what its attempts find, in order (the last one for all further
ones): a mapping is a result, an `Oops` an error, `HANG` never comes back (then the world stops, as
if it was killed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import force_setattr

from engine.core.decide import decide
from engine.core.effects import Perform
from engine.core.events import Actor, Draft
from engine.core.judge import Outcome, conclude
from engine.core.state import State
from engine.language.inputs import take_inputs
from engine.language.load import load_runbook
from engine.language.model import Call, Runbook, walk_runbook
from engine.registry import Registry
from tests.core import steps as step_types

REGISTRY = Registry.of([step_types])
SECOND = 1_000_000
HANG = object()
ALICE = Actor("alice", "os-user")


@dataclass(frozen=True)
class Oops:
    """An attempt that ends in an error."""

    message: str = "connection refused"
    maybe_done: bool = False
    retryable: bool = True
    detail: Mapping[str, Any] = field(default_factory=dict)

    def outcome(self) -> Outcome:
        error = {"message": self.message, "help": None, "maybe_done": self.maybe_done}
        more = {"retryable": self.retryable, "detail": dict(self.detail), "kind": "adapter"}
        return Outcome(None, {**error, **more}, 1.0, 0.5)


def book(text: str, **others: str) -> Runbook:
    """A runbook from its text below `steps:` and so on; `others` are runbooks it can call by
    `t/name`.
    """
    texts = {f"t/{name}": f"title: {name}\n{body}" for name, body in others.items()}
    return load_runbook(
        "t/main",
        f"title: main\n{text}",
        "main.yaml",
        REGISTRY,
        lambda name: (f"{name}.yaml", texts[name]) if name in texts else None,
    )


def once(runbook: Runbook) -> Runbook:
    """The same, where no `t.act` may be done twice (the loader would want a probe)."""
    for one in (runbook, *runbook.calls.values()):
        for entry in walk_runbook(one):
            if isinstance(entry, Call) and entry.type == "t.act":
                force_setattr(entry, "idempotent", False)
    return runbook


@dataclass
class World:
    """Drives one run. `performed` counts what was carried out, by path."""

    runbook: Runbook
    script: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    took_us: int = SECOND // 10
    mode: str = "real"
    more: Mapping[str, Any] = field(default_factory=dict)
    people: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    events: list[Draft] = field(default_factory=list)
    performed: list[tuple[str, int]] = field(default_factory=list)
    now_us: int = 1_000 * SECOND
    hung: list[str] = field(default_factory=list)
    state: State = field(init=False)

    def __post_init__(self) -> None:
        self.state = State("r", self.runbook)

    def begin(self) -> World:
        body = {
            "name": self.runbook.name,
            "digest": self.runbook.digest,
            "texts": {},
            "inputs": take_inputs(self.runbook, self.inputs),
            "event": None,
            "environment": "test",
            "mode": self.mode,
            "engine": "0",
            "connections": {},
            **self.more,
        }
        self.put("RunStarted", body, ALICE)
        return self

    def put(self, type_: str, body: Mapping[str, Any], actor: Actor | None = None) -> None:
        draft = Draft(type_, body, self.now_us, *([actor] if actor else []))
        self.state.apply(draft)
        self.events.append(draft)

    def take_up(self, events: Sequence[Draft]) -> World:
        """As a new driver does after the old one was killed behind these events."""
        for event in events:
            self.state.apply(event)
            self.events.append(event)
        self.now_us = self.state.now_us + 5 * SECOND
        interrupted = [s.path for s in self.state.steps.values() if s.in_flight]
        self.put("RunTakenUp", {"driver": "h:1:1", "interrupted": interrupted})
        return self

    def go(self, *, on_time: bool = True) -> World:
        """Until the run is over, or only people (what hangs; without `on_time`, time) can help."""
        flying: list[str] = []
        for _ in range(20_000):
            decision = decide(self.state)
            if decision.record:
                self._record(decision.record, flying)
            elif flying:
                self._land(flying.pop(0))
            elif decision.ask and self._people(decision.ask):
                continue
            elif decision.wake_us is not None and on_time:
                self.now_us = max(self.now_us, decision.wake_us)
                self.put("TimeReached", {})
            else:
                return self
        raise AssertionError("the run does not come to its end")

    def _record(self, records: Sequence[Any], flying: list[str]) -> None:
        turns = self.state.turns
        for record in records:
            self.put(record.type, record.body)
            if isinstance(record, Perform):
                path = record.body["path"]
                self.performed.append((path, record.body["attempt"]))
                if self._scripted(path) is HANG:
                    self.hung.append(path)
                else:
                    flying.append(path)
            if self.state.turns != turns:
                return

    def _scripted(self, path: str) -> Any:
        found = self.script.get(path, {"ok": True})
        if isinstance(found, list):
            started = [e for e in self.events if e.type == "StepStarted"]
            tries = sum(1 for e in started if e.body["path"] == path)
            return found[min(tries, len(found)) - 1]
        return found

    def _land(self, path: str) -> None:
        self.now_us += self.took_us
        found = self._scripted(path)
        outcome = found.outcome() if isinstance(found, Oops) else Outcome(found, None, 1.0, 0.5)
        record = conclude(self.state, path, outcome, self.now_us)
        self.put(record.type, record.body)

    def _people(self, questions: Sequence[Any]) -> bool:
        for question in questions:
            if question.path in self.people:
                type_, body = self.people[question.path]
                self.put(type_, {"path": question.path, **body}, ALICE)
                return True
        return False

    # -- what tests look at ------------------------------------------------------------------------

    @property
    def outcome(self) -> str | None:
        return self.state.finished["outcome"] if self.state.finished else None

    def statuses(self) -> dict[str, str]:
        return {path: step.status for path, step in self.state.steps.items()}

    def why(self, path: str) -> str:
        return "; ".join(self.state.steps[path].why)

    def last(self, path: str) -> Mapping[str, Any]:
        """The body of the `StepFinished` of a path."""
        return next(
            e.body
            for e in reversed(self.events)
            if e.type == "StepFinished" and e.body["path"] == path
        )


def run(
    runbook: Runbook,
    script: Mapping[str, Any] | None = None,
    *,
    on_time: bool = True,
    **more: Any,
) -> World:
    return World(runbook, script or {}, **more).begin().go(on_time=on_time)
