"""People are told by a real run: the runner, the store, the contacts of a pack, and kills."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.config import Books
from engine.core.events import Actor, Event
from engine.core.state import State
from engine.errors import Diagnosed, Usage
from engine.journal.open import open_store
from engine.registry import Registry
from engine.wiring import Engine, Faces
from engine.wiring.preview import preview
from engine.wiring.taking import calling_now
from tests.runs import lab
from tests.runs.beeper import Beeper, Hands, Siren

ALICE = Actor("alice", "os-user")
BO = Actor("bo", "os-user")

CONTACTS = """\
people:
  ana: {name: Ana Lim, roles: [on-call], channels: {beep: "+1", siren: "+1"}}
  bo: {name: Bo Ek, channels: {beep: "+2", siren: "+2"}}
  cy: {name: Cy Ott, channels: {siren: "+3"}}
channels:
  beep: {connection: beeper}
  siren: {connection: siren}
  room: {connection: beeper, to: "#room"}
link: https://runbook.example.com/runs/{run}
severities:
  SEV1: {policy: default, critical: true, status: {every: 15m, by: [room]}}
  SEV3: {page: warning}
quiet: {from: "00:00", until: "23:59"}
policies:
  default:
    - {who: [on-call], by: [beep]}
    - {who: [bo], by: [siren, beep], after: 15m, repeat: {every: 10m, times: 2}}
    - {who: [cy], by: [siren], after: 15m}
