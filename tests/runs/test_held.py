"""A run that cannot be gone on with as things are: people are called, nothing is done, and it has
not failed.
"""

from __future__ import annotations

import asyncio
import re

import pytest

from engine.errors import Refused
from engine.registry import Registry
from engine.wiring import Faces, held
from tests.runs import lab
from tests.runs.beeper import Beeper, Siren
from tests.runs.test_taken_up import CHANNELS, ELSEWHERE, died_behind, move
from tests.runs.test_telling import ALICE, BO, CALLS, CONTACTS, opened

LOOKS = "  - {check: lab.look, id: look, target: there, with: {word: w}}\n"
RESTS = f"steps:\n  - {{wait: 3h, id: rest}}\n{LOOKS}"
THERE = f"there: {{adapter: lab}}, {CHANNELS}"
ENGINE_ADAPTER = f"there: {{adapter: gone}}, {CHANNELS}"


@pytest.fixture
async def desk(tmp_path, monkeypatch):
    lab.Target.reset()
    made = await opened(tmp_path, f"sqlite:///{tmp_path}/journal.db")
    made.looks, look = asyncio.Event(), held.Go._look

    async def looks(self, go, again):  # else the hands of the clock turn to it, or past it
        await made.looks.wait()
        await look(self, go, again)

    monkeypatch.setattr(held.Go, "_look", looks)
    turning = asyncio.create_task(made.clock.turn())
    yield made
    turning.cancel()
    await made.engine.store.close()
    lab.Target.reset()


async def taken_up(desk, run, observe=None, leave=None):
    faces = Faces(observe=observe, leave=leave, hold=True)
    return await desk.engine.resume(run, actor=ALICE, faces=faces, force=True, unpause=False)


async def bodies(desk, run, type_):
    return [e.body for e in await desk.engine.store.events(run) if e.type == type_]


@pytest.mark.parametrize("how", ELSEWHERE)
async def test_people_are_called_once_for_a_run_that_has_steps_left_though_its_target(desk, how):
    run = await died_behind(desk, "StepStarted", RESTS)
    move(desk, ELSEWHERE[how])
    result = await taken_up(desk, run)
    assert (result.status, result.exit_code) == ("held", 3)
    assert [m.name for m in Beeper.rang] == ["Ana Lim", "Bo Ek", "Bo Ek", "Cy Ott", "Bo Ek"]
    assert Beeper.rang[0].title == "Redis: this run cannot be gone on with here"
    assert f"runbook cancel {run}" in Beeper.rang[0].details["wrong"]
    state = await desk.engine.state(run)
    assert state.finished is None
    assert state.steps["rest"].status == "running"
    assert lab.Target.contexts == []
    count = len(await desk.engine.store.events(run))
    assert (await taken_up(desk, run)).status == "held"
    assert len(await desk.engine.store.events(run)) == count


async def test_what_they_are_told_says_where_it_pointed_and_where_it_does_now(desk):
    run = await died_behind(desk, "StepStarted", RESTS)
    move(desk, ELSEWHERE["points elsewhere"])
    await taken_up(desk, run)
    (held,) = await bodies(desk, run, "RunTakenUp")
    assert held["held"]["why"].startswith(
        "connection `there` pointed to here at the start, now to elsewhere"
    )
    (begun,) = await bodies(desk, run, "EscalationStarted")
    assert (begun["escalation"], begun["policy"]) == ("held#1", "default")
    assert f"\nTo put it right: {held['held']['mend']}\n" in begun["message"]
    assert "let it point there again" in held["held"]["mend"]
    assert "Nothing was done since" in begun["message"]


MENDS = {
    "points elsewhere": "let it point there again: a run goes on with what it began with",
    "is gone": "put it back as it was when the run began, in environments/test.yaml of the pack p",
    "lacks a secret": "export NOT_SET_HERE=...",
}


@pytest.mark.parametrize("how", ELSEWHERE)
async def test_what_puts_it_right_is_recorded_though_its_target(desk, how):
    run = await died_behind(desk, "StepStarted", RESTS)
    move(desk, ELSEWHERE[how])
    await taken_up(desk, run)
    (held,) = await bodies(desk, run, "RunTakenUp")
    assert held["held"]["mend"] == MENDS[how]


