"""What only SQLite has: a file, its schema, and other processes at it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.core.events import Draft
from engine.errors import Fenced, JournalError, Moved
from engine.journal import schema, writer
from engine.journal.contract import Verified
from engine.journal.looking import POLL_S
from engine.journal.sqlite import SqliteStore

ME, OTHER = "elsewhere:1:2", "elsewhere:3:4"
RECORDED = Path(__file__).parent / "recorded"


async def test_a_journal_is_there_when_it_is_opened_again(
    journal_file, open_sqlite, started, draft
):
    store = open_sqlite(journal_file)
    lease, first = await store.create("r1", [started()], ME)
    second = await store.append(lease, 1, [draft(path="a")])
    await store.close()
    again = open_sqlite(journal_file)
    assert await again.events("r1") == [*first, *second]
    await again.append(lease, 2, [draft()])
    assert (await again.verify()) == Verified(1, 3, {})


async def test_an_acknowledged_event_is_in_the_log_with_full_synchronisation(
    journal_file, open_sqlite
):
    store = open_sqlite(journal_file)
    execute = store._writer._connection.execute
    assert execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert execute("PRAGMA synchronous").fetchone() == (2,)


async def test_the_log_has_the_permissions_of_the_file(journal_file, open_sqlite, started):
    await open_sqlite(journal_file).create("r1", [started()], ME)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in journal_file.parent.iterdir()}
    assert modes == dict.fromkeys(("journal.db", "journal.db-wal", "journal.db-shm"), "0o600")


async def test_two_stores_on_one_file_see_each_others_appends_and_leases(
    journal_file, open_sqlite, started, draft
):
    """A second store has connections of its own, as another process has."""
    one, two = open_sqlite(journal_file), open_sqlite(journal_file)
    lease, _ = await one.create("r1", [started()], ME)
    await two.append_outside("r1", draft(path="two"))
    with pytest.raises(Moved, match="its last event is 2, not 1"):
        await one.append(lease, 1, [draft()])
    await one.append(lease, 2, [draft(path="one")])
    await two.append_outside("r1", draft(path="two"))
    newer = await two.take("r1", OTHER, force=True)
    with pytest.raises(Fenced):
        await one.append(lease, 4, [draft()])
    await two.append(newer, 4, [draft()])
    assert await one.verify() == Verified(1, 5, {})
    assert await one.events("r1") == await two.events("r1")


async def test_who_waits_sees_another_stores_append_at_the_next_look(
    journal_file, open_sqlite, started, draft, clock
):
    one, two = open_sqlite(journal_file, clock=clock), open_sqlite(journal_file)
    await one.create("r1", [started()], ME)
    waiting = asyncio.create_task(one.wait_for_more("r1", 1, 60))
    await clock.sleeping(2)
    clock.advance(POLL_S)
    await clock.sleeping(2)
    assert not waiting.done()
    await two.append_outside("r1", draft())
    clock.advance(POLL_S)
    assert await waiting


async def test_nobody_looks_for_more_when_nobody_waits(
    journal_file, open_sqlite, started, draft, clock
):
    store = open_sqlite(journal_file, clock=clock)
    await store.create("r1", [started()], ME)
    waiting = asyncio.create_task(store.wait_for_more("r1", 1, 60))
    await clock.sleeping(2)
    await store.append_outside("r1", draft())
    assert await waiting
    clock.advance(POLL_S)
    await store._looker.task
    assert not store._waiters


WRITE_ON = """
import asyncio, sys
from pathlib import Path
from engine.core.events import Draft
from engine.journal.sqlite import SqliteStore

async def main(path, name):
    store = SqliteStore(Path(path))
    lease, _ = await store.create(name, [Draft("RunStarted", {"name": name}, 1)], name + ":1:1")
    for seq in range(1, 101):
        await store.append(lease, seq, [Draft("StepProgressed", {"n": seq}, 1)])
        await store.append_outside("shared", Draft("Answered", {"by": name, "n": seq}, 1))
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_several_processes_write_to_one_file(journal_file, open_sqlite, started):
    store = open_sqlite(journal_file)
    await store.create("shared", [started()], ME)
    names = ["p1", "p2", "p3"]
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITE_ON, str(journal_file), name, stderr=subprocess.PIPE
        )
        for name in names
    ]
    for child in children:
        _, told = await child.communicate()
        assert (child.returncode, told.decode()) == (0, "")
    for name in names:
        assert [event.body.get("n") for event in await store.events(name, 1)] == [*range(1, 101)]
        told = [event for event in await store.events("shared", 1) if event.body["by"] == name]
        assert [event.body["n"] for event in told] == [*range(1, 101)]
    assert await store.verify() == Verified(4, 1 + 300 + 303, {})


