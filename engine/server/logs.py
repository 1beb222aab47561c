"""The server's own log: one JSON object a line on standard error, or words on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, TextIO

from engine.channels.fitting import one_line
from engine.clock import Clock, to_iso

FIELD_MAX_CHARS = 2000
"""Of one field: what went wrong is told at its beginning."""


class Log:
    """`redact` takes secrets out of every text before it is written."""

    def __init__(
        self,
        clock: Clock,
        redact: Callable[[str], str],
        out: TextIO | None = None,
        *,
        plain: bool = False,
    ) -> None:
        self._clock = clock
        self._redact = redact
        self._out = out or sys.stderr
        self._plain = plain

    def info(self, message: str, **fields: Any) -> None:
        self._write("info", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        self._write("warning", message, fields)

    def fault(self, message: str, **fields: Any) -> None:
        self._write("error", message, fields)

    def _write(self, level: str, message: str, fields: dict[str, Any]) -> None:
        told = {key: _short(value) for key, value in fields.items() if value is not None}
        at = to_iso(self._clock.now_us())
        if self._plain:
            words = " ".join(f"{key}={one_line(str(value))}" for key, value in told.items())
            line = f"{at[11:19]} {level:<7} {one_line(message)} {words}".rstrip()
        else:
            line = json.dumps({"at": at, "level": level, "message": message, **told})
        try:
            self._out.write(self._redact(line) + "\n")
            self._out.flush()
        except (OSError, ValueError):
            return  # nobody reads it any more: the journal has what matters


def _short(value: Any) -> Any:
    return value[:FIELD_MAX_CHARS] if isinstance(value, str) else value
