"""What an answer means: from the outcome of an attempt to the event that ends it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from engine.core import questions, rehearsal
from engine.core.assessed import Assessed
from engine.core.effects import Record
from engine.core.scope import names
from engine.core.state import State
from engine.core.tree import StepState
from engine.language import expect as expecting
from engine.language.catalog import Retry
from engine.language.model import Call, Escalate
from engine.language.template import TemplateProblem, evaluate

EVIDENCE_MAX_BYTES = 1024 * 1024
"""Of one result in the journal, as JSON: what an adapter may read at most. Beyond it each long text
and list is kept as its digest and beginning.
"""

BLOCKED_MAX_S = 366 * 86_400.0
"""Of a block that an error tells: longer than any run, and a time that can be reckoned with."""

EVIDENCE_TEXT_CHARS = 2000
"""How much of a text is kept when a result is over the limit."""

EVIDENCE_ITEMS = 50
"""How many items of a list are kept when a result is over the limit."""


class Outcome(Struct, frozen=True):
    """What came of an attempt: a result (a JSON mapping), or an error.

    `error` has `message`, `help`, `maybe_done`, `retryable`, `detail` and `kind`: `adapter`,
    `timeout`, `stopped` (it was told to stop) or `bug` (a plugin's own exception). `random`: 0 <= x
    < 1, drawn by the runner for the jitter of a retry: chance enters by events only.
    """

    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    elapsed_ms: float
    random: float = 0.0

    def to_json(self) -> dict[str, Any]:
        if self.error is not None:
            return {"error": dict(self.error)}
        return {"result": fit(self.result or {})}


def conclude(state: State, path: str, outcome: Outcome, at_us: int) -> Record:
    """The event that an attempt's outcome makes: `StepFinished`, or `AttemptFinished` when there is
    another.

    `at_us` is when the outcome arrived, which will be the event's time.
    """
    step = state.steps[path]
    found = assess(state, step, outcome)
    if state.rehearsing:
        found = rehearsal.assess(step, found, bool(state.previewed), outcome.result or {})
    asks_on = not state.rehearsing or found.status == "errored"
    next_us = _next(step, found, outcome, at_us) if asks_on else None
    if next_us is not None:
        return Record(
            "AttemptFinished",
            {
                "path": path,
                "attempt": step.attempt,
                "status": found.status,
                "why": list(found.why),
                "outcome": outcome.to_json(),
                "random": outcome.random,
                "next_us": next_us,
                "elapsed_ms": outcome.elapsed_ms,
            },
        )
    why = found.why + _limits(step, found, at_us)
    body = finished(path, found.status, why=why, attempt=step.attempt).body
    more = {
        "warnings": list(found.warnings),
        "outcome": outcome.to_json(),
        "extracted": dict(found.extracted or {}),
        "elapsed_ms": outcome.elapsed_ms,
    }
    asks = questions.would_ask(state, step) if state.rehearsing else {}
    return Record("StepFinished", {**body, **more, **asks})


def assess(state: State, step: StepState, outcome: Outcome) -> Assessed:
    """The status that an outcome has by itself: could not ask is *errored*, a no is *failed*."""
    if outcome.error is not None:
        return _assess_error(step, outcome.error)
    entry = step.entry
    if not isinstance(entry, Call):
        return Assessed("passed")
    scope = names(state, step.block.scope, result=outcome.result)
    try:
        extracted = {name: evaluate(what, scope) for name, what in entry.extract.items()}
        if extracted:
            scope["result"] = {**(outcome.result or {}), **extracted}
        expectation = entry.expect if entry.expect is not None else entry.signature.default_expect
        if expectation is not None and entry.verb == "check":
            judgement = expecting.judge(expectation, scope)
            if not judgement.holds:
                return Assessed("failed", judgement.lines, (), extracted)
        warnings: tuple[str, ...] = ()
        warn = entry.warn if entry.warn is not None else entry.signature.default_warn
        if warn is not None:
            judgement = expecting.judge(warn, scope)
            warnings = () if judgement.holds else judgement.lines
    except TemplateProblem as error:
        why = f"the answer cannot be judged: {error.message}"
        if entry.verb == "action":
            return Assessed("passed", (), (why,))
        return Assessed("errored", (why,))
    return Assessed("passed", (), warnings, extracted)


def _assess_error(step: StepState, error: Mapping[str, Any]) -> Assessed:
    why = (error["message"],)
    if step.is_action and error["maybe_done"]:
        return Assessed("unknown", why)
    if error["kind"] == "stopped":
        return Assessed("skipped", why)
    return Assessed("errored", why)


def _next(step: StepState, found: Assessed, outcome: Outcome, at_us: int) -> int | None:
    """When the next attempt is due, or None when this was the last one."""
    entry, block = step.entry, step.block
    if found.status in ("unknown", "skipped"):
        return None
    if block.body.halting is not None and block.body.phase != "always":
        return None
    hopeless = outcome.error is not None and not outcome.error["retryable"]
    if isinstance(entry, Escalate) and found.status == "passed":
        return at_us if entry.wait else None
    every_s = step.span("every_s") or 0.0
    if (within_s := step.span("within_s")) is not None:
        due_us = at_us + _us(max(every_s, _blocked_s(outcome)))
        in_time = due_us <= step.started_us + _us(within_s)
        return due_us if found.status != "passed" and in_time and not hopeless else None
    if (hold_s := step.span("hold_s")) is not None and found.status == "passed":
        end_us = (step.hold_from_us or at_us) + _us(hold_s)
        return None if at_us >= end_us else min(at_us + _us(every_s), end_us)
    retry = entry.retry if isinstance(entry, Call | Escalate) else None
    if found.status == "errored" and retry is not None and not hopeless:
        return _retry_at(retry, step.tries + 1, outcome, at_us)
    return None


def _retry_at(retry: Retry, tries: int, outcome: Outcome, at_us: int) -> int | None:
    """After the wait, and not while the target is known to refuse: asking then makes it longer.

    None when there are no attempts left, or it refuses for longer than a retry may wait.
    """
    blocked_s = _blocked_s(outcome)
    if tries >= retry.attempts or blocked_s > retry.max_s:
        return None
    wait_s = min(retry.max_s, retry.delay_s * retry.factor ** min(tries - 1, 64))
    return at_us + _us(blocked_s + (wait_s * outcome.random if retry.jitter == "full" else wait_s))


def _blocked_s(outcome: Outcome) -> float:
    """For how long the target takes no more calls, where its adapter's error says so."""
    found = ((outcome.error or {}).get("detail") or {}).get("blocked_for_s")
    if isinstance(found, int | float) and found > 0:
        return float(min(found, BLOCKED_MAX_S))
    return 0.0


def _us(seconds: float | None) -> int:
    return round((seconds or 0.0) * 1e6)


def _limits(step: StepState, found: Assessed, at_us: int) -> tuple[str, ...]:
    """Says for how long it was asked, where asking again is what the step is about."""
    entry = step.entry
    if not isinstance(entry, Call) or found.status == "passed" or step.attempt < 2:
        return ()
    took_s = (at_us - step.started_us) / 1e6
    return (f"after {step.attempt} attempts in {took_s:.1f} s",)


def finished(
    path: str,
    status: str,
    *,
    why: tuple[str, ...] = (),
    result: Mapping[str, Any] | None = None,
    attempt: int = 1,
) -> Record:
    """A `StepFinished` that follows from what is known, without the world's answer."""
    return Record(
        "StepFinished",
        {
            "path": path,
            "attempt": attempt,
            "status": status,
            "why": list(why),
            "warnings": [],
            "outcome": {"result": dict(result)} if result is not None else None,
            "extracted": {},
            "handled": False,
            "elapsed_ms": 0,
        },
    )


def fit(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result as the journal keeps it: whole within the limit, else cut, and saying so."""
    if _small(result):
        return dict(result)
    size = len(json.dumps(result, ensure_ascii=False).encode())
    if size <= EVIDENCE_MAX_BYTES:
        return dict(result)
    cut: dict[str, Any] = _cut(result)
    cut["cut"] = {"size_bytes": size, "limit_bytes": EVIDENCE_MAX_BYTES}
    return cut


def _small(result: Mapping[str, Any]) -> bool:
    """A quick look that spares most results the price of being measured."""
    if len(result) > 64:
        return False
    return all(
        value is None
        or isinstance(value, (bool, int, float))
        or (isinstance(value, str) and len(value) < 4096)
        for value in result.values()
    )


def _cut(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _cut(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)) and len(value) > EVIDENCE_ITEMS:
        return [_cut(part) for part in value[:EVIDENCE_ITEMS]]
    if isinstance(value, (list, tuple)):
        return [_cut(part) for part in value]
    if isinstance(value, str) and len(value) > EVIDENCE_TEXT_CHARS:
        digest = hashlib.sha256(value.encode()).hexdigest()
        return f"{value[:EVIDENCE_TEXT_CHARS]} ... (cut: {len(value)} characters, sha256 {digest})"
    return value
