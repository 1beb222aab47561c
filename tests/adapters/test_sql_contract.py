"""What both kinds of database promise: the same tests on a real PostgreSQL and on SQLite."""

from __future__ import annotations

import asyncio

import pytest

from engine.adapters.sql import SqlAdapter
from engine.errors import AdapterError
from engine.plugin import StepContext


def context(**more):
    return StepContext(run="r", path="p", **more)


@pytest.fixture(params=["postgresql", "sqlite"])
async def db(request, tmp_path):
    """An adapter with a table `items` of ten rows, of which each has two `parts`."""
    if request.param == "sqlite":
        file = tmp_path / "data.db"
        file.touch()
        adapter = SqlAdapter(f"sqlite:///{file}", rows_max=50)
    else:
        server, name = request.getfixturevalue("postgres"), request.getfixturevalue("database")
        adapter = SqlAdapter(server.url(name), rows_max=50)
    writer = adapter.writer(context())
    await writer.execute("CREATE TABLE items (id int PRIMARY KEY, name text UNIQUE)")
    await writer.execute("CREATE TABLE gone (id int PRIMARY KEY)")
    rows = ", ".join(f"({i}, 'item {i}')" for i in range(10))
    await writer.execute(f"INSERT INTO items VALUES {rows}")
    yield adapter
    await adapter.close()


async def count(adapter, table="items"):
    return (await adapter.reader(context()).count_table(table)).count


async def test_a_query_gives_rows_with_bound_values(db):
    found = await db.reader(context()).query(
        "SELECT id, name FROM items WHERE id < :n AND name LIKE 'item %' ORDER BY id", {"n": 2}
    )
    assert found.rows == [{"id": 0, "name": "item 0"}, {"id": 1, "name": "item 1"}]
    assert (found.count, found.columns, found.cut) == (2, ("id", "name"), False)
    assert found.elapsed_ms > 0


async def test_a_value_that_looks_like_sql_stays_a_value(db):
    evil = "x'; DROP TABLE items; --"
    found = await db.reader(context()).value("SELECT CAST(:v AS varchar(99))", {"v": evil})
    assert found.value == evil
    assert await count(db) == 10


async def test_no_row_still_has_columns(db):
    found = await db.reader(context()).query("SELECT id, name FROM items WHERE id < 0")
    assert (found.rows, found.columns, found.cut) == ([], ("id", "name"), False)


async def test_more_rows_than_the_limit_are_cut_and_said_so(db):
    reader = db.reader(context())
    limited = await reader.query("SELECT id FROM items ORDER BY id", limit=3)
    assert ([row["id"] for row in limited.rows], limited.count, limited.cut) == ([0, 1, 2], 3, True)
    exact = await reader.query("SELECT id FROM items", limit=10)
    assert (exact.count, exact.cut) == (10, False)
    cross = await reader.query("SELECT a.id FROM items AS a, items AS b")
    assert (cross.count, cross.cut) == (50, True)
    assert (await reader.query("SELECT 1 AS n")).rows == [{"n": 1}]


async def test_columns_of_one_name_are_told_apart(db):
    found = await db.reader(context()).query("SELECT 1 AS a, 2 AS a, 3 AS b")
    assert found.rows == [{"a": 1, "a_2": 2, "b": 3}]


async def test_a_long_text_is_cut_and_said_so(db):
    found = await db.reader(context()).query(
        "SELECT replace(CAST(:t AS varchar(100)), 'x', :y) AS long",
        {"t": "x" * 100, "y": "y" * 1000},
    )
    assert (len(found.rows[0]["long"]), found.cut) == (64 * 1024, True)


async def test_a_value_is_the_first_column_of_the_only_row(db):
    reader = db.reader(context())
    found = await reader.value("SELECT count(*) AS n, 1 FROM items")
    assert (found.value, found.column) == (10, "n")
    assert (await reader.value("SELECT NULL AS unknown")).value is None
    with pytest.raises(AdapterError, match="found no row"):
        await reader.value("SELECT id FROM items WHERE id < 0")
    with pytest.raises(AdapterError, match="more than one row"):
        await reader.value("SELECT id FROM items")


