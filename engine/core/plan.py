"""What a step will do, rendered: the `plan` of its `StepStarted`. How containers and runs end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.core.rehearsal import AS_IF_PASSED, verdict
from engine.core.scope import names
from engine.core.tree import Block, Body, Failure, StepState
from engine.errors import Usage
from engine.language.duration import parse_duration
from engine.language.inputs import take_inputs
from engine.language.model import (
    Approve,
    Call,
    Choose,
    Each,
    End,
    Entry,
    Escalate,
    Group,
    Parallel,
    RunbookCall,
    Template,
    Wait,
)
from engine.language.template import (
    StepView,
    TemplateProblem,
    analyse,
    evaluate,
    holds,
    render,
    tell,
)

CALL_TIMEOUT_S = 30.0
"""Of one attempt of a check or action whose runbook says nothing: longer than any healthy answer,
short enough that a run does not hang at 02:00 without a word.
"""

PARAMS_MAX_BYTES = 256 * 1024
"""Of the rendered parameters of one step, as JSON: they are kept in every `StepStarted`."""

ITEMS_MAX = 1000
"""Items of one `each`: more is no procedure for an incident, and every item is kept in memory."""

MESSAGE_MAX_CHARS = 4000
"""Of a message or a reason: what a person reads; longer than any channel takes."""


def plan(state: Any, block: Block, entry: Entry, scope: Mapping[str, Any]) -> dict[str, Any]:
    """The plan of an entry about to begin. Raises TemplateProblem, Usage: nothing was done."""
    if isinstance(entry, Call):
        return _call(state, block, entry, scope)
    if isinstance(entry, Escalate):
        message = text(entry.message, scope) if entry.message is not None else None
        return {"policy": entry.policy, "message": message, "wait": entry.wait}
    if isinstance(entry, Choose):
        path = block.prefix + entry.id
        rehearsing = state.rehearsing
        return _rehearsed_way(state, path, entry, scope) if rehearsing else _choose(entry, scope)
    if isinstance(entry, Each):
        return {"items": _items(entry, scope)}
    if isinstance(entry, Parallel):
        return {"branches": len(entry.branches)}
    if isinstance(entry, RunbookCall):
        called = block.scope.frame.runbook.calls[entry.name]
        given = render(dict(entry.inputs), scope)
        return {"name": entry.name, "inputs": take_inputs(called, given)}
    if isinstance(entry, Wait):
        return _wait(state, entry, scope)
    if isinstance(entry, End):
        because = text(entry.because, scope) if entry.because is not None else None
        return {"outcome": entry.outcome, "because": because}
    assert isinstance(entry, Group)  # noqa: S101 - the last of the union
    return {}


def _call(state: Any, block: Block, entry: Call, scope: Mapping[str, Any]) -> dict[str, Any]:
    signature = entry.signature
    params = render(dict(entry.params), scope)
    if (size := len(json.dumps(params))) > PARAMS_MAX_BYTES:
        raise Usage(
            f"the parameters are {size} bytes, more than the {PARAMS_MAX_BYTES} kept of a step"
        )
    if signature.asks_person:
        asks = "confirm" if entry.verb == "check" else "do"
        return {"type": entry.type, "params": params, "asks": asks}
    found: dict[str, Any] = {
        "type": entry.type,
        "target": entry.target,
        "fingerprint": state.connections.get(entry.target) if entry.target else None,
        "params": params,
        "effect": signature.effect,
        "timeout_s": entry.timeout_s or CALL_TIMEOUT_S,
    }
    for name in ("within_s", "hold_s", "every_s"):
        if (written := getattr(entry, name)) is not None:
            found[name] = _seconds(name.removesuffix("_s"), written, scope)
    if entry.verb == "action":
        found["max_affected"] = entry.max_affected
        declared = entry.idempotent
        found["idempotent"] = signature.effect == "idempotent" if declared is None else declared
        found["key"] = f"{state.run}:{block.prefix}{entry.id}"
        if state.autonomy == "guide" and not state.rehearsing:
            found["asks"] = "do"
    return found


def approval(state: Any, entry: Call, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The body of the `ApprovalRequested` that an action needs first, or None."""
    if entry.verb == "check" or state.rehearsing:
        return None
    asks = entry.approve
    moved = state.planned is not None and state.planned.get(body["path"]) != body["hash"]
    if asks is None and not moved and state.autonomy != "propose":
        return None
    why = "approve" if asks is not None else "plan" if moved else "propose"
    asks = asks or Approve(by=())
    expires_us = None if asks.within_s is None else state.now_us + round(asks.within_s * 1e6)
    return {
        **{key: body[key] for key in ("path", "id", "kind", "title", "plan", "hash")},
        "by": list(asks.by),
        "count": asks.count,
        "reason_min": asks.reason_min,
        "expires_us": expires_us,
        "why": why,
    }


