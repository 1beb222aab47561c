"""Any text makes a request that the vendor takes, and nothing in it becomes a command."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import regex
from hypothesis import HealthCheck, example, given, settings
from slack_sdk.models.blocks import Block

from engine.channels import fitting, sms
from engine.channels.console import ConsoleChannel
from engine.channels.twilio import PARTS_MAX
from engine.plugin.channel import Message
from tests.channels.conftest import Serve
from tests.channels.messages import ANY_TEXT, LINK, MESSAGES, PAGE
from tests.channels.test_channels import FAMILIES, Made, made
from tests.channels.test_mail import mail_server

ALL = (*FAMILIES, "mail")


@asynccontextmanager
async def bench(family: str) -> AsyncIterator[Made]:
    async with AsyncExitStack() as stack:
        if family == "mail":
            server = await stack.enter_async_context(mail_server())
            yield Made(server.channel(), server, "ana@example.com")
            return
        one = await made(family, Serve(stack))
        stack.push_async_callback(one.channel.close)
        yield one


async def tell(one: Made, message: Message) -> None:
    """Sends a message in each of the ways that there are: first, again, in a thread, as what became
    of it.
    """
    to = message.to if message.to is not None else one.to
    kind = "status" if message.kind == "status" else "page"
    first = dataclasses.replace(message, to=to, kind=kind)
    receipt = await one.channel.send(first)
    assert json.loads(json.dumps(receipt)) == receipt
    if one.channel.again and one.channel.family != "pagerduty":
        taken = len(one.vendor.taken)
        await one.channel.send(dataclasses.replace(first, attempt=2))
        assert len(one.vendor.taken) == taken, "it was not found again"
    more = {"key": "another", "text": first.text, "title": first.title}
    await one.channel.send(dataclasses.replace(first, **more, kind="status", thread=receipt))
    for kind in ("acknowledged", "resolved"):
        after = dataclasses.replace(first, key=kind, kind=kind, receipt=receipt)
        await one.channel.send(after)


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("family", ALL)
async def test_every_message_is_taken(family, name):
    async with bench(family) as one:
        await tell(one, MESSAGES[name])
        assert one.vendor.problems == []
        harmless(family, one, MESSAGES[name])


@pytest.mark.parametrize("family", ALL)
@given(title=ANY_TEXT, text=ANY_TEXT)
@example(title="\x00", text="\ud800")
@example(title="long " * 8000, text=" \n")
@example(title=" \n", text="long " * 8000)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_text_makes_a_message_that_is_taken(family, title, text):
    message = dataclasses.replace(PAGE, title=title, text=text, source=title, name=title)

    async def told() -> None:
        async with bench(family) as one:
            await tell(one, message)
            assert one.vendor.problems == []
            harmless(family, one, message)

    asyncio.run(told())


def harmless(family: str, one: Made, message: Message) -> None:
    """What a reader's program makes of it is a text and our link, nothing else."""
    judges = {"slack": slack, "slack_webhook": slack, "mail": mail, "sendgrid": sendgrid}
    judges |= {"twilio": twilio, "statuspage": statuspage, "pagerduty_notes": notes}
    if family in judges:
        for taken in one.vendor.taken if family != "mail" else one.vendor.mails:
            judges[family](taken, message)


def slack(posted: dict[str, Any], message: Message) -> None:
    parsed = Block.parse_all(posted["blocks"])
    assert len(parsed) == len(posted["blocks"])
    for block in parsed:
        block.validate_json()
    for block in posted["blocks"]:
        if block["type"] in ("header", "section"):
            assert block["text"]["type"] == "plain_text"
            assert (
                fitting.utf16(block["text"]["text"])
                <= {"header": 150, "section": 3000}[block["type"]]
            )
    (foot,) = [b["elements"][0]["text"] for b in posted["blocks"] if b["type"] == "context"]
    links = [f"<{LINK.replace('&', '&amp;')}|open>"] if message.link else []
    assert regex.findall("<[^>]*>", foot) == links
    assert "<" not in posted["text"]


def mail(sent: Any, message: Message) -> None:
    known = {"from", "to", "subject", "message-id", "auto-submitted", "x-runbook-key"}
    known |= {"in-reply-to", "references", "mime-version", "content-type"}
    known |= {"content-transfer-encoding", "x-peer", "x-mailfrom", "x-rcptto", "x-runbook-kind"}
    assert {name.lower() for name in sent} <= known
    assert (sent["To"], sent["Subject"].count("\n")) == ("ana@example.com", 0)
    assert sent.get_content_type() == "text/plain"
    body = sent.get_content()
    for what, link in (("The run", message.link), ("Take it", message.take_link)):
        assert not link or f"{what}: {link}" in body.splitlines()


