"""Every channel in a run, before a counterpart that takes a message in, refuses it, is slow, takes
no more for now, or loses its answer: what the trail says then, when it is tried again, and that
nobody is told twice. The clock is the test's own.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from engine.channels.console import ConsoleChannel
from engine.core.events import Event
from engine.errors import AdapterError
from engine.registry import Registry
from engine.runner import telling
from engine.runner.telling import Teller
from engine.wiring import Faces
from tests.channels import vendors
from tests.channels.test_channels import PAGE
from tests.channels.test_mail import mail_server
from tests.runs.beeper import Hands
from tests.runs.test_telling import Desk

SECOND_US = 1_000_000
IMPATIENT_S = 1.5
"""For an answer that does not come. What is asked has to arrive within it on a busy machine."""

VENDORS: dict[str, tuple[type[vendors.Vendor], str]] = {
    "webhook": (vendors.Receiver, "url: '{url}/in', secret: s3cr3t"),
    "slack_webhook": (vendors.SlackHooks, "url: '{url}/services/T0/B0/secret'"),
    "slack": (vendors.SlackApi, "token: xoxb-token, base_url: '{url}'"),
    "pagerduty": (vendors.PagerDutyEvents, f"routing_key: {'k' * 32}, base_url: '{{url}}'"),
    "pagerduty_notes": (
        vendors.PagerDutyRest,
        "token: pd-rest-token, from_email: bot@example.com, base_url: '{url}'",
    ),
    "twilio": (
        vendors.Twilio,
        "account: AC0, token: twilio-token, sender: '+491510', base_url: '{url}'",
    ),
    "sendgrid": (vendors.SendGrid, "token: SG.key, sender: ops@example.com, base_url: '{url}'"),
    "statuspage": (vendors.StatusPage, "page: pg, token: sp-key, base_url: '{url}'"),
}
"""The stand-in of each, and the settings of its connection."""

TO = {
    "slack": "#incidents",
    "pagerduty_notes": "PINC1",
    "twilio": "+4915100001",
    "sendgrid": "ana@example.com",
    "mail": "ana@example.com",
}

KNOW_THEIR_KEY = ("slack", "pagerduty", "pagerduty_notes", "twilio", "statuspage")
"""What is sent to them once more leaves their reader with one message."""

CALLS = "steps:\n  - {escalate: default, id: call, wait: acknowledged, message: Redis is full}\n"


@dataclass
class Line:
    """A run that calls somebody by one channel, then by the console."""

    desk: Desk
    vendor: Any
    family: str
    events: list[Event] = field(default_factory=list)

    async def calls(self) -> None:
        await self.desk.run(CALLS, self.events.append)

    def of(self, type_: str) -> list[Event]:
        """Of the channel; without the console."""
        return [e for e in self.events if e.type == type_ and e.body["key"].endswith(":there")]

    @property
    def told(self) -> list[Event]:
        return self.of("Told")

    @property
    def failed(self) -> list[Any]:
        return [(e.body["doubt"], e.body["next_us"] is not None) for e in self.of("TellFailed")]

    @property
    def sent(self) -> int:
        """How often it was sent: what only looks is not counted."""
        return sum(
            r.method in ("POST", "PATCH") and r.target not in self.vendor.sends_nothing
            for r in self.vendor.requests
        )


@asynccontextmanager
async def line(folder: Path, family: str, vendor: Any, settings: str) -> AsyncIterator[Line]:
    """The hands of its clock stand still while something is sent."""
    desk = Desk(folder / "books", f"sqlite:///{folder}/journal.db", Hands(), Registry())
    to = TO.get(family)
    place = f", to: '{to}'" if to else ""
    desk.write(
        "contacts.yaml",
        "people: {ana: {name: Ana Lim}}\n"
        f"channels: {{there: {{connection: it{place}}}}}\n"
        "policies: {default: [{who: [ana], by: [there, console]}], aloud: [{who: [ana]}]}\n",
    )
    desk.write(
        "environments/test.yaml", f"connections: {{it: {{adapter: {family}, {settings}}}}}\n"
    )
    turning = asyncio.create_task(desk.clock.turn())
    try:
        yield Line(desk, vendor, family)
    finally:
        turning.cancel()
        await desk.engine.store.close()


@pytest.fixture(autouse=True)
def no_time_passes_while_it_is_sent(monkeypatch):
    send = Teller._send

    async def held(self: Teller, ready: Any) -> Any:
        self.clock.held += 1
        try:
            return await send(self, ready)
        finally:
            self.clock.held -= 1

    monkeypatch.setattr(Teller, "_send", held)


@pytest.fixture(params=VENDORS)
async def one(request, serve, tmp_path):
    kind, settings = VENDORS[request.param]
    vendor = kind()
    told = settings.format(url=await serve(vendor))
    async with line(tmp_path, request.param, vendor, told) as made:
        yield made


async def test_what_is_taken_has_its_receipt_in_the_trail(one):
    await one.calls()
    (told,) = one.told
    assert told.body["receipt"]["id"]
    assert (one.sent, len(one.vendor.taken), one.vendor.problems) == (1, 1, [])
    assert (one.failed, one.desk.said) == ([], [])


async def test_what_is_refused_is_not_sent_again_and_the_next_is_taken(one):
    one.vendor.mood = [400]
    await one.calls()
    assert (one.failed, one.told) == ([(False, False)], [])
    assert (one.sent, one.desk.said) == (1, ["ESCALATION (default): Redis is full"])


async def test_what_takes_no_more_for_now_is_asked_again_exactly_when_it_says(one):
    one.vendor.mood = [429]
    await one.calls()
    (busy,) = one.of("TellFailed")
    assert one.failed == [(False, True)]
    first, again = one.of("TellStarted")
    assert busy.body["next_us"] - busy.at_us == 7 * SECOND_US
    assert 0 <= again.at_us - busy.body["next_us"] < SECOND_US
    assert (len(one.told), len(one.vendor.taken), one.sent) == (1, 1, 2)
    assert (first.body["key"], one.desk.said) == (again.body["key"], [])


async def test_what_takes_no_more_for_long_is_not_waited_for_where_there_is_another(one):
    one.vendor.mood, one.vendor.retry_after = [429], "16"
    await one.calls()
    assert (one.failed, one.told, one.sent) == ([(False, False)], [], 1)
    assert len(one.desk.said) == 1


@pytest.mark.parametrize("mood", ["lost", "slow"])
async def test_what_gives_no_answer_is_in_doubt_or_found_again_and_there_once(
    one, mood, monkeypatch
):
    if mood == "slow":
        monkeypatch.setattr(telling, "SEND_TIMEOUT_S", IMPATIENT_S)
    one.vendor.mood = [mood]
    await one.calls()
    there = getattr(one.vendor, "incidents", one.vendor.taken)
    assert len(there) == 1
    if one.family in KNOW_THEIR_KEY:
        assert (one.failed, len(one.told), one.desk.said) == ([(False, True)], 1, [])
    else:
        assert (one.failed, one.told, one.sent) == ([(True, False)], [], 1)
        assert len(one.desk.said) == 1


@pytest.mark.parametrize("moods", [["lost", "lost"], ["lost", 400]])
async def test_an_incident_that_nobody_saw_arrive_is_resolved_with_its_run(serve, tmp_path, moods):
    """PagerDuty has it, and would go on calling long after the run is over."""
    kind, settings = VENDORS["pagerduty"]
    vendor = kind()
    vendor.mood = [*moods]
    told = settings.format(url=await serve(vendor))
    async with line(tmp_path, "pagerduty", vendor, told) as one:
        text = "steps:\n  - {escalate: default, id: call, message: Redis is full}\n  - wait: 5m\n"
        await one.desk.run(text, one.events.append)
    assert len(one.desk.said) == 1
    assert [action for action, *_ in vendor.taken][-1] == "resolve"
    assert len({key for _, key, *_ in vendor.taken}) == 1
    assert [e.body["key"].rpartition(":call:")[2] for e in one.told] == [
        "1.1.1:ana:resolved:there:there"
    ]


# -- mail, by a real server ------------------------------------------------------------------------


@asynccontextmanager
async def by_mail(folder: Path) -> AsyncIterator[Line]:
    async with mail_server() as server:
        settings = f"host: 127.0.0.1, port: {server.port}, sender: ops@example.com, tls: none"
        async with line(folder, "mail", server, settings) as made:
            yield made


async def test_a_mail_that_is_taken_has_its_receipt_in_the_trail(tmp_path):
    async with by_mail(tmp_path) as one:
        await one.calls()
    (told,) = one.told
    assert told.body["receipt"]["id"] == one.vendor.mails[0]["Message-ID"]
    assert (one.failed, one.desk.said) == ([], [])


async def test_a_mail_that_is_refused_is_not_sent_again_and_the_next_is_taken(tmp_path):
    async with by_mail(tmp_path) as one:
        one.vendor.rcpt = "550 no such user"
        await one.calls()
    assert (one.failed, one.told, len(one.desk.said)) == ([(False, False)], [], 1)


async def test_a_mail_that_is_to_come_again_comes_again_once(tmp_path):
    async with by_mail(tmp_path) as one:
        one.vendor.rcpt = "451 greylisted, come again"

        def observe(event: Event) -> None:
            one.events.append(event)
            if event.type == "TellFailed":
                one.vendor.rcpt = "250 OK"

        await one.desk.run(CALLS, observe)
    first, again = one.of("TellStarted")
    assert one.failed == [(False, True)]
    assert 2 * SECOND_US <= again.at_us - first.at_us < 4 * SECOND_US
    assert (len(one.told), len(one.vendor.mails), one.desk.said) == (1, 1, [])


@pytest.mark.parametrize("fate", ["breaks", "hangs"])
async def test_a_mail_whose_answer_does_not_come_is_in_doubt_and_there_once(
    tmp_path, fate, monkeypatch
):
    if fate == "hangs":
        monkeypatch.setattr(telling, "SEND_TIMEOUT_S", IMPATIENT_S)
    async with by_mail(tmp_path) as one:
        setattr(one.vendor, fate, True)
        await one.calls()
    assert (one.failed, one.told, len(one.vendor.mails)) == ([(True, False)], [], 1)
    assert len(one.desk.said) == 1


async def test_a_console_that_is_closed_has_told_nobody_and_that_is_recorded(tmp_path):
    def closed(_text: str) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    async with line(tmp_path, "webhook", vendors.Receiver(), "url: 'http://127.0.0.1:9/in'") as one:
        faces = Faces(observe=one.events.append, console=closed)
        await one.desk.run(CALLS.replace("default", "aloud"), faces=faces)
    (failed,) = [e.body for e in one.events if e.type == "TellFailed"]
    assert (failed["why"], failed["doubt"]) == ("the console is closed: Broken pipe", False)
    exhausted = next(e.body for e in one.events if e.type == "EscalationExhausted")
    assert exhausted["why"] == "nobody could be told, and no level is left"


@pytest.mark.parametrize("stream", [None, io.StringIO()])
async def test_without_a_standard_error_nothing_is_told_and_standard_output_is_left_alone(
    stream, monkeypatch, capsys
):
    if stream is not None:
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    with pytest.raises(AdapterError, match="the console is closed") as caught:
        await ConsoleChannel().send(PAGE)
    assert (caught.value.maybe_done, caught.value.retryable) == (False, False)
    assert capsys.readouterr().out == ""


def test_every_channel_that_ships_is_put_before_a_counterpart_in_a_run():
    shipped = {entry.name for entry in entry_points(group="runbook.channels")}
    assert {*VENDORS, "mail"} == shipped
