"""Messages that may stand open somewhere, though nobody saw them arrive.

An answer that was lost, or an engine that died while it sent, leaves in doubt whether a message
came. Where it is an incident of its own (`by_key`: what follows a message there goes by its key,
and does nothing where that never came), it would stay open, and call people by itself, for ever: so
such a place hears what became of the matter as if it had been told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.core.summons import FIRST, Escalation, Summons


def failed(one: Summons, body: Mapping[str, Any]) -> bool:
    """Takes in that a try failed (`TellFailed`). Whether the message may be there."""
    if body["doubt"] or body.get("unseen"):
        _may_be_there(one)
    return one.channel in one.unseen


def told(one: Summons) -> None:
    """It was seen to arrive: what becomes of it follows its receipt."""
    one.unseen = tuple(n for n in one.unseen if n != one.channel)


def cut(one: Summons) -> None:
    """Its driver died while it was being sent."""
    _may_be_there(one)


def _may_be_there(one: Summons) -> None:
    if one.kind in FIRST and one.by.get("by_key") and one.channel not in one.unseen:
        one.unseen = (*one.unseen, one.channel)


def places(one: Escalation, known: set[tuple[object, ...]]) -> Iterator[tuple[Summons, int]]:
    """Where messages may stand open, each with the number of its channel; not those `known` as
    told, nor where it will be tried once more: that is waited for.
    """
    for summons in reversed(one.calls):
        for number in summons.unseen:
            by = summons.recipient["by"][number]
            place = (summons.recipient["id"], by["channel"], summons.generation, summons.level)
            if place not in known and not (summons.open and number == summons.channel):
                known.add(place)
                yield summons, number


def follow(one: Escalation, what: str, at_us: int, known: set[tuple[object, ...]]) -> None:
    """Each of them is to hear what became of the matter, once."""
    for summons, number in list(places(one, known)):
        by = summons.recipient["by"][number]
        id_ = f"{summons.id}:{what}:{by['channel']}"
        if id_ in one.summons:
            continue
        recipient = {**summons.recipient, "by": [by]}
        recipient.pop("not_before_us", None)
        made = Summons(id_, summons.level, summons.round, recipient, one.generation)
        made.kind, made.next_us = what.partition("-")[0], at_us
        one.summons[id_] = made
