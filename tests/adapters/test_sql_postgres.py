"""What only PostgreSQL has, on a real one."""

from __future__ import annotations

import asyncio
import resource
import traceback

import psycopg
import pytest

from engine.adapters.sql import Criteria, SqlAdapter
from engine.errors import AdapterError
from engine.plugin import StepContext


def context(**more):
    return StepContext(run="r", path="p", **more)


@pytest.fixture
async def connect(postgres, database):
    """Makes adapters, which are closed at the end."""
    made = []

    def make(url="", *, user="postgres", **settings):
        made.append(SqlAdapter(url or postgres.url(database, user=user), **settings))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


@pytest.fixture
def db(connect):
    return connect()


@pytest.fixture
async def bare(postgres):
    """An adapter without a database of its own, for what needs none."""
    adapter = SqlAdapter(postgres.url())
    yield adapter
    await adapter.close()


@pytest.fixture
def other(postgres, database):
    """Somebody else's session."""
    with psycopg.connect(postgres.url(database), autocommit=True, application_name="other") as conn:
        yield conn


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("1::smallint", 1),
        ("9223372036854775807", 9223372036854775807),
        ("1.50::numeric", 1.5),
        ("2.00::numeric", 2),
        ("1/3.0", 0.3333333333333333),
        ("12345678901234567.89::numeric", "12345678901234567.89"),
        ("1e60::numeric", "1" + "0" * 60),
        ("'NaN'::numeric", "NaN"),
        ("0.25::float8", 0.25),
        ("'-Infinity'::float8", "-Infinity"),
        ("true", True),
        ("NULL", None),
        ("'text'::text", "text"),
        ("'n'::name", "n"),
        ("'2026-11-21 03:00:00.5+01'::timestamptz", "2026-11-21T02:00:00.500000Z"),
        ("'2026-11-21 03:00'::timestamp", "2026-11-21T03:00:00.000000"),
        ("'infinity'::timestamptz", "infinity"),
        ("'-infinity'::date", "-infinity"),
        ("'12026-01-01'::date", "12026-01-01"),
        ("'2026-11-21'::date", "2026-11-21"),
        ("'03:00'::time", "03:00:00"),
        ("'1 day 2 hours'::interval", 93600.0),
        ("'\\xff00'::bytea", {"base64": "/wA="}),
        ("ARRAY[1, NULL, 3]", [1, None, 3]),
        ("ARRAY['a', 'b']", ["a", "b"]),
        ("ARRAY['infinity'::timestamptz]", ["infinity"]),
        ('\'{"a": [1, {"b": null}]}\'::jsonb', {"a": [1, {"b": None}]}),
        ("'[1]'::json", [1]),
        ("'10.0.0.1'::inet", "10.0.0.1"),
        ("'10.0.0.0/8'::cidr", "10.0.0.0/8"),
        ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("int4range(1, 5)", "[1, 5)"),
        ("pg_lsn '0/16B3748'", "0/16B3748"),
    ],
)
async def test_a_value_becomes_json(bare, sql, value):
    found = await bare.reader(context()).value(f"SELECT {sql} AS v")
    assert (found.value, type(found.value)) == (value, type(value))


@pytest.mark.parametrize(
    ("sql", "given"),
    [
        ("SELECT :v::int + 1 = 42", 41),
        ("SELECT :v = 'it''s'", "it's"),
        ("SELECT 3 = ANY(:v)", [1, 2, 3]),
        ("SELECT 'b' = ANY(:v)", ["a", "b"]),
        ("SELECT (:v)->'a'->>0 = 'x'", {"a": ["x"]}),
        ("SELECT (:v)->1->>'b' = 'c'", [1, {"b": "c"}]),
        ("SELECT :v::text IS NULL", None),
        ("SELECT :v", True),
        ("SELECT :v = 0.5", 0.5),
        ("SELECT now() - make_interval(days => :v) < now()", 30),
        ("SELECT :v::timestamptz < now()", "2020-01-01T00:00:00Z"),
        ("SELECT count(*) = 2 FROM generate_series(1, 10) LIMIT :v", 1),
    ],
)
async def test_a_parameter_arrives_as_what_it_is(bare, sql, given):
    found = await bare.reader(context()).value(sql, {"v": given})
    assert isinstance(found.value, bool)
    assert found.value or "count" in sql


