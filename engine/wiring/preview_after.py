"""What those hear who were told before, and how a run stands meanwhile: for a preview of messages.
What only the run will know stands there in angle brackets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from engine.core.escalation import policy_of
from engine.core.state import State
from engine.core.summons import STATUS, Escalation
from engine.core.words import words
from engine.runner.wording import Said, said
from engine.wiring.calling import Directory

UNANSWERING = ("twilio",)
"""Channels that take no news of what became of a message."""

SOMEBODY = "<who>"


class After(NamedTuple):
    """What is told of a kind where people were told before."""

    kind: str
    when: str
    by: tuple[str, ...]
    said: Said


def status(state: State, directory: Directory, how: Mapping[str, Any]) -> Said:
    """How a run stands once its status is told first, when nothing else is known of it."""
    level = {"who": how["by"], "by": how["by"], "after_us": how["every_us"], "unless": "finished"}
    began_us = state.now_us
    state.escalations[STATUS] = Escalation(STATUS, STATUS, (level,), None, began_us)
    state.now_us = began_us + int(how["every_us"])
    try:
        return said(directory, words(state, STATUS, 1), "status")
    finally:
        state.now_us = began_us
        del state.escalations[STATUS]


def afterwards(
    state: State, directory: Directory, called: tuple[str, str, str | None], used: set[str]
) -> Iterator[After]:
    """What follows an escalation (key, policy, message). `used`: the channels it is told by."""
    by = follow(directory, used)
    if not by:
        return
    key, policy, message = called
    one = Escalation(key, policy, tuple(policy_of(state, policy)["levels"]), message, state.now_us)
    state.escalations[key] = one
    known = words(state, key, 1)
    del state.escalations[key]
    taken = {"taken_by": SOMEBODY, "note": "<note>", "taken_us": state.now_us}
    took = said(directory, known | taken, "acknowledged")
    yield After("acknowledged", "once somebody took it", by, took)
    end = {"outcome": "resolved", "because": "<because>", "after": "<how long>"}
    over = said(directory, known | end, "resolved")
    yield After("resolved", "once the run is resolved or cancelled", by, over)


def follow(directory: Directory, used: set[str]) -> tuple[str, ...]:
    """Those channels that take in what became of a message."""
    contacts = directory.contacts
    families = {name: directory.family(contacts, name) for name in sorted(used)}
    return tuple(n for n, family in families.items() if family and family not in UNANSWERING)
