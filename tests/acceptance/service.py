"""An HTTP service in a thread of the test. What a path does is a function of the request."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """As it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: str

    def as_json(self) -> str:
        return json.dumps(
            {"target": self.target, "headers": self.headers, "body": self.body}, indent=1
        )


@dataclass(frozen=True)
class Reply:
    """What is answered. `status` 0: nothing, the connection is closed."""

    status: int = 200
    body: str = '{"ok": true}'
    headers: tuple[tuple[str, str], ...] = ()

    def encoded(self) -> bytes:
        octets = self.body.encode()
        lines = [f"HTTP/1.1 {self.status} Said", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(octets)}", *(f"{k}: {v}" for k, v in self.headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + octets


Answer = Callable[[Request], Awaitable[Reply]]


class Service:
    """Serves until it is left; counts the requests that change something, by their target."""

    def __init__(self, answer: Answer) -> None:
        self.port = 0
        self.changes: list[str] = []
        self._answer = answer
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Service:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def call(self, work: Callable[[], object]) -> None:
        """Runs something in the service's own thread."""
        self._loop.call_soon_threadsafe(work)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._talk, "127.0.0.1", 0, limit=1 << 20)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0))  # for the transports to be closed
        self._loop.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read(reader):
                if request.method not in ("GET", "HEAD"):
                    self.changes.append(request.target)
                reply = await self._answer(request)
                if reply.status == 0:
                    break
                writer.write(reply.encoded())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip()
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body.decode("utf-8", "replace"))
