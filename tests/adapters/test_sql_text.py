"""What is told from the text of a statement."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.adapters.sql_preview import counting_form
from engine.adapters.sql_text import check_reads, check_writes, prepare, scan, writing_functions
from engine.errors import AdapterError


def bound(sql, params=None, dialect="postgresql"):
    made = prepare(sql, params, dialect)
    return made.text, made.values


@pytest.mark.parametrize(
    ("sql", "params", "text", "values"),
    [
        ("SELECT :a", {"a": 1}, "SELECT $1", (1,)),
        ("SELECT :a, :b, :a", {"b": 2, "a": 1}, "SELECT $1, $2, $1", (1, 2)),
        ("SELECT 1 % 2", None, "SELECT 1 % 2", ()),
        ("SELECT a::int, :b::text", {"b": "x"}, "SELECT a::int, $1::text", ("x",)),
        ("SELECT ':a' || \":a\"", None, "SELECT ':a' || \":a\"", ()),
        ("SELECT 'it''s :a'", None, "SELECT 'it''s :a'", ()),
        (r"SELECT E'it\'s :a', :b", {"b": 1}, r"SELECT E'it\'s :a', $1", (1,)),
        ("SELECT $$ :a $$, $x$ :b $$ $x$", None, "SELECT $$ :a $$, $x$ :b $$ $x$", ()),
        ("SELECT 1 -- :a\n, :b", {"b": 1}, "SELECT 1 -- :a\n, $1", (1,)),
        ("SELECT /* :a /* :b */ :c */ :d", {"d": 1}, "SELECT /* :a /* :b */ :c */ $1", (1,)),
        ("SELECT a[1:n], a[x:y], a[lo : hi]", None, "SELECT a[1:n], a[x:y], a[lo : hi]", ()),
        ("SELECT j ? 'a', f(x := 1)", None, "SELECT j ? 'a', f(x := 1)", ()),
        ("SELECT 1 ;; -- the end", None, "SELECT 1", ()),
        ("SELECT a$b$ FROM t", None, "SELECT a$b$ FROM t", ()),
        ("SELECT :größe", {"größe": 3}, "SELECT $1", (3,)),
    ],
)
def test_a_name_outside_of_quotes_and_comments_is_a_parameter(sql, params, text, values):
    assert bound(sql, params) == (text, values)


def test_sqlite_quotes_with_brackets_and_backticks_and_has_no_escaped_strings():
    made = bound(r"SELECT [:a], `:b`, 'c:\', :d", {"d": 1}, "sqlite")
    assert made == (r"SELECT [:a], `:b`, 'c:\', ?1", (1,))


@pytest.mark.parametrize(
    ("sql", "params", "message", "cure"),
    [
        (
            "SELECT :ido",
            {"id": 1},
            "':ido' at line 1, column 8 has no value",
            "did you mean ':id'?",
        ),
        (
            "SELECT 1",
            {"id": 1},
            "the statement does not use the parameter 'id'",
            "write `:id` in it",
        ),
        ("SELECT\n  $1", None, "'$1' at line 2, column 3 is a parameter by position", "name it"),
        ("SELECT 'a", None, "the quote that opens at line 1, column 8 is never closed", ""),
        ('SELECT "a', None, "the quote that opens at line 1, column 8 is never closed", ""),
        ("SELECT $x$ a $$", None, "the quote that opens at line 1, column 8 is never closed", ""),
        (
            "SELECT /* /* */ a",
            None,
            "the comment that opens at line 1, column 8 is never closed",
            "",
        ),
        ("DELETE FROM t\0 WHERE id = 1", None, "there is a NUL character at line 1, column 14", ""),
        (" ; ", None, "the statement is empty", ""),
        ("-- nothing", None, "the statement is empty", ""),
        ("x" * 1_000_001, None, "the statement has 1000001 characters, more than 1000000", ""),
    ],
)
def test_a_text_that_cannot_be_bound_is_refused_with_its_place(sql, params, message, cure):
    with pytest.raises(AdapterError) as caught:
        prepare(sql, params)
    assert caught.value.message == message
    assert (caught.value.help or "").startswith(cure)
    assert (caught.value.maybe_done, caught.value.retryable) == (False, False)


def test_a_position_the_server_names_is_found_back_in_what_was_written():
    statement = prepare("SELECT :long_name, :b\n  FROM nowhere", {"long_name": 1, "b": 2})
    position = statement.text.index("nowhere")
    assert statement.source_offset(position) == statement.source.index("nowhere")
    assert statement.source_offset(0) == 0


@given(st.text(alphabet="aE'\"$:/*-\n;() \\x", max_size=40))
def test_any_text_is_scanned_or_refused(text):
    for dialect in ("postgresql", "sqlite"):
        try:
            tokens = scan(text, dialect)
        except AdapterError:
            continue
        assert all(text[t.start : t.end] == t.text for t in tokens)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)",
        "COMMIT",
        "SET transaction_read_only = off",
        "DO $$ BEGIN PERFORM 1; END $$",
        "CALL p()",
        "COPY t TO PROGRAM 'sh'",
        "NOTIFY x",
        "LISTEN x",
        "LOCK t",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "CHECKPOINT",
        "LOAD 'x'",
        "REFRESH MATERIALIZED VIEW v",
        "VACUUM",
        "(INSERT INTO t VALUES (1))",
        "; SELECT 1",
    ],
)
def test_a_check_takes_only_statements_that_ask(sql):
    with pytest.raises(AdapterError, match="does not ask anything"):
        check_reads(prepare(sql))


@pytest.mark.parametrize(
    "call",
    [
        "pg_terminate_backend(1)",
        "PG_TERMINATE_BACKEND (1)",
        "pg_catalog.pg_cancel_backend/* */(1)",
        '"pg_reload_conf"()',
        "pg_advisory_lock(1)",
        "pg_try_advisory_xact_lock(1)",
        "dblink_exec('c', 'DROP TABLE t')",
        "dblink('c', 'q')",
        "query_to_xml('SELECT pg_reload_conf()', true, true, '')",
        "lo_unlink(1)",
        "set_config('statement_timeout', '0', false)",
        "pg_notify('a', 'b')",
        "pg_stat_reset()",
        'U&"\\0070g_reload_conf"()',
        "load_extension('x')",
    ],
)
def test_a_check_may_not_call_what_acts_in_spite_of_read_only(call):
    with pytest.raises(AdapterError, match="a check may not call"):
        check_reads(prepare(f"SELECT {call}"))


def test_names_that_only_look_like_such_calls_are_let_through():
    sql = "SELECT 'pg_reload_conf()', pg_reload_conf, count(*), pg_size_pretty(1) FROM dblink_log"
    assert writing_functions(scan(sql)) == []


@pytest.mark.parametrize(
    ("sql", "counted", "message"),
    [
        ("COMMIT", False, "COMMIT is not yours to send"),
        ("ROLLBACK TO a", False, "ROLLBACK is not yours to send"),
        ("PREPARE TRANSACTION 'x'", False, "PREPARE is not yours to send"),
        ("VACUUM t", False, "VACUUM cannot run in a transaction"),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", False, "CREATE CONCURRENTLY cannot run"),
        ("TRUNCATE t", True, "max_affected cannot be kept for TRUNCATE"),
        ("ALTER TABLE t ADD a int", True, "max_affected cannot be kept for ALTER"),
    ],
)
def test_an_action_refuses_what_it_could_not_roll_back_or_count(sql, counted, message):
    with pytest.raises(AdapterError, match=message):
        check_writes(prepare(sql), counted=counted)


@pytest.mark.parametrize(
    ("sql", "form"),
    [
        ("DELETE FROM t", "SELECT count(*) AS n FROM t"),
        (
            "delete from only a.t as x where x.id > :n returning id",
            "SELECT count(*) AS n from only a.t as x where x.id > :n ",
        ),
        ("UPDATE t SET a = (SELECT 1) WHERE b", "SELECT count(*) AS n FROM  t  WHERE b"),
        ("UPDATE t SET a = 1", "SELECT count(*) AS n FROM  t  "),
        ("INSERT INTO t VALUES (1, (2)), (3, 4) RETURNING a", 2),
        ("INSERT INTO t DEFAULT VALUES", 1),
        (
            "INSERT INTO t (a, b) SELECT a, b FROM u -- all",
            "SELECT count(*) AS n FROM (SELECT a, b FROM u\n) AS counted",
        ),
        ("DELETE FROM t USING u WHERE t.id = u.id", None),
        ("UPDATE t SET a = 1 FROM u WHERE t.id = u.id", None),
        ("UPDATE OR IGNORE t SET a = 1", None),
        ("INSERT INTO t SELECT 1 ON CONFLICT DO NOTHING", None),
        ("DELETE FROM t WHERE CURRENT OF c", None),
        ("WITH x AS (SELECT 1) DELETE FROM t", None),
        ("DELETE FROM t ORDER BY a LIMIT 3", None),
        ("ALTER TABLE t ADD a int", None),
        ("DELETE", None),
        ("UPDATE", None),
        ("INSERT", None),
    ],
)
def test_the_rows_a_change_would_touch_are_asked_for_only_where_the_text_is_plain(sql, form):
    assert counting_form(prepare(sql, {"n": 1} if ":n" in sql else None)) == form