HIDDEN = f"there: {{adapter: lab, host: '${{env:LAB_HOST}}'}}, {CHANNELS}"


async def behind_a_reference(desk, monkeypatch):
    """A run whose target is all a reference: the journal has its name, and not where it leads."""
    monkeypatch.setenv("LAB_HOST", "cache-1.internal")
    move(desk, HIDDEN)
    return await died_behind(desk, "StepStarted", RESTS)


async def test_a_run_whose_target_is_all_a_reference_goes_on_where_it_leads_there_still(
    desk, monkeypatch
):
    run = await behind_a_reference(desk, monkeypatch)
    result = await taken_up(desk, run)
    assert (result.status, Beeper.rang) == ("resolved", [])


async def test_a_run_whose_reference_leads_elsewhere_by_now_is_held_and_says_neither_place(
    desk, monkeypatch
):
    run = await behind_a_reference(desk, monkeypatch)
    monkeypatch.setenv("LAB_HOST", "cache-2.internal")
    assert (await taken_up(desk, run)).status == "held"
    (held,) = await bodies(desk, run, "RunTakenUp")
    then, now = re.findall(r"secret LAB_HOST\W #[0-9a-f]{4}", held["held"]["why"])
    assert then != now
    text = repr([e.body for e in await desk.engine.store.events(run)])
    assert "internal" not in text
    assert "internal" not in Beeper.rang[0].details["wrong"]


async def test_those_who_are_called_already_go_on_being_called_by_time_and_are_told_why(desk):
    run = await died_behind(desk, "Told", CALLS + LOOKS)
    move(desk, ELSEWHERE["points elsewhere"])
    await taken_up(desk, run)
    assert [m.name for m in Beeper.rang] == ["Ana Lim", "Bo Ek", "Bo Ek", "Cy Ott", "Bo Ek"]
    assert "And it cannot be gone on with here: connection" in Beeper.rang[1].text
    assert await bodies(desk, run, "EscalationStarted") == []


async def test_an_acknowledgement_counts_and_the_step_that_waits_for_it_is_not_ended(desk):
    run = await died_behind(desk, "Told", CALLS + LOOKS)
    move(desk, ELSEWHERE["points elsewhere"])
    await desk.engine.acknowledge(run, BO)
    assert (await taken_up(desk, run)).status == "held"
    # what was taken calls nobody: that it cannot be gone on with is news
    assert await bodies(desk, run, "EscalationStarted") != []
    assert (await desk.engine.state(run)).steps["call"].status == "running"


async def test_once_its_target_is_back_it_goes_on_and_whoever_was_told_hears_so(desk):
    Beeper.follows = True
    run = await died_behind(desk, "StepStarted", RESTS)
    move(desk, ELSEWHERE["points elsewhere"])

    def observe(event):
        if event.type == "Told" and event.body["summons"].startswith("1.2.1"):
            move(desk, THERE)
            desk.looks.set()

    result = await taken_up(desk, run, observe)
    assert result.status == "resolved"
    first, _, *rest = [(m.kind, m.name) for m in Beeper.rang]
    assert first == ("page", "Ana Lim")
    assert ("resolved", "Ana Lim") in rest
    back = next(m for m in Beeper.rang if m.kind == "resolved")
    assert back.title == "Goes on: Redis: this run cannot be gone on with here"
    assert back.text.startswith("It can be gone on with here again, and goes on")
    assert [b.get("held") is None for b in await bodies(desk, run, "RunTakenUp")] == [False, True]
    (closed,) = await bodies(desk, run, "EscalationClosed")
    assert closed["why"] == "the run can be gone on with again"


async def test_a_second_time_they_are_called_anew(desk):
    run = await died_behind(desk, "StepStarted", RESTS)
    move(desk, ELSEWHERE["points elsewhere"])
    await taken_up(desk, run)
    move(desk, THERE)
    leave = asyncio.Event()
    await taken_up(desk, run, lambda _event: leave.set(), leave)
    await desk.again()
    move(desk, ELSEWHERE["is gone"])
    await taken_up(desk, run)
    begun = [body["escalation"] for body in await bodies(desk, run, "EscalationStarted")]
    assert begun == ["held#1", "held#2"]


