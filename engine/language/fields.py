"""Kinds of values a key takes: each reads a node and describes itself as JSON Schema.

A key that does not take its node says so and reads as MISSING; nothing raises, so that one reading
finds everything. The tables of keys (`keys`) are made of these, and both the loader and the schema
go by them.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from typing import Any, Final, Protocol

from msgspec import Struct

from engine.language.draft import ID, ID_HELP, MARKS, Draft
from engine.language.duration import parse_duration
from engine.language.model import RESERVED, Expression
from engine.language.nodes import Mapping, Node, Scalar, Sequence, kind_of
from engine.language.words import listed, named


class _Missing:
    """What a value reads as when it was not good."""

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()

Schema = dict[str, Any]
TEMPLATES_WHERE = "templates are rendered in `with`, messages and `because`"
DURATION_PATTERN = r"^\s*([0-9]+(\.[0-9]+)?\s*(w|d|h|m|s|ms)?\s*)+$"


class Kind(Protocol):
    """A kind of value. `label` is the key as messages show it."""

    def read(self, draft: Draft, node: Node, label: str) -> Any: ...

    def schema(self) -> Schema: ...


class Key(Struct, frozen=True):
    """One key of a mapping: the loader, the JSON Schema and the reference go by it."""

    name: str
    kind: Kind
    doc: str
    required: bool = False


Table = MappingOf[str, Key]


def table(*keys: Key) -> Table:
    return {key.name: key for key in keys}


class Record(Struct, frozen=True):
    """A mapping read by a table. `values` holds what was given and good."""

    node: Mapping
    values: MappingOf[str, Any]

    def get(self, name: str, otherwise: Any = None) -> Any:
        return self.values.get(name, otherwise)

    def has(self, name: str) -> bool:
        """Whether the key was written, good or not."""
        return self.node.key(name) is not None

    def key(self, name: str) -> Scalar:
        found = self.node.key(name)
        assert found is not None, name  # noqa: S101 - asked only for keys that `has` knows
        return found

    def value(self, name: str) -> Node:
        found = self.node.get(name)
        assert found is not None, name  # noqa: S101 - as above
        return found


def wrong(draft: Draft, node: Node, label: str, takes: str, help: str | None = None) -> _Missing:
    """Tells that a key takes something else."""
    hint = help
    if hint is None and isinstance(node, Scalar) and "text" in takes and not _is_text(node):
        quoted = f'put it into quotes: "{node.text}"'
        hint = quoted if node.text else "write one, or leave the key out"
    draft.error("RB103", f"{named(label)} takes {takes}, not {kind_of(node)}", node, hint)
    return MISSING


def _is_text(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str)


def has_template(text: str) -> bool:
    return any(mark in text for mark in MARKS)


# Kinds are plain classes with an `__init__`: frozen ones would cost the start-up of every run 3 ms.


class Text(Struct, eq=False):
    """A text that is shown or compared as it is, so no template may stand in it."""

    takes: str = "a text"
    words: tuple[str, ...] = ()
    """The only ones there are, when there are any."""
    empty: bool = False
    """Whether nothing may stand there, which reads as None."""

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if self.empty and isinstance(node, Scalar) and node.value is None:
            return None
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.text.strip():
            return wrong(draft, node, label, self._takes())
        if has_template(node.text):
            what = f"{named(label)} is no template: it is taken as it is written"
            draft.error("RB404", what, node, TEMPLATES_WHERE)
            return MISSING
        if self.words and node.text not in self.words:
            near = draft.suggest(node.text, lambda: list(self.words))
            what = f"{named(label)} takes {self._takes()}, not {named(node.text)}"
            draft.error("RB104", what, node, near)
            return MISSING
        return node.text

    def _takes(self) -> str:
        return listed(self.words) if self.words else self.takes

    def schema(self) -> Schema:
        if self.words:
            return {"enum": list(self.words)}
        return {"type": ["string", "null"]} if self.empty else {"type": "string", "minLength": 1}


class Identifier(Struct, eq=False):
    """A name of the language. An entry's `id` is claimed before its keys, and only passes here."""

    claimed: bool = False

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if self.claimed:
            return node.text if isinstance(node, Scalar) else MISSING
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return wrong(draft, node, label, "a name")
        if not ID.fullmatch(node.text):
            draft.error("RB201", f"{named(node.text)} cannot be a name", node, ID_HELP)
            return MISSING
        if node.text in RESERVED:
            what = f"{named(node.text)} means something else in every expression"
            draft.error("RB202", what, node, "take another name")
            return MISSING
        return node.text

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{ID.pattern}$"}


