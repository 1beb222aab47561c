"""Levels that call whoever is on call where PagerDuty keeps the rota, in whole runs."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from engine.core.events import Actor, Event
from engine.core.state import State
from engine.errors import AdapterError, Refused
from engine.plugin import reveal
from engine.plugin.on_call import NEVER_US, Turn
from engine.registry import Registry
from engine.runner import on_call
from engine.wiring import Faces
from engine.wiring.taking import calling_now
from tests.runs import lab
from tests.runs.beeper import START_US, Beeper, Hands, Siren
from tests.runs.test_telling import ALICE, BO, CALLS, Desk, Killed, Mortal, acks, judged

HOUR = 3_600_000_000

CONTACTS = """\
people:
  ana: {name: Ana Lim, pagerduty: PANA, channels: {beep: "+1"}}
  bo: {name: Bo Ek, channels: {beep: "+2", post: Bo@Example.com}}
  cy: {name: Cy Ott, channels: {siren: "+3"}}
rotas:
  platform: {pagerduty: PS1, connection: schedules, channel: page}
  spare: {pagerduty: PS1, connection: schedules, order: [cy]}
  alone: {pagerduty: PS1, connection: schedules}
  paged: {pagerduty: PS1, channel: page}
channels:
  beep: {connection: beeper}
  siren: {connection: siren}
  post: {connection: post}
  page: {connection: siren, to: the-pager}
severities:
  SEV1: {critical: true}
  SEV3: {}
policies:
  default:
    - {who: [platform], by: [beep, post]}
    - {who: [bo], by: [beep], after: 12h}
"""

CONNECTIONS = """\
connections:
  beeper: {adapter: beeper}
  siren: {adapter: siren}
  post: {adapter: mail}
  schedules: {adapter: schedules, token: "${env:SCHEDULES_TOKEN}"}
