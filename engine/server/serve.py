"""The process of `runbook serve`: uvicorn, its limits, and its end.

uvicorn has no time limit for the head of a request, and none for connections that say nothing; both
are set here.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from engine.errors import JournalError, Usage
from engine.server.garbage import collect_seldom
from engine.server.settings import Settings

CONNECTIONS_MAX = 4096
"""Open connections, also those that say nothing yet: each is a file and about 20 KiB."""

FILES_SPARE = 256
"""Files that are kept for the journal and for connections to targets."""

HEAD_WITHIN_S = 10.0
"""From the connection, or from the request before, to the end of the head."""

HEAD_MAX_BYTES = 64 * 1024
KEEP_ALIVE_S = 75
"""An idle connection: longer than the 60 s after which proxies close theirs."""

BACKLOG = 2048
"""Connections that the kernel holds while this process is busy."""


class LimitedProtocol(H11Protocol):
    """A connection that sends no request in time is closed; one too many is not taken."""

    connections_max = CONNECTIONS_MAX

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.server_state.connections) >= self.connections_max:
            transport.close()
            self._refused = True
            return
        self._refused = False
        super().connection_made(transport)
        self._watch = self.loop.call_later(HEAD_WITHIN_S, self._look, 0)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._refused:
            return
        self._watch.cancel()
        super().connection_lost(exc)

    def _look(self, seen: int) -> None:
        """A head that has begun must end: asked again for as long as the connection is open."""
        waiting = self.cycle is None or self.cycle.response_complete
        begun = bool(self.conn.trailing_data[0])
        if waiting and (self.cycle is None or begun):
            self.transport.close()
            return
        self._watch = self.loop.call_later(HEAD_WITHIN_S, self._look, seen + 1)


def bind(settings: Settings) -> socket.socket:
    """The socket that is listened on. Raises Usage where it cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((settings.host, settings.port))
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise Usage(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}",
            help="`listen` of the configuration, or --listen, names another address",
        ) from error
    return found


def limit_files() -> int:
    """Takes as many files as this process may have; how many connections fit into them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(64, min(CONNECTIONS_MAX, soft - FILES_SPARE))


async def serve(app: FastAPI, listening: socket.socket) -> None:
    """Serves until SIGTERM or SIGINT; a SIGINT after that waits for no running step.

    Raises JournalError, having ended, where the journal is refused for good.
    """
    LimitedProtocol.connections_max = limit_files()
    collect_seldom()
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=HEAD_MAX_BYTES,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config, app)
    await server.serve([listening])
    broken: JournalError | None = app.state.parts.store.broken
    if broken is not None:
        raise broken


class _Server(uvicorn.Server):
    """Says to the runs that it ends before it waits for its requests."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app
        self._hurried = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own raises the signal again when all is done, which would be no clean end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second. What the disk said cannot be unsaid: as PostgreSQL does when `fsync`
        fails, it ends, and whoever starts it again opens what is really there.
        """
        parts = self._app.state.parts
        if parts.store.broken is not None and not self.should_exit:
            parts.log.fault("the journal is refused for good, and this server ends: start it again")
            self.should_exit = True
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first asks for an end. SIGINT after it asks for no more waiting, and after that, as
        uvicorn has it, to end in the middle; SIGTERM says the same again: whoever stops a server
        may send it twice.
        """
        keeper = self._app.state.parts.keeper
        if not keeper.leaving:
            self._tell(keeper.driven)
            keeper.leave()
        elif sig == signal.SIGINT and not self._hurried:
            self._hurried = True
            keeper.leave()
        elif sig == signal.SIGINT:
            super().handle_exit(sig, frame)
        self.should_exit = True

    def _tell(self, driven: int) -> None:
        parts = self._app.state.parts
        grace_s = parts.settings.grace_s
        parts.log.info("asked to end: steps that run come to theirs", runs=driven, grace_s=grace_s)

    async def shutdown(self, sockets: Any = None) -> None:
        keeper = self._app.state.parts.keeper
        if not keeper.leaving:  # the journal is refused for good
            keeper.leave()
        await super().shutdown(sockets)
