"""SQLite: a file, opened for each step, in a thread."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

from engine.adapters.sql_records import (
    Activity,
    Answer,
    Criteria,
    Isolation,
    Limits,
    Maintained,
    Maintenance,
    SqlSettings,
    Terminated,
)
from engine.adapters.sql_text import Dialect, Statement, prepare, refused
from engine.adapters.sql_url import sqlite_path
from engine.adapters.sql_values import Sheet, json_text
from engine.errors import AdapterError
from engine.secret import reveal

T = TypeVar("T")

STEPS_BETWEEN_LOOKS = 10_000
"""Steps of SQLite's machine between two looks at the clock: about a millisecond."""

_READS = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_WRITES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_READING_PRAGMAS = frozenset(
    {
        "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo",
        "foreign_key_list", "foreign_key_check", "integrity_check", "quick_check", "database_list",
        "page_count", "page_size", "freelist_count", "user_version", "journal_mode", "data_version",
    }
)  # fmt: skip
"""Pragmas that ask, as long as they are given no value."""


class SqliteBackend:
    """Opening a file is cheap, so every step has its own connection and nothing is kept."""

    dialect: Dialect = "sqlite"
    explain = "EXPLAIN QUERY PLAN "

    def __init__(self, settings: SqlSettings) -> None:
        self._settings = settings

    def fingerprint(self) -> str:
        return str(sqlite_path(reveal(self._settings.url)).absolute())

    async def ping(self) -> str:
        limit_s = self._settings.connect_timeout_s
        async with self.reading(Limits.of(limit_s, limit_s, limit_s)) as session:
            statement = prepare("SELECT count(*) AS n FROM sqlite_schema", None, "sqlite")
            found = await session.run(statement, rows_max=1)
        return f"SQLite {sqlite3.sqlite_version}, {found.rows[0]['n']} tables, indexes and views"

    @asynccontextmanager
    async def reading(self, limits: Limits) -> AsyncIterator[SqliteSession]:
        async with self._open("ro", limits) as session:
            await session.begin_reading()
            yield session

    @asynccontextmanager
    async def writing(self, limits: Limits, isolation: Isolation) -> AsyncIterator[SqliteSession]:
        """A transaction that holds the write lock from its beginning. It is serializable, whatever
        is asked.
        """
        del isolation
        async with self._open("rw", limits) as session:
            await session.script("BEGIN IMMEDIATE")
            yield session

    @asynccontextmanager
    async def _open(self, mode: str, limits: Limits) -> AsyncIterator[SqliteSession]:
        path = sqlite_path(reveal(self._settings.url)).absolute()
        try:
            conn = sqlite3.connect(
                f"{path.as_uri()}?mode={mode}",
                uri=True,
                timeout=limits.lock_s,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.Error as e:
            there = "there is no such file" if not path.exists() else str(e)
            raise AdapterError(f"cannot open {path}: {there}", retryable=False) from e
        session = SqliteSession(conn, limits)
        try:
            yield session
        finally:
            conn.close()  # which rolls back what was not committed

    async def activity(self, limits: Limits, longer_than_s: float) -> Activity:
        del limits, longer_than_s
        _no_sessions()

    async def sizes(self, limits: Limits, tables: Sequence[str]) -> list[dict[str, Any]]:
        async with self.reading(limits) as session:
            return [await _size(session, table) for table in tables]

    async def matching(self, limits: Limits, criteria: Criteria) -> list[dict[str, Any]]:
        del limits, criteria
        _no_sessions()

    async def terminate(
        self, limits: Limits, criteria: Criteria, max_affected: int | None
    ) -> Terminated:
        del limits, criteria, max_affected
        _no_sessions()

    async def maintain(
        self,
        limits: Limits,
        operation: Maintenance,
        tables: Sequence[str],
        say: Callable[[str], None],
    ) -> Maintained:
        if operation.startswith("vacuum") and tables:
            raise refused("SQLite vacuums a whole file, not tables", help="leave `tables` out")
        began = time.perf_counter()
        async with self._open("rw", limits) as session:
            for table in tables:
                await _size(session, table)
            statements = [f"{operation.upper()} {_quoted(table)}" for table in tables]
            if not tables:
                statements = ["VACUUM", "ANALYZE"] if operation == "vacuum_analyze" else [operation]
            for statement in statements:
                await session.script(statement)
                say(f"{statement}: done")
        elapsed_ms = round((time.perf_counter() - began) * 1000, 3)
        return Maintained(operation, list(tables), elapsed_ms)

    async def close(self) -> None:
        """Nothing is kept open."""


def _no_sessions() -> NoReturn:
    raise refused("SQLite is a file: it has no sessions")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def _size(session: SqliteSession, table: str) -> dict[str, Any]:
    known = prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = :name",
        {"name": table},
        "sqlite",
    )
    if not (await session.run(known, rows_max=1)).rows:
        raise refused(f"there is no table {table!r}")
    count = prepare(f"SELECT count(*) AS n FROM {_quoted(table)}", None, "sqlite")  # noqa: S608 - quoted
    return {"name": table, "live_rows": (await session.run(count, rows_max=1)).rows[0]["n"]}


