"""Why something did not hold, for somebody who reads it on a telephone.

The record says it exactly: the whole expression, the whole of what was expected. Whoever is called
at night did not write the expression: they are told the values that it did not hold for, beside the
title of the step. What is not known here stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from engine.language.duration import format_duration

EXPECTED_MAX_CHARS = 60
"""Of what was expected: a longer one hides what was found."""

_ATTEMPTS = re.compile(r"after (\d+) attempts in ([\d.]+) s")
_EXPECTED = re.compile(r"(?P<name>[^:\s]+): expected (?P<wanted>.+), was (?P<found>.+)", re.DOTALL)
_CODE = re.compile(r"\bresult\b|\binputs\.|[|()~]|[=!<>]=|^not ")
"""What only an expression has: no path into a result does."""

_NOTHING = re.compile(r"(.+) == (?:\[\]|\{\}|\"\") does not hold", re.DOTALL)
_VERDICT = re.compile(r" (?:does not hold|holds)$")
_ASKS = re.compile(r"\?(?= |$)")
_OPEN, _CLOSE = "([{", ")]}"


def plainly(why: Iterable[str]) -> str:
    """The reasons of a step in one line, each as plain as it can be said."""
    parts = (part for line in why for part in line.split("; "))
    return "; ".join(said for part in parts if (said := _part(part)))


def question_in(text: str) -> str:
    """The sentence of a text that asks: what stands before it explains it. Empty: none does."""
    flat = " ".join(text.split())
    asks = _ASKS.search(flat)
    if asks is None:
        return ""
    return flat[flat.rfind(". ", 0, asks.start()) + 1 : asks.end()].strip()


def _part(text: str) -> str:
    """A reason; also one behind the title of its step."""
    said = _plain(text)
    head, colon, rest = text.partition(": ")
    if said != text or not colon or _CODE.search(head):
        return said
    plain = _part(rest)
    return f"{head}: {plain}" if plain != rest else text


def _plain(text: str) -> str:
    tried = _ATTEMPTS.fullmatch(text)
    if tried is not None:
        return _tried(tried[1], float(tried[2]))
    expected = _EXPECTED.fullmatch(text)
    if expected is not None and not _CODE.search(expected["name"]):
        return _unlike(expected["name"], expected["wanted"], expected["found"]) or text
    return _values(text)


def _tried(attempts: str, took_s: float) -> str:
    """A reply that is lost at once took no time that anybody needs to know."""
    if took_s < 1:
        return f"after {attempts} attempts"
    took = f"{took_s:.0f} s" if took_s < 60 else format_duration(round(took_s))
    return f"after {attempts} attempts in {took}"


def _unlike(name: str, wanted: str, found: str) -> str:
    """What was found instead of what was expected; empty: nothing plainer can be said."""
    if name in ("value", "holds") and (wanted, found) == ("true", "false"):
        return "no"
    if name == "problem" and wanted == "null":
        return str(_read(found) or "")
    if wanted == "[]" and (listed := _listed(found)) != found:
        return listed if name == "misses" else f"{name}: {listed}"
    if len(wanted) <= EXPECTED_MAX_CHARS:
        return ""
    text = _read(found)
    return f"{name}: was {text if isinstance(text, str) and text else found}"


def _listed(text: str) -> str:
    """A list of texts, or of lists of one, as people write it."""
    items = _read(text)
    inner = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in _list(items)]
    texts = [one for one in inner if isinstance(one, str) and one]
    return ", ".join(texts) if texts and len(texts) == len(inner) else text


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _read(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:  # it was cut
        return None


def _values(text: str) -> str:
    """`EXPRESSION: 41.0 <= 30 does not hold` without the expression."""
    at = _end_of_code(text)
    if at is None or not _CODE.search(text[:at]):
        return text
    rest = text[at + 2 :].removeprefix("result.")
    nothing = _NOTHING.fullmatch(rest)
    if nothing is not None:
        return f"was {_listed(nothing[1])}"
    if _VERDICT.search(rest) or rest.startswith("is "):
        return rest
    what, is_, value = rest.partition(" is ")
    if is_ and _CODE.search(what) and ("|" in what or "(" in what):
        return f"was {_listed(rest.rpartition(' is ')[2])}"
    return rest if is_ and value else text


def _end_of_code(text: str) -> int | None:
    """Where the first colon stands that is in no quotes and no brackets."""
    quote, depth = "", 0
    for at, sign in enumerate(text):
        if sign == "…" and text[at + 1 : at + 3] == ": ":
            return at + 1  # the expression was cut: nothing in it has to be closed
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in _OPEN:
            depth += 1
        elif sign in _CLOSE:
            depth -= 1
        elif depth <= 0 and text[at : at + 2] == ": ":
            return at
    return None
