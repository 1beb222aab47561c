"""What somebody types at the prompt of a run that goes on at a server."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from engine.cli.remote import Api, RemoteStore
from engine.cli.remote_engine import RemoteEngine
from engine.core.events import Actor
from engine.wiring import Faces

BOB = Actor("bob", "os-user")
ASKS = """title: Asks
steps:
  - {id: sure, check: lab.ask, with: {question: Is it red?}}
"""
APPROVES = """title: Asks first, with all the time in the world
steps:
  - {id: act, action: lab.act, target: there, approve: {by: [boss]}}
"""


@pytest.fixture
def prompt(serving):
    """A run over the server, whose prompt is answered so: its result, and what is read there."""

    async def run(name, person, roles, ask, *, taken_up=None, api_type=Api):
        api = api_type("http://runbook")
        headers = {"Authorization": f"Bearer {await serving.token(*roles, person=person)}"}
        given = {"transport": httpx.ASGITransport(serving.app), "headers": headers}
        api._client = httpx.AsyncClient(base_url="http://runbook/api/v1", **given)
        said = []
        engine = serving.parts.engine
        remote = RemoteEngine(engine.books, engine.registry, RemoteStore(api))
        faces = Faces(ask=ask, console=said.append)
        async with asyncio.timeout(30):
            if taken_up is not None:
                result = await remote.resume(taken_up, faces=faces)
            else:
                result = await remote.run(name, environment="test", inputs={}, faces=faces)
        await api.close()
        return result, said

    return run


async def parked(serving, run):
    """Until it waits for people only."""
    async with asyncio.timeout(60):
        while serving.parts.keeper.driven or not serving.parts.keeper.parked:
            await serving.parts.store.wait_for_more(run, 99, 0.01)


async def test_whoever_types_behind_somebody_else_reads_that_and_sees_the_run_go_on(
    serving, prompt
):
    serving.write(ASKS, "p/sure")

    async def ask(_question):
        (run,) = await serving.parts.store.runs(name="p/sure")
        await serving.parts.engine.answer(run.run, "sure", "yes", "", BOB)
        return ("no", "it is blue")

    result, said = await prompt("p/sure", "ana", ("operator",), ask)
    assert result.status == "resolved"
    assert len(said) == 1


async def test_who_may_not_approve_reads_why_and_is_asked_once(prompt):
    asked = []

    async def ask(question):
        asked.append(question.kind)
        return ("approve", "it is fine")

    result, said = await prompt("p/asks", "ana", ("operator",), ask)
    assert (result.status, asked, len(said)) == ("waiting", ["approve"], 1)


async def test_what_is_left_open_is_asked_once(serving, prompt):
    serving.write(ASKS, "p/sure")
    asked = []

    async def ask(question):
        asked.append(question.kind)

    result, said = await prompt("p/sure", "ana", ("operator",), ask)
    assert (result.status, asked, said) == ("waiting", ["confirm"], [])


async def test_an_approval_is_sent_as_one(serving, prompt):
    (serving.folder / "p/contacts.yaml").write_text(
        "people:\n  bea: {name: Bea, roles: [boss]}\nroles: {boss: who may}\n"
    )

    async def ask(_question):
        return ("deny", "not in the middle of the day")

    serving.write(APPROVES, "p/calm")
    begun, _ = await prompt("p/calm", "ana", ("operator",), None)
    assert begun.status == "waiting"
    await parked(serving, begun.run)
    roles = ("operator", "approver")
    result, said = await prompt("p/calm", "bea", roles, ask, taken_up=begun.run)
    assert (result.status, said) == ("failed", [])
    assert "Bea denied it: not in the middle of the day" in str(result.because)


@pytest.mark.parametrize(("roles", "outcome"), [((), "waiting"), (("approver",), "resolved")])
async def test_nobody_is_asked_again_for_a_run_that_was_read_before_their_answer_came_of_it(
    serving, prompt, roles, outcome
):
    (serving.folder / "p/contacts.yaml").write_text(
        "people:\n  bea: {name: Bea, roles: [boss]}\nroles: {boss: who may}\n"
    )
    asked, looked, told = [], asyncio.Event(), asyncio.Event()

    class Late(Api):
        """What it read of the run while somebody was asked comes behind what they said."""

        async def get(self, path, **given):
            found = await super().get(path, **given)
            if asked and path.startswith("/runs/") and "/" not in path.removeprefix("/runs/"):
                looked.set()
                await told.wait()
            return found

        async def post(self, path, *given, **more):
            try:
                return await super().post(path, *given, **more)
            finally:
                if asked:
                    told.set()

    async def ask(question):
        asked.append(question.kind)
        await looked.wait()
        return ("approve", "it is fine")

    serving.write(APPROVES, "p/calm")
    begun, _ = await prompt("p/calm", "ana", ("operator",), None)
    await parked(serving, begun.run)
    given = {"taken_up": begun.run, "api_type": Late}
    result, said = await prompt("p/calm", "bea", ("operator", *roles), ask, **given)
    assert (result.status, asked, len(said)) == (outcome, ["approve"], not roles)
