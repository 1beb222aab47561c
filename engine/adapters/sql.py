"""The sql family: PostgreSQL (`postgresql://`) and SQLite (`sqlite:///file`) behind two sides.

The reading side asks in READ ONLY transactions that are rolled back, one statement each, sent over
the extended protocol with bound parameters, with a time limit at the server and a limit of rows
and bytes. READ ONLY does not stop everything: `pg_terminate_backend`, advisory locks, `dblink`,
the reload of the configuration and functions that run a text as SQL act in spite of it. Statements
that call those by name are refused, but a view or a function may call them out of sight: give the
connections of checks a role that may do no more than read.

The writing side runs one statement, or several in one transaction; `max_affected` is counted
inside it.
"""

from __future__ import annotations

from engine.adapters.sql_reader import SqlReader
from engine.adapters.sql_records import (
    ROWS_MAX,
    Activity,
    Backend,
    Count,
    Criteria,
    Executed,
    Isolation,
    Limits,
    Maintained,
    Maintenance,
    Rows,
    SqlSettings,
    Terminated,
    Transacted,
    Value,
)
from engine.adapters.sql_url import dialect_of, postgres_target
from engine.adapters.sql_writer import SqlWriter
from engine.language.shape import Duration
from engine.plugin import StepContext
from engine.secret import reveal

__all__ = [
    "Activity",
    "Count",
    "Criteria",
    "Executed",
    "Isolation",
    "Maintained",
    "Maintenance",
    "Rows",
    "SqlAdapter",
    "SqlReader",
    "SqlWriter",
    "Terminated",
    "Transacted",
    "Value",
]

DEFAULT_STATEMENT_TIMEOUT_S = Duration(30)
DEFAULT_CONNECT_TIMEOUT_S = Duration(5)
DEFAULT_LOCK_TIMEOUT_S = Duration(5)
"""A change that waits for a lock makes everybody behind it wait too, so it does not wait long."""


class SqlAdapter:
    """A database."""

    family = "sql"

    def __init__(  # noqa: PLR0913 - the settings of a connection
        self,
        url: str,
        *,
        statement_timeout_s: Duration = DEFAULT_STATEMENT_TIMEOUT_S,
        connect_timeout_s: Duration = DEFAULT_CONNECT_TIMEOUT_S,
        lock_timeout_s: Duration = DEFAULT_LOCK_TIMEOUT_S,
        rows_max: int = ROWS_MAX,
        search_path: str | None = None,
        application_name: str = "runbook",
    ) -> None:
        """A connection of the sql family.

        url: postgresql://user:password@host:5432/database, or sqlite:///path/to/file.db
        statement_timeout_s: set at the server for every statement, as far as the step's own is not
            shorter
        connect_timeout_s: for getting a session
        lock_timeout_s: how long a statement may wait for a lock
        rows_max: of one answer; there being more is said by `cut`
        search_path: schemas, with commas between them (PostgreSQL)
        application_name: how our sessions are called at the server (PostgreSQL)
        """
        self._settings = SqlSettings(
            url=url,
            statement_timeout_s=float(statement_timeout_s),
            connect_timeout_s=float(connect_timeout_s),
            lock_timeout_s=float(lock_timeout_s),
            rows_max=rows_max,
            search_path=search_path,
            application_name=application_name,
        )
        self._made: Backend | None = None

    def _backend(self) -> Backend:
        # the client library costs 180 ms to import, so it is imported by who needs it
        if self._made is None:
            if dialect_of(reveal(self._settings.url)) == "sqlite":
                from engine.adapters.sql_sqlite import SqliteBackend  # noqa: PLC0415

                self._made = SqliteBackend(self._settings)
            else:
                from engine.adapters.sql_postgres import PostgresBackend  # noqa: PLC0415

                self._made = PostgresBackend(self._settings)
        return self._made

    def fingerprint(self) -> str:
        """`host:port/database`, or the path of the file."""
        url = reveal(self._settings.url)
        if dialect_of(url) == "sqlite":
            return self._backend().fingerprint()
        return postgres_target(url)

    async def ping(self) -> str:
        """The server's version and our role. Raises AdapterError."""
        return await self._backend().ping()

    def reader(self, context: StepContext) -> SqlReader:
        return SqlReader(self._backend(), self._limits(context), self._settings.rows_max)

    def writer(self, context: StepContext) -> SqlWriter:
        return SqlWriter(self.reader(context), context)

    def _limits(self, context: StepContext) -> Limits:
        settings = self._settings
        return Limits.of(context.timeout_s, settings.statement_timeout_s, settings.lock_timeout_s)

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()
