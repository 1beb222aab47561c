"""Messages that wait for the turn of their place when their process is asked to end."""

from __future__ import annotations

import asyncio
import random

import pytest

from engine.errors import JournalError
from engine.wiring import Faces
from tests.runs.beeper import Beeper, Siren
from tests.runs.test_telling import (
    ALICE,
    BO,
    CALLS,
    CONTACTS,
    Mortal,
    judged,
    opened,
    turning,
)

PAIR = CONTACTS.replace('siren: "+2"', 'siren: "+1"').replace(
    "{who: [on-call], by: [beep]}", "{who: [ana, bo], by: [siren]}"
)
"""Two messages to one place, by a channel that does not know a message by its key."""


@pytest.fixture
async def desk(tmp_path, monkeypatch):
    monkeypatch.setattr(Siren, "interval_s", 7200.0)
    async with turning(tmp_path) as made:
        made.write("contacts.yaml", PAIR)
        yield made


class Life:
    """One process that drives a run, and is asked to end once a message is out."""

    def __init__(self, desk, how):
        self.desk, self.how = desk, how
        self.seen, self.leave, self.task = [], asyncio.Event(), None

    async def live(self, work):
        self.task = asyncio.create_task(work(Faces(observe=self.observe, leave=self.leave)))
        await asyncio.gather(self.task, return_exceptions=True)

    def observe(self, event):
        self.seen.append(event)
        if event.type == "TellStarted":
            self.desk.clock.held = 1  # the turn of the second does not come in this life
        if event.type == "Told":
            asyncio.get_running_loop().call_soon(self.end)

    def end(self):
        if self.how == "is asked first":
            self.leave.set()
            asyncio.get_running_loop().call_later(0.01, self.task.cancel)  # the grace
        else:
            self.task.cancel()


async def first_life(desk, how="is asked first"):
    """The run, its events so far, of which the second message waited for its turn."""
    life = Life(desk, how)

    def begin(faces):
        desk.write("main.yaml", f"title: Redis\n{CALLS}")
        given = {"environment": "test", "inputs": {}, "actor": ALICE, "faces": faces}
        return desk.engine.run("p/main", **given)

    await life.live(begin)
    desk.clock.held = 0
    await desk.again()
    run = life.seen[0].run
    return run, await desk.engine.store.events(run)


@pytest.mark.parametrize("how", ["is asked first", "is cut off"])
async def test_a_message_whose_turn_had_not_come_did_not_leave_and_that_is_recorded(desk, how):
    _, events = await first_life(desk, how)
    assert [m.name for m in Beeper.rang] == ["Ana Lim"]
    (last,) = [event for event in events if event.type == "TellFailed"]
    body = {key: last.body[key] for key in ("summons", "doubt", "dropped", "unsent", "next_us")}
    known = {"summons": "1.1.1:bo", "doubt": False, "dropped": False, "unsent": True}
    assert body == {**known, "next_us": last.at_us}
    assert last.body["why"] == "the process ended before its turn came: it was not sent"


async def test_it_is_sent_once_by_whoever_takes_the_run_up(desk):
    run, _ = await first_life(desk)
    told = []

    def observe(event):
        if event.type == "Told" and not told:
            told.append(event)
            asyncio.get_running_loop().create_task(desk.engine.acknowledge(run, BO))

    await desk.engine.resume(run, actor=ALICE, faces=Faces(observe=observe), force=True)
    assert [(m.name, m.attempt) for m in Beeper.rang[:2]] == [("Ana Lim", 1), ("Bo Ek", 1)]
    pages = [m.key for m in Beeper.rang if m.kind == "page"]
    assert len(pages) == len(set(pages))
    events = await desk.engine.store.events(run)
    assert not any(e.body.get("doubt") for e in events if e.type == "TellFailed")


async def test_it_is_not_sent_where_somebody_took_it_meanwhile(desk):
    run, _ = await first_life(desk)
    await desk.engine.acknowledge(run, BO)
    await desk.engine.resume(run, actor=ALICE, force=True)
    assert [m.name for m in Beeper.rang if m.kind == "page"] == ["Ana Lim"]
    assert (await desk.engine.state(run)).over


async def test_whoever_took_it_while_it_waited_makes_it_needless_though_the_process_ends(desk):
    life = Life(desk, "is asked first")
    cut_off = life.end

    def observe(event):
        life.observe(event)
        if event.type == "Acknowledged":
            cut_off()

    life.end = lambda: asyncio.ensure_future(desk.engine.acknowledge(life.seen[0].run, BO))
    faces = Faces(observe=observe, leave=life.leave)
    life.task = asyncio.create_task(desk.run(CALLS, faces=faces))
    await asyncio.gather(life.task, return_exceptions=True)
    desk.clock.held = 0
    events = await desk.engine.store.events(life.seen[0].run)
    fate = [e.body for e in events if e.type == "TellFailed"]
    assert [(b["dropped"], b["doubt"], "unsent" in b) for b in fate] == [(True, False, False)]


