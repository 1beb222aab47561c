"""Reads a mapping by its table of keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Mapping as MappingOf
from typing import Any

from msgspec import Struct, field

from engine.language.draft import Draft
from engine.language.fields import MISSING, Key, Kind, Record, Schema, Table, wrong
from engine.language.nodes import Mapping, Node, Scalar
from engine.language.words import listed, named, nearest

SPLIT = "make them two, each beginning with '- '"

Told = Callable[[Draft, Scalar], bool]
"""Tells about a key that the table has not, if it knows better than *unknown key*: then True."""


def read_table(
    draft: Draft, node: Mapping, keys: Table, what: str, told: Told | None = None
) -> Record:
    """Every key that is given and good; tells about those that are unknown or missing.

    `what` names the mapping in messages: `a check`, `the runbook`.
    """
    values: dict[str, Any] = {}
    meant: set[str] = set()
    for key, value in node.pairs:
        known = keys.get(key.text)
        if known is None:
            if told is None or not told(draft, key):
                meant.add(_unknown(draft, key, keys, what))
            continue
        read = known.kind.read(draft, value, key.text)
        if read is not MISSING:
            values[key.text] = read
    _tell_missing(draft, node, [k for k in keys.values() if k.name not in meant], what)
    return Record(node, values)


def _unknown(draft: Draft, key: Scalar, keys: Table, what: str) -> str:
    """Tells, and returns the key that was probably meant, or nothing."""
    near = None if draft.full else nearest(key.text, keys)
    hint = f"did you mean {named(near)}?" if near else f"{what} has {listed(keys, 'and')}"
    draft.error("RB101", f"unknown key {named(key.text)}", key, hint)
    return near or ""


def _tell_missing(draft: Draft, node: Mapping, keys: Iterable[Key], what: str) -> None:
    for key in keys:
        if key.required and node.key(key.name) is None:
            at = node.pairs[0][0] if node.pairs else node
            draft.error("RB102", f"{what} needs {named(key.name)}", at, f"{key.name}: {key.doc}")


class Nested(Struct, frozen=True):
    """A mapping with a table of its own. `short`: the key that any other value stands for."""

    keys: Table
    what: str
    short: str | None = None
    misplaced: tuple[str, str] | None = None
    """A key that is often written here and belongs elsewhere, and where."""

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if isinstance(node, Mapping):
            key = node.key(self.misplaced[0]) if self.misplaced else None
            if key is None or self.misplaced is None:
                return read_table(draft, node, self.keys, self.what)
            draft.error(
                "RB112", f"{named(key.text)} is no key of {self.what}", key, self.misplaced[1]
            )
            return MISSING
        if self.short is None or not isinstance(node, Scalar) or node.value is None:
            return wrong(draft, node, label, f"a mapping with {listed(self.keys, 'and')}")
        read = self.keys[self.short].kind.read(draft, node, label)
        return (
            MISSING
            if read is MISSING
            else Record(Mapping((), node.place, node.width), {self.short: read})
        )

    def schema(self) -> Schema:
        mapping = table_schema(self.keys)
        if self.short is None:
            return mapping
        return {"anyOf": [self.keys[self.short].kind.schema(), mapping]}


class OneOf(Struct, frozen=True):
    """A mapping with exactly one key, which says what the value under it is."""

    tables: dict[str, Table]
    what: str
    meant: MappingOf[str, str] = field(default_factory=dict)
    """Keys that are often written, and those that are meant."""

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if not isinstance(node, Mapping) or not node.pairs:
            return wrong(draft, node, label, f"a mapping with one of {listed(self.tables)}")
        if len(node.pairs) > 1:
            second = node.pairs[1][0]
            draft.error(
                "RB116",
                f"a {self.what} is one thing: {named(second.text)} is a second",
                second,
                SPLIT,
            )
            return MISSING
        (key, value), *_ = node.pairs
        keys = self.tables.get(key.text)
        if keys is None:
            hint = draft.suggest(
                key.text, lambda: list(self.tables), f"one of {listed(self.tables)}"
            )
            draft.error("RB101", f"unknown {self.what} {named(key.text)}", key, hint)
            return MISSING
        read = self._table(draft, value, keys, key.text)
        return MISSING if read is MISSING else (key, read)

    def _table(self, draft: Draft, node: Node, keys: Table, name: str) -> Any:
        if not isinstance(node, Mapping):
            return wrong(draft, node, name, f"a mapping with {listed(keys, 'and')}")

        def told(draft: Draft, key: Scalar) -> bool:
            word = self.meant.get(key.text, "")
            if word not in keys:
                return False
            hint = f"did you mean {named(word)}?"
            draft.error("RB101", f"unknown key {named(key.text)}", key, hint)
            return True

        return read_table(draft, node, keys, f"the {self.what} {named(name)}", told)

    def schema(self) -> Schema:
        ways = [
            {
                "type": "object",
                "properties": {name: table_schema(keys)},
                "required": [name],
                "additionalProperties": False,
            }
            for name, keys in self.tables.items()
        ]
        return {"anyOf": ways}


def table_schema(keys: Table) -> Schema:
    """JSON Schema of a mapping: its keys with their docs, and no others."""
    properties = {key.name: described(key.kind, key.doc) for key in keys.values()}
    required = [key.name for key in keys.values() if key.required]
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return found | ({"required": required} if required else {})


def described(kind: Kind, doc: str) -> Schema:
    return {"description": doc, **kind.schema()}
