"""Whatever a vendor, a proxy or somebody in between answers: a channel says what became of its
message, by a receipt or by an AdapterError, and by nothing else. What it says is text that a
journal, a terminal and a message can hold, and has no secret in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.channels.calling import BLOCKED_MAX_S, blocked_s
from engine.channels.fitting import plain
from engine.channels.mail import MailChannel
from engine.errors import AdapterError
from tests.channels.counterparts import Mailbox, answer, listening
from tests.channels.test_contract import CANARY, MADE, PAGE, TO

KNOWN = {"id": "a", "channel": "C1", "ts": "1.2", "incident": "i1", "message_id": "<a@b>"}

WAYS: dict[str, dict[str, Any]] = {
    "a page": {},
    "a page, again": {"attempt": 2},
    "a status": {"kind": "status"},
    "a status, again": {"kind": "status", "attempt": 2},
    "taken": {"kind": "acknowledged", "receipt": KNOWN},
    "over, again": {"kind": "resolved", "attempt": 2, "receipt": {**KNOWN, "status_update": True}},
    "in a thread, again": {"attempt": 2, "thread": KNOWN},
    "to a person, again": {"attempt": 2, "to": "U1"},
    "to a name, again": {"attempt": 2, "to": "#ops"},
}
"""What a message may be, so that each request that a channel makes is made."""

NAMES = (
    *("ok", "error", "ts", "channel", "channels", "messages", "metadata", "event_payload", "key"),
    *("blocks", "block_id", "id", "name", "response_metadata", "next_cursor", "status", "sid"),
    *("dedup_key", "note", "notes", "content", "status_update", "log_entries", "body", "run"),
    *("error_message", "error_code", "message", "errors", "code", "field", "detail", "runbook"),
)
"""What the channels read of answers."""

LEAVES = (
    *(None, True, False, 0, 1, -1, 1.5, 1e308, "", "x", "success", "C1", "queued", "failed"),
    *("ratelimited", "fatal_error", "\ud800", "\x1b[2J\x07", PAGE.key, PAGE.run, CANARY),
    *("y" * 5000, f"Bearer {CANARY}", f"token={CANARY}"),
)

JSON = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=12,
)

STATUSES = (200, 200, 200, 201, 202, 204, 400, 403, 404, 409, 420, 422, 429, 500, 503)

LISTS = ("messages", "notes", "log_entries", "channels", "blocks")

SHAPES: tuple[Any, ...] = (
    *([], {}, None, True, 0, "", "ok", [[]], [None], [1], ["a"], [{}], {"ok": True}),
    *({"ok": True, name: value} for name in NAMES for value in (None, 1, [1], ["x"])),
    *({"ok": True, name: [{"metadata": bad}]} for name in LISTS for bad in (1, [1])),
    {"ok": True, "messages": [{"metadata": {"event_payload": 1}, "blocks": [1]}]},
    {"ok": True, "messages": [{"metadata": {"event_payload": {"key": PAGE.key}}}]},
    {"ok": True, "channel": {"id": 1}},
    [{"metadata": {"runbook": {"run": PAGE.run, "key": PAGE.key}}, "id": [1]}],
    {"status": "success", "dedup_key": {"a": 1}},
    {"ok": "true", "ts": "1", "channel": "C1"},
)
"""Answers of another shape than any document has."""

RAW: dict[str, bytes] = {
    "another charset": answer(200, b'{"ok": \xff\xfe}', kind="application/json; charset=utf-16"),
    "a charset that nobody knows": answer(200, "\u00e4", kind="text/plain; charset=klingon"),
    "nested deeply": answer(200, "[" * 100_000),
    "a number without end": answer(200, '{"ok": ' + "9" * 10_000 + "}"),
    "not a number": answer(200, '{"ok": NaN, "ts": Infinity}'),
    "only an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n",
    "early hints, then refused": b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(400, "{}"),
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"<h1>hello</h1>",
    "chunks of garbage": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    "a chunk below nothing": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
    "a length below nothing": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"y" * 200_000,
    "no gzip": answer(200, '{"ok": true}', "Content-Encoding: gzip"),
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "a head that is no text": b"HTTP/1.1 200 \xff\r\nX: \xc3\x28\r\nContent-Length: 0\r\n\r\n",
    "nothing": answer(200, ""),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
}


LOOKS = ("slack", "pagerduty_notes", "twilio", "statuspage")
"""Channels that make several kinds of requests."""


class Talker:
    """Answers each request with the next of `says`, the last of them for ever."""

    def __init__(self) -> None:
        self.says: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            lengths = [ln for ln in head.split(b"\r\n") if ln.startswith(b"content-length:")]
            await reader.readexactly(sum(int(ln.partition(b":")[2]) for ln in lengths))
            writer.write(self.says.pop(0) if len(self.says) > 1 else self.says[0])
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever it was has gone
        finally:
            writer.close()


def took(family: str, answers: Sequence[tuple[int, Any]]) -> bool:
    """Whether one of the answers can say that a message was taken, by the vendor's document."""
    good = [found for status, found in answers if 200 <= status < 300]
    objects = [found for found in good if isinstance(found, dict)]
    if family == "webhook":
        return bool(good)
    if family == "sendgrid":
        return any(status == 202 for status, _ in answers)
    if family == "slack_webhook":
        return False  # it answers `ok`, which is no JSON
    if family == "slack":
        return any(found.get("ok") is True for found in objects)
    if family == "pagerduty":
        return any(found.get("status") == "success" for found in objects)
    return bool(objects) or any(isinstance(found, list) for found in good)


