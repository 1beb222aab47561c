"""HTTP/1.1 for the stand-in API server: answers with a length, watches in chunks, over asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

from engine.sandbox.cluster_api import Api, Asked, Reply, Watch
from engine.sandbox.cluster_kinds import table
from engine.sandbox.cluster_store import ApiProblem, Change, Changed, Json, Store, matches

HEAD_MAX_BYTES = 64 * 1024
"""Of the lines before a body; kubectl sends some hundred bytes."""
BODY_MAX_BYTES = 4 * 1024 * 1024
"""Of a request; the real server takes 3 MiB."""
REASONS = {200: "OK", 201: "Created"}


@asynccontextmanager
async def serving(api: Api) -> AsyncIterator[int]:
    """The API on a port of the loopback, while the context lasts."""
    open_now: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _serve(api, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client went away, or speaks something else: its right
        finally:
            writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        open_now.add(task)
        task.add_done_callback(open_now.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=HEAD_MAX_BYTES)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        left = list(open_now)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _serve(api: Api, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers request after request, until the client has enough."""
    while asked := await _asked(reader):
        reply = api.answer(asked)
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        if reply.watch is None:
            writer.write(_head(reply, len(reply.octets())) + reply.octets())
            await writer.drain()
            continue
        await _watch(api.store, reply, reply.watch, writer, reader)
        return


async def _asked(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    named = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in named}
    length = min(int(headers.get("content-length") or 0), BODY_MAX_BYTES + 1)
    if length > BODY_MAX_BYTES:
        raise ConnectionResetError("a body over the limit")
    body = await reader.readexactly(length)
    url = urlsplit(target)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    return Asked(method, url.path, query, headers, body)


def _head(reply: Reply, length: int | None) -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [
        f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}",
        f"Content-Type: {reply.type}",
        size,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _watch(
    store: Store,
    reply: Reply,
    watch: Watch,
    writer: asyncio.StreamWriter,
    reader: asyncio.StreamReader,
) -> None:
    """Tells changes as they come, until the client goes or its time is over."""
    writer.write(_head(reply, None))
    gone = asyncio.create_task(reader.read(1))
    telling = asyncio.create_task(_tell(store, watch, writer))
    try:
        await asyncio.wait(
            {gone, telling}, timeout=watch.limit_s, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for task in (gone, telling):
            task.cancel()
        await asyncio.gather(gone, telling, return_exceptions=True)
    with contextlib.suppress(ConnectionError):
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def _tell(store: Store, watch: Watch, writer: asyncio.StreamWriter) -> None:
    queue: asyncio.Queue[Changed] = asyncio.Queue()
    store.watchers.add(queue)
    try:
        for change, found in _so_far(store, watch):
            _write(store, watch, writer, change, found)
        await writer.drain()
        while True:
            changed = await queue.get()
            if _fits(watch, changed):
                _write(store, watch, writer, changed.change, changed.object)
                await writer.drain()
    finally:
        store.watchers.discard(queue)


def _so_far(store: Store, watch: Watch) -> list[tuple[str, Json]]:
    """What a watch begins with: the changes since its version, or all there is."""
    if watch.since is None:
        found = store.list(watch.kind, watch.namespace)
        return [("ADDED", o) for o in found if matches(o, watch.labels, watch.fields)]
    oldest = store.changes[0].version if store.changes else 0
    if len(store.changes) == store.changes.maxlen and watch.since < oldest - 1:
        gone = ApiProblem(410, "Expired", f"too old resource version: {watch.since} ({oldest})")
        return [("ERROR", gone.status())]
    return [
        (changed.change, changed.object)
        for changed in store.changes
        if changed.version > watch.since and _fits(watch, changed)
    ]


def _fits(watch: Watch, changed: Changed) -> bool:
    meta = changed.object["metadata"]
    return (
        changed.kind == watch.kind
        and (not watch.namespace or meta.get("namespace") == watch.namespace)
        and matches(changed.object, watch.labels, watch.fields)
    )


def _write(
    store: Store, watch: Watch, writer: asyncio.StreamWriter, change: Change | str, found: Json
) -> None:
    if watch.as_table and change != "ERROR":
        found = table(watch.kind, [found], store.now(), found["metadata"]["resourceVersion"])
    line = json.dumps({"type": change, "object": found}).encode() + b"\n"
    writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
