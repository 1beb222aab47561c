"""What one evaluation may use: rounds of loops, effort, length of texts, size of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.language.expressions.problem import TooMuch

ROUNDS_LIMIT: Final = 10_000
"""Rounds of all loops of one rendering together. A message lists a few hundred things at most."""

EFFORT_LIMIT: Final = 1_000_000
"""Elements touched (or 16 characters of text) in one evaluation: about half a second of work."""

CHARS_PER_EFFORT: Final = 16
"""Copying or scanning 16 characters costs no more than touching one element of a list."""

TEXT_LIMIT_CHARS: Final = 1024 * 1024
"""1 MiB: the size of a runbook, and more than any request or message that a template should build.
"""

ITEMS_LIMIT: Final = 100_000
"""Items of a list that an expression builds; ten times what a check returns."""

INT_LIMIT_BITS: Final = 4096
"""A thousand digits; beyond, Python needs seconds to print a number, and nobody means it."""

_FREE: Final = frozenset((float, bool, type(None)))


class Budget:
    """One evaluation: the scope it sees, the names its loops have set, and what it has used.

    `lenient`: what cannot be written is told in its place instead of ending the rendering; for
    messages to people, which had better go out with a gap than not at all.
    """

    __slots__ = ("effort", "length", "lenient", "local", "out", "rounds", "scope")

    def __init__(self, scope: Mapping[str, Any], *, lenient: bool = False) -> None:
        self.scope = scope
        self.lenient = lenient
        self.local: dict[str, Any] = {}
        self.effort = 0
        self.rounds = 0
        self.out: list[str] = []
        self.length = 0

    def spend(self, effort: int) -> None:
        self.effort += effort
        if self.effort > EFFORT_LIMIT:
            raise TooMuch(f"this takes more than {EFFORT_LIMIT:,} steps of work, the limit")

    def round(self, effort: int) -> None:
        """One round of a loop whose body has `effort` nodes."""
        self.rounds += 1
        if self.rounds > ROUNDS_LIMIT:
            raise TooMuch(f"the loops go round more than {ROUNDS_LIMIT:,} times, the limit")
        self.spend(effort)

    def scan(self, text: str) -> None:
        self.spend(len(text) // CHARS_PER_EFFORT + 1)

    def made(self, value: Any) -> Any:
        """`value`, which an expression has built, when it is not too large."""
        kind = type(value)
        if kind in _FREE:
            return value
        if kind is int:
            check_int(value)
        elif kind is str:
            check_length(len(value))
            self.spend(len(value) // CHARS_PER_EFFORT + 1)
        else:
            if isinstance(value, (list, tuple, dict)):
                check_items(len(value))
            self.weigh(value)
        return value

    def weigh(self, value: Any) -> None:
        """Pays for every element of `value`, counted as often as it occurs.

        Lists that hold one list many times take little memory and are huge once they are written or
        compared; so each is paid for when it is built, read as a whole, or compared.
        """
        waiting = [value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, str):
                self.spend(len(item) // CHARS_PER_EFFORT + 1)
            elif isinstance(item, (list, tuple)):
                self.spend(len(item) + 1)
                waiting.extend(item)
            elif isinstance(item, Mapping):
                self.spend(2 * len(item) + 1)
                waiting.extend(item.keys())
                waiting.extend(item.values())
            else:
                self.spend(1)

    def write(self, text: str) -> None:
        """Adds to the text that a template gives."""
        self.length += len(text)
        check_length(self.length)
        self.out.append(text)


def check_int(value: int) -> None:
    check_bits(value.bit_length())


def check_bits(bits: float) -> None:
    if bits > INT_LIMIT_BITS:
        raise TooMuch(f"a number has more than {INT_LIMIT_BITS:,} bits, the limit")


def check_length(chars: float) -> None:
    if chars > TEXT_LIMIT_CHARS:
        raise TooMuch(f"a text has more than {TEXT_LIMIT_CHARS:,} characters, the limit")


def check_items(items: float) -> None:
    if items > ITEMS_LIMIT:
        raise TooMuch(f"a list has more than {ITEMS_LIMIT:,} items, the limit")
