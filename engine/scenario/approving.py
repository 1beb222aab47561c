"""Who approves in a scenario, and when: a word alone (`approved`, at once, by as many as it takes),
or people of the contacts, each at their time, whose word is judged as that of anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.config.fields import Fields
from engine.core.approval import refusal
from engine.core.events import Actor
from engine.core.state import State
from engine.core.tree import StepState
from engine.language import nodes
from engine.language.duration import DURATION_PATTERN
from engine.scenario.virtual import Open, Said

APPROVES: Final = ("approved", "denied")

REASON: Final = "the scenario says so, for whatever length a reason must have here"
"""Of approvals and denials: long enough for any `reason_min` that people would put up with."""


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody says of an approval, so long after the run began."""

    at_s: float
    by: str
    approved: bool = True
    reason: str = ""


Approves = bool | tuple[Word, ...]
"""Whether those who are asked agree at once, or who says what when."""

Known = Callable[[str, int], tuple[frozenset[str], frozenset[str]]]
"""The roles of somebody at a time, and every name that they have."""


def people(approves: Mapping[str, Approves]) -> bool:
    """Whether people of the contacts speak."""
    return any(isinstance(one, tuple) for one in approves.values())


def read_approves(fields: Fields, key: nodes.Scalar, node: nodes.Node) -> Approves:
    """`approved`, `{at: 6m, by: lead}`, or a list of such."""
    if isinstance(node, nodes.Scalar):
        return fields.one_of(node, key.text, APPROVES, APPROVES[0]) == APPROVES[0]
    items = node.items if isinstance(node, nodes.Sequence) else (node,)
    if not items:
        fields.wrong(key.text, "at least one word", node)
    return tuple(_word(fields, item) for item in items)


def _word(fields: Fields, node: nodes.Node) -> Word:
    found = {k.text: v for k, v in fields.mapping(node, "approves", WORD)}
    missing = [name for name in ("at", "by") if name not in found]
    if missing and isinstance(node, nodes.Mapping):
        what = "who approves says who and when"
        fields.error("RB831", what, node, "`{at: 6m, by: lead}`")
    at_s = fields.seconds(found["at"], "at") if "at" in found else None
    by = fields.text(found["by"], "by") if "by" in found else None
    approved, reason = True, None
    if "says" in found:
        approved = fields.one_of(found["says"], "says", APPROVES, APPROVES[0]) == APPROVES[0]
    if "reason" in found:
        reason = fields.text(found["reason"], "reason")
    return Word(at_s or 0.0, by or "", approved, reason or "")


def said(
    approves: Approves, state: State, step: StepState, asked: Open, known: Known | None
) -> Said | None:
    """What is said next of a step that waits for approval."""
    if step.approval is None:
        return None
    if isinstance(approves, bool):
        body = _body(step, "", sorted(step.approval.by))
        who = Actor(f"approver-{len(step.approval.given) + 1}", "scenario")
        return Said(asked.since_us, "Approved" if approves else "Denied", body, who)
    if asked.heard >= len(approves) or known is None:
        return None
    word = approves[asked.heard]
    at_us = max(asked.since_us, state.started_us + round(word.at_s * 1e6))
    roles, names = known(word.by, at_us)
    body = _body(step, word.reason, sorted(roles)) | {"persons": sorted(names)}
    actor = Actor(word.by, "scenario")
    why = refusal(step.approval, body, actor.to_json(), state.actor, at_us)
    if why is not None:
        wanted = "approve" if word.approved else "deny"
        return Said(at_us, "ApprovalRefused", {**body, "wanted": wanted, "why": why}, actor)
    return Said(at_us, "Approved" if word.approved else "Denied", body, actor)


def _body(step: StepState, reason: str, roles: list[str]) -> dict[str, Any]:
    least = step.approval.reason_min if step.approval is not None else 0
    told = reason or REASON.ljust(least, ".")
    return {"path": step.path, "hash": step.hash, "reason": told, "roles": roles}


WORD: Final[Mapping[str, str]] = {
    "at": "how long after the run began, like 6m; at once where it is asked later",
    "by": "who: a person of the contacts",
    "says": "approved, unless given, or denied",
    "reason": "why; one that is long enough unless given",
}

_DURATION: Final = {"anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, {"type": "number"}]}
_SCHEMAS: Final[Mapping[str, Any]] = {"at": _DURATION, "says": {"enum": list(APPROVES)}}
_WORD: Final = {
    "type": "object",
    "properties": {
        name: {"description": doc, **_SCHEMAS.get(name, {"type": "string", "minLength": 1})}
        for name, doc in WORD.items()
    },
    "required": ["at", "by"],
    "additionalProperties": False,
}
SCHEMA: Final = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [
            {"enum": list(APPROVES)},
            _WORD,
            {"type": "array", "items": _WORD, "minItems": 1},
        ]
    },
}
