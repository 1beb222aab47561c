"""What only PostgreSQL has: its sessions, and maintenance outside transactions."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from engine.adapters.sql_records import (
    Activity,
    Criteria,
    Maintained,
    Maintenance,
    Terminated,
)
from engine.adapters.sql_session import PostgresSession
from engine.adapters.sql_text import prepare, refused
from engine.errors import AdapterError

SESSIONS_SHOWN = 20
"""Of `sql.activity`: more than a person looks at."""

QUERY_SHOWN_CHARS = 200
"""Of the text of another session's statement."""

TERMINATED_MAX = 10_000
"""Sessions that one `sql.terminate` names in its result; no server has more."""

_CLIENT = "(backend_type = 'client backend' OR (backend_type IS NULL AND datid IS NOT NULL))"
"""Of others' sessions a role outside pg_monitor sees neither type nor state, only that they exist.
"""

_TOTALS = prepare(
    f"""
SELECT current_setting('max_connections')::int AS max_connections,
       count(*) AS used,
       count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
       count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting_for_lock,
       coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)
                FILTER (WHERE pid <> pg_backend_pid())), 0)::float8 AS oldest
  FROM pg_catalog.pg_stat_activity
 WHERE {_CLIENT}
"""  # noqa: S608 - made from constants
)

_GROUPS = prepare(
    f"""
SELECT coalesce(state, 'hidden') AS state, coalesce(usename::text, '') AS "user",
       coalesce(application_name, '') AS application, count(*) AS n
  FROM pg_catalog.pg_stat_activity
 WHERE {_CLIENT}
 GROUP BY 1, 2, 3 ORDER BY 4 DESC
"""  # noqa: S608 - made from constants
)

_LONG = """
SELECT pid, usename::text AS "user", application_name AS application, state,
       extract(epoch FROM clock_timestamp() - since)::float8 AS seconds,
       left(query, :chars) AS query, count(*) OVER () AS n
  FROM (SELECT *, CASE state WHEN 'active' THEN query_start ELSE xact_start END AS since
          FROM pg_catalog.pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
           AND (state = 'active' OR xact_start IS NOT NULL)) AS busy
 WHERE clock_timestamp() - since > make_interval(secs => :longer)
 ORDER BY seconds DESC LIMIT :shown
"""


async def activity(session: PostgresSession, longer_than_s: float) -> Activity:
    """The sessions of the server; the one that asks is counted too, as it takes a place."""
    totals = (await session.run(_TOTALS, rows_max=1)).rows[0]
    groups = (await session.run(_GROUPS, rows_max=TERMINATED_MAX)).rows
    bound = {"chars": QUERY_SHOWN_CHARS, "longer": float(longer_than_s), "shown": SESSIONS_SHOWN}
    long = (await session.run(prepare(_LONG, bound), rows_max=SESSIONS_SHOWN)).rows
    return Activity(
        max_connections=totals["max_connections"],
        used=totals["used"],
        used_share=round(totals["used"] / totals["max_connections"], 4),
        by_state=_sums(groups, "state"),
        by_user=_sums(groups, "user"),
        by_application=_sums(groups, "application"),
        long_running=long[0]["n"] if long else 0,
        idle_in_transaction=totals["idle_in_transaction"],
        oldest_transaction_s=totals["oldest"],
        waiting_for_lock=totals["waiting_for_lock"],
        sessions=[{k: v for k, v in row.items() if k != "n"} for row in long],
    )


