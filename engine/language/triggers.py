"""Triggers as they stand in a runbook: what its tables of keys cannot see."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from typing import Any, Final

from engine.language.draft import Draft
from engine.language.fields import Record
from engine.language.inputs import take_input
from engine.language.linking import holds_template, plain
from engine.language.model import Input, Trigger
from engine.language.nodes import Mapping, Scalar
from engine.language.words import named

AUTONOMIES: Final = ("guide", "propose", "auto")


def read_trigger(draft: Draft, key: Scalar, rule: Record, inputs: MappingOf[str, Input]) -> Trigger:
    """A trigger of a runbook with these inputs; tells about inputs that it gives and should not.

    One that it leaves out is a warning: the runbook can be started by hand all the same.
    """
    found = {name: _plain(value) for name, value in rule.values.items()}
    node = rule.node.get("inputs")
    given = node if isinstance(node, Mapping) else Mapping((), key.place)
    _check_given(draft, given, inputs)
    for name, spec in inputs.items():
        if spec.required and given.key(name) is None:
            what = f"the trigger leaves out the input {named(name)}, which is needed"
            hint = f"`inputs: {{{name}: ...}}` in the trigger, or a default of the input"
            draft.warn("RB134", what, key, hint)
    places = {name.text: name.place for name, _ in rule.node.pairs}
    return Trigger(key.text, found, key.place, places)


def _check_given(draft: Draft, given: Mapping, inputs: MappingOf[str, Input]) -> None:
    for key, value in given.pairs:
        spec = inputs.get(key.text)
        if spec is None:
            hint = draft.suggest(key.text, lambda: list(inputs), "declare it under `inputs`")
            draft.error("RB214", f"there is no input {named(key.text)}", key, hint)
            continue
        if holds_template(value):
            continue
        literal = plain(value)
        if not draft.may_match(spec.pattern, literal, value):
            continue
        try:
            take_input(spec, literal)
        except ValueError as error:
            draft.error("RB133", f"the input {named(key.text)} {error}", value)


def check_autonomy(draft: Draft, rule: Record, runbook: str | None) -> None:
    """A trigger may let a run go less far than its runbook does, not further."""
    own = rule.get("autonomy")
    if own is None or runbook is None or AUTONOMIES.index(own) <= AUTONOMIES.index(runbook):
        return
    what = f"a trigger cannot let it go further ({own}) than its runbook does ({runbook})"
    draft.error("RB135", what, rule.value("autonomy"), f"leave it out, or write {runbook} or less")


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return {name: _plain(inner) for name, inner in value.values.items()}
    return value
