"""What a run looks like so far: its events folded into a tree of rows, one for each step.

Pure: knows no clock and no terminal. `live` makes lines of it for a screen, `plain` for a log,
`watch` and `audit show` use the same words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from engine.cli.calls import would_ask, would_call
from engine.core.brief import brief, named_fields, show
from engine.core.cells import clean
from engine.core.events import SETTLED, Event, spoken
from engine.journal.calls import Calls

DONE_WORDS = frozenset({"passed", "warning", "failed", "errored", "skipped"})
BAD_WORDS = frozenset({"failed", "errored", "in doubt"})
CONTAINERS = frozenset({"choose", "parallel", "each", "group", "runbook"})

_ITEM = re.compile(r"item-(\d+)")


class Row(Struct):
    """A step as a person sees it. `word` is its status in a word, one of `text`'s symbols."""

    path: str
    id: str
    kind: str
    title: str
    started_us: int
    word: str = "running"
    attempt: int = 1
    finished_us: int | None = None
    found: str = ""
    """What it found, or why it did not do; in a few words."""
    details: list[str] = field(default_factory=list)
    """Further lines of why, only for what needs a person's eye."""
    progress: str = ""
    again_us: int | None = None
    """When it is tried again, where that is known."""
    again: bool = False
    until_us: int | None = None
    """Of a wait: when it is over."""
    asks: bool = False
    """A question to a person."""
    answered: int = 0
    """The attempt to which somebody answered: who comes behind them changes nothing."""
    approval: str = ""
    """Whose approval it waits for, and how to give it."""
    type: str = ""
    plan: Mapping[str, Any] = field(default_factory=dict)
    parent: Row | None = None
    children: list[Row] = field(default_factory=list)
    depth: int = 0
    given: bool = False
    """Its lines were handed out for good."""

    @property
    def done(self) -> bool:
        return self.word in DONE_WORDS

    @property
    def heading(self) -> bool:
        """Stands for an item of an `each`: it has no status of its own."""
        return self.kind == "item"


