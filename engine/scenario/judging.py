"""Whether what came of a scenario is what it expects, and in words why not.

Lists of messages (`told`, `pages`, `updates`, `not_told`) are compared one by one: each says as
much of a message as matters, and none may be there besides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from engine.language.duration import parse_duration
from engine.language.expect import judge
from engine.scenario.expected import CALLED, LISTS
from engine.scenario.play import Played
from engine.scenario.read import Scenario
from engine.scenario.story import columns, words

_CALLED: Final = re.compile(rf"\b({'|'.join(CALLED)})\b")

COMPARED_MAX: Final = 500
"""Messages of a list that are put beside each other; a scenario with more asks for its `length`."""

LINES_MAX: Final = 60
"""Of what is told of a scenario that does not hold: somebody reads it."""


def judged(scenario: Scenario, played: Played) -> tuple[str, ...]:
    """Why a scenario does not hold, a line each; empty when it does."""
    found = played.to_json()
    lines: list[str] = []
    others: dict[str, Any] = {}
    for path, wanted in scenario.expect.items():
        if path in LISTS and isinstance(wanted, list):
            lines += _differ(path, wanted, found[path])
        else:
            others[path] = wanted
    calls = bool(lines)
    if others:
        told = judge(others, {"result": found}).lines
        calls = calls or any(_CALLED.search(line) for line in told)
        lines = [*told, *lines]
    if calls and scenario.calls is not None:
        lines += ["what happened:", *(f"  {line}" for line in played.heard.lines)]
    if len(lines) > LINES_MAX:
        lines = [*lines[:LINES_MAX], f"and {len(lines) - LINES_MAX} more"]
    return tuple(lines)


def fits(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether a message is as it is expected, in all that is said of it."""
    if all(isinstance(one, str | int) for one in wanted.values()):
        return all(found.get(key) == one for key, one in wanted.items())
    return judge(wanted, {"result": found}).holds


def _differ(name: str, wanted: Sequence[Any], found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where two lists of messages differ, in words; empty where they do not."""
    if len(wanted) == len(found) and all(map(fits, wanted, found)):
        return []
    head = f"{name}: expected {len(wanted)}, was {len(found)}"
    if len(wanted) == len(found):
        head = f"{name}: not those that were expected"
    rows = _beside(wanted[:COMPARED_MAX], found[:COMPARED_MAX])
    return [head, *(f"  {line}" for line in columns(list(rows)))]


def _beside(
    wanted: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str, str]]:
    """The longest way through both lists: when, who, and whether that was expected."""
    best = _lengths(wanted, found)
    i = j = 0
    while i < len(wanted) or j < len(found):
        both = i < len(wanted) and j < len(found)
        if both and fits(wanted[i], found[j]):
            yield _at(found[j]), words(found[j]), "as expected"
            i, j = i + 1, j + 1
        elif j == len(found) or (i < len(wanted) and _first(wanted[i], found[j], best, (i, j))):
            yield _at(wanted[i]), words(wanted[i]), "expected, and did not happen"
            i += 1
        else:
            yield _at(found[j]), words(found[j]), "happened, and is not expected"
            j += 1


def _first(
    wanted: Mapping[str, Any],
    found: Mapping[str, Any],
    best: Sequence[Sequence[int]],
    at: tuple[int, int],
) -> bool:
    """Whether what is wanted is told before what was found: what more can be paired behind, else
    the earlier one.
    """
    i, j = at
    with_, without = best[i + 1][j], best[i][j + 1]
    if with_ != without or not isinstance(wanted.get("at"), str):
        return with_ >= without
    return bool(parse_duration(wanted["at"]) <= found["at_s"])


def _at(one: Mapping[str, Any]) -> str:
    at = one.get("at", one.get("at_s", "at any time"))
    return at if isinstance(at, str) else str(at)


def _lengths(
    wanted: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> list[list[int]]:
    """How many from each place on can be paired in order."""
    best = [[0] * (len(found) + 1) for _ in range(len(wanted) + 1)]
    for i in range(len(wanted) - 1, -1, -1):
        for j in range(len(found) - 1, -1, -1):
            paired = best[i + 1][j + 1] + 1 if fits(wanted[i], found[j]) else 0
            best[i][j] = max(paired, best[i + 1][j], best[i][j + 1])
    return best
