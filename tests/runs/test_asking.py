"""Whoever may answer is told of what a run asks: the runner, the store, the contacts, and kills."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine.config import Books
from engine.core.events import Actor, Event
from engine.core.state import State
from engine.errors import Refused
from engine.journal.called import may_call
from engine.wiring.preview import preview
from tests.runs.beeper import Beeper
from tests.runs.test_telling import ALICE, Desk, Mortal, opened

BO = Actor("bo", "os-user")

CONTACTS = """\
people:
  ana: {name: Ana Lim, os_user: alice, roles: [lead, on-call], channels: {beep: "+1", siren: "+1"}}
  bo: {name: Bo Ek, roles: [lead], channels: {beep: "+2", siren: "+2"}, os_user: bo}
  cy: {name: Cy Ott, roles: [lead], channels: {siren: "+3"}}
  di: {name: Di Roe, roles: [on-call], channels: {beep: "+4"}}
channels:
  beep: {connection: beeper}
  siren: {connection: siren}
  room: {connection: beeper, to: "#room"}
questions: {by: [beep, siren]}
"""
ROTA = "rotas: {leads: {order: [bo, cy], since: 2026-01-05}}\n"
REMINDS = CONTACTS.replace("siren]}", "siren], remind: {every: 10m, times: 2}}")

APPROVE = """\
steps:
  - id: act
    title: Free them
    action: lab.act
    target: there
    with: {word: orders}
    approve: {by: [lead], within: 2h}
