"""What the drivers of a process have together, so that a run that only waits costs next to nothing:
one renewal of all their leases, one sleep until the first of their times, one look at who wants
them to leave.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from engine.clock import Clock
from engine.errors import JournalError
from engine.journal.contract import Lease, Store
from engine.journal.lease import LEASE_S
from engine.runner.alarms import Alarms

RENEW_S = LEASE_S / 3
"""Between two renewals. Two of them may fail to be in time before anybody takes a driver for dead.
"""

Lost = Callable[[BaseException], None]
"""Hears why a lease is no more, or that the journal cannot be written."""


class Minding:
    """See the module. Used from one event loop."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.alarms = Alarms(clock)
        self._held: dict[Lease, Lost] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._heeding: dict[asyncio.Event, tuple[asyncio.Task[None], set[Callable[[], None]]]] = {}

    # -- leases ------------------------------------------------------------------------------------

    def hold(self, lease: Lease, lost: Lost) -> None:
        """Renews a lease, from the next time on that all are renewed, until it is let go.

        By the machine's own time: others judge by theirs whether a holder lives.
        """
        self._held[lease] = lost
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew())

    def let_go(self, lease: Lease) -> None:
        self._held.pop(lease, None)
        if not self._held and self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None

    async def _renew(self) -> None:
        # Several servers that began together do not all write in the same moment.
        await asyncio.sleep(RENEW_S * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
        while True:
            await self._renew_once()
            await asyncio.sleep(RENEW_S)

    async def _renew_once(self) -> None:
        held = list(self._held.items())
        try:
            gone = await self.store.renew([lease for lease, _ in held])
        except Exception as error:  # noqa: BLE001 - whatever it is: without a lease nobody drives on
            for _, lost in held:
                lost(_own(error))
            return
        for lease, lost in held:
            if lease.run in gone:
                lost(gone[lease.run])

    # -- leaving -----------------------------------------------------------------------------------

    def heed(self, leave: asyncio.Event, hear: Callable[[], None]) -> None:
        """Calls `hear` once `leave` is set, in a later round of the loop."""
        if leave not in self._heeding:
            self._heeding[leave] = (asyncio.create_task(self._wait(leave)), set())
        self._heeding[leave][1].add(hear)

    def heed_no_more(self, leave: asyncio.Event, hear: Callable[[], None]) -> None:
        task, heard = self._heeding.get(leave, (None, set[Callable[[], None]]()))
        heard.discard(hear)
        if task is not None and not heard:
            del self._heeding[leave]
            task.cancel()

    async def _wait(self, leave: asyncio.Event) -> None:
        await leave.wait()
        _, heard = self._heeding.pop(leave)
        for hear in heard:
            hear()


def _own(error: Exception) -> Exception:
    """Each its own: an exception that several tasks raise would gather the tracebacks of all."""
    if isinstance(error, JournalError):
        return JournalError(error.message, help=error.help)
    return error
