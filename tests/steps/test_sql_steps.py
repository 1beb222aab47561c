"""The checks and actions of the sql family, and what their dry runs say."""

from __future__ import annotations

import psycopg
import pytest

from actions import sql as actions
from checks import sql as checks
from engine.adapters.sql import SqlAdapter
from engine.errors import AdapterError
from engine.plugin import StepContext, to_json


def context(**more):
    return StepContext(run="r", path="p", **more)


@pytest.fixture
async def db(postgres, database):
    """An adapter with a table `events` of twenty rows, half of them old, and an empty `archive`."""
    with psycopg.connect(postgres.url(database), autocommit=True) as conn:
        conn.execute("CREATE TABLE events (id int PRIMARY KEY, old bool)")
        conn.execute("CREATE TABLE archive (id int PRIMARY KEY)")
        conn.execute("INSERT INTO events SELECT i, i <= 10 FROM generate_series(1, 20) AS i")
    adapter = SqlAdapter(postgres.url(database))
    yield adapter
    await adapter.close()


async def call(adapter, step, *, max_affected=None, **params):
    side = adapter.reader if step.signature.kind == "check" else adapter.writer
    found = to_json(await step.call(side(context(max_affected=max_affected)), params))
    return {k: v for k, v in found.items() if k != "elapsed_ms"}


async def would(adapter, step, **params):
    return await step.would(adapter.reader(context()), params)


async def events(adapter):
    return (await call(adapter, checks.rows, table="events"))["count"]


def test_every_type_is_named_for_its_family_and_every_action_has_a_preview():
    steps = [s for m in (checks, actions) for s in vars(m).values() if hasattr(s, "signature")]
    assert {(s.signature.type, s.signature.effect, s.signature.counts) for s in steps} == {
        ("sql.query", "reads", False),
        ("sql.value", "reads", False),
        ("sql.rows", "reads", False),
        ("sql.activity", "reads", False),
        ("sql.execute", "unsafe", True),
        ("sql.transaction", "unsafe", True),
        ("sql.maintenance", "idempotent", False),
        ("sql.terminate", "idempotent", True),
    }
    assert all(s.has_preview for s in steps if s.signature.kind == "action")
    assert all(p.doc for s in steps for p in s.signature.parameters.values())


def test_text_that_is_sql_is_marked_so_that_no_template_stands_in_it():
    marked = {
        (s.signature.type, name)
        for m in (checks, actions)
        for s in vars(m).values()
        if hasattr(s, "signature")
        for name, p in s.signature.parameters.items()
        if p.writing == "sql"
    }
    assert marked == {
        ("sql.query", "sql"),
        ("sql.value", "sql"),
        ("sql.rows", "sql"),
        ("sql.execute", "sql"),
        ("sql.transaction", "statements"),
    }


async def test_a_query_a_value_and_a_count_are_told(db):
    found = await call(
        db, checks.query, sql="SELECT id FROM events WHERE id < :n ORDER BY 1", params={"n": 3}
    )
    assert found == {"rows": [{"id": 1}, {"id": 2}], "count": 2, "columns": ["id"], "cut": False}
    found = await call(db, checks.value, sql="SELECT max(id) FROM events")
    assert found == {"value": 20, "column": "max"}
    assert await call(db, checks.rows, sql="SELECT 1 FROM events WHERE old") == {"count": 10}
    for wrong in ({}, {"sql": "SELECT 1", "table": "events"}, {"table": "t", "params": {"a": 1}}):
        with pytest.raises(AdapterError, match="either `sql`"):
            await call(db, checks.rows, **wrong)


async def test_the_activity_of_the_server_is_told(db):
    found = await call(db, checks.activity, longer_than_s=60.0)
    assert found["max_connections"] == 60
    assert found["long_running"] == 0


async def test_an_execution_is_previewed_with_its_count_and_plan_and_then_done(db):
    params = {"sql": "DELETE FROM events WHERE id > :n", "params": {"n": 15}}
    preview = await would(db, actions.execute, **params)
    assert preview.affected == 5
    assert preview.text.startswith("5 rows would change")
    assert "Delete on events" in preview.diff
    assert await events(db) == 20
    done = await call(db, actions.execute, **params)
    assert done == {"affected": 5, "rows": [], "cut": False}
    assert await events(db) == 15


async def test_a_preview_says_when_a_count_is_not_known(db):
    sql = "DELETE FROM events AS e USING archive AS a WHERE e.id = a.id"
    preview = await would(db, actions.execute, sql=sql)
    assert preview.affected is None
    assert "is not known" in preview.text
    assert preview.diff


