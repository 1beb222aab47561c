"""The SQLite schema of the journal, its migrations, and connections that are set up right.

A migration is a script that takes the database one version further; none is ever edited once it was
released, and there is none backwards. `PRAGMA user_version` counts them; `PRAGMA application_id`
tells our file from any other SQLite database, so that a wrong path is told, not written into.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from engine.errors import JournalError

APPLICATION_ID = 0x52_42_4A_31
"""`RBJ1`, at byte 68 of the file."""

UNCHANGED = f"PRAGMA application_id = {APPLICATION_ID}"
"""What it is already: a page is written, and nothing is changed by it."""

RETRY_PAUSE_S = 0.005
"""Between tries to switch a new file to WAL, for which SQLite does not wait by itself."""

WAL_KEPT_BYTES = 64 * 1024 * 1024
"""The log file is cut back to this after a long reader made it grow."""

VERSION_1 = """
-- The truth. WITHOUT ROWID: a row is stored once, in the order of its key. A table with a rowid
-- would hold (run, seq) a second time in an index, and a byte altered in the copy that is not read
-- would not show.
CREATE TABLE events (
    run     TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    at_us   INTEGER NOT NULL,
    type    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    body    TEXT    NOT NULL,
    hash    TEXT    NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

-- What the list shows, and where each chain ends. `marks`: the paths that are in doubt and those
-- that wait for a person, from which `status` is folded on.
CREATE TABLE runs (
    run         TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    mode        TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    started_us  INTEGER NOT NULL,
    finished_us INTEGER,
    status      TEXT    NOT NULL,
    because     TEXT,
    marks       TEXT    NOT NULL,
    last_seq    INTEGER NOT NULL,
    head        TEXT    NOT NULL
) WITHOUT ROWID;

CREATE INDEX runs_by_start ON runs (started_us, run);

-- Who drives a run. No holder: it was let go. The epoch only grows.
CREATE TABLE leases (
    run        TEXT    NOT NULL PRIMARY KEY,
    epoch      INTEGER NOT NULL,
    holder     TEXT,
    renewed_us INTEGER NOT NULL
) WITHOUT ROWID;
"""

VERSION_2 = """
-- What was asked of the guards, by run. `state`: queued, admitted (under way), over, refused,
-- withdrawn (from the line). A lock is held by the one ticket that is `admitted` with it: the
-- database itself lets no second one in.
CREATE TABLE admissions (
    run         TEXT    NOT NULL PRIMARY KEY,
    runbook     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    lock        TEXT,
    state       TEXT    NOT NULL,
    acts        INTEGER NOT NULL,
    through     TEXT,
    asked_us    INTEGER NOT NULL,
    began_us    INTEGER,
    ended_us    INTEGER,
    outcome     TEXT,
    place       INTEGER NOT NULL,
    rules       TEXT    NOT NULL,
    start       TEXT
) WITHOUT ROWID;

CREATE UNIQUE INDEX admissions_locks ON admissions (environment, lock)
    WHERE state = 'admitted' AND lock IS NOT NULL;
CREATE INDEX admissions_line ON admissions (environment, lock, place) WHERE state = 'queued';
CREATE INDEX admissions_open ON admissions (asked_us) WHERE state IN ('queued', 'admitted');
CREATE INDEX admissions_begun ON admissions (runbook, environment, began_us)
    WHERE began_us IS NOT NULL;
CREATE INDEX admissions_ended ON admissions (runbook, environment, ended_us) WHERE state = 'over';

-- The switch, as a list: the latest row says how it stands.
CREATE TABLE switches (
    number INTEGER PRIMARY KEY,
    at_us  INTEGER NOT NULL,
    frozen INTEGER NOT NULL,
    why    TEXT    NOT NULL,
    actor  TEXT    NOT NULL
);

-- What providers let all runs together use; see `Budget`.
CREATE TABLE budgets (
    name             TEXT    NOT NULL PRIMARY KEY,
    used             REAL    NOT NULL,
    at_us            INTEGER NOT NULL,
    spent            INTEGER NOT NULL,
    blocked_until_us INTEGER NOT NULL
) WITHOUT ROWID;
"""

VERSION_3 = """
-- What arrived from outside, and what became of it; see `engine.journal.ledger`.
CREATE TABLE deliveries (
    id          TEXT    NOT NULL PRIMARY KEY,
    source      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    about       TEXT    NOT NULL,
    received_us INTEGER NOT NULL,
    occurred_us INTEGER,
    times       INTEGER NOT NULL,
    last_us     INTEGER NOT NULL,
    replay_of   TEXT,
    verdict     TEXT,
    verdicts    TEXT,
    settled_us  INTEGER,
    body        BLOB    NOT NULL
) WITHOUT ROWID;

CREATE INDEX deliveries_by_time ON deliveries (received_us, id);
CREATE INDEX deliveries_open ON deliveries (received_us, id) WHERE settled_us IS NULL;

-- What a delivery is known by, so that the same one is never taken twice.
CREATE TABLE delivery_keys (
    key      TEXT NOT NULL PRIMARY KEY,
    delivery TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX delivery_keys_of ON delivery_keys (delivery);

-- Which runs a delivery started or joined.
CREATE TABLE delivery_runs (
    run      TEXT NOT NULL,
    delivery TEXT NOT NULL,
    PRIMARY KEY (run, delivery)
) WITHOUT ROWID;

CREATE INDEX delivery_runs_of ON delivery_runs (delivery);

-- What is said once elsewhere about a run: a note on an incident. `state`: saying, said, failed.
CREATE TABLE notes (
    run    TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    state  TEXT    NOT NULL,
    at_us  INTEGER NOT NULL,
    detail TEXT,
    PRIMARY KEY (run, kind)
) WITHOUT ROWID;

-- Requests that may come twice, by who asked and their key, with the run that was made of them.
CREATE TABLE requests (
    key    TEXT    NOT NULL PRIMARY KEY,
    digest TEXT    NOT NULL,
    run    TEXT    NOT NULL,
    at_us  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX requests_by_time ON requests (at_us);

-- Up to when the times of a schedule were looked at.
CREATE TABLE schedules (
    name    TEXT    NOT NULL PRIMARY KEY,
    seen_us INTEGER NOT NULL
) WITHOUT ROWID;

-- Who may speak over HTTP; of the token itself only a hash is kept.
CREATE TABLE tokens (
    id         TEXT    NOT NULL PRIMARY KEY,
    person     TEXT    NOT NULL,
    digest     TEXT    NOT NULL UNIQUE,
    grants     TEXT    NOT NULL,
    scopes     TEXT    NOT NULL,
    made_us    INTEGER NOT NULL,
    made_by    TEXT    NOT NULL,
    expires_us INTEGER NOT NULL,
    ended_us   INTEGER,
    ended_why  TEXT,
    used_us    INTEGER
) WITHOUT ROWID;
"""

VERSION_4 = """
-- A server asks every second which runs are not over, however many are.
CREATE INDEX runs_by_status ON runs (status, started_us, run);

-- Which runs call people, without reading what all the others found. For `engine.journal.called`.
CREATE INDEX events_calls ON events (run, type)
    WHERE type IN ('EscalationStarted', 'LevelDue', 'EscalationExhausted', 'EscalationClosed');
"""

MIGRATIONS: tuple[str, ...] = (VERSION_1, VERSION_2, VERSION_3, VERSION_4)
"""The n-th takes a database from version n-1 to n."""


def connect(
    path: Path, busy_s: float, factory: type[sqlite3.Connection] = sqlite3.Connection
) -> sqlite3.Connection:
    """A connection that commits durably, and waits up to `busy_s` for other processes."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",  # a file that was removed is not made again, empty
        uri=True,
        timeout=busy_s,
        isolation_level=None,
        check_same_thread=False,
        factory=factory,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "PRAGMA fullfsync = ON"
        )  # macOS: its fsync alone does not reach the disk
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(
    connection: sqlite3.Connection,
    path: Path,
    busy_s: float,
    migrations: Sequence[str] = MIGRATIONS,
) -> None:
    """Makes the schema of a new file, or brings an older one forward.

    Raises JournalError, sqlite3.Error.
    """
    found = _version(connection, path)
    if found > len(migrations):
        raise JournalError(
            f"the journal {path} has schema {found}, and this version of runbook knows "
            f"up to {len(migrations)}",
            help="it was written by a newer version: use that one",
        )
    _use_wal(connection, path, busy_s)
    connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
    if found < len(migrations):
        _migrate(connection, path, migrations)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if owner != APPLICATION_ID and (owner or version or tables):
        raise JournalError(
            f"{path} is a SQLite database, but no journal of runbook",
            help="choose another path with `--store sqlite:///PATH` or RUNBOOK_STORE",
        )
    return version


def _use_wal(connection: sqlite3.Connection, path: Path, busy_s: float) -> None:
    """Switches the file to its write-ahead log, which it then keeps."""
    deadline = time.monotonic() + busy_s
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            # Two processes that open a new file at once: SQLite answers "busy" without waiting
            # here.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_PAUSE_S)
            continue
        if mode != "wal":
            raise JournalError(
                f"the file system of {path} cannot share memory between processes, "
                "which the journal needs",
                help="a network folder cannot hold it: choose a local one with `--store`",
            )
        return


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    """All steps in one transaction: a database is never left between two versions."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = _version(connection, path)  # another process may have been quicker
        for script in migrations[found:]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {max(found, len(migrations))}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    # Not `executescript`: it commits what is open before it begins.
    statements, text = [], ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            statements.append(text)
            text = ""
    return statements


def make_file(path: Path) -> None:
    """An empty file only its owner can read, in folders only they can enter; the names durable.

    What is there already stays as it is. SQLite gives its log the file's permissions.
    Raises OSError.
    """
    for folder in reversed(path.absolute().parents):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync(folder.parent)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return
    _sync(path.absolute().parent)


def _sync(folder: Path) -> None:
    """A new name survives a power cut once its folder is on disk, which SQLite leaves to us."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
