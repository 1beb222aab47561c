"""What a server takes up when it starts, and that one run is no reason not to start."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from engine.clock import SystemClock
from engine.core.events import Actor, Draft
from engine.errors import JournalError, Refused
from engine.journal.called import may_call
from engine.journal.schema import make_file
from engine.journal.sqlite import SqliteStore
from engine.server.unfinished import all_that_call
from tests.server.conftest import serving_in

ANA = Actor("ana", "os-user")
TEXT = "title: Old\nsteps: [{id: look, check: gone.look, target: there}]\n"
UNREAD = "title: Old\nsteps: {}\n"
NOW_US = 1_800_000_000_000_000


class At(SystemClock):
    def now_us(self) -> int:
        return NOW_US + 1


def drafts(text: str) -> list[Draft]:
    """A run that failed, and whose people nobody called."""
    begun = {"name": "p/old", "digest": "", "texts": {"p/old": text}, "inputs": {}, "event": None}
    begun |= {"environment": "test", "mode": "real", "engine": "0", "connections": {}}
    call = {"escalation": "run", "policy": "default", "message": "it failed", "why": "it failed"}
    end = {"outcome": "failed", "because": "no", "worst": "failed", "outputs": {}, "running": []}
    bodies = {"RunStarted": begun | {"telling": {"policies": {}}}, "RunFinished": end}
    bodies["EscalationStarted"] = call
    return [Draft(type_, body, NOW_US, ANA) for type_, body in bodies.items()]


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "journal.db"
    make_file(path)
    return path


async def hold(journal, *runs: str, text: str = TEXT) -> None:
    """Puts runs into a journal that are over and call people, of a step type that is gone."""
    store = SqliteStore(journal)
    made = await asyncio.gather(*[store.create(run, drafts(text), "h:1:1") for run in runs])
    await asyncio.gather(*[store.release(lease) for lease, _ in made])
    await store.close()


async def test_a_run_that_cannot_be_read_any_more_does_not_keep_a_server_from_starting(
    books, journal
):
    await hold(journal, "20270115-080000-aaaaaaaa", text=UNREAD)
    async with serving_in(books, journal) as serving:
        await serving.parts.keeper.close(20)
        assert serving.parts.keeper.broken == 1
        assert "run is not taken up, and tried again" in serving.log.getvalue()


async def test_a_run_that_is_over_calls_people_though_a_step_type_of_it_is_gone(books, journal):
    await hold(journal, "20270115-080000-aaaaaaaa")
    async with serving_in(books, journal) as serving:
        await serving.parts.keeper.close(20)
        assert serving.parts.keeper.broken == 0
        assert "ESCALATION (default): it failed" in serving.log.getvalue()


async def test_as_many_runs_that_are_over_are_found_as_call_people_in_a_storm(journal):
    runs = [f"20270115-080000-{number:08}" for number in range(1100)]
    await hold(journal, *runs)
    store = SqliteStore(journal)
    assert await may_call(store, NOW_US + 1) == runs
    await store.close()


async def test_of_runs_that_call_people_and_that_nobody_drives_those_of_a_sandbox_are_left(journal):
    store = SqliteStore(journal)
    for number, environment in enumerate(("test", "sandbox", "test")):
        first, *rest = drafts(TEXT)
        first = structs.replace(first, body={**first.body, "environment": environment})
        await store.create(f"20270115-080000-{number:08}", [first, *rest], "h:1:1")
    found = await all_that_call(store, At(), lambda run: run.endswith("2"))
    assert found == ["20270115-080000-00000000"]
    await store.close()


async def test_whoever_waits_for_a_run_to_begin_hears_that_the_server_ends(books, journal):
    (books / "p/waits.yaml").write_text("title: Waits\nsteps: [{wait: 1h}, {end: resolved}]\n")
    async with serving_in(books, journal, drive_max=1) as serving:
        keeper = serving.parts.keeper
        await keeper.start("p/waits", "test", actor=ANA)
        asked = asyncio.create_task(keeper.start("p/waits", "test", actor=ANA))
        await asyncio.sleep(0)
        assert keeper.driven == 2
        await keeper.close(0)
        with pytest.raises(Refused, match="this server is ending"):
            async with asyncio.timeout(20):
                await asked


async def test_a_run_whose_last_event_could_not_be_read_is_taken_up_again(
    books, journal, monkeypatch
):
    text = "title: Sure\nsteps: [{id: sure, check: human.confirm, with: {question: Green?}}]\n"
    (books / "p/sure.yaml").write_text(text)
    async with serving_in(books, journal) as serving:
        keeper = serving.parts.keeper

        async def fails(_run: str) -> None:
            raise JournalError("disk I/O error")

        broke, told = asyncio.Event(), serving.parts.log.fault
        monkeypatch.setattr(
            serving.parts.log, "fault", lambda *a, **k: told(*a, **k) or broke.set()
        )
        monkeypatch.setattr(keeper, "_park", fails)
        await keeper.start("p/sure", "test", actor=ANA)
        async with asyncio.timeout(20):
            await broke.wait()
        assert "disk I/O error" in serving.log.getvalue()
        await asyncio.sleep(0)
        assert (keeper.parked, keeper.broken) == (0, 1)