def _sums(groups: Sequence[dict[str, Any]], column: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in groups:
        sums[row[column]] = sums.get(row[column], 0) + row["n"]
    return sums


_FITTING = """
SELECT pid, usename::text AS "user", application_name AS application, datname::text AS database,
       state, extract(epoch FROM clock_timestamp() - state_change)::float8 AS seconds
  FROM pg_catalog.pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
   AND application_name IS DISTINCT FROM :ours
   AND datname = coalesce(:database::text, current_database())
   AND (:state::text IS NULL OR state = :state::text)
   AND (:idle::float8 IS NULL
        OR (state <> 'active'
            AND clock_timestamp() - state_change > make_interval(secs => :idle::float8)))
   AND (:user::text IS NULL OR usename = :user::text)
   AND (:application::text IS NULL OR application_name = :application::text)
"""

_TERMINATE = f"""
WITH fitting AS MATERIALIZED ({_FITTING}),
     counted AS MATERIALIZED (SELECT count(*) AS n FROM fitting)
SELECT counted.n, fitting.pid,
       CASE WHEN counted.n <= :at_most::bigint THEN pg_terminate_backend(fitting.pid) END AS ended
  FROM fitting, counted
"""  # noqa: S608 - made from constants


def _bound(criteria: Criteria, ours: str) -> dict[str, Any]:
    return {
        "ours": ours,
        "database": criteria.database,
        "state": criteria.state,
        "idle": criteria.idle_longer_than_s,
        "user": criteria.user,
        "application": criteria.application,
    }


async def matching(session: PostgresSession, criteria: Criteria, ours: str) -> list[dict[str, Any]]:
    """The sessions that `terminate` would end now."""
    statement = prepare(_FITTING + " ORDER BY seconds DESC", _bound(criteria, ours))
    return (await session.run(statement, rows_max=TERMINATED_MAX)).rows


async def terminate(
    session: PostgresSession, criteria: Criteria, ours: str, max_affected: int | None
) -> Terminated:
    """Counts and ends in one statement, so that no other set of sessions is ended than was
    counted.
    """
    at_most = TERMINATED_MAX if max_affected is None else max_affected
    statement = prepare(_TERMINATE, _bound(criteria, ours) | {"at_most": at_most})
    try:
        answer = await session.run(statement, rows_max=TERMINATED_MAX)
    except AdapterError as e:
        # a signal sent is not taken back; the only certain case is a statement that never began to
        # run
        e.maybe_done = not str(e.detail.get("sqlstate", "")).startswith(
            ("42601", "42P", "42883", "0A")
        )
        raise
    rows = answer.rows
    if rows and rows[0]["n"] > at_most:
        raise refused(
            f"{rows[0]['n']} sessions fit, more than max_affected {at_most}: none was ended"
        )
    ended = sorted(row["pid"] for row in rows if row["ended"])
    return Terminated(pids=ended, count=len(ended), matched=len(rows))


def table_name(name: str) -> tuple[str, ...]:
    """`schema.table` in parts; a part with a dot or a capital in it may stand in double quotes."""
    parts = re.findall(r'\s*(?:"((?:[^"]|"")+)"|([^".\s]+))\s*(?:\.|$)', name)
    if not parts or len(parts) > 2 or not re.fullmatch(_NAME, name):
        raise refused(f"{name!r} is not the name of a table", help="table, or schema.table")
    return tuple((q.replace('""', '"') or plain) for q, plain in parts)


_NAME = r'\s*(?:"(?:[^"]|"")+"|[^".\s]+)\s*(?:\.\s*(?:"(?:[^"]|"")+"|[^".\s]+)\s*)?'


def quoted(parts: Sequence[str]) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


_SIZE = """
SELECT c.oid::regclass::text AS name, pg_table_size(c.oid) AS bytes,
       pg_indexes_size(c.oid) AS index_bytes,
       s.n_live_tup AS live_rows, s.n_dead_tup AS dead_rows,
       greatest(s.last_vacuum, s.last_autovacuum) AS last_vacuum,
       greatest(s.last_analyze, s.last_autoanalyze) AS last_analyze
  FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_stat_user_tables AS s ON s.relid = c.oid
 WHERE c.oid = to_regclass(:name) AND c.relkind IN ('r', 'm', 'p', 't')
"""
_NAMES = prepare("""
SELECT n.nspname::text AS schema, c.relname::text AS name
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
 LIMIT 5000
""")


async def size(session: PostgresSession, table: str) -> dict[str, Any]:
    """How large a table is, and what of it is dead. Raises AdapterError when there is no such
    table.
    """
    parts = table_name(table)
    found = await session.run(prepare(_SIZE, {"name": quoted(parts)}), rows_max=1)
    if found.rows:
        return found.rows[0]
    names = (await session.run(_NAMES, rows_max=5000)).rows
    known = [r["name"] if len(parts) == 1 else f"{r['schema']}.{r['name']}" for r in names]
    wanted = ".".join(parts)
    close = difflib.get_close_matches(wanted, known, 1) or [
        name for name in known if name.lower() == wanted.lower()
    ]
    raise refused(
        f"there is no table {wanted!r}", help=f"did you mean {close[0]!r}?" if close else None
    )


_VERBS: dict[str, str] = {
    "vacuum": "VACUUM",
    "vacuum_analyze": "VACUUM (ANALYZE)",
    "analyze": "ANALYZE",
    "reindex": "REINDEX TABLE CONCURRENTLY",
}

_LEFT_BEHIND = """
SELECT i.indexrelid::regclass::text AS name
  FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
 WHERE i.indrelid = to_regclass(:name) AND NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'
"""


async def maintain(
    session: PostgresSession,
    operation: Maintenance,
    tables: Sequence[str],
    say: Callable[[str], None],
) -> Maintained:
    """Table after table, each by itself: what is done stays done when a later one fails."""
    if not tables:
        raise refused("name the tables", help="tables: [schema.table, ...]")
    names = [quoted(table_name(table)) for table in tables]
    for table in tables:
        await size(session, table)
    began = time.perf_counter()
    done: list[str] = []
    for table, name in zip(tables, names, strict=True):
        at = time.perf_counter()
        await _one(session, operation, table, name, done)
        done.append(table)
        seconds = time.perf_counter() - at
        say(f"{operation} {table}: done in {seconds:.1f} s ({len(done)} of {len(tables)})")
    return Maintained(operation, done, _elapsed_ms(began))


async def _one(
    session: PostgresSession, operation: Maintenance, table: str, name: str, done: list[str]
) -> None:
    session.warnings.clear()
    try:
        await session.script(f"{_VERBS[operation]} {name}")
    except AdapterError as e:
        left = await _left_behind(session, operation, name)
        raise _partly(e, operation, table, done, left) from e
    passed_over = [w for w in session.warnings if "skipping" in w or "permission denied" in w]
    if passed_over:
        why = refused(f"the server passed it over: {passed_over[0]}")
        raise _partly(why, operation, table, done, [])


async def _left_behind(
    session: PostgresSession, operation: Maintenance, name: str
) -> list[str] | None:
    """Invalid indexes that a REINDEX CONCURRENTLY left; None where nobody could be asked."""
    if operation != "reindex":
        return []
    if not session.alive:
        return None
    try:
        found = await session.run(prepare(_LEFT_BEHIND, {"name": name}), rows_max=100)
    except AdapterError:
        return None
    return [str(row["name"]) for row in found.rows]


def _partly(
    e: AdapterError,
    operation: Maintenance,
    table: str,
    done: Sequence[str],
    left: list[str] | None,
) -> AdapterError:
    message = f"{operation} of {table}: {e.message}"
    cure = e.help
    if left:
        message += f"; it left the invalid index {', '.join(left)} behind"
        cure = f"DROP INDEX CONCURRENTLY {left[0]}, then do it again"
    elif left is None:
        cure = "look for invalid indexes that end in _ccnew: every write pays for them"
    if done:
        message += f"; {', '.join(done)} {'is' if len(done) == 1 else 'are'} done"
    return AdapterError(
        message,
        help=cure,
        maybe_done=e.maybe_done or bool(done) or bool(left) or left is None,
        retryable=e.retryable,
        detail=e.detail | {"done": list(done), "left": left or []},
    )


def _elapsed_ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)
