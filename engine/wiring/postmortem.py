"""The post-mortem of a run, as far as its trail can fill it in: what happened when, who did what,
what was changed, what was in doubt. What only people know is left to them, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.clock import MICROSECONDS, to_datetime, to_iso
from engine.core.events import SETTLED, Event, spoken
from engine.core.plainly import plainly
from engine.core.summons import CONSOLE
from engine.core.taken_back import VIA
from engine.core.words import SIGNS
from engine.language.duration import format_duration
from engine.language.model import Runbook
from engine.wiring.postmortem_origin import alerted_us, line_of, trigger_of

Facts = Callable[[Any], str]
"""What a step found, in the few words that are worth saying of it."""

PROBE = re.compile(r"(.+)/probe-\d+/[^/]+")
"""The path of a probe, and of its action."""

SHOWN_STEPS = ("check", "action", "escalate")
"""Kinds of steps that stand in the time-line; the others only hold these."""

CALLING: Mapping[str, str] = {
    "EscalationExhausted": "Nobody is left to be called",
    "EscalationReopened": "People are called again",
}

PEOPLES = (
    "Summary", "Root Cause", "Users affected", "Downtime", "Data loss", "What went well",
    "What went poorly", "Where we got lucky", "Action Items",
)  # fmt: skip
"""Parts that no trail knows."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the time-line. `minor`: one of many of its kind, and it went well."""

    at_us: int
    what: str
    minor: bool = False


