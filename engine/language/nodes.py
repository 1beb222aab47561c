"""The tree of a YAML text: scalars, sequences and mappings, each with its place.

Frozen; a node that an alias repeats is the same object in several places, so a tree can be larger
than what it weighs: `size` counts nodes as if every alias were written out, `height` its levels.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from engine.errors import Place
from engine.language.shown import shown
from engine.language.words import SHOWN_CHARS


class Scalar(Struct, frozen=True):
    """One value: text, number, boolean or null.

    `text` is what was written, without quotes and with escapes resolved; `value` is what that means
    in YAML 1.2 core (a quoted one always means its text). `origin` is the place of the first
    character of `text` where text and source run in step, so that an offset in the one is an offset
    in the other; None where they do not (escapes, folded lines).
    """

    value: str | int | float | bool | None
    text: str
    place: Place
    width: int = 1
    plain: bool = True
    origin: Place | None = None

    size = 1
    height = 1

    def at(self, offset: int) -> Place:
        """The place of a character of `text`; the start of the scalar where that is not known."""
        if self.origin is None:
            return self.place
        before = self.text[:offset]
        lines = before.count("\n")
        in_line = offset - (before.rfind("\n") + 1)
        return Place(self.origin.file, self.origin.line + lines, self.origin.column + in_line)


class Sequence(Struct, frozen=True):
    items: tuple[Node, ...]
    place: Place
    width: int = 1
    size: int = 1
    height: int = 1


class Mapping(Struct, frozen=True):
    """Pairs in the order of the text; keys are unique by their text."""

    pairs: tuple[tuple[Scalar, Node], ...]
    place: Place
    width: int = 1
    size: int = 1
    height: int = 1

    def get(self, name: str) -> Node | None:
        for key, value in self.pairs:
            if key.text == name:
                return value
        return None

    def key(self, name: str) -> Scalar | None:
        for key, _ in self.pairs:
            if key.text == name:
                return key
        return None

    def names(self) -> Iterator[str]:
        for key, _ in self.pairs:
            yield key.text


Node = Scalar | Sequence | Mapping


def kind_of(node: Node) -> str:
    """What a node is, in a user's words, with its value if short: `a list`, `the number 5`."""
    match node:
        case Sequence():
            return "a list" if node.items else "an empty list"
        case Mapping():
            return "a mapping" if node.pairs else "an empty mapping"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=bool() as value):
            return "true" if value else "false"
        case Scalar(value=int() | float()):
            return f"the number {node.text}"
        case _:
            return shown(node.text, SHOWN_CHARS)
