"""A step that is a runbook, against the runbook it calls."""

from __future__ import annotations

from engine.language.draft import Draft
from engine.language.fields import Record
from engine.language.inputs import take_input
from engine.language.model import Runbook
from engine.language.nodes import Mapping, Node, Scalar, Sequence
from engine.language.params import is_template
from engine.language.words import listed, named


def check_call_inputs(draft: Draft, record: Record, called: Runbook) -> None:
    """Every input is one it has and takes its value; none that it needs is missing."""
    node = record.node.get("inputs")
    given = node if isinstance(node, Mapping) else Mapping((), record.node.place)
    for key, value in given.pairs:
        spec = called.inputs.get(key.text)
        if spec is None:
            names = list(called.inputs)
            otherwise = f"it has {listed(names, 'and')}" if names else "it has none"
            hint = draft.suggest(key.text, lambda names=names: names, otherwise)  # type: ignore[misc]
            draft.error("RB223", f"{named(called.name)} has no input {named(key.text)}", key, hint)
        elif not holds_template(value):
            literal = plain(value)
            if not draft.may_match(spec.pattern, literal, value):
                continue
            try:
                take_input(spec, literal)
            except ValueError as error:
                draft.error("RB224", f"the input {named(key.text)} {error}", value)
    for name, spec in called.inputs.items():
        if spec.required and given.key(name) is None:
            what = f"{named(called.name)} needs the input {named(name)}"
            draft.error("RB225", what, record.value("runbook"), spec.description or None)


def holds_template(node: Node) -> bool:
    match node:
        case Mapping():
            return any(holds_template(value) for _, value in node.pairs)
        case Sequence():
            return any(holds_template(item) for item in node.items)
        case Scalar():
            return is_template(node)


def plain(node: Node) -> object:
    """A node without templates as JSON."""
    match node:
        case Mapping():
            return {key.text: plain(value) for key, value in node.pairs}
        case Sequence():
            return [plain(item) for item in node.items]
        case Scalar():
            return node.value