async def test_a_preview_of_a_statement_that_is_wrong_is_an_error(db):
    with pytest.raises(AdapterError, match='relation "nowhere" does not exist'):
        await would(db, actions.execute, sql="DELETE FROM nowhere")
    with pytest.raises(AdapterError, match="COMMIT is not yours"):
        await would(db, actions.execute, sql="COMMIT")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO archive SELECT nextval('s')",
        "UPDATE events SET id = nextval('s')",
        "WITH g AS (DELETE FROM events RETURNING id) SELECT count(*) FROM g",
        "SELECT writes()",
        "TRUNCATE events",
        "DROP TABLE events",
        "DELETE FROM events WHERE pg_try_advisory_lock(id)",
    ],
)
async def test_a_preview_changes_nothing(db, postgres, database, sql):
    with psycopg.connect(postgres.url(database), autocommit=True) as conn:
        conn.execute("CREATE SEQUENCE s")
        conn.execute(
            "CREATE FUNCTION writes() RETURNS void LANGUAGE sql AS 'INSERT INTO archive VALUES (1)'"
        )
        await would(db, actions.execute, sql=sql)
        await would(db, actions.transaction, statements=[{"a": sql}])
        assert conn.execute("SELECT count(*) FROM events").fetchone() == (20,)
        assert conn.execute("SELECT count(*) FROM archive").fetchone() == (0,)
        assert conn.execute("SELECT is_called FROM s").fetchone() == (False,)
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert conn.execute(locks).fetchone() == (0,)


ARCHIVE = {
    "statements": [
        {"archive": "INSERT INTO archive SELECT id FROM events WHERE old AND id <= :n"},
        {"delete": "DELETE FROM events WHERE old AND id <= :n"},
    ],
    "params": {"n": 7},
    "equal": ["archive", "delete"],
}


async def test_a_transaction_is_previewed_and_then_done(db):
    preview = await would(db, actions.transaction, **ARCHIVE)
    assert preview.text == "archive: 7 rows; delete: 7 rows; each judged as if it came first"
    assert preview.affected == 14
    assert preview.diff.startswith("archive:\nInsert on archive")
    assert await events(db) == 20
    done = await call(db, actions.transaction, max_affected=14, **ARCHIVE)
    assert done == {"affected": {"archive": 7, "delete": 7}, "total": 14}
    assert await events(db) == 13


async def test_a_transaction_whose_counts_differ_is_rolled_back_at_the_target(db):
    wrong = ARCHIVE | {
        "statements": [
            ARCHIVE["statements"][0],
            {"delete": "DELETE FROM events WHERE id <= :n + 1"},
        ]
    }
    with pytest.raises(AdapterError, match="archive 7, delete 8: rolled back"):
        await call(db, actions.transaction, **wrong)
    assert await events(db) == 20
    assert (await call(db, checks.rows, table="archive"))["count"] == 0


async def test_maintenance_is_previewed_with_sizes_and_then_done(db):
    preview = await would(db, actions.maintenance, operation="vacuum", tables=["events"])
    assert preview.text.startswith("vacuum of 1 tables with ")
    assert preview.sample[0]["name"] == "events"
    done = await call(db, actions.maintenance, operation="vacuum", tables=["events"])
    assert done == {"operation": "vacuum", "tables": ["events"]}
    assert (await db.reader(context()).sizes(["events"]))[0]["last_vacuum"] is not None


async def test_sessions_are_previewed_and_then_ended(db, postgres, database):
    with psycopg.connect(postgres.url(database), application_name="leaky") as leaky:
        leaky.execute("SELECT 1")
        pid = leaky.info.backend_pid
        which = {"application": "leaky", "state": "idle in transaction", "idle_longer_than": 0.0}
        preview = await would(db, actions.terminate, **which)
        assert (preview.affected, preview.sample[0]["pid"]) == (1, pid)
        assert leaky.execute("SELECT 1").fetchone() == (1,)
        done = await call(db, actions.terminate, max_affected=1, **which)
        assert done == {"pids": [pid], "count": 1, "matched": 1}
        with pytest.raises(psycopg.OperationalError):
            leaky.execute("SELECT 1")


async def test_a_session_younger_than_it_says_is_left_alone(db, postgres, database):
    with psycopg.connect(postgres.url(database), application_name="leaky") as leaky:
        leaky.execute("SELECT 1")
        done = await call(db, actions.terminate, application="leaky", idle_longer_than=3600.0)
        assert done == {"pids": [], "count": 0, "matched": 0}
        assert leaky.execute("SELECT 1").fetchone() == (1,)
