"""A place takes so many messages a second: what that does to a message, and to the clocks."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.effects import Tell
from engine.errors import JournalError
from engine.runner import telling
from engine.runner.telling import Pace, Teller, Way
from engine.runner.wording import Said
from tests.runs.beeper import Beeper
from tests.runs.test_desk import Still
from tests.runs.test_telling import CALLS, acks, turning


class SetBack(Still):
    """A wall clock that is an hour back; the monotonic one goes on."""

    def now_us(self) -> int:
        return super().now_us() - 3_600_000_000


@pytest.fixture
async def desk(tmp_path):
    async with turning(tmp_path) as made:
        yield made


async def test_a_place_takes_one_message_an_interval():
    clock = Still()
    pace = Pace(clock)
    for _ in range(3):
        await pace.turn("room", 1.0)
    assert clock.at_s == 1002.0
    await pace.turn("other room", 1.0)
    assert clock.at_s == 1002.0


async def test_a_wall_clock_that_is_set_back_holds_no_message_up():
    clock = SetBack()
    pace = Pace(clock)
    pace.clock = Still()
    await pace.turn("room", 1.0)
    pace.clock = clock
    await pace.turn("room", 1.0)
    assert clock.at_s == 1001.0


async def test_the_wait_for_its_turn_is_no_answer_that_does_not_come(desk, monkeypatch):
    monkeypatch.setattr(Beeper, "interval_s", 600.0)
    monkeypatch.setattr(telling, "SEND_TIMEOUT_S", 0.0)
    seen = []
    await desk.run(CALLS, acks(desk, told=1))
    taken = acks(desk, told=1)

    def observe(event):
        seen.append(event)
        taken(event)

    await desk.run(CALLS, observe)
    assert [e.type for e in seen if e.type in ("Told", "TellFailed")] == ["Told"]
    assert len(Beeper.rang) == 2


async def test_whether_a_message_is_wanted_is_asked_without_reading_the_whole_run_anew(
    desk, monkeypatch
):
    people = [f"  p{n}: {{name: P{n}, roles: [all], channels: {{beep: x}}}}\n" for n in range(50)]
    policy = "policies:\n  default:\n    - {who: [all], by: [beep]}\n"
    channels = "channels:\n  beep: {connection: beeper}\n"
    desk.write("contacts.yaml", f"people:\n{''.join(people)}{channels}{policy}")
    read, events = 0, desk.engine.store.events

    async def counted(run, after=0, limit=None):
        nonlocal read
        found = await events(run, after=after, limit=limit)
        read += len(found)
        return found

    monkeypatch.setattr(desk.engine.store, "events", counted)
    result = await desk.run(CALLS)
    assert len(Beeper.rang) == 50
    assert read < 2 * len(await events(result.run))


class Somewhere:
    """One place, which is the console; `words`: what its own words are made of."""

    def __init__(self, words: Any = None, link: str | None = None) -> None:
        self.words, self.own_link = words, link

    def way(self, _who: str, _channel: str) -> Way:
        return Way(None, None)

    def text(self, _words: Any, _kind: str) -> Any:
        return self.words() if self.words is not None else None

    def page(self, _words: Any) -> str:
        return "critical"

    def link(self, _run: str) -> str | None:
        return self.own_link

    def is_person(self, _who: str) -> bool:
        return False


BODY = {"escalation": "call", "summons": "1.1.1:room", "key": "k", "attempt": 1, "kind": "page"}
EFFECT = Tell({**BODY, "who": "room", "name": "room", "channel": "console"}, {}, None, None)


class Plain:
    """Connections without a secret."""

    def redact(self, text: str) -> str:
        return text


def told_by(ways: Somewhere) -> Teller:
    return Teller("R", Plain(), ways, Pace(Still()), Still(), lambda _text: None)


async def test_where_the_journal_cannot_say_whether_it_is_wanted_it_is_asked_again():
    async def wanted() -> bool:
        raise JournalError("database is locked")

    error = (await told_by(Somewhere())(EFFECT, wanted)).error
    found = error["message"], error["maybe_done"], error["retryable"]
    assert found == ("database is locked", False, True)


async def test_what_goes_wrong_before_a_message_leaves_is_not_in_doubt():
    async def wanted() -> bool:
        return True

    def words() -> Any:
        raise ZeroDivisionError("division by zero")

    outcome = await told_by(Somewhere(words))(EFFECT, wanted)
    assert outcome.error["message"] == "ZeroDivisionError: division by zero"
    assert outcome.error["maybe_done"] is False


def test_a_message_leads_where_the_contacts_say_else_to_the_server_that_drives_the_run():
    def link(server: str | None, own: str | None) -> str | None:
        teller = told_by(Somewhere(link=own))
        teller.server = server
        return teller.message(EFFECT, Said("", "", ("", "")), None, 100).link

    assert link(None, None) is None
    assert link("https://runbook.example", None) == "https://runbook.example/runs/R"
    assert link("https://runbook.example", "https://wiki.example/R") == "https://wiki.example/R"
