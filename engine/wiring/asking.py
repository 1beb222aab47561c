"""What is asked of an engine beside runs: do connections answer, what do given texts mean."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.config import Environment
from engine.errors import RunbookError, Usage
from engine.language.inputs import read_input
from engine.language.model import Runbook
from engine.language.words import did_you_mean
from engine.runner.connections import FAULT, Connections, fault
from engine.secret import Vault
from engine.wiring.calling import Directory
from engine.wiring.faces import Ping
from engine.wiring.people import People
from engine.wiring.standing import Standing, WouldCall, standing, would_call


@dataclass(frozen=True, slots=True)
class _Caller:
    """Some run of a pack."""

    name: str
    severity: str | None


class Asking(People):
    """Nothing here is recorded."""

    async def doctor(
        self, pack: str, environment: str, services: Mapping[str, str] | None = None
    ) -> list[Ping]:
        """Asks every connection of an environment whether it answers, one after the other."""
        place = self.books.environment(pack, environment, self.registry)
        async with self._connected(place, Vault(os.environ, services)) as connections:
            return [await self._ping(place, connections, name) for name in place.connections]

    async def standings(self, pack: str, environment: str) -> list[Standing]:
        """Who is on call now in each rota of a pack, whoever keeps it."""
        contacts = self.books.contacts(pack)
        asked = await self.asked_now(pack, environment)
        at_us = self.clock.now_us()
        return [standing(contacts, rota, asked, at_us) for rota in contacts.rotas.values()]

    async def who(self, pack: str, environment: str, severity: str | None) -> list[WouldCall]:
        """Whom each level of a pack's policies would call now, for a run of this severity."""
        self.books.contacts(pack)
        place = self.books.environment(pack, environment, self.registry, only=())
        directory = Directory(self.books, self.registry, _Caller(f"{pack}/", severity), place)
        asked = await self.asked_now(pack, environment)
        return list(would_call(directory, asked, self.clock.now_us()))

    async def _ping(self, place: Environment, connections: Connections, name: str) -> Ping:
        begun_s = self.clock.monotonic_s()
        kind, where = place.connections[name].adapter, "-"
        try:
            adapter = connections.adapter(name)
            where = adapter.fingerprint()
            message, ok, fix = await adapter.ping(), True, None
        except RunbookError as error:
            message, ok, fix = error.message, False, error.help
        except Exception as error:  # noqa: BLE001 - a plugin's fault: the others are asked all the same
            message, ok, fix = fault(error), False, FAULT
        took_ms = round((self.clock.monotonic_s() - begun_s) * 1000, 1)
        redact = connections.redact
        return Ping(name, kind, where, ok, took_ms, redact(message), redact(fix) if fix else None)

    def parse_inputs(self, runbook: Runbook, pairs: Sequence[str]) -> dict[str, Any]:
        """`name=value` texts as values of their declared types. Raises Usage."""
        found: dict[str, Any] = {}
        for pair in pairs:
            name, equals, text = pair.partition("=")
            if not equals:
                raise Usage(f"an input is given as name=value, not `{pair}`")
            if name in found:
                raise Usage(f"input `{name}` is given twice")
            spec = runbook.inputs.get(name)
            if spec is None:
                known = runbook.inputs
                raise Usage(f"{runbook.name} has no input `{name}`", help=did_you_mean(name, known))
            try:
                found[name] = read_input(spec, text)
            except ValueError as error:
                raise Usage(f"input `{name}` {error}") from error
        return found