"""


def turn(user: str, name: str, email: str | None = None, until_us: int = NEVER_US) -> Turn:
    return Turn(user, name, email, 0, until_us)


ANA = turn("PANA", "A. Lim")


class Schedules:
    """Says who is on call. `turns`: what it answers; `on`: what happens instead."""

    family = "schedules"
    asked: ClassVar[list[str]] = []
    turns: ClassVar[tuple[Turn, ...]] = ()
    on: ClassVar[Callable[[], Awaitable[None]] | None] = None

    def __init__(self, token: str) -> None:
        self._token = token

    def fingerprint(self) -> str:
        return "schedules"

    async def ping(self) -> str:
        return "here"

    def reader(self, _context: Any) -> Schedules:
        return self

    def writer(self, _context: Any) -> Schedules:
        return self

    async def on_call(self, schedule: str, _since_us: int, _until_us: int) -> tuple[Turn, ...]:
        reveal(self._token)
        Schedules.asked.append(schedule)
        if Schedules.on is not None:
            await Schedules.on()
        return Schedules.turns

    async def close(self) -> None:
        """Nothing was opened."""


class Post(Beeper):
    """A mailbox."""

    family: ClassVar[str] = "mail"


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setenv("SCHEDULES_TOKEN", "canary-4417-schedules")
    Beeper.reset()
    Siren.on = None
    Schedules.asked, Schedules.turns, Schedules.on = [], (ANA,), None
    adapters: Any = [lab.LabAdapter, Beeper, Siren, Post, Schedules]
    desk = Desk(
        tmp_path / "books",
        f"sqlite:///{tmp_path}/journal.db",
        Hands(),
        Registry.of([lab], adapters),
    )
    desk.write("contacts.yaml", CONTACTS)
    desk.write("environments/test.yaml", CONNECTIONS)
    turning = asyncio.create_task(desk.clock.turn())
    yield desk
    turning.cancel()
    await desk.engine.store.close()


def rang() -> list[tuple[str, str | None]]:
    return [(m.name, m.to) for m in Beeper.rang]


class Seen:
    """What was appended, and what somebody does about it."""

    def __init__(self, then: Callable[[Event], None] = lambda _event: None) -> None:
        self.events: list[Event] = []
        self._then = then

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._then(event)

    @property
    def due(self) -> list[Any]:
        return [event.body for event in self.events if event.type == "LevelDue"]


async def called(desk: Desk, contacts: str = CONTACTS, text: str = CALLS, told: int = 1) -> Any:
    """The first level of a run that somebody takes once so many were told."""
    desk.write("contacts.yaml", contacts)
    seen = Seen(acks(desk, told=told))
    await desk.run(text, seen)
    return seen.due[0]


async def test_who_is_on_call_is_asked_and_told_by_the_channels_of_the_level(desk):
    due = await called(desk)
    assert rang() == [("Ana Lim", "+1")]
    assert [one["id"] for one in due["recipients"]] == ["ana"]
    (fact,) = due["on_call"]
    assert (fact["rota"], fact["schedule"], fact["trouble"]) == ("platform", "PS1", None)
    assert fact["found"] == [{"user": "PANA", "name": "A. Lim", "person": "ana"}]
    assert fact["connection"] == "schedules"
    assert fact["asked_us"] > START_US
    assert Schedules.asked == ["PS1"]


async def test_somebody_is_known_by_the_address_of_their_login(desk):
    Schedules.turns = (turn("PBO", "B. Ek", "bo@example.com"),)
    await called(desk)
    assert rang() == [("Bo Ek", "+2")]


async def test_an_address_that_two_have_says_nobody(desk):
    Schedules.turns = (turn("PX", "Team", "team@example.com"),)
    both = CONTACTS.replace('{beep: "+1"}', '{beep: "+1", post: team@example.com}')
    both = both.replace("Bo@Example.com", "team@example.com")
    due = await called(desk, both)
    assert rang() == [("Team", "team@example.com")]
    assert due["on_call"][0]["found"] == [{"user": "PX", "name": "Team", "person": None}]


async def test_who_is_nobody_of_the_contacts_is_told_by_mail(desk):
    Schedules.turns = (turn("PKIM", "Kim Ro", "kim@example.com"),)
    due = await called(desk)
    assert rang() == [("Kim Ro", "kim@example.com")]
    assert due["recipients"][0]["by"] == [{"channel": "post", "again": True}]


async def test_who_is_nobody_of_the_contacts_and_has_no_mail_is_paged(desk):
    Schedules.turns = (turn("PKIM", "Kim Ro"),)
    due = await called(desk)
    assert rang() == [("platform", "the-pager")]
    assert due["on_call"][0]["trouble"] == (
        "no channel of the level reaches Kim Ro, who is on call"
    )


async def test_all_who_are_on_call_are_told_and_who_cannot_be_reached_is_paged(desk):
    Schedules.turns = (ANA, turn("PKIM", "Kim Ro"))
    await called(desk, told=2)
    assert sorted(rang()) == [("Ana Lim", "+1"), ("platform", "the-pager")]


def fails(error: Exception) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (AdapterError("it answers 401: no"), "it answers 401: no"),
        (KeyError("oops"), "KeyError: 'oops'"),
        (AdapterError("canary-4417-schedules"), "(secret)"),
    ],
)
async def test_could_not_ask_is_not_nobody_and_takes_the_way_out_of_the_rota(desk, error, why):
    Schedules.on = fails(error)
    due = await called(desk)
    assert rang() == [("platform", "the-pager")]
    (fact,) = due["on_call"]
    assert fact["trouble"].startswith("PagerDuty could not be asked: ")
    assert (why in fact["trouble"]) == (why != "(secret)")
    assert "canary" not in repr(due)
    assert fact["found"] == []


async def test_a_rota_may_name_people_for_when_it_cannot_be_asked_or_nobody_is_on_call(desk):
    Schedules.turns = ()
    due = await called(
        desk,
        CONTACTS.replace("who: [platform]", "who: [spare]").replace(
            "by: [beep, post]", "by: [siren]"
        ),
    )
    assert rang() == [("Cy Ott", "+3")]
    assert due["on_call"][0]["trouble"] == (
        "nobody is on call in PagerDuty's schedule PS1, or there is none"
    )


async def test_a_rota_without_a_way_out_is_told_at_the_console(desk):
    Schedules.turns = ()
    await called(desk, CONTACTS.replace("who: [platform]", "who: [alone]"))
    assert desk.said
    assert rang() == []


async def test_a_rota_without_a_connection_is_paged_as_ever_and_nobody_is_asked(desk):
    due = await called(desk, CONTACTS.replace("who: [platform]", "who: [paged]"))
    assert rang() == [("paged", "the-pager")]
    assert Schedules.asked == []
    assert "on_call" not in due


async def test_in_a_sandbox_nobody_is_asked_and_the_console_is_told(desk):
    desk.write("environments/sandbox.yaml", "connections: {}\n")
    seen = Seen(acks(desk, told=1))
    await desk.run(CALLS, seen, environment="sandbox")
    assert Schedules.asked == []
    assert (rang(), len(desk.said)) == ([], 1)
    assert "on_call" not in seen.due[0]


@pytest.mark.parametrize("gone", ["no connection", "no secret", "no schedules"])
async def test_a_connection_that_is_missing_or_knows_no_schedules_takes_the_way_out(
    desk, gone, monkeypatch
):
    if gone == "no connection":
        desk.write("environments/test.yaml", CONNECTIONS.partition("  schedules")[0])
    elif gone == "no secret":
        monkeypatch.delenv("SCHEDULES_TOKEN")
    else:
        other = CONNECTIONS.partition("  schedules")[0] + "  schedules: {adapter: lab}\n"
        desk.write("environments/test.yaml", other)
    due = await called(desk)
    assert rang() == [("platform", "the-pager")]
    said = {
        "no connection": "environment test has no connection `schedules`",
        "no secret": "SCHEDULES_TOKEN",
        "no schedules": "connection schedules is of kind lab, which knows no schedules",
    }
    assert said[gone] in due["on_call"][0]["trouble"]


async def test_a_level_goes_out_in_its_time_though_nobody_answers(desk, monkeypatch):
    monkeypatch.setattr(on_call, "ASK_S", 0.05)
    Schedules.on = lambda: asyncio.get_running_loop().create_future()
    due = await called(desk)
    assert rang() == [("platform", "the-pager")]
    trouble = due["on_call"][0]["trouble"]
    assert trouble == "PagerDuty could not be asked: no answer within 0.05 s"


async def test_an_acknowledgement_that_comes_while_somebody_is_asked_counts(desk):
    desk.write(
        "contacts.yaml",
        CONTACTS.replace("who: [platform]", "who: [bo]").replace(
            "who: [bo], by: [beep], after: 12h", "who: [platform], by: [beep], after: 15m"
        ),
    )
    seen = Seen()

    async def take() -> None:
        await desk.engine.acknowledge(seen.events[0].run, BO, "on it")

    Schedules.on = take
    result = await desk.run(CALLS, seen)
    assert result.status == "resolved"
    assert Schedules.asked == ["PS1"]
    assert rang() == [("Bo Ek", "+2")]
    assert [body["level"] for body in seen.due] == [1]


async def test_while_somebody_is_asked_the_steps_of_the_run_and_other_escalations_go_on(
    desk, monkeypatch
):
    monkeypatch.setattr(on_call, "ASK_S", 60.0)  # it answers: on a busy machine later than usual
    text = "steps:\n  - id: both\n    parallel:\n"
    text += "      - {escalate: default, id: call, message: Redis is full}\n"
    text += "      - id: rest\n        group: rest\n        steps:\n"
    text += "          - {check: lab.look, id: look, target: there, with: {word: w}}\n"
    text += "          - {escalate: other, id: tell, message: Redis is slow}\n"
    desk.write("contacts.yaml", CONTACTS + "  other: [{who: bo, by: beep}]\n")
    desk.write("environments/test.yaml", CONNECTIONS + "  there: {adapter: lab}\n")
    free = asyncio.Event()

    def then(event: Event) -> None:
        if event.type == "Told" and event.body["escalation"].endswith("tell"):
            free.set()

    seen = Seen(then)
    Schedules.on = free.wait
    await desk.run(text, seen)
    assert rang() == [("Bo Ek", "+2"), ("Ana Lim", "+1")]


async def test_other_runs_go_on_while_one_asks(desk):
    free, begun = asyncio.Event(), asyncio.Event()

    async def asks() -> None:
        begun.set()
        await free.wait()

    Schedules.on = asks
    seen = Seen(acks(desk, told=1))
    waits = asyncio.create_task(desk.run(CALLS, seen))
    await begun.wait()
    other = await desk.run("steps:\n  - {wait: 1s, id: rest}\n")
    assert other.status == "resolved"
    assert seen.due == []
    free.set()
    await waits


async def test_many_runs_that_call_at_once_ask_once(desk):
    desk.write("main.yaml", f"title: Redis\n{CALLS}")
    given: dict[str, Any] = {"environment": "test", "inputs": {}, "actor": ALICE}
    results = await asyncio.gather(
        *[
            desk.engine.run("p/main", **given, faces=Faces(observe=acks(desk, told=1)))
            for _ in range(50)
        ]
    )
    assert {result.status for result in results} == {"resolved"}
    assert rang() == [("Ana Lim", "+1")] * 50
    assert len(Schedules.asked) <= 3  # a minute of the hands' time is soon over


async def test_what_was_answered_is_in_the_event_and_nobody_is_asked_when_it_is_read(desk):
    seen = Seen(acks(desk, told=1))
    result = await desk.run(CALLS, seen)
    Schedules.asked.clear()
    events = await desk.engine.store.events(result.run)
    state = await desk.engine.state(result.run)
    assert isinstance(state, State)
    assert state.escalations["call"].told[0].recipient["id"] == "ana"
    assert [e.type for e in events].count("LevelDue") == 1
    assert Schedules.asked == []


async def test_a_run_whose_driver_dies_while_it_asks_asks_again_and_calls_once(desk):
    async def die() -> None:
        Schedules.on = None
        task.cancel()
        await asyncio.get_running_loop().create_future()

    Schedules.on = die
    seen = Seen()
    task = asyncio.create_task(desk.run(CALLS, seen))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen.due == []
    await desk.again()
    faces = Faces(observe=acks(desk, told=1))
    await desk.engine.resume(seen.events[0].run, actor=ALICE, faces=faces, force=True)
    assert rang() == [("Ana Lim", "+1")]
    assert Schedules.asked == ["PS1", "PS1"]


async def test_whose_quiet_hours_outlast_their_turn_is_not_called_whoever_takes_over_is(desk):
    """It is Friday, 09:00 in Berlin; Ana's turn is over in an hour, her quiet hours in two."""
    Schedules.turns = (
        turn("PANA", "A. Lim", None, START_US + HOUR),
        Turn("PBO", "B. Ek", "bo@example.com", START_US + HOUR, NEVER_US),
    )
    quiet = 'pagerduty: PANA, quiet: {from: "00:00", until: "11:20", timezone: Europe/Berlin}'
    due = await called(
        desk, CONTACTS.replace("pagerduty: PANA", quiet), text=f"severity: SEV3\n{CALLS}"
    )
    (one,) = due["recipients"]
    assert (one["id"], one["not_before_us"]) == ("bo", START_US + HOUR)
    Schedules.turns = (ANA,)


