"""What providers let us use, shared by all runs: the store keeps what each run heard of it.

An adapter that hears of budgets has three more methods than `engine.plugin.Adapter` asks for:

- `budget_names()`: of all budgets it may hear of
- `budgets() -> {name: (used, blocked_for_s)}`: what it knows, the share that is used (1 is all of
  it), and for how long nothing may be sent; a name is the same for all runs that share the budget
- `recall(name, used, blocked_for_s)`: what another run heard, before anything is asked

So a run does not find out by itself, call by call, what the one before it was told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from engine.clock import MICROSECONDS, Clock
from engine.core.judge import Outcome
from engine.errors import JournalError, RunbookError
from engine.journal.contract import Store
from engine.runner.connections import Connections


class Budgeted(Protocol):
    """What an adapter with budgets has besides."""

    def budget_names(self) -> tuple[str, ...]: ...
    def budgets(self) -> Mapping[str, tuple[float, float]]: ...
    def recall(self, name: str, used: float, blocked_for_s: float) -> None: ...


class SharedBudgets:
    """The budgets of one run's connections, in the store."""

    def __init__(self, store: Store, connections: Connections, clock: Clock) -> None:
        self._store = store
        self._connections = connections
        self._clock = clock

    async def before(self, target: str | None) -> None:
        """Tells the adapter what other runs heard since."""
        adapter = self._adapter(target)
        if adapter is None:
            return
        now_us = self._clock.now_us()
        for name in adapter.budget_names():
            known = await self._store.budget(name)
            if known is not None:
                blocked_s = max(0.0, (known.blocked_until_us - now_us) / MICROSECONDS)
                adapter.recall(name, known.used, blocked_s)

    async def after(self, target: str | None) -> None:
        """Keeps what the adapter heard."""
        adapter = self._adapter(target)
        if adapter is None:
            return
        now_us = self._clock.now_us()
        for name, (used, blocked_s) in adapter.budgets().items():
            await self._store.spend(name, now_us, used)
            if blocked_s > 0:
                await self._store.block(name, now_us + round(blocked_s * MICROSECONDS), now_us)

    def _adapter(self, target: str | None) -> Budgeted | None:
        """The adapter, if it hears of budgets. One that cannot be made is told by the step."""
        if target is None:
            return None
        try:
            found: Any = self._connections.adapter(target)
        except RunbookError:
            return None
        return found if hasattr(found, "budget_names") else None


def budgeted(
    perform: Callable[[Mapping[str, Any], Callable[[str], None]], Awaitable[Outcome]],
    shared: SharedBudgets,
) -> Callable[[Mapping[str, Any], Callable[[str], None]], Awaitable[Outcome]]:
    """Performs with what other runs heard, and lets them have what this one hears.

    A store that cannot be read or written is told at the next event: without it nothing is done.
    """

    async def carry_out(body: Mapping[str, Any], progress: Callable[[str], None]) -> Outcome:
        target = body["plan"].get("target")
        with suppress(JournalError):
            await shared.before(target)
        outcome = await perform(body, progress)
        with suppress(JournalError):
            await shared.after(target)
        return outcome

    return carry_out