def _uncertain_names(text: str, scope: Mapping[str, Any]) -> bool:
    """Whether an expression names a step that was only previewed, or could not be judged."""
    roots = {name[0] for name in analyse(text, bare=True).names}
    found = (scope.get(root) for root in roots)
    return any(isinstance(one, StepView) and one.status in AS_IF_PASSED for one in found)


def _rehearsed_way(
    state: Any, path: str, entry: Choose, scope: Mapping[str, Any]
) -> dict[str, Any]:
    """The way a rehearsal takes, and whether it had to assume it."""
    if (forced := state.forced.get(path)) is not None:
        way = entry.ways[forced - 1]
        when = way.when.text if way.when is not None else None
        return {"way": forced, "name": way.name, "when": when, "assumed": True}
    conditions = [way.when.text for way in entry.ways if way.when is not None]
    assumed = any(_uncertain_names(text, scope) for text in conditions)
    try:
        return {**_choose(entry, scope), "assumed": assumed}
    except TemplateProblem:
        if not assumed:
            raise
        return {"way": None, "name": None, "when": None, "assumed": True}


def _choose(entry: Choose, scope: Mapping[str, Any]) -> dict[str, Any]:
    for number, way in enumerate(entry.ways, 1):
        if way.when is None or holds(way.when, scope):
            when = way.when.text if way.when is not None else None
            return {"way": number, "name": way.name, "when": when}
    return {"way": None, "name": None, "when": None}


def _items(entry: Each, scope: Mapping[str, Any]) -> list[Any]:
    items = evaluate(entry.items, scope)
    if not isinstance(items, (list, tuple)):
        kind = type(items).__name__
        raise Usage(f"`each: {entry.items.text}` is not a list but of type {kind}")
    if len(items) > ITEMS_MAX:
        raise Usage(f"`each: {entry.items.text}` has {len(items)} items, more than {ITEMS_MAX}")
    return list(items)


def _wait(state: Any, entry: Wait, scope: Mapping[str, Any]) -> dict[str, Any]:
    written = entry.duration if entry.for_s is None else entry.for_s
    return {"until_us": state.now_us + round(_seconds("wait", written, scope) * 1e6)}


def _seconds(key: str, written: Any, scope: Mapping[str, Any]) -> float:
    """A duration, written as one or as a template that renders to one. Raises Usage."""
    if isinstance(written, int | float):
        return float(written)
    try:
        return parse_duration(render(written, scope))
    except ValueError as error:
        raise Usage(f"`{key}`: {error}") from error


def text(value: Template | str, scope: Mapping[str, Any]) -> str:
    """A message for people. It goes out even where a part of it cannot be filled in, and says so
    there.
    """
    return tell(value, scope)[:MESSAGE_MAX_CHARS]


# -- ends ------------------------------------------------------------------------------------------


def end_of_container(state: Any, body: Body) -> dict[str, Any]:
    """The body of the `StepFinished` of a container whose body is done."""
    step = body.step
    assert step is not None  # noqa: S101 - the run's own body ends by end_of_run
    status, why, result = _verdict(state, body, step)
    return {
        "path": step.path,
        "attempt": step.attempt,
        "status": status,
        "why": list(why),
        "warnings": [_told(body.failure)] if body.handled and body.failure else [],
        "outcome": {"result": result},
        "extracted": {},
        "handled": body.handled,
        "elapsed_ms": round((state.now_us - step.started_us) / 1000, 3),
    }


