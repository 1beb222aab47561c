"""Builds the node tree from YAML events, with the limits that keep any file cheap.

Aliases share the node they repeat; its size is counted each time, so a bomb is noticed while it is
being read and nothing is ever written out.
"""

from __future__ import annotations

from typing import Any

import yaml
from msgspec import Struct, field

from engine.errors import Collector, Place
from engine.language.nodes import Mapping, Node, Scalar, Sequence
from engine.language.scalars import NotJson, meaning
from engine.language.shown import shown
from engine.language.words import SHOWN_CHARS, named

MAX_DEPTH_LEVELS = 50
"""Levels of lists and mappings in one another. A runbook of ours has at most 14."""

MAX_NODES = 50_000
"""Values in a file, aliases written out. A runbook of 200 steps has about 3,000."""

MAX_TEXT_CHARS = 64 * 1024
"""Characters in one value. A long SQL statement has 5,000."""


MERGE_HELP = "write the keys out; an alias of a whole value (`with: *name`) is read"


class _Open(Struct):
    """A list or mapping of which the end has not been read."""

    event: Any
    place: Place
    anchor: str | None
    children: list[Node] = field(default_factory=list)
    size: int = 1
    height: int = 1
    keys: dict[str, Place] = field(default_factory=dict)


class Tree:
    """Takes events one by one. `root` is the tree once the last was taken."""

    def __init__(self, text: str, file: str, collector: Collector) -> None:
        self.text = text
        self.file = file
        self.collector = collector
        self.root: Node | None = None
        self.spans: list[tuple[int, int]] = []
        """Where texts in quotes and blocks stand, by offset."""
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._opening: set[str] = set()
        self._documents = 0

    def take(self, event: Any) -> bool:
        """False when reading must stop; why is in the collector."""
        if isinstance(event, yaml.ScalarEvent):
            return self._put(self._scalar(event), event.anchor)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if isinstance(event, yaml.CollectionStartEvent):
            return self._begin(event)
        if isinstance(event, yaml.CollectionEndEvent):
            return self._end(event)
        if isinstance(event, yaml.DocumentStartEvent):
            return self._document(event)
        return True

    def _place(self, mark: Any) -> Place:
        return Place(self.file, mark.line + 1, mark.column + 1)

    def _add(
        self, code: str, what: str, place: Place, help: str | None = None, width: int = 1
    ) -> None:
        self.collector.add(code, what, place, help, width)

    def _document(self, event: Any) -> bool:
        self._documents += 1
        if self._documents > 1:
            self._add(
                "RB008",
                "a second document begins here",
                self._place(event.start_mark),
                "one file holds one runbook",
            )
            return False
        return True

    def _begin(self, event: Any) -> bool:
        place = self._place(event.start_mark)
        if len(self._open) >= MAX_DEPTH_LEVELS:
            self._too_deep(place)
            return False
        self._refuse_tag(event, place)
        if event.anchor:
            self._opening.add(event.anchor)
        self._open.append(_Open(event, place, event.anchor))
        return True

    def _too_deep(self, place: Place) -> None:
        what = f"lists and mappings are more than {MAX_DEPTH_LEVELS} levels deep"
        self._add("RB015", what, place, "a runbook can call others: split it")

    def _end(self, event: Any) -> bool:
        done = self._open.pop()
        start, end = done.event.start_mark, event.end_mark
        flow = done.event.flow_style and start.line == end.line
        width = max(1, end.column - start.column) if flow else 1
        node: Node
        if isinstance(done.event, yaml.MappingStartEvent) and _is_braces(done.children):
            node = self._braces(done, event)
        elif isinstance(done.event, yaml.MappingStartEvent):
            node = Mapping(self._pairs(done), done.place, width, done.size, done.height)
        else:
            node = Sequence(tuple(done.children), done.place, width, done.size, done.height)
        return self._put(node, done.anchor)

    def _braces(self, done: _Open, event: Any) -> Scalar:
        """`{{ name }}` without quotes: two mappings to YAML, here the template it was meant as."""
        text = self.text[done.event.start_mark.index : event.end_mark.index]
        width = len(text) if "\n" not in text else 1
        hint = (
            f'put the whole text into quotes: "{text}"'
            if width > 1
            else "put the whole text into quotes"
        )
        self._add("RB013", "a text with {{ }} needs quotes", done.place, hint, width)
        return Scalar(text, text, done.place, width, plain=False, origin=done.place)

    def _put(self, node: Node, anchor: str | None) -> bool:
        """Hangs a node into the one that is open, within the limits."""
        if anchor:
            self._opening.discard(anchor)
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
            return True
        parent = self._open[-1]
        parent.children.append(node)
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)
        if parent.size > MAX_NODES:
            what = f"the file holds more than {MAX_NODES:,} values, its aliases written out"
            self._add("RB016", what, node.place, "a runbook can call others: split it")
            return False
        if len(self._open) + node.height > MAX_DEPTH_LEVELS + 1:
            self._too_deep(node.place)
            return False
        return True

    def _alias(self, event: Any) -> bool:
        place = self._place(event.start_mark)
        node = self._anchors.get(event.anchor)
        if event.anchor in self._opening:
            self._add(
                "RB014", f"the alias {named('*' + event.anchor)} stands inside what it names", place
            )
            return False
        if node is None:
            what = f"the alias {named('*' + event.anchor)} names no anchor"
            hint = f"put the text into quotes, or write '&{event.anchor}' before the value meant"
            self._add("RB014", what, place, hint, len(event.anchor) + 1)
            return False
        return self._put(node, None)

    def _pairs(self, done: _Open) -> tuple[tuple[Scalar, Node], ...]:
        pairs: list[tuple[Scalar, Node]] = []
        for key, value in zip(done.children[::2], done.children[1::2], strict=False):
            if _is_merge(key):
                self._add("RB012", "merge keys are not read", key.place, MERGE_HELP, key.width)
                if isinstance(value, Mapping):  # merged all the same, so that this is told once
                    pairs.extend(p for p in value.pairs if p[0].text not in done.keys)
            elif self._good_key(key, done.keys):
                pairs.append((key, value))  # type: ignore[arg-type]
        return tuple(pairs)

    def _good_key(self, key: Node, keys: dict[str, Place]) -> bool:
        if not isinstance(key, Scalar) or key.text == "":
            what = (
                "a key is a text"
                if not isinstance(key, Scalar)
                else "a key is missing before the ':'"
            )
            self._add("RB013", what, key.place, None, key.width)
            return False
        if key.text in keys:
            first = keys[key.text]
            hint = f"the first one is at line {first.line}, column {first.column}"
            self._add(
                "RB011", f"the key {named(key.text)} is given twice", key.place, hint, key.width
            )
            return False
        keys[key.text] = key.place
        return True

    def _refuse_tag(self, event: Any, place: Place) -> None:
        if event.tag is not None:
            hint = "leave it out: quotes make a text, nothing else needs a tag"
            self._add("RB010", f"tags are not read: {named(event.tag)}", place, hint)

    def _scalar(self, event: Any) -> Scalar:
        start, end = event.start_mark, event.end_mark
        place = self._place(start)
        if event.style:
            self.spans.append((start.index, end.index))
        self._refuse_tag(event, place)
        text = event.value
        width = max(1, end.column - start.column) if start.line == end.line else 1
        if len(text) > MAX_TEXT_CHARS:
            what = f"a text is longer than {MAX_TEXT_CHARS // 1024} KiB"
            self._add("RB017", what, place, "keep data out of runbooks")
            text = text[:MAX_TEXT_CHARS]
        plain = not event.style
        value = self._meaning(text, place, width) if plain else text
        return Scalar(value, text, place, width, plain, self._origin(event, text, place))

    def _meaning(self, text: str, place: Place, width: int) -> str | int | float | bool | None:
        try:
            return meaning(text)
        except NotJson as error:
            hint = f"put it into quotes if it is a text: {shown(text, SHOWN_CHARS)}"
            self._add("RB018", f"{named(text)} {error}", place, hint, width)
            return text

    def _origin(self, event: Any, text: str, place: Place) -> Place | None:
        """Where the first character stands, if text and source run in step from there on."""
        start, end = event.start_mark.index, event.end_mark.index
        if event.style == "|":
            return self._block_origin(start, text, place)
        inset = 1 if event.style in {"'", '"'} else 0
        if self.text[start + inset : end - inset] != text:
            return None
        if not inset:
            return place
        return Place(place.file, place.line, place.column + inset)

    def _block_origin(self, start: int, text: str, place: Place) -> Place | None:
        """A literal block: each line is the source's, without the indentation of the first."""
        first = self.text.find("\n", start) + 1
        line = text.split("\n", 1)[0]
        end = self.text.find("\n", first)
        source = self.text[first : end if end >= 0 else len(self.text)].rstrip("\r")
        if not first or not line.strip() or not source.endswith(line):
            return None
        return Place(place.file, place.line + 1, len(source) - len(line) + 1)


def _is_merge(key: Node) -> bool:
    return isinstance(key, Scalar) and key.plain and key.text == "<<"


def _is_braces(children: list[Node]) -> bool:
    """Whether this is `{{ something }}` as YAML reads it: a mapping as the only key, no value."""
    if len(children) != 2 or not isinstance(children[0], Mapping):
        return False
    return isinstance(children[1], Scalar) and children[1].text == ""
