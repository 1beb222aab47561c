"""Runs our runbooks as `runbook run` does, in their sandboxes, in no time where they wait."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.config import Books
from engine.core.events import Actor
from engine.journal.open import open_store
from engine.registry import Registry
from engine.sandbox import Sandbox, aws, connections_of
from engine.wiring import Faces
from tests.runbooks.hurried import Hurrying

ROOT = Path(__file__).resolve().parents[2]
ANA = Actor("ana", "os-user")


class Show:
    """A runbook with its sandbox up: `run` it, and look at what it talks to."""

    def __init__(self, engine, sandbox, name):
        self.engine = engine
        self.sandbox = sandbox
        self.services = sandbox.services
        self.name = name
        self.asked = []

    async def run(self, *, answer="done", **inputs):
        """Runs it; a person who is asked says `answer`, or does first what it is a function of."""

        async def ask(question):
            self.asked.append(question.text)
            said = await answer() if callable(answer) else answer
            return said, ""

        return await self.engine.run(
            self.name,
            environment="sandbox",
            inputs={**self.sandbox.inputs, **inputs},
            actor=ANA,
            services=self.services,
            faces=Faces(ask=ask, console=lambda _text: None),
        )

    async def steps(self, result):
        """How each step ended, by its path."""
        events = await self.engine.store.events(result.run)
        return {e.body["path"]: e.body["status"] for e in events if e.type == "StepFinished"}


@pytest.fixture(autouse=True)
def aws_of_sandboxes(aws_forks, monkeypatch):
    monkeypatch.setattr(aws, "SERVER", aws_forks)


@pytest.fixture(scope="session")
def registry():
    return Registry()


@pytest.fixture
def books():
    return Books([ROOT / "runbooks"])


@pytest.fixture
def changed_books(tmp_path):
    """Our packs, with a text of one file replaced."""

    def change(file, old, new):
        folder = tmp_path / "runbooks"
        shutil.copytree(ROOT / "runbooks", folder)
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new))
        return Books([folder])

    return change


@pytest.fixture
def show(books, registry, tmp_path):
    """`async with show("stratum/redis-memory-pressure") as stage`."""

    @asynccontextmanager
    async def stage(name, *, fault=True, of=books):
        store = open_store(f"sqlite:///{tmp_path}/journal.db")
        runbook = of.load(name, registry)
        environment = of.environment(name.partition("/")[0], "sandbox", registry)
        wanted = connections_of(runbook)
        try:
            async with Sandbox(environment, name, wanted, with_fault=fault) as sandbox:
                engine = Hurrying(books=of, registry=registry, store=store)
                yield Show(engine, sandbox, name)
                problems = [p for b in sandbox.behaviours.values() for p in b.problems]
                assert problems == []
        finally:
            await store.close()

    return stage


@pytest.fixture
def stand_of(registry, tmp_path):
    """See `every.stand_of`: of a pack."""
    from tests.runbooks import every  # noqa: PLC0415 - it takes its clock from here

    return lambda pack: every.stand_of(pack, registry, tmp_path)


@pytest.fixture
def world(registry, tmp_path):
    """See `by_hand.stage`: a sandbox in which a person follows a document, or our runbook runs."""
    from tests.runbooks.by_hand.stage import worlds  # noqa: PLC0415 - as above

    return worlds(registry, tmp_path)
