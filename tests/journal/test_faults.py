"""The disk fails, is full, locked, read-only or damaged: said in words, nothing is pretended."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import JournalError, Moved
from engine.journal.contract import Verified
from engine.journal.schema import make_file
from engine.journal.sqlite import SqliteStore
from tests.failing_fsync import LET_FSYNC_FAIL

ME = "elsewhere:1:2"
NOBODY = 65534


@contextmanager
def small_disk(tmp_path):
    """A folder whose disk holds 1 MiB; where none may be mounted, one whose files may."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)]
    if (
        shutil.which("mount")
        and not subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode
    ):
        try:
            yield "the disk is full, 0 B of 1.0 MiB are free"
        finally:
            subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)
        return
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        yield "the disk reported an error"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def append_until_it_fails(store, draft, lease, seq, size=20_000):
    while True:
        try:
            seq = (await store.append(lease, seq, [draft(text="x" * size)]))[-1].seq
        except JournalError as error:
            return seq, error


async def test_a_full_disk_is_told_and_everything_acknowledged_is_kept(tmp_path, started, draft):
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk) as sentence:
        path = disk / "journal.db"
        make_file(path)
        store = SqliteStore(path)
        lease, _ = await store.create("r1", [started()], ME)
        seq, error = await append_until_it_fails(store, draft, lease, 1)
        assert str(error).startswith(f"the journal {path} cannot be written")
        assert sentence in str(error)
        assert "`runbook resume` takes the run up" in error.help
        assert (error.exit_code, type(error)) == (4, JournalError)
        assert seq > 10
        assert len(await store.events("r1")) == seq
        assert await store.verify("r1")
        await store.close()


async def test_a_file_size_limit_is_told_and_everything_acknowledged_is_kept(
    journal_file, open_sqlite, started, draft
):
    store = open_sqlite(journal_file)
    lease, _ = await store.create("r1", [started()], ME)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    try:
        seq, error = await append_until_it_fails(store, draft, lease, 1)
        assert "the disk reported an error" in str(error)
        assert "file size limits" in error.help
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(await store.events("r1")) == seq
    await store.close()
    assert await open_sqlite(journal_file).verify() == Verified(1, seq, {})


async def test_a_store_goes_on_when_there_is_room_again(journal_file, open_sqlite, started, draft):
    """A write that was refused for want of room lied about nothing, so this error is not final."""
    store = open_sqlite(journal_file)
    lease, _ = await store.create("r1", [started()], ME)
    room = store._writer._connection.execute
    room("PRAGMA max_page_count = 40")
    seq, error = await append_until_it_fails(store, draft, lease, 1)
    assert "the disk is full" in str(error)
    assert "(SQLITE_FULL)" in str(error)
    room("PRAGMA max_page_count = 4000")
    assert (await store.append(lease, seq, [draft()]))[0].seq == seq + 1
    assert await store.verify() == Verified(1, seq + 1, {})


