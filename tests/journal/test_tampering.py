"""One byte of any event is changed, in every way there is: verify names the run and the event."""

from __future__ import annotations

import sqlite3

import pytest
import pytest_asyncio

from engine.core.events import Actor, Draft
from engine.errors import Broken, JournalError
from engine.journal import audit
from engine.journal.contract import Verified
from engine.journal.sqlite import SqliteStore

COLUMNS = ("run", "seq", "at_us", "type", "version", "actor", "body", "hash")
RUNS = {"a-run": 4, "b-run": 3}


@pytest_asyncio.fixture
async def whole(journal_file):
    """The file of a small, closed journal that verifies."""
    store = SqliteStore(journal_file)
    for run, count in RUNS.items():
        lease, _ = await store.create(run, [Draft("RunStarted", {"name": "n"}, 7)], "h:1:2")
        for seq in range(1, count):
            await store.append(lease, seq, [Draft("StepProgressed", {"path": f"ü{seq}"}, 8)])
    await store.append_outside("b-run", Draft("Answered", {}, 9, Actor("ann", "as", "bob")))
    await store.close()
    assert audit.verify(journal_file, 1, None) == Verified(2, 8, {})
    return journal_file


@pytest.fixture
def forge(whole):
    """Runs SQL on the journal's file behind the store's back."""
    connection = sqlite3.connect(whole, isolation_level=None)
    yield connection.execute
    connection.close()


def broken(path, run=None):
    with pytest.raises(Broken) as caught:
        audit.verify(path, 1, run)
    return caught.value.run, caught.value.seq


def flips(value):
    """Every value that differs in one byte of text, or in one bit of an integer."""
    if isinstance(value, int):
        return [value ^ (1 << bit) for bit in range(63)] + [-value - 1]
    text = value.encode()
    return [
        text[:at] + bytes([text[at] ^ mask]) + text[at + 1 :]
        for at in range(len(text))
        for mask in (0x01, 0x80)
    ]


@pytest.mark.parametrize("column", COLUMNS)
def test_every_byte_of_a_column_counts(whole, forge, column):
    stored = forge("SELECT * FROM events").fetchall()
    missed = []
    for row in stored:
        run, seq = row[:2]
        for value in flips(row[COLUMNS.index(column)]):
            new = "?" if isinstance(value, int) else "CAST(? AS TEXT)"
            forge("BEGIN")
            try:
                forge(
                    f"UPDATE events SET {column} = {new} WHERE run = ? AND seq = ?",
                    (value, run, seq),
                )
                forge("COMMIT")
            except sqlite3.IntegrityError:
                forge("ROLLBACK")  # it would collide with a neighbour: no such change is possible
                continue
            if broken(whole) != (run, seq):
                missed.append((run, seq, value))
            forge("DELETE FROM events")
            for each in stored:
                forge("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", each)
    assert missed == []


HEADER_BYTES = 10
"""Of each row of this journal: its own length, then one type a column, two bytes for the hash's."""


def cells_of(path, content):
    """Where each event lies in the file, from the length of its row to its last byte."""
    connection = sqlite3.connect(path)
    found = {}
    for run, seq, body, digest in connection.execute("SELECT run, seq, body, hash FROM events"):
        tail = (body + digest).encode()
        end = content.index(tail) + len(tail)
        values = content.rindex(run.encode(), 0, end)
        assert content[values - HEADER_BYTES] == HEADER_BYTES
        length_bytes = 1 if end - values + HEADER_BYTES < 128 else 2
        found[run, seq] = (values - HEADER_BYTES - length_bytes, end)
    connection.close()
    return found


def test_every_byte_of_a_run_in_the_file_itself_counts(whole):
    """As an editor of the file would do it, keys, headers of rows and lengths included."""
    content = bytearray(whole.read_bytes())
    cells = cells_of(whole, content)
    wrong = []
    for named, (start, end) in cells.items():
        for at in range(start, end):
            for mask in (0x01, 0x80):
                content[at] ^= mask
                whole.write_bytes(content)
                if broken(whole) != named:
                    wrong.append((named, at - start, mask, content[at]))
                content[at] ^= mask
    assert wrong == []


