"""What people would be told of the questions that a run of a runbook can ask: for the preview of
messages. Of their parameters what is known before a run gets there is filled in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from engine.core.approval import Approval
from engine.core.escalation import question_key
from engine.core.questions import sentence, who_may
from engine.core.state import State
from engine.core.summons import QUESTIONS, Escalation
from engine.core.tree import Block, Body, Frame, Scope, StepState
from engine.core.words import words
from engine.language.duration import format_duration
from engine.language.model import Approve, Call, Runbook, Template, walk_runbook
from engine.runner.wording import Said, said
from engine.wiring.admission import called
from engine.wiring.calling import Directory
from engine.wiring.preview_words import foretold


class Put(NamedTuple):
    """A question as it would be put to one recipient."""

    one: Escalation
    level: Mapping[str, Any]
    when: str
    recipient: dict[str, Any]
    said: Said
    nobody: tuple[str, ...]
    """Who may answer and is not told."""
    by: tuple[str, ...]
    """The channels by which this recipient could be told; a place is told itself, once."""


WHEN: Mapping[str, str] = {
    "approve": "when `{title}` waits for approval",
    "confirm": "when `{title}` waits for an answer",
    "do": "when `{title}` is to be done by hand",
    "doubt": "when nobody knows whether `{title}` happened",
}


def puts(state: State, directory: Directory, autonomy: str) -> Iterator[Put]:
    """All questions of a runbook and those it calls; of doubts one, of the first
    action that is likely to come to that.
    """
    how = (state.telling or {}).get("questions")
    if how is None:
        return
    doubtful: StepState | None = None
    worst = 0
    for book in called(state.runbook):
        for entry in walk_runbook(book):
            if not isinstance(entry, Call):
                continue
            step = _step(book, entry, Foretold(book, state.environment, book is state.runbook))
            kind = _kind(entry, autonomy)
            if kind is not None:
                yield from _put(state, directory, step, kind)
            if kind != "do" and _doubtful(entry) > worst:
                doubtful, worst = step, _doubtful(entry)
    if doubtful is not None:
        yield from _put(state, directory, doubtful, "doubt")


def _doubtful(entry: Call) -> int:
    """How likely somebody is asked whether it happened: not of what leaves no trace outside, and
    seldom of what may be done twice, which is done again first.
    """
    if entry.verb != "action" or entry.signature.asks_person or not _reaches_out(entry):
        return 0
    declared = entry.idempotent
    twice = entry.signature.effect == "idempotent" if declared is None else declared
    return 1 if twice else 2


def _reaches_out(entry: Call) -> bool:
    """Notes that a run writes about itself change nothing but the run."""
    return not entry.type.startswith("run.")


def _kind(entry: Call, autonomy: str) -> str | None:
    if entry.signature.asks_person:
        return "confirm" if entry.verb == "check" else "do"
    if entry.verb == "check":
        return None
    if entry.approve is not None or autonomy == "propose":
        return "approve"
    return "do" if autonomy == "guide" else None


class Foretold(NamedTuple):
    """In which runbook something is written, and where it would run. `own`: as in `foretold`."""

    book: Runbook
    environment: str
    own: bool


def _step(book: Runbook, entry: Call, place: Foretold) -> StepState:
    """A step as it would be, with what is known of its parameters."""
    frame = Frame(book, {})
    body = Body(None, frame, Scope(frame))
    step = StepState(entry.id, entry, Block("", (entry,), body.scope, body))
    step.plan = {
        "type": entry.type,
        "target": entry.target,
        "params": _written(entry.params, place),
    }
    step.plan = {**step.plan, "fingerprint": None, "max_affected": entry.max_affected}
    return step


def _written(value: Any, place: Foretold) -> Any:
    if isinstance(value, Template):
        return foretold(value, place.book, place.environment, own=place.own)
    if isinstance(value, Mapping):
        return {name: _written(one, place) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_written(one, place) for one in value]
    return value


def _put(state: State, directory: Directory, step: StepState, kind: str) -> Iterator[Put]:
    how = (state.telling or {})["questions"]
    asked: dict[str, Any] = {"path": step.path, "kind": kind, "attempt": 0}
    if kind == "approve":
        asks = getattr(step.entry, "approve", None) or Approve(by=())
        why = "approve" if getattr(step.entry, "approve", None) is not None else "propose"
        step.approval = Approval("", asks.by, asks.count, asks.reason_min, None, why=why)
        asked["reason_min"] = asks.reason_min
        within_s = asks.within_s
        asked["expires_us"] = None if within_s is None else state.now_us + round(within_s * 1e6)
    asked["who"] = who_may(state, kind, step, how)
    level = {"who": asked["who"], "by": how["by"], "after_us": 0, "unless": "answered"}
    level |= {"every_us": how["every_us"], "times": how["times"]}
    one = Escalation(question_key(step.path, 1), QUESTIONS, (level,), sentence(kind, step), 0)
    one.question = asked
    state.escalations[one.key], state.steps[step.path] = one, step
    body = {"escalation": one.key, "level": 1, "round": 1, "who": asked["who"], "by": how["by"]}
    due = directory.called(state, body)
    told = said(directory, words(state, one.key, 1), "question")
    when = WHEN[kind].format(title=step.title)
    when += f" + {format_duration(how['after_us'] / 1e6)}" if how["after_us"] else ""
    places = {recipient["id"] for recipient in due["recipients"]}
    by = tuple(name for name in how["by"] if name not in places)
    for recipient in due["recipients"]:
        yield Put(one, level, when, recipient, told, tuple(due["nobody"]), by)
    del state.escalations[one.key], state.steps[step.path]