@dataclass(slots=True)
class PostMortem:
    """What the trail knows."""

    run: str
    runbook: str
    title: str
    environment: str
    severity: str | None
    started_us: int
    ended_us: int | None
    outcome: str
    because: str | None
    trigger: str
    mode: str
    alerted_us: int | None = None
    """When what started it began, by its own word."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    events: int = 0
    head: str = ""
    """The hash of the last event: who has it can tell that nothing before it was altered."""
    responders: list[str] = field(default_factory=list)
    told_us: int | None = None
    taken_us: int | None = None
    timeline: list[Moment] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    not_done: list[str] = field(default_factory=list)
    """Actions that were tried and went wrong: what they did before that only people can tell."""
    under_way: list[str] = field(default_factory=list)
    """Actions that were begun, of a run that is open."""
    doubts: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    may_run_on: list[str] = field(default_factory=list)

    @property
    def duration(self) -> str:
        if self.ended_us is None:
            return "open"
        minutes = round((self.ended_us - self.started_us) / 6e7)
        return f"{minutes // 60:02}:{minutes % 60:02}"

    @property
    def times(self) -> dict[str, str | None]:
        """How long it took from the start of the run until then."""
        solved_us = self.ended_us if self.outcome == "resolved" else None
        since = {"told": self.told_us, "taken": self.taken_us, "resolved": solved_us}
        found = {word: self._span(self.started_us, at_us) for word, at_us in since.items()}
        return {"alerted": self._span(self.alerted_us, self.started_us), **found}

    @staticmethod
    def _span(begin_us: int | None, end_us: int | None) -> str | None:
        if begin_us is None or end_us is None or end_us < begin_us:
            return None
        span_s = round((end_us - begin_us) / MICROSECONDS)
        return format_duration(span_s) if span_s else "less than a second"

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "report",
            "run": self.run,
            "runbook": self.runbook,
            "title": self.title,
            "environment": self.environment,
            "severity": self.severity,
            "mode": self.mode,
            "inputs": dict(self.inputs),
            "alerted": to_iso(self.alerted_us) if self.alerted_us is not None else None,
            "started": to_iso(self.started_us),
            "ended": to_iso(self.ended_us) if self.ended_us is not None else None,
            "duration": self.duration,
            "times": self.times,
            "outcome": self.outcome,
            "because": self.because,
            "trigger": self.trigger,
            "responders": self.responders,
            "timeline": [{"at": to_iso(m.at_us), "what": m.what} for m in self.timeline],
            "found": self.found,
            "done": self.done,
            "not_done": self.not_done,
            "in_doubt": [*self.under_way, *self.doubts],
            "may_run_on": self.may_run_on,
            "told": self.told,
            "evidence": {"digest": self.digest, "events": self.events, "head": self.head},
            "yours": list(PEOPLES),
        }


def post_mortem(events: Sequence[Event], runbook: Runbook, facts: Facts) -> PostMortem:
    """The report of a run, from its events."""
    first, body = events[0], events[0].body
    end = next((e for e in reversed(events) if e.type in ("RunFinished", "RunRefused")), None)
    made = PostMortem(
        run=first.run,
        runbook=str(body["name"]),
        title=line_of(runbook.title),
        environment=str(body["environment"]),
        severity=runbook.severity,
        started_us=first.at_us,
        ended_us=end.at_us if end is not None else None,
        outcome=str(end.body.get("outcome", "refused")) if end is not None else "open",
        because=line_of(end.body.get("because") or end.body.get("reason") or "") if end else None,
        trigger=trigger_of(first),
        mode=str(body["mode"]),
        alerted_us=alerted_us(body.get("event")),
        inputs=dict(body.get("inputs") or {}),
        digest=str(body.get("digest") or ""),
        events=len(events),
        head=events[-1].hash,
    )
    if end is not None:
        made.may_run_on = [str(path) for path in end.body.get("running") or ()]
    _Reader(made, facts).read(events)
    return made


def _acts(event: Event) -> bool:
    """Whether this is what a person did: neither the engine nor what started the run is one, nor
    PagerDuty, where it names nobody.
    """
    if (event.actor.get("name"), event.actor.get("means")) == (VIA, "webhook"):
        return False
    by_event = event.type in ("RunStarted", "RunQueued", "RunRefused", "RunJoined")
    by_event = by_event and event.body.get("event") is not None
    return event.actor.get("means") not in ("engine", None) and not by_event


class _Reader:
    """Reads the events into the report."""

    def __init__(self, made: PostMortem, facts: Facts) -> None:
        self.made = made
        self.facts = facts
        self.steps: dict[str, Mapping[str, Any]] = {}
        self.asked: set[tuple[Any, ...]] = set()
        """Who was asked what by which channel: whoever hears it once more is reminded."""
        self.named: dict[str, str] = {}
        """Which step has a title: of two with the same, the second says where it is."""
        self.held = ""
        self.begun: dict[str, Event] = {}
        """Actions, until they end."""

    def read(self, events: Sequence[Event]) -> None:
        made = self.made
        if made.alerted_us is not None:
            made.timeline.append(
                Moment(made.alerted_us, f"{made.trigger[0].upper()}{made.trigger[1:]} began")
            )
        begins = f"Incident detected: {made.title} started by {made.trigger}"
        made.timeline.append(Moment(made.started_us, line_of(begins)))
        for event in events:
            if _acts(event) and spoken(event.actor) not in made.responders:
                made.responders.append(spoken(event.actor))
            for what, minor in self._told(event):
                made.timeline.append(Moment(event.at_us, line_of(what), minor))
        if made.ended_us is None and made.mode != "rehearsal":
            made.under_way += map(self._under_way, self.begun.values())

    def _under_way(self, event: Event) -> str:
        """Whether it is carried out now, or its driver died meanwhile, the trail cannot tell."""
        target = (event.body.get("plan") or {}).get("target")
        at = f"{to_datetime(event.at_us):%H:%M:%S} UTC"
        line = f"{self._title(event.body)}{f' (on {target})' if target else ''}"
        return line_of(f"{line}: begun at {at}, and not known to have ended")

    def _told(self, event: Event) -> Iterator[tuple[str, bool]]:
        if event.type == "StepFinished":
            yield from self._finished(event.body)
        else:
            for what in (*self._said(event), *self._asked(event), *self._people(event)):
                yield what, False

    def _said(self, event: Event) -> Iterator[str]:
        body, who = event.body, spoken(event.actor)
        match event.type:
            case "StepStarted" | "ApprovalRequested":
                self.steps[body["path"]] = body
                if event.type == "StepStarted" and _acted(body):
                    self.begun[body["path"]] = event
            case "DoubtSettled":
                yield f"{who} settled {self._title(body)}: it {SETTLED[body['happened']]}"
                self._settled(body, who)
            case "UndoFinished":
                bad = f", stopped at {body['failed']}" if body.get("failed") else ""
                undone = [self._title({"path": path}) for path in body.get("undone") or ()]
                self._add(undone, "; undone since")
                yield f"Undone: {len(undone)} step{'s' * (len(undone) != 1)}{bad}"
            case "RunQueued" | "RunRefused":
                word = "It waits in line" if event.type == "RunQueued" else "Refused"
                yield f"{word}: {body.get('reason') or ''}"
            case "RunTakenUp":
                yield from self._taken_up(body)
            case "RunFinished":
                because = f": {body['because']}" if body["because"] else ""
                well = body["outcome"] == "resolved"
                word = "Incident resolved" if well else f"Ended {body['outcome']}"
                yield f"{word}{because}"

    def _taken_up(self, body: Mapping[str, Any]) -> Iterator[str]:
        if body["interrupted"]:
            yield f"Taken up again; cut short were {', '.join(body['interrupted'])}"
        held = body.get("held") or {}
        before, self.held = self.held, str(held.get("why") or "")
        if self.held and self.held != before:
            right = f" (to put it right: {held['mend']})" if held.get("mend") else ""
            mute = "; nor could anybody be called" if held.get("mute") else ""
            yield f"It could not be gone on with: {self.held}{right}{mute}"
        elif before and not self.held:
            yield "It could be gone on with again"

    def _asked(self, event: Event) -> Iterator[str]:
        body, who = event.body, spoken(event.actor)
        match event.type:
            case "Approved" | "Denied":
                yield f"{who} {event.type.lower()} {self._title(body)}: {body['reason']}"
            case "ApprovalRefused":
                word = body.get("wanted", "approve")
                said = f"{who} would {word} {self._title(body)}, which does not count"
                yield f"{said}: {body['why']}"
            case "ApprovalExpired":
                yield f"{self._title(body)} was not approved: {body['why']}"
            case "Answered":
                note = f": {body['note']}" if body.get("note") else ""
                yield f"{who} answered {body['answer']} to {self._title(body)}{note}"
            case "CancelRequested" | "PauseRequested" | "UndoRequested":
                word = event.type.removesuffix("Requested").lower()
                yield f"{who} asked to {word} it: {body['reason']}"

    def _people(self, event: Event) -> Iterator[str]:
        body, made = event.body, self.made
        match event.type:
            case "EscalationStarted" if body.get("question"):
                self.steps[body["escalation"]] = body
            case "EscalationStarted":
                yield f"People are called: {body['why']}"
            case "LevelDue":
                yield from _unknown(body)
            case "TellStarted":
                self.steps[f"{body['key']}"] = body
            case "Told":
                yield from self._told_of(self.steps.get(body["key"], {}), event.at_us)
            case "TellFailed":
                yield from self._untold(self.steps.get(body["key"], {}), body)
            case "QuestionClosed" if body["word"] == "expired":
                yield f"Nobody answered in time: {self._question(body)}"
            case "Acknowledged":
                note = f": {body['note']}" if body.get("note") else ""
                made.taken_us = made.taken_us or event.at_us
                via = f" by {body['via']}" if body.get("via") else ""
                yield f"{spoken(event.actor)} took it{via}{note}"
            case "EscalationExhausted" | "EscalationReopened":
                yield f"{CALLING[event.type]}: {body['why']}"

    def _told_of(self, told: Mapping[str, Any], at_us: int) -> Iterator[str]:
        made, name, channel = self.made, told.get("name"), told.get("channel")
        if told.get("kind") == "page":
            line = f"{name} was told by {channel}"
            made.told.append(line)
            made.told_us = made.told_us or at_us
            yield f"Team notified: {line}"
        elif told.get("kind") == "question":
            asked = (name, channel, told.get("escalation"))
            word = " again" if asked in self.asked else ""
            self.asked.add(asked)
            whom = f"{name} was asked{word} by {channel}"
            if name == channel:
                whom = f"Asked{word} at {'the ' if channel == CONSOLE else ''}{channel}"
            yield f"{whom}: {self._question(told)}"

    def _untold(self, told: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[str]:
        name, channel = told.get("name"), told.get("channel")
        if body["doubt"]:
            self.made.doubts.append(f"whether {name} was told by {channel}: {body['why']}")
        elif body["next_us"] is None and not body["dropped"]:
            yield f"{name} was not reached by {channel}: {body['why']}"

    def _question(self, body: Mapping[str, Any]) -> str:
        """What was asked, of an event that names the question."""
        return str(self.steps.get(body["escalation"], {}).get("message") or body["escalation"])

    def _finished(self, body: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
        step = self.steps.get(body["path"], body)
        kind, status = step.get("kind"), body["status"]
        self.begun.pop(body["path"], None)
        if kind not in SHOWN_STEPS or status == "skipped":
            return
        why = plainly(map(str, body["why"]))
        facts = self.facts(body.get("extracted") or (body.get("outcome") or {}).get("result"))
        line = f"{self._title(body)} {SIGNS.get(status, status)}"
        line += f" ({facts})" if facts else ""
        line += f": {why}" if why else ""
        if status == "unknown":
            self.made.doubts.append(line_of(line))
        if kind == "action" and status in ("passed", "unknown"):
            target = (step.get("plan") or {}).get("target")
            self.made.done.append(line_of(f"{line}{f' (on {target})' if target else ''}"))
        elif kind == "action" and (body.get("outcome") or {}).get("error"):
            self.made.not_done.append(line_of(line))
        elif kind == "check":
            self.made.found.append(line_of(line))
        if kind != "escalate" or status != "passed":  # who was told says more
            head = {"check": "Found", "action": "Changed"}.get(str(kind), "People")
            head = "Not done" if kind == "action" and status in ("failed", "errored") else head
            head = "Not certain" if status == "unknown" else head
            head = "Would be done" if status == "previewed" else head
            yield f"{head}: {line}", kind == "check" and status == "passed"

    def _settled(self, body: Mapping[str, Any], who: str) -> None:
        made, title = self.made, self._title(body)
        made.doubts.append(line_of(f"{who} settled it: {title}: {body['reason']}"))
        self._add([title], f"; {who} settled it: it {SETTLED[body['happened']]}")

    def _add(self, titles: Sequence[str], word: str) -> None:
        """Adds to what was done what became of it."""
        words = (SIGNS["passed"], SIGNS["unknown"])
        begins = tuple(f"{title} {word}" for title in titles for word in words)
        self.made.done = [f"{one}{word * one.startswith(begins)}" for one in self.made.done]

    def _title(self, body: Mapping[str, Any]) -> str:
        path = str(body.get("path", ""))
        step = self.steps.get(path, body)
        title = str(step.get("title") or step.get("id") or path)
        probe = PROBE.fullmatch(path)
        if probe is not None and title == step.get("id"):
            title = f"The probe of {self._title({'path': probe[1]})}"
        return title if self.named.setdefault(title, path) == path else f"{title} ({path})"


def _acted(body: Mapping[str, Any]) -> bool:
    """Whether this is an action of ours: of what people do only they know whether it is begun."""
    return body.get("kind") == "action" and not (body.get("plan") or {}).get("asks")


def _unknown(body: Mapping[str, Any]) -> Iterator[str]:
    """Of a level: of which rotas it was not known who is on call."""
    for fact in body.get("on_call", ()):
        if fact["trouble"]:
            yield f"Who is on call in {fact['rota']} is not known: {fact['trouble']}"
