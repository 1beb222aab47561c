"""The side of a database that actions get."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.adapters.sql_reader import SqlReader, elapsed_ms
from engine.adapters.sql_records import (
    Answer,
    Criteria,
    Executed,
    Isolation,
    Limits,
    Maintained,
    Maintenance,
    Terminated,
    Transacted,
    WritingSession,
)
from engine.adapters.sql_text import Statement, acting_functions, check_writes, prepare, refused
from engine.errors import AdapterError
from engine.plugin import StepContext

STATEMENTS_MAX = 50
"""Of one transaction."""


class SqlWriter:
    """Changes. Everything is one transaction, but for maintenance and the ending of sessions."""

    def __init__(self, reader: SqlReader, context: StepContext) -> None:
        self.reads = reader
        self._backend = reader.backend
        self._limits = reader.limits
        self._context = context

    async def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> Executed:
        """One statement, committed. Rolled back when it changes more rows than `max_affected`."""
        at_most = self._context.max_affected
        statement = prepare(sql, params, self._backend.dialect)
        check_writes(statement, counted=at_most is not None)
        began = time.perf_counter()
        async with self._backend.writing(self._limits, "read committed") as session:
            answer, affected, changed = await self._counted(session, statement)
            self._hold(max(affected, changed))
            await session.commit()
        return Executed(affected, answer.rows, answer.cut, elapsed_ms(began))

    async def transaction(
        self,
        statements: Sequence[tuple[str, str]],
        params: Mapping[str, Any],
        *,
        isolation: Isolation = "read committed",
        expect_rows: Mapping[str, int],
        equal: Sequence[str] = (),
    ) -> Transacted:
        """All statements `(name, sql)` or none. Rolled back when counts are not as they must be."""
        prepared = self._prepared(statements, params, [*expect_rows, *equal])
        affected: dict[str, int] = {}
        began = time.perf_counter()
        async with self._backend.writing(self._limits, isolation) as session:
            total = 0
            for name, statement in prepared:
                _, affected[name], changed = await self._counted(session, statement, name)
                total += max(affected[name], changed)
                self._hold(total)
                _check_count(name, affected[name], expect_rows)
            _check_equal(affected, equal)
            await session.commit()
        return Transacted(affected, sum(affected.values()), elapsed_ms(began))

    def _prepared(
        self,
        statements: Sequence[tuple[str, str]],
        params: Mapping[str, Any],
        named: Sequence[str],
    ) -> list[tuple[str, Statement]]:
        if not 1 <= len(statements) <= STATEMENTS_MAX:
            raise refused(
                f"a transaction has 1 to {STATEMENTS_MAX} statements, not {len(statements)}"
            )
        counted = self._context.max_affected is not None
        made: dict[str, Statement] = {}
        for name, sql in statements:
            if name in made:
                raise refused(f"two statements are named {name!r}")
            made[name] = prepare(sql, params, self._backend.dialect, all_used=False)
            check_writes(made[name], counted=counted)
        used = {t.text[1:] for s in made.values() for t in s.tokens if t.kind == "name"}
        if spare := sorted(set(params) - used):
            raise refused(f"no statement uses the parameter {spare[0]!r}")
        for name in named:
            if name not in made:
                raise refused(
                    f"there is no statement named {name!r}", help=f"one of {', '.join(made)}"
                )
        return list(made.items())

    async def _counted(
        self, session: WritingSession, statement: Statement, name: str = ""
    ) -> tuple[Answer, int, int]:
        """The answer, the rows the statement changed, and those changed by whatever it set off."""
        hidden = statement.verb in ("WITH", "SELECT", "CALL", "DO")
        look = hidden or self._context.max_affected is not None
        before = await session.changed() if look else 0
        try:
            answer = await session.run(statement, rows_max=self.reads.rows_max)
        except AdapterError as e:
            raise _named(e, name, statement) from e
        changed = await session.changed() - before if look else 0
        shown = answer.affected if answer.tag not in ("SELECT", "CALL", "DO") else changed
        return answer, shown, changed

    def _hold(self, changed: int) -> None:
        at_most = self._context.max_affected
        if at_most is not None and changed > at_most:
            raise AdapterError(
                f"it would change {changed} rows, more than max_affected {at_most}: rolled back",
                help="rows changed by triggers and by foreign keys count too",
                retryable=False,
                detail={"affected": changed, "max_affected": at_most},
            )

    async def maintain(self, operation: Maintenance, tables: Sequence[str]) -> Maintained:
        """Statements that cannot run in a transaction. Has the whole time of the step."""
        all_of_it = self._context.timeout_s
        limits = Limits.of(all_of_it, all_of_it, self._limits.lock_s)
        return await self._backend.maintain(limits, operation, tables, self._context.progress)

    async def terminate(self, criteria: Criteria) -> Terminated:
        """Ends sessions (PostgreSQL), none when more fit than `max_affected`."""
        if criteria.empty:
            raise refused("say which sessions: state, idle_longer_than, user or application")
        at_most = self._context.max_affected
        return await self._backend.terminate(self._limits, criteria, at_most)


def _named(e: AdapterError, name: str, statement: Statement) -> AdapterError:
    """The error of a statement; in doubt where that called what no rollback takes back."""
    outside = acting_functions(statement.tokens)
    began = not str(e.detail.get("sqlstate", "")).startswith("42")
    message = f"{name}: {e.message}" if name else e.message
    if outside and began:
        message += f"; {outside[0]}() acts at once, whatever becomes of the transaction"
    return AdapterError(
        message,
        help=e.help,
        maybe_done=e.maybe_done or (bool(outside) and began),
        retryable=e.retryable,
        detail=e.detail | ({"statement": name} if name else {}),
    )


def _check_count(name: str, affected: int, expect_rows: Mapping[str, int]) -> None:
    expected = expect_rows.get(name)
    if expected is not None and affected != expected:
        raise AdapterError(
            f"{name} changed {affected} rows, and {expected} were expected: rolled back",
            retryable=False,
            detail={"statement": name, "affected": affected, "expected": expected},
        )


def _check_equal(affected: Mapping[str, int], equal: Sequence[str]) -> None:
    counts = {name: affected[name] for name in equal}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {n}" for name, n in counts.items())
        raise AdapterError(
            f"these should have changed equally many rows: {told}: rolled back",
            help="rows may have come between the statements: try isolation: repeatable read",
            retryable=False,
            detail={"affected": dict(affected)},
        )
