"""SMS by Twilio's Messages API. Twilio knows no key: a message whose answer was lost is looked for
among those that were sent to this number, before it is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from engine.adapters.http import Body
from engine.channels.calling import Calling
from engine.errors import AdapterError
from engine.plugin import reveal
from engine.plugin.channel import Message

TEXT_MAX_CHARS = 600
"""Four parts of an SMS; Twilio takes 1,600, and nobody reads them."""

LOOK_BACK = 50
"""Messages to one number that are looked through."""


class TwilioChannel:
    """Short messages to telephones.

    account: the account's SID, AC...
    token: its auth token
    sender: the number it is from, like +4915112345678, or a messaging service, MG...
    base_url: another address, for tests
    """

    family: ClassVar[str] = "twilio"
    addressed: ClassVar[bool] = True
    again: bool = True  # it looks first, see above
    follows: ClassVar[bool] = False  # every message costs, and wakes
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 1.0

    def __init__(
        self, account: str, token: str, *, sender: str, base_url: str = "https://api.twilio.com"
    ) -> None:
        self._account = account
        self._sender = sender
        self._calling = Calling(base_url, username=account, password=token)

    def fingerprint(self) -> str:
        return self._calling.fingerprint()

    async def ping(self) -> str:
        return await self._calling.ping()

    async def send(self, message: Message) -> Mapping[str, Any]:
        if message.to is None:
            raise AdapterError("no telephone number is given", retryable=False)
        text = text_of(message)
        path = f"/2010-04-01/Accounts/{reveal(self._account)}/Messages.json"
        if message.attempt > 1 and (sid := await self._sent(path, message.to, text)) is not None:
            return {"id": sid, "follows": False}
        sender = reveal(self._sender)
        by = "MessagingServiceSid" if sender.startswith("MG") else "From"
        form = {"To": message.to, by: sender, "Body": text}
        told = (await self._calling.post(path, Body(form=form))).json
        found = told if isinstance(told, dict) else {}
        return {"id": found.get("sid"), "status": found.get("status"), "follows": False}

    async def _sent(self, path: str, to: str, text: str) -> str | None:
        found = (await self._calling.get(path, {"To": to, "PageSize": LOOK_BACK})).json
        messages = found.get("messages", ()) if isinstance(found, dict) else ()
        failed = ("failed", "undelivered", "canceled")
        same = [m for m in messages if m.get("body") == text and m.get("status") not in failed]
        return str(same[0].get("sid")) if same else None

    async def close(self) -> None:
        await self._calling.close()


def text_of(message: Message) -> str:
    """The title, what is asked, and a mark of the key, by which it is found again."""
    mark = f" #{mark_of(message.key)}"
    text = message.text if message.text.startswith(message.title) else ""
    text = text or f"{message.title}\n{message.text}"
    room = TEXT_MAX_CHARS - len(mark)
    return (text if len(text) <= room else f"{text[: room - 3]}...") + mark


def mark_of(key: str) -> str:
    """Six digits that tell this message from the others to the same number."""
    import hashlib  # noqa: PLC0415 - small, and only here

    return hashlib.sha256(key.encode()).hexdigest()[:6]
