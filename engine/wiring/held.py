"""What a run that is taken up finds: whether it can be gone on with as things are, by what people
can be called, and when that is put right.

A server goes on calling people for a run that cannot be gone on with (`Faces.hold`); whoever takes
one up at a terminal is told why, and nothing is recorded.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec import structs

from engine.clock import Clock
from engine.config import Books, Environment
from engine.core.decide import decide
from engine.core.events import Event
from engine.core.state import State
from engine.errors import Diagnosed, RunbookError
from engine.registry import Registry
from engine.runner.connections import Connections
from engine.secret import Vault
from engine.wiring.admission import targets
from engine.wiring.base import RECORDED
from engine.wiring.calling import Directory, directory_of
from engine.wiring.faces import RunResult
from engine.wiring.fit import unfit
from engine.wiring.gone import refused
from engine.wiring.mending import mend

LOOK_S = 15.0
LOOK_MAX_S = 120.0
"""Between two looks whether a run that calls people can be gone on with again: 15 s, doubled until
two minutes. Each reads files, and thousands may be held for one reason.
"""

HELD = "held"
"""The status of a run that cannot be gone on with here."""

AGAIN = "again"
"""The status of one that was held, and can be gone on with: it is taken up anew, at once."""

EXIT_HELD = 3
"""A person must look."""


class Grounds(NamedTuple):
    """Where a run is taken up. `error`: why it cannot be gone on with; `mute`: nor can anybody be
    called, since what says by what cannot be read.
    """

    place: Environment
    directory: Directory
    error: RunbookError | None = None
    mute: bool = False


def lenient_to(state: State, hold: bool) -> bool:
    """Whether a run is driven that cannot be gone on with: to call people, or because somebody
    cancelled it, which ends it without anything being done. One that waits in line has not begun,
    and nobody is called for a rehearsal.
    """
    may = state.acting and state.root is not None and not state.rehearsing
    return may and (hold or state.cancelled is not None)


def grounds(books: Books, registry: Registry, state: State, *, hold: bool) -> Grounds:
    """Raises Usage, Diagnosed for what cannot be read, unless the run is held for it: then what can
    be read counts. Of one that has no steps left that is its channels.
    """
    pack = state.runbook.name.partition("/")[0]
    found: RunbookError | None = None
    for only in (targets(state.runbook), ()):
        try:
            place = books.environment(pack, state.environment, registry, only=only)
            return Grounds(place, directory_of(books, registry, state.runbook, place), found)
        except RunbookError as error:
            found = found or error
            if state.acting and not hold:
                raise
    if found is not None and not hold:
        raise found
    if (left := _left(books, registry, pack, state.environment)) is not None:
        return Grounds(left, Directory(books, registry, state.runbook, left), found)
    bare = Environment(pack=pack, name=state.environment, file="")
    return Grounds(bare, Directory(books, registry, state.runbook, bare), found, mute=True)


def _left(books: Books, registry: Registry, pack: str, name: str) -> Environment | None:
    """What is left of an environment that is wrong, where people are called by that alone: all
    channels of the contacts can be read in it. Else a level would be used up at the console.
    """
    try:
        left, contacts = books.environment_left(pack, name, registry), books.contacts(pack)
    except RunbookError:
        return None
    by = {channel.connection for channel in contacts.channels.values()} - {None}
    return left if left is not None and by and by <= {*left.connections} else None


def looked_at(
    registry: Registry, state: State, found: Grounds, connections: Connections, *, hold: bool
) -> tuple[str | None, dict[str, Any] | None]:
    """Why no step may be performed, where that is so, and the `held` of its `RunTakenUp`. Raises
    what is in the way of a run that is not to be held for it.
    """
    error = refused(state, registry) or found.error or unfit(state, found.place, connections)
    if error is not None and state.acting and not hold:
        raise error
    bar = connections.redact(_said(error)) if error is not None else None
    if not state.acting:
        return bar, None
    if state.cancelled is not None:  # one that was held stays so: it ends, and does not go on
        return bar, dict(state.held) if state.held is not None else None
    if error is None or bar is None:
        return bar, None
    held = {"why": bar, "mute": found.mute}
    return bar, held | {"mend": connections.redact(mend(error, state, found.place))}


TOLD_MAX = 3
"""Of all that is wrong in a file: the others are told where it is mended."""


def _said(error: RunbookError) -> str:
    """What is in the way, in a line."""
    if not isinstance(error, Diagnosed):
        return error.message
    told = []
    for one in error.diagnostics[:TOLD_MAX]:
        recorded = one.place.file.endswith(RECORDED)  # no file that could be looked at
        told.append(one.what if recorded else f"{one.what} ({one.place})")
    return "; ".join(told)


async def fits_again(
    books: Books, registry: Registry, state: State, services: Mapping[str, str] | None
) -> bool:
    """Whether a run that is held can be gone on with as things are now."""
    if refused(state, registry) is not None:
        return False
    try:
        found = grounds(books, registry, state, hold=False)
    except RunbookError:
        return False
    connections = Connections(found.place, registry, Vault(os.environ, services))
    connections.learn(found.directory.connections())  # as at the start: what is hidden is the same
    try:
        return unfit(state, found.place, connections) is None
    finally:
        await connections.close()


def unchanged(state: State, events: list[Event], held: Mapping[str, Any]) -> bool:
    """Whether it is held for this already, nobody has spoken since, and there is nobody to call."""
    last = events[-1]
    if state.held != held:
        return False
    if last.type != "RunTakenUp" and last.actor.get("means") != "engine":
        return False
    decision = decide(state)
    return not decision.record and decision.wake_us is None and not decision.in_flight


def held_result(state: State) -> RunResult:
    return RunResult(state.run, HELD, EXIT_HELD, str((state.held or {}).get("why")))


@dataclass(frozen=True, slots=True)
class Go:
    """Lets the driver of a run that is held go, once it can be gone on with again. `leave`: what
    asks it to in any case.
    """

    clock: Clock
    leave: asyncio.Event | None
    fits: Callable[[], Awaitable[bool]]

    async def drive(
        self, drive: Callable[[asyncio.Event], Coroutine[Any, Any, RunResult]]
    ) -> RunResult:
        """What `drive` comes to; `AGAIN` where it let go since the run can be gone on with."""
        go, again = asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(self._look(go, again)), asyncio.create_task(self._heed(go))]
        try:
            result = await drive(go)
        finally:
            for task in tasks:
                task.cancel()
        again_now = again.is_set() and result.status == "left"
        return structs.replace(result, status=AGAIN) if again_now else result

    async def _look(self, go: asyncio.Event, again: asyncio.Event) -> None:
        wait_s = LOOK_S
        while not again.is_set():
            await self.clock.sleep(wait_s)
            wait_s = min(2 * wait_s, LOOK_MAX_S)
            if await self.fits():
                again.set()
        go.set()

    async def _heed(self, go: asyncio.Event) -> None:
        if self.leave is not None:
            await self.leave.wait()
            go.set()
