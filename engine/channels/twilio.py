"""SMS by Twilio's Messages API. Twilio knows no key: a message whose answer was lost is looked for
among those that were sent to this number, before it is sent again.

Facts: Twilio's OpenAPI document of the API 2010-04-01, its pages of the Message resource and of the
errors 21617 (a body has at most 1,600 characters) and 20429.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from engine.adapters.http import Body
from engine.channels.calling import Calling
from engine.channels.fate import Fates, looking
from engine.channels.fitting import cut, mark_of, one_line, plain, under, whole
from engine.channels.reading import name_of, objects
from engine.channels.sms import fitted, parts, written
from engine.errors import AdapterError
from engine.plugin import reveal
from engine.plugin.channel import Message

TEXT_MAX_CHARS = 600
"""What goes into four parts of an SMS, where its alphabet is the simple one."""

SOURCE_MAX_CHARS = 64
"""Of which runbook it is, where: half a part of the longest alphabet's four."""

PARTS_MAX = 4
"""Of one message, in any alphabet: Twilio takes more, and nobody reads them."""

FAILED = ("failed", "undelivered", "canceled")
"""What a message can be that does not reach its reader."""

LOOK_BACK = 50
"""Messages to one number that are looked through."""


class TwilioChannel:
    """Short messages to telephones.

    account: the account's SID, AC...
    token: its auth token
    sender: the number it is from, like +4915112345678, or a messaging service, MG...
    base_url: another address, for tests
    proxy: URL of a proxy; those of environment variables are not used
    """

    family: ClassVar[str] = "twilio"
    addressed: ClassVar[bool] = True
    again: bool = True  # it looks first, see above
    follows: ClassVar[bool] = False  # every message costs, and wakes
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 1.0

    def __init__(
        self,
        account: str,
        token: str,
        *,
        sender: str,
        base_url: str = "https://api.twilio.com",
        proxy: str | None = None,
    ) -> None:
        self._account = account
        self._sender = sender
        self._calling = Calling(base_url, login=(account, token), proxy=proxy)
        self._fates = Fates()

    def fingerprint(self) -> str:
        return self._calling.fingerprint()

    async def ping(self) -> str:
        return await self._calling.ping()

    async def send(self, message: Message) -> Mapping[str, Any]:
        if message.to is None:
            raise AdapterError("no telephone number is given", retryable=False)
        with self._fates.sending(message):
            return await self._send(message, message.to)

    async def _send(self, message: Message, to: str) -> Mapping[str, Any]:
        path = f"/2010-04-01/Accounts/{reveal(self._account)}/Messages.json"
        if self._fates.unknown(message):
            with looking():
                known = await self._sent(path, message)
            if known is not None:
                return {"id": known, "follows": False}
        sender = reveal(self._sender)
        by = "MessagingServiceSid" if sender.startswith("MG") else "From"
        form = {"To": to, by: sender, "Body": text_of(message)}
        found = await self._calling.told(path, Body(form=form))
        sid, status = name_of(found.get("sid")), name_of(found.get("status"))
        if not sid:
            raise self._calling.puzzled(found)
        if status in FAILED:
            why = self._calling.shown(found.get("error_message") or "it gives no reason")
            code = found.get("error_code")
            detail: dict[str, Any] = {
                "code": code if isinstance(code, int) else name_of(code) or None
            }
            raise AdapterError(f"Twilio says that it is {status}: {why}", detail=detail)
        return {"id": sid, "status": status, "follows": False}

    async def _sent(self, path: str, message: Message) -> str | None:
        """The id of a message with this mark. Its text may differ: Twilio puts words before those
        of a trial account, and writes some marks more simply.
        """
        asked = {"To": message.to, "PageSize": LOOK_BACK}
        listed = (await self._calling.look(path, asked, dict)).get("messages")
        found = objects(listed, self._calling.authority)
        mark = mark_of(message.key)
        same = [m for m in found if mark in str(m.get("body")) and m.get("status") not in FAILED]
        return name_of(same[0].get("sid")) or mark if same else None

    async def close(self) -> None:
        await self._calling.close()


def text_of(message: Message) -> str:
    """The title, the text, the link, and a mark of the key, by which it is found again. Where it is
    too long what is asked stands before the rest, whose end is cut off. A link that leaves no room
    for words is left out.
    """
    link = f"\n{message.link}" if message.link else ""
    source = cut(written(one_line(message.source)), SOURCE_MAX_CHARS)
    source = f"\n{source}" if source else ""
    mark = mark_of(message.key)
    tails = (f"{source}{link} {mark}", f"{link} {mark}", f"{source} {mark}")
    # a link is never cut, and without words it says nothing
    tail = next((one for one in tails if parts(one) < PARTS_MAX), tails[-1])
    title = whole(message.title, message.text)
    below, asked = under(title, message.text), str(message.details.get("asked") or "")
    if parts(_body(message, title, below) + tail) > PARTS_MAX and asked and asked in below:
        rest = below.replace(asked, "", 1).strip()
        below = f"{asked}\n\n{rest}"
    return fitted(_body(message, title, below), tail, PARTS_MAX)


def _body(message: Message, title: str, below: str) -> str:
    text = message.text if message.text.startswith(message.title) else ""
    return written(plain(text or f"{title}\n{below}")).strip()
