"""How a trigger writes what a text is like: `"*Redis*"` is a glob, `/^Redis/` a regular
expression."""

from __future__ import annotations

from typing import Any


def regex_of(wanted: Any) -> str | None:
    """The regular expression of `/.../`, or None."""
    if isinstance(wanted, str) and len(wanted) > 2 and wanted[0] == wanted[-1] == "/":
        return wanted[1:-1]
    return None


def is_glob(wanted: Any) -> bool:
    return isinstance(wanted, str) and ("*" in wanted or "?" in wanted)


def glob_fits(pattern: str, text: str) -> bool:
    """Whether a glob fits all of a text: `*` any characters, `?` one, all others themselves (so
    that `[FIRING:1] *` means what it says).

    Takes at worst the product of both lengths, whatever is in them.
    """
    at = spot = mark = 0
    star = -1
    while at < len(text):
        if spot < len(pattern) and pattern[spot] == "*":
            star, mark, spot = spot, at, spot + 1
        elif spot < len(pattern) and pattern[spot] in ("?", text[at]):
            spot, at = spot + 1, at + 1
        elif star >= 0:
            mark += 1
            spot, at = star + 1, mark
        else:
            return False
    return all(letter == "*" for letter in pattern[spot:])
