"""What the list of runs shows of a run, folded from its events one at a time. Pure.

It answers one question without reading a run: how is it? `status` is the outcome once the run is
finished (`refused` where a guard was against it); `queued` while it waits in line for a lock; `in
doubt` while a step that ended *unknown* is not settled; `waiting` while a question to a person is
not answered, or an action is not approved and begun; else `running` (whether somebody drives it is
what the lease says).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.core.events import Event

RUNNING, WAITING, IN_DOUBT, QUEUED, REFUSED = "running", "waiting", "in doubt", "queued", "refused"


class Summary(NamedTuple):
    """A run as its events so far tell it. `doubts` and `questions` are paths of steps, sorted."""

    name: str = ""
    environment: str = ""
    mode: str = ""
    actor: str = ""
    started_us: int = 0
    finished_us: int | None = None
    outcome: str | None = None
    because: str | None = None
    doubts: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    queued: bool = False

    @property
    def status(self) -> str:
        if self.outcome is not None:
            return self.outcome
        if self.queued:
            return QUEUED
        if self.doubts:
            return IN_DOUBT
        return WAITING if self.questions else RUNNING


NOTHING = Summary()
"""Before the first event."""


def advance(summary: Summary, event: Event) -> Summary:
    """The summary after one more event; the same object where the event changes nothing in it."""
    body, path = event.body, str(event.body.get("path", ""))
    match event.type:
        case "RunStarted":
            return _started(summary, event)
        case "RunQueued":
            return _started(summary, event)._replace(queued=True)
        case "RunRefused":
            known = summary if summary.queued else _started(summary, event)
            refused = {"outcome": REFUSED, "because": body.get("reason")}
            return _finished(known, event.at_us, refused)
        case "StepStarted" | "StepFinished" | "StepSkipped" | "AttemptFinished" | "DoubtSettled":
            doubt = event.type == "StepFinished" and body.get("status") == "unknown"
            question = event.type == "StepStarted" and is_question(body.get("plan"))
            return _mark(summary, path, doubt=doubt, question=question)
        case "ApprovalRequested":
            return _mark(summary, path, doubt=path in summary.doubts, question=True)
        case "Answered":
            return _mark(summary, path, doubt=path in summary.doubts, question=False)
        case "RunFinished":
            return _finished(summary, event.at_us, body)
        case _:
            return summary


def is_question(plan: Any) -> bool:
    """Whether a plan waits for a person: a question, an escalation to be acknowledged."""
    if not isinstance(plan, Mapping):
        return False
    return "asks" in plan or ("policy" in plan and plan.get("wait") == "acknowledged")


def _started(summary: Summary, event: Event) -> Summary:
    body = event.body
    return summary._replace(
        name=str(body.get("name", "")),
        environment=str(body.get("environment", "")),
        mode=str(body.get("mode", "")),
        actor=event.actor.get("name", ""),
        started_us=event.at_us,
        queued=False,
    )


def _finished(summary: Summary, at_us: int, body: Mapping[str, Any]) -> Summary:
    because = body.get("because")
    if verdict := body.get("verdict"):  # of a rehearsal: that is what people ask of it
        because = " ".join(str(verdict[key]) for key in ("word", "at") if verdict.get(key))
    return summary._replace(
        queued=False,
        finished_us=at_us,
        outcome=str(body.get("outcome", "")),
        because=None if because is None else str(because),
    )


def _mark(summary: Summary, path: str, *, doubt: bool, question: bool) -> Summary:
    doubts = _with(summary.doubts, path, doubt)
    questions = _with(summary.questions, path, question)
    if doubts is summary.doubts and questions is summary.questions:
        return summary
    return summary._replace(doubts=doubts, questions=questions)


def _with(paths: tuple[str, ...], path: str, wanted: bool) -> tuple[str, ...]:
    if (path in paths) == wanted:
        return paths
    return tuple(sorted({*paths, path} if wanted else {*paths} - {path}))
