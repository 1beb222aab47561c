"""The guards' tables of a SQLite journal, inside the transaction of its writer."""

# ruff: noqa: S608 - the statements are put together from constants of this module

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from engine.core.events import Actor, Event
from engine.core.guards import Admission, Ended, Seen, Switch
from engine.journal.admission import STANDING_MAX, Ticket
from engine.journal.chain import Encoded
from engine.journal.contract import Budget
from engine.journal.heads import Head
from engine.journal.writer import Batch

_COLUMNS = ", ".join(Ticket._fields)
_PUT = f"INSERT OR REPLACE INTO admissions ({_COLUMNS}) VALUES ({', '.join('?' * 14)})"
_OF_RUN = f"SELECT {_COLUMNS} FROM admissions WHERE run = ?"
_HOLDER = f"""
SELECT {_COLUMNS} FROM admissions WHERE state = 'admitted' AND environment = ? AND lock = ?
"""
_LINE = f"""
SELECT {_COLUMNS} FROM admissions WHERE state = 'queued' AND environment = ? AND lock = ?
ORDER BY place
"""
_HELD = f"""
SELECT {_COLUMNS} FROM admissions WHERE state IN ('queued', 'admitted')
ORDER BY asked_us, place, run LIMIT {STANDING_MAX}
"""
_LATEST = f"""
SELECT {_COLUMNS}, max(ended_us) FROM admissions WHERE state = 'over'
GROUP BY runbook, environment, lock ORDER BY 15 DESC LIMIT {STANDING_MAX}
"""
_OVER = "FROM admissions WHERE state = 'over' AND runbook = ? AND environment = ?"
_ENDED = f"""
SELECT run, outcome, ended_us {_OVER} AND outcome <> 'cancelled'
ORDER BY ended_us DESC, run DESC LIMIT ?
"""
_LAST = (
    f"SELECT run, outcome, ended_us {_OVER} AND lock IS ? ORDER BY ended_us DESC, run DESC LIMIT 1"
)
_BEGUN = """
SELECT began_us FROM admissions WHERE began_us IS NOT NULL AND runbook = ? AND environment = ?
ORDER BY began_us DESC LIMIT ?
"""
_TRYING = """
SELECT run FROM admissions WHERE state = 'admitted' AND through IS NOT NULL AND runbook = ?
AND environment = ? LIMIT 1
"""
_SWITCH = "SELECT at_us, frozen, why, actor FROM switches ORDER BY number DESC LIMIT 1"
_TURN = "INSERT INTO switches (at_us, frozen, why, actor) VALUES (?, ?, ?, ?)"
_BUDGET = "SELECT name, used, at_us, spent, blocked_until_us FROM budgets WHERE name = ?"
_PUT_BUDGET = "INSERT OR REPLACE INTO budgets VALUES (?, ?, ?, ?, ?)"


class SqliteDesk:
    """See `engine.journal.admission.Desk`."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._execute = batch.connection.execute

    def head(self, run: str) -> Head | None:
        return self._batch.head(run)

    def extend(self, run: str, head: Head, drafts: Sequence[Encoded]) -> list[Event]:
        return self._batch.extend(run, head, drafts)

    def put_head(self, run: str, head: Head) -> None:
        self._batch.put(run, head)

    def ticket(self, run: str) -> Ticket | None:
        return self._one(_OF_RUN, run)

    def put(self, ticket: Ticket) -> None:
        self._execute(_PUT, ticket)

    def holder(self, environment: str, lock: str) -> Ticket | None:
        return self._one(_HOLDER, environment, lock)

    def line(self, environment: str, lock: str) -> list[Ticket]:
        return [Ticket(*row) for row in self._execute(_LINE, (environment, lock))]

    def seen(self, asked: Admission) -> Seen:
        what, rules = (asked.runbook, asked.environment), asked.rules
        breaker, most = rules.breaker_after, rules.max_runs
        trying = self._execute(_TRYING, what).fetchone() if breaker else None
        last = None
        if rules.cooldown_us is not None:
            last = self._execute(_LAST, (*what, asked.lock)).fetchone()
        return Seen(
            ended=tuple(Ended(*row) for row in self._some(_ENDED, *what, breaker)),
            last=Ended(*last) if last is not None else None,
            begun_us=tuple(row[0] for row in self._some(_BEGUN, *what, most)),
            trying=trying[0] if trying is not None else None,
        )

    def switch(self) -> Switch | None:
        return switch(self._batch.connection)

    def turn(self, frozen: bool, why: str, actor: Actor, at_us: int) -> None:
        """Records that the switch was turned."""
        self._execute(_TURN, (at_us, int(frozen), why, json.dumps(actor.to_json())))

    def held(self) -> list[Ticket]:
        return [Ticket(*row) for row in self._execute(_HELD)]

    def latest(self) -> list[Ticket]:
        return [Ticket(*row[:-1]) for row in self._execute(_LATEST)]

    def budget(self, name: str) -> Budget | None:
        return budget(self._batch.connection, name)

    def put_budget(self, budget: Budget) -> None:
        row = (budget.name, budget.used, budget.at_us, budget.spent, budget.blocked_until_us)
        self._execute(_PUT_BUDGET, row)

    def _one(self, sql: str, *values: Any) -> Ticket | None:
        row = self._execute(sql, values).fetchone()
        return Ticket(*row) if row is not None else None

    def _some(self, sql: str, runbook: str, environment: str, limit: int | None) -> list[Any]:
        """Rows up to a limit; without one nobody asks for them."""
        if limit is None:
            return []
        return self._execute(sql, (runbook, environment, limit)).fetchall()


def switch(connection: sqlite3.Connection) -> Switch | None:
    row = connection.execute(_SWITCH).fetchone()
    if row is None or not row[1]:
        return None
    return Switch(row[0], row[2], str(json.loads(row[3])["name"]))


def budget(connection: sqlite3.Connection, name: str) -> Budget | None:
    row = connection.execute(_BUDGET, (name,)).fetchone()
    return Budget(*row) if row is not None else None
