"""Real runs that called people, by the engine and its store: replayed, and kept as scenarios."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from engine.core.events import Event
from engine.core.state import State
from engine.errors import AdapterError, Refused, Usage
from engine.scenario.replay import replay
from engine.scenario.write import Stand, Written, with_scenario
from engine.wiring import Faces
from engine.wiring.foreseen import Foreseeing
from engine.wiring.scenarios import ContactsOf
from engine.wiring.taking import Incident
from tests.runs import lab
from tests.runs.beeper import Beeper, Siren
from tests.runs.test_asking import CONTACTS as ASKING
from tests.runs.test_taken_up import CHANNELS, ELSEWHERE, died_behind, move
from tests.runs.test_telling import ALICE, BO, CALLS, CONTACTS, Desk, Mortal, acks, judged, opened

LOOKS = "steps:\n  - {check: lab.look, id: look, target: there, with: {word: w}}\n"
FAILS = f"{LOOKS}on_failure:\n  - {{escalate: default, id: call}}\n"
OWN = f"severity: SEV1\nescalation: {{policy: default}}\n{LOOKS}"
TWO = """\
escalation: {policy: default, unresolved_after: 10m}
steps:
  - {wait: 12m, id: first}
  - {escalate: default, id: call, wait: acknowledged, message: Redis is full}
"""
ASKS_BESIDE = """\
steps:
  - parallel:
      - {action: lab.act, id: act, target: there, with: {word: w}, approve: {by: [lead]}}
      - {check: lab.look, id: look, target: there, with: {word: w}}
"""
DEATHS = 60


@asynccontextmanager
async def a_desk(folder: Path, still_s: float = 0.01) -> AsyncIterator[Desk]:
    made = await opened(folder, f"sqlite:///{folder}/journal.db")
    turning = asyncio.create_task(made.clock.turn(still_s))
    try:
        yield made
    finally:
        turning.cancel()
        await made.engine.store.close()
        lab.Target.reset()
        Beeper.reset()
        Siren.on = None


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made


async def events_of(desk: Desk, run: str) -> list[Event]:
    return list(await desk.engine.store.events(run))


def same(desk: Desk, events: list[Event]) -> None:
    """Today's text does what it did."""
    runbook = desk.engine.books.load("p/main", desk.registry)
    found = replay(events, runbook, desk.registry)
    decided = [(e.type, e.body, e.at_us) for e in events if e.type != "StepProgressed"]
    assert [(e.type, e.body, e.at_us) for e in found.events][1:] == decided[1:]
    assert found.same
    assert (found.calls_besides, found.calls_no_longer) == ((), ())


def written(desk: Desk, events: list[Event]) -> Written:
    books = desk.engine.books
    runbook = books.load("p/main", desk.registry)
    stand = Stand(desk.registry, books, ContactsOf(books, desk.registry))
    made = with_scenario(events, runbook, stand, "", None)
    assert made.result.lines == (), made.text
    return made


async def told(desk: Desk, text: str, told: int) -> Written:
    """A run that somebody takes once so many messages went out."""
    result = await desk.run(text, acks(desk, told=told))
    events = await events_of(desk, result.run)
    same(desk, events)
    return written(desk, events)


async def test_a_run_that_was_taken_at_the_second_level_makes_a_scenario(desk):
    made = await told(desk, CALLS, 2)
    assert "calls: test" in made.text
    assert "acknowledges: [{at: 15m1s, by: bo, note: on it}]" in made.text, made.text
    assert "pages: [{at: 0s, who: ana, by: beep}, {at: 15m, who: bo, by: siren}]" in made.text
    assert "escalations: {call: {taken_by: bo}}" in made.text


async def test_a_channel_that_refused_is_in_the_scenario(desk):
    async def refuses(_message: Any) -> None:
        raise AdapterError("no such key", maybe_done=False, retryable=False)

    Siren.on = refuses
    made = await told(desk, CALLS, 2)
    assert "channels: {siren: {errored: no such key, retryable: false}}" in made.text
    assert "who: bo, by: beep" in made.text