async def test_rows_are_counted_by_the_server(db):
    reader = db.reader(context())
    query = "SELECT * FROM items WHERE id >= :n; -- those"
    assert (await reader.count(query, {"n": 4})).count == 6
    assert (await reader.count_table("items")).count == 10
    with pytest.raises(AdapterError):
        await reader.count_table('items" --')


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO items VALUES (99, 'x')",
        "WITH x AS (SELECT 1) INSERT INTO items SELECT 99, 'x' FROM x",
        "WITH x AS (SELECT 1) DELETE FROM items",
        "SELECT 1; DELETE FROM items",
        "EXPLAIN SELECT 1; DELETE FROM items",
        "DELETE FROM items RETURNING id",
        "DROP TABLE items",
        "COMMIT; DELETE FROM items",
        "PRAGMA query_only = OFF",
        "ATTACH DATABASE 'x' AS y",
        "CREATE TEMP TABLE x AS SELECT 1",
        "VACUUM",
    ],
)
async def test_the_reading_side_cannot_write(db, sql):
    with pytest.raises(AdapterError) as caught:
        await db.reader(context()).query(sql)
    assert caught.value.retryable is False
    assert await count(db) == 10


async def test_an_execution_says_how_many_rows_it_changed_and_what_it_returned(db):
    done = await db.writer(context()).execute(
        "UPDATE items SET name = name || :s WHERE id < :n RETURNING id, name", {"s": "!", "n": 2}
    )
    assert done.affected == 2
    assert done.rows == [{"id": 0, "name": "item 0!"}, {"id": 1, "name": "item 1!"}]
    assert await count(db) == 10


async def test_more_rows_than_max_affected_are_rolled_back(db):
    writer = db.writer(context(max_affected=3))
    with pytest.raises(AdapterError) as caught:
        await writer.execute("DELETE FROM items WHERE id < :n", {"n": 5})
    assert caught.value.message == "it would change 5 rows, more than max_affected 3: rolled back"
    assert (caught.value.maybe_done, caught.value.retryable) == (False, False)
    assert caught.value.detail == {"affected": 5, "max_affected": 3}
    assert await count(db) == 10
    assert (await writer.execute("DELETE FROM items WHERE id < 3")).affected == 3
    assert await count(db) == 7


async def test_rows_changed_by_a_foreign_key_count_too(db):
    writer = db.writer(context())
    await writer.execute(
        "CREATE TABLE parts (item int REFERENCES items (id) ON DELETE CASCADE, n int)"
    )
    await writer.execute("INSERT INTO parts SELECT id, 1 FROM items")
    await writer.execute("INSERT INTO parts SELECT id, 2 FROM items")
    if db._made.dialect == "sqlite":
        return  # it cascades only where the connection asks for it, and ours does not
    with pytest.raises(AdapterError, match="change 6 rows, more than max_affected 4"):
        await db.writer(context(max_affected=4)).execute("DELETE FROM items WHERE id < 2")
    assert await count(db, "parts") == 20


async def test_a_broken_constraint_is_told_and_nothing_is_done(db):
    with pytest.raises(AdapterError) as caught:
        await db.writer(context()).execute("INSERT INTO items VALUES (1, 'again')")
    assert (caught.value.maybe_done, caught.value.retryable) == (False, False)
    assert await count(db) == 10


async def test_several_statements_are_refused_by_the_writing_side_too(db):
    with pytest.raises(AdapterError, match="more than one statement"):
        await db.writer(context()).execute("DELETE FROM items; DELETE FROM gone")
    assert await count(db) == 10


ARCHIVE = [
    ("archive", "INSERT INTO gone SELECT id FROM items WHERE id < :n"),
    ("delete", "DELETE FROM items WHERE id < :n"),
]


async def test_a_transaction_takes_place_as_a_whole(db):
    done = await db.writer(context(max_affected=8)).transaction(
        ARCHIVE, {"n": 4}, expect_rows={"archive": 4}, equal=["archive", "delete"]
    )
    assert (done.affected, done.total) == ({"archive": 4, "delete": 4}, 8)
    assert (await count(db), await count(db, "gone")) == (6, 4)


@pytest.mark.parametrize(
    ("statements", "rules", "message"),
    [
        (
            [ARCHIVE[0], ("delete", "DELETE FROM items WHERE id <= :n")],
            {"equal": ["archive", "delete"]},
            "these should have changed equally many rows: archive 4, delete 5: rolled back",
        ),
        (
            ARCHIVE,
            {"expect_rows": {"delete": 3}},
            "delete changed 4 rows, and 3 were expected: rolled back",
        ),
        (
            ARCHIVE,
            {"max_affected": 7},
            "it would change 8 rows, more than max_affected 7: rolled back",
        ),
    ],
)
async def test_a_transaction_whose_counts_are_wrong_is_rolled_back(db, statements, rules, message):
    more = {"expect_rows": {}} | rules
    writer = db.writer(context(max_affected=more.pop("max_affected", None)))
    with pytest.raises(AdapterError) as caught:
        await writer.transaction(statements, {"n": 4}, **more)
    assert caught.value.message == message
    assert (caught.value.maybe_done, caught.value.retryable) == (False, False)
    assert (await count(db), await count(db, "gone")) == (10, 0)


