"""A generic webhook: one JSON document a message, signed if the connection has a secret."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from engine.adapters.http import Body
from engine.channels.calling import Calling
from engine.channels.fitting import plain
from engine.plugin import reveal
from engine.plugin.channel import Message

SIGNATURE = "X-Runbook-Signature"
"""`v1=` and the HMAC-SHA256, hex, of the body, keyed by the secret."""

HEADER_SAFE = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}"
"""Stands as it is in the `Idempotency-Key`; the rest that is not ASCII is percent-encoded."""

TEXT_MAX_CHARS = 4000
"""As long as a message of a runbook may be."""


class WebhookChannel:
    """Posts JSON: key, kind, title, text, to, name, severity, source, run, link, details.

    url: where it is posted to
    headers: sent with every message
    secret: signs the body
    idempotent: the receiver takes two messages with one `Idempotency-Key` as one
    proxy: URL of a proxy; those of environment variables are not used
    """

    family: ClassVar[str] = "webhook"
    addressed: ClassVar[bool] = False
    again: bool = False
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 0.0

    def __init__(
        self,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        secret: str | None = None,
        idempotent: bool = False,
        proxy: str | None = None,
    ) -> None:
        own = (url,) if secret is None else (url, secret)
        self._calling = Calling(url, headers=headers, secrets=own, proxy=proxy)
        self._secret = secret
        self.again = idempotent

    def fingerprint(self) -> str:
        return self._calling.authority  # the path of such an address is mostly its secret

    async def ping(self) -> str:
        return await self._calling.ping()

    async def send(self, message: Message) -> Mapping[str, Any]:
        text = json.dumps(_plain(_document(message)), ensure_ascii=False, separators=(",", ":"))
        key = quote(message.key, safe=HEADER_SAFE, errors="replace")
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        if self._secret is not None:
            headers[SIGNATURE] = signature(reveal(self._secret), text.encode())
        found = await self._calling.post("", Body(text=text), headers=headers)
        return {"id": message.key, "status": found.status, "follows": True}

    async def close(self) -> None:
        await self._calling.close()


def signature(secret: str, body: bytes) -> str:
    key = secret.encode("utf-8", "surrogateescape")  # as the environment had it
    return "v1=" + hmac.new(key, body, hashlib.sha256).hexdigest()


def _document(message: Message) -> dict[str, Any]:
    return {
        "key": message.key,
        "group": message.group,
        "kind": message.kind,
        "run": message.run,
        "title": message.title,
        "text": message.text,
        "to": message.to,
        "name": message.name,
        "severity": message.severity,
        "source": message.source,
        "link": message.link,
        "details": dict(message.details),
    }


def _plain(value: Any) -> Any:
    """Any JSON, its texts as `plain` makes them."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
