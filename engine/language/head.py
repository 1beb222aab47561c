"""The keys of the runbook itself: inputs, triggers, guards, escalation, and all put together."""

from __future__ import annotations

import hashlib
from typing import Any, get_args

from msgspec.structs import replace

from engine.errors import Place
from engine.language.draft import Draft
from engine.language.fields import MISSING, Record
from engine.language.inputs import take_input
from engine.language.keys import RUNBOOK
from engine.language.model import Escalation, Guards, Input, InputType, Runbook, Trigger
from engine.language.nodes import Mapping, Node, kind_of
from engine.language.tables import read_table
from engine.language.triggers import check_autonomy, read_trigger
from engine.language.words import a, listed, named

_MEASURED = {"number", "integer", "duration", "string", "list", "object"}


def read_runbook(draft: Draft, node: Node, name: str, text: str) -> Runbook | None:
    """The runbook of a tree, without those it calls; None where there is nothing to go on."""
    if not isinstance(node, Mapping):
        hint = "begin with `title:` and `steps:`; `runbook new` writes one to start from"
        draft.error("RB100", f"a runbook is a mapping, not {kind_of(node)}", node, hint)
        return None
    record = read_table(draft, node, RUNBOOK, "a runbook")
    given: dict[str, Record] = record.get("inputs", {})
    inputs = {name: read_input(draft, name, found) for name, found in given.items()}
    return Runbook(
        name=name,
        text=text,
        digest=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        place=Place(draft.file, 1, 1),
        title=record.get("title", ""),
        description=record.get("description", ""),
        covers=record.get("covers", ()),
        owner=record.get("owner"),
        who=record.get("who", ()),
        tags=record.get("tags", ()),
        severity=record.get("severity"),
        respond_within_s=record.get("respond_within"),
        rehearse_every_s=record.get("rehearse_every"),
        triggers=_triggers(draft, record, inputs),
        inputs=inputs,
        autonomy=_autonomy(record),
        guards=_guards(record),
        escalation=_escalation(record),
        steps=record.get("steps", ()),
        on_failure=record.get("on_failure", ()),
        always=record.get("always", ()),
        outputs=record.get("outputs", {}),
    )


def _triggers(draft: Draft, record: Record, inputs: dict[str, Input]) -> tuple[Trigger, ...]:
    found = record.get("triggers", ())
    for _, rule in found:
        check_autonomy(draft, rule, record.get("autonomy"))
    return tuple(read_trigger(draft, key, rule, inputs) for key, rule in found)


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return {name: _plain(inner) for name, inner in value.values.items()}
    return value


def _autonomy(record: Record) -> tuple[str, Place] | None:
    found = record.get("autonomy")
    return None if found is None else (found, record.key("autonomy").place)


def _guards(record: Record) -> Guards | None:
    found: Record | None = record.get("guards")
    return None if found is None else Guards(_plain(found), record.key("guards").place)


def _escalation(record: Record) -> Escalation | None:
    found: Record | None = record.get("escalation")
    if found is None:
        return None
    place = record.key("escalation").place
    return Escalation(found.get("policy", ""), found.get("unresolved_after"), place)


def read_input(draft: Draft, name: str, record: Record) -> Input:
    """One input; tells where its own default or limits do not fit it."""
    kind_name: InputType = record.get("type", "string")
    required: bool = record.get("required", not record.has("default"))
    if required and record.has("default"):
        hint = "leave `required` out: with a default it need not be given"
        draft.error(
            "RB122", f"{named(name)} is required and has a default", record.key("required"), hint
        )
    _check_limits(draft, name, kind_name, record)
    pattern = record.get("pattern")
    whose = f"the pattern of {named(name)}"
    if pattern is not None and not draft.pattern(pattern, record.value("pattern"), whose):
        pattern = None
    bare = Input(name, kind_name, record.node.place)
    one_of = record.get("one_of", ())
    for choice in one_of:
        _fits(draft, bare, choice, record.value("one_of"), f"`one_of` of {named(name)}")
    spec = Input(
        name,
        kind_name,
        record.node.place,
        required=required and not record.has("default"),
        description=record.get("description", ""),
        pattern=pattern,
        min=record.get("min"),
        max=record.get("max"),
        one_of=one_of,
    )
    default = _default(draft, spec, record)
    return replace(spec, default=default)


def _default(draft: Draft, spec: Input, record: Record) -> Any:
    default = record.get("default", MISSING)
    if default is MISSING or (
        default is None and not spec.required and record.get("required") is False
    ):
        return None
    if "type" not in record.values and record.has("type"):
        return default
    return _fits(
        draft, spec, default, record.value("default"), f"the default of {named(spec.name)}"
    )


def _fits(draft: Draft, spec: Input, value: Any, at: Node, whose: str) -> Any:
    if not draft.may_match(spec.pattern, value, at):
        return value
    try:
        return take_input(spec, value)
    except ValueError as error:
        draft.error("RB121", f"{whose} {error}", at)
        return value


def _check_limits(draft: Draft, name: str, type: str, record: Record) -> None:
    for limit in ("min", "max"):
        if record.has(limit) and type not in _MEASURED:
            draft.error(
                "RB123", f"{a(type)} has no {named(limit)}", record.key(limit), "leave it out"
            )
    if record.has("pattern") and type != "string":
        what = f"`pattern` is for strings, and {named(name)} is {a(type)}"
        draft.error(
            "RB123",
            what,
            record.key("pattern"),
            f"of {listed(get_args(InputType))}, only string has one",
        )
    low, high = record.get("min"), record.get("max")
    if low is not None and high is not None and low > high:
        draft.error(
            "RB124", f"`min` of {named(name)} is larger than its `max`", record.value("min")
        )
