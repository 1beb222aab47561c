"""The post-mortem of a run, as far as its trail can fill it in: what happened when, who did what,
what was changed, what was in doubt. What only people know is left to them, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from engine.clock import to_datetime, to_iso
from engine.core.events import SETTLED, Event
from engine.language.duration import format_duration
from engine.language.model import Runbook

YOURS = "[yours to write]"
"""Marks what only people can say."""

TEXT_MAX_CHARS = 300
"""Of a line of the report: the trail has the whole."""

SHOWN_STEPS = ("check", "action", "escalate")
"""Kinds of steps that stand in the time-line; the others only hold these."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the time-line."""

    at_us: int
    what: str


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
    responders: list[str] = field(default_factory=list)
    timeline: list[Moment] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def duration(self) -> str:
        if self.ended_us is None:
            return "open"
        minutes = round((self.ended_us - self.started_us) / 6e7)
        return f"{minutes // 60:02}:{minutes % 60:02}"

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "report",
            "run": self.run,
            "runbook": self.runbook,
            "title": self.title,
            "environment": self.environment,
            "severity": self.severity,
            "mode": self.mode,
            "started": to_iso(self.started_us),
            "ended": to_iso(self.ended_us) if self.ended_us is not None else None,
            "duration": self.duration,
            "outcome": self.outcome,
            "because": self.because,
            "trigger": self.trigger,
            "responders": self.responders,
            "timeline": [{"at": to_iso(m.at_us), "what": m.what} for m in self.timeline],
            "found": self.found,
            "done": self.done,
            "in_doubt": self.doubts,
            "told": self.told,
            "yours": list(PEOPLES),
        }


PEOPLES = (
    "Root Cause", "Users affected", "Data loss", "What went well", "What went poorly",
    "Where we got lucky", "Action Items",
)  # fmt: skip
"""Parts that no trail knows."""


def post_mortem(events: Sequence[Event], runbook: Runbook) -> PostMortem:
    """The report of a run, from its events."""
    first, body = events[0], events[0].body
    end = next((e for e in reversed(events) if e.type in ("RunFinished", "RunRefused")), None)
    made = PostMortem(
        run=first.run,
        runbook=str(body["name"]),
        title=runbook.title,
        environment=str(body["environment"]),
        severity=runbook.severity,
        started_us=first.at_us,
        ended_us=end.at_us if end is not None else None,
        outcome=str(end.body.get("outcome", "refused")) if end is not None else "open",
        because=(end.body.get("because") or end.body.get("reason")) if end is not None else None,
        trigger=_trigger(first),
        mode=str(body["mode"]),
    )
    _Reader(made).read(events)
    return made


def _trigger(first: Event) -> str:
    if first.body.get("event") is not None:
        return "an event from outside"
    return f"{first.actor['name']} by hand"


class _Reader:
    """Reads the events into the report."""

    def __init__(self, made: PostMortem) -> None:
        self.made = made
        self.steps: dict[str, Mapping[str, Any]] = {}

    def read(self, events: Sequence[Event]) -> None:
        made = self.made
        begins = f"Incident detected: {made.title} started by {made.trigger}"
        made.timeline.append(Moment(made.started_us, begins))
        for event in events:
            actor = event.actor
            if actor.get("means") not in ("engine", None) and actor["name"] not in made.responders:
                made.responders.append(actor["name"])
            for what in self._told(event):
                made.timeline.append(Moment(event.at_us, what[:TEXT_MAX_CHARS]))

    def _told(self, event: Event) -> Iterator[str]:
        body, who = event.body, event.actor.get("name", "")
        match event.type:
            case "StepStarted" | "ApprovalRequested":
                self.steps[body["path"]] = body
            case "StepFinished":
                yield from self._finished(body)
            case "DoubtSettled":
                yield f"{who} settled {body['path']}: it {SETTLED[body['happened']]}"
            case "Approved" | "Denied":
                yield f"{who} {event.type.lower()} {self._title(body)}: {body['reason']}"
            case "Answered":
                note = f": {body['note']}" if body.get("note") else ""
                yield f"{who} answered {body['answer']} to {self._title(body)}{note}"
            case "CancelRequested" | "PauseRequested" | "UndoRequested":
                word = event.type.removesuffix("Requested").lower()
                yield f"{who} asked to {word} it: {body['reason']}"
            case "RunTakenUp" if body["interrupted"]:
                yield f"Taken up again; cut short were {', '.join(body['interrupted'])}"
            case "RunFinished":
                because = f": {body['because']}" if body["because"] else ""
                word = "Incident resolved" if body["outcome"] == "resolved" else "Ended"
                yield f"{word} ({body['outcome']}){because}"
            case _:
                yield from self._people(event)

    def _people(self, event: Event) -> Iterator[str]:
        body = event.body
        match event.type:
            case "EscalationStarted" if body.get("question"):
                self.steps[body["escalation"]] = body
            case "QuestionClosed" if body["word"] == "expired":
                yield f"Nobody answered in time: {self._asked(body)}"
            case "LevelDue":
                yield from _unknown(body)
            case "TellStarted":
                self.steps[f"{body['key']}"] = body
            case "Told":
                yield from self._out(self.steps.get(body["key"], {}))
            case "TellFailed" if body["doubt"]:
                told = self.steps.get(body["key"], {})
                line = f"whether {told.get('name')} was told by {told.get('channel')}"
                self.made.doubts.append(f"{line}: {body['why']}")
            case "Acknowledged":
                note = f": {body['note']}" if body.get("note") else ""
                yield f"{event.actor['name']} took it{note}"
            case "EscalationExhausted" | "EscalationReopened":
                yield f"Escalation {body['escalation']}: {body['why']}"

    def _out(self, told: Mapping[str, Any]) -> Iterator[str]:
        if told.get("kind") == "page":
            line = f"{told['name']} was told by {told['channel']}"
            self.made.told.append(line)
            yield f"Team notified: {line}"
        if told.get("kind") == "question":
            whom = f"{told['name']} was asked by {told['channel']}"
            at_console = told["name"] == told["channel"]
            whom = f"Asked at the {told['channel']}" if at_console else whom
            yield f"{whom}: {self._asked(told)}"

    def _asked(self, body: Mapping[str, Any]) -> str:
        """What was asked, of an event that names the question."""
        return str(self.steps.get(body["escalation"], {}).get("message") or body["escalation"])

    def _finished(self, body: Mapping[str, Any]) -> Iterator[str]:
        step = self.steps.get(body["path"], body)
        kind = step.get("kind")
        if kind not in SHOWN_STEPS:
            return
        why = f": {'; '.join(body['why'])}" if body["why"] else ""
        line = f"{self._title(body)} {body['status']}{why}"
        if body["status"] == "unknown":
            self.made.doubts.append(line)
        if kind == "action" and body["status"] in ("passed", "unknown"):
            target = (step.get("plan") or {}).get("target")
            self.made.done.append(f"{line}{f' (on {target})' if target else ''}")
        elif kind == "check" and body["status"] != "skipped":
            self.made.found.append(line)
        if body["status"] != "skipped":
            yield line

    def _title(self, body: Mapping[str, Any]) -> str:
        step = self.steps.get(body.get("path", ""), body)
        return str(step.get("title") or step.get("id") or body.get("path"))


