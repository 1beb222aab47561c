"""What a network does to a session with PostgreSQL, and what is then known of a change."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
import servers

from engine.adapters.sql import SqlAdapter
from engine.errors import AdapterError
from engine.plugin import StepContext


def context(**more):
    return StepContext(run="r", path="p", **more)


@pytest.fixture
async def proxy(postgres):
    async with servers.fault_proxy(postgres.port) as made:
        yield made


@pytest.fixture
async def db(postgres, database, proxy):
    adapter = SqlAdapter(
        postgres.tcp_url(database, proxy.port), connect_timeout_s=20, statement_timeout_s=20
    )
    await adapter.writer(context()).execute("CREATE TABLE t (id int)")
    yield adapter
    proxy.heal()
    await adapter.close()


@pytest.fixture
def ids(postgres, database):
    """What is in the table, past the proxy."""

    def read():
        with psycopg.connect(postgres.url(database)) as conn:
            return [row[0] for row in conn.execute("SELECT id FROM t ORDER BY id")]

    return read


INSERT = "INSERT INTO t VALUES (1)"


async def failure(task):
    with pytest.raises(AdapterError) as caught:
        await task
    return caught.value


async def test_a_refused_connection_is_errored(postgres, database):
    db = SqlAdapter(postgres.tcp_url(database, servers.free_port()))
    e = await failure(db.writer(context()).execute(INSERT))
    assert "nothing listens there" in e.message
    assert (e.maybe_done, e.retryable) == (False, True)
    assert "s3cr3t-p4ss" not in repr(e.__cause__)


async def test_a_host_without_a_name_is_errored():
    db = SqlAdapter("postgresql://u@nowhere.invalid/db", connect_timeout_s=5)
    e = await failure(db.writer(context()).execute(INSERT))
    assert e.message.startswith("cannot connect to nowhere.invalid:5432/db: ")
    assert e.maybe_done is False


async def test_a_reset_while_connecting_is_errored(db, proxy, ids):
    proxy.refuse_new = True
    e = await failure(db.writer(context()).execute(INSERT))
    assert e.message.startswith("cannot connect to 127.0.0.1:")
    assert e.maybe_done is False
    assert ids() == []


async def test_a_network_that_swallows_everything_is_errored_in_the_time_for_connecting(
    postgres, database, proxy
):
    proxy.black_hole = True
    db = SqlAdapter(postgres.tcp_url(database, proxy.port), connect_timeout_s=0.1)
    e = await failure(db.writer(context()).execute(INSERT))
    assert "no answer within 0.1 s" in e.message
    assert (e.maybe_done, e.retryable) == (False, True)


@pytest.mark.parametrize(
    ("fault", "maybe", "present"),
    [
        ({"cut_before": b"BEGIN"}, False, []),
        ({"cut_after": b"BEGIN"}, False, []),
        ({"cut_before": b"INSERT"}, False, []),
        ({"cut_after": b"INSERT"}, False, []),
        ({"cut_before": b"COMMIT\0"}, True, []),
        ({"cut_after": b"COMMIT\0"}, True, [1]),
    ],
)
async def test_only_a_lost_commit_is_in_doubt(  # noqa: PLR0917 - fixtures
    db, proxy, ids, fault, maybe, present
):
    vars(proxy).update(fault)
    e = await failure(db.writer(context()).execute(INSERT))
    assert "the connection was lost" in e.message
    assert e.message.endswith(
        "COMMIT was sent, so it may or may not have taken place"
        if maybe
        else "nothing was committed"
    )
    assert (e.maybe_done, e.retryable) == (maybe, True)
    assert ids() == present


@pytest.mark.parametrize(("held", "maybe"), [(b"INSERT", False), (b"COMMIT\0", True)])
async def test_a_server_that_falls_silent_is_given_up(db, proxy, ids, held, maybe):
    proxy.hold_from = held
    e = await failure(db.writer(context(timeout_s=3.0)).execute(INSERT))
    assert "the server did not answer in the" in e.message
    assert e.maybe_done is maybe
    assert ids() == []


async def test_a_commit_cut_in_a_transaction_is_in_doubt_and_one_cut_before_is_not(db, proxy, ids):
    statements = [("a", INSERT), ("b", "INSERT INTO t VALUES (2)")]
    proxy.cut_before = b"VALUES (2)"
    e = await failure(db.writer(context()).transaction(statements, {}, expect_rows={}))
    assert (e.maybe_done, ids()) == (False, [])
    proxy.heal()
    proxy.cut_after = b"COMMIT\0"
    e = await failure(db.writer(context()).transaction(statements, {}, expect_rows={}))
    assert (e.maybe_done, ids()) == (True, [1, 2])


async def test_maintenance_that_is_lost_midway_is_in_doubt(db, proxy):
    proxy.cut_after = b"VACUUM"
    e = await failure(db.writer(context()).maintain("vacuum", ["t"]))
    assert "a part of it may have taken place" in e.message
    assert e.maybe_done is True


async def test_a_reindex_that_is_lost_says_what_to_look_for(db, proxy):
    proxy.cut_after = b"REINDEX"
    e = await failure(db.writer(context()).maintain("reindex", ["t"]))
    assert "_ccnew" in e.help
    assert e.maybe_done is True


async def test_an_answer_cut_off_in_its_middle_is_an_error_and_the_next_is_whole(db, proxy):
    reader = db.reader(context())
    await reader.value("SELECT 1")
    proxy.cut_after_reply_bytes = 3000
    await db.close()
    e = await failure(reader.query("SELECT repeat('x', 100) AS x FROM generate_series(1, 500)"))
    assert "the connection was lost" in e.message
    proxy.heal()
    assert (await reader.value("SELECT 1")).value == 1


async def test_a_session_that_was_cut_while_idle_is_not_used_again(db, proxy):
    reader = db.reader(context())
    await reader.value("SELECT 1")
    before = proxy.connections
    await proxy.cut_all()
    assert (await reader.value("SELECT 1")).value == 1
    assert proxy.connections == before + 1


async def test_a_server_that_stops_ends_the_session_in_words(db, postgres, database):
    task = asyncio.create_task(db.writer(context()).execute("SELECT pg_sleep(60) -- here"))
    with psycopg.connect(postgres.url(database), autocommit=True) as conn:
        ended = False
        while not ended:
            await asyncio.wait({task}, timeout=0.01)
            row = conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
            ).fetchone()
            ended = row is not None
    e = await failure(task)
    assert e.message.startswith("the server ended the session: terminating connection")
    assert (e.maybe_done, e.retryable) == (False, True)


async def test_a_wrong_database_or_role_is_not_tried_again(postgres, database):
    for url, words in (
        (postgres.tcp_url("no_such_database"), "there is no such database"),
        (postgres.tcp_url(database, user="nobody_known"), "the server refused the login"),
    ):
        e = await failure(SqlAdapter(url).reader(context()).query("SELECT 1"))
        assert words in e.message
        assert (e.maybe_done, e.retryable) == (False, False)
        assert e.help