class Rows:
    """The rows of one run. `apply` takes its events in order; one seen before changes nothing."""

    def __init__(self) -> None:
        self.top: list[Row] = []
        self.bad: list[Row] = []
        """Steps that failed, errored or are in doubt, in the order that it became known."""
        self.run = ""
        self.name = ""
        self.rehearsing = False
        self.environment = ""
        self.actor = ""
        self.started_us = 0
        self.last_us = 0
        self.cancelled_by = ""
        self.finished: Mapping[str, Any] | None = None
        self.seq = 0
        self.calls = Calls()
        self._by_path: dict[str, Row] = {}
        self._named: Mapping[str, int] = {}

    def apply(self, event: Event) -> Row | None:
        """Takes an event in; the row it was about, if it was about one."""
        if event.seq <= self.seq:
            return None
        self.seq, self.last_us = event.seq, event.at_us
        self.calls.apply(event)
        apply = _APPLY.get(event.type)
        return apply(self, event, event.body) if apply else None

    @property
    def over(self) -> bool:
        """It ended, and calls nobody any more."""
        return self.finished is not None and not self.calls.calling()

    def find(self, path: str) -> Row | None:
        return self._by_path.get(path)

    def open_questions(self) -> list[Row]:
        return [row for row in self._by_path.values() if row.asks and not row.done]

    def in_doubt(self) -> list[Row]:
        return [row for row in self._by_path.values() if row.word == "in doubt"]

    def forget(self, row: Row) -> None:
        """Drops a top row whose lines were shown for good; its status stays known."""
        self.top = [other for other in self.top if other is not row]
        _give(row)

    # What each event means. All take the event and its body.

    def on_run_started(self, event: Event, body: Mapping[str, Any]) -> None:
        self.run, self.name = event.run, str(body.get("name", ""))
        self.environment = str(body.get("environment", ""))
        self.actor = clean(spoken(event.actor))
        self.rehearsing = body.get("mode") == "rehearsal"
        self.started_us = event.at_us
        self._named = named_fields(str(text) for text in dict(body.get("texts") or {}).values())

    def on_step_started(self, event: Event, body: Mapping[str, Any]) -> Row:
        path = str(body["path"])
        row = self._by_path.get(path)
        if row is None:
            row = self._add(path, event.at_us, body)
        row.attempt = int(body.get("attempt", 1))
        row.word, row.again, row.again_us, row.progress = "running", False, None, ""
        row.approval = ""
        self.bad = [bad for bad in self.bad if bad is not row]
        plan = body.get("plan")
        if isinstance(plan, Mapping):
            self._plan(row, plan)
        return row

    def _add(self, path: str, at_us: int, body: Mapping[str, Any]) -> Row:
        kind, name = str(body.get("kind", "")), str(body.get("id") or path.rpartition("/")[2])
        made = name.startswith(f"{kind}-")
        title = clean(str(body.get("title") or (kind if made else name)))
        row = Row(path, name, kind, title, at_us)
        self._by_path[path] = row
        self._hang(row, self._parent(path, at_us))
        return row

    def _hang(self, row: Row, parent: Row | None) -> None:
        """Puts a row below its parent; below the last line when the parent's lines are given
        already."""
        row.parent = parent
        row.depth = parent.depth + 1 if parent else 0
        (self.top if parent is None or parent.given else parent.children).append(row)

    def _parent(self, path: str, at_us: int) -> Row | None:
        """The nearest row this path lies in; of an `each`, the heading of the item."""
        above = path
        while "/" in above:
            above = above.rpartition("/")[0]
            row = self._by_path.get(above)
            if row is None:
                continue
            inside = path[len(above) + 1 :].partition("/")[0]
            item = _ITEM.fullmatch(inside)
            if row.kind == "each" and item:
                return self._item(row, int(item.group(1)), f"{above}/{inside}", at_us)
            return row
        return None

    def _item(self, each: Row, number: int, path: str, at_us: int) -> Row:
        items = each.plan.get("items")
        count = len(items) if isinstance(items, list) else 0
        value = show(items[number - 1]) if isinstance(items, list) and number <= count else ""
        title = f"{number} of {count}: {value}" if value else f"item {number}"
        row = Row(path, path.rpartition("/")[2], "item", title, at_us)
        self._by_path[path] = row
        self._hang(row, each)
        return row

    def _plan(self, row: Row, plan: Mapping[str, Any]) -> None:
        row.plan = plan
        row.type = str(plan.get("type", ""))
        by_hand = "asks" in plan or row.type.startswith("human.")
        row.asks = (by_hand or plan.get("wait") == "acknowledged") and not self.rehearsing
        if isinstance(plan.get("until_us"), int):
            row.until_us = plan["until_us"]
        if row.kind == "choose":
            row.found = _way(plan)
        elif row.kind == "each" and isinstance(plan.get("items"), list):
            row.found = f"{len(plan['items'])} items"
        elif row.kind == "parallel" and isinstance(plan.get("branches"), int):
            row.found = f"{plan['branches']} branches"
        elif row.kind == "escalate":
            row.found = clean(str(plan.get("message") or "").strip())

    def on_step_progressed(self, _: Event, body: Mapping[str, Any]) -> Row | None:
        row = self._by_path.get(str(body["path"]))
        if row is not None:
            row.progress = clean(str(body.get("text", "")))
        return row

    def on_attempt_finished(self, _: Event, body: Mapping[str, Any]) -> Row | None:
        row = self._by_path.get(str(body["path"]))
        if row is not None:
            row.again, row.progress = True, ""
            row.again_us = body["next_us"] if isinstance(body.get("next_us"), int) else None
            row.found = _first(why_lines(body)) or self._found(body)
        return row

    def on_step_finished(self, event: Event, body: Mapping[str, Any]) -> Row | None:
        row = self._by_path.get(str(body["path"]))
        if row is None:
            row = self._add(str(body["path"]), event.at_us, body)
        row.word = word_of(body)
        if row.word == "skipped" and _ended_in(row):
            row.word = "passed"
        row.finished_us, row.again, row.progress = event.at_us, False, ""
        why = why_lines(body)
        if row.word in BAD_WORDS:
            row.found, row.details = _first(why), why[1:]
            self.bad.append(row)
        elif row.word == "warning":
            warnings = [clean(str(line)) for line in body.get("warnings") or ()]
            row.found, row.details = _first(warnings), warnings[1:]
        elif row.word == "skipped":
            row.found = _first(why)
        elif row.word == "previewed" and row.kind == "escalate":
            row.details = would_call(body)
        elif row.kind not in CONTAINERS and row.kind not in ("wait", "escalate"):
            row.found = self._found(body) or row.found
        row.details = [*row.details, *would_ask(body)]
        return row

    def _found(self, body: Mapping[str, Any]) -> str:
        extracted = body.get("extracted")
        if extracted:
            return brief(extracted)
        result = (body.get("outcome") or {}).get("result")
        if body.get("status") == "previewed" and isinstance(result, Mapping):
            return clean(str((result.get("preview") or {}).get("text") or ""))
        return brief(result, self._named)

    def on_step_skipped(self, event: Event, body: Mapping[str, Any]) -> Row:
        path = str(body["path"])
        row = self._by_path.get(path) or self._add(path, event.at_us, body)
        row.word, row.finished_us = "skipped", event.at_us
        row.found = clean(str(body.get("why") or ""))
        return row

    def on_answered(self, event: Event, body: Mapping[str, Any]) -> Row | None:
        row = self._by_path.get(str(body.get("path")))
        if row is not None and row.answered < row.attempt:
            row.answered = row.attempt
            who = clean(spoken(event.actor))
            note = clean(str(body.get("note") or ""))
            row.found = f"{who} answered {body.get('answer')}" + (f": {note}" if note else "")
        return row

    def on_settled(self, event: Event, body: Mapping[str, Any]) -> Row | None:
        row = self._by_path.get(str(body.get("path")))
        if row is not None and row.word == "in doubt":
            who = clean(spoken(event.actor))
            row.word = "passed" if body.get("happened") else "running"
            word = SETTLED[body.get("happened")]
            row.found, row.details = f"{who} settled it: it {word}", []
            row.finished_us = event.at_us
            self.bad = [bad for bad in self.bad if bad is not row]
        return row

    def on_approval_requested(self, event: Event, body: Mapping[str, Any]) -> Row:
        path = str(body["path"])
        row = self._by_path.get(path) or self._add(path, event.at_us, body)
        by = ", ".join(map(str, body.get("by") or ())) or "anybody but who started it"
        until = body.get("expires_us")
        within = f" until {clock_time(until, event.at_us)}" if isinstance(until, int) else ""
        row.approval = (
            f"{body.get('count')} of {by}{within}: runbook approve {event.run} {path} --reason ..."
        )
        row.plan, row.type = dict(body.get("plan") or {}), str(body["plan"].get("type", ""))
        return row

    def on_decided(self, event: Event, body: Mapping[str, Any]) -> Row | None:
        row = self._by_path.get(str(body.get("path")))
        if row is not None:
            who = clean(spoken(event.actor))
            reason = clean(str(body.get("reason") or body.get("why") or ""))
            word = _DECIDED[event.type]
            row.found = f"{who} {word}: {reason}" if event.type != "ApprovalExpired" else reason
        return row

    def on_cancel_requested(self, event: Event, _: Mapping[str, Any]) -> None:
        self.cancelled_by = self.cancelled_by or clean(spoken(event.actor))

    def on_run_finished(self, _: Event, body: Mapping[str, Any]) -> None:
        self.finished = body


