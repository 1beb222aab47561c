"""Drives a run for a person or a program that watches: shows its events, asks its questions, heeds
Ctrl-C.

First Ctrl-C: the run is asked to cancel, like by `runbook cancel`; what cannot be stopped is waited
for. Second Ctrl-C, and SIGTERM and SIGHUP at once: the program leaves. The journal has all that was
done, and `runbook resume` takes the run up. Of a run whose steps are over, and which goes on only
because it calls people, nothing can be cancelled: the first Ctrl-C leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping

from engine.cli.called import why_open
from engine.cli.face import Face, make_face
from engine.cli.output import Output
from engine.cli.signals import heeding
from engine.core.events import Event
from engine.core.summons import ENDED_WELL
from engine.errors import RunbookError
from engine.wiring import RunResult

EXIT_LEFT = 3
"""The run is in the middle: a person must look."""

LEAVE_WITHIN_S = 5.0
"""Time to let go of connections and to stop what the sandbox started, before the process ends for
good."""

CALLS_AFTER_S = 1.0
"""After its end: a run that calls nobody, or is taken at once, is gone by then."""

Start = Callable[[Face], Awaitable[RunResult]]
Cancel = Callable[[str], Awaitable[object]]


async def drive(
    output: Output, start: Start, cancel: Cancel, past: list[Event] | None = None
) -> int:
    """Starts the run and stays until it is over or waits; the exit code.

    `past` are the events of a run that is taken up, so that the view begins with what is done.
    """
    face = make_face(output)
    result = None
    async with face:
        for event in past or ():
            face.past(event)
        run: asyncio.Task[RunResult] = asyncio.ensure_future(_awaited(start(face)))
        with (
            heeding(_Signals(run, face, cancel).handlers),
            contextlib.suppress(asyncio.CancelledError),
        ):
            told = asyncio.ensure_future(_tell_of_calls(face, output.command))
            try:
                result = await run
            finally:
                told.cancel()
    if result is None:
        face.left()
        return EXIT_LEFT
    face.finish(result)
    return result.exit_code


async def _tell_of_calls(face: Face, command: str) -> None:
    """Why a run whose steps are over does not end."""
    await face.ended.wait()
    await asyncio.sleep(CALLS_AFTER_S)
    calls = face.rows.calls if face.rows is not None else None
    end = face.rows.finished if face.rows is not None else None
    if end is not None and end.get("outcome") in ENDED_WELL:
        face.say("the run is over; those who were called are told so. Ctrl-C leaves")
        return
    face.say(f"the steps are over; {why_open(calls, f'{command} ack {face.run}')}. Ctrl-C leaves")


async def _awaited(result: Awaitable[RunResult]) -> RunResult:
    return await result


class _Signals:
    """What the signals do, by how often they came."""

    def __init__(self, run: asyncio.Task[RunResult], face: Face, cancel: Cancel) -> None:
        self._run, self._face, self._cancel = run, face, cancel
        self._asked: asyncio.Task[None] | None = None
        self._leaving = False

    @property
    def handlers(self) -> Mapping[signal.Signals, Callable[[], None]]:
        return {
            signal.SIGINT: self.interrupt,
            signal.SIGTERM: self.leave,
            signal.SIGHUP: self.leave,
        }

    def interrupt(self) -> None:
        if self._asked is not None or not self._face.run or self._face.ended.is_set():
            self.leave()
            return
        self._face.say("asking the run to stop; once more Ctrl-C leaves at once")
        self._asked = asyncio.ensure_future(self._ask())

    async def _ask(self) -> None:
        try:
            await self._cancel(self._face.run)
        except RunbookError as e:
            self._face.say(f"the run could not be asked to stop: {e.message}")

    def leave(self) -> None:
        """Cancels the task, which lets go of everything; where that hangs, a timer ends it."""
        if self._leaving:
            os._exit(EXIT_LEFT)
        self._leaving = True
        timer = threading.Timer(LEAVE_WITHIN_S, os._exit, [EXIT_LEFT])
        timer.daemon = True
        timer.start()
        self._run.cancel()
