"""`/health/live`, `/health/ready` and `/metrics`."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engine.clock import MICROSECONDS
from engine.errors import RunbookError
from engine.server.parts import Parts
from engine.server.watch import count_escalations

DISK_MIN_BYTES = 64 * 1024 * 1024
"""Free space under which we are not ready: what is under way must still be recorded."""

FOLDED_MAX = 200
"""Waiting runs whose questions are looked into for one scrape."""

PROBED_S = 1.0
"""How old the answer may be whether the journal can be written: each is a commit."""

FRESH_S = 10.0
"""How old what takes long to count may be: several scrapers ask at the same time."""


async def live(_: Request) -> Response:
    """The process answers."""
    return JSONResponse({"live": True})


async def ready(request: Request) -> Response:
    """Whether work can be sent here: the journal can be written, and has room."""
    parts: Parts = request.app.state.parts
    counted: Counted = request.app.state.counted
    found: dict[str, Any] = {"journal": "ok", "disk": "ok", "ending": parts.keeper.leaving}
    if (why := await counted.journal()) is not None:
        found["journal"] = why
    free_bytes = counted.free_bytes()
    if free_bytes < DISK_MIN_BYTES:
        found["disk"] = f"{free_bytes // 1024 // 1024} MiB are free"
    good = found["journal"] == found["disk"] == "ok" and not parts.keeper.leaving
    return JSONResponse({"ready": good, **found}, 200 if good else 503)


class Counted:
    """What takes a while to find out, kept for `PROBED_S` and `FRESH_S`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._at_s = float("-inf")
        self._probed_s = float("-inf")
        self._why: str | None = None
        self._probing = asyncio.Lock()

    async def journal(self) -> str | None:
        """Why the journal cannot be written, or None. Who asks meanwhile gets the same answer."""
        async with self._probing:
            if time.monotonic() - self._probed_s >= PROBED_S:
                try:
                    await self._parts.store.probe()
                    self._why = None
                except RunbookError as error:
                    self._why = error.message
                self._probed_s = time.monotonic()
            return self._why

    def free_bytes(self) -> int:
        """Room on the disk of the journal."""
        return shutil.disk_usage(Path(self._parts.store.path).parent).free

    async def refresh(self) -> None:
        """What is not counted as it happens. While the journal cannot be written, what is in it is
        as it was: the rest is told all the same."""
        parts, metrics = self._parts, self._parts.metrics
        metrics.driven.set(parts.keeper.driven)
        metrics.parked.set(parts.keeper.parked)
        metrics.broken.set(parts.keeper.broken)
        metrics.held.set(parts.keeper.held)
        metrics.refused.set(parts.door.refused)
        metrics.free.set(self.free_bytes())
        writable = await self.journal() is None
        metrics.writable.set(writable)
        if not writable or time.monotonic() - self._at_s < FRESH_S:
            return
        self._at_s = time.monotonic()
        try:
            await self._count()
        except RunbookError as error:
            parts.log.warning("what the journal holds is not counted", why=error.message)

    async def _count(self) -> None:
        parts, metrics = self._parts, self._parts.metrics
        metrics.open.set(await parts.ledger.count_unsettled())
        standing = await parts.engine.standing()
        metrics.frozen.set(standing.frozen is not None)
        metrics.breakers.set(sum(v.guard == "breaker" for _, v in standing.closed))
        metrics.approvals.set(await self._approvals())
        await count_escalations(parts.engine, metrics, parts.store)
        await self._rehearsed()

    async def _approvals(self) -> int:
        engine = self._parts.engine
        rows = await engine.store.runs(status="waiting", limit=FOLDED_MAX)
        found = [question for row in rows for question in await engine.questions(row.run)]
        return sum(question.kind == "approve" for question in found)

    async def _rehearsed(self) -> None:
        now_us = self._parts.engine.clock.now_us()
        for row in reversed(await self._parts.store.runs(mode="rehearsal", limit=1000)):
            age_s = (now_us - row.started_us) / MICROSECONDS
            self._parts.metrics.rehearsed.labels(row.name).set(age_s)


async def metrics(request: Request) -> Response:
    """The exposition format of Prometheus."""
    parts: Parts = request.app.state.parts
    await request.app.state.counted.refresh()
    return Response(parts.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


ROUTES = [
    Route("/health/live", live),
    Route("/health/ready", ready),
    Route("/metrics", metrics),
]
