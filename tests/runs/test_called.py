"""What people are called in what others read: by the name that the contacts had when they acted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from engine.core.events import Actor
from engine.wiring.admission import NAME_MAX_CHARS
from tests.runs.beeper import Beeper
from tests.runs.test_telling import CALLS, CONTACTS, Desk, acks, opened

NAMED = CONTACTS.replace("{name: Bo Ek,", "{name: Bo Ek, os_user: bo,")


@pytest.fixture
async def desk(tmp_path) -> AsyncIterator[Desk]:
    made = await opened(tmp_path, f"sqlite:///{tmp_path}/journal.db")
    turning = asyncio.create_task(made.clock.turn())
    Beeper.follows = True
    yield made
    turning.cancel()
    await made.engine.store.close()


async def taken(desk: Desk, contacts: str) -> tuple[str, dict[str, str]]:
    """What is said once Bo took it; and who the trail says took it."""
    desk.write("contacts.yaml", contacts)
    result = await desk.run(CALLS, acks(desk, told=1))
    events = await desk.engine.store.events(result.run)
    took = next(event for event in events if event.type == "Acknowledged")
    return Beeper.rang[-1].text.splitlines()[1], dict(took.actor)


async def test_whoever_took_it_is_called_by_their_name_and_the_trail_says_who_they_are(desk):
    line, actor = await taken(desk, NAMED)
    assert line.startswith("Bo Ek took it at ")
    assert actor == {"name": "bo", "means": "os-user", "called": "Bo Ek"}


async def test_of_two_of_one_name_it_says_which(desk):
    line, _ = await taken(desk, NAMED.replace("name: Cy Ott", "name: Bo Ek"))
    assert line.startswith("Bo Ek (bo) took it at ")


async def test_a_name_is_one_line_of_a_sensible_length(desk):
    line, _ = await taken(desk, NAMED.replace("name: Bo Ek", f'name: "Bo\\nEk {"x" * 500}"'))
    assert line.startswith("Bo Ek xxx")
    assert len(line.partition(" took it")[0]) == NAME_MAX_CHARS


async def test_somebody_whom_the_contacts_do_not_know_is_called_as_they_were_named(desk):
    line, actor = await taken(desk, CONTACTS)
    assert line.startswith("bo took it at ")
    assert actor == {"name": "bo", "means": "os-user"}


async def test_contacts_that_cannot_be_read_keep_nobody_from_taking_it(desk):
    desk.write("contacts.yaml", NAMED)
    result = await desk.run(CALLS.replace("default", "other"))
    desk.write("contacts.yaml", "people: [")
    took = await desk.engine.acknowledge(result.run, Actor("bo", "os-user"))
    assert dict(took.actor) == {"name": "bo", "means": "os-user"}


async def test_what_is_said_stays_when_the_contacts_change(desk):
    desk.write("contacts.yaml", NAMED)
    result = await desk.run(CALLS, acks(desk, told=1))
    desk.write("contacts.yaml", NAMED.replace("Bo Ek", "Somebody Else"))
    assert (await desk.engine.state(result.run)).called("bo") == "Bo Ek"


async def test_whoever_starts_a_run_is_named_at_its_beginning(desk):
    desk.write("contacts.yaml", NAMED)
    result = await desk.run("steps:\n  - {wait: 1s}\n", actor=Actor("bo", "token", "T1"))
    first = (await desk.engine.store.events(result.run))[0]
    assert dict(first.actor) == {"name": "bo", "means": "token", "via": "T1", "called": "Bo Ek"}
