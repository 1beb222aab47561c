"""People who are reached where they are: rotas that PagerDuty keeps, rooms, and environments that
lack one.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from engine.errors import AdapterError
from engine.wiring import Faces
from tests.runs.beeper import Beeper, Siren
from tests.runs.test_telling import ALICE, CALLS, Killed, acks, opened

CONTACTS = """\
people:
  bo: {name: Bo Ek, channels: {beep: "+2"}}
rotas:
  primary: {pagerduty: PX, channel: page}
channels:
  page: {connection: pager}
  room: {connection: beeper, to: "#room"}
  beep: {connection: beeper}
severities:
  SEV3: {respond_within: 4h}
policies:
  default:
    - {who: [primary], by: [page, beep, room]}
  room:
    - {who: [room]}
  path:
    - {who: [room]}
    - {who: [bo], by: [beep], after: 30m, unless: resolved}
"""


@pytest.fixture
async def desk(tmp_path):
    made = await opened(tmp_path, f"sqlite:///{tmp_path}/journal.db")
    made.write("contacts.yaml", CONTACTS)
    turning = asyncio.create_task(made.clock.turn())
    yield made
    turning.cancel()
    await made.engine.store.close()


def connect(desk, **connections):
    told = ", ".join(f"{name}: {{adapter: {adapter}}}" for name, adapter in connections.items())
    desk.write("environments/test.yaml", f"connections: {{{told}}}\n")


async def test_where_pagerduty_does_not_answer_a_rota_is_told_by_the_levels_next_place(
    desk, monkeypatch
):
    async def refuse(_message):
        raise AdapterError("no", retryable=False)

    monkeypatch.setattr(Siren, "on", refuse)
    monkeypatch.setattr(Siren, "addressed", False)
    connect(desk, beeper="beeper", pager="siren")
    await desk.run(CALLS, acks(desk, told=1))
    assert [(m.name, m.to) for m in Beeper.rang] == [("primary", "#room")]  # `beep` has no address


@pytest.mark.parametrize("policy", ["default", "room"])
async def test_a_rota_and_a_room_that_an_environment_lacks_are_told_at_the_console(desk, policy):
    connect(desk)
    await desk.run(CALLS.replace("default", policy), acks(desk, told=1))
    assert desk.said == [f"ESCALATION ({policy}): Redis is full"]


async def by_face(desk, run, hours):
    """The clock face so many hours after the first level was due."""
    events = await desk.engine.store.events(run)
    at_us = next(e.at_us for e in events if e.type == "LevelDue")
    return f"by {datetime.fromtimestamp(at_us / 1e6 + hours * 3600, UTC):%H:%M} UTC"


async def test_the_time_to_respond_is_the_severitys_where_the_runbook_has_none(desk):
    connect(desk, beeper="beeper")
    text = "severity: SEV3\n" + CALLS.replace("default", "room")
    result = await desk.run(text, acks(desk, told=1))
    assert await by_face(desk, result.run, 4) in Beeper.rang[0].text


async def test_who_is_called_although_somebody_took_it_is_told_who_that_was(desk):
    connect(desk, beeper="beeper")
    text = CALLS.replace("default", "path") + "  - {wait: 40m, id: rest}\n"
    await desk.run(text, acks(desk, told=1))
    told = next(m for m in Beeper.rang if m.name == "Bo Ek")
    assert "bo took it, and it is not resolved: ask if you are needed" in told.text


async def test_who_is_called_is_told_by_when_the_next_are(desk):
    connect(desk, beeper="beeper")
    result = await desk.run(CALLS.replace("default", "path"), acks(desk, told=1))
    assert await by_face(desk, result.run, 0.5) in Beeper.rang[0].text


async def test_contacts_that_are_gone_for_a_moment_are_as_they_were_and_it_says_so(desk):
    connect(desk, beeper="beeper", pager="beeper")
    path = desk.folder / "p" / "contacts.yaml"
    seen = []
    taken = acks(desk, told=2)

    def observe(event):
        seen.append(event)
        if event.type == "LevelDue" and event.body["level"] == 1:
            path.unlink()
        taken(event)

    await desk.run(CALLS.replace("default", "path"), observe)
    assert [m.name for m in Beeper.rang] == ["room", "Bo Ek"]
    second = [e.body for e in seen if e.type == "LevelDue"][1]
    assert second["trouble"] == "contacts.yaml is not there any more"


async def test_where_there_are_no_contacts_any_more_the_console_is_told(desk):
    connect(desk, beeper="beeper", pager="beeper")
    path = desk.folder / "p" / "contacts.yaml"

    def dies(event):
        if event.type == "RunStarted":
            path.unlink()
            raise Killed

    with pytest.raises(Killed):
        await desk.run(CALLS.replace("default", "path"), dies)
    await desk.again()
    run = (await desk.engine.store.runs())[0].run
    faces = Faces(console=desk.said.append)
    await desk.engine.resume(run, actor=ALICE, faces=faces, force=True)
    assert len(desk.said) == 2
    due = [e.body for e in await desk.engine.store.events(run) if e.type == "LevelDue"]
    assert {body["trouble"] for body in due} == {"the pack has no contacts.yaml (any more)"}