async def test_a_channel_that_was_tried_again_as_the_last_one_refused_is_in_the_scenario(desk):
    tries: list[str] = []

    async def busy(message: Any) -> None:
        tries.append(message.key)
        if len(tries) == 1:
            raise AdapterError("it takes no more", detail={"blocked_for_s": 100.0})

    async def refuses(message: Any) -> None:
        if message.name == "Bo Ek":
            raise AdapterError("no such number", retryable=False)

    Siren.on, Beeper.on = busy, refuses
    made = await told(desk, CALLS, 3)
    assert "siren: [{errored: it takes no more, retry_after: 1m40s}, ok]" in made.text, made.text
    pages = "{at: 15m, who: cy, by: siren}, {at: 16m40s, who: bo, by: siren}]"
    assert pages in " ".join(made.text.split()), made.text


async def test_calls_behind_the_end_of_a_run_are_in_the_scenario(desk):
    lab.Target.on["w"] = lab.fails(maybe_done=False)
    made = await told(desk, FAILS, 2)
    assert "outcome: failed" in made.text
    assert "{at: 15m, who: bo, by: siren}" in made.text


async def test_the_escalation_of_the_run_itself_is_in_the_scenario(desk):
    lab.Target.on["w"] = lab.fails(maybe_done=False)
    made = await told(desk, OWN, 1)
    assert "escalations: {run: {taken_by: bo}}" in made.text


async def test_two_escalations_that_are_taken_together_are_in_the_scenario(desk):
    made = await told(desk, TWO, 2)
    assert "taken_by: bo" in made.text


async def test_who_was_called_because_a_step_took_long_is_left_out_and_that_is_said(desk):
    async def slow() -> dict[str, Any]:
        await desk.clock.sleep(1500)
        return {"word": "w"}

    lab.Target.on["w"] = slow
    text = LOOKS.replace("target: there", "target: there, timeout: 1h")
    result = await desk.run(f"escalation: {{policy: default, unresolved_after: 10m}}\n{text}")
    events = await events_of(desk, result.run)
    assert "LevelDue" in [event.type for event in events]
    same(desk, events)
    made = written(desk, events)
    assert "# Whom it called is left out" in made.text
    assert "pages" not in made.text


async def test_a_run_that_nobody_took_is_reproduced(desk):
    lab.Target.on["w"] = lab.fails(maybe_done=False)
    result = await desk.run(FAILS)
    events = await events_of(desk, result.run)
    same(desk, events)
    made = written(desk, events)
    assert "escalations: {call: {exhausted: true}}" in made.text


async def test_runs_whose_drivers_died_again_and_again_are_reproduced(tmp_path):
    died = seed = 0
    async with a_desk(tmp_path, 0.001) as desk:
        while died < DEATHS:
            seed += 1
            mortal = Mortal(desk, random.Random(seed))
            events = await mortal.live()
            died += mortal.deaths
            judged(events)
            same(desk, events)


NAMED = CONTACTS.replace("{name: Bo Ek,", "{name: Bo Ek, os_user: bo,")


@pytest.mark.parametrize("actor", [ALICE, BO])
async def test_an_answer_of_somebody_whom_the_contacts_name_is_kept_and_replayed(desk, actor):
    desk.write("contacts.yaml", NAMED)
    text = "steps:\n  - {id: sure, check: lab.ask, with: {question: Is it green?}}\n"
    run = (await desk.run(text, actor=actor)).run
    await desk.engine.answer(run, "sure", "no", "it is red", BO)
    await desk.engine.resume(run, actor=actor)
    events = await events_of(desk, run)
    assert events[-1].body["because"] == "sure: Bo Ek answered no: it is red"
    same(desk, events)
    assert written(desk, events).result.holds


async def test_what_somebody_took_whom_the_contacts_name_is_kept_and_replayed(desk):
    desk.write("contacts.yaml", NAMED)
    assert "taken_by: bo" in (await told(desk, CALLS, told=1)).text