def sendgrid(sent: dict[str, Any], message: Message) -> None:
    assert [part["type"] for part in sent["content"]] == ["text/plain"]
    assert "\n" not in sent["subject"]
    if message.take_link:
        assert f"Take it: {message.take_link}" in sent["content"][0]["value"].splitlines()


def twilio(sent: dict[str, Any], message: Message) -> None:
    assert sms.parts(sent["body"]) <= PARTS_MAX
    assert fitting.utf16(sent["body"]) <= 1600
    if message.link:
        assert f"\n{message.link} #" in sent["body"]


def statuspage(sent: dict[str, Any], _message: Message) -> None:
    assert not set("<>") & set(sent["name"] + sent["body"])


def notes(sent: str, message: Message) -> None:
    if message.link and sent.endswith("]"):
        assert f"\n{message.link}\n[runbook " in sent


@given(title=ANY_TEXT, text=ANY_TEXT)
@settings(max_examples=100, deadline=None)
def test_a_terminal_is_told_nothing_that_it_would_carry_out(title, text):
    said: list[str] = []
    for kind in ("page", "status", "resolved"):
        details = {"policy": "default", "level": 2, "wrong": text}
        message = dataclasses.replace(PAGE, kind=kind, title=title, details=details)
        receipt = asyncio.run(ConsoleChannel(said.append).send(message))
        assert receipt["id"] == message.key
    assert all(fitting.plain(line) == line for line in said)


# -- lengths ---------------------------------------------------------------------------------------


FLAG = "\U0001f1e9\U0001f1ea"
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "limit", "size", "left"),
    [
        ("hello", 5, len, "hello"),
        ("hello world", 8, len, "hello..."),
        ("\U0001f525" * 3, 6, fitting.utf16, "\U0001f525" * 3),
        ("\U0001f525" * 4, 6, fitting.utf16, "\U0001f525..."),
        ("\U0001f525" * 4, 6, len, "\U0001f525" * 4),
        (FLAG * 2, 6, len, FLAG * 2),
        (f"a{FLAG * 9}", 6, len, f"a{FLAG}..."),
        (f"a{FAMILY * 9}", 9, fitting.utf16, "a..."),
        (f"{FAMILY * 9}", 9, fitting.utf16, "\U0001f469\u200d\U0001f469\u200d..."),
        ("e\u0301" * 9, 6, len, "e\u0301..."),
        ("e\u0301" * 9, 7, fitting.octets, "e\u0301..."),
        ("äöü" * 3, 9, fitting.octets, "äöü..."),
        ("one two three", 8, len, "one t..."),
        ("one  two three", 8, len, "one..."),
    ],
)
def test_a_text_is_cut_between_graphemes_as_its_reader_counts(text, limit, size, left):
    assert fitting.cut(text, limit, size) == left
    assert size(left) <= limit


@pytest.mark.parametrize("mark", ["\u202a", "\u202b", "\u202d", "\u202e", "\u2066", "\u2068"])
def test_a_command_that_is_to_be_agreed_to_reads_as_it_would_be_carried_out(mark):
    """`rm x` with such a mark is shown as another command than the one that is approved."""
    assert fitting.plain(f"argv: {mark}nimda pord\u202c") == "argv: \ufffdnimda pord\ufffd"
    names = "\u05d3\u05e0\u05d4 \u05e8\u05d5\u05df"  # who writes from right to left is called so
    assert fitting.plain(names) == names


@given(text=ANY_TEXT)
@settings(max_examples=200, deadline=None)
def test_a_plain_text_can_be_written_anywhere(text):
    found = fitting.plain(text)
    assert found.encode().decode() == found == fitting.plain(found)
    assert not regex.search(r"[\p{Cc}--\n\t]", found, flags=regex.VERSION1)
    assert len(fitting.one_line(text).splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),  # two places each
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # not split between two parts
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("\U0001f525" * 35, 1),
        ("\U0001f525" * 36, 2),
        ("я" * 66 + "\U0001f525" + "я" * 66, 3),
        ("", 1),
    ],
)
def test_the_parts_of_a_short_message_are_counted_as_telephones_count_them(text, parts):
    assert sms.parts(text) == parts


def test_marks_of_typography_do_not_halve_the_room_of_a_short_message():
    text = "\u201cIt\u2019s full\u201d \u2013 97 %\u2026 \u2192 now"
    assert sms.written(text) == '"It\'s full" - 97 %... -> now'
    assert sms.parts(sms.written(text + "x" * 130)) == 1


@given(text=ANY_TEXT)
@settings(max_examples=100, deadline=None)
def test_a_short_message_keeps_its_end_and_its_parts(text):
    text = sms.written(fitting.plain(text))
    found = sms.fitted(text, "\nhttps://runbook.example.com/runs/r1 #abcdef", 4)
    assert found.endswith("\nhttps://runbook.example.com/runs/r1 #abcdef")
    assert sms.parts(found) <= 4
    if sms.parts(text) < 3:
        assert found.startswith(text)
