"""What the sql family says: the results of its checks and actions, and what a backend promises."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from engine.adapters.sql_text import Dialect, Statement

Isolation = Literal["read committed", "repeatable read", "serializable"]
Maintenance = Literal["vacuum", "vacuum_analyze", "analyze", "reindex"]

ROWS_MAX = 1_000
"""Rows of one answer, unless the connection says otherwise: what a person may still look through.
"""

ANSWER_MAX_BYTES = 1024 * 1024
"""Of the values of one answer. An answer is evidence in the journal, not an export."""

VALUE_MAX_CHARS = 64 * 1024
"""Of one text value; the rest is cut off, and `cut` says so."""


STEP_SHARE = 0.95
"""Of the time of a step, what the server gets: so it stops by itself, before the runner has to."""


WAIT_SHARE = 0.99
"""Of the time of a step, how long an answer is waited for."""


@dataclass(frozen=True, slots=True)
class SqlSettings:
    """The settings of a connection, with the secrets of the URL still in it."""

    url: str
    statement_timeout_s: float
    connect_timeout_s: float
    lock_timeout_s: float
    rows_max: int
    search_path: str | None
    application_name: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What one step may take: seconds for a statement and for waiting on a lock.

    `until` (of the monotonic clock) is when to stop waiting for anything: a moment before the
    runner would, because who stops waiting here can still say whether a change may have taken
    place.
    """

    statement_s: float
    lock_s: float
    until: float

    @staticmethod
    def of(step_s: float, statement_s: float, lock_s: float) -> Limits:
        """For a step that has `step_s` seconds from now."""
        statement_s = min(statement_s, step_s * STEP_SHARE)
        until = time.monotonic() + step_s * WAIT_SHARE
        return Limits(statement_s, min(lock_s, statement_s), until)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that a query found.

    rows: a mapping of column to value each; a name that comes twice is `name`, `name_2`
    count: how many rows are here
    columns: the names, in order, also where there is no row
    cut: there are more rows, or longer values, than are here
    elapsed_ms: from sending the statement to its last row here
    """

    rows: list[dict[str, Any]]
    count: int
    columns: tuple[str, ...]
    cut: bool
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Value:
    """The first column of the only row.

    value: null where the database says NULL
    column: its name
    elapsed_ms: how long it took
    """

    value: Any
    column: str
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows a query has or a table holds.

    count: counted by the server, none was fetched
    elapsed_ms: how long it took
    """

    count: int
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Executed:
    """What one statement changed, committed.

    affected: rows it inserted, updated, deleted or merged; of a SELECT or WITH, all rows it changed
    rows: what RETURNING (or SELECT) gave, at most the connection's `rows_max`
    cut: there were more rows, or longer values, than are here
    elapsed_ms: from BEGIN to COMMIT
    """

    affected: int
    rows: list[dict[str, Any]]
    cut: bool
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Transacted:
    """What the statements of one transaction changed, committed.

    affected: rows by the statement's name
    total: of all of them
    elapsed_ms: from BEGIN to COMMIT
    """

    affected: dict[str, int]
    total: int
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Activity:
    """The sessions of a PostgreSQL server.

    max_connections: how many it takes, those reserved for superusers included
    used: how many clients are connected to any database
    used_share: used / max_connections, from 0 to 1
    by_state: active, idle, idle in transaction ...; hidden: of others, for a role outside
        pg_monitor
    by_user: sessions of each role
    by_application: sessions of each application_name
    long_running: statements or open transactions older than `longer_than_s`
    idle_in_transaction: sessions that hold a transaction open and do nothing
    oldest_transaction_s: seconds since the oldest open transaction began, 0 where none is open
    waiting_for_lock: sessions that wait for a lock
    sessions: the oldest of the long running ones: pid, user, application, state, seconds, query
    """

    max_connections: int
    used: int
    used_share: float
    by_state: dict[str, int]
    by_user: dict[str, int]
    by_application: dict[str, int]
    long_running: int
    idle_in_transaction: int
    oldest_transaction_s: float
    waiting_for_lock: int
    sessions: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Maintained:
    """What maintenance was done.

    operation: which
    tables: those that are done, in order
    elapsed_ms: of all of them
    """

    operation: str
    tables: list[str]
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Terminated:
    """Sessions that were ended.

    pids: of the sessions that got the signal
    count: how many those are
    matched: how many fitted; more than `count` when one was gone by itself
    """

    pids: list[int]
    count: int
    matched: int


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which sessions: all that fit every one that is given. Never our own."""

    state: str | None = None
    idle_longer_than_s: float | None = None
    user: str | None = None
    application: str | None = None
    database: str | None = None

    @property
    def empty(self) -> bool:
        return self == Criteria()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said to one statement."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    cut: bool
    affected: int
    """Rows by the server's own count; 0 where it gives none."""
    tag: str
    """`SELECT`, `DELETE` ...: what kind of statement the server says it was."""


class Session(Protocol):
    """A transaction at a server."""

    async def run(self, statement: Statement, *, rows_max: int) -> Answer:
        """One statement. Raises AdapterError."""
        ...


class WritingSession(Session, Protocol):
    """A transaction that takes place when `commit` returns, and not when it is left before."""

    async def changed(self) -> int:
        """Rows that this transaction has changed so far, by whatever: triggers and cascades too."""
        ...

    async def commit(self) -> None: ...


class Backend(Protocol):
    """A kind of server. Opens late; `close` may be called at any time, and again."""

    dialect: Dialect
    explain: str
    """What goes in front of a statement to have its plan shown, without running it."""

    def fingerprint(self) -> str: ...

    async def ping(self) -> str: ...

    def reading(self, limits: Limits) -> AbstractAsyncContextManager[Session]:
        """A read-only transaction, rolled back at its end."""
        ...

    def writing(
        self, limits: Limits, isolation: Isolation
    ) -> AbstractAsyncContextManager[WritingSession]: ...

    async def activity(self, limits: Limits, longer_than_s: float) -> Activity: ...

    async def sizes(self, limits: Limits, tables: Sequence[str]) -> list[dict[str, Any]]:
        """Name, bytes, live and dead rows, last vacuum and analyze of each; errors where one is
        missing.
        """
        ...

    async def matching(self, limits: Limits, criteria: Criteria) -> list[dict[str, Any]]: ...

    async def terminate(
        self, limits: Limits, criteria: Criteria, max_affected: int | None
    ) -> Terminated: ...

    async def maintain(
        self,
        limits: Limits,
        operation: Maintenance,
        tables: Sequence[str],
        say: Callable[[str], None],
    ) -> Maintained: ...

    async def close(self) -> None: ...
