"""A recorded run as a world: what its steps found and what people said, for a replay."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.core.effects import Tell
from engine.core.events import Event
from engine.core.judge import Outcome
from engine.core.state import State
from engine.core.tree import StepState
from engine.language.model import Escalate, walk_runbook
from engine.registry import Registry
from engine.scenario.names import actor_of, plain_id
from engine.scenario.recorded_calls import RecordedCalls
from engine.scenario.virtual import Came, Open, Said, really

COUNTED = ("CancelRequested", "PauseRequested", "ContinueRequested", "UndoRequested")
"""What people say without being asked, whenever they want to."""

UNASKED = (*COUNTED, "Acknowledged", "Unacknowledged")
"""And where they are called."""

_NOT_ASKED_FOR = frozenset(
    {
        "timeout_s",
        "fingerprint",
        "effect",
        "idempotent",
        "key",
        "when",
        "within_s",
        "hold_s",
        "every_s",
    }
)
"""Parts of a plan that do not change what is asked of the world."""


def asked(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What a plan asks of the world, or where it leads: two that are equal here find the same."""
    return {key: value for key, value in plan.items() if key not in _NOT_ASKED_FOR}


@dataclass(slots=True)
class Found:
    """What one step of the recording asked, found and was told."""

    path: str
    id: str
    kind: str
    plan: Mapping[str, Any]
    outcomes: list[Came] = field(default_factory=list)
    answers: list[tuple[int, Event]] = field(default_factory=list)
    """What people said to it, with the microseconds they took."""
    begun_us: int = 0
    open_us: int = 0


def found_in(events: Iterable[Event]) -> dict[str, Found]:
    """By path: what the steps of a recording found."""
    found: dict[str, Found] = {}
    for event in events:
        path = event.body.get("path")
        if path is None:
            continue
        if event.type in ("StepStarted", "ApprovalRequested"):
            told = (event.body["id"], event.body["kind"], event.body["plan"])
            step = found.setdefault(path, Found(path, *told))
            step.begun_us = step.open_us = event.at_us
        elif path in found:
            _took(found[path], event)
    return found


def _took(step: Found, event: Event) -> None:
    body = event.body
    if event.type in ("AttemptFinished", "StepFinished"):
        outcome = _outcome(body)
        if outcome is not None and "asks" not in step.plan:
            step.outcomes.append(Came(outcome, event.at_us - step.begun_us))
        step.open_us = event.at_us
    elif event.type in ("Answered", "Approved", "Denied") or _by_person(event, "DoubtSettled"):
        step.answers.append((event.at_us - step.open_us, event))


def _by_person(event: Event, type_: str) -> bool:
    return event.type == type_ and event.actor.get("means") != "engine"


def outcome_of(body: Mapping[str, Any]) -> Outcome | None:
    """The outcome that the end of an attempt records, or None where it records none."""
    told = body["outcome"]
    if told is None:
        return None
    random = body.get("random", 0.5)
    return Outcome(told.get("result"), told.get("error"), body["elapsed_ms"], random)


def _outcome(body: Mapping[str, Any]) -> Outcome | None:
    if body["outcome"] is None and body["status"] == "unknown":
        error = {"message": "; ".join(body["why"]), "help": None, "maybe_done": True}
        more = {"retryable": False, "detail": {}, "kind": "adapter"}
        return Outcome(None, {**error, **more}, 0.0, 0.5)
    outcome = outcome_of(body)
    stopped = outcome is not None and (outcome.error or {}).get("kind") == "stopped"
    return None if stopped else outcome


