"""What `test_all` is made of: a runbook before its sandbox, with people who answer and approve."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.config import Books
from engine.core.events import Actor
from engine.journal.open import open_store
from engine.registry import Registry
from engine.sandbox import Sandbox, connections_of
from engine.wiring import Engine, Faces
from tests.runbooks.hurried import Hurrying

WORK_OF_PEOPLE = frozenset({"human", "run"})
"""Families of actions that change nothing by themselves: people do, or a note is written."""

REASON = "Looked at in the sandbox: this is what the runbook is for"


class Staffed(Books):
    """Our packs, in which each person is an operating-system user too, so that they can approve."""

    def contacts(self, pack: str):
        contacts = super().contacts(pack)
        people = {
            id_: dataclasses.replace(person, os_user=person.os_user or id_)
            for id_, person in contacts.people.items()
        }
        return dataclasses.replace(contacts, people=people)


BOOKS = Staffed([Path(__file__).resolve().parents[2] / "runbooks"])


@dataclass
class Seen:
    """One run: how it ended, what it began, what it asked people."""

    status: str
    exit_code: int
    because: str
    began: list[tuple[str, str]] = field(default_factory=list)
    """Path and type of each action that could change something."""
    ends: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def told(self) -> str:
        """For the table: `resolved, 3 changes, 1 asked`."""
        words = [self.status]
        if self.began:
            words.append(f"{len(self.began)} change{'s' if len(self.began) != 1 else ''}")
        if self.asked:
            words.append(f"{len(self.asked)} asked")
        return ", ".join(words)

    def same(self, other: Seen) -> bool:
        return (self.status, self.ends) == (other.status, other.ends)

    def __str__(self) -> str:
        return f"{self.status}: {self.because}\n  steps {self.ends}\n  began {self.began}"


@dataclass
class Stand:
    """A runbook before a sandbox that is up."""

    engine: Engine
    sandbox: Sandbox
    name: str
    starter: Actor
    answers: Mapping[str, str]

    async def run(self, inputs: Mapping[str, Any], *, rehearsal: bool = False) -> Seen:
        asked: list[str] = []
        runs: list[str] = []

        async def ask(question):
            asked.append(question.id)
            if question.kind == "approve":
                await self._approve(runs[0], question.path)
                return None
            said = self.answers.get(question.id, question.answers[0])
            assert said in question.answers, f"{question.id} takes {question.answers}, not {said}"
            return said, ""

        result = await self.engine.run(
            self.name,
            environment="sandbox",
            inputs=inputs,
            actor=self.starter,
            services=self.sandbox.services,
            faces=Faces(ask=ask, console=lambda _text: None, started=runs.append),
            rehearsal=rehearsal,
        )
        seen = Seen(result.status, result.exit_code, result.because or "", asked=asked)
        for event in await self.engine.store.events(result.run):
            _take(seen, event)
        return seen

    async def _approve(self, run: str, path: str) -> None:
        """As many of the people who may as it takes."""
        approval = (await self.engine.state(run)).steps[path].approval
        contacts = self.engine.books.contacts(self.name.partition("/")[0])
        may = [
            person.os_user
            for person in contacts.people.values()
            if (not approval.by or set(approval.by) & set(person.roles))
            and person.os_user != self.starter.name
        ]
        assert len(may) >= approval.count, (
            f"{path} takes {approval.count} of {approval.by or 'anybody'}, and there are {may}"
        )
        for user in may[: approval.count]:
            await self.engine.approve(run, path, REASON, Actor(user, "os-user"))


def _take(seen: Seen, event) -> None:
    body = event.body
    if event.type == "StepStarted" and body["kind"] == "action":
        type_ = body["plan"]["type"]
        if type_.partition(".")[0] not in WORK_OF_PEOPLE:
            seen.began.append((body["path"], type_))
    elif event.type == "StepFinished":
        seen.ends[body["path"]] = body["status"]


@dataclass(frozen=True)
class Stage:
    """Where one runbook of ours is put before its sandboxes."""

    registry: Any
    name: str
    folder: Path

    @asynccontextmanager
    async def stand(self, sandbox: Sandbox) -> AsyncIterator[Stand]:
        """With a journal of its own and a clock that does not wait."""
        store = open_store(f"sqlite:///{self.folder}/{time.monotonic_ns()}.db")
        answers = sandbox.fault.answers if sandbox.fault is not None else {}
        engine = Hurrying(books=BOOKS, registry=self.registry, store=store)
        try:
            yield Stand(engine, sandbox, self.name, Actor("somebody", "os-user"), answers)
        finally:
            await store.close()

    async def run(
        self, sandbox: Sandbox, inputs: Mapping[str, Any], *, rehearsal: bool = False
    ) -> Seen:
        async with self.stand(sandbox) as it:
            return await it.run(inputs, rehearsal=rehearsal)


def stand_of(pack: str, registry: Registry, folder: Path):
    """`async with stand_of(...)("scale-api") as (it, sandbox)`: of a runbook of this pack, with its
    fault, before people who answer and approve.
    """

    @asynccontextmanager
    async def up(name: str, *, fault: bool = True):
        full = f"{pack}/{name}"
        place = BOOKS.environment(pack, "sandbox", registry)
        wanted = connections_of(BOOKS.load(full, registry))
        stage = Stage(registry, full, folder)
        async with Sandbox(place, full, wanted, with_fault=fault) as sandbox:
            async with stage.stand(sandbox) as it:
                yield it, sandbox
            problems = [p for one in sandbox.behaviours.values() for p in one.problems]
            assert problems == []

    return up
