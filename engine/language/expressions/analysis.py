"""What lint wants to know of a text."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from jinja2 import nodes

from engine.language.expressions.check import check
from engine.language.expressions.parse import Tree, parse
from engine.language.expressions.problem import TemplateProblem
from engine.language.template import Analysis

CACHED_TEXTS: Final = 2048
"""As many as compiled texts."""


@functools.lru_cache(maxsize=CACHED_TEXTS)
def analysed(text: str, bare: bool) -> Analysis:
    try:
        tree = parse(text, bare=bare)
    except TemplateProblem as e:
        return Analysis((), MappingProxyType({}), (e,), bare, (None,), False)
    found = check(tree)
    return Analysis(
        names=tuple(found.names),
        offsets=MappingProxyType(found.names),
        problems=tuple(sorted(found.problems, key=lambda p: p.offset or 0)),
        single=tree.single is not None,
        outer_filters=tuple(_outer_filters(tree)),
        inside_quotes=_inside_quotes(tree),
    )


def _written(body: list[nodes.Node]) -> Iterator[nodes.Expr]:
    """Every part that a template writes, text and expressions, in the order of the text."""
    for node in body:
        if isinstance(node, nodes.Expr):
            yield node
        elif isinstance(node, nodes.Output):
            yield from node.nodes
        elif isinstance(node, nodes.If):
            for way in (node, *node.elif_):
                yield from _written(way.body)
            yield from _written(node.else_)
        elif isinstance(node, nodes.For):
            yield from _written(node.body)
            yield from _written(node.else_)


def _outer_filters(tree: Tree) -> Iterator[str | None]:
    for part in _written(tree.body):
        if not isinstance(part, nodes.TemplateData):
            yield from _last_filter(part)


def _last_filter(node: nodes.Expr) -> Iterator[str | None]:
    if isinstance(node, nodes.CondExpr):
        yield from _last_filter(node.expr1)
        if node.expr2 is not None:
            yield from _last_filter(node.expr2)
    else:
        yield node.name if isinstance(node, nodes.Filter) else None


def _inside_quotes(tree: Tree) -> bool:
    """Whether an expression stands where a quote of the text before it is still open, as a shell
    reads it."""
    open_quote = ""
    for part in _written(tree.body):
        if not isinstance(part, nodes.TemplateData):
            if open_quote:
                return True
            continue
        escaped = False
        for character in part.data:
            if escaped:
                escaped = False
            elif character == "\\" and open_quote != "'":
                escaped = True
            elif open_quote:
                open_quote = "" if character == open_quote else open_quote
            elif character in "'\"":
                open_quote = character
    return False
