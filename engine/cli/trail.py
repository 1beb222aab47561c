"""The audit trail in words and as JSON: what an event says to a person, and to a program."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.cli.calls import TYPES as CALLS
from engine.cli.calls import saying
from engine.cli.plain import stamp
from engine.cli.rows import Rows, why_lines, word_of
from engine.cli.text import pad, wrap
from engine.clock import to_iso
from engine.core.brief import brief
from engine.core.cells import clean
from engine.core.events import SETTLED, Event

WAYS: Mapping[str, str] = {"slack": "in Slack, {via}", "link": "by a link"}
"""How somebody said something, where that is not somebody else's name."""


def event_json(event: Event) -> dict[str, Any]:
    """An event as machines get it: the time also as text."""

    return {
        "type": event.type,
        "run": event.run,
        "seq": event.seq,
        "at": to_iso(event.at_us),
        "at_us": event.at_us,
        "version": event.version,
        "actor": dict(event.actor),
        "body": dict(event.body),
        "hash": event.hash,
    }


def entry_lines(event: Event, rows: Rows, width: int) -> Iterator[str]:
    """One event of the trail: number, time, who; what on the same line; found and why below."""
    head, *more = _say(event, rows)
    who = clean(str(event.actor.get("name", "")))
    via = event.actor.get("via")
    if via:
        how = WAYS.get(str(event.actor.get("means")), "by {via}")
        who = f"{who} ({how.format(via=clean(str(via)))})"
    lead = f"{event.seq:>4}  {stamp(event.at_us)}  {pad(who, 8)}  "
    room = max(30, min(width, 160) - len(lead))
    first, *rest = wrap(head, room) or [""]
    yield f"{lead}{first}".rstrip()
    for line in [*rest, *(part for text in more for part in wrap(text, room - 2))]:
        yield f"{' ' * len(lead)}{'' if line in rest else '  '}{line}".rstrip()


def _say(event: Event, rows: Rows) -> list[str]:
    if event.type in CALLS:
        said = saying(event)
        if event.seq in rows.calls.late:
            said[0] += ", which was taken already"
        return said
    say = _SAYINGS.get(event.type)
    return say(event.body, rows) if say else [event.type]


def _run_started(body: Mapping[str, Any], _: Rows) -> list[str]:
    inputs = ", ".join(
        f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in (body.get("inputs") or {}).items()
    )
    lines = [
        f"started {body.get('name')} in {body.get('environment')}",
        f"digest {body.get('digest')}",
    ]
    if inputs:
        lines.append(f"inputs {inputs}")
    lines += [f"connection {k}: {v}" for k, v in (body.get("connections") or {}).items()]
    return lines


def _step_started(body: Mapping[str, Any], rows: Rows) -> list[str]:
    plan = body.get("plan") or {}
    attempt = f", attempt {body['attempt']}" if body.get("attempt", 1) > 1 else ""
    lines = [f"{body.get('path')} started{attempt}: {body.get('title') or body.get('id')}"]
    if plan.get("type"):
        target = f" at {plan['target']}" if plan.get("target") else ""
        params = json.dumps(plan.get("params") or {}, ensure_ascii=False)
        lines.append(f"{plan['type']}{target} {params}")
    elif (row := rows.find(str(body.get("path")))) is not None and row.found:
        lines.append(row.found)
    elif plan:
        lines.append(json.dumps(plan, ensure_ascii=False))
    return lines


def _step_finished(body: Mapping[str, Any], _: Rows) -> list[str]:
    lines = [f"{body.get('path')} {word_of(body)}", *(f"why: {line}" for line in why_lines(body))]
    lines += [f"warning: {clean(str(line))}" for line in body.get("warnings") or ()]
    found = brief(body.get("extracted") or {}) or brief((body.get("outcome") or {}).get("result"))
    return [*lines, f"found: {found}"] if found else lines


def _attempt_finished(body: Mapping[str, Any], rows: Rows) -> list[str]:
    first, *more = _step_finished(body, rows)
    return [f"{first}, and is tried again", *more]


