"""Why something did not hold, for somebody who reads it on a telephone.

The record says it exactly: the whole expression, the whole of what was expected. Whoever is called
at night did not write the expression: they are told the values that it did not hold for, beside the
title of the step. What is not known here stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from engine.core.brief import show
from engine.language.duration import format_duration

EXPECTED_MAX_CHARS = 60
"""Of what was expected: a longer one hides what was found."""

_ATTEMPTS = re.compile(r"after (\d+) attempts in ([\d.]+) s")
_EXPECTED = re.compile(r"(?P<name>[^:\s]+): expected (?P<wanted>.+), was (?P<found>.+)", re.DOTALL)
_CODE = re.compile(r"\bresult\b|\binputs\.|[|()~]|[=!<>]=|^not ")
"""What only an expression has: no path into a result does."""

_NOTHING = re.compile(r"(.+) == (?:\[\]|\{\}|\"\") does not hold", re.DOTALL)
_GIVEN = re.compile(r"(?:not )?inputs\.\w+ [=!]= [^:|]+: .+ does not hold")
"""What was given to the run: beside another reason it says why that other one counts."""

_NUMBERS = re.compile(
    r"(?P<left>-?[\d.]+(?:e[+-]?\d+)?) (?P<than>[<>]=?|[=!]=) (?P<right>-?[\d.]+(?:e[+-]?\d+)?)"
    r" does not hold"
)
_AGES = re.compile(r"\|\s*age\b|_s\b")
"""What is counted in seconds: ages, and fields whose name ends so."""

_NEVER_S = 1_000_000_000
"""An age of 30 years is that of 1970, which stands for a time that there is not."""

_VERDICT = re.compile(r" (?:does not hold|holds)$")
_ITEM = re.compile(r"\s*[-*] ")
_ASKS = re.compile(r"\?(?= |$)")
_OPEN, _CLOSE = "([{", ")]}"


def plainly(why: Iterable[str]) -> str:
    """The reasons of a step in one line, each as plain as it can be said."""
    parts = [part for line in why for part in line.split("; ")]
    if not all(_GIVEN.fullmatch(part) or _ATTEMPTS.fullmatch(part) for part in parts):
        parts = [part for part in parts if not _GIVEN.fullmatch(part)]
    return "; ".join(said for part in parts if (said := _part(part)))


def question_in(text: str) -> str:
    """The sentence of a text that asks: what stands before it explains it. Empty: none does."""
    listed, plain = [], [""]
    for line in text.splitlines():
        if _ITEM.match(line):
            listed.append(_ITEM.sub("", line))
            plain.append("")
        elif listed and not plain[-1] and line.startswith(" "):  # it goes on below its mark
            listed[-1] += line
        else:
            plain[-1] += f" {line}"
    asks = (_asks(" ".join(part.split())) for part in (*plain, *listed))
    found = next((sentence for sentence in asks if sentence), "")
    return found[:1].upper() + found[1:]


def _asks(text: str) -> str:
    asks = _ASKS.search(text)
    if asks is None:
        return ""
    return text[text.rfind(". ", 0, asks.start()) + 1 : asks.end()].strip()


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
    numbers = _NUMBERS.fullmatch(rest)
    if numbers is not None:
        say = _age if _AGES.search(text[:at]) and numbers["than"][0] in "<>" else _number
        return f"{say(numbers['left'])} {numbers['than']} {say(numbers['right'])} does not hold"
    if _VERDICT.search(rest) or rest.startswith("is "):
        return rest
    what, is_, value = rest.partition(" is ")
    if is_ and _CODE.search(what) and ("|" in what or "(" in what):
        return f"was {_listed(rest.rpartition(' is ')[2])}"
    return rest if is_ and value else text


def _number(text: str) -> str:
    """`41.0` as 41, and `1.80003e+09` as people write it."""
    if text.removeprefix("-").isdigit():
        return text
    try:
        return show(float(text)).removesuffix(".0")
    except ValueError:  # it only looks like one
        return text


def _age(text: str) -> str:
    try:
        seconds = float(text)
    except ValueError:
        return text
    return "never" if seconds > _NEVER_S else format_duration(seconds)


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
