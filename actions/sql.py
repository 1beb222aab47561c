"""Changes to a database: PostgreSQL or SQLite.

Values go into bound parameters, as in checks. A change is one transaction, which is rolled back
when it changes more rows than `max_affected`; rows changed by triggers and by foreign keys count
too.
"""

from __future__ import annotations

from typing import Any, Literal

from engine.adapters.sql import (
    Criteria,
    Executed,
    Isolation,
    Maintained,
    Maintenance,
    SqlReader,
    SqlWriter,
    Terminated,
    Transacted,
)
from engine.plugin import IDEMPOTENT, UNSAFE, Duration, Preview, Sql, action

SessionState = Literal["idle", "idle in transaction", "idle in transaction (aborted)", "active"]


@action("sql.execute", effect=UNSAFE, counts=True)
async def execute(db: SqlWriter, sql: Sql, *, params: dict[str, Any] | None = None) -> Executed:
    """Runs one statement and commits it.

    sql: INSERT, UPDATE, DELETE, or any other that can run in a transaction; values as `:name`
    params: the value of each `:name`
    """
    return await db.execute(sql, params)


@execute.preview
async def would_execute(
    db: SqlReader, sql: Sql, *, params: dict[str, Any] | None = None
) -> Preview:
    plan = await db.plan(sql, params)
    affected = await db.would_affect(sql, params)
    if affected is None:
        text = "how many rows would change is not known: it cannot be told from such a statement"
    else:
        text = f"{affected} rows would change, besides those changed by triggers and foreign keys"
    return Preview(text, affected=affected, diff=plan)


@action("sql.transaction", effect=UNSAFE, counts=True)
async def transaction(  # noqa: PLR0913 - the parameters of a step
    db: SqlWriter,
    statements: list[dict[str, Sql]],
    *,
    params: dict[str, Any] | None = None,
    equal: list[str] | None = None,
    expect_rows: dict[str, int] | None = None,
    isolation: Isolation = "read committed",
) -> Transacted:
    """Runs several statements in one transaction: all of them take place, or none.

    statements: in order, each as `name: SQL`; values as `:name`
    params: the value of each `:name` of any of them
    equal: names of statements that must change equally many rows; otherwise it is rolled back
    expect_rows: how many rows a statement must change; otherwise it is rolled back
    isolation: read committed, repeatable read, serializable
    """
    return await db.transaction(
        _named(statements),
        params or {},
        isolation=isolation,
        expect_rows=expect_rows or {},
        equal=equal or (),
    )


@transaction.preview
async def would_transact(  # noqa: PLR0913 - the parameters of a step
    db: SqlReader,
    statements: list[dict[str, Sql]],
    *,
    params: dict[str, Any] | None = None,
    equal: list[str] | None = None,
    expect_rows: dict[str, int] | None = None,
    isolation: Isolation = "read committed",
) -> Preview:
    del equal, expect_rows, isolation
    foreseen = await db.foresee(_named(statements), params or {})
    counts = [of.affected for of in foreseen]
    told = "; ".join(f"{of.name}: {_rows(of.affected)}" for of in foreseen)
    return Preview(
        f"{told}; each judged as if it came first",
        affected=sum(n for n in counts if n is not None) if None not in counts else None,
        diff="\n\n".join(f"{of.name}:\n{of.plan}" for of in foreseen),
    )


@action("sql.maintenance", effect=IDEMPOTENT)
async def maintenance(
    db: SqlWriter, operation: Maintenance, tables: list[str] | None = None
) -> Maintained:
    """Runs VACUUM, ANALYZE or REINDEX CONCURRENTLY on tables, one after the other.

    They run outside a transaction: what is done stays done when a later table fails. The time they
    have is the `timeout` of the step.

    operation: vacuum, vacuum_analyze, analyze, reindex (of PostgreSQL CONCURRENTLY)
    tables: table or schema.table, written as they are (`"Of.Dots"` in quotes); in SQLite VACUUM
        takes none, as it is for the whole file
    """
    return await db.maintain(operation, tables or [])


@maintenance.preview
async def would_maintain(
    db: SqlReader, operation: Maintenance, tables: list[str] | None = None
) -> Preview:
    sizes = await db.sizes(tables or [])
    size = sum(of.get("bytes") or 0 for of in sizes)
    dead = sum(of.get("dead_rows") or 0 for of in sizes)
    text = f"{operation} of {len(sizes)} tables with {size} bytes and {dead} dead rows"
    busy = await db.busy()
    doubt = f"it waits for {busy} sessions that are in a transaction" if busy else None
    return Preview(text, sample=tuple(sizes), doubt=doubt)


@action("sql.terminate", effect=IDEMPOTENT, counts=True)
async def terminate(  # noqa: PLR0913 - the parameters of a step
    db: SqlWriter,
    *,
    state: SessionState | None = None,
    idle_longer_than: Duration | None = None,
    user: str | None = None,
    application: str | None = None,
    database: str | None = None,
) -> Terminated:
    """Ends sessions of a PostgreSQL server: those that fit everything given, never our own.

    With `max_affected` none is ended when more fit. What they had not committed is rolled back.

    state: idle, idle in transaction, idle in transaction (aborted), active
    idle_longer_than: since their last statement ended; active sessions do not fit
    user: the role they logged in as
    application: their application_name
    database: which they are connected to; otherwise that of the connection
    """
    return await db.terminate(Criteria(state, idle_longer_than, user, application, database))


@terminate.preview
async def would_terminate(  # noqa: PLR0913 - the parameters of a step
    db: SqlReader,
    *,
    state: SessionState | None = None,
    idle_longer_than: Duration | None = None,
    user: str | None = None,
    application: str | None = None,
    database: str | None = None,
) -> Preview:
    found = await db.matching(Criteria(state, idle_longer_than, user, application, database))
    text = f"{len(found)} sessions would be ended"
    return Preview(text, affected=len(found), sample=tuple(found[:SESSIONS_SHOWN]))


SESSIONS_SHOWN = 20
"""Of those that would be ended, in a preview."""


def _named(statements: list[dict[str, Sql]]) -> list[tuple[str, str]]:
    return [(name, sql) for entry in statements for name, sql in entry.items()]


def _rows(affected: int | None) -> str:
    return "rows not known" if affected is None else f"{affected} rows"
