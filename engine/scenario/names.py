"""Names of a recorded run: whose words an event holds, and ids as their authors wrote them."""

from __future__ import annotations

import re

from engine.core.events import Actor, Event


def actor_of(event: Event) -> Actor:
    said = event.actor
    return Actor(said["name"], said["means"], said.get("via"), said.get("called"))


_NUMBER = re.compile(r"-\d+$")


def plain_id(id: str) -> str:
    """An id without the number that the loader gave it: numbers move when a step is put in front.

    Ids of authors have no hyphen.
    """
    return _NUMBER.sub("", id)
