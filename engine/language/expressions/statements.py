"""The statements of a template as closures that write text: parts, `if`, `for`, `set`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jinja2 import nodes

from engine.language.expressions.budget import Budget
from engine.language.expressions.compile import Ask, compile_expression, described
from engine.language.expressions.problem import TemplateProblem, TooMuch
from engine.language.expressions.values import kind, sequence, text, truth

Write = Callable[[Budget], None]


def compile_body(body: Sequence[nodes.Node]) -> Write:
    """One closure that writes what these statements give. The tree must have passed `check`."""
    writers = tuple(_statement(node) for node in body)
    if len(writers) == 1:
        return writers[0]

    def write(budget: Budget) -> None:
        for writer in writers:
            writer(budget)

    return write


def _statement(node: nodes.Node) -> Write:
    if isinstance(node, nodes.Output):
        return _output(node)
    if isinstance(node, nodes.If):
        return _if(node)
    if isinstance(node, nodes.For):
        return _for(node)
    if isinstance(node, nodes.Assign):
        return _set(node)
    raise TemplateProblem(f"{type(node).__name__} is not available")


def _output(node: nodes.Output) -> Write:
    parts = tuple(compile_expression(part) for part in node.nodes)

    def write(budget: Budget) -> None:
        for part in parts:
            try:
                budget.write(text(budget, part(budget)))
            except TooMuch:
                raise
            except TemplateProblem as problem:
                if not budget.lenient:
                    raise
                budget.write(f"(unknown: {problem.message})")

    return write


def _if(node: nodes.If) -> Write:
    ways = [(compile_expression(way.test), compile_body(way.body)) for way in (node, *node.elif_)]
    otherwise = compile_body(node.else_)

    def write(budget: Budget) -> None:
        for test, body in ways:
            if truth(test(budget)):
                body(budget)
                return
        otherwise(budget)

    return write


def _binder(target: nodes.Node) -> Callable[[dict[str, Any], Any], None]:
    if isinstance(target, nodes.Name):
        name = target.name
        return lambda local, value: local.__setitem__(name, value)
    names = [part.name for part in getattr(target, "items", ()) if isinstance(part, nodes.Name)]

    def bind(local: dict[str, Any], value: Any) -> None:
        if not isinstance(value, (list, tuple)) or len(value) != len(names):
            raise TemplateProblem(f"{kind(value)} cannot be dealt out to {', '.join(names)}")
        local.update(zip(names, value, strict=True))

    return bind


def _set(node: nodes.Assign) -> Write:
    value, bind = compile_expression(node.node), _binder(node.target)

    def write(budget: Budget) -> None:
        bind(budget.local, value(budget))

    return write


def _for(node: nodes.For) -> Write:
    """A loop. What is set inside is gone after the round, as in Jinja."""
    items_of, bind, what = compile_expression(node.iter), _binder(node.target), described(node.iter)
    keep = None if node.test is None else compile_expression(node.test)
    body, otherwise = compile_body(node.body), compile_body(node.else_)
    size = _size(node)

    def write(budget: Budget) -> None:
        outer = budget.local
        given = sequence(items_of(budget), f"the loop over {what}")
        items = given if keep is None else _kept(budget, given, bind, keep)
        for at, value in enumerate(items):
            budget.round(size)
            budget.local = {**outer, "loop": _loop(items, at)}
            bind(budget.local, value)
            body(budget)
        budget.local = outer
        if not items:
            otherwise(budget)

    return write


def _kept(
    budget: Budget, items: Sequence[Any], bind: Callable[[dict[str, Any], Any], None], keep: Ask
) -> list[Any]:
    outer, kept = budget.local, []
    for value in items:
        budget.round(5)
        budget.local = dict(outer)
        bind(budget.local, value)
        if truth(keep(budget)):
            kept.append(value)
    budget.local = outer
    return kept


def _loop(items: Sequence[Any], at: int) -> dict[str, Any]:
    count = len(items)
    loop = {
        "index": at + 1,
        "index0": at,
        "revindex": count - at,
        "revindex0": count - at - 1,
        "first": at == 0,
        "last": at == count - 1,
        "length": count,
    }
    if at:
        loop["previtem"] = items[at - 1]
    if at + 1 < count:
        loop["nextitem"] = items[at + 1]
    return loop


def _size(node: nodes.Node) -> int:
    """How many nodes a round touches, inner loops once: each of their rounds pays for itself."""
    return 1 + sum(_size(child) for child in node.iter_child_nodes())