def is_fit(value: Any) -> None:
    """What a receipt or an error says can be kept and shown."""
    shown = json.dumps(value, ensure_ascii=False)
    shown.encode()
    assert len(shown) < 4000
    assert CANARY not in shown
    for text in _texts(value):
        assert text == plain(text)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for one in value.values() for text in _texts(one)]
    return [text for one in value for text in _texts(one)] if isinstance(value, list) else []


async def judged(family: str, port: int, way: str, took_it: bool | None) -> None:
    """Sends one message, and sees to it that what is said of it is fit to be said."""
    channel = MADE[family](f"http://127.0.0.1:{port}")
    more = {"to": TO.get(family)} | WAYS[way]
    if "to" in WAYS[way] and family != "slack":
        more["to"] = TO.get(family)
    try:
        receipt = await channel.send(dataclasses.replace(PAGE, **more))
    except AdapterError as error:
        is_fit([error.message, error.help or "", dict(error.detail)])
    else:
        is_fit(dict(receipt))
        names = {"id", "channel", "ts", "incident", "message_id"} & receipt.keys()
        assert all(isinstance(receipt[name], str) and receipt[name] for name in names), receipt
        assert took_it is not False
    finally:
        await channel.close()


@pytest.mark.parametrize("family", MADE)
async def test_an_answer_of_another_shape_is_said_to_be_one(family):
    talker = Talker()
    async with listening(talker.serve) as port:
        for way in WAYS if family in LOOKS else ("a page",):
            for shape in SHAPES:
                talker.says = [answer(200, json.dumps(shape))]
                await judged(family, port, way, took(family, [(200, shape)]))


@pytest.mark.parametrize("family", MADE)
async def test_what_is_no_answer_is_an_error_of_the_channel(family):
    talker = Talker()
    async with listening(talker.serve) as port:
        for way in ("a page", "a page, again"):
            for says in RAW.values():
                talker.says = [says]
                await judged(family, port, way, None if family == "webhook" else False)


@pytest.mark.parametrize("family", MADE)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    answers=st.lists(st.tuples(st.sampled_from(STATUSES), JSON), min_size=1, max_size=3),
    way=st.sampled_from(sorted(WAYS)),
)
def test_whatever_is_answered_a_channel_says_what_became_of_its_message(family, answers, way):
    async def all_of_it() -> None:
        talker = Talker()
        talker.says = [answer(status, json.dumps(found)) for status, found in answers]
        async with listening(talker.serve) as port:
            await judged(family, port, way, took(family, answers))

    asyncio.run(all_of_it())


SMTP_SAYS = {
    "octets": b"250 caf\xe9 \xff\xfe taken",
    "a terminal's orders": b"250 \x1b[2J\x1b]0;owned\x07taken",
    "many lines": b"\r\n".join([b"250-one"] * 500) + b"\r\n250 taken",
    "refused with octets": b"554 caf\xe9 \x1b[2J",
    "busy with octets": b"421 caf\xe9 \x1b[2J",
    "lines without end": b"250-" + b"x" * 8000 + b"\r\n" + b"250-more\r\n" * 10_000,
    "codes that differ": b"250-fine\r\n550 not fine",
    "no code": b"taken",
}


