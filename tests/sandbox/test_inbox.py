"""An inbox: the real channels tell people there, each in its vendor's shape, and what came of it is
seen.
"""

from __future__ import annotations

import dataclasses
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from engine.errors import AdapterError
from engine.plugin.channel import Button, Message
from engine.registry import Registry
from engine.runner.connections import Connections
from engine.sandbox import Sandbox
from engine.sandbox.inbox import LETTERS_KEPT, NEWS_KEPT, TEXT_KEPT_CHARS, Inbox
from engine.sandbox.inbox_doors import followed
from engine.sandbox.routes import Request
from engine.sandbox.spec import ServiceSpec
from engine.secret import Vault

ENVIRONMENT = """
    services:
      inbox: {kind: inbox}
    connections:
      pagerduty:
        adapter: pagerduty
        base_url: "${service:inbox.url}/to/on-call"
        routing_key: "${service:inbox.routing_key}"
      pagerduty_notes:
        adapter: pagerduty_notes
        base_url: "${service:inbox.url}"
        token: "${service:inbox.token}"
        from_email: runbook@example.com
      slack:
        {adapter: slack, base_url: "${service:inbox.url}/api", token: "${service:inbox.token}"}
      slack_webhook:
        {adapter: slack_webhook, url: "${service:inbox.url}/to/%23ops/services/T0/B0/X"}
      twilio:
        adapter: twilio
        base_url: "${service:inbox.url}"
        account: "${service:inbox.account}"
        token: "${service:inbox.token}"
        sender: "+15550100000"
      sendgrid:
        adapter: sendgrid
        base_url: "${service:inbox.url}"
        token: "${service:inbox.token}"
        sender: runbook@example.com
      statuspage:
        adapter: statuspage
        base_url: "${service:inbox.url}"
        page: p1
        token: "${service:inbox.token}"
      webhook: {adapter: webhook, url: "${service:inbox.url}/hooks/ops"}
      mail:
        adapter: mail
        host: "${service:inbox.host}"
        port: "${service:inbox.smtp_port}"
        tls: none
        sender: runbook@example.com
"""
PAGE = Message(
    key="run1:call:1.1.1:ana:way",
    group="run1:call:1.1",
    run="run1",
    kind="page",
    title="Redis is full",
    text="Redis is full\n\nTake it: runbook ack run1",
    to=None,
    name="Ana Lim",
    severity="critical",
    source="p/main in sandbox",
)
ADDRESS = {
    "slack": "#oncall",
    "twilio": "+15550100001",
    "sendgrid": "ana@example.com",
    "mail": "ana@example.com",
    "pagerduty_notes": "PINC1",
}
CAME = {
    "pagerduty": ("PagerDuty", "on-call"),
    "pagerduty_notes": ("a note in PagerDuty", "PINC1"),
    "slack": ("Slack", "#oncall"),
    "slack_webhook": ("Slack", "#ops"),
    "twilio": ("SMS", "+15550100001"),
    "sendgrid": ("mail", "ana@example.com"),
    "statuspage": ("the status page", "run1"),
    "webhook": ("a webhook", "Ana Lim"),
    "mail": ("mail", "ana@example.com"),
}
"""By the adapter: by what it came, and to whom."""

FOLLOWED = ("pagerduty", "slack", "sendgrid", "statuspage", "webhook", "mail")
"""Those whose further messages belong to the first."""


@pytest.fixture
def place(environment):
    return environment(ENVIRONMENT)


@asynccontextmanager
async def up(place, name=""):
    """The sandbox, and a channel that leads there."""
    async with Sandbox(place, "pack/none", set()) as sandbox:
        connections = Connections(place, Registry(), Vault({}, sandbox.services))
        try:
            yield sandbox, connections.adapter(name) if name else None
        finally:
            await connections.close()
        assert [p for one in sandbox.behaviours.values() for p in one.problems] == []


def page(name, **more):
    return dataclasses.replace(PAGE, to=ADDRESS.get(name), **more)


def after(message, kind, receipt):
    """What is told where a page went: its key is of the page's."""
    key = message.key.replace(":way", f":{kind}:way")
    more = {"kind": kind, "key": key, "title": f"Taken: {message.title}", "receipt": receipt}
    return dataclasses.replace(message, **more, buttons=())


async def test_an_inbox_is_up_in_every_sandbox_that_has_one_though_no_step_names_it(place):
    async with up(place) as (sandbox, _):
        assert "inbox.url" in sandbox.services


@pytest.mark.parametrize("name", CAME)
async def test_what_a_channel_sends_is_kept_with_whom_it_is_for(place, name):
    async with up(place, name) as (sandbox, channel):
        await channel.send(page(name))
        (letter,) = sandbox.letters
        assert (letter.by, letter.to) == CAME[name]
        assert "Redis is full" in letter.title
        assert "runbook ack run1" in letter.text
        assert letter.news == []


@pytest.mark.parametrize("name", FOLLOWED)
async def test_what_becomes_of_a_message_stands_behind_it(place, name):
    async with up(place, name) as (sandbox, channel):
        message = page(name)
        receipt = await channel.send(message)
        await channel.send(after(message, "acknowledged", receipt))
        (letter,) = sandbox.letters
        ((_, news),) = letter.news
        assert any(word in news for word in ("acknowledged", "identified", "Taken: Redis is full"))


