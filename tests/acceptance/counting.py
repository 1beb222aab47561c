"""A small HTTP service that counts what really reached it. Runs in a thread of the test."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter


class Counting:
    """`POST /act/<n>` is counted under its `X-Run` header, once for each `Idempotency-Key`.

    `GET /did/<n>` tells whether it was; `GET /gone` breaks off; everything else answers 200.
    """

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()
        self._keys: set[str] = set()
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Counting:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        start = asyncio.start_server(self._answer, "127.0.0.1", 0)
        server = self._loop.run_until_complete(start)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def _done(self, method: str, path: str, fields: dict[str, str]) -> bool:
        """Counts what is asked to be done; whether it was done by now."""
        act = f"{fields.get('x-run', '')} {path.replace('/did/', '/act/')}"
        key = fields.get("idempotency-key")
        if method == "POST" and (key is None or key not in self._keys):
            self.effects[act] += 1
            self._keys |= {key} if key else set()
        return self.effects[act] > 0

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                await reader.readexactly(int(fields.get("content-length", 0)))
                method, path, _ = head[0].split()
                if path == "/gone":
                    return
                done = self._done(method, path, fields)
                body = b'{"ok": true, "done": %s}' % (b"true" if done else b"false")
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                    b"content-length: %d\r\n\r\n" % len(body) + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
