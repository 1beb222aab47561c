"""The side of a database that checks and previews get."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.adapters.sql_preview import counting_form
from engine.adapters.sql_records import (
    Activity,
    Answer,
    Backend,
    Count,
    Criteria,
    Limits,
    Rows,
    Value,
)
from engine.adapters.sql_text import (
    Statement,
    check_reads,
    check_writes,
    prepare,
    refused,
    writing_functions,
)
from engine.errors import AdapterError

BUSY_AFTER_S = 0.5
"""From then on a session is no passing one: our own statements take milliseconds."""

PLAN_MAX_LINES = 200
"""Of an EXPLAIN in a preview."""


@dataclasses.dataclass(frozen=True, slots=True)
class Foreseen:
    """What a statement would do: how it would be carried out, and on how many rows, where known."""

    name: str
    plan: str
    affected: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class SqlReader:
    """Asks. Cannot write: see `engine.adapters.sql`."""

    backend: Backend
    limits: Limits
    rows_max: int

    def statement(self, sql: str, params: Mapping[str, Any] | None = None) -> Statement:
        """A statement that may be asked. Raises AdapterError for any other."""
        statement = prepare(sql, params, self.backend.dialect)
        check_reads(statement)
        return statement

    async def query(
        self, sql: str, params: Mapping[str, Any] | None = None, *, limit: int | None = None
    ) -> Rows:
        """What one statement finds, at most `limit` rows of it."""
        if limit is not None and limit < 1:
            raise refused(f"limit is {limit}: it is 1 or more")
        at_most = self.rows_max if limit is None else min(limit, self.rows_max)
        began = time.perf_counter()
        answer = await self._ask(self.statement(sql, params), at_most)
        return Rows(answer.rows, len(answer.rows), answer.columns, answer.cut, elapsed_ms(began))

    async def value(self, sql: str, params: Mapping[str, Any] | None = None) -> Value:
        """The first column of the only row. Raises AdapterError where there is none, or another."""
        began = time.perf_counter()
        answer = await self._ask(self.statement(sql, params), 2)
        if not answer.rows:
            raise AdapterError("the query found no row, and one is needed for a value")
        if len(answer.rows) > 1:
            raise AdapterError("the query found more than one row, so there is no one value")
        column = answer.columns[0]
        return Value(answer.rows[0][column], column, elapsed_ms(began))

    async def count(self, sql: str, params: Mapping[str, Any] | None = None) -> Count:
        """How many rows a query has, counted by the server."""
        inner = self.statement(sql, params)
        body = sql[: inner.tokens[-1].end]
        # their text stays on lines of its own, so that a comment in it ends there
        whole = f"SELECT count(*) AS n FROM (\n{body}\n) AS counted"  # noqa: S608 - see the comment
        return await self._counted(self.statement(whole, params))

    async def count_table(self, table: str) -> Count:
        """How many rows a table has, counted by the server."""
        name = _table(self.backend, table)
        return await self._counted(self.statement(f"SELECT count(*) AS n FROM {name}"))  # noqa: S608 - quoted

    async def _counted(self, statement: Statement) -> Count:
        began = time.perf_counter()
        answer = await self._ask(statement, 1)
        return Count(int(answer.rows[0]["n"]), elapsed_ms(began))

    async def activity(self, longer_than_s: float) -> Activity:
        """The sessions of the server (PostgreSQL)."""
        return await self.backend.activity(self.limits, longer_than_s)

    async def busy(self) -> int:
        """Sessions in a statement or a transaction for longer than `BUSY_AFTER_S`: what takes locks
        on whole tables waits for them. 0 where there are no sessions (SQLite).
        """
        if self.backend.dialect != "postgresql":
            return 0
        return (await self.activity(BUSY_AFTER_S)).long_running

    async def sizes(self, tables: Sequence[str]) -> list[dict[str, Any]]:
        """How large tables are, and what of them is dead."""
        return await self.backend.sizes(self.limits, tables)

    async def matching(self, criteria: Criteria) -> list[dict[str, Any]]:
        """The sessions that fit (PostgreSQL)."""
        return await self.backend.matching(self.limits, criteria)

    async def plan(self, sql: str, params: Mapping[str, Any] | None = None) -> str:
        """How the server would carry a statement out, or why it does not say. Runs nothing."""
        statement = prepare(sql, params, self.backend.dialect, all_used=False)
        check_writes(statement, counted=False)
        prefix = self.backend.explain
        shifts = ((len(prefix), 0), *((to + len(prefix), of) for to, of in statement.shifts))
        asked = dataclasses.replace(statement, text=prefix + statement.text, shifts=shifts)
        if statement.verb not in _EXPLAINED:
            return f"{statement.verb} has no plan that could be shown"
        answer = await self._ask(asked, PLAN_MAX_LINES)
        return "\n".join(str(row[answer.columns[-1]]) for row in answer.rows)

    async def would_affect(self, sql: str, params: Mapping[str, Any] | None = None) -> int | None:
        """How many rows a change would touch as things are; None where it cannot be told."""
        statement = prepare(sql, params, self.backend.dialect, all_used=False)
        form = counting_form(statement)
        if not isinstance(form, str):
            return form
        question = prepare(form, params, self.backend.dialect, all_used=False)
        if writing_functions(question.tokens):
            return None
        try:
            answer = await self._ask(question, 1)
        except AdapterError as e:
            if e.retryable and e.detail.get("sqlstate") != _TOO_LONG:
                raise
            # the question is a guess from the text; the plan has been made of the text itself
            return None
        return int(answer.rows[0]["n"])

    async def foresee(
        self, statements: Sequence[tuple[str, str]], params: Mapping[str, Any]
    ) -> list[Foreseen]:
        """What each statement of a transaction would do, if it were the first."""
        foreseen: list[Foreseen] = []
        for name, sql in statements:
            try:
                plan, affected = await self.plan(sql, params), await self.would_affect(sql, params)
            except AdapterError as e:
                if not foreseen or not str(e.detail.get("sqlstate", "")).startswith("42"):
                    raise
                # it may name what a statement before it makes
                plan, affected = f"not known before the others have run: {e.message}", None
            foreseen.append(Foreseen(name, plan, affected))
        return foreseen

    async def _ask(self, statement: Statement, rows_max: int) -> Answer:
        async with self.backend.reading(self.limits) as session:
            return await session.run(statement, rows_max=rows_max)


_TOO_LONG = "57014"
"""SQLSTATE of a statement that was stopped: there are too many rows to count them."""

_EXPLAINED = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE"})


def _table(backend: Backend, name: str) -> str:
    parts = [name] if backend.dialect == "sqlite" else name.split(".")
    if not all(parts) or len(parts) > 2:
        raise refused(f"{name!r} is not the name of a table", help="table, or schema.table")
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def elapsed_ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)
