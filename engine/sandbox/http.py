"""Serves a `Behaviour` over HTTP/1.1 on a port of the loopback.

h11 speaks the protocol, asyncio the network. Tells `url`, `host`, `port`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from engine.sandbox.behind import Write, writer
from engine.sandbox.routes import Answer, Request

if TYPE_CHECKING:
    import h11

BODY_MAX_BYTES = 4 * 1024 * 1024
"""Of a request; what a runbook sends is far smaller."""
READ_BYTES = 64 * 1024
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for 0 s: closing then sends a reset instead of an orderly end (socket(7))."""


class Answering(Protocol):
    """An HTTP service without a network: a `Behaviour`, or a stand-in written in Python."""

    @property
    def tells(self) -> Mapping[str, str]: ...
    @property
    def requests(self) -> list[Request]: ...
    @property
    def problems(self) -> list[str]: ...
    def answer(self, request: Request, now: datetime) -> Answer: ...


@asynccontextmanager
async def http_service(
    behaviour: Answering, clock: Callable[[], datetime], write: Write | None = None
) -> AsyncIterator[dict[str, str]]:
    """The service, listening. `write` is for what its answers say that it writes to others."""
    write = write or writer({})
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, stream: asyncio.StreamWriter) -> None:
        try:
            await _Connection(behaviour, clock, write, (reader, stream)).serve()
        except (ConnectionError, TimeoutError):
            pass  # the client went away: its right
        finally:
            stream.close()

    def connected(reader: asyncio.StreamReader, stream: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, stream))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        told = {"url": f"http://127.0.0.1:{port}", "host": "127.0.0.1", "port": str(port)}
        yield {**behaviour.tells, **told}
    finally:
        server.close()
        open_still = list(serving)
        for task in open_still:
            task.cancel()
        await asyncio.gather(*open_still, return_exceptions=True)


class _Connection:
    """One client."""

    def __init__(
        self,
        behaviour: Answering,
        clock: Callable[[], datetime],
        write: Write,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        import h11  # noqa: PLC0415  paid by a sandbox only

        self.h11 = h11
        self.protocol = h11.Connection(h11.SERVER)
        self.behaviour = behaviour
        self.clock = clock
        self.write = write
        self.reader, self.writer = streams

    async def serve(self) -> None:
        """Answers request after request until one side has enough."""
        while True:
            try:
                request = await self._request()
            except self.h11.RemoteProtocolError as e:
                self.writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                self.writer.write(str(e).encode())
                await self.writer.drain()
                return
            if request is None:
                return
            answer = self.behaviour.answer(request, self.clock())
            if answer.also and (problem := await self.write(answer.also)):
                self.behaviour.problems.append(f"{request.method} {request.target}: {problem}")
                answer = Answer(500, body=problem.encode())
            if answer.delay_s:
                await asyncio.sleep(answer.delay_s)
            if answer.fail:
                await self._fail(answer.fail)
                return
            await self._send(request, answer)
            if self.protocol.our_state is self.h11.MUST_CLOSE:
                return
            self.protocol.start_next_cycle()

    async def _request(self) -> Request | None:
        """The next request, or None when the client is done."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event: Any = self.protocol.next_event()
            if event is self.h11.NEED_DATA:
                if self.protocol.they_are_waiting_for_100_continue:
                    self._write(self.h11.InformationalResponse(status_code=100, headers=[]))
                self.protocol.receive_data(await self.reader.read(READ_BYTES))
            elif isinstance(event, self.h11.Request):
                head = event
            elif isinstance(event, self.h11.Data):
                body += event.data
                if len(body) > BODY_MAX_BYTES:
                    raise self.h11.RemoteProtocolError(f"a body of over {BODY_MAX_BYTES} bytes")
            elif isinstance(event, self.h11.EndOfMessage) and head is not None:
                return Request(
                    head.method.decode(),
                    head.target.decode("ascii", "replace"),
                    {name.decode(): value.decode("latin-1") for name, value in head.headers},
                    bytes(body),
                )
            else:
                return None

    async def _send(self, request: Request, answer: Answer) -> None:
        body = b"" if request.method == "HEAD" or answer.status in (204, 304) else answer.body
        headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers]
        headers.append((b"Content-Length", str(len(body)).encode()))
        self._write(self.h11.Response(status_code=answer.status, headers=headers))
        self._write(self.h11.Data(data=body))
        self._write(self.h11.EndOfMessage())
        await self.writer.drain()

    def _write(self, event: Any) -> None:
        data = self.protocol.send(event)
        if data:
            self.writer.write(data)

    async def _fail(self, how: str) -> None:
        """Breaks off: resets the connection, or says nothing until the client goes."""
        if how == "hang":
            while await self.reader.read(READ_BYTES):
                pass
            return
        end = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.writer.transport.abort()
