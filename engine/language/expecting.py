"""Expectations: an expression, or a mapping from a path in the result to a matcher."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from engine.language.compounds import Json
from engine.language.draft import Draft
from engine.language.expect import check_expectation
from engine.language.fields import Bare, Schema, has_template, wrong
from engine.language.nodes import Mapping, Node, Scalar, Sequence


class Expectation(Struct, frozen=True):
    """What `expect` and `warn` take."""

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if isinstance(node, Mapping):
            found = Json().read(draft, node, label)
            if good_patterns(draft, node):
                for path, what, hint in check_expectation(found):
                    draft.error("RB117", what, node_at(node, path), hint)
            return found
        if isinstance(node, Sequence) or not isinstance(node.value, str | bool):
            hint = "`result.status == 200`, or `status: 200` on a line of its own"
            return wrong(draft, node, label, "an expression or a mapping of matchers", hint)
        return Bare().read(draft, node, label)

    def schema(self) -> Schema:
        return {"$ref": "#/$defs/expectation"}


def good_patterns(draft: Draft, node: Node) -> bool:
    """Whether every `matches` can be compiled: asked first, since compiling is what costs."""
    if isinstance(node, Sequence):
        return min((good_patterns(draft, item) for item in node.items), default=True)
    good = True
    for key, value in node.pairs if isinstance(node, Mapping) else ():
        if key.text == "matches" and isinstance(value, Scalar):
            templated = isinstance(value.value, str) and has_template(value.value)
            good &= templated or draft.pattern(value.text, value, "the pattern")
        else:
            good &= good_patterns(draft, value)
    return good


def node_at(node: Node, path: tuple[str | int, ...]) -> Node:
    """The part of an expectation that a path leads to: the key of a mapping, the item of a list."""
    at: Node = node
    for part in path:
        at = node
        if isinstance(node, Mapping) and (key := node.key(str(part))) is not None:
            at, node = key, node.get(str(part)) or key
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            at = node = node.items[part]
        else:
            break
    return node if isinstance(node, Scalar) else at
