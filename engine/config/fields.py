"""Reads the fields of a configuration file: a value, or a diagnostic with its place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from types import MappingProxyType
from typing import Any

from engine.errors import Collector, Place
from engine.language.duration import parse_duration
from engine.language.nodes import Mapping, Node, Scalar, Sequence, kind_of
from engine.language.words import did_you_mean, listed, named

Meant = MappingProxyType[str, str]
"""By a word that people write: the key they mean, though it is not near it."""

NO_WORDS: Meant = MappingProxyType({})


def plain(node: Node) -> Any:
    """The JSON of a node, without places."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key.text: plain(value) for key, value in node.pairs}


def place_in(node: Node, path: tuple[str | int, ...]) -> Node:
    """The node a path of keys and indexes leads to, or the last one on the way."""
    for part in path:
        inner: Node | None = None
        if isinstance(node, Mapping):
            inner = node.get(str(part))
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            inner = node.items[part]
        if inner is None:
            return node
        node = inner
    return node


class Fields:
    """One file being read. Every method gives what fits and tells what does not."""

    def __init__(self, file: str, collector: Collector) -> None:
        self.file = file
        self.collector = collector

    def error(self, code: str, what: str, at: Node, help: str | None = None) -> None:
        self.collector.add(code, what, at.place, help, at.width)

    def warn(self, code: str, what: str, at: Node, help: str | None = None) -> None:
        self.collector.warn(code, what, at.place, help, at.width)

    def start(self) -> Place:
        return Place(self.file, 1, 1)

    def wrong(self, name: str, wanted: str, at: Node, help: str | None = None) -> None:
        self.error("RB801", f"{named(name)} takes {wanted}, not {kind_of(at)}", at, help)

    def mapping(
        self,
        node: Node | None,
        name: str,
        keys: Collection[str] | None = None,
        meant: Meant = NO_WORDS,
    ) -> Iterator[tuple[Scalar, Node]]:
        """The pairs of a mapping; with `keys`, only those, and every other key is told. `meant`:
        the key that is meant by a word that is not near it.
        """
        if node is None or (isinstance(node, Scalar) and node.value is None):
            return
        if not isinstance(node, Mapping):
            self.wrong(name, "a mapping", node)
            return
        for key, value in node.pairs:
            if keys is None or key.text in keys:
                yield key, value
            else:
                hint = did_you_mean(key.text, keys, f"known are {listed(sorted(keys), 'and')}")
                if key.text in meant:
                    hint = f"did you mean {named(meant[key.text])}?"
                self.error("RB802", f"unknown key {named(key.text)}", key, hint)

    def text(self, node: Node, name: str) -> str | None:
        if isinstance(node, Scalar) and isinstance(node.value, str) and node.value.strip():
            return node.value
        self.wrong(name, "a text", node)
        return None

    def texts(self, node: Node, name: str) -> tuple[str, ...]:
        """A list of texts; a single one counts as a list of one."""
        return tuple(text for text, _ in self.texts_with_places(node, name))

    def some(self, node: Node, name: str) -> tuple[str, ...]:
        """The same, and it is told where the list is empty: nobody is called by it."""
        if isinstance(node, Sequence) and not node.items:
            self.wrong(name, "one name or more", node)
        return self.texts(node, name)

    def texts_with_places(self, node: Node, name: str) -> Iterator[tuple[str, Node]]:
        items = node.items if isinstance(node, Sequence) else (node,)
        if isinstance(node, Mapping):
            self.wrong(name, "a list of texts", node)
            return
        for item in items:
            text = self.text(item, name)
            if text is not None:
                yield text, item

    def one_of(self, node: Node, name: str, choices: Collection[str], default: str) -> str:
        text = node.text if isinstance(node, Scalar) else ""
        if text in choices:
            return text
        self.wrong(name, listed(sorted(choices)), node, did_you_mean(text, choices))
        return default

    def seconds(self, node: Node, name: str) -> float | None:
        value = node.value if isinstance(node, Scalar) else None
        try:
            return parse_duration(value)
        except ValueError as e:
            hint = str(e).partition("is not a duration: ")[2] or None
            self.wrong(name, "a duration like 10m or 1h30m", node, hint)
            return None

    def all_of(
        self, node: Node | None, name: str, one: Callable[[Scalar, Node], Any]
    ) -> dict[str, Any]:
        """A mapping of names, each read by `one`; what it gives None for is left out."""
        made = {key.text: one(key, value) for key, value in self.mapping(node, name)}
        return {key: value for key, value in made.items() if value is not None}
