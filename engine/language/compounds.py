"""Kinds of values that hold others: any JSON, mappings and lists, blocks of steps."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from engine.language.draft import ID, ID_HELP, Draft
from engine.language.fields import MISSING, Kind, Schema, Text, has_template, wrong
from engine.language.nodes import Mapping, Node, Scalar, Sequence
from engine.language.words import named


class Json(Struct, eq=False):
    """Any value; with `templates`, strings in it may be templates."""

    templates: bool = True

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if isinstance(node, Sequence):
            return [self.read(draft, item, label) for item in node.items]
        if isinstance(node, Mapping):
            return {key.text: self.read(draft, value, label) for key, value in node.pairs}
        if not isinstance(node.value, str) or not has_template(node.value):
            return node.value
        if not self.templates:
            draft.error("RB404", f"{named(label)} takes a value, and no template", node)
            return node.value
        return draft.template(node)

    def schema(self) -> Schema:
        return {}


class MapOf(Struct, eq=False):
    """A mapping with names of the author's own."""

    of: Kind
    takes: str = "a mapping"
    identifiers: bool = False
    most: int | None = None

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if not isinstance(node, Mapping):
            return wrong(draft, node, label, self.takes)
        if self.most is not None and len(node.pairs) > self.most:
            draft.error("RB106", f"{named(label)} has more than {self.most}", node)
            return MISSING
        found: dict[str, Any] = {}
        for key, value in node.pairs:
            if self.identifiers and not ID.fullmatch(key.text):
                draft.error("RB201", f"{named(key.text)} cannot be a name", key, ID_HELP)
            read = self.of.read(draft, value, key.text)
            if read is not MISSING:
                found[key.text] = read
        return found

    def schema(self) -> Schema:
        names: Schema = (
            {"propertyNames": {"pattern": f"^{ID.pattern}$"}} if self.identifiers else {}
        )
        return {"type": "object", "additionalProperties": self.of.schema(), **names}


class ListOf(Struct, eq=False):
    of: Kind
    takes: str = "a list"
    most: int | None = None

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if not isinstance(node, Sequence) or not node.items:
            return wrong(draft, node, label, self.takes)
        if self.most is not None and len(node.items) > self.most:
            draft.error("RB106", f"{named(label)} has more than {self.most}", node)
            return MISSING
        read = [self.of.read(draft, item, label) for item in node.items]
        return tuple(item for item in read if item is not MISSING)

    def schema(self) -> Schema:
        return {"type": "array", "items": self.of.schema(), "minItems": 1}


class Block(Struct, eq=False):
    """A list of entries."""

    words: tuple[str, ...] = field(default=())
    """Words that may stand in its place (`on_failure: continue`)."""

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if self.words and isinstance(node, Scalar):
            return Text(words=self.words).read(draft, node, label)
        return draft.read_block(draft, node, label)

    def schema(self) -> Schema:
        block = {"$ref": "#/$defs/block"}
        return {"anyOf": [{"enum": list(self.words)}, block]} if self.words else block


class Probe(Struct, eq=False):
    """One check, as an entry."""

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if not isinstance(node, Mapping) or node.key("check") is None:
            return wrong(draft, node, label, "a check", "`probe: {check: ..., expect: ...}`")
        return draft.read_entry(draft, node)

    def schema(self) -> Schema:
        return {"$ref": "#/$defs/check"}
