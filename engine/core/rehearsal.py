"""Rehearsal: what a run says of itself when it may only look.

The same `decide` leads it. Checks really ask; actions are previewed by whoever performs, over the
reading side. Three rules keep it truthful:

1. A check that does not hold after something was previewed may read what that would have changed:
   it is *unverifiable*, and the run goes on as if it had passed. So is one that would be asked
   again (`within`) or watched (`hold`), and a question to a person.
2. A way chosen by a value that is only previewed or unverifiable is *assumed*.
3. What cannot be rendered because a preview found nothing is unverifiable too.

The verdict: *would resolve* only when nothing on the way was unverifiable or assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.core.assessed import Assessed
from engine.core.tree import Body, StepState
from engine.language.model import Call

AS_IF_PASSED = frozenset({"previewed", "unverifiable"})
"""Statuses of a rehearsal after which a run goes on as if the step had passed."""


def assess(
    step: StepState, found: Assessed, previewed: bool, result: Mapping[str, Any]
) -> Assessed:
    """What an attempt means in a rehearsal. `previewed`: an action was previewed before."""
    if step.is_action:
        return _action(step, found, result)
    entry = step.entry
    if not isinstance(entry, Call):
        return found
    hold_s, within_s = step.span("hold_s"), step.span("within_s")
    if found.status == "passed" and hold_s is not None:
        why = f"it holds now; a run would watch it for {hold_s:g} s"
        return Assessed("unverifiable", (why,), found.warnings, found.extracted)
    if found.status in ("failed", "errored") and previewed:
        why = "it may read what a previewed action would have changed"
        return Assessed("unverifiable", (*found.why, why), found.warnings, found.extracted)
    if found.status in ("failed", "errored") and within_s is not None:
        why = f"a run would ask again for {within_s:g} s"
        return Assessed("unverifiable", (*found.why, why), found.warnings, found.extracted)
    return found


def _action(step: StepState, found: Assessed, result: Mapping[str, Any]) -> Assessed:
    if found.status not in ("passed", "unknown"):
        return found
    if found.status == "unknown":
        return Assessed("errored", found.why)
    affected = result.get("preview", {}).get("affected")
    limit = step.plan.get("max_affected")
    if affected is not None and limit is not None and affected > limit:
        return Assessed("failed", (f"{affected} would be affected, more than {limit}",))
    if doubt := result.get("preview", {}).get("doubt"):
        return Assessed("unverifiable", (doubt,), found.warnings)
    return Assessed("previewed", (), found.warnings)


def verdict(body: Body, uncertain: str | None, outcome: str) -> dict[str, Any]:
    """`{word, at}`: `would resolve`, or `would stop at`, `cannot tell from` and a path."""
    if uncertain is not None:
        return {"word": "cannot tell from", "at": uncertain}
    if outcome == "resolved":
        return {"word": "would resolve", "at": None}
    if body.failure is not None:
        return {"word": "would stop at", "at": body.failure.path}
    if body.frame.noted:
        return {"word": "would stop at", "at": body.frame.noted[0].path}
    return {"word": "would stop at", "at": body.frame.ended_at}