async def test_a_parameter_the_server_cannot_take_is_refused_before_it_is_sent(db):
    with pytest.raises(AdapterError, match="a parameter cannot be sent") as caught:
        await db.reader(context()).query("SELECT :v", {"v": "a\x00b"})
    assert caught.value.retryable is False


@pytest.mark.parametrize(
    "sql",
    [
        "WITH gone AS (DELETE FROM t RETURNING id) SELECT * FROM gone",
        "WITH new AS (UPDATE t SET id = 9 RETURNING id) SELECT * FROM new",
        "SELECT * INTO u FROM t",
        "SELECT * FROM t FOR UPDATE",
        "SELECT nextval('s')",
        "SELECT setval('s', 9)",
        "SELECT writes()",
        "SELECT sets_itself_free(), writes()",
        "EXPLAIN ANALYZE DELETE FROM t",
        "EXPLAIN (ANALYZE) WITH g AS (DELETE FROM t RETURNING 1) SELECT * FROM g",
        "SELECT 1; COMMIT; DELETE FROM t",
        "SELECT 'a'; SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; DELETE FROM t",
        "TABLE t; DELETE FROM t",
    ],
)
async def test_no_way_to_write_leads_through_a_check(db, other, sql):
    other.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE SEQUENCE s")
    other.execute(
        "CREATE FUNCTION writes() RETURNS void LANGUAGE sql AS 'INSERT INTO t VALUES (2)'"
    )
    other.execute(
        "CREATE FUNCTION sets_itself_free() RETURNS text LANGUAGE sql "
        "AS $$ SELECT set_config('transaction_read_only', 'off', true) $$"
    )
    with pytest.raises(AdapterError) as caught:
        await db.reader(context()).query(sql)
    assert caught.value.retryable is False
    assert other.execute("SELECT id FROM t").fetchall() == [(1,)]
    assert other.execute("SELECT is_called FROM s").fetchone() == (False,)


async def test_a_session_that_has_read_is_not_changed_by_what_was_asked(db):
    reader = db.reader(context())
    await reader.query("SHOW statement_timeout")
    for sql in ("EXPLAIN SELECT 1", "VALUES (1), (2)", "TABLE pg_class"):
        assert (await reader.query(sql, limit=1)).rows
    found = await reader.query(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE state LIKE 'idle in%'"
    )
    assert found.rows == [{"n": 0}]


async def test_an_error_of_the_text_is_told_with_its_place(db):
    with pytest.raises(AdapterError) as caught:
        await db.reader(context()).query("SELECT :a,\n  nme FROM pg_class", {"a": 1})
    assert caught.value.message == 'column "nme" does not exist (line 2, column 3)'
    assert caught.value.detail == {"sqlstate": "42703", "offset": 13}
    assert (caught.value.maybe_done, caught.value.retryable) == (False, False)


async def test_the_limits_are_set_at_the_server(db):
    reader = db.reader(context(timeout_s=29))
    found = await reader.query(
        "SELECT setting AS s, unit, current_setting('lock_timeout') AS l,"
        " current_setting('transaction_read_only') AS r"
        " FROM pg_settings WHERE name = 'statement_timeout'"
    )
    row = found.rows[0]
    assert row["unit"] == "ms"
    assert 15_000 < int(row["s"]) <= 27_550  # a share of what is left of 29 seconds
    assert (row["l"], row["r"]) == ("5s", "on")


