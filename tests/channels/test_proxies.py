"""Channels behind a proxy: it is asked, its refusal leaves nothing in doubt, its secret is kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest

from engine.channels import pagerduty, sendgrid, slack, statuspage, twilio, webhook
from tests.channels.counterparts import Web, listening, untrusted
from tests.channels.test_contract import CANARY, LATER, NOT_DONE, TO, Bench

AT = "service.invalid"
"""Nobody is there: only a proxy leads there."""

MADE: dict[str, Callable[[str, str], Any]] = {
    "webhook": lambda url, by: webhook.WebhookChannel(url, proxy=by),
    "slack_webhook": lambda url, by: slack.SlackWebhookChannel(url, proxy=by),
    "slack": lambda url, by: slack.SlackChannel("t", base_url=url, proxy=by),
    "sendgrid": lambda url, by: sendgrid.SendGridChannel(
        "t", sender="a@example.com", base_url=url, proxy=by
    ),
    "twilio": lambda url, by: twilio.TwilioChannel("AC", "t", sender="+1", base_url=url, proxy=by),
    "pagerduty": lambda url, by: pagerduty.PagerDutyChannel("k", base_url=url, proxy=by),
    "pagerduty_notes": lambda url, by: pagerduty.PagerDutyNotesChannel(
        "t", from_email="a@example.com", base_url=url, proxy=by
    ),
    "statuspage": lambda url, by: statuspage.StatusPageChannel("p", "t", base_url=url, proxy=by),
}


@pytest.mark.parametrize("family", MADE)
async def test_a_channel_asks_the_proxy_that_its_connection_names(family, bench):
    counterpart = Web("refused")
    async with listening(counterpart.serve) as port:
        channel = MADE[family](f"http://{AT}", f"http://127.0.0.1:{port}")
        said, _ = await bench.outcome(channel, TO.get(family))
        await channel.close()
    assert (said, len(counterpart.asked)) == (NOT_DONE, 1)


@pytest.fixture
async def bench(caplog) -> AsyncIterator[Bench]:
    caplog.set_level(logging.DEBUG)
    made = Bench(caplog)
    yield made
    for channel in made.channels:
        await channel.close()


class Proxy:
    """Takes `CONNECT`: leads to a port of this machine, or says no."""

    def __init__(self, to: int | None) -> None:
        self.to = to
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError):  # only whether somebody is there was asked
                head = await reader.readuntil(b"\r\n\r\n")
                self.asked.append(head.decode("latin-1"))
            if self.asked and self.to is not None:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await self._through(reader, writer, self.to)
            elif self.asked:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                await writer.drain()
        finally:
            writer.close()

    async def _through(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: int
    ) -> None:
        there, on = await asyncio.open_connection("127.0.0.1", to)
        try:
            ways = {asyncio.create_task(_pass(reader, on))}
            ways.add(asyncio.create_task(_pass(there, writer)))
            _, open_still = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in open_still:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            on.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while octets := await reader.read(65536):
        writer.write(octets)


@pytest.mark.parametrize("family", MADE)
async def test_what_a_proxy_does_not_let_through_did_certainly_not_go_out(family, bench):
    proxy = Proxy(None)
    async with listening(proxy.serve) as port:
        channel = MADE[family](f"https://{AT}", f"http://ana:{CANARY}@127.0.0.1:{port}")
        said, error = await bench.outcome(channel, TO.get(family))
        await channel.close()
    assert (said, proxy.asked[0].split()[:2]) == (LATER, ["CONNECT", f"{AT}:443"])
    assert "the proxy does not connect to" in error.message


async def test_what_is_lost_behind_a_proxy_is_in_doubt(bench: Bench, tmp_path, monkeypatch):
    context = untrusted(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "untrusted.pem"))
    counterpart = Web("lost")
    async with listening(counterpart.serve, context) as there:
        proxy = Proxy(there)
        async with listening(proxy.serve) as port:
            made = MADE["webhook"](f"https://127.0.0.1:{there}", f"http://127.0.0.1:{port}")
            said, _ = await bench.outcome(made, None)
            await made.close()
    assert (said, len(counterpart.asked), len(proxy.asked)) == ("in doubt", 1, 1)


async def test_whether_a_service_can_be_reached_is_asked_of_the_proxy():
    async with listening(Proxy(None).serve) as port:
        channel = MADE["webhook"](f"https://{AT}", f"http://127.0.0.1:{port}")
        assert await channel.ping() == f"the proxy of {AT}:443 takes connections"
        await channel.close()
