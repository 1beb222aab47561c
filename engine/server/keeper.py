"""Drives the runs of this process, each as a task, from the moment it is asked for until it is over
or waits for people only; takes up what an earlier process left, and lets go at the end.

A run that waits for people only is parked: nothing of it is in memory but its name. It is taken up
again when somebody has said something to it, through us (`kick`) or past us (`tend`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from engine.core.events import ENGINE, Actor, Event
from engine.errors import Driven, JournalError, Refused, RunbookError, Usage
from engine.server.again import Again
from engine.server.around import Around, Surround, nothing_around
from engine.server.ending import done_within
from engine.server.going_on import go_on
from engine.server.logs import Log
from engine.server.unfinished import all_that_call, over_and_calling, unfinished
from engine.wiring import Engine, Faces, RunResult, new_id
from engine.wiring.held import HELD

TEND_S = 1.0
"""Between two looks for runs that others have spoken to: an approval from a command line is noticed
by then."""

RECOVER_AT_ONCE = 16
"""Runs that are taken up at the same time after a start: each opens connections."""

ORPHANS_S = 30.0
"""Between two looks for runs that call people and that nobody drives any more: whoever started them
left, or died. The next message is late by so much at most.
"""


@dataclass(frozen=True, slots=True)
class Begun:
    """What became of a run that was asked for. `how`: started, queued, joined or refused."""

    run: str
    how: str
    why: str = ""


_DRIVERS = ("RunStarted", "RunTakenUp")
"""What a driver writes in the name of whoever asked it to."""

_HOW = {"RunStarted": "started", "RunQueued": "queued", "RunRefused": "refused"}


def _ending() -> Refused:
    return Refused("this server is ending and begins nothing", help="ask again in a moment")


class Keeper:
    """See the module. Used from one event loop."""

    def __init__(
        self,
        engine: Engine,
        log: Log,
        *,
        drive_max: int,
        surround: Surround = nothing_around,
        observe: Callable[[Event], None] | None = None,
    ) -> None:
        self.engine = engine
        self._log = log
        self._surround = surround
        self._observe = observe
        self._leave, self._hurry = asyncio.Event(), asyncio.Event()
        self._room = asyncio.Semaphore(drive_max)
        self._tasks: dict[asyncio.Task[Any], str] = {}
        self._parked: dict[str, int] = {}
        """The last event of each parked run that its driver had seen."""
        self._later = Again(engine.clock.monotonic_s, log)
        self._orphans_s = engine.clock.monotonic_s() + ORPHANS_S
        self._again: set[str] = set()
        """Runs that somebody spoke to while they were driven, or about to be parked."""
        self._opening: dict[str, Callable[[], None]] = {}
        """Runs that are being taken up after the start, and what lets the next one be."""
        self._ended: list[Callable[[str, RunResult], None]] = []

    @property
    def leaving(self) -> bool:
        return self._leave.is_set()

    @property
    def driven(self) -> int:
        return len(self._tasks)

    @property
    def minded(self) -> frozenset[str]:
        """Runs that it drives, takes up as soon as there is room, or when somebody speaks to them:
        of none of them anything is to happen that does not.
        """
        return frozenset((*self._tasks.values(), *self._parked))

    @property
    def parked(self) -> int:
        return len(self._parked)

    @property
    def broken(self) -> int:
        """Runs whose driving broke, or that could not be taken up, and that are tried again."""
        return self._later.broken

    @property
    def held(self) -> int:
        """Runs that cannot be gone on with as things are: people are called, if they can be."""
        return self._later.held

    def when_ended(self, tell: Callable[[str, RunResult], None]) -> None:
        """`tell` hears of every run that is over, with its result."""
        self._ended.append(tell)

    async def start(self, name: str, environment: str, **given: Any) -> Begun:
        """Asks for a run and drives it; returns as soon as it is recorded what became of it.

        `given`: what `Engine.run` takes. Raises what `Engine.run` raises before anything is
        recorded, Refused when this process is ending.
        """
        inputs = dict(given.pop("inputs", {}))
        run = given["run"] = given.get("run") or new_id(self.engine.clock.now_us())
        runbook = self.engine.books.load(name, self.engine.registry)

        async def drive(faces: Faces) -> RunResult:
            async with self._surround(name.partition("/")[0], environment, runbook) as around:
                return await self.engine.run(
                    name,
                    environment=environment,
                    inputs={**around.inputs, **inputs},
                    services=around.services,
                    faces=faces,
                    **given,
                )

        return await self._begin(drive, run)

    async def undo(self, run: str, reason: str, actor: Actor) -> None:
        """Undoes a finished run; returns once it is under way. Raises what `Engine.undo` raises."""

        def take(around: Around, faces: Faces) -> Coroutine[Any, Any, RunResult]:
            return self.engine.undo(run, reason, actor=actor, services=around.services, faces=faces)

        await self._begin(lambda faces: self._around(run, take, faces), run)

    async def resume(self, run: str, actor: Actor) -> str:
        """Takes a run up, also one that was paused; returns once it is under way. What it waits
        for, where it was already. Raises what `Engine.resume` raises.
        """

        def take(around: Around, faces: Faces) -> Coroutine[Any, Any, RunResult]:
            return self.engine.resume(run, actor=actor, services=around.services, faces=faces)

        if run in self._tasks.values():
            return await go_on(self, run, actor)
        await self._begin(lambda faces: self._around(run, take, faces), run)
        return ""

    def kick(self, run: str) -> None:
        """Somebody said something to this run: unless it is driven, it is taken up again."""
        if run in self._tasks.values():
            self._again.add(run)  # its driver hears of it, unless it is just letting go
        elif not self.leaving:
            self._parked.pop(run, None)
            self._spawn(self._take_up(run), run)

    async def recover(self) -> int:
        """Takes up what an earlier process left in the middle; how many runs were found."""
        store, clock = self.engine.store, self.engine.clock
        found = [*await unfinished(store), *await over_and_calling(store, clock)]
        rows = [row for row in found if row not in self._tasks.values()]
        gate = asyncio.Semaphore(RECOVER_AT_ONCE)

        async def one(run: str) -> RunResult | None:
            await gate.acquire()
            self._opening[run] = gate.release
            try:
                return await self._take_up(run)
            finally:
                self._opened(run)

        for run in rows:
            self._spawn(one(run), run)
        return len(rows)

    async def tend(self) -> None:
        """Takes up parked runs that others have spoken to, for ever."""
        clock = self.engine.clock
        while True:
            await clock.sleep(TEND_S)
            with suppress(RunbookError):
                await self._look_after(clock.monotonic_s())

    def leave(self) -> None:
        """Begins nothing more; streams end, running steps come to theirs. The second time they are
        waited for no longer.
        """
        if self._leave.is_set():
            self._hurry.set()
        self._leave.set()

    async def close(self, grace_s: float) -> int:
        """Begins nothing more, waits for running steps, lets go. How many were cut off."""
        self._leave.set()
        await done_within(self._tasks, grace_s, self._hurry)
        rest = dict(self._tasks)
        for task, run in rest.items():
            self._log.warning("run is cut off, and taken up by the next start", run=run)
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        return len(rest)

    # -- inside ------------------------------------------------------------------------------------

    async def _look_after(self, now_s: float) -> None:
        if self._parked:
            for run, seq in (await unfinished(self.engine.store)).items():
                if self._parked.get(run, seq) < seq:
                    self.kick(run)
        found = self._later.take_due({*self._tasks.values()})
        if now_s >= self._orphans_s:
            self._orphans_s = now_s + ORPHANS_S
            found += await self._orphans()
        for run in found:
            if not self.leaving and run not in self._tasks.values():
                self._parked.pop(run, None)
                self._spawn(self._take_up(run), run)

    async def _orphans(self) -> list[str]:
        """Runs that call people, and that we know nothing of: whoever takes one up sees whether
        somebody drives it.
        """
        ours = {*self._tasks.values(), *self._parked}
        known = lambda run: run in ours or self._later.knows(run)  # noqa: E731
        return await all_that_call(self.engine.store, self.engine.clock, known)

    async def _take_up(self, run: str) -> RunResult | None:
        """Takes a run up again, for the engine; one that another process drives is left to it, for
        as long as it does.
        """

        def again(around: Around, faces: Faces) -> Coroutine[Any, Any, RunResult]:
            given: dict[str, Any] = {"actor": ENGINE, "unpause": False}
            return self.engine.resume(run, services=around.services, faces=faces, **given)

        try:
            result = await self._around(run, again, self._faces(None, hold=True))
        except Driven as error:
            self._later.driven(run, error)
        except JournalError:
            raise
        except RunbookError as error:
            if isinstance(error, Usage) and (await self.engine.state(run)).over:
                self._later.over(run, error)
            else:  # it waits in line, or cannot be read: it may call people, or has to act
                self._later.not_taken_up(run, error)
        else:
            self._later.taken_up(result)
            return result
        return None

    async def _begin(
        self, work: Callable[[Faces], Coroutine[Any, Any, RunResult]], run: str
    ) -> Begun:
        """Drives in a task; returns at the first event, raises what comes before it."""
        if self.leaving:
            raise _ending()
        begun: asyncio.Future[Begun] = asyncio.get_running_loop().create_future()
        self._parked.pop(run, None)

        async def drive() -> RunResult | None:
            try:
                result = await work(self._faces(begun))
            except Exception as error:
                if begun.done():
                    raise
                begun.set_exception(error)
                return None
            if not begun.done():
                begun.set_result(Begun(result.run, result.status, result.because or ""))
            return result

        def cut_off(_task: asyncio.Task[Any]) -> None:
            if not begun.done():
                begun.set_exception(_ending())

        self._spawn(drive(), run).add_done_callback(cut_off)
        return await asyncio.shield(begun)

    async def _around(
        self,
        run: str,
        take: Callable[[Around, Faces], Coroutine[Any, Any, RunResult]],
        faces: Faces,
    ) -> RunResult:
        state = await self.engine.state(run)
        pack = state.runbook.name.partition("/")[0]
        async with self._surround(pack, state.environment, state.runbook) as around:
            return await take(around, faces)

    def _opened(self, run: str) -> None:
        """It is driven, perhaps for hours: nobody has to wait for that."""
        release = self._opening.pop(run, None)
        if release is not None:
            release()

    def _faces(self, begun: asyncio.Future[Begun] | None, *, hold: bool = False) -> Faces:
        def observe(event: Event) -> None:
            self._opened(event.run)
            if begun is not None and not begun.done():
                how = _HOW.get(event.type, "joined" if event.type == "RunJoined" else "started")
                begun.set_result(Begun(event.run, how, str(event.body.get("reason") or "")))
            self._later.observe(event)
            if self._observe is not None:
                self._observe(event)

        def console(text: str) -> None:
            self._log.warning(text)

        return Faces(observe=observe, console=console, leave=self._leave, hold=hold)

    def _spawn(self, work: Coroutine[Any, Any, RunResult | None], run: str) -> asyncio.Task[Any]:
        async def in_its_turn() -> RunResult | None:
            try:
                await self._room.acquire()
            except asyncio.CancelledError:
                work.close()
                raise
            try:
                return await work
            finally:
                self._room.release()

        task = asyncio.create_task(in_its_turn())
        self._tasks[task] = run
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        run = self._tasks.pop(task)
        if task.cancelled():
            self._again.discard(run)
            return
        error = task.exception()
        if error is not None:
            self._again.discard(run)
            self._broke(run, error)
            return
        result: RunResult | None = task.result()
        if result is None:
            self._again.discard(run)
            return
        if result.status in ("waiting", "in doubt", "paused", HELD):
            parking = asyncio.ensure_future(self._park(result.run))
            self._tasks[parking] = result.run
            parking.add_done_callback(self._is_parked)
        elif result.status != "left":
            self._again.discard(result.run)
            self._later.forget(result.run)
            self._log.info("run ended", run=result.run, status=result.status, why=result.because)
            for tell in self._ended:
                tell(result.run, result)

    def _is_parked(self, parking: asyncio.Task[None]) -> None:
        run = self._tasks.pop(parking)
        if parking.cancelled():
            return
        if (error := parking.exception()) is not None:
            self._again.discard(run)
            self._broke(run, error)
        elif run in self._again:
            self._again.discard(run)
            self.kick(run)

    async def _park(self, run: str) -> None:
        """What was said behind the last thing that its driver did is looked at once more: it may
        have come too late for it."""
        events = await self.engine.store.events(run)
        ours = (e.seq for e in events if e.actor.get("means") == "engine" or e.type in _DRIVERS)
        self._parked[run] = max(ours, default=0)

    def _broke(self, run: str, error: BaseException) -> None:
        """A run whose driving broke is in its journal, and is tried again later."""
        known = isinstance(error, RunbookError)
        words = error.message if isinstance(error, RunbookError) else repr(error)
        self._log.fault("driving broke", run=run, why=words, bug=not known)
        if not isinstance(error, Usage | Refused):
            self._later.broke(run)