@pytest.mark.parametrize("seq", [1, 2, 4])
def test_an_event_that_was_removed_is_named(whole, forge, seq):
    forge("DELETE FROM events WHERE run = 'a-run' AND seq = ?", (seq,))
    assert broken(whole) == ("a-run", seq)
    assert broken(whole, "a-run") == ("a-run", seq)
    assert audit.verify(whole, 1, "b-run").events == 4


def test_a_run_that_was_removed_from_the_events_is_named(whole, forge):
    forge("DELETE FROM events WHERE run = 'b-run'")
    assert broken(whole) == ("b-run", 1)


def test_a_run_that_was_removed_from_the_list_is_named(whole, forge):
    forge("DELETE FROM runs WHERE run = 'a-run'")
    assert broken(whole) == ("a-run", 1)
    assert broken(whole, "a-run") == ("a-run", 1)


def test_two_events_that_changed_places_are_named(whole, forge):
    forge("UPDATE events SET seq = 9 WHERE run = 'a-run' AND seq = 2")
    forge("UPDATE events SET seq = 2 WHERE run = 'a-run' AND seq = 3")
    forge("UPDATE events SET seq = 3 WHERE run = 'a-run' AND seq = 9")
    assert broken(whole) == ("a-run", 2)


def test_an_event_put_behind_the_last_is_named(whole, forge):
    forge(
        "INSERT INTO events SELECT run, 5, at_us, type, version, actor, body, hash FROM events "
        "WHERE run = 'a-run' AND seq = 4"
    )
    assert broken(whole) == ("a-run", 5)


def test_a_column_of_another_type_is_named(whole, forge):
    forge("UPDATE events SET body = CAST(body AS BLOB) WHERE run = 'a-run' AND seq = 3")
    assert broken(whole) == ("a-run", 3)


def test_an_event_that_cannot_be_read_any_more_is_broken_and_names_itself(whole, forge):
    forge("UPDATE events SET body = '{' WHERE run = 'a-run' AND seq = 3")
    assert broken(whole) == ("a-run", 3)


async def test_a_damaged_list_is_told_as_damage_of_the_file(whole, open_sqlite):
    content = bytearray(whole.read_bytes())
    page = content.index(b"a-runn") // 4096
    content[page * 4096 : page * 4096 + 8] = b"\xff" * 8
    whole.write_bytes(content)
    with pytest.raises(JournalError, match="is damaged: database disk image is malformed"):
        await open_sqlite(whole).verify()


async def test_the_list_is_rebuilt_from_the_events(whole, forge, open_sqlite):
    before = forge("SELECT * FROM runs ORDER BY run").fetchall()
    forge("UPDATE runs SET status = 'failed', name = 'x', last_seq = 2 WHERE run = 'a-run'")
    forge("DELETE FROM runs WHERE run = 'b-run'")
    store = open_sqlite(whole)
    assert await store.rebuild() == 2
    assert forge("SELECT * FROM runs ORDER BY run").fetchall() == before
    assert await store.verify() == Verified(2, 8, {})


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("DELETE FROM events WHERE run = 'a-run' AND seq = 4", ("a-run", 4)),
        ("DELETE FROM events WHERE run = 'b-run'", ("b-run", 1)),
        ("UPDATE events SET body = '{}' WHERE run = 'a-run' AND seq = 2", ("a-run", 2)),
        ("UPDATE events SET seq = -1 WHERE run = 'a-run' AND seq = 4", ("a-run", 4)),
    ],
)
async def test_a_list_that_proves_a_loss_is_not_rebuilt(whole, forge, open_sqlite, sql, named):
    forge(sql)
    before = forge("SELECT * FROM runs").fetchall()
    with pytest.raises(Broken) as caught:
        await open_sqlite(whole).rebuild()
    assert (caught.value.run, caught.value.seq) == named
    assert forge("SELECT * FROM runs").fetchall() == before