"""

CALLS = "steps:\n  - {escalate: default, id: call, wait: acknowledged, message: Redis is full}\n"


@dataclass
class Desk:
    """An engine over a store, with contacts; `again()` is the next process."""

    folder: Path
    url: str
    clock: Hands
    registry: Registry
    engine: Engine = field(init=False)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._open()

    def _open(self) -> None:
        store = open_store(self.url)
        self.clock.minds(store)
        books = Books([self.folder])
        self.engine = Engine(books=books, registry=self.registry, store=store, clock=self.clock)

    async def again(self) -> None:
        """The process died; another one begins."""
        if self.url != "memory:":
            await self.engine.store.close()
            self._open()
        else:
            store = self.engine.store
            books = Books([self.folder])
            self.engine = Engine(books=books, registry=self.registry, store=store, clock=self.clock)

    def write(self, name: str, text: str) -> None:
        path = self.folder / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    async def run(self, text: str, observe: Any = None, **more: Any) -> Any:
        self.write("main.yaml", f"title: Redis\n{text}")
        faces = Faces(observe=observe, console=self.said.append)
        given = {"environment": "test", "inputs": {}, "actor": ALICE, "faces": faces} | more
        return await self.engine.run("p/main", **given)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with turning(tmp_path) as made:
        yield made


@asynccontextmanager
async def turning(folder: Path) -> AsyncIterator[Desk]:
    """A desk in a folder, whose clock turns by itself."""
    made = await opened(folder, f"sqlite:///{folder}/journal.db")
    task = asyncio.create_task(made.clock.turn())
    yield made
    task.cancel()
    await made.engine.store.close()


async def opened(tmp_path: Path, url: str) -> Desk:
    Beeper.reset()
    Siren.on = None
    registry = Registry.of([lab], [lab.LabAdapter, Beeper, Siren])  # type: ignore[list-item]
    desk = Desk(tmp_path / "books", url, Hands(), registry)
    desk.write("contacts.yaml", CONTACTS)
    settings = "there: {adapter: lab}, beeper: {adapter: beeper}, siren: {adapter: siren}"
    desk.write("environments/test.yaml", f"connections: {{{settings}}}\n")
    return desk


def acks(desk: Desk, told: int) -> Any:
    """Somebody takes it once so many messages went out."""
    tasks: list[asyncio.Task[None]] = []
    count = 0

    async def take(run: str) -> None:
        desk.clock.held += 1
        await desk.engine.acknowledge(run, BO, "on it")
        desk.clock.held -= 1

    def observe(event: Event) -> None:
        nonlocal count
        count += event.type == "Told"
        if count == told and not tasks:
            tasks.append(asyncio.create_task(take(event.run)))

    return observe


async def test_people_are_told_level_by_level_until_one_of_them_acts(desk):
    result = await desk.run(CALLS, acks(desk, told=2))
    assert result.status == "resolved"
    assert [(m.name, m.to) for m in Beeper.rang] == [("Ana Lim", "+1"), ("Bo Ek", "+2")]
    first = Beeper.rang[0]
    assert first.title == "Redis is full"
    assert first.link == f"https://runbook.example.com/runs/{result.run}"
    assert f"runbook ack {result.run}" in first.text
    assert len(first.text) <= 200


async def test_levels_go_on_behind_the_end_of_a_failed_run_and_it_ends_when_it_is_taken(desk):
    text = "steps:\n  - {check: lab.look, id: look, target: there, with: {word: w}}\n"
    text += "on_failure:\n  - {escalate: default, id: call}\n"
    lab.Target.on["w"] = lab.fails(maybe_done=False)
    result = await desk.run(text, acks(desk, told=2))
    events = await desk.engine.store.events(result.run)
    types = [event.type for event in events]
    assert types.index("RunFinished") < types.index("Acknowledged")
    assert types[-1] == "EscalationClosed"
    lab.Target.reset()


async def test_how_a_run_stands_is_told_while_it_is_open_and_how_it_ended(desk):
    result = await desk.run("severity: SEV1\nsteps:\n  - {wait: 40m, id: rest}\n")
    assert result.status == "resolved"
    assert [(m.kind, m.to) for m in Beeper.rang] == [
        ("status", "#room"),
        ("status", "#room"),
        ("resolved", "#room"),
    ]


async def test_quiet_hours_are_kept_for_what_is_not_critical(desk):
    text = "severity: SEV3\n" + CALLS.replace("wait: acknowledged, ", "")
    await desk.run(text + "  - {wait: 10m, id: rest}\n")
    assert Beeper.rang == []


async def test_the_severity_of_a_page_is_what_the_contacts_say(desk):
    desk.write("contacts.yaml", CONTACTS.replace('quiet: {from: "00:00", until: "23:59"}\n', ""))
    await desk.run("severity: SEV3\n" + CALLS, acks(desk, told=1))
    assert [m.severity for m in Beeper.rang] == ["warning"]


async def test_a_pack_says_it_in_its_own_words(desk):
    own = "messages:\n  page: {title: '{{ wrong }}!', text: 'Level {{ level }}: {{ asked }}'}\n"
    desk.write("contacts.yaml", CONTACTS + own)
    await desk.run(CALLS, acks(desk, told=1))
    assert Beeper.rang[0].title == "Redis is full!"
    assert Beeper.rang[0].text.startswith("Level 1: Take it")


async def test_a_secret_is_in_no_message(desk, monkeypatch):
    monkeypatch.setenv("BEEP_TOKEN", "canary-7713-beep")
    desk.write(
        "environments/test.yaml",
        "connections: {beeper: {adapter: beeper, token: '${env:BEEP_TOKEN}'}}\n",
    )
    result = await desk.run(CALLS.replace("Redis is full", "canary-7713-beep"), acks(desk, told=1))
    assert "canary" not in repr(Beeper.rang)
    events = await desk.engine.store.events(result.run)
    assert "canary" not in repr([e.body for e in events if e.type != "RunStarted"])


async def test_who_has_no_address_is_told_at_the_console(desk):
    result = await desk.run(CALLS.replace("default", "other"))
    assert result.status == "waiting"
    assert desk.said == ["ESCALATION (other): Redis is full"]


async def test_contacts_that_do_not_read_are_told_before_anything_begins(desk):
    desk.write("contacts.yaml", "polices: {}\n")
    with pytest.raises(Diagnosed):
        await desk.run(CALLS)
    assert await desk.engine.store.runs() == []


async def test_contacts_that_break_while_a_run_waits_are_as_they_were_and_it_says_so(desk):
    def observe(event: Event) -> None:
        if event.type == "LevelDue" and event.body["level"] == 1:
            desk.write("contacts.yaml", "polices: {}\n")

    seen: list[Event] = []

    def both(event: Event) -> None:
        seen.append(event)
        observe(event)
        ack(event)

    ack = acks(desk, told=2)
    await desk.run(CALLS, both)
    assert [m.name for m in Beeper.rang] == ["Ana Lim", "Bo Ek"]
    second = [e.body for e in seen if e.type == "LevelDue"][1]
    assert second["trouble"].startswith("contacts.yaml cannot be read")


async def test_who_was_called_last_takes_a_run_that_is_over_and_is_recorded(desk):
    lab.Target.on["w"] = lab.fails(maybe_done=False)
    text = "steps:\n  - {check: lab.look, id: look, target: there, with: {word: w}}\n"
    result = await desk.run(f"{text}on_failure:\n  - {{escalate: default, id: call}}\n")
    lab.Target.reset()
    taken = await desk.engine.acknowledge(result.run, BO, "on it")
    assert taken.body["escalations"] == ["on_failure/call"]
    with pytest.raises(Usage, match="calls nobody"):
        await desk.engine.acknowledge(result.run, ALICE)


async def test_a_run_that_calls_nobody_cannot_be_taken(desk):
    result = await desk.run("steps:\n  - {wait: 1s, id: rest}\n")
    with pytest.raises(Usage, match="calls nobody"):
        await desk.engine.acknowledge(result.run, BO)


async def test_what_is_taken_while_it_waits_for_its_turn_is_not_sent(desk, monkeypatch):
    seen: list[Event] = []
    begun = asyncio.Event()

    def observe(event: Event) -> None:
        seen.append(event)
        if event.type == "TellStarted":
            desk.clock.held += 1  # its turn does not come before somebody took it
            begun.set()

    monkeypatch.setattr(Beeper, "interval_s", 3600.0)
    await desk.run(CALLS, acks(desk, told=1))
    Beeper.rang.clear()
    run = asyncio.create_task(desk.run(CALLS, observe))
    await begun.wait()
    await desk.engine.acknowledge(seen[0].run, BO)
    desk.clock.held -= 1
    await run
    assert Beeper.rang == []
    assert [e.body["dropped"] for e in seen if e.type == "TellFailed"] == [True]


def test_every_message_of_a_runbook_is_shown_before_one_is_sent(tmp_path, monkeypatch):
    desk = asyncio.run(opened(tmp_path, "memory:"))
    desk.write("main.yaml", f"title: Redis\nseverity: SEV1\nescalation: default\n{CALLS}")
    books = Books([desk.folder])
    runbook = books.load("p/main", desk.registry)
    given = (books, desk.registry, runbook, "test")
    found = preview(*given)
    assert [(t.when, t.name, t.by) for t in found] == [
        ("at `call`", "Ana Lim", ("beep",)),
        ("at `call` + 15m", "Bo Ek", ("siren", "beep")),
        ("at `call` + 30m", "Cy Ott", ("siren",)),
        ("when it ends, unless resolved", "Ana Lim", ("beep",)),
        ("when it ends, unless resolved + 15m", "Bo Ek", ("siren", "beep")),
        ("when it ends, unless resolved + 30m", "Cy Ott", ("siren",)),
        ("once somebody took it", "whoever was told", ("beep", "siren")),
        ("once the run is resolved or cancelled", "whoever was told", ("beep", "siren")),
        ("every 15m while it is open", "room", ("room",)),
    ]
    assert Beeper.rang == []
    at_us = 1_800_000_000_000_000
    monkeypatch.setattr("engine.wiring.preview._now_us", lambda: at_us)
    by = [re.findall(r"by (\S+) UTC", one.text) for one in preview(*given)][:3]
    assert by == [["08:15"], ["08:30"], ["08:45"]]
    taken, over, stands = found[-3:]
    assert taken.title == "Taken by <who>: [SEV1] Redis is full"
    assert taken.text.startswith("<who> took it at ")
    assert over.text.startswith("The run is resolved after <how long>: <because>\n")
    assert (stands.title, stands.text) == ("Status: [SEV1] Redis", "Open for 15m")


class Killed(Exception):
    """The process is gone."""


class Mortal:
    """A run whose driver dies again and again, behind an event or with a message on its way;
    between two lives somebody acts, once.
    """

    def __init__(
        self,
        desk: Desk,
        dice: random.Random,
        text: str = CALLS,
        acts_at: Sequence[int] = (1, 5, 9, 14, 20, 30),
    ) -> None:
        self.desk = desk
        self.dice = dice
        self.text = text
        self.acts_at = dice.choice(acts_at)
        self.seen: list[Event] = []
        self.deaths = 0
        self.task: asyncio.Task[Any] | None = None

    async def live(self) -> list[Event]:
        """Its journal, once it is over."""
        Beeper.rang.clear()
        Beeper.on = Siren.on = self.rings
        while not await self.one_life():
            self.deaths += 1
            await self.desk.again()
            state = await self.desk.engine.state(self.seen[0].run)
            if state.over:
                break
            if len(self.seen) > self.acts_at and await self.act(state):
                self.acts_at = 10_000
        return await self.desk.engine.store.events(self.seen[0].run)

    async def act(self, state: State) -> bool:
        """Whether somebody had to act, and did."""
        if not calling_now(state):
            return False
        await self.desk.engine.acknowledge(state.run, BO)
        return True

    async def one_life(self) -> bool:
        """True when the run came to its end, or waits for people only."""
        work: Any = self.desk.run(self.text, self.observe, actor=ALICE)
        if self.seen:
            work.close()
            faces, run = Faces(observe=self.observe), self.seen[0].run
            work = self.desk.engine.resume(run, actor=ALICE, faces=faces, force=True)
        self.task = asyncio.create_task(work)
        try:
            await self.task
        except (Killed, asyncio.CancelledError):
            return False
        return True

    def observe(self, event: Event) -> None:
        self.seen.append(event)
        if self.dice.random() < 0.12:
            raise Killed

    async def rings(self, _message: Any) -> None:
        """Sometimes the process dies before the message went out."""
        if self.dice.random() < 0.15 and self.task is not None:
            self.task.cancel()
            await asyncio.get_running_loop().create_future()


def judged(events: list[Event]) -> None:
    due = [e.body for e in events if e.type == "LevelDue"]
    assert len({(b["level"], b["round"]) for b in due}) == len(due)
    ends: dict[str, list[Event]] = {}
    for event in events:
        if event.type in ("Told", "TellFailed"):
            ends.setdefault(event.body["summons"], []).append(event)
    taken = next((e.seq for e in events if e.type == "Acknowledged"), None)
    for body in due:
        for one in body["recipients"]:
            summons = f"1.{body['level']}.{body['round']}:{one['id']}"
            told = any(e.type == "Told" for e in ends.get(summons, []))
            stated = any(e.body.get("doubt") for e in ends.get(summons, []))
            assert told or stated or taken is not None, (summons, [e.type for e in events])
    keys = [e.body["key"] for e in events if e.type == "Told"]
    assert len(keys) == len(set(keys))
    if taken is not None:
        late = [e for e in events if e.type == "TellStarted" and e.seq > taken]
        assert [e for e in late if e.body["kind"] == "page"] == []
    rang = [m.key for m in Beeper.rang]
    once = [key for key in rang if key.endswith(":siren")]
    assert len(once) == len(set(once)), "a channel that knows no key sent something twice"


async def test_a_failed_run_whose_driver_died_is_taken_up_and_goes_on_calling(desk):
    text = "steps:\n  - {check: lab.look, id: look, target: there, with: {word: w}}\n"
    text += "on_failure:\n  - {escalate: default, id: call}\n"
    lab.Target.on["w"] = lab.fails(maybe_done=False)
    seen: list[Event] = []

    def dies(event: Event) -> None:
        seen.append(event)
        if event.type == "RunFinished":
            raise Killed

    with pytest.raises(Killed):
        await desk.run(text, dies)
    await desk.again()
    run, faces = seen[0].run, Faces(observe=acks(desk, told=1))
    await desk.engine.resume(run, actor=ALICE, faces=faces, force=True)
    assert [m.name for m in Beeper.rang] == ["Ana Lim", "Bo Ek"]
    assert (await desk.engine.state(run)).over
    lab.Target.reset()


async def test_what_follows_says_who_took_it_and_how_it_ended(desk):
    ends = CALLS + "  - {wait: 1h, id: rest}\n  - {end: resolved, because: there is room}\n"
    Beeper.follows = True
    await desk.run(f"severity: SEV1\n{ends}", acks(desk, told=1))
    _, taken, over = [m for m in Beeper.rang if m.to == "+1"]
    assert taken.title == "Taken by bo: [SEV1] Redis is full"
    assert taken.text.startswith("bo took it at ")
    assert taken.text.splitlines()[0].endswith(": on it")
    assert over.title == "Resolved: [SEV1] Redis is full"
    assert over.text.startswith("The run is resolved after 1h")
    assert "there is room\nbo took it" in over.text


class SetBack(Hands):
    """A wall clock that somebody sets back; the monotonic one goes on."""

    back_us = 0

    def now_us(self) -> int:
        return super().now_us() - self.back_us


async def test_a_clock_that_is_set_back_makes_nobody_wait_longer(tmp_path):
    desk = await opened(tmp_path, f"sqlite:///{tmp_path}/journal.db")
    clock = desk.clock = desk.engine.clock = SetBack()
    turning = asyncio.create_task(clock.turn())
    taken = acks(desk, told=2)

    def observe(event: Event) -> None:
        if event.type == "Told":
            clock.back_us = 3600 * 1_000_000
        taken(event)

    began_s = clock.monotonic_s()
    result = await desk.run(CALLS, observe)
    assert [m.name for m in Beeper.rang] == ["Ana Lim", "Bo Ek"]
    assert clock.monotonic_s() - began_s < 20 * 60
    events = await desk.engine.store.events(result.run)
    times = [e.at_us for e in events if e.type != "Acknowledged"]
    assert times == sorted(times)
    turning.cancel()
    await desk.engine.store.close()
