"""Where a command's words go: results to stdout, all else to stderr, and a reader who left disturbs
nobody."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from engine.cli.text import Style, table

PIPE_WIDTH_CELLS = 10_000
"""Of lines that nobody sees on a terminal: programs and log files want them whole."""

ENCODINGS_OF_UNICODE = frozenset({"utf-8", "utf8", "utf-16", "utf_8"})


@dataclass(slots=True)
class Output:
    """Results and remarks of one command. With `json`, results are one JSON object a line."""

    json: bool = False
    color: bool | None = None
    """None: as the terminal and NO_COLOR say."""
    command: str = "runbook"
    """How this program was called, as far as a command that is suggested needs it."""
    style: Style = field(init=False)
    error_style: Style = field(init=False)
    failed: bool = field(init=False, default=False)
    """Results could not be written, and not because their reader left."""
    _closed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.style = _style(sys.stdout, self.color)
        self.error_style = _style(sys.stderr, self.color)

    @property
    def width(self) -> int:
        """Columns that a line may have."""
        return shutil.get_terminal_size().columns if _is_terminal(sys.stdout) else PIPE_WIDTH_CELLS

    @property
    def live(self) -> bool:
        """Whether somebody looks at a terminal that can be drawn upon."""
        return not self.json and _is_terminal(sys.stdout) and os.environ.get("TERM") != "dumb"

    @property
    def asks(self) -> bool:
        """Whether there is somebody to ask."""
        return not self.json and _is_terminal(sys.stdin) and _is_terminal(sys.stderr)

    def line(self, text: str = "") -> None:
        """A line of result, on its way at once."""
        if self._closed:
            return
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self._closed = True
            _swallow(sys.stdout)
        except OSError as e:
            self._closed = self.failed = True
            _swallow(sys.stdout)
            self.note(f"error: standard output cannot be written: {e.strerror}")

    def lines(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.line(text)

    def object(self, value: Mapping[str, Any]) -> None:
        """One JSON object on one line."""
        self.line(to_json(value))

    def table(
        self,
        head: Sequence[str],
        rows: Sequence[Sequence[str]],
        keep: int = 99,
        *,
        whole: int = 1,
    ) -> None:
        """`keep`: columns that are shown however narrow the terminal is, `whole`: and are not cut;
        see `text.table`.
        """
        self.lines(table(head, rows, self.width, self.style, keep, whole=whole))

    def note(self, text: str) -> None:
        """A remark for people: to stderr."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "), default=str)


def make_streams_safe() -> None:
    """No character may end a run: what the terminal's encoding has not is shown as its escape."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _swallow(stream: TextIO) -> None:
    """Lets the interpreter's last flush go nowhere, so that it does not complain either."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def _style(stream: TextIO, color: bool | None) -> Style:
    if color is None:
        color = _is_terminal(stream) and not os.environ.get("NO_COLOR")
        color = color and os.environ.get("TERM") != "dumb"
    return Style(color=color, unicode=_speaks_unicode(stream))


def _speaks_unicode(stream: TextIO) -> bool:
    """Whether symbols beyond ASCII arrive as they are: the stream encodes them, and the locale
    means it.

    In the C locale Python itself writes UTF-8 and sets LC_CTYPE to C.UTF-8, which says nothing
    about the terminal: then only LANG counts.
    """
    if (getattr(stream, "encoding", None) or "").lower() not in ENCODINGS_OF_UNICODE:
        return False
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        value = os.environ.get(name, "")
        if value and not (name == "LC_CTYPE" and value == "C.UTF-8"):
            return "utf" in value.lower()
    return False
