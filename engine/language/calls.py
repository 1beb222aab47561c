"""A check or an action: its type, its target, its timing, and what keeps it safe."""

from __future__ import annotations

from typing import Any

from engine.errors import RunbookError
from engine.language.catalog import Kind, StepSignature
from engine.language.draft import Draft
from engine.language.fields import Record
from engine.language.model import Approve, Call
from engine.language.nodes import Scalar
from engine.language.params import read_params
from engine.language.retrying import read_retry
from engine.language.words import a, did_you_mean, listed, named

EVERY_S = 5.0
"""How often a check with `within` or `hold` asks, unless `every` says so."""


def read_call(draft: Draft, record: Record, common: dict[str, Any], verb: Kind) -> Call:
    name = record.get(verb, "")
    signature = _signature(draft, record, verb, name)
    known = signature is not None
    if signature is None:
        signature = StepSignature(name, verb, "reads", {})
    params, places = (
        read_params(draft, record, signature) if known else (record.get("with", {}), {})
    )
    if known:
        _check_target(draft, record, signature)
    if verb == "check":
        more = _asking(draft, record, signature)
    else:
        more = _acting(draft, record, signature if known else None)
    return Call(
        **common,
        verb=verb,
        type=name,
        signature=signature,
        target=record.get("target"),
        params=params,
        places=places,
        retry=read_retry(record, signature.default_retry),
        **more,
    )


def _signature(draft: Draft, record: Record, verb: Kind, type: str) -> StepSignature | None:
    if not type:
        return None
    node = record.value(verb)
    try:
        found = draft.catalog.get(type, verb)
        other = None if found else draft.catalog.get(type)
    except RunbookError as error:
        draft.error("RB303", f"{named(type)} cannot be loaded: {error.message}", node, error.help)
        return None
    if other is not None:
        what = f"{named(type)} is {a(other.kind)}, not {a(verb)}"
        draft.error("RB302", what, record.key(verb), f"write `{other.kind}: {type}`")
    elif found is None:
        hint = None if draft.full else _near_type(draft, verb, type)
        draft.error("RB301", f"there is no {verb} {named(type)}", node, hint)
    return found


def _near_type(draft: Draft, verb: Kind, type: str) -> str | None:
    try:
        known = [name for name in sorted(draft.catalog.types()) if draft.catalog.get(name, verb)]
    except RunbookError:
        return None
    family = type.partition(".")[0] + "."
    siblings = [name for name in known if name.startswith(family)]
    families = sorted({name.partition(".")[0] for name in known})
    listing = f"there are {listed(siblings or [f + '.' for f in families], 'and')}"
    return did_you_mean(type, known, listing)


def _check_target(draft: Draft, record: Record, signature: StepSignature) -> None:
    name = named(signature.type)
    if signature.takes_target and not record.has("target"):
        hint = f"name a connection of the environment: `target: {signature.family}`"
        draft.error("RB304", f"{name} needs `target`", record.value(signature.kind), hint)
    elif not signature.takes_target and record.has("target"):
        draft.error(
            "RB305",
            f"{name} has no target: it goes over no connection",
            record.key("target"),
            "leave it out",
        )


def _asking(draft: Draft, record: Record, signature: StepSignature) -> dict[str, Any]:
    """The keys of checks."""
    timed = [name for name in ("within", "hold") if record.has(name)]
    if len(timed) == 2:
        hint = "`within` asks until it holds, `hold` whether it goes on holding: make two checks"
        draft.error("RB113", "`within` and `hold` exclude each other", record.key(timed[1]), hint)
    if timed and not record.has("expect") and signature.default_expect is None:
        hint = "write what must hold under `expect`"
        draft.error(
            "RB114",
            f"{named(timed[0])} needs `expect`: it asks whether it holds",
            record.key(timed[0]),
            hint,
        )
    if record.has("every") and not timed:
        draft.error(
            "RB115",
            "`every` needs `within` or `hold`",
            record.key("every"),
            "without them it asks once",
        )
    return {
        "expect": record.get("expect"),
        "warn": record.get("warn"),
        "extract": record.get("extract", {}),
        "within_s": record.get("within"),
        "hold_s": record.get("hold"),
        "every_s": record.get("every", EVERY_S) if timed else None,
    }


def _acting(draft: Draft, record: Record, signature: StepSignature | None) -> dict[str, Any]:
    """The keys of actions, and that none is without a way to know or a person to ask."""
    if signature is not None:
        _check_safe(draft, record, signature)
        if record.has("max_affected") and not signature.counts:
            what = f"{named(signature.type)} does not count what it changes: no `max_affected`"
            draft.error("RB306", what, record.key("max_affected"))
    approve: Record | None = record.get("approve")
    return {
        "approve": _approve(approve) if approve else None,
        "idempotent": record.get("idempotent"),
        "probe": record.get("probe"),
        "undo": record.get("undo", ()),
        "max_affected": record.get("max_affected"),
    }


def _approve(record: Record) -> Approve:
    return Approve(
        by=record.get("by", ()),
        count=record.get("count", 1),
        within_s=record.get("within"),
        reason_min=record.get("reason_min", 0),
    )


def _check_safe(draft: Draft, record: Record, signature: StepSignature) -> None:
    declared = record.get("idempotent")
    unsafe = signature.effect == "unsafe" if declared is None else not declared
    if not unsafe or signature.asks_person or record.has("probe") or record.has("approve"):
        return
    why = (
        "the step says it is not idempotent"
        if declared is False
        else "doing it twice is not doing it once"
    )
    hint = (
        "add `probe` (a check that tells whether it happened), `approve`, "
        "or `idempotent: true` if that is so"
    )
    node = record.value(signature.kind)
    assert isinstance(node, Scalar)  # noqa: S101 - its text named the signature
    draft.error("RB501", f"{named(signature.type)} needs `probe` or `approve`: {why}", node, hint)
