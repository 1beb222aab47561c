"""The stand-ins are no pushovers: what their vendors refuse they refuse too, and take nothing of it
in. So a channel that they take is one that the vendor takes.

What is right is what our channel sends; each case spoils one thing of it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx
import pytest

from engine.channels.webhook import signature
from tests.channels.test_channels import ASKED, FAMILIES, made


@dataclass(frozen=True)
class Sent:
    """A request, its body read where it is JSON or a form."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any

    def octets(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        if "form" in self.headers.get("content-type", ""):
            return urlencode(self.body).encode()
        return json.dumps(self.body).encode()


Spoils = Callable[[Sent], Sent]


def at(path: str) -> Spoils:
    return lambda sent: replace(sent, path=path)


def by(method: str) -> Spoils:
    return lambda sent: replace(sent, method=method)


def head(name: str, value: str | None) -> Spoils:
    def spoilt(sent: Sent) -> Sent:
        rest = {k: v for k, v in sent.headers.items() if k != name}
        return replace(sent, headers=rest | ({name: value} if value is not None else {}))

    return spoilt


def raw(octets: bytes) -> Spoils:
    return lambda sent: replace(sent, body=octets)


def body(where: str, value: Any = None) -> Spoils:
    """Puts something else there; None takes it away."""

    def spoilt(sent: Sent) -> Sent:
        found = copy.deepcopy(sent.body)
        *way, last = [int(key) if key.isdigit() else key for key in where.split("/")]
        inner = found
        for key in way:
            inner = inner[key]
        if value is None:
            del inner[last]
        else:
            inner[last] = value
        return replace(sent, body=found)

    return spoilt


TEXT = head("content-type", "text/plain")
NO_TYPE = head("content-type", None)
BROKEN = (raw(b"{"), raw(b"[]"), raw(b""), raw(b"null"))
NOBODY = head("authorization", None)
ANOTHER = head("authorization", "Bearer another")

BLOCKS: tuple[Spoils, ...] = (
    body("blocks", []),
    body("blocks", "none"),
    body("blocks/0/type", "banner"),
    body("blocks/0/text/text", "x" * 151),
    body("blocks/0/text/text", "\U0001f525" * 76),
    body("blocks/0/text/text", ""),
    body("blocks/0/text/type", "mrkdwn"),
    body("blocks/1/text/text", "x" * 3001),
    body("blocks/1/text/type", "html"),
    body("blocks/2/elements", []),
    body("blocks/2/elements/0/text", ""),
    body("blocks/2/block_id", "x" * 256),
    body("text", ""),
    body("text"),
)
BUTTONS: tuple[Spoils, ...] = (
    body("blocks/3/block_id", "runbook:" + "x" * 250),
    body("blocks/3/label/type", "mrkdwn"),
    body("blocks/3/element/max_length", 3001),
    body("blocks/4/elements", []),
    body("blocks/4/elements/0/text/text", "x" * 76),
    body("blocks/4/elements/0/text/type", "mrkdwn"),
    body("blocks/4/elements/0/value", "x" * 2001),
    body("blocks/4/elements/0/action_id", "runbook:deny"),
    body("blocks/4/elements/0/action_id", "x" * 256),
    body("blocks/4/elements/0/style", "loud"),
    body("blocks/4/elements/0/type", "link"),
)

WRONG: dict[str, tuple[Spoils, ...]] = {
    "webhook": (
        *(at("/"), by("PUT"), TEXT, *BROKEN, head("x-runbook-signature", None)),
        *(head("x-runbook-signature", "v1=00"), head("idempotency-key", "another")),
        *(head("idempotency-key", None), body("kind", "loud"), body("title"), body("text", 7)),
        *(body("severity", "red"), body("details", "none")),
    ),
    "slack_webhook": (at("/services/T0/B0/other"), by("PUT"), TEXT, NO_TYPE, *BROKEN, *BLOCKS),
    "slack": (
        *(at("/chat.other"), by("PUT"), TEXT, NO_TYPE, NOBODY, ANOTHER, *BROKEN, *BLOCKS, *BUTTONS),
        *(body("channel", "#gone"), body("channel"), body("thread_ts", "1.2")),
        *(body("metadata/event_type", ""), body("metadata/event_payload", "x")),
    ),
    "pagerduty": (
        *(at("/v2/other"), by("PUT"), TEXT, *BROKEN, body("routing_key", "k" * 31)),
        *(body("routing_key"), body("event_action", "page"), body("event_action")),
        *(body("dedup_key", ""), body("dedup_key", "k" * 256), body("payload/summary", "")),
        *(body("payload/summary", "x" * 1025), body("payload/source"), body("payload")),
        *(body("payload/severity", "high"), body("links/0/href", "")),
        *(body("payload/custom_details", "x" * 600_000), body("event_action", "resolve")),
    ),
    "pagerduty_notes": (
        *(at("/incidents/PINC2/notes"), by("PUT"), TEXT, *BROKEN, NOBODY, ANOTHER),
        *(head("accept", "application/json"), head("from", None), head("from", "the bot")),
        *(body("note"), body("note/content", ""), body("note/content", "x" * 65_536)),
    ),
    "twilio": (
        *(at("/2010-04-01/Accounts/AC1/Messages.json"), by("PUT"), TEXT, NOBODY, ANOTHER),
        *(head("authorization", "Basic !"), body("To", "015112345678"), body("To", "+49 151 1")),
        *(body("To", "+" + "9" * 16), body("To"), body("From", "ops"), body("From")),
        *(body("Body", ""), body("Body", "x" * 1601), body("Body", "\U0001f525" * 801), raw(b"")),
    ),
    "sendgrid": (
        *(at("/v3/mail"), by("PUT"), TEXT, *BROKEN, NOBODY, ANOTHER, body("personalizations", [])),
        *(body("personalizations/0/to", []), body("personalizations/0/to/0/email", "ana")),
        *(body("personalizations/0/custom_args", {"n": 1}), body("from/email", "ops")),
        *(body("subject", ""), body("content/0/value", ""), body("content/0/type", "text")),
        *(body("headers/Subject", "x"), body("headers/X", "\u00e9")),
    ),
    "statuspage": (
        *(at("/v1/pages/other/incidents"), by("PUT"), TEXT, *BROKEN, NOBODY, ANOTHER),
        *(body("incident/status", "open"), body("incident/name", "x" * 256)),
        *(
            body("incident/name", ""),
            body("incident/body", ""),
            body("incident/body", "x" * 25_001),
        ),
        *(body("incident/metadata", {"run": "r1"}), body("incident")),
    ),
}


async def right(found: Any) -> Sent:
    """What our channel sends: a question, where it can have buttons."""
    if found.channel.family == "slack":
        await found.channel.send(replace(ASKED, to=found.to))
    else:
        await found.send()
    sent = found.vendor.requests[-1]
    found.vendor.taken.clear()
    headers = {k.lower(): v for k, v in sent.headers.items()}
    headers = {k: v for k, v in headers.items() if k not in ("host", "content-length")}
    kind = headers.get("content-type", "")
    read: Any = sent.body
    if "json" in kind:
        read = json.loads(sent.body)
    elif "form" in kind:
        read = {k: v[-1] for k, v in parse_qs(sent.body.decode()).items()}
    return Sent(sent.method, sent.target, headers, read)


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_stand_in_takes_what_is_right_and_refuses_what_is_wrong(family, serve):
    found = await made(family, serve)
    address = f"http://{found.channel.fingerprint().partition('/')[0]}"
    good = await right(found)
    assert found.vendor.problems == []
    async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
        for number, spoil in enumerate(WRONG[family]):
            found.vendor.problems.clear()
            answer = await send(client, signed(spoil(good), good))
            assert refused(answer), f"{number}: {spoil(good)}"
            assert found.vendor.taken == [], f"{number}: {spoil(good)}"
        answer = await send(client, signed(good, good))
        assert not refused(answer)
    assert len(found.vendor.taken) == 1
    assert len(WRONG[family]) >= 10


def signed(sent: Sent, good: Sent) -> Sent:
    """Signed anew unless that is what was spoilt: no body is refused for its signature."""
    name = "x-runbook-signature"
    if name not in good.headers or sent.headers.get(name) != good.headers[name]:
        return sent
    return replace(sent, headers={**sent.headers, name: signature("s3cr3t", sent.octets())})


async def send(client: httpx.AsyncClient, sent: Sent) -> httpx.Response:
    return await client.request(sent.method, sent.path, headers=sent.headers, content=sent.octets())


def refused(answer: httpx.Response) -> bool:
    return answer.status_code >= 400 or '"ok": false' in answer.text
