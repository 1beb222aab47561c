"""Counterparts that behave as no vendor's document says: what networks, proxies and wrong addresses
do to a channel. They read whole requests, keep them, and answer by `script`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for 0 s: closing then sends a reset (socket(7))."""

ENORMOUS_BYTES = 3 * 1024 * 1024
"""More than a channel reads of an answer."""


def answer(status: int, body: bytes | str, *headers: str, kind: str = "application/json") -> bytes:
    octets = body if isinstance(body, bytes) else body.encode()
    lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", f"Content-Length: {len(octets)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + octets


ANSWERS: dict[str, Callable[[bytes], bytes]] = {
    "refused": lambda asked: answer(400, b'{"error": "no: ' + repr(asked).encode() + b'"}'),
    "refused in text": lambda asked: answer(403, asked, kind="text/plain"),
    "not found": lambda _: answer(404, "nothing here", kind="text/plain"),
    "busy, in seconds": lambda _: answer(429, "{}", "Retry-After: 7"),
    "busy, with a date": lambda _: answer(
        429,
        "{}",
        "Date: Sat, 21 Nov 2026 10:00:00 GMT",
        "Retry-After: Sat, 21 Nov 2026 10:00:40 GMT",
    ),
    "busy, and silent": lambda _: answer(429, "{}"),
    "overloaded": lambda _: answer(503, "<h1>sorry</h1>", "Retry-After: 20", kind="text/html"),
    "broken": lambda _: answer(500, '{"error": "internal"}'),
    "broken behind it": lambda _: answer(502, "<h1>Bad gateway</h1>", kind="text/html"),
    "an error in a 200": lambda _: answer(200, '{"ok": false, "error": "internal_error"}'),
    "a page of a proxy": lambda _: answer(200, "<h1>Please log in</h1>", kind="text/html"),
    "enormous": lambda _: answer(200, b'{"ok": "' + b"x" * ENORMOUS_BYTES + b'"}'),
    "half an answer": lambda _: answer(200, '{"ok": true}')[:-9],
    "no HTTP": lambda _: b"220 mail.example.com ESMTP\r\n",
    "lost": lambda _: b"",
}
"""What is answered to a request, by the name of the behaviour. The refusals repeat the request, as
some proxies do.
"""

LEADS_ELSEWHERE = (301, 302, 303, 307, 308)


@dataclass
class Web:
    """An HTTP service that does one thing to whatever it is sent."""

    script: str = "lost"
    elsewhere: str = ""
    asked: list[bytes] = field(default_factory=list)
    """Each request, as it came."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = [
                int(line.partition(b":")[2])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ]
            self.asked.append(head + await reader.readexactly(sum(length)))
            await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # whoever it was has gone
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.script == "slow":
            await reader.read()  # until the other side has enough
            return
        if self.script.startswith("elsewhere "):
            status = int(self.script.split()[1])
            writer.write(answer(status, "{}", f"Location: {self.elsewhere}/in"))
        else:
            writer.write(ANSWERS[self.script](self.asked[-1]))
        await writer.drain()
        if self.script == "lost":
            end = writer.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


SMTP_REPLIES: dict[str, str] = {
    "hello": "250 counterpart",
    "from": "250 fine",
    "rcpt": "250 fine",
    "data": "354 go on",
    "text": "250 taken",
}
"""What an SMTP server says when all is well."""


@dataclass
class Mailbox:
    """An SMTP server that does one thing wrong: `script` is `what: reply`, `what: cut` or `what:
    hang`, where `what` is one of SMTP_REPLIES or `greeting`.
    """

    script: str = ""
    delay_s: float = 0.0
    """How long it takes to each reply."""
    texts: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._say(reader, writer, "greeting", "220 counterpart ESMTP")
            while line := await reader.readline():
                verb = line.split()[0].upper() if line.split() else b""
                if verb == b"QUIT":
                    return
                known = {b"EHLO": "hello", b"MAIL": "from", b"RCPT": "rcpt", b"DATA": "data"}
                what = known.get(verb, "hello")
                await self._say(reader, writer, what, SMTP_REPLIES[what])
                if what == "data" and not self.script.startswith("data: "):
                    self.texts.append(await reader.readuntil(b"\r\n.\r\n"))
                    await self._say(reader, writer, "text", SMTP_REPLIES["text"])
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # whoever it was has gone
        finally:
            writer.close()

    async def _say(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        what: str,
        usual: str,
    ) -> None:
        wrong, _, how = self.script.partition(": ")
        reply = how if wrong == what else usual
        if reply == "hang":
            await reader.read()
            raise ConnectionResetError
        if reply == "cut":
            writer.transport.abort()
            raise ConnectionResetError
        octets = f"{reply}\r\n".encode("latin-1")
        if self.delay_s:
            asyncio.get_running_loop().call_later(self.delay_s, writer.write, octets)
            return
        writer.write(octets)
        await writer.drain()


Serves = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def listening(serve: Serves, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port that it listens on. What is still open at the end is broken off."""
    serving: set[asyncio.Task[object]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await serve(reader, writer)  # type: ignore[misc]
        finally:
            serving.discard(task)

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await server.wait_closed()


def untrusted(folder: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "untrusted.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