async def test_a_weekly_rota_hands_a_call_over_when_quiet_hours_outlast_the_turn(desk):
    rota = "  weekly: {order: [bo, ana], since: 2027-01-01, handover: 'FRI 10:00',"
    rota += " timezone: Europe/Berlin}\n"
    quiet = 'pagerduty: PANA, quiet: {from: "00:00", until: "11:20", timezone: Europe/Berlin}'
    text = CONTACTS.replace("pagerduty: PANA", quiet).replace("rotas:\n", f"rotas:\n{rota}")
    due = await called(
        desk, text.replace("who: [platform]", "who: [weekly]"), f"severity: SEV3\n{CALLS}"
    )
    (one,) = due["recipients"]
    assert (one["id"], one["not_before_us"]) == ("bo", START_US + HOUR)


@pytest.mark.parametrize("number", range(1, 12))
async def test_a_death_behind_any_event_leaves_a_level_that_is_told_once(desk, number):
    take = acks(desk, told=1)

    def then(event: Event) -> None:
        if len(seen.events) == number:
            raise Killed
        take(event)

    seen = Seen(then)
    with contextlib.suppress(Killed):
        await desk.run(CALLS, seen)
    await desk.again()
    run = seen.events[0].run
    state = await desk.engine.state(run)
    if any(event.type == "Told" for event in seen.events) and calling_now(state):
        await desk.engine.acknowledge(run, BO)
    if not state.over:
        faces = Faces(observe=acks(desk, told=1))
        await desk.engine.resume(run, actor=ALICE, faces=faces, force=True)
    told = [e.body["key"] for e in await desk.engine.store.events(run) if e.type == "Told"]
    assert told[0] == f"{run}:call:1.1.1:ana:beep"
    assert len(told) == len(set(told))