class Texts(Struct, eq=False):
    """A list of texts; one alone may stand without the list."""

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        items = node.items if isinstance(node, Sequence) else (node,)
        if isinstance(node, Mapping) or not items:
            return wrong(draft, node, label, "a list of texts")
        read = [Text().read(draft, item, label) for item in items]
        return tuple(item for item in read if item is not MISSING)

    def schema(self) -> Schema:
        one = Text().schema()
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


class Message(Struct, eq=False):
    """A text that may hold templates."""

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.text.strip():
            return wrong(draft, node, label, "a text")
        return draft.template(node) if has_template(node.text) else node.text

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1}


class Bare(Struct, eq=False):
    """An expression, written without `{{ }}`."""

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if (
            not isinstance(node, Scalar)
            or not isinstance(node.value, str | bool)
            or not node.text.strip()
        ):
            return wrong(draft, node, label, "an expression", "such as `memory.used > 5`")
        text = node.text.strip()
        if text.startswith("{{") or (has_template(text) and "'" not in text and '"' not in text):
            inner = text.removeprefix("{{").removesuffix("}}").strip()
            hint = f"write {inner}" if inner and not has_template(inner) else "leave the braces out"
            draft.error(
                "RB402", f"{named(label)} takes an expression without {{{{ }}}}", node, hint
            )
            return Expression(node.text, node.at(0))
        return draft.expression(node)

    def schema(self) -> Schema:
        return {"type": ["string", "boolean"]}


class Span(Struct, eq=False):
    """A duration, as seconds."""

    zero: bool = False
    templates: bool = False

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if not isinstance(node, Scalar) or isinstance(node.value, bool | None):
            return wrong(draft, node, label, "a duration such as 15m or 1h30m")
        if isinstance(node.value, str) and has_template(node.value):
            if self.templates:
                return draft.template(node)
            hint = "only `wait`, `within`, `hold`, `every` and values under `with` take a template"
            draft.error("RB404", f"{named(label)} takes a duration, and no template", node, hint)
            return MISSING
        try:
            seconds = parse_duration(node.value)
        except ValueError as error:
            draft.error(
                "RB105",
                f"{named(label)} takes a duration: {error}",
                node,
                "such as 500ms, 15m or 1h30m",
            )
            return MISSING
        if seconds == 0 and not self.zero:
            draft.error("RB106", f"{named(label)} must be longer than nothing", node)
            return MISSING
        return seconds

    def schema(self) -> Schema:
        text: Schema = (
            {"type": "string"}
            if self.templates
            else {"type": "string", "pattern": DURATION_PATTERN}
        )
        return {"anyOf": [text, {"type": "number", "minimum": 0}]}


class Boolean(Struct, eq=False):
    def read(self, draft: Draft, node: Node, label: str) -> Any:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        hint = "YAML 1.2 knows only true and false; yes, no, on and off are texts"
        words = isinstance(node, Scalar) and node.text.lower() in {"yes", "no", "on", "off"}
        return wrong(draft, node, label, "true or false", hint if words else None)

    def schema(self) -> Schema:
        return {"type": "boolean"}


class Number(Struct, eq=False):
    low: float | None = None
    high: float | None = None
    whole: bool = False

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        kinds = int if self.whole else (int, float)
        takes = "a whole number" if self.whole else "a number"
        if (
            not isinstance(node, Scalar)
            or isinstance(node.value, bool)
            or not isinstance(node.value, kinds)
        ):
            return wrong(draft, node, label, takes)
        if self.low is not None and node.value < self.low:
            draft.error("RB106", f"{named(label)} is at least {self.low:g}, not {node.text}", node)
            return MISSING
        if self.high is not None and node.value > self.high:
            draft.error("RB106", f"{named(label)} is at most {self.high:g}, not {node.text}", node)
            return MISSING
        return node.value

    def schema(self) -> Schema:
        found: Schema = {"type": "integer" if self.whole else "number"}
        found |= {} if self.low is None else {"minimum": self.low}
        return found | ({} if self.high is None else {"maximum": self.high})
