"""An engine with the command family, and what a run of it recorded."""

from __future__ import annotations

import json
from pathlib import Path

from actions import command as actions
from checks import command as checks
from engine.adapters.command import CommandAdapter
from engine.adapters.ssh import SshAdapter
from engine.config import Books
from engine.core.events import Actor
from engine.journal.open import open_store
from engine.registry import Registry
from engine.wiring import Engine, Faces


class Bench:
    """An engine over a runbook that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "p"
        (self.folder / "environments").mkdir(parents=True)
        registry = Registry.of([checks, actions], [CommandAdapter, SshAdapter])
        store = open_store("memory:")
        self.engine = Engine(books=Books([folder]), registry=registry, store=store)
        self.seen = []

    def connections(self, **connections) -> None:
        file = self.folder / "environments" / "test.yaml"
        file.write_text(json.dumps({"connections": connections}))

    async def run(self, steps: str, inputs=None):
        (self.folder / "book.yaml").write_text(f"title: t\n{steps}")
        return await self.engine.run(
            "p/book",
            environment="test",
            inputs=inputs or {},
            actor=Actor("alice", "os-user"),
            faces=Faces(observe=self.seen.append),
        )

    def ends(self) -> dict[str, tuple[str, list[str]]]:
        """Status and reasons of each step."""
        return {
            event.body["path"].rstrip("/"): (event.body["status"], event.body["why"])
            for event in self.seen
            if event.type == "StepFinished"
        }

    def result(self, path: str):
        (found,) = (
            event.body["outcome"]["result"]
            for event in self.seen
            if event.type == "StepFinished" and event.body["path"] == path
        )
        return found

    def journal(self) -> str:
        return json.dumps([dict(event.body) for event in self.seen], default=str)
