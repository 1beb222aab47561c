"""E-mail by SendGrid's v3 API: 202 means that it was taken. It knows no key.

Facts: SendGrid's OpenAPI document of the v3 API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from engine.adapters.http import Body
from engine.channels.calling import Calling
from engine.channels.fitting import cut, one_line, plain
from engine.channels.mail import (
    TEXT_MAX_CHARS,
    below,
    mail_address,
    message_id,
    subject_of,
)
from engine.plugin import reveal
from engine.plugin.channel import Message

ACCEPTED = 202
"""The only answer that means it will be sent: 200 says that it is in order, in SendGrid's sandbox.
"""


class SendGridChannel:
    """Mail by SendGrid.

    token: an API key that may send mail
    sender: the address it is from
    sender_name: the name it is from
    base_url: another address: https://api.eu.sendgrid.com in the EU
    proxy: URL of a proxy; those of environment variables are not used
    """

    family: ClassVar[str] = "sendgrid"
    addressed: ClassVar[bool] = True
    again: bool = False
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 0.1

    def __init__(
        self,
        token: str,
        *,
        sender: str,
        sender_name: str = "runbook",
        base_url: str = "https://api.sendgrid.com",
        proxy: str | None = None,
    ) -> None:
        self._proxy = proxy
        self._token = token
        self._from = {"email": sender, "name": sender_name}
        self._base_url = base_url
        self._made: Calling | None = None

    def fingerprint(self) -> str:
        return Calling(self._base_url).fingerprint()

    async def ping(self) -> str:
        await self._calling().get("/v3/scopes", {})
        return "SendGrid takes the key"

    async def send(self, message: Message) -> Mapping[str, Any]:
        to = mail_address(message.to)
        sender = reveal(self._from["email"])
        domain = sender.rpartition("@")[2] or "runbook.invalid"
        own = message_id(message.key, domain)
        headers = {"Message-ID": own, "Auto-Submitted": "auto-generated"}
        first = (message.receipt or message.thread or {}).get("message_id")
        if first and first != own:
            headers |= {"In-Reply-To": first, "References": first}
        body = {
            "personalizations": [
                {
                    "to": [{"email": to}],
                    "custom_args": {"runbook_key": one_line(message.key)},
                }
            ],
            "from": {"email": sender, "name": self._from["name"]},
            "subject": subject_of(message),
            "content": [{"type": "text/plain", "value": content(message)}],
            "headers": headers,
            "tracking_settings": {"click_tracking": {"enable": False}},
        }
        found = await self._calling().post("/v3/mail/send", Body(json=body))
        if found.status != ACCEPTED:
            raise self._calling().puzzled(f"{found.status} {found.text or found.json or ''}")
        known = found.headers.get("x-message-id") or own
        return {"id": known, "message_id": own, "status": found.status, "follows": True}

    async def close(self) -> None:
        made, self._made = self._made, None
        if made is not None:
            await made.close()

    def _calling(self) -> Calling:
        if self._made is None:
            headers = {"Authorization": f"Bearer {reveal(self._token)}"}
            self._made = Calling(self._base_url, headers=headers, proxy=self._proxy)
        return self._made


def content(message: Message) -> str:
    """The text with its links below. It is never empty: SendGrid refuses that."""
    return f"{cut(plain(message.text), TEXT_MAX_CHARS)}{below(message)}".strip()