def _told(failure: Failure) -> str:
    return f"{failure.title} {failure.status}, and was handled: {failure.why}"


def _verdict(
    state: Any, body: Body, step: StepState
) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    entry = step.entry
    if isinstance(entry, RunbookCall):
        return _called(state, body)
    result = _result(body, step)
    if body.failure is not None and not body.handled:
        status = "errored" if body.failure.status == "unknown" else body.failure.status
        return status, (f"{body.failure.title}: {body.failure.why}",), result
    if body.halting is not None and not body.ended:
        return "skipped", (f"stopped: {body.halting}",), result
    return "passed", (), result


def _result(body: Body, step: StepState) -> dict[str, Any]:
    entry = step.entry
    if isinstance(entry, Choose):
        return {"way": step.plan["name"]}
    if isinstance(entry, Each):
        failed = [block.failure for block in body.main if block.failure is not None]
        passed = sum(1 for b in body.main if b.failure is None and b.cursor >= len(b.entries))
        return {"count": len(body.main), "passed": passed, "failed": len(failed)}
    return {}


def _called(state: Any, body: Body) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    outcome, because, outputs = _outcome(state, body)
    why = (f"{outcome}: {because}" if because else outcome,)
    if outcome == "resolved":
        return "passed", (), outputs
    if outcome == "cancelled":
        return "skipped", why, outputs
    errored = body.failure is not None and body.failure.status in ("errored", "unknown")
    return "errored" if errored and outcome == "failed" else "failed", why, outputs


def end_of_run(state: Any, body: Body) -> dict[str, Any]:
    """The body of `RunFinished`."""
    outcome, because, outputs = _outcome(state, body)
    end = {
        "outcome": outcome,
        "because": because,
        "worst": state.worst,
        "outputs": outputs,
        "running": [s.path for s in state.steps.values() if s.status == "unknown"],
    }
    if state.rehearsing:
        end["verdict"] = verdict(body, state.uncertain, outcome)
    return end


def end_of_undo(body: Body) -> dict[str, Any]:
    """The body of `UndoFinished`."""
    undone = [b.undoes.path for b in body.main if b.undoes is not None and b.undoes.undone]
    failed = body.failure
    return {
        "undone": undone,
        "failed": failed.path if failed is not None else None,
        "why": f"{failed.title}: {failed.why}" if failed is not None else None,
    }


def _outcome(state: Any, body: Body) -> tuple[str, str | None, dict[str, Any]]:
    """How a runbook ended, why, and what it hands out."""
    frame = body.frame
    outputs, problem = _outputs(state, body)
    if body.halting == "cancelled":
        return "cancelled", state.cancelled, outputs
    broken = body.extra.failure if body.phase == "done" and body.extra is not None else None
    if frame.ended is not None:
        if broken is not None and frame.ended[0] == "resolved":
            return "failed", f"{broken.title}: {broken.why}", outputs
        return frame.ended[0], frame.ended[1], outputs
    if body.failure is not None:
        return "failed", f"{body.failure.title}: {body.failure.why}", outputs
    if frame.noted:
        count = len(frame.noted)
        names_ = ", ".join(f.title for f in frame.noted[:5]) + (", ..." if count > 5 else "")
        return (
            "unresolved",
            f"{count} step{'s' if count > 1 else ''} did not pass: {names_}",
            outputs,
        )
    if problem is not None:
        return "failed", problem, outputs
    return "resolved", None, outputs


def _outputs(state: Any, body: Body) -> tuple[dict[str, Any], str | None]:
    wanted = body.frame.runbook.outputs
    if not wanted:
        return {}, None
    try:
        return render(dict(wanted), names(state, body.main[0].scope)), None
    except TemplateProblem as error:
        return {}, f"outputs: {error.message}"
