"""Puts the live view on a terminal: draws a region again and again, with nothing but ANSI
sequences.

The region is the last lines on the screen. To draw it anew the cursor goes up as many rows as were
drawn, counted for today's width: a window made narrower has wrapped them. Lines that will not
change any more are written above it once and scroll away like those of any program.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Sequence
from typing import TextIO

from engine.cli.live import LiveView
from engine.core.cells import cells
from engine.core.events import Event

FRAME_S = 0.1
"""Between two frames: smooth for a spinner and for seconds, and no work worth measuring."""

WIDTH_MIN_CELLS = 24
"""A narrower terminal gets lines of this width and wraps them."""


class Painter:
    """Draws a `LiveView` on a terminal until it is stopped. Everything it writes goes through
    `write`."""

    def __init__(self, view: LiveView, stream: TextIO) -> None:
        self.view = view
        self._stream = stream
        self._drawn: list[int] = []
        """Width in columns of each line of the region that is on the screen."""
        self._tick = 0
        self._paused = 0
        self._task: asyncio.Task[None] | None = None
        self._gone = False
        self.prompt = ""
        """What waits for an answer in a pause: it is said again behind a note."""

    @property
    def paused(self) -> bool:
        return self._paused > 0

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._draw_on())

    async def stop(self) -> None:
        """Draws all there is for good; the cursor stands below it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._replace(self.view.rest(time.time_ns() // 1000, self.width), [])

    def apply(self, event: Event) -> None:
        self.view.apply(event)

    def pause(self) -> None:
        """Takes the region off the screen, so that something else may be written; may be nested.
        Who is called stands there still, as it is then.
        """
        if not self._paused:
            self._replace(self.view.left(time.time_ns() // 1000, self.width), [])
        self._paused += 1

    def go_on(self) -> None:
        self._paused -= 1
        if not self._paused:
            self.draw()

    def begin_anew(self) -> None:
        """The screen is not what it was (the process was stopped with Ctrl-Z): draw below it."""
        self._drawn = []

    def note(self, lines: Sequence[str]) -> None:
        """Writes lines above the region; in a pause, below what stands there."""
        if self._paused:
            ahead = "\r\x1b[K" if self.prompt else "\n"  # the prompt is said again below
            self.write(ahead + "".join(f"{line}\n" for line in lines) + self.prompt)
            return
        self._replace([*self.view.settled(self.width), *lines], [])
        self.draw()

    @property
    def width(self) -> int:
        """One column less than the terminal has: the last one would make some of them wrap."""
        return max(WIDTH_MIN_CELLS, shutil.get_terminal_size().columns - 1)

    def draw(self) -> None:
        if self._paused:
            return
        width, height = self.width, max(3, shutil.get_terminal_size().lines - 1)
        settled = self.view.settled(width)
        moving = self.view.moving(time.time_ns() // 1000, width, height, self._tick)
        self._replace(settled, moving)

    async def _draw_on(self) -> None:
        while True:
            self.draw()
            self._tick += 1
            await asyncio.sleep(FRAME_S)

    def _replace(self, settled: Sequence[str], region: Sequence[str]) -> None:
        """The old region goes, `settled` stays for ever, `region` is the new one: in one write, no
        flicker."""
        columns = max(1, shutil.get_terminal_size().columns)
        up = sum(1 + max(0, width - 1) // columns for width in self._drawn)
        parts = [f"\x1b[{up}F"] if up else []
        parts += [f"{line}\x1b[K\n" for line in [*settled, *region]]
        if self._drawn:
            parts.append("\x1b[J")
        self._drawn = [cells(_bare(line)) for line in region]
        if parts:
            self.write("".join(parts))

    def write(self, text: str) -> None:
        """To the terminal; a terminal that is gone ends the drawing, never the run."""
        if self._gone:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._gone = True


def _bare(line: str) -> str:
    """The line without its colours."""
    parts = line.split("\x1b[")
    return parts[0] + "".join(part.partition("m")[2] for part in parts[1:])