async def test_a_lock_that_is_not_given_is_an_error_and_nothing_is_done(connect, other):
    other.execute("CREATE TABLE t (id int)")
    db = connect(lock_timeout_s=0.05)
    with other.transaction():
        other.execute("LOCK TABLE t")
        with pytest.raises(AdapterError, match="lock was not given in time") as caught:
            await db.writer(context()).execute("INSERT INTO t VALUES (1)")
    assert (caught.value.maybe_done, caught.value.retryable) == (False, True)
    assert other.execute("SELECT count(*) FROM t").fetchone() == (0,)


async def test_a_deferred_constraint_that_breaks_at_commit_certainly_did_not_take_place(db, other):
    other.execute("CREATE TABLE t (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(AdapterError, match="duplicate key") as caught:
        await db.writer(context()).execute("INSERT INTO t VALUES (1), (1)")
    assert caught.value.maybe_done is False


async def test_a_delete_hidden_in_a_with_is_counted(db, other):
    other.execute("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 9)")
    sql = "WITH g AS (DELETE FROM t WHERE id <= :n RETURNING id) SELECT count(*) AS n FROM g"
    with pytest.raises(AdapterError, match="change 5 rows, more than max_affected 4"):
        await db.writer(context(max_affected=4)).execute(sql, {"n": 5})
    done = await db.writer(context(max_affected=5)).execute(sql, {"n": 5})
    assert (done.affected, done.rows) == (5, [{"n": 5}])
    assert other.execute("SELECT count(*) FROM t").fetchone() == (4,)


async def test_rows_changed_by_a_trigger_are_counted(db, other):
    other.execute("CREATE TABLE t (id int); CREATE TABLE log (id int)")
    other.execute(
        "CREATE FUNCTION copies() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO log VALUES (NEW.id); RETURN NEW; END $$"
    )
    other.execute("CREATE TRIGGER c AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION copies()")
    with pytest.raises(AdapterError, match="change 4 rows, more than max_affected 3"):
        await db.writer(context(max_affected=3)).execute("INSERT INTO t VALUES (1), (2)")
    assert other.execute("SELECT count(*) FROM log").fetchone() == (0,)


async def test_what_a_writer_sets_does_not_outlive_its_step(db):
    await db.writer(context()).execute("SET search_path = pg_catalog")
    await db.writer(context()).execute("CREATE TEMP TABLE x (id int)")
    await db.writer(context()).execute("SELECT pg_advisory_lock(1)")
    reader = db.reader(context())
    assert (await reader.value("SELECT current_setting('search_path')")).value != "pg_catalog"
    assert (await reader.value("SELECT to_regclass('x')")).value is None
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    for _ in range(100):  # the server sees that the session is closed a moment later
        if (await reader.value(locks)).value == 0:
            break
    assert (await reader.value(locks)).value == 0


async def test_a_call_that_acts_at_once_is_in_doubt_when_its_statement_fails(db):
    with pytest.raises(AdapterError, match="acts at once") as caught:
        await db.writer(context()).execute(
            "SELECT pg_advisory_lock_shared(1), 1 / (pg_backend_pid() * 0)"
        )
    assert caught.value.maybe_done is True
    with pytest.raises(AdapterError) as caught:
        await db.writer(context()).execute("SELECT pg_advisory_lock(1) FROM nowhere")
    assert caught.value.maybe_done is False


async def test_copy_is_refused_and_the_adapter_goes_on(db, other):
    other.execute("CREATE TABLE t (id int)")
    for sql in ("COPY t FROM STDIN", "COPY t TO STDOUT"):
        with pytest.raises(AdapterError, match="COPY cannot be sent"):
            await db.writer(context()).execute(sql)
    assert (await db.reader(context()).value("SELECT 1")).value == 1


async def test_serializable_transactions_that_meet_are_told_apart_from_errors(db, other):
    other.execute("CREATE TABLE t (id int, n int); INSERT INTO t VALUES (1, 0)")
    other.execute(
        "CREATE FUNCTION meets() RETURNS void LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001'; END $$"
    )
    with pytest.raises(AdapterError, match="another transaction was faster") as caught:
        await db.writer(context()).transaction(
            [("a", "UPDATE t SET n = 1"), ("b", "SELECT meets()")],
            {},
            isolation="serializable",
            expect_rows={},
        )
    assert (caught.value.maybe_done, caught.value.retryable) == (False, True)
    assert other.execute("SELECT n FROM t").fetchone() == (0,)


async def test_the_isolation_asked_for_is_the_one_that_is_had(db, other):
    other.execute("CREATE TABLE t (level text)")
    level = "INSERT INTO t SELECT current_setting('transaction_isolation')"
    for isolation in ("read committed", "repeatable read", "serializable"):
        await db.writer(context()).transaction(
            [("a", level)], {}, isolation=isolation, expect_rows={}
        )
    assert other.execute("SELECT level FROM t").fetchall() == [
        ("read committed",),
        ("repeatable read",),
        ("serializable",),
    ]


async def test_idle_sessions_are_used_again_and_a_dead_one_is_replaced(db, other):
    reader = db.reader(context())
    pid = "SELECT pg_backend_pid()"
    first = (await reader.value(pid)).value
    assert (await reader.value(pid)).value == first
    other.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
    assert (await reader.value(pid)).value != first


async def test_no_more_than_five_sessions_are_opened(db, other):
    reader = db.reader(context())
    busy = [asyncio.create_task(reader.query("SELECT pg_sleep(0.05)")) for _ in range(20)]
    most = 0
    while not all(task.done() for task in busy):
        await asyncio.wait(busy, timeout=0.005)
        sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'runbook'"
        most = max(most, other.execute(sql).fetchone()[0])
    assert most == 5


async def test_the_activity_of_the_server_is_told(db, other, database):
    with other.transaction():
        other.execute("SELECT 'held open'")
        found = await db.reader(context()).activity(0.0)
    assert found.max_connections == 60
    assert found.used >= 2
    assert found.used_share == round(found.used / 60, 4)
    assert found.by_application == {"runbook": 1, "other": 1} | {
        k: v for k, v in found.by_application.items() if k not in ("runbook", "other")
    }
    assert found.by_state["idle in transaction"] == found.idle_in_transaction == 1
    assert found.by_user["postgres"] >= 2
    assert found.long_running == 1
    assert found.oldest_transaction_s > 0
    (session,) = found.sessions
    assert session["query"] == "SELECT 'held open'"
    assert (session["application"], session["state"]) == ("other", "idle in transaction")


async def test_sessions_that_fit_are_ended_and_no_others(postgres, database, db, other):
    with psycopg.connect(postgres.url(database), application_name="leaky") as leaky:
        leaky.execute("SELECT 1")
        criteria = Criteria(state="idle in transaction", application="leaky")
        found = await db.reader(context()).matching(criteria)
        assert [of["pid"] for of in found] == [leaky.info.backend_pid]
        assert await db.reader(context()).matching(Criteria(idle_longer_than_s=3600)) == []
        done = await db.writer(context(max_affected=1)).terminate(criteria)
        assert (done.pids, done.count, done.matched) == ([leaky.info.backend_pid], 1, 1)
        with pytest.raises(psycopg.OperationalError):
            leaky.execute("SELECT 1")
    assert other.execute("SELECT 1").fetchone() == (1,)


async def test_more_sessions_than_max_affected_are_left_alone(postgres, database, db, other):
    with psycopg.connect(postgres.url(database), application_name="other") as second:
        second.execute("SELECT 1")
        with pytest.raises(AdapterError, match="2 sessions fit") as caught:
            await db.writer(context(max_affected=1)).terminate(Criteria(application="other"))
        assert caught.value.maybe_done is False
        assert second.execute("SELECT 1").fetchone() == (1,)
    assert other.execute("SELECT 1").fetchone() == (1,)


async def test_our_own_sessions_are_never_ended(db):
    reader = db.reader(context())
    pid = (await reader.value("SELECT pg_backend_pid()")).value
    done = await db.writer(context()).terminate(Criteria(user="postgres"))
    assert done.count == 0
    assert (await reader.value("SELECT pg_backend_pid()")).value == pid


async def test_sessions_are_ended_only_by_a_criterion(db):
    with pytest.raises(AdapterError, match="say which sessions"):
        await db.writer(context()).terminate(Criteria())


async def test_vacuum_and_reindex_really_run(db, other):
    other.execute("CREATE SCHEMA app")
    other.execute('CREATE TABLE app."Of.Dots" (id int PRIMARY KEY)')
    other.execute('INSERT INTO app."Of.Dots" SELECT generate_series(1, 1000)')
    other.execute('DELETE FROM app."Of.Dots" WHERE id > 10')
    said = []
    writer = db.writer(context(progress=said.append))
    index = "SELECT relfilenode FROM pg_class WHERE relname LIKE '%Dots_pkey'"
    before = other.execute(index).fetchone()
    assert (await writer.maintain("vacuum_analyze", ['app."Of.Dots"'])).tables == ['app."Of.Dots"']
    assert (await writer.maintain("reindex", ['app."Of.Dots"'])).operation == "reindex"
    assert other.execute(index).fetchone() != before
    seen = other.execute(
        "SELECT vacuum_count, analyze_count, n_dead_tup FROM pg_stat_user_tables"
    ).fetchone()
    assert seen == (1, 1, 0)
    assert len(said) == 2
    assert said[0].startswith('vacuum_analyze app."Of.Dots": done in')


async def test_a_table_that_is_not_there_stops_maintenance_before_it_begins(db, other):
    other.execute("CREATE TABLE orders (id int)")
    said = []
    with pytest.raises(AdapterError, match="there is no table 'order'") as caught:
        await db.writer(context(progress=said.append)).maintain("vacuum", ["orders", "order"])
    assert (caught.value.help, caught.value.maybe_done, said) == (
        "did you mean 'orders'?",
        False,
        [],
    )
    for name in ("", "a.b.c", "a; DROP TABLE orders", 'a" b'):
        with pytest.raises(AdapterError, match=r"is not the name of a table|there is no table"):
            await db.writer(context()).maintain("vacuum", [name])
    with pytest.raises(AdapterError, match="name the tables"):
        await db.writer(context()).maintain("vacuum", [])


async def test_a_reindex_that_fails_says_which_invalid_index_it_left(db, other):
    other.execute("CREATE TABLE t (id int); CREATE TABLE u (id int)")
    other.execute("INSERT INTO t VALUES (1)")
    other.execute("CREATE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1'")
    other.execute("CREATE INDEX t_f ON t (f(id))")
    other.execute(
        "CREATE OR REPLACE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 / 0'"
    )
    with pytest.raises(AdapterError, match="division by zero") as caught:
        await db.writer(context()).maintain("reindex", ["u", "t"])
    assert "it left the invalid index t_f_ccnew behind; u is done" in caught.value.message
    assert caught.value.help == "DROP INDEX CONCURRENTLY t_f_ccnew, then do it again"
    assert caught.value.maybe_done is True
    assert caught.value.detail["left"] == ["t_f_ccnew"]
    assert caught.value.detail["done"] == ["u"]


async def test_a_table_the_server_passes_over_is_no_success(connect, other):
    other.execute("CREATE TABLE t (id int)")
    other.execute("CREATE ROLE stranger LOGIN")
    try:
        db = connect(user="stranger")
        with pytest.raises(AdapterError, match="the server passed it over") as caught:
            await db.writer(context()).maintain("vacuum", ["t"])
        assert (caught.value.maybe_done, caught.value.retryable) == (False, False)
        seen = await db.reader(context()).activity(0.0)
        assert seen.used >= 2
        with pytest.raises(AdapterError, match="permission denied") as caught:
            await db.reader(context()).query("SELECT * FROM t")
        assert caught.value.detail["sqlstate"] == "42501"
    finally:
        other.execute("DROP ROLE stranger")


async def test_a_search_path_is_set_for_every_statement(connect, other):
    other.execute('CREATE SCHEMA "My App"; CREATE TABLE "My App".t (id int)')
    db = connect(search_path='"My App", public')
    await db.writer(context()).execute("INSERT INTO t VALUES (1)")
    assert (await db.reader(context()).count_table("t")).count == 1
    assert (await db.writer(context()).maintain("analyze", ["t"])).tables == ["t"]


async def test_a_million_rows_are_not_taken_in_to_show_three(db):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = await db.reader(context()).query(
        "SELECT repeat('x', 1000) AS long FROM generate_series(1, 1000000)", limit=3
    )
    assert (found.count, found.cut) == (3, True)
    took_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert took_kib < 100 * 1024  # of a gibibyte
    assert (await db.reader(context()).value("SELECT 1")).value == 1


async def test_returned_rows_beyond_the_limit_are_cut_but_all_are_changed(connect, other):
    other.execute("CREATE TABLE t (id int)")
    db = connect(rows_max=3)
    done = await db.writer(context()).execute(
        "INSERT INTO t SELECT generate_series(1, 500) RETURNING id"
    )
    assert (done.affected, len(done.rows), done.cut) == (500, 3, True)
    assert other.execute("SELECT count(*) FROM t").fetchone() == (500,)


CANARY = "c4n4ry-v4lue"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{CANARY}@127.0.0.1:1/db",
        f"postgresql://u:{CANARY}%zz@127.0.0.1/db",
        f"postgresql://u:{CANARY}@127.0.0.1:port/db",
        f"postgresql://u:p{CANARY}/x@127.0.0.1/db",
        f"postgresql://u:p/{CANARY}@127.0.0.1/db",
        f"postgresql://u:p@{CANARY}@127.0.0.1:1/db",
        f"postgresql://u:p#{CANARY}@127.0.0.1:1/db",
        f"postgresql://u:p?{CANARY}@127.0.0.1:1/db",
        f"postgresql://u@127.0.0.1:1/db?password={CANARY}&nonsense=1",
        f"mysql://u:{CANARY}@127.0.0.1/db",
        CANARY,
    ],
)
async def test_a_password_is_in_no_error_and_no_fingerprint(url):
    db = SqlAdapter(url, connect_timeout_s=1)
    told = []
    for ask in (lambda: db.reader(context()).query("SELECT 1"), db.ping):
        try:
            await ask()
        except AdapterError as e:
            told += [*traceback.format_exception(e), str(e.help), repr(e.detail)]
    try:
        told.append(db.fingerprint())
    except AdapterError as e:
        told.append(str(e))
    assert told
    assert CANARY not in "".join(line for line in told if "test_sql_postgres" not in line)


@pytest.mark.parametrize(
    ("url", "fingerprint"),
    [
        ("postgresql://u:p@db.example:6543/app?sslmode=require", "db.example:6543/app"),
        ("postgres://u:p@db.example/app", "db.example:5432/app"),
        ("postgresql://u@a:1,b:2/app", "a:1,b:2/app"),
        ("postgresql:///app?host=/run/pg&port=5433", "/run/pg:5433/app"),
        ("postgresql://u@[::1]:5432/app", "[::1]:5432/app"),
        ("postgresql://u@h", "h:5432/u"),
        ("postgresql://u:a#b?c@h/d", "h:5432/d"),
        ("postgresql://%2Frun%2Fpg/d", "/run/pg:5432/d"),
    ],
)
def test_a_fingerprint_says_where_it_points(url, fingerprint):
    assert SqlAdapter(url).fingerprint() == fingerprint
