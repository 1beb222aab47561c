"""The question that tells how many rows a change would touch, made from its text."""

from __future__ import annotations

from collections.abc import Sequence

from engine.adapters.sql_text import Statement, Token

Words = Sequence[Token]


def counting_form(statement: Statement) -> str | int | None:
    """A SELECT of the count of rows that a change would touch, or the count itself, or None.

    None wherever the form is not plainly one of these: `DELETE FROM t [WHERE ..]`,
    `UPDATE t SET .. [WHERE ..]`, `INSERT INTO t VALUES ..`, `INSERT INTO t SELECT ..`. A join
    (USING, FROM), ON CONFLICT, LIMIT or a WITH in front makes rows touched and rows found differ.
    """
    outer = [t for t in statement.tokens if t.depth == 0]
    top = [t for t in outer if t.kind == "word"]
    end = next((t.start for t in top if t.is_word("RETURNING")), statement.tokens[-1].end)
    if any(t.is_word("LIMIT", "CONFLICT", "CURRENT") for t in top):
        return None
    made = {"DELETE": _of_delete, "UPDATE": _of_update}.get(statement.verb)
    if made is not None:
        return made(statement.source, top, end)
    return _of_insert(statement.source, outer, end) if statement.verb == "INSERT" else None


def _of_delete(source: str, top: Words, end: int) -> str | None:
    if len(top) < 2 or not top[1].is_word("FROM") or _has(top, "USING"):
        return None
    return f"SELECT count(*) AS n {source[top[1].start : end]}"


def _of_update(source: str, top: Words, end: int) -> str | None:
    if len(top) < 2 or _has(top, "FROM") or top[1].is_word("OR"):
        return None
    set_ = _first(top, "SET")
    if set_ is None:
        return None
    where = _first(top, "WHERE")
    condition = source[where.start : end] if where else ""
    return f"SELECT count(*) AS n FROM {source[top[0].end : set_.start]} {condition}"  # noqa: S608 - their own text


def _of_insert(source: str, outer: Words, end: int) -> str | int | None:
    top = [t for t in outer if t.kind == "word"]
    if len(top) < 2 or not top[1].is_word("INTO"):
        return None
    body = next((t for t in top if t.is_word("SELECT", "WITH", "TABLE", "VALUES", "DEFAULT")), None)
    if body is None or body.is_word("DEFAULT"):
        return 1 if body else None
    if body.is_word("VALUES"):
        return sum(t.text == "(" and body.end <= t.start < end for t in outer)
    return f"SELECT count(*) AS n FROM ({source[body.start : end]}\n) AS counted"  # noqa: S608 - their own text


def _first(top: Words, word: str) -> Token | None:
    return next((t for t in top if t.is_word(word)), None)


def _has(top: Words, word: str) -> bool:
    return _first(top, word) is not None
