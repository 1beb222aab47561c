"""One sandbox with a fault: a person follows the document in it, or our runbook runs.

`shell` is where a person types what the document says; `world` says how everything is afterwards,
and in what two worlds differ.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.registry import Registry
from engine.sandbox import Sandbox, connections_of
from tests.runbooks.by_hand import world
from tests.runbooks.by_hand.shell import Shell, shell
from tests.runbooks.every import BOOKS, Seen, Stage


@dataclass
class World:
    """A sandbox that is up, with the fault of a runbook."""

    name: str
    sandbox: Sandbox
    _stage: Stage
    found: dict[str, Any] = field(default_factory=dict)
    """What each step of our runbook found, by its id; of one that asked again, the last."""

    @property
    def services(self) -> Mapping[str, str]:
        return self.sandbox.services

    def at(self, connection: str, addresses: Mapping[str, str] = {}, **variables: str) -> Shell:
        """Somebody's terminal there; "" is that of the operator's own machine."""
        return shell(self.sandbox, connection, addresses, **variables)

    def state(self, service: str) -> dict[str, Any]:
        """Of a service that answers HTTP."""
        return dict(self.sandbox.behaviours[service].state)  # type: ignore[attr-defined]

    async def run(self, **inputs: Any) -> Seen:
        """Our runbook, with people who answer and approve."""
        async with self._stage.stand(self.sandbox) as stand:
            seen = await stand.run({**self.sandbox.inputs, **inputs})
            for run in await stand.engine.store.runs():
                for event in await stand.engine.store.events(run.run):
                    if event.type == "StepFinished":
                        outcome = event.body.get("outcome") or {}
                        self.found[event.body["path"].rpartition("/")[2]] = outcome.get("result")
        return seen

    async def left(self) -> dict[str, Any]:
        """See `world.left`."""
        return await world.left(self.sandbox)


Worlds = Callable[..., AbstractAsyncContextManager[World]]


def worlds(registry: Registry, folder: Path) -> Worlds:
    """`async with worlds(...)("stratum/ecs-deploy") as by_hand`: each time a new world, alike.

    In it is what the runbook talks to, and what is behind the connections `also`.
    """

    @asynccontextmanager
    async def up(
        name: str, *, fault: bool = True, also: tuple[str, ...] = ()
    ) -> AsyncIterator[World]:
        place = BOOKS.environment(name.partition("/")[0], "sandbox", registry)
        wanted = connections_of(BOOKS.load(name, registry)) | {*also}
        async with Sandbox(place, name, wanted, with_fault=fault) as sandbox:
            yield World(name, sandbox, Stage(registry, name, folder))
            problems = [p for one in sandbox.behaviours.values() for p in one.problems]
            assert problems == []

    return up
