"""A pack that calls people, and the services by which it does: all on sockets of this machine.

The stand-ins judge what they are sent (tests/channels/vendors.py), and a test hears of a message at
the moment in which it has arrived and no answer is out yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message as Mail
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from engine.sandbox.http import http_service
from tests.channels.vendors import PagerDutyEvents, SlackApi, Twilio, Vendor

PATIENCE_S = 180.0
"""For something that must happen: long, because the machine may be busy."""

LOOK_S = 0.05
"""Between two looks into the journal."""

SECRETS = {
    "SLACK_TOKEN": "xoxb-token",
    "TWILIO_TOKEN": "twilio-token",
    "PAGERDUTY_KEY": "R" * 32,
    "LINK_KEY": "link-key-of-32-characters-length",
    "SLACK_SIGNING": "slack-signing-secret",
}
SERVE = """public_url: http://runbook.test
slack: {secrets: ["${env:SLACK_SIGNING}"]}
links: {keys: ["${env:LINK_KEY}"]}
"""
PLACE = """connections:
  chat: {{adapter: slack, token: "${{env:SLACK_TOKEN}}", base_url: "{slack}"}}
  phone: {{adapter: twilio, account: AC0, token: "${{env:TWILIO_TOKEN}}", sender: "+4930123456",
          base_url: "{twilio}"}}
  post: {{adapter: mail, host: 127.0.0.1, port: {smtp}, sender: ops@example.com, tls: none}}
  pager: {{adapter: pagerduty, routing_key: "${{env:PAGERDUTY_KEY}}", base_url: "{pagerduty}"}}
"""
CONTACTS = """people:
  ana: {{name: Ana Lim, channels: {{slack: U1, sms: "+4915112345678"}}}}
  bo: {{name: Bo Ek, channels: {{mail: bo@example.com}}}}
rotas:
  platform: {{pagerduty: PXYZ123, channel: page}}
channels:
  slack: {{connection: chat}}
  sms: {{connection: phone}}
  mail: {{connection: post}}
  page: {{connection: pager}}
  room: {{connection: chat, to: "#incidents"}}
link: http://runbook.test/runs/{{run}}
severities:
  SEV1: {{policy: default, critical: true, status: {{every: 1m, by: [room]}}}}
policies:
  default:
    - {{who: [ana, platform], by: [slack, sms]}}
    - {{who: [bo], by: [mail], after: {after}}}
    - {{who: [platform], by: [page], after: 1h}}
"""
BOOK = """title: Disk of the orders database
severity: SEV1
triggers:
  - alertmanager: {match: {alertname: DiskFull}, inputs: {host: "{{ event.labels.instance }}"}}
inputs: {host: {type: string}}
steps:
  - id: space
    title: How full is it
    check: run.value
    with: {value: 97}
    expect: result.value < 90
    on_failure:
      - id: call
        title: Somebody makes room
        escalate: default
        message: "{{ inputs.host }} is {{ space.value }} % full"
        wait: acknowledged
  - {wait: 1s}
  - {end: resolved, because: somebody made room}
"""
ALERT = {
    "version": "4",
    "groupKey": "g",
    "status": "firing",
    "receiver": "runbook",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "DiskFull", "instance": "db-1"},
            "annotations": {},
            "startsAt": "2026-11-21T02:00:00Z",
            "fingerprint": "f",
        }
    ],
}


@dataclass
class PostOffice:
    """A mail server that takes everything, once `struck` has been told of it."""

    mails: list[Mail] = field(default_factory=list)
    struck: Callable[[], None] = lambda: None

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        self.struck()
        return "250 taken"


@dataclass
class World:
    """All of them. `strike` is called when a message has come in, before it is answered."""

    slack: SlackApi = field(default_factory=SlackApi)
    twilio: Twilio = field(default_factory=Twilio)
    pagerduty: PagerDutyEvents = field(default_factory=PagerDutyEvents)
    post: PostOffice = field(default_factory=PostOffice)
    strike: Callable[[str], None] = lambda _what: None
    delay_s: float = 0.0
    """Of every answer over HTTP, behind that."""
    addresses: dict[str, Any] = field(default_factory=dict)

    def books(self, folder: Path, *, after: str = "3s") -> None:
        """Writes the pack."""
        (folder / "books/p/environments").mkdir(parents=True)
        (folder / "books/p/environments/test.yaml").write_text(PLACE.format(**self.addresses))
        (folder / "books/p/contacts.yaml").write_text(CONTACTS.format(after=after))
        (folder / "books/p/disk.yaml").write_text(BOOK)

    def problems(self) -> list[str]:
        return [*self.slack.problems, *self.twilio.problems, *self.pagerduty.problems]


class Watched:
    """A vendor that says when it took something in."""

    def __init__(self, vendor: Vendor, name: str, world: World) -> None:
        self._vendor, self._name, self._world = vendor, name, world

    @property
    def tells(self) -> Mapping[str, str]:
        return {}

    @property
    def requests(self) -> Any:
        return self._vendor.requests

    @property
    def problems(self) -> list[str]:
        return self._vendor.problems

    def answer(self, request: Any, now: datetime) -> Any:
        before = json.dumps(self._vendor.taken)
        found = self._vendor.answer(request, now)
        if json.dumps(self._vendor.taken) != before:
            self._world.strike(self._name)
        return replace(found, delay_s=self._world.delay_s)


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    made = World()
    made.post.struck = lambda: made.strike("mail")
    async with AsyncExitStack() as stack:
        for name in ("slack", "twilio", "pagerduty"):
            watched = Watched(getattr(made, name), name, made)
            clock = lambda: datetime.now(UTC)  # noqa: E731
            fields = await stack.enter_async_context(http_service(watched, clock))
            made.addresses[name] = fields["url"]
        open_: list[SMTP] = []

        def smtp() -> SMTP:
            open_.append(SMTP(made.post, enable_SMTPUTF8=True))
            return open_[-1]

        listening = await asyncio.get_running_loop().create_server(smtp, "127.0.0.1", 0)
        made.addresses["smtp"] = listening.sockets[0].getsockname()[1]
        try:
            yield made
        finally:
            for protocol in open_:
                if protocol.transport is not None:
                    protocol.transport.abort()
            listening.close()
            await listening.wait_closed()
            await asyncio.sleep(0)


@dataclass(frozen=True)
class Said:
    """An event, as the journal has it."""

    run: str
    seq: int
    at_us: int
    type: str
    body: Mapping[str, Any]
    actor: Mapping[str, Any]


def journal(folder: Path) -> list[Said]:
    connection = sqlite3.connect(f"file:{folder}/journal.db?mode=ro", uri=True)
    try:
        columns = "run, seq, at_us, type, body, actor"
        found = connection.execute(f"SELECT {columns} FROM events ORDER BY run, seq")
        return [Said(*row[:4], *[json.loads(one) for one in row[4:]]) for row in found]
    finally:
        connection.close()


async def until(what: Callable[[], Any], where: Callable[[], str]) -> Any:
    """What `what` gives, as soon as it gives something. `where`: what to say when it never does."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        found = what()
        if found:
            return found
        await asyncio.sleep(LOOK_S)
    raise TimeoutError(where())
