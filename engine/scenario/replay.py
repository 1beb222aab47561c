"""Plays the text of today with what a recorded run found, and says where it goes another way.

As long as the text decides what was decided then, the recording leads: every outcome, answer and
time is taken in at its own place, so that an unchanged text does exactly what it did. From the
first other decision on it goes on in virtual time, with what is recorded of each step that asks the
same as then; where it asks what nobody knows, it stops and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.core.decide import decide
from engine.core.effects import Perform, Record, Tell
from engine.core.events import Draft, Event
from engine.core.judge import conclude
from engine.core.state import State
from engine.errors import Usage
from engine.language.inputs import take_inputs
from engine.language.model import Runbook
from engine.registry import Registry
from engine.scenario.apart import Parting, told
from engine.scenario.ending import Ending, besides_of, ending, pages
from engine.scenario.names import actor_of
from engine.scenario.recorded import UNASKED, RecordedWorld, asked, outcome_of
from engine.scenario.virtual import Said, Virtual
from engine.scenario.way import parting, taken, way

FROM_OUTSIDE = frozenset(
    {"RunStarted", "RunTakenUp", "StepProgressed", "TimeReached", "Answered"}
    | {"Approved", "Denied", "ApprovalRefused", "Told", "TellFailed", *UNASKED}
)
"""Events that nobody decides."""

LOOKED_UP = "LevelDue"
"""Is decided at once and recorded later: whom it calls is looked up first, and all else goes on
meanwhile.
"""

WENT_ON = frozenset({"RunFinished", "QuestionClosed"})
"""Ends behind which engines before 2026-11-21 went on with what they had decided beside them."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay shows."""

    run: str
    name: str
    same_text: bool
    then: Ending
    now: Ending
    parting: Parting | None
    besides: tuple[str, ...]
    """Paths of steps that are taken now and were not then."""
    no_longer: tuple[str, ...]
    """Paths of steps that were taken then, and are not now; empty where it stops before its end."""
    calls_besides: tuple[Mapping[str, Any], ...]
    """Messages (see `engine.scenario.story`) by which people are called now and were not then."""
    calls_no_longer: tuple[Mapping[str, Any], ...]
    """Those of then that are not there now; empty where it stops before its end."""
    unknown: Mapping[str, str]
    """Paths where it stops, and what is not known there."""
    events: tuple[Draft, ...]

    @property
    def same(self) -> bool:
        return self.parting is None and self.then == self.now

    def to_json(self) -> dict[str, Any]:
        apart = self.parting
        return {
            "type": "replay",
            "run": self.run,
            "name": self.name,
            "same": self.same,
            "same_text": self.same_text,
            "recorded": self.then.to_json(),
            "now": self.now.to_json(),
            "parting": None
            if apart is None
            else {
                "path": apart.path,
                "recorded": apart.then,
                "now": apart.now,
                "why": list(apart.why),
            },
            "besides": list(self.besides),
            "no_longer": list(self.no_longer),
            "calls_besides": [dict(one) for one in self.calls_besides],
            "calls_no_longer": [dict(one) for one in self.calls_no_longer],
            "unknown": dict(self.unknown),
        }


def replay(
    recorded: Sequence[Event], runbook: Runbook, registry: Registry, *, assume: bool = False
) -> Replayed:
    """Plays a runbook with the findings of a recorded run.

    `assume`: a step whose parameters are other ones today finds what was recorded all the same.
    Raises Usage when the runbook does not take the inputs of the run.
    """
    return _Replay(recorded, runbook, RecordedWorld(recorded, registry, assume=assume)).play()