MANY = """\
  default:
    - {who: [platform], by: [beep]}
    - {who: [bo], by: [siren, beep], after: 15m, repeat: {every: 10m, times: 2}}
    - {who: [spare, platform], by: [siren, beep], after: 15m}
"""
DEATHS = 100


async def test_over_100_deaths_every_level_is_told_and_none_twice_whatever_is_answered(desk):
    desk.write("contacts.yaml", CONTACTS.partition("  default:")[0] + MANY)
    killed, seed = 0, 0
    while killed < DEATHS:
        seed += 1
        dice = random.Random(seed)
        mortal = Mortal(desk, dice)
        Schedules.on = lambda dice=dice, mortal=mortal: answers(dice, mortal)
        judged(await mortal.live())
        killed += mortal.deaths
    assert len(Schedules.asked) > DEATHS / 4


async def answers(dice: random.Random, mortal: Mortal) -> None:
    """Who is asked answers, refuses, names somebody else, or the process dies meanwhile."""
    Schedules.turns = dice.choice([(ANA,), (ANA, turn("PKIM", "Kim")), ()])
    if dice.random() < 0.2:
        raise AdapterError("it answers 500")
    if dice.random() < 0.2 and mortal.task is not None:
        mortal.task.cancel()
        await asyncio.get_running_loop().create_future()


