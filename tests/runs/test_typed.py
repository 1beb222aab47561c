"""What somebody types at a run's own prompt is judged like words from anywhere else."""

from __future__ import annotations

import asyncio

import pytest

from engine.core.events import Actor
from engine.wiring import Faces

BOB = Actor("bob", "os-user")
ASKS = "steps: [{id: q, check: lab.ask, with: {question: is it red?}}]"
CALLS = "steps: [{id: q, escalate: default, message: it is full, wait: acknowledged}]"
APPROVES = """
steps:
  - {id: q, action: lab.act, target: there, with: {word: w}, approve: {by: [lead]}}
"""


@pytest.fixture
def behind(bench, monkeypatch):
    """What somebody else says in the moment in which something is typed, first."""
    kind = type(bench.engine.store)
    append = kind.append_outside

    def put(*words, hurried=False):
        async def late(store, run, draft):
            monkeypatch.setattr(kind, "append_outside", append)
            what, *more = words
            await getattr(bench.engine, what)(run, "q", *more, BOB)
            for _ in range(100 * hurried):  # the driver hears of it, and takes the question back
                await asyncio.sleep(0)
            return await append(store, run, draft)

        monkeypatch.setattr(kind, "append_outside", late)

    return put


@pytest.fixture
def typed(bench):
    """A run whose prompt somebody answers so: its result, and what they read."""

    async def run(text, *words):
        said = []

        async def ask(_question):
            return words

        result = await bench.run(text, faces=Faces(ask=ask, console=said.append))
        return result, said

    return run


@pytest.mark.parametrize("hurried", [False, True])
async def test_whoever_types_behind_somebody_else_reads_who_was_first(
    bench, typed, behind, hurried
):
    behind("answer", "no", "", hurried=hurried)
    result, said = await typed(ASKS, "yes", "it is")
    (one,) = said
    assert one.startswith("yours is recorded, and changes nothing: bob answered no at ")
    assert result.status != "resolved"
    answers = [e for e in await bench.events(result.run) if e.type == "Answered"]
    assert [(e.actor["name"], e.body["answer"]) for e in answers] == [
        ("bob", "no"), ("alice", "yes"),
    ]  # fmt: skip


async def test_whoever_types_first_reads_nothing_of_it(typed):
    result, said = await typed(ASKS, "yes", "it is")
    assert (result.status, said) == ("resolved", [])


async def test_whoever_approves_their_own_run_at_its_prompt_reads_why_that_does_not_count(
    bench, typed
):
    result, said = await typed(APPROVES, "approve", "it is fine")
    assert result.status == "waiting"
    (one,) = said
    assert one.startswith("this does not count: ")
    types = [event.type for event in await bench.events(result.run)]
    assert types[-1] == "ApprovalRefused"
    assert "Answered" not in types


async def test_an_approval_that_is_typed_by_who_may_lets_the_step_be_done(bench):
    said = []
    started = await bench.run(APPROVES.replace("[lead]", "[boss]"))
    assert started.status == "waiting"

    async def ask(_question):
        return ("approve", "it is fine")

    faces = Faces(ask=ask, console=said.append)
    (bench.folder / "p/contacts.yaml").write_text(
        "people: {bob: {name: Bob, os_user: bob, roles: [boss]}}\nroles: {boss: who may}\n"
    )
    result = await bench.engine.resume(started.run, actor=BOB, faces=faces)
    assert (result.status, said) == ("resolved", [])
    approved = next(e for e in await bench.events(started.run) if e.type == "Approved")
    assert (approved.actor["name"], approved.body["reason"]) == ("bob", "it is fine")
