"""Who is called while a run goes on: its escalations, folded from their events alone, without its
runbook.

Pure, like `projection`: knows no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from engine.clock import to_datetime
from engine.core.cells import clean
from engine.core.events import Event, spoken
from engine.core.summons import CONSOLE
from engine.core.taken_back import older

OWN, STATUS = "run", "status"
"""Escalations that no step of the runbook began."""

QUESTION = "ask:"
"""Escalations that put a question to people, which is answered and not taken."""


@dataclass(slots=True)
class Heard:
    """Somebody who is called, and what came of it."""

    name: str
    by: tuple[str, ...]
    channel: str = ""
    word: str = "is next"
    not_before_us: int | None = None
    begun_us: int = 0
    why: str = ""
    """Why they are not reached."""


@dataclass(slots=True)
class Called:
    """One escalation. `key`: the path of its step, or one of those above."""

    key: str
    title: str
    levels: tuple[Mapping[str, Any], ...] = ()
    generation: int = 1
    level: int = 0
    due_us: int | None = None
    again_us: int | None = None
    people: dict[str, Heard] = field(default_factory=dict)
    taken: str = ""
    nobody_left: str = ""
    closed: str = ""
    answer_us: int | None = None
    until_us: int | None = None
    """By when whoever was called last is to take it."""
    well: bool = False
    """The run ended well: nobody needs to take it any more."""
    stopped: bool = False
    """Somebody asked the run to stop since: until it has ended, nobody else is called."""
    lost: dict[str, int | None] = field(default_factory=dict)
    """When PagerDuty said of an incident that nobody has it."""

    def is_lost(self, body: Mapping[str, Any]) -> bool:
        """Whether an acknowledgement is older than the word that it is over."""
        than_us = self.lost.get(str(body.get("incident")))
        return older(body.get("occurred_us"), than_us)

    @property
    def untaken(self) -> bool:
        """Nobody is left to be called, nobody took it, and it is not resolved either. Whoever sits
        before the console was called by nobody else, and sees it.
        """
        asks = ":" in self.key  # a question is answered
        here = bool(self.people) and all(one.channel == CONSOLE for one in self.people.values())
        return bool(self.nobody_left) and not (self.taken or self.well or asks or here)

    @property
    def settled(self) -> bool:
        """Nobody is waited for until a time: it is taken, nobody is left, or a question, which is
        open until it is answered.
        """
        return bool(self.taken or self.nobody_left) or self.key.startswith(QUESTION)

    def next_us(self) -> int | None:
        """When somebody is called next, unless it is taken."""
        times = [at_us for at_us in (self.due_us, self.again_us) if at_us is not None]
        return min(times, default=None)


class Calls:
    """The escalations of one run. `apply` takes its events in order."""

    def __init__(self) -> None:
        self.all: dict[str, Called] = {}
        self.held = ""
        """Why it cannot be gone on with, as things are."""
        self.mend = ""
        """What puts that right."""
        self.mute = False
        """Nor can anybody be called, before that is put right."""
        self._cancelled = self._ended = False
        self._telling: Mapping[str, Any] = {}
        self._titles: dict[str, tuple[str, str]] = {}
        self.asked: dict[str, str] = {}
        """What it asks people now, by the path of the step: its title. Also what nobody is told of.
        """
        self.late: set[int] = set()
        """Events of those who took what somebody else had taken."""

    def apply(self, event: Event) -> None:
        self._ask(event.type, event.body)
        body = event.body
        if event.type == "RunStarted":
            self._telling = body.get("telling") or {}
        elif event.type in ("CancelRequested", "RunTakenUp"):
            self._hold(event)
        elif event.type == "StepStarted" and body.get("kind") == "escalate":
            plan, path = body.get("plan") or {}, str(body["path"])
            made = str(body.get("id") or "").startswith("escalate-")
            title = body.get("title") or (plan.get("message") if made else body.get("id"))
            self._titles[path] = (_first_line(str(title or path)), str(plan.get("policy")))
        elif event.type == "EscalationStarted":
            asked = body.get("message") if body.get("question") else None
            title = _first_line(str(asked or body.get("why") or "the run itself"))
            self._titles[str(body["escalation"])] = (title, str(body["policy"]))
        elif event.type in ("Acknowledged", "Unacknowledged"):
            for key in body.get("escalations") or ():
                self._taken(str(key), event)
        elif event.type == "Answered" and str(body.get("path")) in self.all:
            self._taken(str(body["path"]), event)
        elif event.type == "RunFinished":
            self._over(body)
        elif "escalation" in body:
            self._of(event.type, self._named(str(body["escalation"])), event)

    def _ask(self, type_: str, body: Mapping[str, Any]) -> None:
        """What is asked of people, and is not any more."""
        path = str(body.get("path"))
        if type_ == "ApprovalRequested" or (
            type_ == "StepStarted" and "asks" in (body.get("plan") or {})
        ):
            self.asked[path] = _first_line(str(body.get("title") or path))
        elif type_ in _NOT_ASKED:
            self.asked.pop(path, None)
        elif type_ == "RunFinished":
            self.asked.clear()

    def _hold(self, event: Event) -> None:
        """One that was cancelled is ended by whoever takes it up, whatever is in the way."""
        if event.type == "CancelRequested":
            self._cancelled = True
            for one in self.all.values():
                one.stopped = not (self._ended or one.key == STATUS or one.key.startswith(QUESTION))
            return
        held = {} if self._cancelled else event.body.get("held") or {}
        self.held, self.mend = (clean(str(held.get(key) or "")) for key in ("why", "mend"))
        self.mute = bool(held.get("mute"))

    def shown(self) -> list[Called]:
        """Those for which somebody was to be called, in the order in which that began."""
        return [one for one in self.all.values() if one.level and one.key != STATUS]

    def calling(self) -> list[Called]:
        """Those that nobody took yet."""
        return [one for one in self.shown() if not one.taken and not one.closed]

    def due(self) -> bool:
        """Whether time alone does something: a level is called, or nobody is left to be called."""
        return any(
            one.next_us() is not None or (one.until_us is not None and not one.settled)
            for one in self.shown()
            if not one.closed
        )

    def _named(self, key: str) -> Called:
        if key not in self.all:
            title, policy = self._titles.get(key, (key, ""))
            known = (self._telling.get("policies") or {}).get(policy) or {}
            made = Called(key, title, tuple(known.get("levels") or ()))
            made.answer_us = known.get("answer_us", self._telling.get("answer_us"))
            made.answer_us = None if known.get("informs") else made.answer_us
            self.all[key] = made
        return self.all[key]

    def _of(self, type_: str, one: Called, event: Event) -> None:
        body = event.body
        if type_ == "LevelDue":
            self._due(one, event)
        elif type_ in _WORDS:
            heard = one.people.get(str(body.get("summons")))
            if heard is not None:
                _heard(one, heard, event)
        elif type_ == "EscalationReopened":
            one.taken, one.level, one.due_us, one.people = "", 0, event.at_us, {}
            one.nobody_left, one.until_us = "", None
            one.generation += 1
        elif type_ == "EscalationExhausted":
            one.nobody_left = clean(str(body.get("why") or "no level is left"))
        elif type_ == "EscalationClosed":
            one.closed = clean(str(body.get("why")))
            one.due_us = one.again_us = None

    def _due(self, one: Called, event: Event) -> None:
        body = event.body
        number = int(body["level"])
        if number > one.level:
            one.level, one.due_us = number, None
            if number < len(one.levels) and isinstance(body.get("due_us"), int):
                one.due_us = body["due_us"] + int(one.levels[number]["after_us"])
        level = one.levels[number - 1] if number <= len(one.levels) else {}
        every_us, times = level.get("every_us"), level.get("times", 0)
        round_ = int(body.get("round", 1))
        again = times is None or round_ <= times
        one.again_us = event.at_us + int(every_us) if every_us and again else None
        for recipient in body.get("recipients") or ():
            by = tuple(clean(str(way["channel"])) for way in recipient["by"])
            not_before_us = recipient.get("not_before_us")
            heard = Heard(clean(str(recipient["name"])), by, not_before_us=not_before_us)
            where = f"{one.generation}.{number}"
            one.people.pop(f"{where}.{round_ - 1}:{recipient['id']}", None)
            one.people[f"{where}.{round_}:{recipient['id']}"] = heard

    def _taken(self, key: str, event: Event) -> None:
        one = self._named(key)
        if event.type == "Unacknowledged":  # where that counts, it is called for anew
            one.lost[str(event.body["incident"])] = event.body["occurred_us"]
            return
        if one.taken or one.is_lost(event.body):
            self.late.add(event.seq)
            return
        who = clean(spoken(event.actor))
        note = clean(str(event.body.get("note") or ""))
        one.taken = f"{who} took it at {face(event.at_us)}" + (f": {note}" if note else "")
        rest = [level["unless"] == "resolved" for level in one.levels[one.level :]]
        one.again_us = None
        one.due_us = one.due_us if any(rest) else None

    def _over(self, body: Mapping[str, Any]) -> None:
        self.held, self.mend, self.mute, self._ended = "", "", False, True
        for one in self.all.values():
            one.stopped = False
        if body.get("outcome") in ("resolved", "cancelled"):
            for one in self.all.values():
                one.closed, one.well = one.closed or f"the run is {body['outcome']}", True
                one.due_us = one.again_us = None


_NOT_ASKED = ("Answered", "StepStarted", "AttemptFinished", "StepFinished", "StepSkipped")
"""What says of a step that it asks nobody, or not any more."""

_WORDS: Mapping[str, str] = {
    "TellStarted": "is being told",
    "Told": "was told",
    "TellFailed": "was not reached",
}


def _heard(one: Called, heard: Heard, event: Event) -> None:
    """What came of telling somebody."""
    body = event.body
    heard.word = _WORDS[event.type]
    heard.why = clean(str(body.get("why"))) if event.type == "TellFailed" else ""
    if event.type == "TellStarted":
        heard.channel, heard.begun_us = clean(str(body.get("channel"))), event.at_us
    elif event.type == "TellFailed" and body.get("doubt"):
        heard.word = "was perhaps told"
    elif event.type == "TellFailed" and body.get("next_us"):
        heard.word = "is not reached yet"
    known = event.type == "Told" or heard.word == "was perhaps told"
    if known and one.answer_us is not None and heard.channel != CONSOLE:
        one.until_us = max(one.until_us or 0, heard.begun_us + one.answer_us)


def face(at_us: int) -> str:
    """The time of day where the person sits."""
    return to_datetime(at_us).astimezone().strftime("%H:%M:%S")


def _first_line(text: str) -> str:
    """Of a message with a list the line above it: the view has one line for all of it."""
    return clean(text.strip().partition("\n")[0]).rstrip(": ")


class Mark(Struct):
    """What of a run stands in a list.

    `calls`: what for people are called, `asks`: what they are asked, `untaken`: what nobody took
    though all who there are were called. Where nobody is called, that it asks is its status, and
    `asks` is what people were told of. `held`: why it cannot be gone on with, as things are.
    `undriven`: nobody drives it, and something is to go on. `mend`: what puts right what holds it;
    `mute`: before that nobody can be called either.
    """

    calls: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    untaken: tuple[str, ...] = ()
    held: str = ""
    undriven: bool = False
    mend: str = ""
    mute: bool = False

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Mark:
        """What `to_json` gave; of an older server, which says nothing of this, an empty one."""
        calls, asks, untaken = (
            tuple(map(str, said.get(word) or ())) for word in ("calls", "asks", "untaken")
        )
        held, mend = (str(said.get(word) or "") for word in ("held", "mend"))
        undriven, mute = bool(said.get("undriven")), bool(said.get("mute"))
        return cls(calls, asks, untaken, held, undriven, mend, mute)

    @property
    def words(self) -> list[str]:
        """As in the list: what people are to do (take it, answer it), and where nothing goes on,
        why not.
        """
        found = [name for name in ("calls", "untaken") if getattr(self, name)][:1]
        asks = ["asks"] * bool(self.asks)
        rests = ["held"] * bool(self.held) + ["mute"] * self.mute
        return rests + found + asks + ["undriven"] * self.undriven

    def to_json(self) -> dict[str, Any]:
        """The keys that a run has in a list for machines."""
        said = {"calls": self.calls, "asks": self.asks, "untaken": self.untaken}
        listed = {word: list(what) for word, what in said.items()}
        held = {"held": self.held or None, "mend": self.mend or None, "mute": self.mute}
        return {**listed, **held, "undriven": self.undriven}