async def test_a_cancel_ends_it_and_nothing_is_done_at_the_other_target(desk):
    text = RESTS + "always:\n  - {action: lab.act, id: tidy, target: there, with: {word: tidy}}\n"
    run = await died_behind(desk, "StepStarted", text)
    move(desk, ELSEWHERE["points elsewhere"])

    def observe(event):
        if event.type == "Told":
            tasks.append(asyncio.create_task(desk.engine.cancel(run, "not needed", BO)))

    tasks = []
    result = await taken_up(desk, run, observe)
    assert result.status == "cancelled"
    assert lab.Target.effects == {}
    state = await desk.engine.state(run)
    assert "pointed to here at the start, now to elsewhere" in state.steps["always/tidy"].why[0]
    assert [m.name for m in Beeper.rang if m.kind == "page"] == ["Ana Lim"]


async def test_one_that_was_cancelled_is_ended_at_a_terminal_too(desk):
    run = await died_behind(desk, "StepStarted", RESTS)
    move(desk, ELSEWHERE["is gone"])
    await desk.engine.cancel(run, "not needed", BO)
    assert (await desk.engine.resume(run, actor=ALICE, force=True)).status == "cancelled"


@pytest.mark.parametrize("there", [ELSEWHERE["points elsewhere"], THERE])
async def test_those_who_were_called_for_one_that_is_cancelled_do_not_hear_that_it_goes_on(
    desk, there
):
    Beeper.follows = True
    run = await died_behind(desk, "StepStarted", RESTS)
    move(desk, ELSEWHERE["points elsewhere"])
    assert (await taken_up(desk, run)).status == "held"
    await desk.engine.cancel(run, "not needed", BO)
    move(desk, there)
    assert (await taken_up(desk, run)).status == "cancelled"
    assert [m.title for m in Beeper.rang if "goes_on" in m.details or "Goes on" in m.title] == []
    assert Beeper.rang[-1].title.startswith("Cancelled: ")
    (closed,) = await bodies(desk, run, "EscalationClosed")
    assert "gone on with" not in closed["why"]


async def test_at_a_terminal_it_is_told_why_and_nothing_is_recorded(desk):
    run = await died_behind(desk, "StepStarted", RESTS)
    move(desk, ELSEWHERE["points elsewhere"])
    count = len(await desk.engine.store.events(run))
    with pytest.raises(Refused, match="now to elsewhere"):
        await desk.engine.resume(run, actor=ALICE, force=True)
    assert len(await desk.engine.store.events(run)) == count


async def test_an_action_that_was_cut_short_is_told_and_settled_once_it_goes_on(desk):
    lab.Target.on["w"] = lab.hangs()
    text = "steps:\n  - {action: lab.strike, id: act, target: there, with: {word: w}, title: Hit}\n"
    text = text.replace(", title: Hit", ", title: Hit, probe: {check: lab.look, target: there}")
    run = await died_behind(desk, "StepStarted", text)
    lab.Target.reset()
    move(desk, ELSEWHERE["points elsewhere"])
    await taken_up(desk, run)
    assert "it may or may not have happened: `Hit`" in Beeper.rang[0].details["wrong"]
    move(desk, THERE)
    assert (await taken_up(desk, run)).status == "resolved"
    assert lab.Target.effects == {}


BROKEN_MENDS = {
    "environment is gone": "put environments/test.yaml of the pack p back",
    "environment cannot be read": "p/environments/test.yaml",
}
BROKEN = {"environment is gone": None, "environment cannot be read": "connections: [\n"}


@pytest.mark.parametrize("how", BROKEN)
async def test_where_its_channels_cannot_be_read_either_nobody_is_called_at_the_console(desk, how):
    run = await died_behind(desk, "StepStarted", RESTS)
    place = desk.folder / "p/environments/test.yaml"
    before = place.read_text()
    if BROKEN[how] is None:
        place.unlink()
    else:
        place.write_text(BROKEN[how])
    assert (await taken_up(desk, run)).status == "held"
    (held,) = await bodies(desk, run, "RunTakenUp")
    assert held["held"]["mend"].endswith(BROKEN_MENDS[how])
    assert desk.said == []
    assert await bodies(desk, run, "LevelDue") == []
    place.write_text(before.replace("lab}", "lab, host: elsewhere}"))
    await taken_up(desk, run)
    assert [m.name for m in Beeper.rang][:2] == ["Ana Lim", "Bo Ek"]
    place.write_text(before)
    assert (await taken_up(desk, run)).status == "resolved"


