"""What happens next in a run: `decide(state) -> Decision`, a pure function of the events so far.

How it goes on, in words:

1. From the body of the run down, every open place is looked at: at most one step a block, as many
   blocks as a `limit` allows.
2. A block whose next entry was not begun begins it: `when` is evaluated (it does not hold: the step
   is skipped), templates are rendered, and a `StepStarted` says exactly what will be done. What
   cannot be evaluated or rendered ends the step as *errored*: nothing was sent.
3. A step that waits (for time, for a person, for its next attempt) says for what; a step in flight
   is left alone, unless its container was halted: then a check is stopped, and an action is waited
   for, because a change that was cut off is worse than a change that was made.
4. A container whose body is done ends as its failure says; the run ends when its body is done.
5. An action that was started and cut short is *unknown*: nothing is done again, a person settles
   it. A check that was cut short is asked again.
6. Of a run that is held, as things are, no step is gone on with: `engine.core.held`.

Nothing here knows a clock: a time is due when an event as late as it has been recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.core import escalate, questions
from engine.core import plan as planning
from engine.core.approval import Approval
from engine.core.detail import by_hand
from engine.core.effects import Decision, Perform, Question, Record
from engine.core.expiring import expired
from engine.core.hand_over import end_of_step
from engine.core.held import holding
from engine.core.judge import finished
from engine.core.plan_hash import plan_hash, plan_step
from engine.core.scope import names
from engine.core.state import State
from engine.core.tree import Block, Body, StepState
from engine.errors import RunbookError
from engine.language.model import Call, End, Entry, Escalate, Wait
from engine.language.template import holds


def decide(state: State) -> Decision:
    """What is to be done now. Empty when the run is over, or only waits."""
    out = Decision()
    if state.root is None:
        return out
    if not holding(state):
        _steps(state, out)
    escalate.call(state, out)
    return out


def _steps(state: State, out: Decision) -> None:
    if state.root is None:
        return
    if state.finished is None:
        _body(state, state.root, out)
        for due_us in state.deadlines.values():
            out.wake(due_us)
    elif state.undoing is not None and state.undo_finished is None:
        _body(state, state.undoing, out)


def _body(state: State, body: Body, out: Decision) -> None:
    if body.phase == "done":
        if body.probe and body.step is not None:
            _settle(body.step, body, out)
        elif body.expiry and body.step is not None:
            path, why = body.step.path, body.step.why
            out.record.append(finished(path, "failed", why=why, attempt=0))
        elif body is state.undoing:
            out.record.append(Record("UndoFinished", planning.end_of_undo(body)))
        elif body.step is None:
            out.record.append(Record("RunFinished", planning.end_of_run(state, body)))
        else:
            out.record.append(Record("StepFinished", planning.end_of_container(state, body)))
        return
    for block in body.active():
        if block.current is not None:
            _open(state, block.current, out)
        elif state.paused is None:
            _begin(state, block, block.entries[block.cursor], out)


def _settle(step: StepState, body: Body, out: Decision) -> None:
    """The probe of an action in doubt has answered; if it could not be asked, a person is."""
    failure = body.failure
    if failure is not None and failure.status != "failed":
        out.ask.append(_doubt(step))
        return
    reason = "its probe holds" if failure is None else f"its probe: {failure.why}"
    told = {"path": step.path, "happened": failure is None, "reason": reason}
    out.record.append(Record("DoubtSettled", told))


def _begin(state: State, block: Block, entry: Entry, out: Decision) -> None:
    path = block.prefix + entry.id
    scope = names(state, block.scope)
    try:
        if entry.when is not None and not holds(entry.when, scope):
            why = f"`when: {entry.when.text}` does not hold"
            out.record.append(Record("StepSkipped", {**_told(path, entry), "why": why}))
            return
        out.record.append(_start(state, block, entry, scope))
    except RunbookError as error:
        record = finished(path, "errored", why=(error.message,))
        if state.rehearsing and state.previewed:
            because = (error.message, "a step that was only previewed found nothing")
            record = finished(path, "unverifiable", why=because)
        out.record.append(Record(record.type, {**record.body, **_told(path, entry)}))


def _told(path: str, entry: Entry) -> dict[str, Any]:
    """What people are told of a step, also of one that is never started."""
    kind = entry.verb if isinstance(entry, Call) else entry.kind
    return {"path": path, "id": entry.id, "kind": kind, "title": entry.title}


def _start(state: State, block: Block, entry: Entry, scope: Mapping[str, Any]) -> Record | Perform:
    path = block.prefix + entry.id
    plan = planning.plan(state, block, entry, scope)
    body = {**_told(path, entry), "attempt": 1, "plan": plan}
    if isinstance(entry, Escalate):
        known = state.rehearsing or state.telling is not None
        return Record("StepStarted", body) if known else Perform(body)
    if not isinstance(entry, Call) or entry.signature.asks_person:
        return Record("StepStarted", body)
    digest = block.scope.frame.runbook.digest
    body["hash"] = plan_hash(plan_step(digest, path, entry, plan))
    asked = planning.approval(state, entry, body)
    if asked is not None:
        return Record("ApprovalRequested", asked)
    return Record("StepStarted", body) if "asks" in plan else Perform(body)


def _open(state: State, step: StepState, out: Decision) -> None:
    """A step that was begun and has no end yet."""
    if step.body is not None:
        _body(state, step.body, out)
        return
    halted = step.block.body.halting is not None and step.block.body.phase != "always"
    if step.status == "unknown":
        _unsure(step, halted, out)
    elif step.in_flight:
        out.in_flight += 1
        if halted and not step.is_action:
            out.stop.append(step.path)
    elif halted and not (step.is_action and step.interrupted):
        why = f"stopped: {_WHY_HALTED[step.block.body.halting or '']}"
        out.record.append(finished(step.path, "skipped", why=(why,), attempt=step.attempt))
    elif step.interrupted:
        _take_up(step, out)
    else:
        _continue(state, step, out)


REDO_ATTEMPTS = 3
"""Attempts at an idempotent action whose doubts are settled by doing it again; then a person is
asked.
"""


def _unsure(step: StepState, halted: bool, out: Decision) -> None:
    """An action in doubt: done again where it is idempotent and no probe is there to tell, or
    asked.

    Not where the run is being stopped: nothing begins there that was not asked for.
    """
    again = step.plan.get("idempotent") and step.attempt < REDO_ATTEMPTS
    if not again or halted or step.broke or step.probed:
        out.ask.append(_doubt(step))
        return
    why = "it is idempotent: doing it again leaves the target as doing it once"
    out.record.append(Record("DoubtSettled", {"path": step.path, "happened": None, "reason": why}))


_WHY_HALTED = {
    "cancelled": "the run was cancelled",
    "ended": "the run was ended by another step",
    "timeout": "the time limit of the block around it was over",
}


def _take_up(step: StepState, out: Decision) -> None:
    """A step that was in flight when its driver died."""
    if step.is_action:
        why = "the engine was cut short while this ran: it may or may not have happened"
        out.record.append(finished(step.path, "unknown", why=(why,), attempt=step.attempt))
    else:
        out.record.append(_again(step))


def _again(step: StepState) -> Perform:
    """The next attempt, with the plan of the first: what was meant does not change on the way."""
    told = _told(step.path, step.entry)
    body = {**told, "attempt": step.attempt + 1, "plan": step.plan}
    return Perform({**body, "hash": step.hash} if step.hash else body)


def _continue(state: State, step: StepState, out: Decision) -> None:
    entry = step.entry
    if step.approval is not None and step.attempt == 0:
        _await_approval(state, step, step.approval, out)
    elif state.rehearsing and (isinstance(entry, Wait | Escalate) or step.asks_person):
        out.record.append(_previewed(state, step))
    elif isinstance(entry, End):
        plan = {"outcome": step.plan["outcome"], "because": step.plan["because"]}
        out.record.append(finished(step.path, "passed", result=plan))
    elif isinstance(entry, Wait) and step.next_us is not None:
        if state.now_us >= step.next_us:
            waited_s = (step.next_us - step.started_us) / 1e6
            out.record.append(finished(step.path, "passed", result={"waited_s": waited_s}))
        else:
            out.wake(step.next_us)
    elif step.asks_person or step.told or step.path in state.escalations:
        _await_people(state, step, out)
    elif step.next_us is not None:
        if state.now_us >= step.next_us and state.paused is None:
            out.record.append(_again(step))
        elif state.paused is not None:
            return
        else:
            out.wake(step.next_us)


def _await_approval(state: State, step: StepState, approval: Approval, out: Decision) -> None:
    """An action that waits for people to agree to exactly its plan hash."""
    if approval.denied is not None:
        said = approval.denied
        why = f"{state.called(said['name'])} denied it: {said['reason']}"
        out.record.append(finished(step.path, "failed", why=(why,), attempt=0))
    elif approval.enough:
        if state.paused is None:
            begun = _again(step)
            out.record.append(Record("StepStarted", begun.body) if "asks" in step.plan else begun)
    elif approval.expires_us is not None and state.now_us >= approval.expires_us:
        out.record.append(expired(state, step, approval))
    else:
        if approval.expires_us is not None:
            out.wake(approval.expires_us)
        out.ask.append(_approve(step))


def _approve(step: StepState) -> Question:
    type_ = step.entry.type if isinstance(step.entry, Call) else step.entry.kind
    params = {**step.plan, "hash": step.hash}
    answers = ("approve", "deny")
    return Question(step.path, step.entry.id, "approve", type_, step.title, params, answers)


def _await_people(state: State, step: StepState, out: Decision) -> None:
    """A step that asks people, or tells them: over once the first of them are told."""
    if step.path not in state.escalations or step.plan["wait"] is not None:
        _ask(state, step, out)
        return
    end = end_of_step(state, step, state.escalations[step.path])
    if end is not None:
        out.record.append(end)


def _previewed(state: State, step: StepState) -> Record:
    """A step that only a real run can take: time passes, people are told or asked."""
    if isinstance(step.entry, Escalate) and state.telling is not None:
        result = escalate.preview(state, step.entry.policy, step.plan["message"])
        return finished(step.path, "previewed", result=result, attempt=step.attempt)
    found = finished(step.path, "previewed", attempt=step.attempt)
    if isinstance(step.entry, Call) and step.entry.verb == "check":
        why = ("a run would ask a person",)
        found = finished(step.path, "unverifiable", why=why, attempt=step.attempt)
    return Record(found.type, {**found.body, **questions.would_ask(state, step)})


def _ask(state: State, step: StepState, out: Decision) -> None:
    """A step that waits for a person, or has the answer."""
    if step.answer is None:
        out.ask.append(question(step))
        return
    answer = step.answer["answer"]
    result = {"answer": answer, "by": step.answer["by"], "note": step.answer.get("note")}
    good = answer in ("yes", "done", "acknowledged")
    note = f": {result['note']}" if result["note"] else ""
    why = () if good else (f"{state.called(result['by'])} answered {answer}{note}",)
    status = "passed" if good else "failed"
    out.record.append(finished(step.path, status, why=why, result=result, attempt=step.attempt))


ANSWERS = {"confirm": ("yes", "no"), "do": ("done", "not-done"), "acknowledge": ("acknowledged",)}
"""What a person may answer, by the kind of question."""


def question(step: StepState) -> Question:
    """What a waiting step asks a person."""
    entry = step.entry
    if isinstance(entry, Call):
        kind = "confirm" if entry.verb == "check" else "do"
        asked = (entry.type, step.title, step.plan["params"], ANSWERS[kind])
        text = None if entry.signature.asks_person else by_hand(step)
        return Question(step.path, entry.id, kind, *asked, text)
    return Question(
        step.path,
        entry.id,
        "acknowledge",
        "escalate",
        step.title,
        step.plan,
        ANSWERS["acknowledge"],
    )


def _doubt(step: StepState) -> Question:
    type_ = step.entry.type if isinstance(step.entry, Call) else step.entry.kind
    return Question(
        step.path, step.entry.id, "doubt", type_, step.title, step.plan, ("happened", "did-not")
    )


def open_questions(state: State) -> list[Question]:
    """What people are asked now, also of a run that nobody drives, or that is held."""
    out = Decision()
    _steps(state, out)
    found = list(out.ask)
    known = {one.path for one in found}
    for step in state.steps.values():
        waits = step.status == "running" and step.answer is None and step.attempt > 0
        calls = step.path in state.escalations and step.plan.get("wait") is not None
        if waits and (step.asks_person or step.told or calls) and step.path not in known:
            found.append(question(step))
    return found
