"""Drives one run: asks `decide`, makes its events durable, performs what they announce, feeds back
what came.

The only order that matters: decide, append, perform. Everything that follows from one piece of news
(an outcome, a person's event, a time) is appended together, so a step costs one commit; nothing is
performed before the commit that announces it. When somebody else appended first, the whole state is
read anew and the news is looked at again in its light.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from typing import Any

from msgspec.structs import replace

from engine.clock import Onward
from engine.core.decide import decide
from engine.core.effects import Decision, Perform, Record, Tell
from engine.core.escalate import conclude_tell
from engine.core.events import PROGRESS_MAX_CHARS, Draft, Event
from engine.core.judge import Outcome, conclude
from engine.core.state import State
from engine.errors import JournalError, Moved
from engine.runner.alarms import Alarm
from engine.runner.asking import Asking
from engine.runner.given import (
    ASKED,
    NEWS,
    TIME,
    Came,
    Driving,
    Item,
    Performing,
    Said,
    Told,
    to_judge,
)
from engine.runner.inbox import Inbox
from engine.runner.messages import Messages
from engine.runner.minding import Minding

PROGRESS_MAX_LINES = 500
"""Progress lines of one attempt that are recorded; beyond it only every hundredth is, so that what
talks for hours does not fill the journal.
"""

MOVED_MAX = 50
"""How often in a row an append may find that somebody else came first, before that is called a
fault.
"""
__all__ = ["Driver", "Driving", "Performing"]


class Driver:
    """Drives one run to its end, or until only people can help."""

    def __init__(self, given: Driving, events: list[Event]) -> None:
        self._state = State.of(given.lease.run, given.runbook, events)
        self._given = replace(given, clock=Onward(given.clock, self._state.last_us))
        self._minding = given.minding or Minding(given.store, given.clock)
        self._inbox: Inbox[Item] = Inbox()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopped: set[str] = set()
        self._lines: dict[str, int] = {}
        self._asking = Asking(given.ask, self._mind, lambda: self._inbox.put(NEWS))
        self._broken: BaseException | None = None
        self._leaving = False
        self._hand: list[Item] = []
        """News that is being recorded."""
        self._ahead = False
        """Whether the state has drafts that the journal does not have, and may refuse."""
        self._messages = Messages(self._given, lambda: (self._state, self._ahead))

    @property
    def left(self) -> bool:
        """Whether it let go because it was asked to, with the run in the middle."""
        return self._leaving and not self._state.over

    @property
    def state(self) -> State:
        return self._state

    async def drive(self, first: list[Draft] | None = None) -> Decision:
        """Returns when the run is over or waits for people only: then the decision says for what.

        `first` are events to append before anything else (`RunTakenUp`). Raises JournalError,
        Fenced.
        """
        given, minding, cut_off = self._given, self._minding, False
        minding.hold(given.lease, self._break)
        unheard = given.store.listen(given.lease.run, lambda: self._state.seq, self._hear)
        if given.leave is not None:
            minding.heed(given.leave, self._heed)
        try:
            decision = await self._settle([], first or [])
            while not self._state.over:
                if self._only_people(decision) or self._may_leave():
                    break
                self._hand = await self._next(decision.wake_us)
                decision = await self._settle(self._hand, [])
                self._hand = []
            return decision  # noqa: TRY300 - what is behind it goes on in any case
        except asyncio.CancelledError:
            cut_off = True
            raise
        finally:
            unheard()
            if given.leave is not None:
                minding.heed_no_more(given.leave, self._heed)
            minding.let_go(given.lease)
            await self._leave()
            if cut_off:
                await self._give_back()

    # -- one turn ----------------------------------------------------------------------------------

    async def _settle(self, items: list[Item], drafts: list[Draft]) -> Decision:
        """Takes news in, decides, appends, performs. Again from the journal when it has moved."""
        for _ in range(MOVED_MAX):
            if self._broken is not None:
                raise self._broken
            if NEWS in items:
                await self._read_on()
            try:
                return await self._turn(items, drafts)
            except Moved:
                await self._read_all()
        raise Moved(f"run {self._state.run} was appended to by others {MOVED_MAX} times in a row")

    async def _turn(self, items: list[Item], first: list[Draft]) -> Decision:
        state, seq = self._state, self._state.seq
        drafts: list[Draft] = []
        for draft in first:
            self._take(draft, drafts)
        for item in items:
            self._take_item(item, drafts)
        if TIME in items:
            self._take(Draft("TimeReached", {}, self._now()), drafts)
        decision, performs = self._decide(drafts) if not self._leaving else (Decision(), [])
        if drafts:
            given, self._ahead = self._given, True
            events = await given.store.append(given.lease, seq, drafts)
            state.seq, self._ahead = events[-1].seq, False
            self._show(events)
        for effect in performs:
            self._perform(effect)
        for path in decision.stop:
            self._stop(path)
        self._asking.next(decision.ask)
        return decision

    def _decide(self, drafts: list[Draft]) -> tuple[Decision, list[Perform | Tell]]:
        """Decides until nothing more follows. A decision is made anew once the shape of the run
        changed.
        """
        performs: list[Perform | Tell] = []
        while True:
            decision = decide(self._state)
            records = [record for record in decision.record if not self._held(record)]
            if not records:
                return decision, performs
            turns = self._state.turns
            for record in records:
                draft = self._draft(record)
                self._take(draft, drafts)
                if not isinstance(record, Record):
                    performs.append(replace(record, body=draft.body))
                if self._state.turns != turns:
                    break

    def _held(self, record: Record | Perform | Tell) -> bool:
        """Whether somebody is asked first whom a level calls: it is decided anew then. All else
        goes on meanwhile, and what people say meanwhile counts.
        """
        if record.type != "LevelDue" or self._given.first is None:
            return False
        body = record.body
        key = f"who is called: {body['escalation']} {body['level']} {body['round']}"
        if key not in self._tasks:
            asking = self._given.first(self._state, body)
            if asking is None:
                return False
            self._tasks[key] = self._mind(self._ask_first(key, asking))
        return True

    async def _ask_first(self, key: str, asking: Coroutine[Any, Any, None]) -> None:
        await asking
        del self._tasks[key]
        self._inbox.put(ASKED)

    def _take_item(self, item: Item, drafts: list[Draft]) -> None:
        if isinstance(item, Came):
            step = self._state.steps[item.path]
            if step.in_flight:
                at_us = max(item.at_us, self._state.last_us)
                record = conclude(self._state, item.path, item.outcome, at_us)
                self._take(Draft(record.type, record.body, at_us), drafts)
        elif isinstance(item, Told):
            place, at_us = (item.escalation, item.summons), max(item.at_us, self._state.last_us)
            if self._state.escalations[item.escalation].summons[item.summons].status == "flying":
                told = conclude_tell(self._state, *place, item.outcome, at_us)
                self._take(Draft(told.type, told.body, at_us), drafts)
        elif isinstance(item, Said):
            body = {"path": item.path, "text": self._given.redact(item.text)[:PROGRESS_MAX_CHARS]}
            self._take(Draft("StepProgressed", body, max(item.at_us, self._state.last_us)), drafts)

    def _take(self, draft: Draft, drafts: list[Draft]) -> None:
        self._state.apply(draft)
        drafts.append(draft)

    def _draft(self, record: Record | Perform | Tell) -> Draft:
        body = record.body
        if record.type == "LevelDue" and self._given.called is not None:
            body = {**body, **self._given.called(self._state, body)}
        return Draft(record.type, self._given.redact(body), self._now())

    def _now(self) -> int:
        """The time of a new event: never before the one in front of it, whatever the wall clock
        does.
        """
        return max(self._given.clock.now_us(), self._state.last_us)

    def _show(self, events: list[Event]) -> None:
        if self._given.observe is not None:
            for event in events:
                self._given.observe(event)

    async def _read_on(self) -> None:
        """Events that others appended."""
        events = await self._given.store.events(self._state.run, after=self._state.seq)
        for event in events:
            self._state.apply(event)
        self._show(events)

    async def _read_all(self) -> None:
        """The state from the journal alone, after what was decided on an older one was refused."""
        seen = self._state.seq
        events = await self._given.store.events(self._state.run)
        self._state = State.of(self._state.run, self._given.runbook, events)
        self._ahead = False
        self._show([event for event in events if event.seq > seen])

    # -- the world ---------------------------------------------------------------------------------

    def _perform(self, effect: Perform | Tell) -> None:
        body = effect.body
        if isinstance(effect, Tell):
            self._tasks[body["key"]] = self._mind(self._tell(effect))
            return
        path = body["path"]
        self._lines[path] = 0
        self._tasks[path] = self._mind(self._one(path, body))

    async def _one(self, path: str, body: Mapping[str, Any]) -> None:
        clock = self._given.clock
        begun_s = clock.monotonic_s()
        try:
            outcome = await self._given.perform(body, lambda text: self._progress(path, text))
        except asyncio.CancelledError:
            if path not in self._stopped:
                raise
            elapsed_ms = round((clock.monotonic_s() - begun_s) * 1000, 3)
            error: dict[str, Any] = {
                "message": "stopped before it had an answer",
                "kind": "stopped",
            }
            error |= {"help": None, "maybe_done": False, "retryable": False, "detail": {}}
            outcome = Outcome(None, error, elapsed_ms)
        del self._tasks[path]
        self._inbox.put(Came(path, to_judge(outcome, self._given.redact), clock.now_us()))

    async def _tell(self, effect: Tell) -> None:
        body = effect.body
        outcome = to_judge(await self._messages.tell(effect), self._given.redact)
        del self._tasks[body["key"]]
        place = (body["escalation"], body["summons"])
        self._inbox.put(Told(*place, outcome, self._given.clock.now_us()))

    def _progress(self, path: str, text: str) -> None:
        count = self._lines[path] = self._lines.get(path, 0) + 1
        if count <= PROGRESS_MAX_LINES or count % 100 == 0:
            self._inbox.put(Said(path, text, self._given.clock.now_us()))

    def _stop(self, path: str) -> None:
        task = self._tasks.get(path)
        if task is not None and path not in self._stopped:
            self._stopped.add(path)
            task.cancel()

    async def _next(self, wake_us: int | None) -> list[Item]:
        """The next news, all of it that is there. A time is news only once it has come."""
        while True:
            alarm = self._alarm(wake_us)
            items = await self._inbox.take()
            if alarm is not None:
                alarm.cancel()
            if wake_us is None or self._given.clock.now_us() < wake_us:
                items = [i for i in items if i is not TIME]
            elif TIME not in items:
                items.append(TIME)
            if items:
                return items

    def _alarm(self, wake_us: int | None) -> Alarm | None:
        if wake_us is None:
            return None
        in_s = (wake_us - self._given.clock.now_us()) / 1e6
        return self._minding.alarms.set(in_s, lambda: self._inbox.put(TIME))

    def _mind(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task beside the run. What it raises (a lost lease, a journal that is gone, a fault of
        ours) ends the driving: nobody would ever hear of what it was to tell.
        """
        task = asyncio.create_task(work)

        def ended(done: asyncio.Task[None]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None:
                self._break(error)

        task.add_done_callback(ended)
        return task

    def _break(self, error: BaseException) -> None:
        self._broken = error
        self._inbox.put(NEWS)

    def _hear(self, error: Exception | None) -> None:
        """Others appended: answers, a cancel."""
        if error is not None:
            self._broken = error
        self._inbox.put(NEWS)

    def _heed(self) -> None:
        self._leaving = True
        self._inbox.put(NEWS)

    # -- people ------------------------------------------------------------------------------------

    def _only_people(self, decision: Decision) -> bool:
        """Nothing is under way or due; there are questions, and nobody here who could be asked."""
        if decision.in_flight or self._tasks or decision.wake_us is not None:
            return False
        return not self._asking.under_way and not self._inbox

    def _may_leave(self) -> bool:
        return self._leaving and not self._tasks and not self._inbox

    async def _leave(self) -> None:
        """Leaves nothing behind: what is under way is cut off, and will be found interrupted."""
        rest = [*self._tasks.values()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, self._asking.leave(), return_exceptions=True)

    async def _give_back(self) -> None:
        """Of messages that were announced and did not begin to leave, that is recorded. Where it
        cannot be, they are in doubt, as after a kill.
        """
        if self._broken is not None or not self._messages.under_way(self._state):
            return
        self._leaving, given = True, self._given
        with contextlib.suppress(JournalError):
            with contextlib.suppress(Moved):  # it comes behind an append that was cut off
                await given.store.append(given.lease, self._state.seq, [])
            await self._read_all()
            more = await self._inbox.take() if self._inbox else ()
            await self._settle([*self._hand, *more], [])
            await self._settle([*self._messages.unsent(self._state)], [])