_DECIDED: Mapping[str, str] = {
    "Approved": "approved it",
    "Denied": "denied it",
    "ApprovalRefused": "tried to decide it, which does not count",
    "ApprovalExpired": "",
}


def clock_time(at_us: int, of_us: int | None = None) -> str:
    """The time of day where the person sits, and the day where it is not that of `of_us`."""
    at = datetime.fromtimestamp(at_us / 1e6).astimezone()
    day = of_us is None or datetime.fromtimestamp(of_us / 1e6).astimezone().date() == at.date()
    return at.strftime("%H:%M:%S" if day else "%a %Y-%m-%d %H:%M:%S")


_APPLY: Mapping[str, Any] = {
    "RunStarted": Rows.on_run_started,
    "StepStarted": Rows.on_step_started,
    "StepProgressed": Rows.on_step_progressed,
    "AttemptFinished": Rows.on_attempt_finished,
    "StepFinished": Rows.on_step_finished,
    "StepSkipped": Rows.on_step_skipped,
    "Answered": Rows.on_answered,
    "DoubtSettled": Rows.on_settled,
    "ApprovalRequested": Rows.on_approval_requested,
    "Approved": Rows.on_decided,
    "Denied": Rows.on_decided,
    "ApprovalRefused": Rows.on_decided,
    "ApprovalExpired": Rows.on_decided,
    "CancelRequested": Rows.on_cancel_requested,
    "RunFinished": Rows.on_run_finished,
}


def _give(row: Row) -> None:
    row.given = True
    for child in row.children:
        _give(child)


def _ended_in(row: Row) -> bool:
    """Whether an `end` was reached inside: its containers were left early, not passed over."""
    return any(child.kind == "end" or _ended_in(child) for child in row.children)


def word_of(body: Mapping[str, Any]) -> str:
    """The word for how a step ended: its status, `warning` where it passed with one, `in doubt`."""
    status = str(body.get("status"))
    if status == "passed" and body.get("warnings"):
        return "warning"
    return "in doubt" if status == "unknown" else status


def why_lines(body: Mapping[str, Any]) -> list[str]:
    """Why a step ended as it did: the lines of the judgement, or the error with its help."""
    lines = [clean(str(line)) for line in body.get("why") or ()]
    error = (body.get("outcome") or {}).get("error")
    if isinstance(error, Mapping):
        message = clean(str(error.get("message") or ""))
        if message and not any(message in line for line in lines):
            lines.insert(0, message)
        if error.get("help"):
            lines.append(f"help: {clean(str(error['help']))}")
    return lines


def _way(plan: Mapping[str, Any]) -> str:
    if plan.get("way") is None:
        return "no way holds"
    name = clean(str(plan.get("name") or ""))
    return f"takes {name}" if name else f"takes way {plan['way']}"


def _first(lines: list[str]) -> str:
    return lines[0] if lines else ""
