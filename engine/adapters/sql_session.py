"""One session with a PostgreSQL server, over libpq's own door (`psycopg.pq`).

Not over psycopg's cursors, for three reasons: every statement goes by the extended protocol, which
takes exactly one, also without parameters; rows come one by one, so that a forgotten LIMIT costs a
limit and not the memory; and every wait ends at a time of ours, also when the network has
swallowed the server.
"""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import AdaptersMap, Loader, PyFormat, Transformer
from psycopg.types import datetime
from psycopg.types.json import Jsonb

from engine.adapters.sql_errors import Phase, Problem, sql_error
from engine.adapters.sql_records import STEP_SHARE, Answer, Limits
from engine.adapters.sql_text import Statement, refused
from engine.adapters.sql_values import Sheet, is_plain_list
from engine.errors import AdapterError

ANSWER_GRACE_S = 5.0
"""How much longer than its own time limit the server may take to say that it stopped."""

CANCEL_MAX_S = 2.0
"""For asking the server to stop what nobody waits for any more. Not reached: the session is
dropped.
"""

_ERROR = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE)
_ROW = (pq.ExecStatus.SINGLE_TUPLE, pq.ExecStatus.TUPLES_OK)
_COPY = (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH)


class PostgresSession:
    """Sends statements and reads answers; knows how far the transaction has come."""

    def __init__(self, conn: psycopg.AsyncConnection[Any], limits: Limits) -> None:
        self._conn = conn
        self._pgconn = conn.pgconn
        self.limits = limits
        self.phase: Phase = "outside"
        self._reads = False
        self.warnings: list[str] = []
        conn.add_notice_handler(self._notice)

    @property
    def pid(self) -> int:
        return self._pgconn.backend_pid

    @property
    def alive(self) -> bool:
        return bool(self._pgconn.status == pq.ConnStatus.OK)

    @property
    def usable(self) -> bool:
        """Whether a session that lay idle is still there: a socket with news has bad news."""
        if not self.alive:
            return False
        poll = select.poll()
        poll.register(self._pgconn.socket, select.POLLIN)
        return not poll.poll(0)

    def _notice(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self.warnings.append(notice.message_primary or "")

    async def begin(self, how: str, search_path: str | None) -> None:
        """Begins a transaction with its limits set at the server, in one round trip."""
        self.phase, self._reads = "transaction", how == "READ ONLY"
        self.warnings.clear()
        await self.script("; ".join([f"BEGIN {how}", *self._set("SET LOCAL", search_path)]))

    async def prepare_outside(self, search_path: str | None) -> None:
        """The same limits for statements that run outside a transaction."""
        await self.script("; ".join(self._set("SET", search_path)))

    def _set(self, verb: str, search_path: str | None) -> list[str]:
        left_s = (self.limits.until - time.monotonic()) * STEP_SHARE
        seconds = (self.limits.statement_s, self.limits.lock_s)
        ms = [max(1, round(min(of, left_s) * 1000)) for of in seconds]
        settings = [
            f"{verb} statement_timeout = {ms[0]}",
            f"{verb} lock_timeout = {ms[1]}",
            f"{verb} standard_conforming_strings = on",
            f"{verb} intervalstyle = postgres",
        ]
        if search_path:
            path = ", ".join(_quoted(part.strip()) for part in search_path.split(","))
            settings.append(f"{verb} search_path = {path}")
        return settings

    async def commit(self) -> None:
        """Once this has begun, only the server knows. Raises AdapterError with `maybe_done`."""
        self.phase = "commit"
        tags = await self.script("COMMIT")
        if tags != ["COMMIT"]:
            raise AdapterError(f"the server answered {tags[0]} to COMMIT: nothing was committed")
        self.phase = "outside"

    async def rollback(self) -> None:
        await self.script("ROLLBACK")
        self.phase = "outside"

    async def script(self, sql: str) -> list[str]:
        """Statements of our own, several at once; their tags."""
        self._send(lambda: self._pgconn.send_query(sql.encode()))
        tags = []
        async for result in _Results(self):
            if result.status in _ERROR:
                raise await self._failed(result, None)
            tags.append((result.command_status or b"").decode())
        return tags

    async def run(self, statement: Statement, *, rows_max: int) -> Answer:
        """One statement. Of a check, what comes after the last row that is wanted is not waited
        for.
        """
        transformer = Transformer(self._conn)
        values = self._dumped(transformer, statement)
        self._send(
            lambda: self._pgconn.send_query_params(
                statement.text.encode(),
                values,
                param_types=transformer.types,
                param_formats=transformer.formats,
            )
        )
        self._pgconn.set_single_row_mode()
        sheet = Sheet(rows_max)
        tag = b""
        async for result in _Results(self):
            if result.status in _ERROR:
                raise await self._failed(result, statement)
            if result.status in _COPY:
                self.drop()
                raise refused("COPY cannot be sent as a statement: it moves data, not rows")
            if result.status in _ROW:
                _add(sheet, transformer, result)
            if sheet.over and self._reads:
                self.drop()  # rather than to take in, or to cancel, what may be millions of rows
                break
            tag = result.command_status or tag
        verb, _, count = tag.decode().rpartition(" ")
        affected = int(count) if count.isdigit() and verb[:6] != "SELECT" else 0
        name = (verb or count).split(" ")[0]
        return Answer(sheet.columns, sheet.rows, sheet.cut, affected, name)

    def _dumped(self, transformer: Any, statement: Statement) -> Any:
        values = [_parameter(v) for v in statement.values]
        try:
            return transformer.dump_sequence(values, [PyFormat.AUTO] * len(values))
        except (psycopg.Error, UnicodeError) as e:
            raise refused(f"a parameter cannot be sent: {e}") from None

    def _send(self, send: Callable[[], None]) -> None:
        try:
            send()
        except psycopg.Error as e:
            self.drop()
            raise sql_error(Problem(str(e)), self.phase) from e

    async def next_result(self, deadline: float) -> Any:
        """The next result, or None. Waits until `deadline` of the loop's clock, then gives the
        session up.
        """
        try:
            while self._pgconn.flush():
                await self._wait(deadline, writing=True)
                self._pgconn.consume_input()
            while self._pgconn.is_busy():
                await self._wait(deadline)
                self._pgconn.consume_input()
            return self._pgconn.get_result()
        except TimeoutError:
            self.drop()
            text = f"the server did not answer in the {self.limits.statement_s:g} s it was given"
            raise sql_error(Problem(text), self.phase) from None
        except psycopg.Error as e:
            self.drop()
            raise sql_error(Problem(str(e)), self.phase) from e
        except asyncio.CancelledError:
            await self._stop_server()
            raise

    async def _wait(self, deadline: float, *, writing: bool = False) -> None:
        loop = asyncio.get_running_loop()
        news = loop.create_future()
        fd = self._pgconn.socket

        def wake() -> None:
            if not news.done():
                news.set_result(None)

        loop.add_reader(fd, wake)
        if writing:
            loop.add_writer(fd, wake)
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await news
        finally:
            loop.remove_reader(fd)
            if writing:
                loop.remove_writer(fd)

    async def _stop_server(self) -> None:
        """Nobody waits any more: the server is asked to stop, briefly, and the session is given
        up.
        """
        try:
            await self._conn.cancel_safe(timeout=CANCEL_MAX_S)
        except psycopg.Error as e:
            self.warnings.append(f"could not be cancelled: {e}")
        finally:
            self.drop()

    async def _failed(self, result: Any, statement: Statement | None) -> AdapterError:
        problem = _problem(result)
        if not problem.lost:
            async for _ in _Results(self):  # until the server is ready for the next
                continue
        else:
            self.drop()
        return sql_error(problem, self.phase, statement)

    def drop(self) -> None:
        """Closes the socket at once. The server rolls back what was not committed."""
        self._pgconn.finish()


class _Results:
    """The results of what was sent, until there is none."""

    def __init__(self, session: PostgresSession) -> None:
        self._session = session
        limit_s = session.limits.statement_s + ANSWER_GRACE_S
        self._deadline = min(time.monotonic() + limit_s, session.limits.until)

    def __aiter__(self) -> _Results:
        return self

    async def __anext__(self) -> Any:
        result = await self._session.next_result(self._deadline)
        if result is None:
            raise StopAsyncIteration
        return result


def _add(sheet: Sheet, transformer: Any, result: Any) -> None:
    if not sheet.columns:
        sheet.name([(result.fname(i) or b"").decode() for i in range(result.nfields)])
        transformer.set_pgresult(result)
    else:
        transformer.set_pgresult(result, set_loaders=False)
    for row in range(result.ntuples):
        sheet.add(transformer.load_row(row, tuple) or ())


def _problem(result: Any) -> Problem:
    def field(of: pq.DiagnosticField) -> str | None:
        raw = result.error_field(of)
        return raw.decode("utf-8", "replace") if raw else None

    position = field(pq.DiagnosticField.STATEMENT_POSITION)
    whole = (result.error_message or b"").decode("utf-8", "replace")
    return Problem(
        text=field(pq.DiagnosticField.MESSAGE_PRIMARY) or whole,
        state=field(pq.DiagnosticField.SQLSTATE),
        detail=field(pq.DiagnosticField.MESSAGE_DETAIL),
        hint=field(pq.DiagnosticField.MESSAGE_HINT),
        position=int(position) if position else None,
    )


def _parameter(value: Any) -> Any:
    if isinstance(value, dict) or (isinstance(value, list | tuple) and not is_plain_list(value)):
        return Jsonb(value)
    return list(value) if isinstance(value, tuple) else value


def _quoted(name: str) -> str:
    bare = name[1:-1].replace('""', '"') if name[:1] == '"' == name[-1:] else name
    return '"' + bare.replace('"', '""') + '"'


def _lenient(kind: type[Any]) -> type[Loader]:
    """A loader that gives the server's own text where Python has no such value: `infinity`, year
    12000.
    """

    class Lenient(kind):  # type: ignore[misc]
        def load(self, data: Any) -> Any:
            try:
                return super().load(data)
            except psycopg.DataError:
                return bytes(data).decode("utf-8", "replace")

    return Lenient


class Values:
    """How PostgreSQL's values become Python's, with nothing left that could fail a whole row."""

    connection: psycopg.AsyncConnection[Any] | None = None

    def __init__(self) -> None:
        self.adapters = AdaptersMap(psycopg.adapters)
        for name, kind in _OF_TIME.items():
            self.adapters.register_loader(psycopg.adapters.types[name].oid, _lenient(kind))


_OF_TIME: dict[str, type[Any]] = {
    "date": datetime.DateLoader,
    "time": datetime.TimeLoader,
    "timetz": datetime.TimetzLoader,
    "timestamp": datetime.TimestampLoader,
    "timestamptz": datetime.TimestamptzLoader,
    "interval": datetime.IntervalLoader,
}