@pytest.mark.parametrize("name", ["pagerduty", "slack", "twilio", "statuspage", "pagerduty_notes"])
async def test_a_channel_that_looks_first_finds_there_what_it_sent(place, name):
    async with up(place, name) as (sandbox, channel):
        await channel.send(page(name))
        await channel.send(page(name, attempt=2))
        assert len(sandbox.letters) == 1


async def test_a_thread_of_slack_is_told_of_with_what_it_belongs_to(place):
    async with up(place, "slack") as (sandbox, channel):
        first = await channel.send(page("slack"))
        again = page("slack", key="run1:call:1.2.1:ana:way", title="Still full", thread=first)
        await channel.send(again)
        one, two = sandbox.letters
        assert [text for _, text in one.news] == [f"#{two.number} came into its thread"]
        assert two.to == "#oncall"


async def test_buttons_are_shown(place):
    async with up(place, "slack") as (sandbox, channel):
        await channel.send(page("slack", buttons=(Button("Take it", "claim"),)))
        assert "[Take it]" in sandbox.letters[0].text
        (button,) = sandbox.letters[0].to_json()["buttons"]
        assert (button["text"], button["value"]) == ("Take it", "claim")


@pytest.mark.parametrize("name", sorted(set(CAME) - {"webhook", "slack_webhook", "mail"}))
async def test_who_has_the_wrong_key_is_refused_as_the_vendor_does(place, environment, name):
    text = ENVIRONMENT.replace('token: "${service:inbox.token}"', "token: wrong1")
    text = text.replace('routing_key: "${service:inbox.routing_key}"', "routing_key: wrong1")
    wrong = environment(text)
    async with Sandbox(wrong, "pack/none", set()) as sandbox:
        connections = Connections(wrong, Registry(), Vault({}, sandbox.services))
        with pytest.raises(AdapterError):
            await connections.adapter(name).send(page(name))
        await connections.close()
        assert sandbox.letters == []
        problems = [p for one in sandbox.behaviours.values() for p in one.problems]
        assert len(problems) == 1


@pytest.mark.parametrize("name", CAME)
async def test_a_door_that_is_down_takes_nothing(environment, name):
    down = environment(ENVIRONMENT.replace("{kind: inbox}", f"{{kind: inbox, down: [{name}]}}"))
    async with up(down, name) as (sandbox, channel):
        with pytest.raises(AdapterError):
            await channel.send(page(name))
        assert sandbox.letters == []


@pytest.mark.parametrize("name", CAME)
async def test_a_channel_finds_that_it_is_there(place, name):
    async with up(place, name) as (_, channel):
        assert await channel.ping()


@pytest.mark.parametrize(
    ("key", "before"),
    [
        ("run1:call:1.1.1:ana:acknowledged:mail", "run1:call:1.1.1:ana:mail"),
        ("run1:call:1.1.1:ana:resolved:mail", "run1:call:1.1.1:ana:mail"),
        ("run1:call:1.1.1:ana:counted-2:mail", "run1:call:1.1.1:ana:mail"),
        ("run1:call:1.1.1:ana:mail", ""),
        ("run1:resolved", ""),
        ("", ""),
    ],
)
def test_the_key_of_what_follows_leads_to_what_it_follows(key, before):
    assert followed(key) == before


NOW = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)


def test_the_latest_letters_are_kept_and_the_beginning_of_each():
    inbox = Inbox.read(ServiceSpec("inbox", "inbox", {}))
    for n in range(LETTERS_KEPT + 3):
        inbox.take(NOW, "SMS", "+1", ("t" * 9000, "x" * 9000), f"k{n}")
    assert len(inbox.letters) == LETTERS_KEPT
    assert inbox.letters[-1].number == LETTERS_KEPT + 3
    assert len(inbox.letters[0].text) == TEXT_KEPT_CHARS
    for n in range(NEWS_KEPT + 3):
        inbox.tell(NOW, inbox.letters[0], str(n))
    assert len(inbox.letters[0].news) == NEWS_KEPT
    assert inbox.letters[0].news[-1][1] == str(NEWS_KEPT + 2)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/enqueue", b"no JSON"),
        ("/v2/enqueue", b"[1]"),
        ("/v2/enqueue", b'{"routing_key": "12345678901234567890123456789012"}'),
        ("/api/chat.postMessage", b"{}"),
        ("/v3/mail/send", b"{}"),
        ("/v1/pages/p/incidents", b"{}"),
        ("/incidents/P1/notes", b"{}"),
        ("/incidents/", b"{}"),
        ("/2010-04-01/Accounts/A/Messages.json", b"\xff"),
        ("/services/T/B/X", b"{}"),
        ("/to/", b"{}"),
    ],
)
def test_what_no_vendor_would_take_is_refused_and_is_a_problem(path, body):
    inbox = Inbox.read(ServiceSpec("inbox", "inbox", {}))
    token = inbox.tells["token"]
    for login in (f"Bearer {token}", f"OAuth {token}", f"Token token={token}", "Basic ?"):
        answer = inbox.answer(Request("POST", path, {"Authorization": login}, body), NOW)
        assert answer.status in (200, 204, 400, 401, 404)
    assert inbox.problems or inbox.letters[0].by == "a webhook"
