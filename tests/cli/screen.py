"""As much of a terminal as the painter needs: what would stand on the screen."""

from __future__ import annotations

import re

_PIECE = re.compile(r"\x1b\[(\d*)([A-Za-z])|\n|[^\x1b\n]+")


class Screen:
    """What was written, as lines; understands cursor up, erase to the end of line and of screen."""

    def __init__(self, columns: int = 80) -> None:
        self.columns = columns
        self.lines: list[str] = [""]
        self._row = 0
        self._column = 0
        self.writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        for piece in _PIECE.finditer(text):
            self._put(piece)
        return len(text)

    def flush(self) -> None:
        return

    def _put(self, piece: re.Match[str]) -> None:
        number, letter = piece.group(1), piece.group(2)
        if letter == "F":
            self._row, self._column = max(0, self._row - int(number or 1)), 0
        elif letter == "K":
            self.lines[self._row] = self.lines[self._row][: self._column]
        elif letter == "J":
            self.lines[self._row] = self.lines[self._row][: self._column]
            del self.lines[self._row + 1 :]
        elif letter is None and piece.group() == "\n":
            self._down()
        elif letter is None:
            self._text(piece.group())

    def _text(self, text: str) -> None:
        while text:
            if self._column >= self.columns:
                self._down()
            here, text = text[: self.columns - self._column], text[self.columns - self._column :]
            line = self.lines[self._row].ljust(self._column)
            end = self._column + len(here)
            self.lines[self._row] = line[: self._column] + here + line[end:]
            self._column = end

    def _down(self) -> None:
        self._row, self._column = self._row + 1, 0
        if self._row == len(self.lines):
            self.lines.append("")
