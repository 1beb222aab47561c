"""Events of made-up runs, with times that count from `START_US`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.core.events import Event

START_US = 1_795_226_400_000_000
"""2026-11-21T02:00:00Z."""

RUN = "r7k2-0001"


class Story:
    """Makes events one after the other; `at` is seconds since the start."""

    def __init__(self, actor: str = "ada") -> None:
        self.events: list[Event] = []
        self.actor = {"name": actor, "means": "os-user"}

    def add(
        self, at: float, type: str, actor: Mapping[str, str] | None = None, **body: Any
    ) -> Event:
        seq = len(self.events) + 1
        who = actor or {"name": "engine", "means": "engine"}
        event = Event(RUN, seq, us(at), type, 1, who, body, f"{seq:064x}")
        self.events.append(event)
        return event

    def run_started(self, at: float = 0, text: str = "", **more: Any) -> Event:
        body = {
            "name": "stratum/redis-memory-pressure",
            "digest": "d" * 64,
            "texts": {"stratum/redis-memory-pressure": text},
            "inputs": {},
            "event": None,
            "environment": "staging",
            "mode": "real",
            "engine": "0.1.0",
            "connections": {},
        }
        return self.add(at, "RunStarted", self.actor, **(body | more))

    def started(self, at: float, path: str, kind: str = "check", **more: Any) -> Event:
        name = path.rpartition("/")[2]
        body = {"path": path, "id": name, "kind": kind, "attempt": 1, "title": None, "plan": {}}
        return self.add(at, "StepStarted", **(body | more))

    def finished(self, at: float, path: str, status: str = "passed", **more: Any) -> Event:
        body = {
            "path": path, "attempt": 1, "status": status, "why": [], "warnings": [],
            "outcome": None, "extracted": {}, "elapsed_ms": 0,
        }  # fmt: skip
        return self.add(at, "StepFinished", **(body | more))

    def again(self, at: float, path: str, next_at: float, *why: str) -> Event:
        return self.add(
            at, "AttemptFinished", path=path, attempt=1, status="failed", why=list(why),
            outcome={"result": {}}, random=0.5, next_us=us(next_at), elapsed_ms=1,
        )  # fmt: skip

    def run_finished(
        self, at: float, outcome: str = "resolved", because: str | None = None
    ) -> Event:
        return self.add(
            at,
            "RunFinished",
            outcome=outcome,
            because=because,
            worst="passed",
            outputs={},
            running=[],
        )


def us(at: float) -> int:
    return START_US + round(at * 1_000_000)
