"""A text becomes Jinja's syntax tree, in which every node knows its offset.

Jinja counts lines only. Here the lexer hands the parser offsets in the place of line numbers, so
that every node and every message can be pointed at. Importing this module imports Jinja (15 ms), so
`template` does it when there is the first template to read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Environment, nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.lexer import Lexer
from jinja2.parser import Parser

from engine.language.expressions.problem import TemplateProblem

TEXT_LIMIT_CHARS: Final = 64 * 1024
"""64 KiB: a template longer than that belongs into a file of its own, and takes long to read."""

NESTING_LIMIT: Final = 75
"""Brackets count three times, so 25 inside each other; each level takes 15 calls of the parser."""

_AT: Final = re.compile(r" at (\d+)\Z")
_OPERATORS: Final = {
    "&": "and is written `and`",
    "!": "not is written `not`, unequal `!=`",
    "=": "equal is written `==`",
    "?": "a choice is written `a if condition else b`",
    "$": "a name is written without `$`",
}


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed text. `spans` gives, by `id` of a node, what a side of `and`, `or`, `not` covers."""

    text: str
    bare: bool
    body: list[nodes.Node]
    spans: dict[int, tuple[int, int]]

    @property
    def single(self) -> nodes.Expr | None:
        """The one expression this text is, or None where it is a text with parts in it.

        A line break at the end, which a `|` block of YAML leaves, does not make it a text.
        """
        if len(self.body) != 1:
            return None
        only = self.body[0]
        if isinstance(only, nodes.Expr):
            return only
        if not isinstance(only, nodes.Output) or not only.nodes:
            return None
        first, *rest = only.nodes
        if isinstance(first, nodes.TemplateData):
            return None
        blank = all(isinstance(r, nodes.TemplateData) and not r.data.strip("\n") for r in rest)
        return first if blank else None


class _OffsetLexer(Lexer):
    """Yields offsets in the place of line numbers."""

    def tokeniter(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> Iterator[tuple[int, str, str]]:
        at = 0
        try:
            for _, token, value in super().tokeniter(source, name, filename, state):
                # Between tokens the lexer drops white space only, so the next one is the nearest.
                at = max(at, source.find(value, at))
                yield at, token, value
                at += len(value)
        except TemplateSyntaxError as e:
            exact = _AT.search(e.message or "")
            e.lineno = int(exact[1]) if exact else at
            raise


class _Environment(Environment):
    """Jinja's settings: as they come, but a line break at the end of a text is kept."""

    def __init__(self) -> None:
        super().__init__(keep_trailing_newline=True)
        self._offset_lexer = _OffsetLexer(self)

    @property
    def lexer(self) -> Lexer:
        return self._offset_lexer


class _BoundedParser(Parser):
    """Refuses what is nested too deeply, whatever the caller's own stack, and notes spans."""

    def __init__(self, source: str, *, bare: bool) -> None:
        self.depth = 0
        self.source = source
        self.spans: dict[int, tuple[int, int]] = {}
        super().__init__(_ENVIRONMENT, source, state="variable" if bare else None)

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > NESTING_LIMIT:
            self.fail("this is nested too deeply")

    def parse_condexpr(self) -> nodes.Expr:
        self._enter()
        result = super().parse_condexpr()
        self.depth -= 1
        return result

    def parse_unary(self, with_filter: bool = True) -> nodes.Expr:
        self._enter()
        result = super().parse_unary(with_filter)
        self.depth -= 1
        return result

    def parse_test(self, node: nodes.Expr) -> nodes.Expr:
        result = super().parse_test(node)
        test = result.node if isinstance(result, nodes.Not) else result
        if isinstance(test, nodes.Test):  # Jinja's offset is that of `is`
            test.lineno = max(test.lineno, self.source.find(test.name, test.lineno + len("is")))
        return result

    def parse_statement(self) -> nodes.Node | list[nodes.Node]:
        self._enter()
        result = super().parse_statement()
        self.depth -= 1
        return result

    def parse_and(self) -> nodes.Expr:
        start = self.stream.current.lineno
        return self._span(start, super().parse_and())

    def parse_not(self) -> nodes.Expr:
        self._enter()
        start = self.stream.current.lineno
        result = self._span(start, super().parse_not())
        self.depth -= 1
        return result

    def _span(self, start: int, node: nodes.Expr) -> nodes.Expr:
        following = self.stream.current
        end = len(self.source) if following.type == "eof" else following.lineno
        self.spans[id(node)] = (start, end)
        return node


_ENVIRONMENT: Final = _Environment()


def parse(text: str, *, bare: bool) -> Tree:
    """The tree of an expression (`bare`) or a template. Raises TemplateProblem with the offset."""
    if len(text) > TEXT_LIMIT_CHARS:
        raise TemplateProblem(f"this has more than {TEXT_LIMIT_CHARS:,} characters, the limit")
    source = text.replace("\r\n", "\n").replace("\r", "\n")
    if bare and not source.strip():
        raise TemplateProblem("the expression is empty")
    try:
        return _parse(source, bare=bare)
    except TemplateSyntaxError as e:
        raise _told(e, source, bare) from e
    except RecursionError as e:
        raise TemplateProblem("this is nested too deeply") from e
    except (ValueError, OverflowError, SyntaxError) as e:
        raise TemplateProblem("a number in this is too long") from e


def _parse(source: str, *, bare: bool) -> Tree:
    parser = _BoundedParser(source, bare=bare)
    body: list[Any]
    if bare:
        body = [parser.parse_expression()]
        if parser.stream.current.type != "eof":
            left = parser.stream.current
            parser.fail(
                f"there is something after the end of the expression: {left.value!r}", left.lineno
            )
    else:
        body = list(parser.subparse())
    return Tree(source, bare, body, parser.spans)


def _told(error: TemplateSyntaxError, source: str, bare: bool) -> TemplateProblem:
    offset = min(error.lineno, len(source))
    message = _AT.sub("", error.message or "this is not an expression").rstrip(".")
    advice = _OPERATORS.get(source[offset : offset + 1])
    if bare and source.lstrip().startswith(("{{", "{%")):
        advice = "write the expression alone, without {{ }}"
    elif message.startswith("Encountered unknown tag"):
        advice = "the statements are if, for and set"
    return TemplateProblem(_lowered(message), help=advice, offset=offset)


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]