class RecordedWorld:
    """The world of a replay. `unknown` says of each path what is not known of it, and why.

    `assume`: a step whose parameters are other ones today finds what was recorded all the same.
    """

    def __init__(self, events: Sequence[Event], registry: Registry, *, assume: bool) -> None:
        self.unknown: dict[str, str] = {}
        self._found = found_in(events)
        self._words = [event for event in events if event.type in COUNTED]
        self._calls = RecordedCalls(events)
        self._registry = registry
        self._assume = assume

    # -- the world ---------------------------------------------------------------------------------

    def attempt(self, _state: State, step: StepState) -> Came | None:
        found = self._of(step)
        if found is not None and step.tries < len(found.outcomes):
            return found.outcomes[step.tries]
        if isinstance(step.entry, Escalate):
            return Came(Outcome({"policy": step.plan["policy"], "told": []}, None, 0.0, 0.5), 0)
        if found is None:
            result = really(step, self._registry)
            if result is not None:
                return Came(Outcome(result, None, 0.0, 0.5), 0)
        else:
            count = len(found.outcomes)
            times = "once" if count == 1 else f"{count} times"
            why = f"it was asked {times} then, and would be asked again now"
            self.unknown[step.path] = why if count else "what it found then is not recorded"
        return None

    def answer(self, state: State, asked_now: Open) -> Said | None:
        step = state.steps[asked_now.question.path]
        found = self._of(step)
        answers = found.answers if found is not None else []
        if asked_now.heard >= len(answers):
            self.unknown.setdefault(step.path, "it waits for a person, and nobody answered it then")
            return None
        took_us, event = answers[asked_now.heard]
        body = {**event.body, "path": step.path}
        if "hash" in body:  # of the text of then: who agreed to the same plan, agrees to it now
            body["hash"] = step.hash
        return Said(asked_now.since_us + took_us, event.type, body, actor_of(event))

    def called(self, state: State, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._calls.called(state, body)

    def tell(self, state: State, effect: Tell) -> Came:
        return self._calls.tell(state, effect)

    def word(self, state: State, heard: Mapping[str, int]) -> Said | None:
        """The next thing that was said unasked; people who are called answer as they did then."""
        taken = self._calls.word(state)
        count = sum(heard.get(type_, 0) for type_ in COUNTED)
        if count >= len(self._words):
            return taken
        event = self._words[count]
        said = Said(event.at_us, event.type, event.body, actor_of(event))
        return taken if taken is not None and taken.at_us < said.at_us else said

    # -- which step of the recording ---------------------------------------------------------------

    def _of(self, step: StepState) -> Found | None:
        """What the recording has of this step: at its path, else at the one that is meant."""
        found = self._found.get(step.path) or self._moved(step)
        if found is None:
            self.unknown[step.path] = "it is not in the recording"
            return None
        if self._assume or asked(found.plan) == asked(step.plan) or _tells(step):
            return found
        self.unknown[step.path] = "; ".join(
            ["it asks something else than it did then", *differences(found.plan, step.plan)]
        )
        return None

    def _moved(self, step: StepState) -> Found | None:
        """A step that stands elsewhere today, or has another id: the one that asks the same, and of
        several the one in the same place of its block.
        """
        alike = [one for one in self._found.values() if asked(one.plan) == asked(step.plan)]
        same = [one for one in alike if plain_id(one.id) == plain_id(step.entry.id)]
        if not same:
            today = {plain_id(entry.id) for entry in walk_runbook(step.block.scope.frame.runbook)}
            same = [one for one in alike if plain_id(one.id) not in today]
        if len(same) > 1:
            place = step.path.split("/")[-2:]
            same = [one for one in same if one.path.split("/")[-2:] == place]
        return same[0] if len(same) == 1 else None


def _tells(step: StepState) -> bool:
    """Telling people finds nothing: what they are told does not change what comes of it."""
    return isinstance(step.entry, Escalate)


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Where two plans ask for different things, a line each."""
    lines: list[str] = []
    for key in dict.fromkeys([*asked(then), *asked(now)]):
        was, is_ = then.get(key), now.get(key)
        if was == is_:
            continue
        if isinstance(was, Mapping) and isinstance(is_, Mapping):
            inner = [k for k in dict.fromkeys([*was, *is_]) if was.get(k) != is_.get(k)]
            lines += [
                f"{key}.{k}: {_told(was.get(k))} then, {_told(is_.get(k))} now" for k in inner
            ]
        else:
            lines.append(f"{key}: {_told(was)} then, {_told(is_)} now")
    return lines


TOLD_MAX_CHARS = 120
"""Of a value in a line for people: two of them, and the words between, are read at a glance."""


def _told(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if value is not None else "nothing"
    return text if len(text) <= TOLD_MAX_CHARS else f"{text[:TOLD_MAX_CHARS]}…"
