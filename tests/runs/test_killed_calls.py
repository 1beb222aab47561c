"""300 random deaths while people are called, at every kind of point, and what must hold all the
same: every level that is due is told, none twice for one thing, none once it was taken.

The clock is the test's own, and goes on while nobody lives. What is judged is what reached people
and what the journal says, against the policy as it is written here.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from engine.core.events import Draft, Event
from engine.errors import AdapterError, Usage
from engine.plugin.channel import Message
from engine.wiring import Faces
from tests.runs.beeper import Beeper, Siren
from tests.runs.test_telling import ALICE, BO, CALLS, Desk, Killed, opened

KILLS = 300
"""Deaths, over as many runs as it takes."""

POINTS = (
    "before it is announced",
    "announced, and nothing done of it",
    "before it leaves",
    "once it is there, before that is said",
    "told, before that is written down",
)
CHANCE = 0.09
"""Of a death, at each point that a run passes."""

MINUTE_US = 60_000_000
DUE_US = {
    (1, 1): 0,
    (3, 1): 30 * MINUTE_US,
    **{(2, n): (15 + 10 * (n - 1)) * MINUTE_US for n in (1, 2, 3)},
}
"""Level and round: how long after the first one it is due at the soonest, by CONTACTS."""

READERS = {1: ("ana", ("beep",)), 2: ("bo", ("siren", "beep")), 3: ("cy", ("siren",))}
"""Of each level: whom it calls, and by what."""

LATE_US = MINUTE_US
"""After it was due, or somebody lived again: "at once", on a clock that goes on by itself."""


class Doomed:
    """A run whose driver dies again and again. Somebody takes it between two lives, or in the
    moment in which a message was announced and has not left; or nobody does.
    """

    def __init__(self, desk: Desk, dice: random.Random) -> None:
        self.desk = desk
        self.dice = dice
        self.acts = dice.random() < 0.5
        self.run = ""
        self.dead = False
        self.deaths: Counter[str] = Counter()
        self.task: asyncio.Task[Any] | None = None
        self.unwanted: set[str] = set()
        """Keys of messages that were announced when it was taken, and had not left."""
        self.acted = False
        self.wrong: list[str] = []

    async def live(self) -> list[Event]:
        """Its journal, once it is over, or waits for people only."""
        Beeper.rang.clear()
        Beeper.on = Siren.on = self.leaves
        Beeper.then = self.is_there
        while not await self.one_life():
            await self.desk.again()
            self.dead = False
            self.desk.clock.passes(self.dice.choice((0, 1, 90, 360, 1200, 3000)))
            if (await self.desk.engine.state(self.run)).over:
                break
            if self.acts and self.dice.random() < 0.2:
                await self.act()
        return await self.desk.engine.store.events(self.run)

    async def act(self) -> None:
        if self.acted:
            return
        try:
            await self.desk.engine.acknowledge(self.run, BO)
        except Usage:  # nobody is called yet
            return
        self.acted = True

    async def one_life(self) -> bool:
        self.dies_at_appends()
        faces = Faces(started=self.begun)
        if self.run:
            work: Any = self.desk.engine.resume(self.run, actor=ALICE, faces=faces, force=True)
        else:
            work = self.desk.run(CALLS, actor=ALICE, faces=faces)
        self.task = asyncio.create_task(work)
        try:
            await self.task
        except (Killed, asyncio.CancelledError):
            return False
        return True

    def begun(self, run: str) -> None:
        self.run = run

    def dies(self, point: str) -> bool:
        if self.dice.random() >= CHANCE:
            return False
        self.dead = True
        self.deaths[point] += 1
        return True

    def dies_at_appends(self) -> None:
        store = self.desk.engine.store
        append = store.append

        async def appended(lease: Any, after: int, drafts: Sequence[Draft]) -> list[Event]:
            if drafts and self.dead:
                raise Killed  # the dead write nothing
            ends = any(draft.type in ("Told", "TellFailed") for draft in drafts)
            if drafts and self.dies(POINTS[4] if ends else POINTS[0]):
                raise Killed
            events = await append(lease, after, drafts)
            if drafts and self.dies(POINTS[1]):
                raise Killed
            await self.takes(drafts)
            return events

        store.append = appended  # type: ignore[method-assign]

    async def takes(self, drafts: Sequence[Draft]) -> None:
        """Sometimes somebody takes it right behind what announces a message."""
        keys = [d.body["key"] for d in drafts if d.type == "TellStarted"]
        if keys and self.acts and not self.acted and self.dice.random() < 0.1:
            await self.act()
            self.unwanted.update(keys if self.acted else ())

    async def leaves(self, message: Message) -> None:
        announced = await self.announced(message)
        if announced is None:
            self.wrong.append(f"{message.key} left, and nothing on disk says that it would")
        if message.kind == "page" and message.key in self.unwanted:
            self.wrong.append(f"{message.key} left although it was taken")
        await self.may_die(POINTS[2])
        if message.attempt < 3 and self.dice.random() < 0.1:
            raise AdapterError("it takes no more for now")

    async def is_there(self, message: Message) -> None:
        await self.may_die(POINTS[3])
        if message.attempt < 3 and self.dice.random() < 0.1:
            raise AdapterError("the answer was lost", maybe_done=True)

    async def may_die(self, point: str) -> None:
        if self.dies(point) and self.task is not None:
            self.task.cancel()
            await asyncio.get_running_loop().create_future()

    async def announced(self, message: Message) -> Event | None:
        wanted = ("TellStarted", message.key, message.attempt)
        events = await self.desk.engine.store.events(self.run)
        found = [e for e in events if (e.type, e.body.get("key"), e.body.get("attempt")) == wanted]
        return found[-1] if found else None


def judged(doomed: Doomed, events: list[Event]) -> None:
    assert doomed.wrong == []
    first_us = next(e.at_us for e in events if e.type == "LevelDue")
    taken = next((e for e in events if e.type == "Acknowledged"), None)
    dues = [e for e in events if e.type == "LevelDue" and not e.body["skipped"]]
    places = [(e.body["level"], e.body["round"]) for e in dues]
    assert len(set(places)) == len(places), "a level was due twice"
    if taken is None:
        assert set(places) == set(DUE_US), "a level was left out"
        assert any(e.type == "EscalationExhausted" for e in events)
    for event, place in zip(dues, places, strict=True):
        judged_due(event, first_us + DUE_US[place], events)
        judged_told(event, taken, events)
    judged_rings(events, taken)


def judged_due(event: Event, due_us: int, events: list[Event]) -> None:
    """Never early; late only where nobody lived, and at once then."""
    lived = [e.at_us for e in events if e.type == "RunTakenUp" and e.seq < event.seq]
    earlier = [e for e in events if e.type == "LevelDue" and e.body["level"] == 2]
    if event.body["round"] > 1:  # counts from when it was told before
        due_us = next(
            e.at_us + 10 * MINUTE_US for e in earlier if e.body["round"] == event.body["round"] - 1
        )
    assert event.at_us >= due_us
    assert event.at_us - max(due_us, *lived, 0) < LATE_US, event.body


def judged_told(event: Event, taken: Event | None, events: list[Event]) -> None:
    """Whoever it calls was told, by a channel that knows the message again for certain."""
    reader, channels = READERS[event.body["level"]]
    assert [one["id"] for one in event.body["recipients"]] == [reader]
    summons = f"1.{event.body['level']}.{event.body['round']}:{reader}"
    ends = [e for e in events if e.body.get("summons") == summons]
    told = [e for e in ends if e.type == "Told"]
    doubts = [e for e in ends if e.type == "TellFailed" and e.body["doubt"]]
    assert len(told) <= 1
    known = told or (doubts and "beep" not in channels)
    assert known or (taken is not None and taken.seq > event.seq), summons


def judged_rings(events: list[Event], taken: Event | None) -> None:
    """One message for one thing: a channel that knows no key rang once for each, one that does by
    one key; none began behind the acknowledgement.
    """
    begun = [e for e in events if e.type == "TellStarted"]
    keys: dict[tuple[str, str], set[str]] = {}
    for event in begun:
        place = (event.body["summons"], event.body["channel"])
        keys.setdefault(place, set()).add(event.body["key"])
    assert {len(found) for found in keys.values()} <= {1}, "one thing has two keys"
    rang = Counter(message.key for message in Beeper.rang)
    assert set(rang) <= {e.body["key"] for e in begun}
    sirens = {key: n for key, n in rang.items() if key.endswith(":siren")}
    assert set(sirens.values()) <= {1}, "a channel that knows no key sent something twice"
    if taken is not None:
        late = [e for e in begun if e.seq > taken.seq and e.body["kind"] == "page"]
        assert late == [], "somebody was called although it was taken"


async def test_over_300_deaths_every_level_is_told_none_twice_and_none_that_was_taken(tmp_path):
    desk = await opened(tmp_path, f"sqlite:///{tmp_path}/journal.db")
    turning = asyncio.create_task(desk.clock.turn(0.0003))
    deaths: Counter[str] = Counter()
    seed = taken = 0
    try:
        while deaths.total() < KILLS:
            seed += 1
            one = Doomed(desk, random.Random(seed))
            judged(one, await one.live())
            deaths += one.deaths
            taken += one.acted
    finally:
        turning.cancel()
        await desk.engine.store.close()
    assert min(deaths[point] for point in POINTS) >= KILLS / 20, deaths
    assert 0 < taken < seed
