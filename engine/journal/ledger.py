"""The ledger of what arrived from outside: every delivery, once, with what became of it.

A delivery is durable before its sender is told so; from then on it is ours, and it is settled (its
verdicts are written) before or after any number of deaths of this process. The names of the runs
it starts follow from its own name, so that looking at it a second time starts nothing twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from engine.clock import MICROSECONDS
from engine.errors import Refused, Usage
from engine.journal.sqlite import SqliteStore

OPEN_MAX = 100_000
"""Deliveries that wait to be looked at. Beyond it, the sender keeps the next ones (503) and tries
again: a backlog of that size is hours of work, and its disk space is bounded so.
"""

ABOUT_MAX_CHARS = 300
"""Of what a delivery is about, in a list."""

KEPT_DAYS = 90
"""How long a settled delivery is kept unless the configuration says otherwise: a review of last
quarter's incidents finds it.
"""

INCIDENT_BACK_S = 3 * 86_400.0
"""How far back the trigger of an incident that is open now is looked for."""

PRUNED_MAX = 1000
"""Deliveries removed in one transaction: others wait for it."""

Word = Literal["started", "joined", "ignored", "refused"]
_WEIGHTS: tuple[Word, ...] = ("ignored", "refused", "joined", "started")


@dataclass(frozen=True, slots=True)
class Arrived:
    """Something that came in, before it has a name. `body`: what came, as it came. `occurred_us`:
    when its source says that it happened. `keys`: what it is known by; any that came before is
    enough to make it the same, or (`all_keys`) it takes all of them: of a group of alerts.
    """

    source: str
    kind: str
    about: str
    keys: tuple[str, ...]
    body: bytes
    occurred_us: int | None = None
    replay_of: str | None = None
    all_keys: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a delivery for one runbook, or (`runbook` None) as a whole."""

    word: Word
    why: str
    runbook: str | None = None
    run: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"verdict": self.word, "why": self.why, "runbook": self.runbook, "run": self.run}


class Delivery(NamedTuple):
    """A row of the ledger. `times`: how often it came. `verdict`: the weightiest word of
    `verdicts`; None until it is settled.
    """

    id: str
    source: str
    kind: str
    about: str
    received_us: int
    occurred_us: int | None
    times: int
    last_us: int
    replay_of: str | None
    verdict: str | None
    verdicts: tuple[Verdict, ...]
    settled_us: int | None


_SHOWN = "id, source, kind, about, received_us, occurred_us, times, last_us, replay_of, verdict"
_ROW = f"SELECT {_SHOWN}, verdicts, settled_us FROM deliveries"  # noqa: S608 - constants
_KNOWN = """
SELECT max(delivery), count(*) FROM delivery_keys WHERE key IN (SELECT value FROM json_each(?))
"""
_AGAIN = "UPDATE deliveries SET times = times + 1, last_us = ? WHERE id = ?"
_TAKE = "INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, NULL, NULL, NULL, ?)"
_KEY = "INSERT OR IGNORE INTO delivery_keys VALUES (?, ?)"
_OPEN = "SELECT count(*) FROM deliveries WHERE settled_us IS NULL"
_SETTLE = """
UPDATE deliveries SET verdict = ?, verdicts = ?, settled_us = ? WHERE id = ? AND settled_us IS NULL
"""
_LIST = f"""
{_ROW} WHERE (:source IS NULL OR source = :source OR source LIKE :source || ':%')
AND (:verdict IS NULL OR verdict = :verdict OR (:verdict = 'open' AND verdict IS NULL))
AND (:text IS NULL OR instr(lower(about || ' ' || kind), lower(:text)) > 0)
AND (:run IS NULL OR id IN (SELECT delivery FROM delivery_runs WHERE run = :run))
AND (received_us, id) < (:at_us, :id)
ORDER BY received_us DESC, id DESC LIMIT :limit
"""  # noqa: S608 - constants


