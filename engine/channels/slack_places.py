"""Where Slack keeps what was posted. A name or a person can be posted to; only an id can be read.

Facts: Slack's pages of conversations.open, conversations.list and conversations.history.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from engine.channels.reading import inner, name_of, objects
from engine.errors import AdapterError

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Calls a method of Slack's with its arguments. Raises AdapterError."""

PAGE = 999
"""Channels of a page of the list: the most there are."""

PAGES_MAX = 10
"""Of the list of channels: more than that are not looked through for a name."""

ID = re.compile(r"[CGD][A-Z0-9]*")
PERSON = re.compile(r"[UW][A-Z0-9]*")


async def id_of(to: str, read: Ask, call: Ask) -> str:
    """The id of the place behind an address: an id, a person, or a name. Raises AdapterError."""
    if ID.fullmatch(to):
        return to
    if PERSON.fullmatch(to):
        opened = await call("/conversations.open", {"users": to})
        return _id(inner(opened, "channel"))
    name, cursor = to.removeprefix("#"), ""
    for _ in range(PAGES_MAX):
        asked = {"types": "public_channel,private_channel", "limit": PAGE, "cursor": cursor}
        found = await read("/conversations.list", {**asked, "exclude_archived": True})
        for one in objects(found.get("channels"), "Slack"):
            if one.get("name") == name:
                return _id(one)
        cursor = name_of(inner(found, "response_metadata").get("next_cursor"))
        if not cursor:
            break
    raise AdapterError(
        f"Slack: what was posted to {to} cannot be looked through, no channel of this name is seen",
        help="give the id of the channel (C...) in the contacts, or invite the bot to it",
        retryable=False,
    )


def _id(place: Mapping[str, Any]) -> str:
    if found := name_of(place.get("id")):
        return found
    raise AdapterError("Slack: it says of a place that it is there, and not where")