async def test_a_transaction_names_the_statement_that_went_wrong(db):
    with pytest.raises(AdapterError, match=r"^wrong: ") as caught:
        await db.writer(context()).transaction(
            [*ARCHIVE, ("wrong", "DELETE FROM nowhere")], {"n": 4}, expect_rows={}
        )
    assert caught.value.detail["statement"] == "wrong"
    assert (await count(db), await count(db, "gone")) == (10, 0)


@pytest.mark.parametrize(
    ("statements", "params", "rules", "message"),
    [
        ([], {}, {}, "a transaction has 1 to 50 statements, not 0"),
        (ARCHIVE, {"n": 1, "m": 2}, {}, "no statement uses the parameter 'm'"),
        (ARCHIVE, {"n": 1}, {"equal": ["archive", "delte"]}, "there is no statement named 'delte'"),
        ([ARCHIVE[0], ARCHIVE[0]], {"n": 1}, {}, "two statements are named 'archive'"),
        ([("a", "COMMIT")], {}, {}, "COMMIT is not yours to send"),
    ],
)
async def test_a_transaction_that_is_put_wrongly_is_not_begun(
    db, statements, params, rules, message
):
    with pytest.raises(AdapterError, match=message):
        await db.writer(context()).transaction(statements, params, **({"expect_rows": {}} | rules))
    assert await count(db) == 10


async def test_a_plan_is_shown_and_nothing_is_run(db):
    reader = db.reader(context())
    plan = await reader.plan("DELETE FROM items WHERE id < :n", {"n": 3})
    assert "items" in plan
    assert await reader.would_affect("DELETE FROM items WHERE id < :n", {"n": 3}) == 3
    assert await reader.would_affect("UPDATE items SET name = 'x'") == 10
    assert await reader.would_affect("INSERT INTO gone SELECT id FROM items WHERE id > 7") == 2
    assert (
        await reader.plan("ALTER TABLE items ADD x int") == "ALTER has no plan that could be shown"
    )
    assert await count(db) == 10


async def test_what_a_later_statement_would_do_may_be_unknown_before_the_first_has_run(db):
    foreseen = await db.reader(context()).foresee(
        [("make", "CREATE TABLE fresh (a int)"), ("fill", "INSERT INTO items VALUES (77, 'x')")], {}
    )
    assert [(f.name, f.affected) for f in foreseen] == [("make", None), ("fill", 1)]


async def test_a_statement_that_takes_too_long_is_stopped_and_nothing_is_committed(db):
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    )
    # The server's limit comes first, and on a busy machine ours may.
    with pytest.raises(AdapterError, match=r"did not (finish|answer) in") as caught:
        await db.reader(context(timeout_s=0.3)).query(endless)
    assert caught.value.maybe_done is False
    with pytest.raises(AdapterError, match=r"did not (finish|answer) in") as caught:
        await db.writer(context(timeout_s=0.3)).execute(
            f"INSERT INTO gone SELECT 1 WHERE ({endless}) > 0"
        )
    assert caught.value.maybe_done is False
    assert await count(db, "gone") == 0


async def test_a_statement_that_is_cancelled_is_stopped_and_leaves_the_adapter_usable(db):
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    )
    task = asyncio.create_task(db.reader(context()).query(endless))
    done, _ = await asyncio.wait({task}, timeout=0.05)
    assert not done
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(db) == 10


async def test_steps_at_once_do_not_disturb_each_other(db):
    reader = db.reader(context())

    async def one(i):
        if i % 3 == 0:
            with pytest.raises(AdapterError):
                await reader.query("SELECT nothing FROM nowhere")
            return None
        return (await reader.value("SELECT id FROM items WHERE id = :i", {"i": i % 10})).value

    found = await asyncio.gather(*(one(i) for i in range(30)))
    assert found == [None if i % 3 == 0 else i % 10 for i in range(30)]


async def test_a_ping_says_what_answered_and_close_may_come_twice(db):
    assert await db.ping()
    await db.close()
    await db.close()
    assert await count(db) == 10
    await db.close()


async def test_maintenance_is_done_table_by_table_and_says_so(db):
    said = []
    writer = db.writer(context(progress=said.append))
    done = await writer.maintain("analyze", ["items", "gone"])
    assert (done.operation, done.tables, len(said)) == ("analyze", ["items", "gone"], 2)
    with pytest.raises(AdapterError, match="there is no table 'nowhere'"):
        await writer.maintain("reindex", ["items", "nowhere"])


async def test_the_size_of_tables_is_told(db):
    assert [of["name"] for of in await db.reader(context()).sizes(["items", "gone"])] == [
        "items",
        "gone",
    ]
