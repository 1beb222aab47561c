"""Text as a terminal shows it: colours, symbols, tables. What comes from outside goes through
`engine.core.cells.clean` first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil

from msgspec import Struct

from engine.core.cells import cells, clean, cut

TITLE_MAX_CELLS = 36
"""Of the column of titles. Longer titles push what follows; most are under 30 characters."""

COLOURS: Mapping[str, str] = {
    "green": "32",
    "yellow": "33",
    "red": "31",
    "cyan": "36",
    "dim": "2",
    "bold": "1",
}


def pad(text: str, width: int) -> str:
    return text + " " * max(0, width - cells(text))


def in_turn(channels: Iterable[str]) -> str:
    """`slack, else sms`: of channels the second is taken where the first fails."""
    return ", else ".join(channels)


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns, cut between words where there are any."""
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        line = ""
        for word in clean(paragraph).split():
            candidate = f"{line} {word}" if line else word
            if line and cells(candidate) > width:
                lines.append(line)
                line = word
            else:
                line = candidate
        lines.append(line)
    return [cut(line, width) for line in lines]


class Style(Struct, frozen=True):
    """How text is dressed for a stream: with colours or not, with Unicode symbols or ASCII ones."""

    color: bool = False
    unicode: bool = True

    def paint(self, text: str, colour: str) -> str:
        if not self.color or not text:
            return text
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m"

    @property
    def ellipsis(self) -> str:
        return "\N{HORIZONTAL ELLIPSIS}" if self.unicode else "..."

    def symbol(self, word: str) -> str:
        fancy, plain, _ = _SYMBOLS.get(word, ("-", "-", "dim"))
        return fancy if self.unicode else plain

    def colour_of(self, word: str) -> str:
        return _SYMBOLS.get(word, ("-", "-", "dim"))[2]

    def spinner(self, tick: int) -> str:
        frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if self.unicode else "|/-\\"
        return frames[tick % len(frames)]


_SYMBOLS: Mapping[str, tuple[str, str, str]] = {
    "passed": ("✓", "+", "green"),
    "resolved": ("✓", "+", "green"),
    "ok": ("✓", "+", "green"),
    "calling": ("\N{BLACK UP-POINTING TRIANGLE}", "!", "yellow"),
    "asking": ("\N{BLACK UP-POINTING TRIANGLE}", "!", "yellow"),
    "taken": ("\N{CHECK MARK}", "+", "green"),
    "untaken": ("✗", "x", "red"),
    "held": ("▲", "!", "red"),
    "warning": ("▲", "!", "yellow"),
    "failed": ("✗", "x", "red"),
    "unresolved": ("✗", "x", "red"),
    "not ok": ("✗", "x", "red"),
    "errored": ("✗", "x", "red"),
    "aborted": ("✗", "x", "red"),
    "cancelled": ("✗", "x", "yellow"),
    "in doubt": ("?", "?", "red"),
    "skipped": ("-", "-", "dim"),
    "previewed": ("~", "~", "cyan"),
    "unverifiable": ("?", "?", "yellow"),
    "would resolve": ("✓", "+", "green"),
    "would stop": ("✗", "x", "red"),
    "cannot tell": ("?", "?", "yellow"),
    "undone": ("✓", "+", "green"),
    "waiting": ("◌", "o", "cyan"),
    "running": ("•", "*", "cyan"),
}
"""By word: the Unicode symbol, the ASCII one, the colour. The word itself is always shown too."""


def table(  # noqa: PLR0913 - what stands in it, and how it becomes narrower
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    style: Style,
    keep: int = 99,
    *,
    whole: int = 1,
) -> list[str]:
    """Columns as wide as their longest cell. The `whole` first ones, by which a row is named, are
    never cut.

    Where they do not fit, columns beyond the `keep` first ones are left out from the right, the
    last of them cut where that is enough; then the widest give way.
    """
    texts = [[clean(cell) for cell in row] for row in rows]
    widths = [max(cells(row[i]) for row in [list(head), *texts]) for i in range(len(head))]
    while (over := sum(widths) + GAP_CELLS * (len(widths) - 1) - width) > 0:
        if len(widths) <= keep:
            break
        if widths[-1] - over >= CUT_COLUMN_MIN_CELLS:
            widths[-1] -= over
        else:
            widths.pop()
    _narrow(widths, width, whole)
    lines = [style.paint(_row(head, widths, style).rstrip(), "bold")]
    lines += [_row(row, widths, style).rstrip() for row in texts]
    return lines


def _narrow(widths: list[int], width: int, whole: int) -> None:
    """Takes from the widest columns but the first ones, until all fit or none has anything left."""
    rest = range(whole, len(widths))
    while sum(widths) + GAP_CELLS * (len(widths) - 1) > width:
        widest = max(rest, key=lambda i: widths[i], default=0)
        if widest == 0 or widths[widest] <= COLUMN_MIN_CELLS:
            return
        widths[widest] -= 1


GAP_CELLS = 2
"""Between the columns of a table."""

LATE_S = 0.05
"""How late a frame may be drawn without showing a second that is over."""

COLUMN_MIN_CELLS = 6
"""No column becomes narrower: it would say nothing. Lines are longer than the terminal then."""

CUT_COLUMN_MIN_CELLS = 12
"""A column that could be left out is shown cut when at least this much of it remains."""


def _row(row: Sequence[str], widths: Sequence[int], style: Style) -> str:
    return (" " * GAP_CELLS).join(
        pad(cut(cell, width, style.ellipsis), width)
        for cell, width in zip(row, widths, strict=False)
    )


def took(seconds: float) -> str:
    """How long something took, in the one or two units a person would name: `12 ms`, `4.2 s`, `3
    min 20 s`."""
    if seconds < 0.9995:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def countdown(seconds: float) -> str:
    """Whole seconds until something, never negative, in the same words as `took`.

    A second that has begun counts, but for the moment that drawing is late.
    """
    left = max(0, ceil(seconds - LATE_S))
    return f"{left} s" if left < 60 else took(left)


def ago(seconds: float) -> str:
    """How long ago something was, roughly: `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (unit == "min" and seconds >= size):
            return f"{int(seconds // size)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"