def _run_finished(body: Mapping[str, Any], _: Rows) -> list[str]:
    lines = [f"the run is over: {body.get('outcome')}"]
    if body.get("because"):
        lines.append(f"because: {clean(str(body['because']))}")
    if body.get("outputs"):
        lines.append(f"outputs: {json.dumps(body['outputs'], ensure_ascii=False)}")
    lines += [f"may have kept running: {path}" for path in body.get("running") or ()]
    return lines


def _said(body: Mapping[str, Any]) -> list[str]:
    return [f"plan hash: {body.get('hash')}", f"reason: {body.get('reason')}"]


def _approval_requested(body: Mapping[str, Any], _: Rows) -> list[str]:
    by = ", ".join(body.get("by") or ()) or "anybody but who asked for the run"
    return [
        f"{body.get('path')} waits for approval",
        f"of: {body.get('count')} of {by}",
        f"plan hash: {body.get('hash')}",
    ]


def _held(held: Mapping[str, Any]) -> Iterator[str]:
    if held:
        yield f"it cannot be gone on with: {clean(str(held['why']))}"
    if held.get("mend"):
        yield f"to put it right: {clean(str(held['mend']))}"
    if held.get("mute"):
        yield "nor can anybody be called"


_SAYINGS: Mapping[str, Any] = {
    "RunStarted": _run_started,
    "RunQueued": lambda b, _: ["in line", f"why: {clean(str(b.get('reason')))}"],
    "RunRefused": lambda b, _: [
        f"refused by {b.get('guard')}",
        f"why: {clean(str(b.get('reason')))}",
    ],
    "RunJoined": lambda _b, _: ["somebody asked for what this run does already"],
    "RunTakenUp": lambda b, _: [
        f"taken up by {b.get('driver')}",
        *(f"cut short: {path}" for path in b.get("interrupted") or ()),
        *_held(b.get("held") or {}),
    ],
    "StepStarted": _step_started,
    "StepProgressed": lambda b, _: [f"{b.get('path')}: {b.get('text')}"],
    "AttemptFinished": _attempt_finished,
    "StepFinished": _step_finished,
    "StepSkipped": lambda b, _: [f"{b.get('path')} skipped", f"why: {b.get('why')}"],
    "TimeReached": lambda _b, _: ["a time that was waited for came"],
    "Answered": lambda b, _: [
        f"{b.get('path')} answered: {b.get('answer')}",
        *([f"note: {b['note']}"] if b.get("note") else []),
    ],
    "DoubtSettled": lambda b, _: [
        f"{b.get('path')} settled: it {SETTLED[b.get('happened')]}",
        f"reason: {b.get('reason')}",
    ],
    "CancelRequested": lambda b, _: ["cancel requested", f"reason: {b.get('reason')}"],
    "PauseRequested": lambda b, _: ["pause requested", f"reason: {b.get('reason')}"],
    "ContinueRequested": lambda _b, _: ["it goes on"],
    "ApprovalRequested": _approval_requested,
    "Approved": lambda b, _: [f"{b.get('path')} approved", *_said(b)],
    "Denied": lambda b, _: [f"{b.get('path')} denied", *_said(b)],
    "ApprovalRefused": lambda b, _: [
        f"{b.get('path')}: a word that does not count ({b.get('wanted')})",
        f"why: {b.get('why')}",
        *_said(b),
    ],
    "ApprovalExpired": lambda b, _: [f"{b.get('path')} was not approved", f"why: {b.get('why')}"],
    "UndoRequested": lambda b, _: ["undo requested", f"reason: {b.get('reason')}"],
    "UndoRefused": lambda b, _: [
        f"undo refused by {b.get('guard')}",
        f"why: {b.get('why')}",
        f"reason: {b.get('reason')}",
    ],
    "UndoFinished": lambda b, _: [
        f"the undo is over: {len(b.get('undone') or ())} undone",
        *(f"undone: {path}" for path in b.get("undone") or ()),
        *([f"failed: {b['failed']}: {b.get('why')}"] if b.get("failed") else []),
    ],
    "RunFinished": _run_finished,
}  # fmt: skip
