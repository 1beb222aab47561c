"""The commands of one attempt at a step: where they go, how long they may take, what they may be.

The reading side runs verbs that read, and a change only as the server's own dry run; anything else
it refuses before a process is started.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.adapters.kubectl_config import Place
from engine.adapters.kubectl_errors import Asked, told
from engine.adapters.kubectl_parse import documents
from engine.adapters.kubectl_process import Command, Ran, Take, run
from engine.adapters.kubectl_trace import TRACE_FLAG
from engine.errors import AdapterError
from engine.plugin import StepContext

READ_VERBS = frozenset(
    {"get", "logs", "diff", "version", "rollout status", "rollout history"},
)
"""What changes nothing at the server. `diff` asks for dry runs of its own."""

DRY_RUN = "--dry-run=server"

PROCESSES_MAX = 8
"""At once for one connection: each takes some 50 MB for its moment."""

END_SHARE, END_MAX_S = 0.1, 2.0
"""Of an attempt's time, kept for killing and for telling what happened before the runner does."""

REQUEST_MIN_S = 0.2
"""For one request, however short the time: less than this is answered by nobody."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a connection says of all its commands."""

    binary: str
    context: str
    namespace: str
    place: Place
    server: str
    request_timeout_s: float
    timeout_s: float
    env: Mapping[str, str]
    slots: asyncio.Semaphore


@dataclass(frozen=True, slots=True)
class Call:
    """One command: a verb and its arguments. `accept` are exit codes that are answers."""

    verb: str
    words: tuple[str, ...] = ()
    stdin: str | None = None
    take: Take | None = None
    accept: tuple[int, ...] = (0,)
    limit_s: float | None = None
    """Instead of the connection's: for commands that wait for something to happen."""


class Line:
    """What one attempt runs. `writes` is False for the reading side."""

    def __init__(self, link: Link, context: StepContext, *, writes: bool) -> None:
        self.link = link
        self.context = context
        self._writes = writes
        reserve_s = min(END_MAX_S, context.timeout_s * END_SHARE)
        self._until_s = time.monotonic() + context.timeout_s - reserve_s

    @property
    def left_s(self) -> float:
        """What is left of the attempt's time."""
        return max(0.0, self._until_s - time.monotonic())

    async def run(self, call: Call) -> Ran:
        """The command's output. Raises AdapterError for one that did not do as asked."""
        link = self.link
        reads = call.verb in READ_VERBS or DRY_RUN in call.words
        if not (reads or self._writes):
            raise AdapterError(f"the reading side does not run kubectl {call.verb}",
                               retryable=False)  # fmt: skip
        missing = link.place.missing()
        if missing is not None:
            raise missing
        limit_s = min(call.limit_s or link.timeout_s, self.left_s)
        asks_s = call.limit_s or max(REQUEST_MIN_S, min(link.request_timeout_s, limit_s / 2))
        asked = Asked(call.verb, link.server or link.context, limit_s, changes=not reads)
        words = (*self._globals(asks_s, trace=not reads), *call.verb.split(), *call.words)
        command = Command(words, link.env, limit_s, call.stdin, call.take)
        async with link.slots:
            ran = await run(command)
        if ran.code in call.accept or (ran.why == "enough" and call.take is not None):
            return ran
        raise told(ran, asked)

    async def json(self, call: Call) -> list[Any]:
        """The JSON values that the command prints."""
        ran = await self.run(call)
        try:
            return documents(ran.stdout.decode("utf-8", "replace"))
        except json.JSONDecodeError as e:
            message = f"kubectl {call.verb} printed no JSON: {e}"
            raise AdapterError(message, retryable=False) from e

    async def text(self, call: Call) -> str:
        return (await self.run(call)).stdout.decode("utf-8", "replace")

    def _globals(self, asks_s: float, *, trace: bool) -> tuple[str, ...]:
        link = self.link
        return (
            link.binary,
            f"--kubeconfig={link.place.file}",
            f"--context={link.context}",
            f"--namespace={link.namespace}",
            f"--request-timeout={round(asks_s * 1000)}ms",
            f"--cache-dir={link.place.folder / 'cache'}",
            *((TRACE_FLAG,) if trace else ()),
        )
