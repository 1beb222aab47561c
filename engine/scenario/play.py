"""Plays one scenario: the core in virtual time, with findings from a file and people who answer at
once. Nothing is connected and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.core.effects import Question, Tell
from engine.core.events import Actor, Draft
from engine.core.judge import Outcome
from engine.core.state import State
from engine.core.tree import StepState
from engine.errors import RunbookError
from engine.language.inputs import take_inputs
from engine.language.model import Call, Escalate, Runbook
from engine.registry import Registry
from engine.scenario import approving
from engine.scenario.calls import Callers, Phones
from engine.scenario.read import Began, Scenario
from engine.scenario.read_calls import Finding
from engine.scenario.story import Heard, heard_in
from engine.scenario.virtual import (
    Came,
    Open,
    Said,
    Virtual,
    called_by_name,
    really,
    tell_at_once,
)

ATTEMPT_US = 10_000
"""How long an attempt takes in a scenario."""


class Unscripted(RunbookError):
    """A step was reached, and the scenario does not say what it finds."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a scenario: `expect` is judged against `to_json()`.

    `outcome`: of the run, or `waiting`, `in doubt`, `running` (where it is played no further).
    `steps`: ids of the checks, actions and
    escalations that were begun, in order, each path once. `statuses`: by id, the last one.
    `messages`: escalations, each {policy, text}. `waits_for`: ids of open questions. `took_s`:
    virtual seconds.
    """

    outcome: str
    because: str | None
    steps: tuple[str, ...]
    statuses: Mapping[str, str]
    why: Mapping[str, str]
    messages: tuple[Mapping[str, Any], ...]
    outputs: Mapping[str, Any]
    waits_for: tuple[str, ...]
    took_s: float
    heard: Heard = field(default_factory=Heard)
    """Who was called."""
    reached: frozenset[tuple[str, str]] = frozenset()
    """Runbook and point (see `engine.scenario.coverage`) of all that was begun."""
    events: tuple[Draft, ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "because": self.because,
            "steps": list(self.steps),
            "statuses": dict(self.statuses),
            "why": dict(self.why),
            "messages": [dict(message) for message in self.messages],
            "outputs": dict(self.outputs),
            "waits_for": list(self.waits_for),
            "took_s": self.took_s,
            **self.heard.to_json(),
        }


def play(
    runbook: Runbook, scenario: Scenario, registry: Registry, callers: Callers | None = None
) -> Played:
    """What comes of a scenario. `callers`: who knows whom a run calls, for a scenario that asks.

    Raises Unscripted, Unheard, Usage for inputs the runbook does not take.
    """
    began, calls = scenario.began, scenario.calls
    phones = None
    if calls is not None:
        if callers is None:
            raise Unscripted("the scenario calls people, and there are no contacts at hand")
        phones = Phones(calls, callers(runbook, calls.environment), began.actor)
    world = _Scripted(scenario, registry, phones)
    virtual = Virtual(State(began.id, runbook), world, scenario.until_s)
    body = _start(runbook, scenario)
    if phones is not None:
        body["telling"] = phones.caller.telling
    virtual.put("RunStarted", body, began.started_us, Actor(began.actor, "scenario"))
    decision = virtual.go()
    if phones is not None:
        said = [event.body for event in virtual.events if event.type == "Acknowledged"]
        phones.check(virtual.state, said)
    return _played(virtual, decision.ask)


def _start(runbook: Runbook, scenario: Scenario) -> dict[str, Any]:
    return {
        "name": runbook.name,
        "digest": runbook.digest,
        "texts": {},
        "inputs": take_inputs(runbook, scenario.inputs),
        "event": scenario.event,
        "environment": scenario.began.environment,
        "mode": scenario.began.mode,
        "engine": "",
        "connections": {},
    }


class _Scripted:
    """The world of a scenario."""

    def __init__(self, scenario: Scenario, registry: Registry, phones: Phones | None) -> None:
        self._scenario = scenario
        self._registry = registry
        self._phones = phones

    def attempt(self, _state: State, step: StepState) -> Came:
        return Came(self._outcome(step), ATTEMPT_US)

    def answer(self, state: State, asked: Open) -> Said | None:
        question, since_us = asked.question, asked.since_us
        step = state.steps[question.path]
        if question.kind == "doubt":
            return self._settle(step, asked)
        if question.kind == "approve":
            return self._approve(state, step, asked)
        finding = self._finding(step, 1)
        if finding is None or "answer" not in finding.result:
            return None
        body = {"path": step.path, "note": None, **finding.result}
        who = str(body.pop("by", self._scenario.began.actor))
        return Said(since_us, "Answered", body, Actor(who, "scenario"))

    def called(self, state: State, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._phones.called(state, body) if self._phones else called_by_name(body)

    def tell(self, state: State, effect: Tell) -> Came:
        return self._phones.tell(state, effect) if self._phones else tell_at_once(state, effect)

    def word(self, state: State, heard: Mapping[str, int]) -> Said | None:
        return self._phones.word(state, heard) if self._phones else None

    def _finding(self, step: StepState, tries: int) -> Finding | None:
        finds = self._scenario.finds
        found = finds.get(step.path) or finds.get(step.entry.id)
        return None if found is None else found[min(tries, len(found)) - 1]

    def _outcome(self, step: StepState) -> Outcome:
        finding = self._finding(step, step.attempt)
        if finding is None:
            if isinstance(step.entry, Escalate):
                return _result({"policy": step.plan["policy"], "told": []})
            return _result(self._really(step))
        if finding.status is None:
            return _result(finding.result)
        error = {"message": finding.why, "help": None, "maybe_done": finding.status == "unknown"}
        more = {"retryable": finding.retryable, "detail": {}, "kind": "adapter"}
        return Outcome(None, {**error, **more}, ATTEMPT_US / 1000, 0.5)

    def _really(self, step: StepState) -> Mapping[str, Any]:
        found = really(step, self._registry)
        if found is None:
            entry = step.entry
            type_ = entry.type if isinstance(entry, Call) else entry.kind
            raise Unscripted(
                f"`{step.path}` ({type_}) is reached, and the scenario does not say what it finds",
                help=f"add `{entry.id}: {{...}}` under `finds`",
            )
        return found

    def _settle(self, step: StepState, asked: Open) -> Said | None:
        """A person settles the doubt of a step once; when it comes again, it stays."""
        settles = self._scenario.settles
        happened = settles.get(step.path, settles.get(step.entry.id))
        approvals = len(step.approval.given) if step.approval is not None else 0
        if happened is None or asked.heard > approvals:
            return None
        body = {"path": step.path, "happened": happened, "reason": "the scenario says so"}
        return Said(
            asked.since_us, "DoubtSettled", body, Actor(self._scenario.began.actor, "scenario")
        )

    def _approve(self, state: State, step: StepState, asked: Open) -> Said | None:
        """As many different people as it takes, each with the role it takes; or who is named."""
        approves = self._scenario.approves
        said = approves.get(step.path, approves.get(step.entry.id))
        known = self._phones.caller.roles if self._phones is not None else None
        return None if said is None else approving.said(said, state, step, asked, known)


def _played(virtual: Virtual, asked: list[Question]) -> Played:
    state = virtual.state
    end = state.finished
    steps = state.steps.values()
    return Played(
        outcome=end["outcome"] if end else _open(virtual, asked),
        because=end["because"] if end else None,
        steps=tuple(s.entry.id for s in steps if _counts(s)),
        statuses={s.entry.id: s.status for s in steps},
        why={s.entry.id: "; ".join(s.why) for s in steps if s.why},
        messages=tuple(
            {"policy": s.plan["policy"], "text": s.plan["message"]}
            for s in steps
            if isinstance(s.entry, Escalate) and s.plan
        ),
        outputs=end["outputs"] if end else {},
        waits_for=tuple(question.id for question in asked),
        took_s=round((state.now_us - state.started_us) / 1e6, 3),
        heard=heard_in(virtual.events, state.escalations),
        reached=frozenset(_reached(state)),
        events=tuple(virtual.events),
    )


def _open(virtual: Virtual, asked: list[Question]) -> str:
    """How a run stands that did not end."""
    if any(question.kind == "doubt" for question in asked):
        return "in doubt"
    return "waiting" if asked or not virtual.cut else "running"


def _counts(step: StepState) -> bool:
    """Begun by the author's own word: a check, an action or an escalation that has an id."""
    begun = bool(step.plan) and step.entry.named
    return begun and isinstance(step.entry, Call | Escalate)


def _reached(state: State) -> list[tuple[str, str]]:
    found = []
    for step in state.steps.values():
        name = step.block.scope.frame.runbook.name
        if step.plan or step.status != "skipped":
            found.append((name, step.entry.id))
        if step.plan.get("way"):
            found.append((name, f"{step.entry.id} way-{step.plan['way']}"))
    return found


def _result(result: Mapping[str, Any]) -> Outcome:
    return Outcome(result, None, ATTEMPT_US / 1000, 0.5)


__all__ = ["Began", "Played", "Unscripted", "play"]
