"""Connections that a sandbox holds open at its PostgreSQL, because they are the fault."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.sandbox.spec import Wrong, only, seconds, whole_number

if TYPE_CHECKING:
    from psycopg import AsyncConnection

STATES = ("idle", "active", "idle in transaction")
SESSIONS_MAX = 500
"""Of one entry: a real server of this size refuses more."""
WAIT_MAX_S = 10.0
"""For `for`: the sandbox is meant to be up in moments."""
FOREVER = "SELECT pg_sleep(3600)"
"""What an active session does, unless its entry says otherwise: longer than any run in a
sandbox.
"""


@dataclass(frozen=True, slots=True)
class Session:
    """Connections of one kind."""

    user: str
    application: str
    state: str
    count: int
    for_s: float
    query: str

    @classmethod
    def read(cls, written: Mapping[str, Any], where: str) -> Session:
        only(written, ("user", "application", "state", "count", "for", "query"), where)
        state = written.get("state", "idle")
        if state not in STATES:
            raise Wrong(
                f"{state!r} is no state", f"{where}.state", f"the states are {', '.join(STATES)}"
            )
        return cls(
            user=str(written.get("user", "app")),
            application=str(written.get("application", "")),
            state=state,
            count=whole_number(written.get("count", 1), f"{where}.count", SESSIONS_MAX),
            for_s=seconds(written.get("for", 0), f"{where}.for", WAIT_MAX_S),
            query=str(written.get("query", FOREVER if state == "active" else "SELECT 1")),
        )


class Sessions:
    """Opens them, and drops them at the end."""

    def __init__(self, port: int, database: str) -> None:
        self._port = port
        self._database = database
        self._connections: list[AsyncConnection[Any]] = []
        self._queries: list[asyncio.Task[None]] = []

    async def open(self, sessions: Sequence[Session]) -> None:
        """Opens all of them and waits until each has been in its state for its time."""
        for session in sessions:
            for _ in range(session.count):
                await self._open(session)
        await asyncio.sleep(max((session.for_s for session in sessions), default=0))

    async def _open(self, session: Session) -> None:
        from psycopg import AsyncConnection, sql  # noqa: PLC0415  paid by a sandbox only

        connection = await AsyncConnection.connect(
            host="127.0.0.1",
            port=self._port,
            dbname=self._database,
            user=session.user,
            application_name=session.application,
            autocommit=session.state != "idle in transaction",
        )
        self._connections.append(connection)
        if session.state == "active":
            self._queries.append(asyncio.create_task(_run(connection, session.query)))
            return
        # Quoted as text for psycopg's type of a query only; it comes from the environment's file.
        await connection.execute(sql.SQL(session.query))

    async def close(self) -> None:
        """Drops the connections, once the server is gone: that ended their queries."""
        for connection in self._connections:
            connection.pgconn.finish()
        await asyncio.gather(*self._queries, return_exceptions=True)


async def _run(connection: AsyncConnection[Any], query: str) -> None:
    """A query that is meant to last. The server may end it: that is what a runbook is for."""
    from psycopg import OperationalError, sql  # noqa: PLC0415

    try:
        await connection.execute(sql.SQL(query))
    except OperationalError:
        return
