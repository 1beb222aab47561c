"""The console: whoever reads the standard error of the process. Always there, no connection."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from engine.channels.fitting import plain
from engine.errors import AdapterError
from engine.plugin.channel import Message

TEXT_MAX_CHARS = 4000
"""As long as a message of a runbook may be."""


class ConsoleChannel:
    """Says it there and then."""

    family: ClassVar[str] = "console"
    addressed: ClassVar[bool] = False
    again: bool = True  # a line twice on a screen wakes nobody twice
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 0.0

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say

    def fingerprint(self) -> str:
        return "console"

    async def ping(self) -> str:
        return "the standard error of this process"

    async def send(self, message: Message) -> Mapping[str, Any]:
        policy = message.details.get("policy", "")
        text = message.details.get("wrong") or message.title
        level = message.details.get("level") or 1
        behind = f", level {level}, for {message.name}" if level > 1 else ""
        heads = {"page": f"ESCALATION ({policy}{behind})", "status": "STATUS"}
        head = heads.get(message.kind, message.kind.upper())
        line = f"{head}: {text if message.kind == 'page' else message.title}"
        if message.kind == "question":
            line = f"ASKED: {text} {message.details.get('asked') or ''}".rstrip()
        try:
            (self._say or _say)(plain(line))
        except (OSError, ValueError) as error:  # its reader has gone, or the stream was closed
            why = getattr(error, "strerror", None) or str(error)
            raise AdapterError(f"the console is closed: {why}", retryable=False) from error
        return {"id": message.key, "follows": False}

    async def close(self) -> None:
        """Nothing was opened."""


def _say(line: str) -> None:
    if sys.stderr is None:  # print would take standard output then, which is for results
        raise ValueError("this process has no standard error")
    print(line, file=sys.stderr, flush=True)
