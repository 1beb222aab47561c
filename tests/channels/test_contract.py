"""One contract for every channel: what it says of a message when the other side, or the network
between, does what no document of a vendor describes. Whatever happens, no secret is told.
"""

from __future__ import annotations

import dataclasses
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from importlib.metadata import entry_points
from typing import Any

import pytest

from engine.channels import mail, pagerduty, sendgrid, slack, statuspage, twilio, webhook
from engine.channels.calling import Calling
from engine.channels.console import ConsoleChannel
from engine.errors import AdapterError
from engine.plugin.channel import Button, Message
from tests.channels.counterparts import LEADS_ELSEWHERE, Mailbox, Web, listening, untrusted

CANARY = "canary5ecret0123456789abcdefghij"
"""Every secret of every channel."""

PAGE = Message(
    key="r1:call:1.1.1:ana:page",
    group="r1:call:1.1",
    run="r1",
    kind="page",
    title="Redis is full",
    text="97 % are used",
    link="https://runbook.example.com/runs/r1",
    incident="PINC1",
    buttons=(Button("Take it", "opaque-1"),),
)

TO = {
    "slack": "C1",
    "twilio": "+4915100001",
    "sendgrid": "ana@example.com",
    "mail": "ana@example.com",
}

MADE: dict[str, Callable[[str], Any]] = {
    "webhook": lambda url: webhook.WebhookChannel(
        f"{url}/{CANARY}", secret=CANARY, headers={"Authorization": f"Bearer {CANARY}"}
    ),
    "slack_webhook": lambda url: slack.SlackWebhookChannel(f"{url}/services/T0/B0/{CANARY}"),
    "slack": lambda url: slack.SlackChannel(CANARY, base_url=url),
    "pagerduty": lambda url: pagerduty.PagerDutyChannel(CANARY, base_url=url),
    "pagerduty_notes": lambda url: pagerduty.PagerDutyNotesChannel(
        CANARY, from_email="bot@example.com", base_url=url
    ),
    "twilio": lambda url: twilio.TwilioChannel("AC0", CANARY, sender="+491510", base_url=url),
    "sendgrid": lambda url: sendgrid.SendGridChannel(
        CANARY, sender="ops@example.com", base_url=url
    ),
    "statuspage": lambda url: statuspage.StatusPageChannel("pg", CANARY, base_url=url),
}
"""The channels that speak HTTP, made with an address."""

IMPATIENT_S = 0.5
"""How long is waited for what does not come. A request has to arrive within it on a busy machine.
"""

TAKEN, NOT_DONE, LATER, DOUBT = "taken", "not done", "not done, may be tried again", "in doubt"

EXPECTED = {
    "refused": NOT_DONE,
    "refused in text": NOT_DONE,
    "not found": NOT_DONE,
    "busy, in seconds": LATER,
    "busy, with a date": LATER,
    "busy, and silent": LATER,
    "overloaded": LATER,
    "broken": DOUBT,
    "broken behind it": DOUBT,
    "an error in a 200": DOUBT,
    "a page of a proxy": DOUBT,
    "enormous": DOUBT,
    "half an answer": DOUBT,
    "no HTTP": DOUBT,
    "lost": DOUBT,
    "slow": DOUBT,
    **{f"elsewhere {status}": NOT_DONE for status in LEADS_ELSEWHERE},
}

TAKES_ANY_2XX = ("an error in a 200", "a page of a proxy", "enormous")
"""Of the generic webhook: nobody promised what a receiver answers."""

BLOCKED_S = {"busy, in seconds": 7.0, "busy, with a date": 40.0, "overloaded": 20.0}


class Bench:
    """A channel before a counterpart, and what it told anybody."""

    def __init__(self, log: pytest.LogCaptureFixture) -> None:
        self.log = log
        self.channels: list[Any] = []

    async def outcome(self, channel: Any, to: str | None, **more: Any) -> tuple[str, Any]:
        """What came of a message, and its receipt or error. Sees to it that no secret is told."""
        self.channels.append(channel)
        message = dataclasses.replace(PAGE, to=to, **more)
        try:
            receipt = await channel.send(message)
        except AdapterError as error:
            shown = "".join(traceback.format_exception(error))
            self.keeps_quiet(channel, error.message, error.help, error.detail, error, shown)
            if error.maybe_done:
                return DOUBT, error
            return (LATER if error.retryable else NOT_DONE), error
        self.keeps_quiet(channel, receipt)
        return TAKEN, receipt

    def keeps_quiet(self, channel: Any, *told: Any) -> None:
        for text in (*map(str, told), *map(repr, told), repr(channel), channel.fingerprint()):
            assert CANARY not in text
        assert CANARY not in self.log.text


@pytest.fixture
async def bench(caplog, monkeypatch) -> AsyncIterator[Bench]:
    caplog.set_level(logging.DEBUG)
    made = Bench(caplog)
    yield made
    for channel in made.channels:
        await channel.close()


def hurried(channel: Any) -> Any:
    """The same, with little patience."""
    calling = channel._calling() if callable(channel._calling) else channel._calling
    assert isinstance(calling, Calling)
    calling._timeout_s = IMPATIENT_S
    return channel