def markdown(made: PostMortem) -> str:
    """The report in the form of the post-mortem template."""
    day = to_datetime(made.started_us).strftime("%Y-%m-%d")
    lines = [
        f"# Post-Mortem: {made.title}",
        "",
        f"**Date**: {day} (times are UTC)",
        f"**Duration**: {made.duration}",
        f"**Severity**: {made.severity or YOURS}",
        f"**Responders**: {', '.join(made.responders) or YOURS}",
        f"**Run**: {made.run} of {made.runbook} in {made.environment}, {made.mode}",
        "",
        "## Summary",
        _summary(made),
        YOURS,
        "",
        "## Timeline",
        *[f"- {to_datetime(m.at_us):%H:%M} - {m.what}" for m in made.timeline],
        "",
        "## Root Cause",
        YOURS,
        "",
        "## Impact",
        f"- Users affected: {YOURS}",
        f"- Downtime: {YOURS} (the run was open for {_open(made)})",
        f"- Data loss: {YOURS}",
        "",
        "## Resolution",
        *([f"- {line}" for line in made.done] or ["- The runbook changed nothing"]),
    ]
    if made.doubts:
        lines += ["", "## In doubt", *[f"- {line}" for line in made.doubts]]
    lines += [
        "",
        "## Lessons Learned",
        f"- What went well: {YOURS}",
        f"- What went poorly: {YOURS}",
        f"- Where we got lucky: {YOURS}",
        "",
        "## Action Items",
        *[
            f"- [ ] {what} (Owner: {YOURS}, Due: {YOURS})"
            for what in ("Fix root cause", "Add monitoring", "Update runbook")
        ],
    ]
    return "\n".join(lines) + "\n"


def _summary(made: PostMortem) -> str:
    because = f": {made.because}" if made.because else ""
    return f"{made.runbook} was started by {made.trigger} and is {made.outcome}{because}."


def _open(made: PostMortem) -> str:
    if made.ended_us is None:
        return "a time that is not over"
    return format_duration(round((made.ended_us - made.started_us) / 1e6))


def html(made: PostMortem) -> str:
    """The same as a page without scripts, to be kept or mailed."""
    body: list[str] = []
    items: list[str] = []
    for line in [*markdown(made).splitlines(), ""]:
        text = escape(line).replace(YOURS, f"<mark>{escape(YOURS)}</mark>")
        if line.startswith("- "):
            items.append(f"<li>{text[2:]}</li>")
            continue
        if items:
            body.append(f"<ul>{''.join(items)}</ul>")
            items = []
        if line.startswith("## "):
            body.append(f"<h2>{text[3:]}</h2>")
        elif line.startswith("# "):
            body.append(f"<h1>{text[2:]}</h1>")
        elif line.startswith("**"):
            name, _, rest = text[2:].partition("**")
            body.append(f"<p><b>{name}</b>{rest}</p>")
        elif line:
            body.append(f"<p>{text}</p>")
    head = f'<meta charset="utf-8"><title>Post-Mortem: {escape(made.title)}</title>'
    return (
        f"<!doctype html>\n<html><head>{head}</head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _unknown(body: Mapping[str, Any]) -> Iterator[str]:
    """Of a level: of which rotas it was not known who is on call."""
    for fact in body.get("on_call", ()):
        if fact["trouble"]:
            yield f"Who is on call in {fact['rota']} is not known: {fact['trouble']}"
