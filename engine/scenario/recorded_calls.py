"""The people and channels of a recorded run, for a replay: whom its levels called, what became of
the messages, and who took it.

Where the text of today calls at another time, or by a step that stands elsewhere, people answer as
long after they were called as they did then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine.core.effects import Tell
from engine.core.escalate import TRIES_LAST
from engine.core.escalation import left
from engine.core.events import Event
from engine.core.judge import Outcome
from engine.core.state import State
from engine.core.summons import Escalation
from engine.scenario.calls import told_only
from engine.scenario.names import actor_of, plain_id
from engine.scenario.virtual import Came, Said, called_by_name, tell_at_once

_LOST: Final = "what became of it is not recorded"


class RecordedCalls:
    """Of one run."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._levels: dict[tuple[str, str], Mapping[str, Any]] = {}
        """What a `LevelDue` found, by escalation and generation, level and round."""
        self._sent: dict[tuple[str, str, int], Came] = {}
        """What became of a message, by escalation, summons and channel, attempt."""
        self._began_us: dict[tuple[str, int], int] = {}
        self._taken: dict[tuple[str, int], Event] = {}
        """By escalation and generation."""
        self._lost: dict[tuple[str, int], Event] = {}
        """Where whoever took it in PagerDuty had it no longer, by the same."""
        self._generations: dict[str, int] = {}
        self._anew_us: dict[tuple[str, int], int] = {}
        """When escalations of today began, by their key and generation."""
        starts: dict[str, int] = {}
        for event in events:
            self._take(event, starts)

    def _take(self, event: Event, starts: dict[str, int]) -> None:
        body = event.body
        if event.type == "StepStarted" and body["kind"] == "escalate" and body["attempt"] == 1:
            self._begins(body["path"], event.at_us)
        elif event.type in ("EscalationStarted", "EscalationReopened"):
            self._begins(body["escalation"], event.at_us)
        elif event.type == "LevelDue":
            key = body["escalation"]
            if key not in self._generations:  # one that no event of its own begins
                self._begins(key, event.at_us)
            number = f"{self._generations[key]}.{body['level']}.{body['round']}"
            found = {name: body[name] for name in ("recipients", "nobody", "words") if name in body}
            self._levels[key, number] = {"who": body["who"], "by": body["by"], **found}
        elif event.type == "TellStarted":
            starts[body["key"]] = event.at_us
        elif event.type in ("Told", "TellFailed") and body["key"] in starts:
            message = f"{body['summons']}:{body['key'].rpartition(':')[2]}"
            took_us = event.at_us - starts[body["key"]]
            came = Came(_outcome(event), took_us)
            self._sent[body["escalation"], message, body["attempt"]] = came
        else:
            self._takes(event)

    def _begins(self, key: str, at_us: int) -> None:
        number = self._generations[key] = self._generations.get(key, 0) + 1
        self._began_us[key, number] = at_us

    def _takes(self, event: Event) -> None:
        known = {"Acknowledged": self._taken, "Unacknowledged": self._lost}.get(event.type)
        if known is not None:
            for key in event.body["escalations"]:
                known.setdefault((key, self._generations.get(key, 1)), event)

    # -- the world ---------------------------------------------------------------------------------

    def called(self, state: State, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Whom a level called then; of one that calls others today, each by their name."""
        generation = state.escalations[body["escalation"]].generation
        if body["level"] == 1:
            self._anew_us.setdefault((body["escalation"], generation), state.now_us)
        number = f"{generation}.{body['level']}.{body['round']}"
        found = self._levels.get((self._then(state, body["escalation"]), number))
        if found is None or (found["who"], found["by"]) != (body["who"], body["by"]):
            return called_by_name(body)
        return {key: value for key, value in found.items() if key not in ("who", "by")}

    def tell(self, state: State, effect: Tell) -> Came:
        """What became of this message then; of another one: it is told."""
        body = effect.body
        message = f"{body['summons']}:{body['channel']}"
        key = self._then(state, body["escalation"])
        found = self._sent.get((key, message, body["attempt"]))
        return found if found is not None else tell_at_once(state, effect)

    def word(self, state: State) -> Said | None:
        """Who takes it next, of all that people are called for now, or has it no longer."""
        said: Said | None = None
        late = left(state)
        for key, one in state.escalations.items():
            over = one.closed is not None and key not in late
            if over or told_only(key) or (one.taken and not one.holds):
                continue
            found = self._taking(state, key, one)
            if found is not None and (said is None or found.at_us < said.at_us):
                said = found
        return said

    def _taking(self, state: State, key: str, one: Escalation) -> Said | None:
        then = (self._then(state, key), one.generation)
        event = (self._lost if one.taken else self._taken).get(then)
        if event is None:
            return None
        then_us = self._began_us.get(then, event.at_us)
        began_us = one.started_us
        if one.generation > 1:  # where that was followed, it was at the same time
            began_us = self._anew_us.get((key, one.generation), then_us)
        at_us = began_us + event.at_us - then_us
        body = {**event.body, "escalations": [key]}
        return Said(at_us, event.type, body, actor_of(event))

    def _then(self, state: State, key: str) -> str:
        """What an escalation of today was then: of a step that stands elsewhere, the one that has
        its id, where that is one.
        """
        if key in self._generations or ":" in key:
            return key
        id_ = plain_id(key.rpartition("/")[2])
        others = [k for k in self._generations if plain_id(k.rpartition("/")[2]) == id_]
        others = [k for k in others if k not in state.escalations]
        return others[0] if len(others) == 1 else key


def _outcome(event: Event) -> Outcome:
    body = event.body
    if event.type == "Told":
        return Outcome(body["receipt"], None, body["elapsed_ms"], 0.5)
    next_us = body["next_us"] if body["next_us"] is not None else body.get("later_us")
    detail = {} if next_us is None else {"blocked_for_s": (next_us - event.at_us) / 1e6}
    tired = body["attempt"] >= TRIES_LAST and body.get("back") is None  # it did not refuse for good
    again = next_us is not None or tired
    kind = "stopped" if body["dropped"] else "adapter"
    error = {"message": body["why"] or _LOST, "help": None, "kind": kind, "detail": detail}
    error |= {"maybe_done": body["doubt"], "retryable": again}
    return Outcome(None, error, body["elapsed_ms"], body["random"])
