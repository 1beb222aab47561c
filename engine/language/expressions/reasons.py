"""Why an expression does not hold, with the values that decided it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jinja2 import nodes

from engine.language.expressions.budget import Budget
from engine.language.expressions.compile import compile_expression, described
from engine.language.expressions.operators import COMPARE
from engine.language.expressions.parse import Tree
from engine.language.expressions.step import STATUSES, StepView
from engine.language.expressions.values import kind, plain, truth
from engine.language.shown import shown

SHOWN_CHARS: Final = 120
"""Of each value in a line."""

TEXT_SHOWN_CHARS: Final = 200
"""Of the expression in a line; the runbook holds all of it."""


def reasons(tree: Tree, scope: Mapping[str, Any]) -> list[str]:
    """A line for each part that made the expression false."""
    expression = tree.single
    return [] if expression is None else _Why(tree, scope).of(expression, tree.text)


class _Why:
    def __init__(self, tree: Tree, scope: Mapping[str, Any]) -> None:
        self.tree = tree
        self.scope = scope

    def ask(self, node: nodes.Expr) -> Any:
        return compile_expression(node)(Budget(self.scope))

    def text(self, node: nodes.Node) -> str:
        start, end = self.tree.spans.get(id(node), (0, len(self.tree.text)))
        return self.tree.text[start:end]

    def of(self, node: nodes.Expr, text: str) -> list[str]:
        line = _one_line(text)
        if isinstance(node, nodes.And):
            side = node.right if truth(self.ask(node.left)) else node.left
            return self.of(side, self.text(side))
        if isinstance(node, nodes.Or):
            return [
                one for side in (node.left, node.right) for one in self.of(side, self.text(side))
            ]
        if isinstance(node, nodes.Compare):
            return [f"{line}: {self.compared(node)}"]
        if isinstance(node, nodes.Not):
            return [f"{line}: {self.negated(node)}"]
        if isinstance(node, nodes.Test):
            return [f"{line}: {self.tested(node)}"]
        return [f"{line}: is {self.shown(self.ask(node))}"]

    def shown(self, value: Any) -> str:
        if isinstance(value, StepView):
            return kind(value)
        return shown(plain(Budget(self.scope), value), SHOWN_CHARS)

    def compared(self, node: nodes.Compare) -> str:
        values = [self.ask(part) for part in (node.expr, *(op.expr for op in node.ops))]
        texts = [self.shown(value) for value in values]
        numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
        if len(numbers) == len(values) and len(set(texts)) < len(set(numbers)):
            texts = [repr(number) for number in numbers]
        parts = [texts[0]]
        for op, text in zip(node.ops, texts[1:], strict=True):
            parts += [COMPARE[op.op][0], text]
        note = "; NaN (not a number) compares false" if any(v != v for v in numbers) else ""  # noqa: PLR0124
        return f"{' '.join(parts)} does not hold{note}"

    def negated(self, node: nodes.Not) -> str:
        inner = node.node
        if isinstance(inner, nodes.Test):
            return self.tested(inner, held=True)
        if isinstance(inner, nodes.Compare):
            return self.compared(inner).replace("does not hold", "holds")
        return f"{_one_line(self.text(inner))} is {self.shown(self.ask(inner))}"

    def tested(self, node: nodes.Test, *, held: bool = False) -> str:
        what = described(node.node)
        if node.name in {"defined", "undefined"}:
            there = held == (node.name == "defined")
            return f"{what} is {'there' if there else 'not there'}"
        value = self.ask(node.node)
        if isinstance(value, StepView):
            ending = value.status if value.status in STATUSES else value.reason()
            return f"{value.id} is {ending}"
        return f"{what} is {self.shown(value)}"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_SHOWN_CHARS else f"{line[: TEXT_SHOWN_CHARS - 1]}…"