"""
ASK = "steps:\n  - {id: sure, check: lab.ask, with: {question: Is it green?}}\n"


@pytest.fixture
async def desk(tmp_path) -> AsyncIterator[Desk]:
    made = await opened(tmp_path, f"sqlite:///{tmp_path}/journal.db")
    made.write("contacts.yaml", CONTACTS)
    turning = asyncio.create_task(made.clock.turn())
    yield made
    turning.cancel()
    await made.engine.store.close()


def told() -> list[str]:
    """Who was told of a question, in the order of their names."""
    return sorted(message.name for message in Beeper.rang if message.kind == "question")


async def asked(desk: Desk, text: str, contacts: str = CONTACTS, **more: Any) -> Any:
    desk.write("contacts.yaml", contacts)
    return await desk.run(text, **more)


UNTIMED = APPROVE.replace(", within: 2h", "")


async def test_whoever_may_approve_is_told_but_not_the_requester(desk):
    result = await asked(desk, UNTIMED)
    assert (result.status, told()) == ("waiting", ["Bo Ek", "Cy Ott"])
    message = next(m for m in Beeper.rang if m.name == "Bo Ek")
    assert (message.title, message.to) == ("Asked: Redis: May `Free them` be done?", "+2")
    assert message.text.startswith(
        "May `Free them` be done?\n\nPreview at 08:00 UTC: would act on orders\n\nApprove or deny"
    )


async def test_what_is_asked_of_the_roles_of_the_runbook_is_told_to_the_requester_too(desk):
    await asked(desk, "who: [on-call]\n" + ASK)
    assert told() == ["Ana Lim", "Di Roe"]


async def test_where_no_role_is_named_those_on_call_are_told(desk):
    await asked(desk, ASK)
    assert told() == ["Ana Lim", "Di Roe"]


async def test_where_no_role_is_named_the_contacts_may_name_one(desk):
    await asked(desk, ASK, CONTACTS.replace("siren]}", "siren], who: [lead]}"))
    assert told() == ["Ana Lim", "Bo Ek", "Cy Ott"]


async def test_of_a_rota_that_covers_the_role_whoever_is_on_call_is_told_first_and_then_all(desk):
    on_call = Books([desk.folder])
    desk.write("contacts.yaml", CONTACTS + ROTA)
    rota = on_call.contacts("p").rotas["leads"]
    first = {"bo": "Bo Ek", "cy": "Cy Ott"}[str(rota.on_call(desk.clock.now_us()))]
    await asked(desk, UNTIMED, REMINDS + ROTA)
    assert Beeper.rang[0].name == first
    assert sorted(m.name for m in Beeper.rang[1:]) == ["Bo Ek", "Bo Ek", "Cy Ott", "Cy Ott"]


async def test_where_two_are_needed_the_one_on_call_is_not_asked_alone(desk):
    await asked(desk, UNTIMED.replace("[lead]", "[lead], count: 2"), CONTACTS + ROTA)
    assert told() == ["Bo Ek", "Cy Ott"]


async def test_a_place_hears_a_question_once_and_people_by_their_own_channels(desk):
    seen: list[Event] = []
    by_room = CONTACTS.replace("[beep, siren]}", "[room, siren]}")
    await asked(desk, UNTIMED, by_room.replace('{siren: "+3"}', "{}"), observe=seen.append)
    assert {(m.name, m.to) for m in Beeper.rang} == {
        ("room", "#room"),
        ("Bo Ek", "+2"),
    }
    assert len(Beeper.rang) == 2
    assert [e.body["nobody"] for e in seen if e.type == "LevelDue"] == [[]]


async def test_who_has_no_address_is_named(desk):
    seen: list[Event] = []
    await asked(desk, UNTIMED, CONTACTS.replace('{siren: "+3"}', "{}"), observe=seen.append)
    assert told() == ["Bo Ek"]
    named = [e.body["nobody"] for e in seen if e.type == "LevelDue"]
    assert named == [["Cy Ott (no address)"]]


async def test_where_nobody_may_answer_the_console_is_told(desk):
    seen: list[Event] = []
    await asked(desk, UNTIMED.replace("[lead]", "[boss]"), observe=seen.append)
    assert told() == []
    how = f"runbook approve {seen[0].run} act --reason '...' (or deny)"
    assert desk.said == [f"ASKED: May `Free them` be done? Approve or deny it: {how}"]
    due = next(e.body for e in seen if e.type == "LevelDue")
    assert due["nobody"] == ["boss"]


async def test_a_severity_says_how_its_questions_are_told(desk):
    severe = CONTACTS + "severities: {SEV1: {questions: {by: [siren]}}}\n"
    await asked(desk, "severity: SEV1\n" + UNTIMED, severe)
    assert sorted(str(m.to) for m in Beeper.rang) == ["+2", "+3"]


async def test_whoever_approved_already_is_not_reminded(desk):
    seen: list[Event] = []

    def observe(event: Event) -> None:
        seen.append(event)
        if event.type == "Told" and len([e for e in seen if e.type == "Told"]) == 2:
            tasks.append(asyncio.create_task(approve(event.run)))

    async def approve(run: str) -> None:
        desk.clock.held += 1
        await desk.engine.approve(run, "act", "seen", BO)
        desk.clock.held -= 1

    tasks: list[asyncio.Task[None]] = []
    text = UNTIMED.replace("[lead]", "[lead], count: 2")
    result = await asked(desk, text, REMINDS, observe=observe)
    assert result.status == "waiting"
    assert told() == ["Bo Ek", "Cy Ott", "Cy Ott", "Cy Ott"]
    assert "1 of 2 approved it (Bo Ek): 1 more is needed" in seen_words(seen)[-1]


def seen_words(seen: list[Event]) -> list[list[str]]:
    return [e.body["words"]["why"] for e in seen if e.type == "LevelDue"]


async def test_the_same_person_has_one_voice_whatever_they_are_called(desk):
    desk.write(
        "contacts.yaml",
        CONTACTS.replace('{beep: "+2", siren: "+2"}, os_user: bo', "{}, os_user: b"),
    )
    result = await desk.run(UNTIMED.replace("[lead]", "[lead], count: 2"))
    await desk.engine.approve(result.run, "act", "seen", Actor("b", "os-user"))
    with pytest.raises(Refused, match="approved it already"):
        await desk.engine.approve(result.run, "act", "seen", Actor("bo", "token", "t1"))
    with pytest.raises(Refused, match="may not decide"):
        await desk.engine.approve(result.run, "act", "seen", Actor("ana", "token", "t2"))
    state = await desk.engine.state(result.run)
    assert [one["name"] for one in state.steps["act"].approval.given] == ["b"]


async def test_a_secret_is_in_no_question(desk, monkeypatch):
    monkeypatch.setenv("BEEP_TOKEN", "canary-7713-beep")
    desk.write(
        "environments/test.yaml",
        "connections: {there: {adapter: lab}, siren: {adapter: siren},\n"
        "  beeper: {adapter: beeper, token: '${env:BEEP_TOKEN}'}}\n",
    )
    result = await asked(desk, UNTIMED.replace("orders", "canary-7713-beep"))
    assert len(told()) == 2
    assert "canary" not in repr(Beeper.rang)
    events = await desk.engine.store.events(result.run)
    assert "canary" not in repr([e.body for e in events if e.type != "RunStarted"])


async def test_a_rehearsal_asks_nobody(desk):
    await asked(desk, UNTIMED + ASK.removeprefix("steps:\n"), rehearsal=True)
    assert Beeper.rang == []


async def test_a_run_whose_questions_are_closed_is_none_that_may_call(desk):
    result = await asked(desk, ASK)
    await desk.engine.answer(result.run, "sure", "yes", "", BO)
    await desk.engine.resume(result.run, actor=ALICE)
    types = [event.type for event in await desk.engine.store.events(result.run)]
    assert types[-1] == "EscalationClosed"
    assert await may_call(desk.engine.store, desk.clock.now_us()) == []


KILLS = 300
"""Deaths, over as many runs as it takes."""


async def test_over_300_deaths_nobody_is_told_twice_and_none_after_it_was_answered(tmp_path):
    desk = await opened(tmp_path, f"sqlite:///{tmp_path}/journal.db")
    desk.write("contacts.yaml", REMINDS)
    turning = asyncio.create_task(desk.clock.turn(0.0003))
    killed, seed = 0, 0
    try:
        while killed < KILLS:
            seed += 1
            one = Asks(desk, random.Random(seed))
            judged(await one.live())
            killed += one.deaths
    finally:
        turning.cancel()
        await desk.engine.store.close()
    assert killed >= KILLS


class Asks(Mortal):
    """A run that asks; somebody answers between two lives."""

    def __init__(self, desk: Desk, dice: random.Random) -> None:
        text = dice.choice([APPROVE, "who: [lead]\n" + ASK])
        super().__init__(desk, dice, text, (3, 6, 10, 15, 25, 10_000))

    async def act(self, state: State) -> bool:
        engine, run = self.desk.engine, state.run
        questions = await engine.questions(run)
        for question in questions:
            if question.kind == "approve":
                deny = self.dice.random() < 0.5
                await engine.approve(run, question.path, "seen", BO, deny=deny)
            elif question.kind == "confirm":
                await engine.answer(run, question.path, "yes", "", BO)
        return bool(questions)


def judged(events: list[Event]) -> None:
    due = [e.body for e in events if e.type == "LevelDue" and not e.body["skipped"]]
    places = [(b["escalation"], b["level"], b["round"]) for b in due]
    assert len(set(places)) == len(places)
    ends: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        if event.type in ("Told", "TellFailed"):
            place = (event.body["escalation"], event.body["summons"])
            ends.setdefault(place, []).append(event)
    answered = next((e for e in events if e.type in ("Approved", "Denied", "Answered")), None)
    expired = any(e.type == "ApprovalExpired" for e in events)
    for body in due:
        for one in body["recipients"]:
            summons = (body["escalation"], f"1.{body['level']}.{body['round']}:{one['id']}")
            said = [e for e in ends.get(summons, []) if e.type == "Told" or e.body.get("doubt")]
            if body["escalation"].startswith("ask:"):
                assert said or answered is not None or expired, (summons, [e.type for e in events])
    keys = [e.body["key"] for e in events if e.type == "Told"]
    assert len(keys) == len(set(keys))
    closed = [e.body["escalation"] for e in events if e.type == "QuestionClosed"]
    assert len(closed) == len(set(closed))
    if answered is not None:
        first = next(e for e in events if e.type == "EscalationStarted")
        late = [e for e in events if e.type == "TellStarted" and e.seq > answered.seq]
        of_it = [e for e in late if e.body["escalation"] == first.body["escalation"]]
        assert [e for e in of_it if e.body["kind"] == "question"] == []
    rang = [m.key for m in Beeper.rang]
    once = [key for key in rang if key.endswith(":siren")]
    assert len(once) == len(set(once)), "a channel that knows no key sent something twice"


def test_every_message_of_a_question_is_shown_before_one_is_sent(tmp_path):
    desk = asyncio.run(opened(tmp_path, "memory:"))
    desk.write("contacts.yaml", REMINDS)
    desk.write("main.yaml", f"title: Redis\nwho: [on-call]\n{APPROVE}{ASK.removeprefix('steps:')}")
    books = Books([desk.folder])
    runbook = books.load("p/main", desk.registry)
    found = preview(books, desk.registry, runbook, "test")
    rows = [(t.when, t.name, t.by) for t in found if t.policy == "questions"]
    assert rows == [
        ("when `Free them` waits for approval", "Ana Lim", ("beep", "siren")),
        ("when `Free them` waits for approval", "Bo Ek", ("beep", "siren")),
        ("when `Free them` waits for approval", "Cy Ott", ("siren",)),
        ("when `sure` waits for an answer", "Ana Lim", ("beep", "siren")),
        ("when `sure` waits for an answer", "Di Roe", ("beep",)),
        ("when nobody knows whether `Free them` happened", "Ana Lim", ("beep", "siren")),
        ("when nobody knows whether `Free them` happened", "Di Roe", ("beep",)),
    ]
    remarks = next(t.remarks for t in found if t.policy == "questions")
    own = "not whoever starts it: they may not approve it"
    assert remarks == ("again every 10m, up to 2 times", own)
    assert Beeper.rang == []