async def test_a_file_is_made_by_whichever_of_several_processes_comes_first(journal_file):
    code = (
        "import sys, asyncio; from pathlib import Path; from engine.journal.sqlite import *\n"
        "async def main(): await SqliteStore(Path(sys.argv[1])).close()\n"
        "asyncio.run(main())"
    )
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(journal_file), stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    for child in children:
        _, told = await child.communicate()
        assert (child.returncode, told.decode()) == (0, "")


async def test_the_working_folder_may_change_while_a_journal_is_open(
    tmp_path, open_sqlite, started, monkeypatch
):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    schema.make_file(Path("here.db"))
    store = open_sqlite(Path("here.db"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    await store.create("r1", [started()], ME)
    assert await store.verify() == Verified(1, 1, {})


async def test_what_is_queued_is_written_before_the_store_closes(
    journal_file, open_sqlite, started, draft
):
    store = open_sqlite(journal_file)
    await store.create("r1", [started()], ME)
    calls = [asyncio.create_task(store.append_outside("r1", draft())) for _ in range(50)]
    await asyncio.sleep(0)
    await store.close()
    await store.close()
    assert sorted(event.seq for event in await asyncio.gather(*calls)) == [*range(2, 52)]
    for call in (store.append_outside("r1", draft()), store.events("r1"), store.verify()):
        with pytest.raises(JournalError, match=r"journal\.db is closed"):
            await call


async def test_closing_ends_every_wait(journal_file, open_sqlite, started, clock):
    store = open_sqlite(journal_file, clock=clock)
    await store.create("r1", [started()], ME)
    waiting = asyncio.create_task(store.wait_for_more("r1", 1, 60))
    await clock.sleeping(2)
    await store.close()
    with pytest.raises(JournalError, match="is closed"):
        await waiting


async def test_more_calls_than_the_queue_holds_wait_their_turn(
    journal_file, open_sqlite, started, draft, monkeypatch
):
    monkeypatch.setattr(writer, "QUEUE_MAX", 3)
    monkeypatch.setattr(writer, "GROUP_MAX", 2)
    monkeypatch.setattr(writer, "HEADS_MAX", 1)
    store = open_sqlite(journal_file)
    for run in ("r1", "r2", "r3"):
        await store.create(run, [started()], ME)
    calls = [store.append_outside(f"r{n % 3 + 1}", draft()) for n in range(60)]
    await asyncio.gather(*calls)
    assert await store.verify() == Verified(3, 63, {})


async def test_a_call_that_is_cancelled_leaves_the_others_alone(
    journal_file, open_sqlite, started, draft
):
    store = open_sqlite(journal_file)
    await store.create("r1", [started()], ME)
    calls = [asyncio.create_task(store.append_outside("r1", draft())) for _ in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, asyncio.CancelledError) for result in results) == 10
    assert (await store.verify()).runs == 1


async def test_a_journal_of_every_released_schema_opens_and_verifies(tmp_path, open_sqlite, draft):
    recorded = sorted(RECORDED.glob("schema-*.sql"))
    assert len(recorded) == len(schema.MIGRATIONS)
    for number, dump in enumerate(recorded, start=1):
        path = tmp_path / f"{number}.db"
        connection = sqlite3.connect(path)
        connection.executescript(dump.read_text())
        connection.close()
        store = open_sqlite(path)
        assert await store.verify() == Verified(2, 9, {})
        assert [row.status for row in await store.runs()] == ["in doubt", "resolved"]
        await store.append_outside("old-2", draft("DoubtSettled", path="act", happened=True))
        assert [row.status for row in await store.runs()] == ["waiting", "resolved"]


async def test_an_older_schema_is_brought_forward_step_by_step_and_only_once(
    journal_file, open_sqlite, started, monkeypatch
):
    store = open_sqlite(journal_file)
    await store.create("r1", [started()], ME)
    await store.close()
    newer = (
        *schema.MIGRATIONS,
        "CREATE TABLE seals (at_us INTEGER);\nINSERT INTO seals VALUES (1);",
        "-- a comment; with a semicolon\nINSERT INTO seals\nVALUES (2);\n",
    )
    prepare = schema.prepare
    monkeypatch.setattr(schema, "prepare", lambda *given: prepare(*given, newer))
    for _ in range(2):
        store = open_sqlite(journal_file)
        assert await store.verify() == Verified(1, 1, {})
        await store.close()
    connection = sqlite3.connect(journal_file)
    assert connection.execute("SELECT at_us FROM seals").fetchall() == [(1,), (2,)]
    assert connection.execute("PRAGMA user_version").fetchone() == (len(newer),)
    connection.close()


async def test_a_migration_that_fails_changes_nothing(journal_file, open_sqlite, monkeypatch):
    await open_sqlite(journal_file).close()
    prepare = schema.prepare
    newer = (*schema.MIGRATIONS, "CREATE TABLE seals (at_us INTEGER);\nCREATE TABLE runs (x);\n")
    monkeypatch.setattr(schema, "prepare", lambda *given: prepare(*given, newer))
    with pytest.raises(JournalError, match="table runs already exists"):
        open_sqlite(journal_file)
    monkeypatch.undo()
    await open_sqlite(journal_file).close()


async def test_a_newer_schema_is_refused_in_words(journal_file, open_sqlite):
    await open_sqlite(journal_file).close()
    connection = sqlite3.connect(journal_file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(JournalError, match="has schema 99, and this version of runbook knows"):
        open_sqlite(journal_file)


async def test_a_database_of_something_else_is_left_alone(journal_file, open_sqlite):
    connection = sqlite3.connect(journal_file)
    connection.execute("CREATE TABLE events (mine)")
    connection.close()
    before = journal_file.read_bytes()
    with pytest.raises(JournalError, match="is a SQLite database, but no journal of runbook"):
        open_sqlite(journal_file)
    assert journal_file.read_bytes() == before


async def test_the_body_is_stored_as_the_text_that_was_hashed(journal_file, open_sqlite, started):
    store = open_sqlite(journal_file)
    await store.create("r1", [started()], ME)
    await store.append_outside("r1", Draft("StepProgressed", {"b": "ü", "a": 1}, 5))
    connection = sqlite3.connect(journal_file)
    (text,) = connection.execute("SELECT body FROM events WHERE seq = 2").fetchone()
    connection.close()
    assert text == '{"a":1,"b":"ü"}'
    assert json.loads(text) == (await store.events("r1", 1))[0].body


async def test_reading_goes_on_while_a_long_verify_runs(journal_file, open_sqlite, started, draft):
    store = open_sqlite(journal_file)
    lease, _ = await store.create("r1", [started()], ME)
    await store.append(lease, 1, [draft(n=n) for n in range(500)])
    results = await asyncio.gather(
        store.verify(), *(store.events("r1", 498) for _ in range(20)), store.verify("r1")
    )
    assert (results[0].events, results[-1].events) == (501, 501)
    assert [len(events) for events in results[1:-1]] == [3] * 20


def test_a_read_that_ends_just_as_its_loop_does_prints_nothing(journal_file, caplog):
    """A command that is over prints no traceback behind its last words."""
    at_its_end, closed = threading.Event(), threading.Event()

    class Loop(asyncio.SelectorEventLoop):
        """Closed between the last look whether it is and the call of a thread that reads."""

        def call_soon_threadsafe(self, callback, *args, context=None):
            if threading.current_thread().name.startswith("journal-reader"):
                at_its_end.set()
                closed.wait()
            return super().call_soon_threadsafe(callback, *args, context=context)

    async def over_before_it_reads():
        store = SqliteStore(journal_file)
        reading = asyncio.create_task(store.runs())
        await asyncio.to_thread(at_its_end.wait)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await store.close()
        return store._pool

    with asyncio.Runner(loop_factory=Loop) as runner:
        pool = runner.run(over_before_it_reads())
    closed.set()
    pool.shutdown()
    assert caplog.messages == []