APPROVE = """\
steps:
  - id: a
    action: lab.act
    target: there
    with: {word: w}
    approve: {by: [platform, weekly], reason_min: 5}
"""
PEOPLE = CONTACTS.replace("pagerduty: PANA", "os_user: ana, pagerduty: PANA").replace(
    "bo: {", "bo: {os_user: bo, "
)
ANA_HERE, CY = Actor("ana", "os-user"), Actor("cy", "token")


@pytest.fixture
async def asks(desk: Desk) -> AsyncIterator[Desk]:
    """An action waits for whoever is on call; in the weekly rota that is Cy."""
    lab.Target.reset()
    weekly = "rotas:\n  weekly: {order: [cy], since: 2026-01-05}\n"
    desk.write("contacts.yaml", PEOPLE.replace("rotas:\n", weekly))
    desk.write("environments/test.yaml", CONNECTIONS + "  there: {adapter: lab}\n")
    yield desk
    lab.Target.reset()


@pytest.mark.parametrize("who", [ANA_HERE, CY])
async def test_whoever_is_on_call_may_approve_where_their_rota_is_asked_for(asks, who):
    run = (await asks.run(APPROVE)).run
    said = await asks.engine.approve(run, "a", "looked at it", who)
    assert said.body["roles"] == [{"ana": "platform", "cy": "weekly"}[who.name]]
    Schedules.asked.clear()
    assert (await asks.engine.resume(run, actor=ALICE)).status == "resolved"
    assert Schedules.asked == []
    assert lab.Target.effects == {"w": 1}


