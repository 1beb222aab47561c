"""PostgreSQL: sessions, how they are opened and kept, and transactions on them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from engine.adapters import sql_postgres_admin as admin
from engine.adapters.sql_errors import connect_error
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
from engine.adapters.sql_session import PostgresSession, Values
from engine.adapters.sql_text import Dialect, Statement, prepare, refused
from engine.adapters.sql_url import postgres_target
from engine.errors import AdapterError
from engine.secret import reveal

SESSIONS_MAX = 5
"""Open at once, of one connection: an engine that mends a full server must not be what fills it."""

_CHANGED = prepare(
    "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint AS n "
    "FROM pg_catalog.pg_stat_xact_user_tables"
)
"""Rows changed by the transaction so far, in user tables, by whatever: also by triggers and
cascades.
"""


class PostgresBackend:
    """Readers share idle sessions; every writer gets one of its own, closed behind it, so that
    nothing it sets (a role, a variable, an advisory lock, a temporary table) outlives its step.
    """

    dialect: Dialect = "postgresql"
    explain = "EXPLAIN "

    def __init__(self, settings: SqlSettings) -> None:
        self._settings = settings
        self._idle: deque[PostgresSession] = deque()
        self._free = asyncio.Semaphore(SESSIONS_MAX)
        self._context = Values()

    def fingerprint(self) -> str:
        return postgres_target(reveal(self._settings.url))

    async def ping(self) -> str:
        limit_s = self._settings.connect_timeout_s
        async with self.reading(Limits.of(limit_s, limit_s, limit_s)) as session:
            found = await session.run(
                prepare(
                    "SELECT current_setting('server_version') AS version, current_user AS role,"
                    " pg_is_in_recovery() AS standby"
                ),
                rows_max=1,
            )
        row = found.rows[0]
        standby = ", a standby: it cannot write" if row["standby"] else ""
        return f"PostgreSQL {row['version'].split(' ')[0]} as {row['role']}{standby}"

    async def _connect(self, limits: Limits) -> PostgresSession:
        settings = self._settings
        url = reveal(settings.url)
        target = postgres_target(url)
        try:
            options: dict[str, Any] = dict(conninfo_to_dict(url))
        except psycopg.ProgrammingError:
            # not `from e`: libpq quotes the part of the URL that it cannot read, which may be a
            # password
            raise refused(
                "the url of the connection cannot be read",
                help="postgresql://user:password@host:5432/database, "
                "with %40 %3A %2F for @ : / in a password",
            ) from None
        options |= {
            "client_encoding": "utf8",
            "application_name": settings.application_name,
            "connect_timeout": max(2, round(settings.connect_timeout_s)),
        }
        limit_s = settings.connect_timeout_s * len(str(options.get("host") or "").split(","))
        limit_s = max(0.0, min(limit_s, limits.until - time.monotonic()))
        try:
            async with asyncio.timeout(limit_s):
                conn = await psycopg.AsyncConnection.connect(
                    **options, autocommit=True, context=self._context
                )
        except TimeoutError:
            words = f"no answer within {limit_s:.3g} s"
            raise connect_error(words, target) from None
        except psycopg.Error as e:
            raise connect_error(str(e), target) from e
        return PostgresSession(conn, limits)

    async def _take(self, limits: Limits) -> PostgresSession:
        while self._idle:
            session = self._idle.pop()
            if session.usable:
                session.limits = limits
                return session
            session.drop()
        return await self._connect(limits)

    @asynccontextmanager
    async def reading(self, limits: Limits) -> AsyncIterator[PostgresSession]:
        """A read-only transaction on a session that may be used again."""
        async with self._free:
            session = await self._take(limits)
            try:
                await session.begin("READ ONLY", self._settings.search_path)
                yield session
            except AdapterError:
                await self._give_back(session)
                raise
            except BaseException:
                session.drop()
                raise
            await self._give_back(session)

    async def _give_back(self, session: PostgresSession) -> None:
        if session.alive:
            try:
                await session.rollback()
            except AdapterError:
                session.drop()  # and with it goes the transaction, which has read only
            else:
                self._idle.append(session)

    @asynccontextmanager
    async def writing(self, limits: Limits, isolation: Isolation) -> AsyncIterator[PostgresWriting]:
        """A transaction that is rolled back unless `commit` has been called."""
        async with self.session(limits) as session:
            how = f"ISOLATION LEVEL {isolation.upper()} READ WRITE"
            await session.begin(how, self._settings.search_path)
            yield PostgresWriting(session)

    @asynccontextmanager
    async def session(self, limits: Limits) -> AsyncIterator[PostgresSession]:
        """A session of one's own, closed at the end."""
        async with self._free:
            session = await self._connect(limits)
            try:
                yield session
            finally:
                session.drop()

    async def activity(self, limits: Limits, longer_than_s: float) -> Activity:
        async with self.reading(limits) as session:
            return await admin.activity(session, longer_than_s)

    async def sizes(self, limits: Limits, tables: Sequence[str]) -> list[dict[str, Any]]:
        async with self.reading(limits) as session:
            return [await admin.size(session, table) for table in tables]

    async def matching(self, limits: Limits, criteria: Criteria) -> list[dict[str, Any]]:
        async with self.reading(limits) as session:
            return await admin.matching(session, criteria, self._settings.application_name)

    async def terminate(
        self, limits: Limits, criteria: Criteria, max_affected: int | None
    ) -> Terminated:
        async with self.session(limits) as session:
            await session.begin("READ WRITE", None)
            ours = self._settings.application_name
            return await admin.terminate(session, criteria, ours, max_affected)

    async def maintain(
        self,
        limits: Limits,
        operation: Maintenance,
        tables: Sequence[str],
        say: Callable[[str], None],
    ) -> Maintained:
        async with self.session(limits) as session:
            await session.prepare_outside(self._settings.search_path)
            return await admin.maintain(session, operation, tables, say)

    async def close(self) -> None:
        while self._idle:
            self._idle.pop().drop()


class PostgresWriting:
    """A transaction that writes."""

    def __init__(self, session: PostgresSession) -> None:
        self._session = session

    async def run(self, statement: Statement, *, rows_max: int) -> Answer:
        return await self._session.run(statement, rows_max=rows_max)

    async def changed(self) -> int:
        answer = await self._session.run(_CHANGED, rows_max=1)
        return int(answer.rows[0]["n"])

    async def commit(self) -> None:
        await self._session.commit()
