"""Questions that people are told of: which are asked now, and what became of them.

A question (an approval, something to confirm or to do, a doubt to settle) is an escalation of its
own kind, `ask:<path>#<n>`: one level, told again as often as the contacts say, that is needless as
soon as the question is answered. Nothing waits for it: what it says of the end of its question
follows from the step alone. Those who were told hear once what became of it.

A run that was told nothing of `questions` when it began tells nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.core.approval import Approval
from engine.core.effects import Decision, Question, Record
from engine.core.escalation import question_key
from engine.core.events import closing
from engine.core.state import State
from engine.core.summons import QUESTIONS, Escalation
from engine.core.tree import StepState
from engine.language.model import Call


def ask(state: State, out: Decision) -> None:
    """Whoever may answer is told of what is asked now; what is not asked any more is closed."""
    how = (state.telling or {}).get("questions")
    if how is None:
        return
    asked = {one.question["path"]: one for one in state.escalations.values() if _open(one)}
    for question in out.ask:
        if question.kind != "acknowledge" and question.path not in asked:
            out.record.append(Record("EscalationStarted", _body(state, question, how)))
    for one in asked.values():
        end = became(state, one)
        if end is not None:
            out.record.append(Record("QuestionClosed", {"escalation": one.key, **end}))
        else:
            _count(state, one, out)


def _count(state: State, one: Escalation, out: Decision) -> None:
    """Somebody agreed since that was said last."""
    approval = state.steps[one.question["path"]].approval
    if one.question["kind"] != "approve" or approval is None:
        return
    given = len(approval.given)
    if given > one.counted.get("given", 0):
        body = {"escalation": one.key, "given": given, "why": missing(state, approval)}
        out.record.append(Record("QuestionCounted", body))


def _open(one: Escalation) -> bool:
    return bool(one.question) and one.became is None


def _body(state: State, question: Question, how: Mapping[str, Any]) -> dict[str, Any]:
    path, step = question.path, state.steps[question.path]
    asked = {
        "path": path,
        "kind": question.kind,
        "attempt": step.attempt,
        "who": who_may(state, question.kind, step, how),
    }
    if step.approval is not None and question.kind == "approve":
        approval = step.approval
        asked |= {"hash": approval.hash, "count": approval.count}
        asked |= {"reason_min": approval.reason_min, "expires_us": approval.expires_us}
    nth = 1 + sum(one.question.get("path") == path for one in state.escalations.values())
    return {
        "escalation": question_key(path, nth),
        "policy": QUESTIONS,
        "message": sentence(question.kind, step),
        "why": WHY[question.kind],
        "question": asked,
    }


WHY: Mapping[str, str] = {
    "approve": "it waits for approval",
    "confirm": "it waits for an answer",
    "do": "it waits for somebody to do it",
    "doubt": "nobody knows whether it happened",
}
"""Why people are asked, by the kind of question."""


def who_may(state: State, kind: str, step: StepState, how: Mapping[str, Any]) -> list[str]:
    """The roles of which somebody may answer; empty: anybody may."""
    approval = step.approval or getattr(step.entry, "approve", None)
    if kind == "approve" and approval is not None and approval.by:
        return list(approval.by)
    book = step.block.scope.frame.runbook
    return list(book.who or state.runbook.who or how.get("who") or ())


def sentence(kind: str, step: StepState) -> str:
    """The question in one line."""
    if kind == "approve":
        return f"May `{step.title}` be done?"
    if kind == "doubt":
        return f"Did `{step.title}` happen?"
    if kind == "do":
        by_hand = "" if step.title.casefold().endswith(" by hand") else " by hand"
        return f"Please do `{step.title}`{by_hand}"
    said = (step.plan.get("params") or {}).get("question")
    return said.strip() if isinstance(said, str) and said.strip() else f"{step.title}: yes or no?"


def would_ask(state: State, step: StepState) -> dict[str, Any]:
    """Whom a run would tell of what it asks at a step: `{asks: {kind, who, by}}`, for a rehearsal;
    and when, how often again, until when: after_us, every_us, times, within_s.

    Empty where it asks nothing, or tells nobody of it.
    """
    how, entry = (state.telling or {}).get("questions"), step.entry
    if how is None or not isinstance(entry, Call):
        return {}
    kind = None
    if entry.signature.asks_person:
        kind = "confirm" if entry.verb == "check" else "do"
    elif entry.verb == "action" and (entry.approve is not None or state.autonomy == "propose"):
        kind = "approve"
    elif entry.verb == "action" and state.autonomy == "guide":
        kind = "do"
    if kind is None:
        return {}
    asks = {"kind": kind, "who": who_may(state, kind, step, how), "by": list(how["by"])}
    asks |= {"after_us": how.get("after_us"), "every_us": how.get("every_us")}
    within_s = entry.approve.within_s if kind == "approve" and entry.approve is not None else None
    return {"asks": {**asks, "times": how.get("times"), "within_s": within_s}}


# -- what became of it -----------------------------------------------------------------------------


def became(state: State, one: Escalation) -> dict[str, Any] | None:
    """What became of a question: `{word, by, why}`; None while it is asked.

    `word`: what was answered, `approved` and `denied`, `settled`, `expired`, or `over`: nobody asks
    it any more. `by`: who said so, where somebody did.
    """
    step = state.steps.get(one.question["path"])
    end = _said(state, step, one.question) if step is not None else _over(step)
    if end is None and state.finished is not None and not one.after_end:
        return _over(step)
    return end


def _said(state: State, step: StepState, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    if asked["kind"] == "approve":
        return _decided(state, step)
    if asked["kind"] == "doubt":
        return _settled(step, asked)
    if step.answer is not None:
        answer = step.answer
        return {"word": answer["answer"], "by": answer["by"], "why": answer.get("note") or ""}
    return None if step.status == "running" else _over(step)


def _decided(state: State, step: StepState) -> dict[str, Any] | None:
    approval = step.approval
    if approval is None:
        return _over(step)
    if approval.denied is not None:
        said = approval.denied
        return {"word": "denied", "by": said["name"], "why": said["reason"]}
    if approval.enough:
        by = ", ".join(one["name"] for one in approval.given)
        return {"word": "approved", "by": by, "why": _reasons(approval)}
    if step.status != "running" or step.attempt > 0:
        return _over(step)
    if approval.expires_us is not None and state.now_us >= approval.expires_us:
        why = f"{len(approval.given)} of {approval.count} approved it in time"
        return {"word": "expired", "by": None, "why": why}
    return None


def _reasons(approval: Approval) -> str:
    reasons = [str(one["reason"]).strip() for one in approval.given]
    return "; ".join(dict.fromkeys(one for one in reasons if one))


def _settled(step: StepState, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    if step.status == "unknown" and step.attempt == asked["attempt"]:
        return None
    settled = next((line for line in reversed(step.why) if line.startswith("settled by ")), None)
    if settled is None:
        return _over(step)
    why = f"it {settled.partition(': it ')[2]}"
    return {"word": "settled", "by": step.settled_by, "why": why}


def _over(step: StepState | None) -> dict[str, Any]:
    why = "; ".join(step.why) if step is not None else ""
    return {"word": "over", "by": None, "why": why or "the run goes on without it"}


def ended(state: State, end: Mapping[str, Any]) -> str:
    """What became of a question, in a line: whoever said so is called as people call them."""
    by = ", ".join(state.called(one) for one in str(end["by"] or "").split(", "))
    return closing({**end, "by": by})


def missing(state: State, approval: Approval) -> str:
    """How many are missing still; empty for an approval by one."""
    if approval.count == 1:
        return ""
    given = ", ".join(state.called(one["name"]) for one in approval.given)
    left = approval.count - len(approval.given)
    said = f"{len(approval.given)} of {approval.count} approved it" + (
        f" ({given})" if given else ""
    )
    return f"{said}: {left} more {'is' if left == 1 else 'are'} needed"
