"""What we send to Slack, Twilio and SendGrid is valid by their own OpenAPI documents, and what
these give as examples of answers is understood.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from engine.channels.sendgrid import SendGridChannel
from engine.channels.slack import GONE_FOR_GOOD, PERHAPS_DONE, SlackChannel
from engine.channels.twilio import TwilioChannel
from engine.errors import AdapterError
from engine.plugin.channel import Message
from engine.sandbox.http import http_service
from tests.channels.judge import Judge, as_it_is, as_slack_documents, below_v3, prism, where
from tests.channels.messages import ANY_TEXT, MESSAGES, PAGE
from tests.parts import uses

if not uses("prism"):
    pytest.skip("prism is not installed", allow_module_level=True)

ACCOUNT = "AC" + "0123456789abcdef" * 2
SERVICE = "MG" + "0123456789abcdef" * 2

DOCUMENTS = {
    "slack": ("slack.com.json", as_slack_documents),
    "twilio": ("twilio.com/api.json", as_it_is),
    "sendgrid": ("sendgrid.com.json", below_v3),
}
TO = {"slack": "C0123ABCD", "twilio": "+4915112345678", "sendgrid": "ana@example.com"}


@pytest.fixture(scope="module")
def mocks() -> Iterator[dict[str, Judge]]:
    with judging("slack") as slack, judging("twilio") as twilio, judging("sendgrid") as sendgrid:
        yield {"slack": slack, "twilio": twilio, "sendgrid": sendgrid}


@contextmanager
def judging(vendor: str) -> Iterator[Judge]:
    document, adapt = DOCUMENTS[vendor]
    with prism(document) as address:
        yield Judge(address, adapt)


def channel(vendor: str, url: str, **more: Any) -> Any:
    if vendor == "slack":
        return SlackChannel("xoxb-0123456789", base_url=url)
    if vendor == "twilio":
        return TwilioChannel(
            ACCOUNT, "token", **{"sender": "+15005550006", "base_url": url, **more}
        )
    return SendGridChannel("SG.key", sender="ops@example.com", base_url=url)


@asynccontextmanager
async def before(judge: Judge, vendor: str, **more: Any) -> AsyncIterator[Any]:
    """A channel before its judge, who has forgotten what was before."""
    judge.problems.clear()
    judge.requests.clear()
    async with http_service(judge, lambda: datetime(2026, 11, 21, tzinfo=UTC)) as fields:
        made = channel(vendor, fields["url"], **more)
        try:
            yield made
        finally:
            await made.close()


async def tell(made: Any, vendor: str, message: Message) -> None:
    first = dataclasses.replace(message, to=TO[vendor], kind="page")
    receipt = await made.send(first)
    await made.send(dataclasses.replace(first, attempt=2))
    await made.send(dataclasses.replace(first, kind="status", thread=receipt))
    for kind in ("acknowledged", "resolved"):
        await made.send(dataclasses.replace(first, key=kind, kind=kind, receipt=receipt))


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("vendor", DOCUMENTS)
async def test_every_message_is_valid_by_the_vendors_document(vendor, name, mocks):
    async with before(mocks[vendor], vendor) as made:
        await tell(made, vendor, MESSAGES[name])
    assert mocks[vendor].problems == []
    assert len(mocks[vendor].requests) >= 4


@pytest.mark.parametrize("vendor", DOCUMENTS)
@given(title=ANY_TEXT, text=ANY_TEXT)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_text_is_valid_by_the_vendors_document(vendor, title, text, mocks):
    async def told() -> None:
        async with before(mocks[vendor], vendor) as made:
            await made.send(dataclasses.replace(PAGE, to=TO[vendor], title=title, text=text))

    asyncio.run(told())
    assert mocks[vendor].problems == []


async def test_the_documented_answers_are_understood(mocks):
    said: dict[str, Any] = {}
    for vendor in DOCUMENTS:
        async with before(mocks[vendor], vendor) as made:
            said[vendor] = await made.send(dataclasses.replace(PAGE, to=TO[vendor]))
            assert await made.ping()
        assert mocks[vendor].problems == []
    assert (said["slack"]["channel"], said["slack"]["ts"]) == ("C1H9RESGL", "1503435956.000247")
    assert said["twilio"]["status"] == "queued"
    assert said["sendgrid"]["status"] == 202


async def test_a_messaging_service_may_stand_for_the_number_it_is_from(mocks):
    async with before(mocks["twilio"], "twilio", sender=SERVICE) as made:
        await made.send(dataclasses.replace(PAGE, to=TO["twilio"]))
    assert mocks["twilio"].problems == []
    assert b"MessagingServiceSid=MG" in mocks["twilio"].requests[0].body


@pytest.mark.parametrize(
    ("to", "asked"),
    [
        ("U0123ABCD", ["/conversations.open", "/conversations.history", "/chat.postMessage"]),
        ("#general", ["/conversations.list", "/conversations.history", "/chat.postMessage"]),
    ],
)
async def test_where_slack_keeps_what_was_posted_is_asked_as_it_documents(to, asked, mocks):
    async with before(mocks["slack"], "slack") as made:
        await made.send(dataclasses.replace(PAGE, to=to, attempt=2))
    assert mocks["slack"].problems == []
    assert [r.target.partition("?")[0] for r in mocks["slack"].requests] == asked


MEND_THEMSELVES = {"rate_limited", "request_timeout", "team_added_to_org"}
"""Errors of Slack's after which another try is worth it, and nothing was posted."""


def test_every_error_that_slack_documents_is_one_that_a_try_mends_or_does_not():
    document = json.loads(where("slack.com.json")[1].read_text())
    words: set[str] = set()
    for path in ("/chat.postMessage", "/chat.update", "/auth.test", "/conversations.history"):
        (method,) = document["paths"][path].values()
        (content,) = method["responses"]["default"]["content"].values()
        words.update(content["schema"]["properties"]["error"]["enum"])
    assert len(words) > 25
    assert words - GONE_FOR_GOOD - PERHAPS_DONE == MEND_THEMSELVES & words


@pytest.mark.parametrize(
    ("vendor", "spoil"),
    [
        ("slack", lambda made: setattr(made, "_post", _without_channel(made))),
        ("twilio", lambda made: setattr(made, "_sender", "MGtooshort")),
        ("sendgrid", lambda made: made._from.update(email="no address")),
    ],
)
async def test_the_judge_is_awake(vendor, spoil, mocks):
    async with before(mocks[vendor], vendor) as made:
        spoil(made)
        with suppress(AdapterError):  # as the vendor would refuse it
            await made.send(dataclasses.replace(PAGE, to=TO[vendor]))
    assert mocks[vendor].problems != []


def _without_channel(made: Any) -> Any:
    post = made._post

    async def posted(path: str, body: dict[str, Any]) -> Any:
        return await post(path, {k: v for k, v in body.items() if k != "channel"})

    return posted