async def test_a_large_event_that_does_not_fit_takes_no_small_one_with_it(
    journal_file, open_sqlite, started, draft
):
    store = open_sqlite(journal_file)
    leases = [(await store.create(f"r{n}", [started()], ME))[0] for n in range(10)]
    store._writer._connection.execute("PRAGMA max_page_count = 40")
    sizes = [10, 1_000_000, *[10] * 8]
    results = await asyncio.gather(
        *(
            store.append(lease, 1, [draft(text="x" * size)])
            for lease, size in zip(leases, sizes, strict=True)
        ),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [list, JournalError, *[list] * 8]
    assert await store.verify() == Verified(10, 19, {})


class FailsOnce(sqlite3.Connection):
    """Fails one commit as SQLite does when `fsync` reports an error; then the disk is well."""

    failing = False

    def execute(self, sql, *parameters):
        if self.failing and sql == "COMMIT":
            type(self).failing = False
            super().execute("ROLLBACK")
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
            raise error
        return super().execute(sql, *parameters)


async def test_after_an_fsync_error_everything_is_refused_until_the_store_is_opened_again(
    journal_file, open_sqlite, started, draft
):
    store = open_sqlite(journal_file, factory=FailsOnce)
    lease, _ = await store.create("r1", [started()], ME)
    FailsOnce.failing = True
    with pytest.raises(JournalError, match=r"the disk reported an error.*SQLITE_IOERR_FSYNC"):
        await store.append(lease, 1, [draft()])
    assert not FailsOnce.failing
    for call in (
        store.append(lease, 1, [draft()]),
        store.append_outside("r1", draft()),
        store.create("r2", [started()], ME),
        store.take("r1", "other", force=True),
        store.renew([lease]),
    ):
        with pytest.raises(JournalError, match="is refused since an earlier error: the journal"):
            await call
    assert [event.seq for event in await store.events("r1")] == [1]
    await store.close()
    again = open_sqlite(journal_file)
    await again.append(lease, 1, [draft()])
    assert await again.verify() == Verified(1, 2, {})


FSYNC_FAILS = (
    LET_FSYNC_FAIL
    + """
import asyncio, os, sys
from pathlib import Path
from engine.core.events import Draft
from engine.errors import JournalError
from engine.journal.sqlite import SqliteStore

async def main(path):
    store = SqliteStore(Path(path))
    lease, _ = await store.create("r1", [Draft("RunStarted", {}, 1)], "h:1:1")
    for seq in range(1, 21):
        await store.append(lease, seq, [Draft("StepProgressed", {"n": seq}, 1)])
    let_fsync_fail()
    for _ in range(3):
        try:
            await store.append(lease, 21, [Draft("StepProgressed", {"n": "refused"}, 1)])
            print("acknowledged")
        except JournalError as error:
            print(error.exit_code, error)
    print(len(await store.events("r1")))
    await store.close()

asyncio.run(main(sys.argv[1]))
"""
)


async def run_python(code, path):
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    told, errors = await child.communicate()
    assert (child.returncode, errors.decode()) == (0, "")
    return told.decode().splitlines()


async def test_a_kernel_that_reports_eio_on_fsync_stops_the_store(journal_file, open_sqlite):
    first, second, third, count = await run_python(FSYNC_FAILS, journal_file)
    assert first.startswith(f"4 the journal {journal_file} cannot be written or read: the disk")
    assert first.endswith("(SQLITE_IOERR_FSYNC)")
    assert second.startswith("4 the journal is refused since an earlier error")
    assert (third, count) == (second, "21")
    store = open_sqlite(journal_file)
    events = await store.events("r1")
    assert [event.body.get("n") for event in events] == [None, *range(1, 21)]
    assert await store.verify() == Verified(1, 21, {})


async def test_a_journal_locked_by_another_process_is_told_after_a_while(
    journal_file, open_sqlite, started, draft
):
    store = open_sqlite(journal_file, busy_s=0.05)
    lease, _ = await store.create("r1", [started()], ME)
    other = sqlite3.connect(journal_file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match=r"is locked: another process .* for 0\.05 s") as caught:
        await store.append(lease, 1, [draft()])
    assert f"fuser {journal_file}" in caught.value.help
    assert len(await store.events("r1")) == 1
    other.close()
    await store.append(lease, 1, [draft()])


class Taken(sqlite3.Connection):
    """Another process writes whenever this one looks, a hundred times."""

    looks = 0

    def execute(self, sql, *parameters):
        if sql == "BEGIN IMMEDIATE" and type(self).looks < 100:
            type(self).looks += 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            error.sqlite_errorname = "SQLITE_BUSY"
            raise error
        return super().execute(sql, *parameters)


async def test_who_finds_others_writing_looks_until_it_is_its_turn(
    journal_file, open_sqlite, started, draft
):
    await open_sqlite(journal_file).close()
    store = open_sqlite(journal_file, factory=Taken, busy_s=600)
    lease, _ = await store.create("r1", [started()], ME)
    assert Taken.looks == 100
    await store.append(lease, 1, [draft()])


async def test_a_locked_new_file_is_told(journal_file):
    other = sqlite3.connect(journal_file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalError, match="is locked"):
        SqliteStore(journal_file, busy_s=0.02)
    other.close()


@pytest.fixture
def read_only_folder():
    """A folder of a journal that this process may read and not write, be it root's or not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def as_nobody():
    """Root may write to read-only files, so it steps down for a while."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


async def create_in(path, first):
    store = SqliteStore(path)
    try:
        await store.create("r1", [first], ME)
    finally:
        await store.close()


async def test_a_read_only_journal_is_told(read_only_folder, started):
    path = read_only_folder / "journal.db"
    make_file(path)
    await SqliteStore(path).close()
    path.chmod(0o444)
    read_only_folder.chmod(0o555)
    with as_nobody(), pytest.raises(JournalError) as caught:
        await create_in(path, started())
    assert str(caught.value).startswith(f"the journal {path} cannot be ")
    assert caught.value.help
    read_only_folder.chmod(0o755)


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be read" * 99])
async def test_a_file_that_is_no_database_is_told_and_left_alone(journal_file, content):
    journal_file.write_bytes(content)
    with pytest.raises(JournalError, match="is damaged: file is not a database"):
        SqliteStore(journal_file)
    assert journal_file.read_bytes() == content


async def test_a_damaged_file_is_refused_from_then_on(journal_file, open_sqlite, started, draft):
    store = open_sqlite(journal_file)
    lease, _ = await store.create("r1", [started()], ME)
    await store.append(lease, 1, [draft(text="x" * 500) for _ in range(500)])
    await store.close()
    content = bytearray(journal_file.read_bytes())
    pages = len(content) // 4096
    for page in range(pages // 2, pages):  # the first ones hold the schema
        content[page * 4096 : page * 4096 + 100] = b"\xff" * 100
    journal_file.write_bytes(content)
    store = open_sqlite(journal_file)
    with pytest.raises(JournalError, match="is damaged"):
        await store.append(lease, 501, [draft()])
    with pytest.raises(JournalError, match="refused since an earlier error"):
        await store.append(lease, 501, [draft()])
    with pytest.raises(JournalError, match=r"is damaged|cannot be read"):
        await store.verify()


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_file_that_was_removed_takes_no_more_events(
    journal_file, open_sqlite, started, draft, replaced
):
    store = open_sqlite(journal_file)
    lease, _ = await store.create("r1", [started()], ME)
    journal_file.rename(journal_file.with_suffix(".old"))
    if replaced:
        make_file(journal_file)
    with pytest.raises(JournalError, match="was removed or replaced while it was in use"):
        await store.append(lease, 1, [draft()])


async def test_a_list_that_lags_behind_the_events_is_told_and_stops_nobody_else(
    journal_file, open_sqlite, started, draft
):
    store = open_sqlite(journal_file)
    leases = [(await store.create(f"r{n}", [started()], ME))[0] for n in range(5)]
    await store.append(leases[2], 1, [draft()])
    other = sqlite3.connect(journal_file)
    other.execute("UPDATE runs SET last_seq = 1 WHERE run = 'r2'")
    other.commit()
    other.close()
    results = await asyncio.gather(
        *(store.append(lease, 1, [draft()]) for lease in leases), return_exceptions=True
    )
    assert [type(result) for result in results] == [list, list, JournalError, list, list]
    assert "the list of runs and the events differ" in str(results[2])
    await store.rebuild()
    with pytest.raises(Moved):
        await store.append(leases[2], 1, [draft()])
    assert await store.verify() == Verified(5, 10, {})


async def test_a_bug_in_a_call_reaches_its_caller_and_the_writer_goes_on(
    journal_file, open_sqlite, started
):
    store = open_sqlite(journal_file)

    def work(batch):
        raise ZeroDivisionError

    results = await asyncio.gather(
        store.create("r1", [started()], ME),
        store._writer.perform(work),
        store.create("r2", [started()], ME),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [tuple, ZeroDivisionError, tuple]
    assert await store.verify() == Verified(2, 2, {})


async def test_a_process_that_does_not_close_its_store_ends_all_the_same(journal_file):
    code = (
        "import sys, asyncio; from pathlib import Path; from engine.journal.sqlite import *\n"
        "async def main(): await SqliteStore(Path(sys.argv[1])).events('x')\n"
        "asyncio.run(main())"
    )
    assert await asyncio.wait_for(run_python(code, journal_file), 20) == []