async def test_who_is_not_on_call_may_not_approve(asks):
    run = (await asks.run(APPROVE)).run
    with pytest.raises(Refused, match=r"one of the roles platform, weekly$"):
        await asks.engine.approve(run, "a", "looked at it", BO)
    assert lab.Target.effects == {}


async def test_that_it_could_not_be_asked_who_is_on_call_makes_nobody_approve(asks):
    Schedules.on = fails(AdapterError("it answers 401: canary-4417-schedules"))
    run = (await asks.run(APPROVE)).run
    with pytest.raises(Refused, match="could not be asked: it answers 401: "):
        await asks.engine.approve(run, "a", "looked at it", ANA_HERE)
    last = (await asks.engine.store.events(run))[-1]
    assert last.type == "ApprovalRefused"
    assert "PagerDuty could not be asked" in last.body["why"]
    assert "canary" not in repr(last.body)


# -- who may start it ------------------------------------------------------------------------------

START = "who: [platform, weekly, lead]\nsteps:\n  - {wait: 1s}\n"


@pytest.mark.parametrize("who", [ANA_HERE, CY, Actor("pd", "webhook", "PagerDuty")])
async def test_whoever_is_on_call_may_start_what_names_their_rota(asks, who):
    assert (await asks.run(START, actor=who)).status == "resolved"


async def test_who_is_not_on_call_may_not_start_it_and_is_told_whom_it_takes(asks):
    takes = "it takes one of the roles lead, or whoever is on call in platform, weekly$"
    with pytest.raises(Refused, match=takes):
        await asks.run(START, actor=BO)


async def test_that_it_could_not_be_asked_who_is_on_call_starts_nothing(asks):
    Schedules.on = fails(AdapterError("it answers 401: canary-4417-schedules"))
    with pytest.raises(Refused, match="could not be asked: it answers 401: ") as refused:
        await asks.run(START, actor=ANA_HERE)
    assert "canary" not in str(refused.value)
    assert (await asks.run(START, actor=CY)).status == "resolved"


ANSWER = "who: [weekly, lead]\nsteps:\n  - {id: sure, check: lab.ask, with: {question: Is it?}}\n"
ASKED = CONTACTS.replace("cy: {", "cy: {roles: [lead], ").replace("bo: {", "bo: {roles: [lead], ")
ASKED = ASKED.replace("rotas:\n", "rotas:\n  weekly: {order: [ana, cy], since: 2026-01-05}\n")


@pytest.mark.parametrize(
    ("remind", "told"),
    [(", remind: 10m", [["cy"], ["bo", "cy"]]), ("", [["bo", "cy"]])],
)
async def test_whoever_is_on_call_is_asked_first_where_the_others_are_reminded(asks, remind, told):
    asks.write("contacts.yaml", f"{ASKED}questions: {{by: [beep, siren]{remind}}}\n")
    run = (await asks.run(ANSWER, actor=Actor("cy", "token"))).run
    events = await asks.engine.store.events(run)
    due = [event.body["recipients"] for event in events if event.type == "LevelDue"]
    assert [sorted(one["id"] for one in found) for found in due] == told
