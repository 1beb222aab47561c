"""Meta for tests: the stand-in that the sandbox has, over HTTP, with a clock that a test moves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from actions import meta as actions
from checks import meta as checks
from engine.adapters.meta import MetaAdapter
from engine.adapters.meta_usage import Budget
from engine.language.expect import judge
from engine.plugin import Preview, StepContext, to_json
from engine.registry import Registry
from engine.sandbox.http import http_service
from engine.sandbox.meta import MetaService
from engine.sandbox.routes import Request
from engine.sandbox.spec import ServiceSpec

REGISTRY = Registry.of([checks, actions], [MetaAdapter])
NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
TOKEN, SECRET = "sandbox-meta-token", "sandbox-app-secret"


@dataclass
class Stand:
    """The stand-in, a connection to it, and the time both have."""

    service: MetaService
    url: str = ""
    now: datetime = NOW
    settings: dict[str, Any] = field(default_factory=dict)
    open: list[MetaAdapter] = field(default_factory=list)

    def connection(self, **more: Any) -> MetaAdapter:
        usual: dict[str, Any] = {
            "version": "v18.0",
            "access_token": TOKEN,
            "account": "100",
            "base_url": self.url,
            "timeout_s": 5.0,
        }
        adapter = MetaAdapter(**{**usual, **self.settings, **more})
        adapter.budget = Budget(self.clock_s)
        self.open.append(adapter)
        return adapter

    def clock_s(self) -> float:
        return self.now.timestamp()

    @property
    def adapter(self) -> MetaAdapter:
        return self.open[0] if self.open else self.connection()

    async def check(self, name: str, /, **params: Any) -> tuple[dict[str, Any], Any]:
        """What a check finds, and whether that passes without an `expect` of the step's own."""
        step = REGISTRY.step(f"meta.{name}", "check")
        found = to_json(await step.call(self.adapter.reader(context()), params))
        assert found.keys() == step.signature.result_fields
        expect = step.signature.default_expect
        return found, judge(expect, {"result": found}) if expect else None

    async def act(self, name: str, /, attempt: int = 1, key: str = "k", **params: Any) -> Any:
        """What an action finds."""
        step = REGISTRY.step(f"meta.{name}", "action")
        side = self.adapter.writer(context(attempt, key))
        found = to_json(await step.call(side, params))
        assert found.keys() == step.signature.result_fields
        return found

    async def would(self, name: str, /, **params: Any) -> Preview:
        """What a rehearsal finds."""
        return await REGISTRY.step(f"meta.{name}", "action").would(
            self.adapter.reader(context()), params
        )

    @property
    def seen(self) -> list[Request]:
        return self.service.requests

    def lines(self) -> list[str]:
        """Method and path of what came, without the version and the query."""
        return [f"{r.method} {r.path.partition('/v18.0')[2] or r.path}" for r in self.seen]

    def moves(self, **span: float) -> None:
        self.now += timedelta(**span)


def context(attempt: int = 1, key: str = "k", timeout_s: float = 5.0) -> StepContext:
    return StepContext(run="r", path="s", attempt=attempt, key=key, timeout_s=timeout_s)


@contextlib.asynccontextmanager
async def stand_in(
    connection: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Stand]:
    """The stand-in with these settings of its service, listening."""
    service = MetaService.read(ServiceSpec("meta", "meta", settings))
    stand = Stand(service, settings=connection or {})
    async with http_service(service, lambda: stand.now) as told:
        stand.url = told["url"]
        try:
            yield stand
        finally:
            for adapter in stand.open:
                await adapter.close()