class SqliteSession:
    """A connection to the file. Its statements run in a thread, and stop at their time."""

    def __init__(self, conn: sqlite3.Connection, limits: Limits) -> None:
        self._conn = conn
        self._limits = limits
        self._committing = False
        self._reads = False

    async def begin_reading(self) -> None:
        """Three locks on one door: the file is opened read-only, the connection told so, and asked
        before each statement what it is about to touch.
        """
        await self.script("PRAGMA query_only = ON")
        await self.script("BEGIN")
        self._reads = True

    async def script(self, sql: str) -> None:
        """One statement of our own."""
        await self._in_thread(lambda: self._conn.execute(sql).close())

    async def run(self, statement: Statement, *, rows_max: int) -> Answer:
        values = [_parameter(v) for v in statement.values]
        return await self._in_thread(lambda: self._run(statement, values, rows_max))

    def _run(self, statement: Statement, values: list[Any], rows_max: int) -> Answer:
        if self._reads:
            explains = statement.text[:7].upper() == "EXPLAIN"
            self._conn.set_authorizer(_may_explain if explains else _may_read)
        cursor = self._conn.execute(statement.text, values)
        try:
            sheet = Sheet(rows_max)
            sheet.name([d[0] for d in cursor.description or ()])
            for row in cursor:
                sheet.add(row)
                if sheet.over and statement.verb in ("SELECT", "VALUES"):
                    break
            affected = max(0, cursor.rowcount)
            tag = "SELECT" if statement.verb == "WITH" else statement.verb
            return Answer(sheet.columns, sheet.rows, sheet.cut, affected, tag)
        finally:
            cursor.close()

    async def changed(self) -> int:
        return self._conn.total_changes

    async def commit(self) -> None:
        self._committing = True
        await self.script("COMMIT")
        self._committing = False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        deadline = time.monotonic() + self._limits.statement_s
        late = False

        def look() -> bool:
            nonlocal late
            late = time.monotonic() > deadline
            return late

        self._conn.set_progress_handler(look, STEPS_BETWEEN_LOOKS)
        task = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._conn.interrupt()  # the connection may not be closed under the thread
            await asyncio.wait({task})
            raise
        except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeEncodeError) as e:
            raise self._translated(e, late=late) from e

    def _translated(self, e: Exception, *, late: bool) -> AdapterError:
        text = str(e)
        name = str(getattr(e, "sqlite_errorname", "") or "")
        detail: dict[str, object] = {"sqlite": name} if name else {}
        if late:
            words = (
                f"the statement did not finish in {self._limits.statement_s:g} s, and was stopped"
            )
            return AdapterError(f"{words}; nothing was committed", detail=detail)
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            words = f"another process kept the file locked for {self._limits.lock_s:g} s: {text}"
            return AdapterError(f"{words}; nothing was committed", detail=detail)
        if name.startswith(("SQLITE_AUTH", "SQLITE_READONLY")) or "not authorized" in text:
            return refused(
                f"the statement would change something, and a check only reads: {text}",
                help="a change is an action: sql.execute or sql.transaction",
            )
        if "one statement at a time" in text:
            return refused("there is more than one statement", help="see sql.transaction")
        io = name.startswith(("SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CORRUPT"))
        return AdapterError(
            f"SQLite: {text}",
            maybe_done=io and self._committing,
            retryable=io,
            detail=detail,
        )


def _may_read(action: int, one: str | None, two: str | None, *_: str | None) -> int:
    if action in _READS:
        return sqlite3.SQLITE_DENY if two == "load_extension" else sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and one in _READING_PRAGMAS:
        takes_name = one.endswith(("_info", "_xinfo", "_list", "_check"))
        return sqlite3.SQLITE_OK if two is None or takes_name else sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_DENY


def _may_explain(action: int, one: str | None, two: str | None, *rest: str | None) -> int:
    """Of a statement that is only explained, what it would write may be named: it is not run."""
    if action in _WRITES:
        return sqlite3.SQLITE_OK
    return _may_read(action, one, two, *rest)


def _parameter(value: Any) -> Any:
    return json_text(value) if isinstance(value, dict | list | tuple) else value