async def test_one_whose_turn_comes_while_the_process_is_given_time_to_end_is_sent(desk):
    life = Life(desk, "is asked first")
    life.end = life.leave.set

    def observe(event):
        life.observe(event)
        desk.clock.held = 0

    faces = Faces(observe=observe, leave=life.leave)
    assert (await desk.run(CALLS, faces=faces)).status == "left"
    assert [m.name for m in Beeper.rang] == ["Ana Lim", "Bo Ek"]


async def test_where_that_cannot_be_recorded_it_is_in_doubt_as_after_a_kill(desk, monkeypatch):
    life, append = Life(desk, "is cut off"), desk.engine.store.append

    async def fails(lease, after, drafts):
        if any(draft.body.get("unsent") for draft in drafts):
            raise JournalError("the disk is full")
        return await append(lease, after, drafts)

    monkeypatch.setattr(desk.engine.store, "append", fails)

    def begin(faces):
        return desk.run(CALLS, faces=faces)

    await life.live(begin)
    assert life.task.cancelled()
    desk.clock.held = 0
    state = await desk.engine.state(life.seen[0].run)
    assert state.escalations["call"].summons["1.1.1:bo"].status == "flying"


DEATHS = 100
"""Kills and stops, over as many runs as it takes."""


class Stopped(Mortal):
    """A run whose driver is asked to end again and again, while messages wait for their turn; every
    second one is killed too.
    """

    def __init__(self, desk, dice):
        super().__init__(desk, dice)
        self.leave = asyncio.Event()
        self.stopped = 0
        self.stopping = None
        self.kills = dice.random() < 0.5

    async def one_life(self):
        self.leave = asyncio.Event()
        work = self.desk.run(self.text, faces=self.faces)
        if self.seen:
            work.close()
            given = {"actor": ALICE, "faces": self.faces, "force": True}
            work = self.desk.engine.resume(self.seen[0].run, **given)
        self.task = asyncio.create_task(work)
        return await self.ended() not in (None, "left")

    async def ended(self):
        """How its process ended: None where it was killed."""
        try:
            return (await self.task).status
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - as a process that dies
            return None

    @property
    def faces(self):
        return Faces(observe=self.observe, leave=self.leave)

    def observe(self, event):
        if self.dice.random() < 0.12:
            self.stopped += 1
            self.stop()
        if self.kills:
            super().observe(event)
        else:
            self.seen.append(event)

    def stop(self):
        """Asked to end, and cut off a little later; once."""
        loop = asyncio.get_running_loop()
        if self.stopping is self.task:
            return
        self.stopping = self.task
        loop.call_soon(self.leave.set)
        loop.call_later(self.dice.choice([0, 0.001, 0.003]), self.task.cancel)

    async def rings(self, message):
        if self.kills:
            await super().rings(message)


ENOUGH, LIVES_MAX = 30, 500
"""Stops, and messages that they left unsent: how many a life has is up to the machine, so that it
goes on until it saw enough, within a bound.
"""


async def test_over_100_kills_and_stops_every_level_is_told_and_what_waited_is_never_in_doubt(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(Siren, "interval_s", 600.0)
    monkeypatch.setattr(Beeper, "interval_s", 300.0)
    desk = await opened(tmp_path, f"sqlite:///{tmp_path}/journal.db")
    same = CONTACTS.replace("+2", "+1").replace("+3", "+1")
    desk.write("contacts.yaml", same.replace("[on-call], by: [beep]", "[ana, bo, cy], by: [siren]"))
    turning_hands = asyncio.create_task(desk.clock.turn(0.0003))
    killed = stopped = unsent = seed = 0
    try:
        while (killed < DEATHS or min(stopped, unsent) <= ENOUGH) and seed < LIVES_MAX:
            seed += 1
            one = Stopped(desk, random.Random(seed))
            events = await one.live()
            judged(events)
            fates = [e.body for e in events if e.type == "TellFailed"]
            unsent += sum(bool(body.get("unsent")) for body in fates)
            assert one.kills or not any(body["doubt"] for body in fates)
            killed, stopped = killed + one.deaths, stopped + one.stopped
    finally:
        turning_hands.cancel()
        await desk.engine.store.close()
    assert killed >= DEATHS
    assert stopped > ENOUGH
    assert unsent > ENOUGH
