"""What everything about a run needs: its journal, its environment, its connections."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from engine.clock import Clock, SystemClock
from engine.config import Books, Environment
from engine.core.events import Actor, Draft, Event
from engine.core.state import State
from engine.errors import Diagnosed, RunbookError, Usage
from engine.journal.contract import Store
from engine.language.load import load_anyway, load_runbook
from engine.language.model import Runbook
from engine.registry import Registry
from engine.runner.budgets import SharedBudgets
from engine.runner.connections import Connections
from engine.runner.on_call import Desk
from engine.secret import Vault
from engine.wiring.admission import SANDBOX, named, targets
from engine.wiring.gone import StandIns, gone
from engine.wiring.on_call import Asked, OnCall

RECORDED = " (as recorded)"
"""Behind the name of a runbook whose text is that of a journal, and of no file."""

RECORDED_MAX = 256
"""Runbooks that are kept as they were made from recorded texts (30 KiB each): after a start most
runs that are taken up are of a few of them."""


class Base:
    """What runs share: the packs, the registry, the store, the clock."""

    def __init__(
        self, *, books: Books, registry: Registry, store: Store, clock: Clock | None = None
    ) -> None:
        self.books = books
        self.registry = registry
        self.store = store
        self.clock = clock or SystemClock()
        self.desk = Desk(self.clock)
        self._runbooks: dict[tuple[str, tuple[tuple[str, str], ...]], Runbook] = {}

    async def state(self, run: str) -> State:
        """A run as its journal tells it. Raises Usage when there is none."""
        return self._fold(run, await self._events(run))

    async def _say(self, state: State, type_: str, body: dict[str, Any], actor: Actor) -> Event:
        """Records a person's words, see `_redacted`."""
        actor = self._known(state.runbook, actor)
        draft = Draft(type_, self._redacted(state, body), self.clock.now_us(), actor)
        return await self.store.append_outside(state.run, draft)

    def _known(self, runbook: Runbook, actor: Actor) -> Actor:
        """Whoever acts, with what people call them. Contacts that cannot be read name nobody: what
        somebody says counts all the same.
        """
        try:
            contacts = self.books.contacts(runbook.name.partition("/")[0])
        except RunbookError:
            return actor
        return named(contacts, actor)

    def _redacted(self, state: State, body: dict[str, Any]) -> dict[str, Any]:
        """Without the secrets of the run's environment, as far as they can be had here: those of
        the channels by which it calls people too.
        """
        vault = Vault(os.environ)
        with suppress(RunbookError):  # an environment that is gone: its secrets cannot be had
            place = self._environment(state.runbook, state.environment)
            Connections(place, self.registry, vault).learn(tuple(place.connections))
        redacted: dict[str, Any] = vault.redactor().json(body)
        return redacted

    @asynccontextmanager
    async def _connected(self, place: Environment, vault: Vault) -> AsyncIterator[Connections]:
        connections = Connections(place, self.registry, vault)
        try:
            yield connections
        finally:
            await connections.close()

    async def asked_now(self, pack: str, environment: str) -> Asked:
        """What those say who keep rotas of a pack; nobody is asked in a sandbox. Raises Diagnosed,
        Usage for contacts or an environment that cannot be read.
        """
        contacts = self.books.contacts(pack)
        names = {r.connection for r in contacts.rotas.values() if r.connection is not None}
        if environment == SANDBOX or not names:
            return {}
        place = self.books.environment(pack, environment, self.registry, only=())
        async with self._connected(place, Vault(os.environ)) as connections:
            connections.learn(tuple(sorted(names)))
            shared = SharedBudgets(self.store, connections, self.clock)
            return await OnCall(pack, place, connections, self.desk, shared).now(contacts)

    def _environment(self, runbook: Runbook, name: str) -> Environment:
        pack = runbook.name.partition("/")[0]
        return self.books.environment(pack, name, self.registry, only=targets(runbook))

    async def _events(self, run: str) -> list[Event]:
        events = await self.store.events(run)
        if not events:
            raise Usage(f"there is no run {run}")
        return events

    def _fold(self, run: str, events: list[Event]) -> State:
        """The state of a run, with the texts of its first event: editing a file never changes a
        run.
        """
        return State.of(run, self._recorded(events[0].body), events)

    def _recorded(self, first: Mapping[str, Any]) -> Runbook:
        """The runbook of a first event. All runs of the same texts have the same one."""
        name, texts = str(first["name"]), dict[str, str](first["texts"])
        key = (name, tuple(sorted(texts.items())))
        known = self._runbooks.get(key)
        if known is None:

            def find(name: str) -> tuple[str, str] | None:
                return (f"{name}{RECORDED}", texts[name]) if name in texts else None

            given = (name, texts[name], f"{name}{RECORDED}")
            try:
                known = load_runbook(*given, self.registry, find)
            except Diagnosed:
                known = load_anyway(*given, StandIns(self.registry), find)
                if not gone(known, self.registry):
                    raise
            if len(self._runbooks) >= RECORDED_MAX:
                self._runbooks.clear()
            self._runbooks[key] = known
        return known