@pytest.mark.parametrize("at", ["greeting", "hello", "from", "rcpt", "text"])
@pytest.mark.parametrize("says", SMTP_SAYS)
async def test_whatever_a_mail_server_says_a_channel_says_what_became_of_its_mail(at, says):
    said = SMTP_SAYS[says]
    said = said.replace(b"250", b"220") if at == "greeting" else said
    counterpart = Mailbox(f"{at}: {said.decode('latin-1')}")
    async with listening(counterpart.serve) as port:
        channel = MailChannel(
            "127.0.0.1", port=port, sender="ops@example.com", tls="none", timeout_s=5
        )
        try:
            receipt = await channel.send(dataclasses.replace(PAGE, to="ana@example.com"))
        except AdapterError as error:
            is_fit([error.message, error.help or "", dict(error.detail)])
            told = error.maybe_done
        else:
            is_fit(dict(receipt))
            told = True
    assert told <= bool(counterpart.texts)


async def test_a_mail_server_that_takes_its_time_with_each_reply_has_the_time_of_one_mail():
    counterpart = Mailbox(delay_s=0.2)
    async with listening(counterpart.serve) as port:
        channel = MailChannel(
            "127.0.0.1", port=port, sender="ops@example.com", tls="none", timeout_s=0.5
        )
        with pytest.raises(AdapterError, match=r"within 0\.5 s") as caught:
            await channel.send(dataclasses.replace(PAGE, to="ana@example.com"))
    assert (counterpart.texts, caught.value.maybe_done) == ([], False)


async def test_no_mail_leaves_where_the_offer_to_make_it_safe_was_taken_out():
    counterpart = Mailbox()
    async with listening(counterpart.serve) as port:
        channel = MailChannel(
            "127.0.0.1", port=port, sender="ops@example.com", username="u", password=CANARY
        )
        with pytest.raises(AdapterError, match="STARTTLS") as caught:
            await channel.send(dataclasses.replace(PAGE, to="ana@example.com"))
    assert (counterpart.texts, CANARY in str(caught.value)) == ([], False)


GARBAGE = (
    *("", " ", "soon", "-5", "nan", "inf", "-inf", "1e400", "9" * 5000, "0x10", "\x00", "x" * 9000),
    *("Mon, 01 Jan 2026 00:00:00 +99999999999999", "1 Jan 99999999999999999999 00:00:00 GMT"),
    *("Mon, 32 Jan 2026 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2300", ",,,", "Mon, , , ,"),
    *("Mon, 01 Jan 0001 00:00:00 +2300", "Thu, 01 Jan 1970 00:00:00 GMT", "7, 7"),
)


@pytest.mark.parametrize("value", GARBAGE, ids=lambda value: repr(value[:30]))
@pytest.mark.parametrize("name", ["date", "retry-after", "ratelimit-reset", "x-ratelimit-reset"])
def test_a_time_to_come_again_is_never_longer_than_an_hour_nor_below_nothing(name, value):
    assert 0 <= blocked_s({name: value}) <= BLOCKED_MAX_S
    assert blocked_s({"retry-after": "7", name: value} if name != "retry-after" else {}) in (0, 7)


ADDRESSES = (
    *("", " ", "a@b\r\nBcc: eve@example.org", "a@b>\r\nDATA", "\ud800@example.org", "a@\udc00"),
    *("x" * 100_000, "\x00", "\x1b[2J", "../../other", "a b@example.org", "<a@b>", "a@b, c@d"),
    *(
        '"a@b',
        "(a",
        "J\u00f6rg@ex\u00e4mple.org",
        "\U0001f525",
        "@",
        "a@b?x=y&z#f",
        "=?utf-8?q?x?=",
    ),
)


@pytest.mark.parametrize("to", ADDRESSES, ids=lambda to: repr(to[:20]))
async def test_an_address_that_is_none_is_refused_or_taken_as_it_is_and_never_breaks_out(to):
    """Addresses come from the contacts, and from whoever keeps a rota."""
    web, box = Talker(), Mailbox()
    web.says = [answer(400, "{}")]
    async with listening(web.serve) as port, listening(box.serve) as smtp:
        for family in MADE:
            for incident in ("PINC1", to):
                channel = MADE[family](f"http://127.0.0.1:{port}")
                with pytest.raises(AdapterError) as caught:
                    await channel.send(dataclasses.replace(PAGE, to=to, incident=incident))
                is_fit([caught.value.message, dict(caught.value.detail)])
                assert not caught.value.maybe_done
                await channel.close()
        channel = MailChannel("127.0.0.1", port=smtp, sender="ops@example.com", tls="none")
        with contextlib.suppress(AdapterError):
            await channel.send(dataclasses.replace(PAGE, to=to))
    assert all(b"\nBcc:" not in text for text in box.texts)
    assert len(box.texts) <= 1
