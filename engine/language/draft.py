"""What one file is while it is being read: its diagnostics, its ids, and where its texts stand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct, field

from engine.errors import Collector, Place
from engine.language.catalog import Catalog
from engine.language.model import RESERVED, Entry, Expression, RunbookCall, Template
from engine.language.nodes import Node, Scalar
from engine.language.patterns import (
    MAX_CHARS,
    MAX_CHARS_TOGETHER,
    MAX_MATCHES,
    compile_problem,
    matches_soon,
)
from engine.language.template import Analysis, analyse
from engine.language.words import did_you_mean, named

if TYPE_CHECKING:
    from engine.language.fields import Record

MAX_ENTRIES = 2_000
"""Entries of one runbook. The longest procedure we know has 60 steps."""

MAX_TEMPLATE_CHARS = 256 * 1024
"""Characters in all templates and expressions of one runbook: each is parsed, which costs."""

TEMPLATE_COST_CHARS = 80
"""What a template costs beside its length: the shortest one takes as long as 80 characters."""

ID = re.compile(r"[a-z][a-z0-9_]{0,62}")
MARKS = ("{{", "{%", "{#")


class Draft(Struct):
    """A file being read. How entries are read is given: the kinds of values do not know them."""

    file: str
    catalog: Catalog
    collector: Collector
    read_block: Callable[[Draft, Node, str], tuple[Entry, ...]]
    read_entry: Callable[[Draft, Node], Entry]
    ids: dict[str, Place] = field(default_factory=dict)
    """Where each given id stands."""
    calls: list[tuple[Record, RunbookCall]] = field(default_factory=list)
    """Steps that are runbooks, with what was written."""
    entries: int = 0
    matches: int = 0
    """Values matched against patterns so far."""
    _made: dict[str, int] = field(default_factory=dict)
    _texts: dict[tuple[Place, bool], tuple[Scalar, Analysis]] = field(default_factory=dict)
    _template_chars: int = 0
    _pattern_chars: int = 0

    def error(self, code: str, what: str, at: Node, help: str | None = None) -> None:
        self.collector.add(code, what, at.place, help, at.width)

    def warn(self, code: str, what: str, at: Node, help: str | None = None) -> None:
        """Warnings leave room: an error that the collector has no room for would be no error."""
        if len(self.collector.found) * 2 < self.collector.limit:
            self.collector.warn(code, what, at.place, help, at.width)

    @property
    def full(self) -> bool:
        """Nothing more would be told: what only serves to tell may be left out."""
        return len(self.collector.found) >= self.collector.limit

    def suggest(
        self, word: str, known: Callable[[], list[str]], otherwise: str | None = None
    ) -> str | None:
        return None if self.full else did_you_mean(word, known(), otherwise)

    # ids

    def claim(self, node: Node | None, stem: str) -> tuple[str, bool]:
        """The id of an entry, and whether its author gave it. A bad one is told and kept."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            if node is not None:
                self.error("RB201", "an id is a text", node, ID_HELP)
            return self._make(stem), False
        self._check_id(node)
        self.ids.setdefault(node.text, node.place)
        return node.text, True

    def _make(self, stem: str) -> str:
        number = self._made[stem] = self._made.get(stem, 0) + 1
        return stem if number == 1 and "-" in stem else f"{stem}-{number}"

    def _check_id(self, node: Scalar) -> None:
        if not ID.fullmatch(node.text):
            fitting = re.sub(r"[^a-z0-9_]+", "_", node.text.lower()).strip("_")
            hint = f"did you mean {named(fitting)}?" if ID.fullmatch(fitting) else ID_HELP
            self.error("RB201", f"{named(node.text)} cannot be an id", node, hint)
        elif node.text in RESERVED:
            what = f"{named(node.text)} means something else in every expression"
            self.error("RB202", what, node, "take another id")
        elif node.text in self.ids:
            first = self.ids[node.text]
            what = f"the id {named(node.text)} is taken"
            self.error(
                "RB203", what, node, f"the other one is at line {first.line}, column {first.column}"
            )

    # patterns

    def pattern(self, text: str, at: Node, whose: str) -> bool:
        """Whether a regular expression can be used; tells where it cannot."""
        if self._pattern_chars > MAX_CHARS_TOGETHER:
            return False
        self._pattern_chars += len(text)
        if self._pattern_chars > MAX_CHARS_TOGETHER:
            what = f"the patterns of the runbook have more than {MAX_CHARS_TOGETHER:,} characters"
            self.error("RB126", what, at, "a runbook can call others: split it")
            return False
        problem = compile_problem(text)
        if problem:
            self.error("RB125", f"{whose} {problem}", at)
        return problem is None

    def may_match(self, pattern: str | None, value: object, at: Node) -> bool:
        """Whether a value can be matched while reading; a pattern that takes long is told."""
        if pattern is None or not isinstance(value, str):
            return True
        self.matches += 1
        if self.matches > MAX_MATCHES or len(value) > MAX_CHARS:
            return False
        if matches_soon(pattern, value):
            return True
        what = "matching this against its pattern takes too long"
        hint = "a repeat inside a repeat, such as (a+)+, multiplies the ways: write it flat"
        self.error("RB127", what, at, hint)
        return False

    # templates and expressions

    def expression(self, node: Scalar) -> Expression:
        self._analyse(node, bare=True)
        return Expression(node.text, node.at(0))

    def template(self, node: Scalar) -> Template:
        self._analyse(node, bare=False)
        return Template(node.text, node.at(0))

    def analysis(self, text: Expression | Template) -> tuple[Scalar, Analysis] | None:
        """What was found in a template or expression of this file; None where none was read."""
        return self._texts.get((text.place, isinstance(text, Expression)))

    def template_analysis(self, node: Scalar) -> Analysis | None:
        """What was found in the template at a node; None where it is none that was read."""
        found = self._texts.get((node.at(0), False))
        return found[1] if found else None

    def spot(self, scalar: Scalar, offset: int, width: int) -> tuple[Place, int]:
        """The place of a part of a text; of the whole where the parts cannot be told apart."""
        exact = scalar.origin is not None
        return (scalar.at(offset), width) if exact else (scalar.place, scalar.width)

    def _analyse(self, node: Scalar, *, bare: bool) -> None:
        key = (node.at(0), bare)
        if key in self._texts or self._too_many_templates(node):
            return
        found = analyse(node.text, bare=bare)
        self._texts[key] = (node, found)
        for problem in found.problems:
            width = problem.width if problem.offset is not None else node.width
            place, width = self.spot(node, problem.offset or 0, width)
            self.collector.add("RB401", problem.message, place, problem.help, width)

    def _too_many_templates(self, node: Scalar) -> bool:
        """Whether the runbook has used up its templates; told once."""
        if self._template_chars > MAX_TEMPLATE_CHARS:
            return True
        self._template_chars += len(node.text) + TEMPLATE_COST_CHARS
        if self._template_chars <= MAX_TEMPLATE_CHARS:
            return False
        what = "the runbook has too many templates and expressions, or they are too long"
        self.error("RB405", what, node, "a runbook can call others: split it")
        return True


ID_HELP = "begin with a small letter; go on with small letters, digits and _, 63 at most"
