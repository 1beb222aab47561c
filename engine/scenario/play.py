"""Plays one scenario: the core in virtual time, with findings from a file and people who answer at
once.

This is what the runner does, without a world: decide, append, let the announced attempt find what
the scenario says, conclude. Nothing is connected and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.core.decide import decide
from engine.core.effects import Perform, Question, Record
from engine.core.events import Actor, Draft
from engine.core.judge import Outcome, conclude
from engine.core.state import State
from engine.core.tree import StepState
from engine.errors import RunbookError
from engine.language.expect import judge
from engine.language.inputs import take_inputs
from engine.language.model import Call, Escalate, Runbook
from engine.plugin import to_json
from engine.registry import Registry
from engine.scenario.read import Finding, Scenario

START_US = 1_800_000_000_000_000
"""When every scenario begins (2027-01-15T08:00Z): a fixed time, so that a scenario plays the same
for ever.
"""

ATTEMPT_US = 10_000
"""How long an attempt takes in a scenario."""

EVENTS_MAX = 50_000
"""Events of one scenario. A day of asking every 5 s has 35,000; more is a scenario that does not
end.
"""

PERSON = Actor("somebody", "scenario")


class Unscripted(RunbookError):
    """A step was reached, and the scenario does not say what it finds."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a scenario: `expect` is judged against `to_json()`.

    `outcome`: of the run, or `waiting`, `in doubt`. `steps`: ids of the checks, actions and
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
    reached: frozenset[str] = frozenset()
    """Ids of entries that were begun, and `id way-n` for each way taken: for the coverage."""
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
        }


def judged(scenario: Scenario, played: Played) -> tuple[str, ...]:
    """Why a scenario does not hold, a line each; empty when it does."""
    return judge(scenario.expect, {"result": played.to_json()}).lines


def play(runbook: Runbook, scenario: Scenario, registry: Registry) -> Played:
    """What comes of a scenario. Raises Unscripted, Usage for inputs the runbook does not take."""
    return _Play(runbook, scenario, registry).play()


class _Play:
    def __init__(self, runbook: Runbook, scenario: Scenario, registry: Registry) -> None:
        self.scenario = scenario
        self.registry = registry
        self.now_us = START_US
        self.events: list[Draft] = []
        self.begun: list[str] = []
        self.settled: set[str] = set()
        self.state = State("scenario", runbook)
        self.runbook = runbook

    def play(self) -> Played:
        body = {
            "name": self.runbook.name,
            "digest": self.runbook.digest,
            "texts": {},
            "inputs": take_inputs(self.runbook, self.scenario.inputs),
            "event": self.scenario.event,
            "environment": "scenario",
            "mode": "scenario",
            "engine": "",
            "connections": {},
        }
        self._put("RunStarted", body, PERSON)
        flying: list[str] = []
        while len(self.events) < EVENTS_MAX:
            decision = decide(self.state)
            if decision.record:
                self._record(decision.record, flying)
            elif flying:
                self._land(flying.pop(0))
            elif any(self._answer(question) for question in decision.ask):
                continue
            elif decision.wake_us is not None:
                self.now_us = max(self.now_us, decision.wake_us)
                self._put("TimeReached", {})
            else:
                return self._played(decision.ask)
        raise RunbookError(f"the scenario does not come to an end within {EVENTS_MAX} events")

    def _put(self, type_: str, body: Mapping[str, Any], *actor: Actor) -> None:
        draft = Draft(type_, body, self.now_us, *actor)
        self.state.apply(draft)
        self.events.append(draft)

    def _record(self, records: list[Record | Perform], flying: list[str]) -> None:
        turns = self.state.turns
        for record in records:
            self._put(record.type, record.body)
            if isinstance(record, Perform):
                flying.append(record.body["path"])
            if self.state.turns != turns:
                return

    def _land(self, path: str) -> None:
        step = self.state.steps[path]
        outcome = self._outcome(step)
        self.now_us += ATTEMPT_US
        record = conclude(self.state, path, outcome, self.now_us)
        self._put(record.type, record.body)

    def _finding(self, step: StepState, tries: int) -> Finding | None:
        found = self.scenario.finds.get(step.path) or self.scenario.finds.get(step.entry.id)
        return None if found is None else found[min(tries, len(found)) - 1]

    def _outcome(self, step: StepState) -> Outcome:
        if isinstance(step.entry, Escalate):
            return _result({"policy": step.plan["policy"], "told": []})
        finding = self._finding(step, step.attempt)
        if finding is None:
            return self._really(step)
        if finding.status is None:
            return _result(finding.result)
        error = {"message": finding.why, "help": None, "maybe_done": finding.status == "unknown"}
        more = {"retryable": True, "detail": {}, "kind": "adapter"}
        return Outcome(None, {**error, **more}, ATTEMPT_US / 1000, 0.5)

    def _really(self, step: StepState) -> Outcome:
        """Steps without a target (`run.value`) need no script: they reach nothing, so they just
        run.
        """
        entry = step.entry
        if not isinstance(entry, Call) or entry.signature.takes_target:
            type_ = entry.type if isinstance(entry, Call) else entry.kind
            raise Unscripted(
                f"`{step.path}` ({type_}) is reached, and the scenario does not say what it finds",
                help=f"add `{entry.id}: {{...}}` under `finds`",
            )
        parameters = entry.signature.parameters
        params = {n: parameters[n].shape.take(v) for n, v in step.plan["params"].items()}
        work = self.registry.step(entry.type, entry.verb).call(None, params)
        try:
            work.send(None)
        except StopIteration as done:
            return _result(to_json(done.value))
        work.close()
        raise Unscripted(f"`{step.path}` ({entry.type}) waits for something: say what it finds")

    def _answer(self, question: Question) -> bool:
        step = self.state.steps[question.path]
        if question.kind == "doubt":
            return self._settle(question)
        finding = self._finding(step, 1)
        if finding is None or "answer" not in finding.result:
            return False
        body = {"path": question.path, "note": None, **finding.result}
        self._put("Answered", body, PERSON)
        return True

    def _settle(self, question: Question) -> bool:
        settles = self.scenario.settles
        happened = settles.get(question.path, settles.get(question.id))
        if happened is None or question.path in self.settled:
            return False
        self.settled.add(question.path)
        body = {"path": question.path, "happened": happened, "reason": "the scenario says so"}
        self._put("DoubtSettled", body, PERSON)
        return True

    def _played(self, asked: list[Question]) -> Played:
        end = self.state.finished
        doubt = any(question.kind == "doubt" for question in asked)
        outcome = end["outcome"] if end else "in doubt" if doubt else "waiting"
        steps = self.state.steps.values()
        return Played(
            outcome=outcome,
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
            took_s=round((self.now_us - START_US) / 1e6, 3),
            reached=frozenset(_reached(self.state)),
            events=tuple(self.events),
        )


def _counts(step: StepState) -> bool:
    """Begun by the author's own word: a check, an action or an escalation that has an id."""
    begun = bool(step.plan) and step.entry.named
    return begun and isinstance(step.entry, Call | Escalate)


def _reached(state: State) -> list[str]:
    found = []
    for step in state.steps.values():
        if step.plan or step.status != "skipped":
            found.append(step.entry.id)
        if step.plan.get("way"):
            found.append(f"{step.entry.id} way-{step.plan['way']}")
    return found


def _result(result: Mapping[str, Any]) -> Outcome:
    return Outcome(result, None, ATTEMPT_US / 1000, 0.5)
