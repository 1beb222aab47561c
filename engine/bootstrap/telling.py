"""Tells a person how an installation goes: on stderr, words first."""

from __future__ import annotations

import sys
import time

LINE_MAX_CHARS = 78
"""Of a progress line on a terminal: it must fit one line to be written over."""


def say(text: str) -> None:
    sys.stderr.write(f"runbook: {text}\n")
    sys.stderr.flush()


class Progress:
    """What is being done, with the seconds since the start.

    One line that is written over on a terminal, a line for each thing elsewhere.
    """

    def __init__(self) -> None:
        self.started_s = time.monotonic()
        self.told: str | None = None
        self.live = sys.stderr.isatty()
        self.line_open = False

    def tell(self, what: str | None) -> None:
        if what is None or what == self.told:
            return
        self.told = what
        line = f"runbook: {time.monotonic() - self.started_s:4.0f} s  {what}"
        if self.live:
            sys.stderr.write(f"\r\x1b[2K{line[:LINE_MAX_CHARS]}")
            self.line_open = True
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def end_line(self) -> None:
        """Leaves the terminal at the start of an empty line."""
        if self.line_open:
            sys.stderr.write("\r\x1b[2K")
            self.line_open = False

    def done(self, what: str) -> None:
        self.end_line()
        say(f"{what} in {time.monotonic() - self.started_s:.0f} s")
