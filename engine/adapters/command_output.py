"""What a command says while it runs: kept up to a limit, and followed line by line.

Of each stream the beginning and the end are kept; what lies between is counted and let go, so that
100 MB take no more memory than 100 KB. Texts are redacted before they are cut: half a secret would
not be recognised later.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.plugin import StepContext

OVERLAP_BYTES = 64 * 1024
"""Kept beyond each cut until the text is redacted: longer than any secret in any of its forms."""

LINES_BURST = 50
"""Progress lines told at once. Most commands say less than that, and are shown whole."""

LINES_PER_S = 10
"""Progress lines told each second after the burst: what an eye can follow. Of what comes faster the
newest line is shown, with the number of those before it.
"""

LINE_MAX_CHARS = 1000
"""Of one progress line; the journal keeps half of it."""

TAIL_CHARS = 2000
"""Of stdout and stderr that is kept with an error: it mostly says why at its end."""

Redact = Callable[[str], str]

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


@dataclass(frozen=True, slots=True)
class Text:
    """A stream as it is kept."""

    text: str
    size_bytes: int
    cut: bool


class Kept:
    """Beginning and end of a stream of octets."""

    __slots__ = ("_end", "_limit", "_start", "size_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._start = bytearray()
        self._end = bytearray()
        self.size_bytes = 0

    @property
    def cut(self) -> bool:
        return self.size_bytes > self._limit

    def take(self, data: bytes) -> None:
        self.size_bytes += len(data)
        reach = self._limit + OVERLAP_BYTES
        room = reach - len(self._start)
        if room > 0:
            self._start += data[:room]
        if len(data) > max(room, 0):
            self._end += data[max(room, 0) :]
            if len(self._end) > 2 * reach:
                del self._end[:-reach]

    def text(self, redact: Redact) -> Text:
        """The stream, without secrets; what is left out is said where it was."""
        if not self.cut:
            whole = _redacted(self._start, redact)
            return Text(whole, self.size_bytes, cut=False)
        half = self._limit // 2
        reach = half + OVERLAP_BYTES
        start = _redacted(self._start[:reach], redact)
        end = _redacted((self._start + self._end)[-reach:], redact)
        if self.size_bytes > reach:  # what lies at the cuts may be half a secret
            start, end = start[:-OVERLAP_BYTES], end[OVERLAP_BYTES:]
        left_out = self.size_bytes - 2 * half
        gap = f"\n[... {left_out:,} of {self.size_bytes:,} bytes left out ...]\n"
        return Text(start[:half] + gap + end[-half:], self.size_bytes, cut=True)


def _redacted(octets: bytes | bytearray, redact: Redact) -> str:
    return redact(octets.decode("utf-8", "replace"))


class Output:
    """Takes what a command says, as it comes. `close` when it is over."""

    def __init__(self, limit_bytes: int, context: StepContext) -> None:
        self._redact = context.redact
        self._kept = (Kept(limit_bytes), Kept(limit_bytes))
        live = Live(context.progress, context.redact)
        self._lines = (Lines(live), Lines(live))
        self._live = live

    def take(self, data: bytes, *, stderr: bool) -> None:
        self._kept[stderr].take(data)
        self._lines[stderr].take(data)

    def close(self) -> None:
        """Tells the last line; nothing is told after it."""
        for lines in self._lines:
            lines.end()
        self._live.end()

    @property
    def stdout(self) -> Text:
        return self._kept[0].text(self._redact)

    @property
    def stderr(self) -> Text:
        return self._kept[1].text(self._redact)

    def ends(self) -> dict[str, object]:
        """The ends of both streams, for the detail of an error; of an empty one nothing."""
        streams = {"stdout": self.stdout.text, "stderr": self.stderr.text}
        return {name: text[-TAIL_CHARS:] for name, text in streams.items() if text.strip()}


class Lines:
    """Makes lines of one stream. A carriage return ends one too: so progress bars are followed."""

    __slots__ = ("_live", "_rest")

    def __init__(self, live: Live) -> None:
        self._live = live
        self._rest = b""

    def take(self, data: bytes) -> None:
        data = data.replace(b"\r", b"\n")
        whole, newline, rest = data.rpartition(b"\n")
        if newline:
            self._live.say(self._rest + whole)
            self._rest = b""
        if len(self._rest) < 2 * OVERLAP_BYTES:
            self._rest += rest[: 2 * OVERLAP_BYTES]

    def end(self) -> None:
        if self._rest:
            self._live.say(self._rest)
        self._rest = b""


class Live:
    """Tells lines to people at a bounded rate: a bucket of `LINES_BURST`, refilled steadily."""

    def __init__(self, progress: Callable[[str], None], redact: Redact) -> None:
        self._progress = progress
        self._redact = redact
        self._loop = asyncio.get_running_loop()
        self._free = float(LINES_BURST)
        self._at_s = self._loop.time()
        self._newest = b""
        self._missed = 0
        self._timer: asyncio.TimerHandle | None = None

    def say(self, block: bytes) -> None:
        """One line or several: as many of them as the bucket holds, then the newest."""
        self._refill()
        at_once = 0 if self._timer else int(self._free)
        *told, rest = block.split(b"\n", at_once) if at_once else [block]
        for line in told:
            self._tell(line, 0)
        if at_once > len(told):
            self._tell(rest, 0)
            return
        self._newest = rest[rest.rfind(b"\n") + 1 :] or self._newest
        self._missed += rest.count(b"\n") + 1
        if self._timer is None:
            self._timer = self._loop.call_later(1 / LINES_PER_S, self._ring)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tell_newest()

    def _ring(self) -> None:
        self._timer = None
        self._refill()
        self._tell_newest()

    def _tell_newest(self) -> None:
        if self._missed:
            missed, self._missed = self._missed, 0
            self._tell(self._newest, missed - 1)

    def _refill(self) -> None:
        now_s = self._loop.time()
        self._free = min(LINES_BURST, self._free + (now_s - self._at_s) * LINES_PER_S)
        self._at_s = now_s

    def _tell(self, line: bytes, before: int) -> None:
        text = _shown(line, self._redact)
        if not text and not before:
            return
        self._free -= 1
        self._progress(f"{text} (and {before:,} lines before it)" if before else text)


def _shown(line: bytes, redact: Redact) -> str:
    """A line for people: no secret, no colour, not too long."""
    text = redact(line.decode("utf-8", "replace"))
    if len(line) >= 2 * OVERLAP_BYTES:
        text = text[:-OVERLAP_BYTES]
    text = _ESCAPES.sub("", text[: 4 * LINE_MAX_CHARS]).rstrip()
    return text if len(text) <= LINE_MAX_CHARS else f"{text[:LINE_MAX_CHARS]}..."