class Ledger:
    """The ledger in a SQLite journal."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def take(
        self, name: str, arrived: Arrived, now_us: int, verdict: Verdict | None = None
    ) -> tuple[str, bool]:
        """Writes it down under this name: `(its name, whether it is new)`. With a verdict it is
        settled at once, and nobody looks at it.

        One that came before keeps its name, and is counted. Raises Refused when too many wait,
        JournalError; in both cases nothing is written.
        """
        about = arrived.about[:ABOUT_MAX_CHARS]

        def work(connection: sqlite3.Connection) -> tuple[str, bool]:
            execute = connection.execute
            known, count = execute(_KNOWN, (json.dumps(arrived.keys),)).fetchone()
            if count and (not arrived.all_keys or count == len(set(arrived.keys))):
                execute(_AGAIN, (now_us, known))
                return known, False
            if execute(_OPEN).fetchone()[0] >= OPEN_MAX:
                raise Refused(f"{OPEN_MAX:,} deliveries wait already")
            what = (name, arrived.source, arrived.kind, about, now_us, arrived.occurred_us)
            execute(_TAKE, (*what, now_us, arrived.replay_of, arrived.body))
            connection.executemany(_KEY, [(key, name) for key in arrived.keys])
            if verdict is not None:
                _settle(connection, name, [verdict], now_us)
            return name, True

        return await self._store.write(work)

    async def settle(self, name: str, verdicts: Sequence[Verdict], now_us: int) -> None:
        """Writes what became of it; the first to say so is right."""
        await self._store.write(lambda connection: _settle(connection, name, verdicts, now_us))

    async def unsettled(self, limit: int) -> list[str]:
        """Names of those that nobody has settled yet, the oldest first."""
        sql = "SELECT id FROM deliveries WHERE settled_us IS NULL ORDER BY received_us, id LIMIT ?"

        def work(connection: sqlite3.Connection) -> list[str]:
            return [row[0] for row in connection.execute(sql, (limit,))]

        return await self._store.read(work)

    async def count_unsettled(self) -> int:
        return await self._store.read(
            lambda connection: int(connection.execute(_OPEN).fetchone()[0])
        )

    async def knows_incident(self, incident: str) -> bool:
        """Whether a trigger of this incident of PagerDuty is in the ledger."""
        sql = """SELECT 1 FROM deliveries WHERE source = 'pagerduty' AND kind = 'incident.triggered'
        AND received_us > ? AND json_extract(body, '$.event.data.id') = ? LIMIT 1"""
        since_us = self._store.now_us() - round(INCIDENT_BACK_S * MICROSECONDS)

        def work(connection: sqlite3.Connection) -> bool:
            return connection.execute(sql, (since_us, incident)).fetchone() is not None

        return await self._store.read(work)

    async def runs_of_incident(self, incident: str) -> list[str]:
        """The runs that the trigger of an incident of PagerDuty started, the oldest first."""
        sql = """SELECT verdicts FROM deliveries WHERE source = 'pagerduty'
        AND kind = 'incident.triggered' AND received_us > ? AND verdict = 'started'
        AND json_extract(body, '$.event.data.id') = ? ORDER BY received_us, id"""
        since_us = self._store.now_us() - round(INCIDENT_BACK_S * MICROSECONDS)

        def work(connection: sqlite3.Connection) -> list[str]:
            rows = connection.execute(sql, (since_us, incident))
            told = [one for row in rows for one in json.loads(row[0])]
            return [one["run"] for one in told if one["verdict"] == "started" and one["run"]]

        return await self._store.read(work)

    async def get(self, name: str) -> tuple[Delivery, bytes]:
        """One delivery (`last`: the newest), and what came, as it came. Raises Usage."""
        where = "1 = 1" if name == "last" else "id = ?"
        sql = f"SELECT {_SHOWN}, verdicts, settled_us, body FROM deliveries WHERE {where}"  # noqa: S608
        values = () if name == "last" else (name,)

        def work(connection: sqlite3.Connection) -> tuple[Any, ...] | None:
            order = " ORDER BY received_us DESC, id DESC LIMIT 1"
            found: tuple[Any, ...] | None = connection.execute(sql + order, values).fetchone()
            return found

        row = await self._store.read(work)
        if row is None:
            raise Usage(f"there is no delivery {name}", help="`runbook deliveries` lists them")
        return _delivery(row[:-1]), bytes(row[-1])

    async def latest(  # noqa: PLR0913 - keyword only: each narrows the list by itself
        self,
        *,
        source: str | None = None,
        verdict: str | None = None,
        text: str | None = None,
        run: str | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        """The latest, newest first. `source` also stands for those below it (`webhook` for
        `webhook:deploys`); `verdict` may be `open`; `text` is looked for in what it is about.
        """
        at_us, name = before or (1 << 62, "")
        values = {"source": source, "verdict": verdict, "text": text, "run": run}

        def work(connection: sqlite3.Connection) -> list[Delivery]:
            rows = connection.execute(_LIST, {**values, "at_us": at_us, "id": name, "limit": limit})
            return [_delivery(row) for row in rows]

        return await self._store.read(work)

    async def prune(self, now_us: int, kept_days: float = KEPT_DAYS) -> int:
        """Removes settled deliveries that are older, at most `PRUNED_MAX`; how many it were."""
        before_us = now_us - round(kept_days * 86_400 * MICROSECONDS)
        old = """SELECT id FROM deliveries WHERE settled_us IS NOT NULL AND received_us < ?
        ORDER BY received_us LIMIT ?"""

        def work(connection: sqlite3.Connection) -> int:
            names = [row[0] for row in connection.execute(old, (before_us, PRUNED_MAX))]
            for table, column in (
                ("delivery_keys", "delivery"),
                ("delivery_runs", "delivery"),
                ("deliveries", "id"),
            ):
                sql = f"DELETE FROM {table} WHERE {column} = ?"  # noqa: S608 - constants
                connection.executemany(sql, [(name,) for name in names])
            return len(names)

        return await self._store.write(work)


def _settle(
    connection: sqlite3.Connection, name: str, verdicts: Sequence[Verdict], now_us: int
) -> None:
    word = weightiest(verdicts)
    told = json.dumps([v.to_json() for v in verdicts])
    connection.execute(_SETTLE, (word, told, now_us, name))
    runs = sorted({v.run for v in verdicts if v.run is not None})
    rows = [(run, name) for run in runs]
    connection.executemany("INSERT OR IGNORE INTO delivery_runs VALUES (?, ?)", rows)


def weightiest(verdicts: Sequence[Verdict]) -> Word:
    """The word that a list shows: something started outweighs what was refused beside it."""
    return max((v.word for v in verdicts), key=_WEIGHTS.index, default="ignored")


def _delivery(row: tuple[Any, ...]) -> Delivery:
    told = json.loads(row[-2]) if row[-2] else []
    found = tuple(Verdict(v["verdict"], v["why"], v["runbook"], v["run"]) for v in told)
    return Delivery._make((*row[:-2], found, row[-1]))