async def test_a_run_that_was_taken_in_pagerduty_for_a_while_only_is_reproduced(desk):
    """A scenario cannot say that somebody has it no longer: none is made of it."""
    engine, tasks = desk.engine, []
    seen: list[str] = []

    async def says(word: Any) -> None:
        desk.clock.held += 1
        with suppress(Usage, Refused):  # whoever is told a second time has taken it before
            await word
        desk.clock.held -= 1

    def observe(event: Event) -> None:
        seen.append(event.type)
        incident = Incident(event.run, "call", f"{event.run}:call:1.1", len(seen))
        word: Any = None
        if event.type == "Told" and seen.count("Told") == 1:
            word = engine.take_by(incident, BO)
        elif event.type == "Acknowledged" and seen.count("Acknowledged") == 1:
            word = engine.take_back(incident, BO, "ran-out")
        elif event.type == "Told" and "EscalationReopened" in seen:
            word = engine.acknowledge(event.run, BO)
        if word is not None:
            tasks.append(asyncio.create_task(says(word)))

    text = f"{CALLS}  - {{wait: 10m, id: rest}}\n"
    events = await events_of(desk, (await desk.run(text, observe)).run)
    await asyncio.gather(*tasks)
    assert [event.type for event in events].count("EscalationReopened") == 1
    same(desk, events)
    with pytest.raises(Usage, match="had it no longer, and a scenario has no word for that"):
        written(desk, events)


async def test_a_run_that_somebody_holds_besides_whoever_took_it_makes_a_scenario(desk):
    engine, tasks = desk.engine, []

    async def both(run: str) -> None:
        desk.clock.held += 1
        await engine.take_by(Incident(run, "call", f"{run}:call:1.1", 1), BO)
        await engine.acknowledge(run, ALICE)
        desk.clock.held -= 1

    def observe(event: Event) -> None:
        if event.type == "Told" and not tasks:
            tasks.append(asyncio.create_task(both(event.run)))

    text = f"{CALLS}  - {{wait: 10m, id: rest}}\n"
    events = await events_of(desk, (await desk.run(text, observe)).run)
    assert [event.type for event in events].count("Acknowledged") == 2
    same(desk, events)
    assert "escalations: {call: {taken_by: bo}}" in written(desk, events).text


async def test_a_run_that_was_held_for_a_while_is_reproduced_and_its_scenario_knows_nothing_of_it(
    desk,
):
    run = await died_behind(desk, "StepStarted", f"steps:\n  - {{wait: 3h, id: rest}}\n{LOOKS[7:]}")
    move(desk, ELSEWHERE["points elsewhere"])
    faces = Faces(observe=acks(desk, told=2), hold=True)
    given = {"actor": ALICE, "force": True, "unpause": False}
    assert (await desk.engine.resume(run, faces=faces, **given)).status == "held"
    move(desk, f"there: {{adapter: lab}}, {CHANNELS}")
    assert (await desk.engine.resume(run, **given)).status == "resolved"
    events = await events_of(desk, run)
    assert "Acknowledged" in [event.type for event in events]
    same(desk, events)
    assert "held" not in written(desk, events).text


async def test_a_run_that_went_on_while_a_preview_was_made_for_whom_it_asks_is_reproduced(
    desk, monkeypatch
):
    """Whom a level calls is looked up first, and its words are: both take the time they take."""
    desk.write("contacts.yaml", ASKING)
    looked, tasks = asyncio.Event(), []
    foresee = Foreseeing.first

    def first(self: Foreseeing, state: State, body: Mapping[str, Any]) -> Any:
        asking = foresee(self, state, body)

        async def behind() -> None:
            await looked.wait()
            await asking

        return None if asking is None else behind()

    def observe(event: Event) -> None:
        if event.type == "StepFinished" and event.body["path"].endswith("look"):
            looked.set()
        elif event.type == "Told" and not tasks:
            approve = desk.engine.approve(event.run, event.body["escalation"][4:-2], "go", BO)
            tasks.append(asyncio.create_task(approve))

    monkeypatch.setattr(Foreseeing, "first", first)
    result = await desk.run(ASKS_BESIDE, observe)
    await asyncio.gather(*tasks)
    events = await events_of(desk, result.run)
    kinds = [(event.type, event.body.get("path", "")) for event in events]
    at = [kind for kind, _ in kinds].index("LevelDue")
    assert ("StepFinished", "parallel-1/branch-2/look") in kinds[:at]
    same(desk, events)
