"""The mail server of an inbox, and the service around both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from engine.sandbox.http import http_service
from engine.sandbox.inbox import Inbox
from engine.sandbox.inbox_doors import post

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP

MAIL_MAX_BYTES = 1024 * 1024
"""Of one mail: a message of a runbook is a page."""


@asynccontextmanager
async def inbox_service(
    inbox: Inbox, clock: Callable[[], datetime]
) -> AsyncIterator[dict[str, str]]:
    """The inbox, listening: HTTP on one port of the loopback, SMTP on another."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _smtp(inbox, clock), "127.0.0.1", 0)
    smtp_port = server.sockets[0].getsockname()[1]
    try:
        async with http_service(inbox, clock) as told:
            yield {**told, "smtp_port": str(smtp_port)}
    finally:
        server.close()


def _smtp(inbox: Inbox, clock: Callable[[], datetime]) -> SMTP:
    from aiosmtpd.smtp import SMTP  # noqa: PLC0415  80 ms, paid when a mail comes

    return SMTP(_Takes(inbox, clock), data_size_limit=MAIL_MAX_BYTES, hostname="sandbox")


class _Takes:
    """What aiosmtpd calls."""

    def __init__(self, inbox: Inbox, clock: Callable[[], datetime]) -> None:
        self._inbox, self._clock = inbox, clock

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's own name and parameters
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if "mail" in self._inbox.down:
            return "451 4.3.2 the sandbox's mail is down"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        body = mail.get_body(("plain",))
        said = (str(mail["Subject"] or ""), body.get_content() if body is not None else "")
        to, key = ", ".join(envelope.rcpt_tos), str(mail["X-Runbook-Key"] or "")
        post(self._inbox, self._clock(), to, said, key)
        return "250 2.0.0 OK"
