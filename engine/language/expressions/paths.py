"""The `jmespath` filter: a query over JSON, bounded like everything else.

JMESPath has no loops, but `[@, @][]` doubles a list and can be repeated, so each visit of a node
and each list that is made is paid for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from jmespath import exceptions
from jmespath.functions import Functions
from jmespath.parser import Parser
from jmespath.visitor import TreeInterpreter

from engine.language.expressions.budget import Budget, check_items, check_length
from engine.language.expressions.problem import TemplateProblem
from engine.language.expressions.values import kind, plain
from engine.language.shown import shown

QUERY_LIMIT_CHARS: Final = 1000
"""Longer than any query a person reads; a query's depth is bounded by it too."""


class _Interpreter(TreeInterpreter):
    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self.budget = budget
        self.functions = Functions()

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self.budget.spend(2)
        result = super().visit(node, *args, **kwargs)
        if type(result) is list:
            self.budget.spend(len(result))
        return result

    def visit_flatten(self, node: Any, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        sizes = [len(one) if isinstance(one, list) else 1 for one in base]
        check_items(sum(sizes))
        self.budget.spend(sum(sizes))
        flat: list[Any] = []
        for one in base:
            flat.extend(one if isinstance(one, list) else (one,))
        return flat

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        arguments = [self.visit(child, value) for child in node["children"]]
        for argument in arguments:
            if not callable(argument):
                self.budget.weigh(argument)
        if node["value"] == "join" and len(arguments) == 2 and isinstance(arguments[1], list):
            check_length(len(str(arguments[0])) * len(arguments[1]))
        return self.budget.made(self.functions.call_function(node["value"], arguments))

    def visit_comparator(self, node: Any, value: Any) -> Any:
        for child in node["children"]:
            self.budget.weigh(self.visit(child, value))
        return super().visit_comparator(node, value)


def jmespath(budget: Budget, value: Any, query: Any) -> Any:
    """What a JMESPath query finds in the value; null where it finds nothing."""
    if not isinstance(query, str):
        raise TemplateProblem(f"`jmespath` takes a query, not {kind(query)}")
    if len(query) > QUERY_LIMIT_CHARS:
        raise TemplateProblem(f"a JMESPath query has at most {QUERY_LIMIT_CHARS:,} characters")
    try:
        tree = _parse(query)
        return budget.made(_Interpreter(budget).visit(tree, plain(budget, value)))
    except exceptions.JMESPathError as e:
        first = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise TemplateProblem(f"`jmespath` {shown(query, 60)}: {first[:200]}") from e
    except RecursionError as e:
        raise TemplateProblem(f"`jmespath` {shown(query, 60)}: nested too deeply") from e


def _parse(query: str) -> dict[str, Any]:
    parse: Callable[[str], Any] = Parser().parse
    parsed: dict[str, Any] = parse(query).parsed
    return parsed