@pytest.mark.parametrize("behaviour", EXPECTED)
@pytest.mark.parametrize("family", MADE)
async def test_what_is_said_of_a_message_is_what_became_of_it(family, behaviour, bench):
    elsewhere = Web("refused")
    async with AsyncExitStack() as stack:
        trap = await stack.enter_async_context(listening(elsewhere.serve))
        counterpart = Web(behaviour, f"http://127.0.0.1:{trap}")
        port = await stack.enter_async_context(listening(counterpart.serve))
        channel = MADE[family](f"http://127.0.0.1:{port}")
        channel = hurried(channel) if behaviour == "slow" else channel
        said, found = await bench.outcome(channel, TO.get(family))
        await channel.close()
    assert len(counterpart.asked) == 1
    assert elsewhere.asked == []
    taken = family == "webhook" and behaviour in TAKES_ANY_2XX
    assert said == (TAKEN if taken else EXPECTED[behaviour]), found
    blocked = found.detail.get("blocked_for_s") if not taken else None
    assert blocked == BLOCKED_S.get(behaviour)
    if not taken:
        assert f":{port}" in found.message or "Slack" in found.message


@pytest.mark.parametrize("family", MADE)
async def test_nothing_is_sent_where_nobody_takes_connections(family, bench):
    async with listening(Web().serve) as port:
        pass  # free again, and nobody is there
    said, error = await bench.outcome(MADE[family](f"http://127.0.0.1:{port}"), TO.get(family))
    assert (said, "refuses connections" in error.message) == (LATER, True)


@pytest.mark.parametrize("family", MADE)
async def test_nothing_is_sent_to_whom_nobody_vouches_for(family, bench, tmp_path):
    counterpart = Web("refused")
    async with listening(counterpart.serve, untrusted(tmp_path)) as port:
        channel = MADE[family](f"https://127.0.0.1:{port}")
        said, error = await bench.outcome(channel, TO.get(family))
        await channel.close()
    assert counterpart.asked == []
    assert (said, "not trusted" in error.message) == (NOT_DONE, True)
    assert "SSL_CERT_FILE" in str(error.help)  # which a channel has, and no `ca_file`


async def test_an_authority_of_ones_own_is_trusted_where_the_environment_names_it(
    bench, tmp_path, monkeypatch
):
    counterpart = Web("an error in a 200")
    context = untrusted(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "untrusted.pem"))
    async with listening(counterpart.serve, context) as port:
        channel = MADE["webhook"](f"https://127.0.0.1:{port}")
        assert (await bench.outcome(channel, None))[0] == TAKEN
        await channel.close()
    assert len(counterpart.asked) == 1


@pytest.mark.parametrize(
    "behaviour", ["refused", "broken", "lost", "a page of a proxy", "enormous"]
)
@pytest.mark.parametrize("family", ["slack", "pagerduty_notes", "twilio", "statuspage"])
async def test_what_cannot_be_looked_for_is_not_sent_once_more(family, behaviour, bench):
    counterpart = Web(behaviour)
    async with listening(counterpart.serve) as port:
        channel = MADE[family](f"http://127.0.0.1:{port}")
        said, _ = await bench.outcome(channel, TO.get(family), attempt=2)
        await channel.close()
    assert said == DOUBT
    assert [asked.split()[0] for asked in counterpart.asked] == [b"GET"]


MAIL = {
    "rcpt: 550 no such user": NOT_DONE,
    "rcpt: 551 not here, try <eve@example.org>": NOT_DONE,
    "rcpt: 451 greylisted, come again in 5 minutes": LATER,
    "rcpt: 452 too many messages": LATER,
    "from: 550 not you": NOT_DONE,
    "from: 421 closing": LATER,
    "data: 554 no": NOT_DONE,
    "data: 421 closing": LATER,
    "text: 554 this is spam": NOT_DONE,
    "text: 451 try again": LATER,
    "text: cut": DOUBT,
    "text: hang": DOUBT,
    "text: fine, I suppose": DOUBT,
    "text: 250 " + "x" * 100_000: DOUBT,
    "rcpt: cut": LATER,
    "rcpt: hang": LATER,
    "from: cut": LATER,
    "greeting: 554 no service here": LATER,
    "greeting: 421 too busy": LATER,
    "greeting: HTTP/1.1 400 Bad Request": LATER,
    "greeting: hang": LATER,
    "hello: cut": LATER,
}


@pytest.mark.parametrize("script", MAIL, ids=lambda script: script[:40])
async def test_what_is_said_of_a_mail_is_what_became_of_it(script, bench):
    counterpart = Mailbox(script)
    async with listening(counterpart.serve) as port:
        patience_s = IMPATIENT_S if script.endswith("hang") else 20.0
        channel = mail.MailChannel(
            "127.0.0.1", port=port, sender="ops@example.com", tls="none", timeout_s=patience_s
        )
        said, found = await bench.outcome(channel, "ana@example.com")
    assert said == MAIL[script], found
    assert len(counterpart.texts) == script.startswith("text")


async def test_no_mail_and_no_password_go_to_whom_nobody_vouches_for(bench, tmp_path):
    counterpart = Mailbox()
    async with listening(counterpart.serve, untrusted(tmp_path)) as port:
        login = {"username": "runbook", "password": CANARY}
        channel = mail.MailChannel(
            "127.0.0.1", port=port, sender="ops@example.com", tls="tls", **login
        )
        said, _ = await bench.outcome(channel, "ana@example.com")
    assert said in (NOT_DONE, LATER)
    assert counterpart.texts == []


async def test_the_console_takes_everything(bench):
    said: list[str] = []
    channel = ConsoleChannel(said.append)
    assert (await bench.outcome(channel, None))[0] == TAKEN
    assert said == ["ESCALATION (): Redis is full"]


def test_every_channel_that_ships_is_held_to_the_contract():
    shipped = {entry.name for entry in entry_points(group="runbook.channels")}
    assert {*MADE, "mail"} == shipped
