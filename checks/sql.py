"""Questions to a database: PostgreSQL or SQLite.

Values go into bound parameters: `:name` in the text, the value under `params`; no template stands
in SQL. In PostgreSQL a list of numbers or of texts is an array (`WHERE id = ANY(:ids)`), a mapping
and any other list is jsonb; where the type of a parameter cannot be told from its place, cast it
(`:since::timestamptz`). A slice between names needs spaces: `a[lo : hi]`.

Every statement runs in a READ ONLY transaction that is rolled back. That does not stop everything
a function may do, so calls of functions known to act at once (pg_terminate_backend, advisory
locks, dblink ...) are refused by name. A view or a function may still call one out of sight: give
checks a role that may only read.
"""

from __future__ import annotations

from typing import Any

from engine.adapters.sql import Activity, Count, Rows, SqlReader, Value
from engine.errors import AdapterError
from engine.plugin import Duration, Sql, check

LONG_RUNNING_S = Duration(300)


@check("sql.query")
async def query(
    db: SqlReader, sql: Sql, *, params: dict[str, Any] | None = None, limit: int | None = None
) -> Rows:
    """The rows that one statement finds.

    sql: SELECT, WITH, VALUES, TABLE, SHOW or EXPLAIN; values as `:name`
    params: the value of each `:name`
    limit: how many rows at most; the connection's `rows_max` holds too
    """
    return await db.query(sql, params, limit=limit)


@check("sql.value")
async def value(db: SqlReader, sql: Sql, *, params: dict[str, Any] | None = None) -> Value:
    """The first column of the only row. No row, or several, is an error.

    sql: SELECT, WITH, VALUES, TABLE, SHOW or EXPLAIN; values as `:name`
    params: the value of each `:name`
    """
    return await db.value(sql, params)


@check("sql.rows")
async def rows(
    db: SqlReader,
    sql: Sql | None = None,
    *,
    table: str | None = None,
    params: dict[str, Any] | None = None,
) -> Count:
    """How many rows a query has, or a table holds; counted by the server, none is fetched.

    sql: a SELECT, WITH, VALUES or TABLE; values as `:name`
    table: instead of a query: table, or schema.table
    params: the value of each `:name`
    """
    if sql is not None and table is None:
        return await db.count(sql, params)
    if table is not None and sql is None and not params:
        return await db.count_table(table)
    raise AdapterError("it takes either `sql` (with `params`) or `table`", retryable=False)


@check("sql.activity")
async def activity(db: SqlReader, longer_than_s: Duration = LONG_RUNNING_S) -> Activity:
    """The sessions of a PostgreSQL server, all databases and our own included.

    Without membership in pg_monitor a role sees of others' sessions only that they exist.

    longer_than_s: from when on a statement or an open transaction is long running
    """
    return await db.activity(longer_than_s)
