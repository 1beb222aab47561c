"""Escalations in no time: nobody waits half an hour before a sandbox to see the second level
called.

A sandbox with an inbox (a service of kind `inbox`) plays the levels of a policy as they are,
faster. What is asked of people's clocks is faster: levels, repeats, what is reopened, answers,
status updates. The steps of a run, and how long it may stay unresolved (`unresolved_after`), take
the time they take.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KIND = "inbox"

HURRY = 60.0
"""How many times as fast, unless the inbox says otherwise: a minute takes a second."""

HURRY_MAX = 3600.0
"""An hour in a second: faster, and nobody sees what comes after what."""

WAIT_MAX_S = 30.0
"""Of one wait, however fast: whoever practises sits before the screen, and does not look away for
longer."""

REPEATS_MAX = 3
"""How often a level is told again: one has seen it then."""


def hurry_of(services: Mapping[str, Any]) -> float | None:
    """How many times as fast people are called where these services are; None without an inbox."""
    for settings in services.values():
        if isinstance(settings, Mapping) and settings.get("kind") == KIND:
            asked = settings.get("hurry", HURRY)
            return float(asked) if isinstance(asked, int | float) and asked >= 1 else HURRY
    return None


def hurried(telling: Mapping[str, Any], hurry: float) -> dict[str, Any]:
    """The `telling` of a `RunStarted`, so many times as fast; `hurry` in it says so."""

    def short(wait_us: int | None) -> int | None:
        if not wait_us:
            return wait_us
        most_us = wait_us if hurry == 1 else round(WAIT_MAX_S * 1e6)
        return max(1, min(round(wait_us / hurry), most_us))

    found: dict[str, Any] = {**telling, "hurry": hurry, "policies": {}}
    for name, policy in telling["policies"].items():
        levels = [_level(level, short) for level in policy["levels"]]
        found["policies"][name] = {**policy, "levels": levels}
        if policy.get("reopen_us"):
            found["policies"][name]["reopen_us"] = short(policy["reopen_us"])
        if policy.get("answer_us"):
            found["policies"][name]["answer_us"] = short(policy["answer_us"])
    if "status" in telling:
        found["status"] = {**telling["status"], "every_us": short(telling["status"]["every_us"])}
    if "questions" in telling:
        found["questions"] = _level(telling["questions"], short)
    for name in ("respond_within_us", "answer_us"):
        if name in telling:
            found[name] = short(telling[name])
    return found


def _level(level: Mapping[str, Any], short: Any) -> dict[str, Any]:
    times = min(level["times"], REPEATS_MAX)
    said = {"after_us": short(level["after_us"]), "every_us": short(level["every_us"])}
    return {**level, **said, "times": times}