class _Replay:
    def __init__(self, recorded: Sequence[Event], runbook: Runbook, world: RecordedWorld) -> None:
        # what a step tells on its way decides nothing
        self._recorded = [event for event in recorded if event.type != "StepProgressed"]
        self._runbook = runbook
        self._world = world
        self._virtual = Virtual(State(recorded[0].run, runbook), world)
        self._state = self._virtual.state

    def play(self) -> Replayed:
        first = self._recorded[0]
        body = _begin(first.body, self._runbook)
        self._put("RunStarted", body, first)
        followed = self._follow()
        open_: list[str] = []
        if not followed:
            for path in [s.path for s in self._state.steps.values() if s.in_flight]:
                self._virtual.take_off(path)
            self._virtual.go_on_telling()
            open_ = [question.path for question in self._virtual.go().ask]
        unknown = {
            path: self._world.unknown.get(path, "what it finds is not recorded")
            for path in [*self._virtual.stuck, *open_]
        }
        return self._replayed(first, followed, unknown)

    # -- with the recording ------------------------------------------------------------------------

    def _follow(self) -> bool:
        """Takes in what came, as long as the same is decided; whether that was so to its end."""
        at = 1
        while at < len(self._recorded):
            event = self._recorded[at]
            if self._came_from_outside(event):
                if not self._take(event):
                    return False
                at += 1
                continue
            count = self._decide_along(at)
            if count == 0:
                return False
            at += count
            if self._has_more_to_do(at):
                return False
        return True

    def _came_from_outside(self, event: Event) -> bool:
        if event.type in ("AttemptFinished", "StepFinished"):
            step = self._state.steps.get(event.body["path"])
            return step is not None and step.in_flight
        if event.type == "DoubtSettled":
            step = self._state.steps.get(event.body["path"])
            probed = step is not None and step.body is not None
            decided = probed or event.body["happened"] is None
            return event.actor.get("means") != "engine" or not decided
        if event.type == "EscalationClosed" and self._state.finished is None:
            # engines before 2026-11-21 closed what nobody took although the run was open
            return not any(record.type == event.type for record in decide(self._state).record)
        if event.type in ("EscalationReopened", "TellFailed") and event.body.get("why"):
            return event.body not in [record.body for record in decide(self._state).record]
        return event.type in FROM_OUTSIDE

    def _take(self, event: Event) -> bool:
        """Takes in what came from outside; False when it means something else than it did then."""
        if event.type in ("AttemptFinished", "StepFinished"):
            return self._conclude(event)
        body = dict(event.body)
        path = body.get("path")
        if path is not None and path not in self._state.steps:
            return False
        if not self._calls(body):
            return False
        if path is not None and "hash" in body:
            body["hash"] = self._state.steps[path].hash
        if "path" in body or event.type in UNASKED:
            self._virtual.hear(Said(event.at_us, event.type, body, actor_of(event)))
        self._put(event.type, body, event)
        return True

    def _calls(self, body: Mapping[str, Any]) -> bool:
        """Whether today's text called who is spoken of, if anybody is."""
        if "escalation" not in body:
            return True
        one = self._state.escalations.get(body["escalation"])
        return one is not None and ("summons" not in body or body["summons"] in one.summons)

    def _conclude(self, event: Event) -> bool:
        outcome = outcome_of(event.body)
        if outcome is None:
            return False
        record = conclude(self._state, event.body["path"], outcome, event.at_us)
        self._put(record.type, record.body, event)
        same = ("status", "next_us")
        return record.type == event.type and all(
            record.body.get(key) == event.body.get(key) for key in same
        )

    def _decide_along(self, at: int) -> int:
        """Decides once, as far as that is what was recorded from `at` on; how far that is."""
        count, turns = 0, self._state.turns
        for record in decide(self._state).record:
            if at + count >= len(self._recorded):
                break
            event = self._recorded[at + count]
            if event.type == "RunTakenUp":
                break
            if not _alike(record, event):
                if record.type == LOOKED_UP:
                    continue
                return count if self._state.turns != turns else 0
            # whom a level called is what was found then, not what is decided now
            found = event.body if "escalation" in record.body else record.body
            self._put(record.type, found, event)
            count += 1
            if self._state.turns != turns and record.type not in WENT_ON:
                break
        return count

    def _has_more_to_do(self, at: int) -> bool:
        """Whether more is decided now than was: all that follows was recorded together."""
        if at >= len(self._recorded):
            return False
        event = self._recorded[at]
        if event.type == "RunTakenUp" or not self._came_from_outside(event):
            return False
        return any(record.type != LOOKED_UP for record in decide(self._state).record)

    def _put(self, type_: str, body: Mapping[str, Any], like: Event) -> None:
        self._virtual.put(type_, body, like.at_us, actor_of(like))

    # -- what it shows -----------------------------------------------------------------------------

    def _replayed(self, first: Event, followed: bool, unknown: Mapping[str, str]) -> Replayed:
        events = tuple(self._virtual.events)
        before, after = way(self._recorded), way(events)
        apart = None if followed else parting(before, after)
        begun_then, begun_now = taken(before), taken(after)
        besides = tuple(m.path for key, m in begun_now.items() if key not in begun_then)
        no_longer = tuple(m.path for key, m in begun_then.items() if key not in begun_now)
        then = ending(self._recorded)
        called_then, called_now = pages(self._recorded), pages(events)
        return Replayed(
            run=first.run,
            name=self._runbook.name,
            same_text=first.body["digest"] == self._runbook.digest,
            then=then,
            now=ending(events),
            parting=told(*apart, self._asked_again(unknown)) if apart is not None else None,
            besides=besides,
            no_longer=no_longer if not unknown else (),
            calls_besides=besides_of(called_now, called_then),
            calls_no_longer=besides_of(called_then, called_now) if not unknown else (),
            unknown=unknown,
            events=events,
        )

    def _asked_again(self, unknown: Mapping[str, str]) -> Mapping[str, str]:
        """What is not known, and of a step that is asked again also why it is."""
        told = dict(unknown)
        for event in self._virtual.events:
            path = event.body.get("path", "")
            if event.type == "AttemptFinished" and path in unknown:
                told[path] = "; ".join([*event.body["why"], unknown[path]])
        return told


def _begin(recorded: Mapping[str, Any], runbook: Runbook) -> dict[str, Any]:
    """The first event, with the text of today."""
    given = {name: v for name, v in recorded["inputs"].items() if name in runbook.inputs}
    body = {**recorded, "digest": runbook.digest, "texts": {}}
    if runbook.digest != recorded["digest"] and "planned" in recorded:
        body["planned"] = None  # plan hashes hold the text: of another one they say nothing
    try:
        return {**body, "inputs": take_inputs(runbook, given)}
    except Usage as error:
        raise Usage(
            f"today's text would refuse the inputs of the run: {error.message}", help=error.help
        ) from error


def _alike(record: Record | Perform | Tell, event: Event) -> bool:
    """Whether a decision of now is the one of then, as far as it matters to what comes."""
    if record.type != event.type:
        return False
    then, now = event.body, record.body
    if "plan" in now:
        same = ("path", "attempt")
        return asked(then["plan"]) == asked(now["plan"]) and _agree(then, now, same)
    return _agree(then, now, _DECIDED)


_DECIDED = (
    *("path", "status", "happened", "outcome", "because"),
    *("escalation", "policy", "level", "round", "skipped", "who", "by"),
    *("summons", "kind", "channel", "attempt"),
)
"""What makes a decision another one, of events without a plan."""


def _agree(then: Mapping[str, Any], now: Mapping[str, Any], keys: Sequence[str]) -> bool:
    return all(_plain(then.get(key)) == _plain(now.get(key)) for key in keys)


def _plain(value: Any) -> Any:
    return None if isinstance(value, Mapping) else value  # the outcome of a step is what it found
