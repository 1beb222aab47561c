"""YAML text -> tree of nodes with places, or diagnostics: YAML 1.2 core, with limits.

The events come from PyYAML (libyaml where it is installed, else its pure parser); everything that
gives them a meaning is here, so that no loader, tag or YAML 1.1 rule can get in between. What YAML
allows and a runbook does not need is refused with the way to write it instead: tags, directives,
several documents, merge keys, keys that are no text, tabs between values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import Reader
from yaml.scanner import Scanner

from engine.errors import Collector, Place
from engine.language.nodes import Mapping, Node, Scalar, Sequence
from engine.language.tree import Tree
from engine.language.words import named
from engine.language.yaml_words import in_our_words

MAX_FILE_BYTES = 1024 * 1024
"""1 MiB of UTF-8. The longest runbook we know has 30 KiB; beyond this it is no runbook."""


class PureParser(Reader, Scanner, yaml.parser.Parser):
    """PyYAML's own parser: the same events as libyaml's, twenty times slower."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


def _best_parser() -> type[Any]:
    try:
        from yaml._yaml import CParser  # noqa: PLC0415 - there only where PyYAML was built with it
    except ImportError:
        return PureParser
    return CParser


Parser: type[Any] = _best_parser()
"""libyaml's parser where it is there, else the pure one."""

_REFUSED_ASCII = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_REFUSED = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]"
"""Control characters, lone surrogates, a byte order mark inside, line ends unknown to editors."""

_BOM = "\ufeff"
_BREAK = re.compile("\r\n|\r|\n")


def read(path: Path, collector: Collector, shown_as: str | None = None) -> str | None:
    """The text of a file, or None with a diagnostic. Reads at most 1 MiB and a byte."""
    place = Place(shown_as or str(path), 1, 1)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        collector.add("RB001", f"cannot read the file: {error.strerror or error}", place)
        return None
    return decode(data, place.file, collector)


def decode(data: bytes, file: str, collector: Collector) -> str | None:
    """The text of UTF-8 bytes, or None with a diagnostic at the first byte that is not."""
    start = Place(file, 1, 1)
    if len(data) > MAX_FILE_BYTES:
        collector.add(
            "RB002", "the file is larger than 1 MiB", start, "split it: a runbook can call others"
        )
        return None
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        collector.add("RB003", "the file is UTF-16, not UTF-8", start, "save it as UTF-8")
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _place_of(data[: error.start].decode("utf-8"), error.start, file)
        collector.add(
            "RB003",
            f"the byte 0x{data[error.start]:02x} is not UTF-8",
            place,
            "save the file as UTF-8",
        )
        return None


def lines_of(text: str) -> list[str]:
    """The lines as the parser counts them, without their ends and without a byte order mark."""
    return _BREAK.split(text.removeprefix(_BOM))


def parse(text: str, file: str, collector: Collector) -> Node | None:
    """The tree of a text; None where it could not be read to its end. Raises for no text."""
    if len(text) > MAX_FILE_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
        collector.add(
            "RB002",
            "the file is larger than 1 MiB",
            Place(file, 1, 1),
            "split it: a runbook can call others",
        )
        return None
    text = text.removeprefix(_BOM)
    if not _allowed(text, file, collector):
        return None
    tree = Tree(text, file, collector)
    try:
        for event in _events(text):
            if not tree.take(event):
                return None
    except yaml.YAMLError as error:
        _tell(error, text, tree, collector)
        return None
    if _find_tab(text, tree, collector):
        return None
    if tree.root is None:
        collector.add(
            "RB005",
            "the file is empty",
            Place(file, 1, 1),
            "`runbook new` writes a runbook to start from",
        )
    return tree.root


