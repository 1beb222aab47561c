"""A real HTTP server on loopback that answers well, badly or never: what the path says."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from tests.ports import free_port

JSON = "Content-Type: application/json"


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Target:
    """Where the server is, what it saw, and how many connections were made to it."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a request was read."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


ANSWERS: dict[str, bytes] = {
    "/": answer(200, b"hello", "Content-Type: text/plain"),
    "/ok": answer(200, b'{"status": "healthy", "n": [1, 2]}', JSON),
    "/untyped": answer(200, b' {"a": 1}'),
    "/untyped-text": answer(200, b"{not json"),
    "/null": answer(200, b"null", JSON),
    "/bad-json": answer(200, b'{"status": ', JSON),
    "/nan": answer(200, b'{"lag": NaN, "big": Infinity}', JSON),
    "/deep": answer(200, b"[" * 200_000, JSON),
    "/empty": answer(204),
    "/binary": answer(200, b"\x89PNG\x00\xff", "Content-Type: image/png"),
    "/latin": answer(
        200, "caf\u00e9".encode("latin-1"), "Content-Type: text/plain; charset=latin-1"
    ),
    "/mojibake": answer(200, b"caf\xe9", "Content-Type: text/plain; charset=utf-8"),
    "/no-such-charset": answer(200, b"abc", "Content-Type: text/plain; charset=klingon"),
    "/cookies": answer(
        200, b"", "Set-Cookie: sid=abcdef; Path=/", "Set-Cookie: b=1", "X-A: 1", "x-a: 2"
    ),
    "/moved": answer(302, b"", "Location: /ok"),
    "/moved-away": answer(302, b"", "Location: http://127.0.0.2/ok"),
    "/moved-round": answer(302, b"", "Location: /moved-round"),
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    "/gzip": answer(200, gzip.compress(b'{"a": 1}'), JSON, "Content-Encoding: gzip"),
    "/bomb": answer(200, gzip.compress(b"0" * 50_000_000), "Content-Encoding: gzip"),
    "/not-gzip": answer(200, b"plain all the same", "Content-Encoding: gzip"),
    "/huge": answer(200, b"x" * (3 * 1024 * 1024), "Content-Type: text/plain"),
    "/huge-json": answer(200, b'"' + b"x" * (2 * 1024 * 1024) + b'"', JSON),
    "/half": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf an answ",
    "/garbage": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "/refuses-in-words": answer(409, b'{"error": "already running"}', JSON),
    "/see-other": answer(303, b"", "Location: /ok"),
}
CLOSES = frozenset({"/half", "/garbage"})
"""Answered with what there is; then the connection is closed."""


async def _serve(
    target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    target.connections += 1
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while request := await _read(reader):
            target.seen.append(request)
            target.arrived.set()
            path = request.target.partition("?")[0]
            if path == "/silent":
                await asyncio.Event().wait()
            if path == "/reset":
                _reset(writer)
                return
            if path == "/closed":
                break
            writer.write(_answer_to(request, path))
            await writer.drain()
            if path == "/stalls":
                await asyncio.Event().wait()
            if path in CLOSES:
                break
    writer.close()


async def _read(reader: asyncio.StreamReader) -> Seen | None:
    head = await reader.readexactly(1)
    if head == b"\x16":  # the first octet of TLS
        return Seen("GET", "/garbage", {}, b"")
    head += await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, target, headers, body)


def _answer_to(request: Seen, path: str) -> bytes:
    if path == "/stalls":
        return b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthe first half"
    if path.startswith("/status/"):
        return answer(int(path.rpartition("/")[2]), b"{}", JSON)
    if path.startswith("/echo"):
        shown = {
            "method": request.method,
            "target": unquote(request.target),
            "headers": request.headers,
            "body": request.body.decode(),
        }
        return answer(200, json.dumps(shown).encode(), JSON)
    found = ANSWERS.get(path, answer(404, b"no such page"))
    return found.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if request.method == "HEAD" else found


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends the connection with RST, as a crash does."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.asynccontextmanager
async def http_target() -> AsyncIterator[Target]:
    """The server, for as long as the context lasts."""
    target = Target()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_serve(target, reader, writer))
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await task
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024 * 1024)
    target.port = server.sockets[0].getsockname()[1]
    try:
        yield target
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def refusing_port() -> int:
    """A port of loopback on which nothing listens."""
    return free_port()


@contextlib.contextmanager
def deaf_port():
    """A port whose queue is full: connecting to it hangs, as with a firewall that drops."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        yield listener.getsockname()[1]