async def test_contacts_that_cannot_be_read_hold_a_run_and_burn_no_level(desk):
    run = await died_behind(desk, "Told", CALLS + LOOKS)
    desk.write("contacts.yaml", "polices: {}\n")
    assert (await taken_up(desk, run)).status == "held"
    assert len(await bodies(desk, run, "LevelDue")) == 1
    desk.write("contacts.yaml", CONTACTS)

    def observe(event):
        if event.type == "Told" and len(Beeper.rang) == 2:
            tasks.append(asyncio.create_task(desk.engine.acknowledge(run, BO)))

    tasks = []
    assert (await taken_up(desk, run, observe)).status == "resolved"
    assert [m.name for m in Beeper.rang] == ["Ana Lim", "Bo Ek"]


async def test_an_adapter_that_is_not_installed_any_more_holds_a_run(desk):
    run = await died_behind(desk, "StepStarted", RESTS)
    move(desk, ENGINE_ADAPTER)
    result = await taken_up(desk, run)
    assert result.status == "held"
    assert "unknown adapter 'gone'" in result.because


WRONG = {
    "an adapter that is not installed": ENGINE_ADAPTER,
    "an adapter of another connection": f"{THERE}, other: {{adapter: gone}}",
    "a setting of another connection": f"{THERE}, other: {{host: here}}",
}


@pytest.mark.parametrize("how", WRONG)
async def test_what_is_wrong_in_its_environment_leaves_the_channels_by_which_people_are_called(
    desk, how
):
    run = await died_behind(desk, "StepStarted", RESTS)
    place = desk.folder / "p/environments/test.yaml"
    before = place.read_text()
    move(desk, WRONG[how])
    assert (await taken_up(desk, run)).status == "held"
    (held,) = await bodies(desk, run, "RunTakenUp")
    assert held["held"]["mute"] is False
    assert held["held"]["mend"].endswith("p/environments/test.yaml")
    assert [m.name for m in Beeper.rang][:2] == ["Ana Lim", "Bo Ek"]
    assert "To put it right: mend " in Beeper.rang[0].details["wrong"]
    assert lab.Target.contexts == []
    place.write_text(before)
    assert (await taken_up(desk, run)).status == "resolved"


async def test_where_a_channel_itself_is_wrong_nobody_is_called_before_that_is_put_right(desk):
    run = await died_behind(desk, "StepStarted", RESTS)
    move(desk, THERE.replace("adapter: siren", "adapter: gone"))
    assert (await taken_up(desk, run)).status == "held"
    (held,) = await bodies(desk, run, "RunTakenUp")
    assert held["held"]["mute"] is True
    assert (Beeper.rang, desk.said, await bodies(desk, run, "LevelDue")) == ([], [], [])


async def test_the_secret_of_a_connection_is_not_told(desk, monkeypatch):
    monkeypatch.setenv("HERE", "canary-7713-here")
    move(desk, f"there: {{adapter: lab, host: '${{env:HERE}}'}}, {CHANNELS}")
    run = await died_behind(desk, "StepStarted", RESTS)
    monkeypatch.setenv("HERE", "canary-8824-here")
    await taken_up(desk, run)
    assert "canary-8824" not in repr([m.text for m in Beeper.rang])


async def test_a_step_type_that_is_not_installed_any_more_holds_a_run_and_people_are_called(desk):
    text = RESTS + "  - {action: lab.act, id: act, target: there}\n"
    text += "  - {check: lab.ask, id: ask, with: {question: Q}}\n"
    run = await died_behind(desk, "StepStarted", text)
    registry = desk.registry
    desk.registry = Registry.of([], [lab.LabAdapter, Beeper, Siren])
    await desk.again()
    result = await taken_up(desk, run)
    assert result.status == "held"
    assert result.because == "the step type `lab.act` and 2 more of this run is not installed here"
    assert [m.name for m in Beeper.rang][:2] == ["Ana Lim", "Bo Ek"]
    taken = await desk.engine.acknowledge(run, BO)
    assert taken.body["escalations"] == ["held#1"]
    desk.registry = registry
    await desk.again()
    assert (await taken_up(desk, run)).status == "waiting"
    assert lab.Target.effects == {"x": 1}