def _allowed(text: str, file: str, collector: Collector) -> bool:
    """Whether the characters are ones a runbook may have, and no directive comes first."""
    found = re.search(_REFUSED_ASCII if text.isascii() else _REFUSED, text)
    if found:
        place = _place_of(text, found.start(), file)
        what = f"the character U+{ord(found.group()):04X} has no place in a text file"
        collector.add("RB004", what, place, "remove it, or write it as an escape in double quotes")
        return False
    for number, line in enumerate(_first_lines(text), start=1):
        if line.startswith("%"):
            what = f"directives are not read: {named(line)}"
            collector.add("RB009", what, Place(file, number, 1), "leave the line out", len(line))
            return False
        if line.strip() and not line.lstrip().startswith("#"):
            break
    return True


def _first_lines(text: str) -> Iterator[str]:
    start = 0
    for end in _BREAK.finditer(text):
        yield text[start : end.start()]
        start = end.end()
    yield text[start:]


def _events(text: str) -> Iterator[Any]:
    parser = Parser(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


def _tell(error: yaml.YAMLError, text: str, tree: Tree, collector: Collector) -> None:
    """Tells why the parser stopped, unless what was told before led to it."""
    mark = getattr(error, "problem_mark", None)
    lines = lines_of(text)
    place = _marked(mark, lines, tree.file)
    tab = _tab_in(lines[place.line - 1], place.column)
    if mark and _find_tab(text[: mark.index], tree, collector):
        return
    if tab is not None:
        _tell_tab(Place(tree.file, place.line, tab), collector)
        return
    context = str(getattr(error, "context", None))
    opening = getattr(error, "context_mark", None)
    if mark and opening and _is_open(context, opening.line < mark.line, text[mark.index :]):
        place = _marked(opening, lines, tree.file)
    if any(d.place.file == tree.file and d.place.line == place.line for d in collector.errors):
        return
    at = lines[place.line - 1][place.column - 1 : place.column]
    what, hint = in_our_words(str(getattr(error, "problem", error)), context, at)
    collector.add("RB007", what, place, hint)


def _marked(mark: Any, lines: list[str], file: str) -> Place:
    """The place of a mark. libyaml's idea of the end is a line further than the pure parser's."""
    if mark is None:
        return Place(file, 1, 1)
    if mark.line >= len(lines):
        return Place(file, len(lines), len(lines[-1]) + 1)
    return Place(file, mark.line + 1, mark.column + 1)


def _is_open(context: str, lines_before: bool, rest: str) -> bool:
    """Whether what began earlier was never closed: then its beginning is what to look at."""
    return "quoted" in context or ("flow" in context and (lines_before or not rest.strip()))


def _tab_in(line: str, column: int) -> int | None:
    """The column of a tab that stands in the indentation, or where the parser stopped."""
    indentation = line[: len(line) - len(line.lstrip())]
    if "\t" in indentation:
        return indentation.index("\t") + 1
    return column if line[column - 1 : column] == "\t" else None


def _tell_tab(place: Place, collector: Collector) -> None:
    collector.add("RB006", "a tab stands where YAML allows only spaces", place, "write spaces")


def _find_tab(text: str, tree: Tree, collector: Collector) -> bool:
    """Tells about a tab between values or in one without quotes, where libyaml lets many pass."""
    if "\t" not in text:
        return False
    spans = iter(tree.spans)
    start, end = next(spans, (len(text), len(text)))
    comment_to = 0
    for found in re.finditer(r"[\t#]", text):
        position = found.start()
        while position >= end and end < len(text):
            start, end = next(spans, (len(text), len(text)))
        if position < comment_to or start <= position < end:
            continue
        if found.group() == "#":
            line_end = _BREAK.search(text, position)
            comment_to = line_end.start() if line_end else len(text)
        else:
            _tell_tab(_place_of(text, position, tree.file), collector)
            return True
    return False


def _place_of(text: str, offset: int, file: str) -> Place:
    before = _BREAK.split(text[:offset])
    return Place(file, len(before), len(before[-1]) + 1)


__all__ = [
    "MAX_FILE_BYTES",
    "Mapping",
    "Node",
    "Parser",
    "Scalar",
    "Sequence",
    "decode",
    "lines_of",
    "parse",
    "read",
]
