"""What a tree may contain, and the names it uses.

The kinds of nodes that are allowed are listed; all others are refused, whatever Jinja adds one day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jinja2 import nodes

from engine.language.expressions.filters import (
    DEFAULT,
    FILTERS,
    arguments_problem,
    unknown_filter,
)
from engine.language.expressions.methods import ALL_METHODS, FUNCTIONS, unknown_method
from engine.language.expressions.parse import Tree
from engine.language.expressions.problem import TemplateProblem
from engine.language.expressions.tests import DEFINED, TESTS, test_names
from engine.language.shown import did_you_mean

DEPTH_LIMIT: Final = 100
"""Nodes inside each other; evaluation takes a call for each, and Python has a thousand."""

_STATEMENTS: Final = frozenset(("For", "If", "Assign"))
_EXPRESSIONS: Final = frozenset(
    (
        *("Output", "TemplateData", "Const", "Name", "Getattr", "Getitem", "Slice"),
        *("List", "Tuple", "Dict", "Pair", "Filter", "Test", "Call", "Keyword"),
        *("Compare", "Operand", "And", "Or", "Not", "CondExpr", "Concat"),
        *("Neg", "Pos", "Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"),
    )
)
_TAGS: Final = {
    "Macro": "macro",
    "CallBlock": "call",
    "FilterBlock": "filter",
    "AssignBlock": "set ... endset",
    "Include": "include",
    "Import": "import",
    "FromImport": "from ... import",
    "Extends": "extends",
    "Block": "block",
    "With": "with",
    "Scope": "autoescape",
    "NSRef": "namespace",
}
_FUNCTION_HELP: Final = {
    "namespace": "no value is changed here",
    "now": "the time is a name, not a function: `now`",
    "open": "no file is in reach",
    "env": "no environment variable is in reach; a connection may name one as ${env:NAME}",
    "len": "use the filter `| length`",
    "str": "use the filter `| string`",
    "int": "use the filter `| int`",
    "float": "use the filter `| float`",
    "max": "use the filter `| max`",
    "min": "use the filter `| min`",
    "sum": "use the filter `| sum`",
    "round": "use the filter `| round`",
    "sorted": "use the filter `| sort`",
}


@dataclass(slots=True)
class Findings:
    """What a walk over a tree has found. `names` in order of appearance, each with its first
    offset."""

    names: dict[tuple[str, ...], int] = field(default_factory=dict)
    problems: list[TemplateProblem] = field(default_factory=list)

    def add(self, problem: TemplateProblem, node: nodes.Node, width: int = 1) -> None:
        problem.offset, problem.width = node.lineno, width
        self.problems.append(problem)


def check(tree: Tree) -> Findings:
    """The names and the problems of a tree."""
    walk = _Walk(Findings())
    try:
        walk.all(tree.body, frozenset(), 0)
    except _TooDeep as e:
        walk.found.add(TemplateProblem("this is nested too deeply"), e.node)
    return walk.found


class _TooDeep(Exception):
    def __init__(self, node: nodes.Node) -> None:
        self.node = node


class _Walk:
    """One walk. `bound` are the names that loops and `set` have given a meaning at this point."""

    def __init__(self, found: Findings) -> None:
        self.found = found

    def all(self, several: Iterable[Any], bound: frozenset[str], depth: int) -> frozenset[str]:
        for node in several:
            bound = self.one(node, bound, depth + 1)
        return bound

    def one(self, node: nodes.Node, bound: frozenset[str], depth: int) -> frozenset[str]:
        """Walks a node; gives the names that are bound after it."""
        if depth > DEPTH_LIMIT:
            raise _TooDeep(node)
        kind = type(node).__name__
        if kind in _STATEMENTS:
            return self._statement(node, bound, depth)
        if kind not in _EXPRESSIONS:
            what = _TAGS.get(kind, kind)
            self.found.add(
                TemplateProblem(
                    f"{what!r} is not available", help="the statements are if, for and set"
                ),
                node,
            )
            return bound
        if isinstance(node, (nodes.Name, nodes.Getattr, nodes.Getitem)):
            self._name(node, bound, depth)
        else:
            self._called(node, bound, depth)
        return bound

    def _statement(self, node: nodes.Node, bound: frozenset[str], depth: int) -> frozenset[str]:
        if isinstance(node, nodes.For):
            self._loop(node, bound, depth)
            return bound
        if isinstance(node, nodes.If):
            self.one(node.test, bound, depth + 1)
            after = self.all(node.body, bound, depth)
            after |= self.all(node.elif_, bound, depth)
            return after | self.all(node.else_, bound, depth)
        if isinstance(node, nodes.Assign):
            self.one(node.node, bound, depth + 1)
            return bound | self._targets(node.target)
        return bound

    def _loop(self, node: nodes.For, bound: frozenset[str], depth: int) -> None:
        self.one(node.iter, bound, depth + 1)
        inside = bound | self._targets(node.target)
        if node.recursive:
            self.found.add(TemplateProblem("a loop cannot call itself here"), node)
        if node.test is not None:
            self.one(node.test, inside, depth + 1)
        self.all(node.body, inside | {"loop"}, depth)
        self.all(node.else_, bound, depth)

    def _targets(self, target: nodes.Node) -> frozenset[str]:
        if isinstance(target, nodes.Name):
            return frozenset((target.name,))
        if isinstance(target, nodes.Tuple) and all(isinstance(t, nodes.Name) for t in target.items):
            return frozenset(t.name for t in target.items if isinstance(t, nodes.Name))
        self.found.add(TemplateProblem("only names can be given a value"), target)
        return frozenset()

    def _name(self, node: nodes.Expr, bound: frozenset[str], depth: int) -> None:
        """A chain such as `memory.data[0].x`; what stands in brackets has names of its own."""
        path: list[str] = []
        while not isinstance(node, nodes.Name):
            depth += 1
            if depth > DEPTH_LIMIT:
                raise _TooDeep(node)
            if isinstance(node, nodes.Getattr):
                path.append(node.attr)
            elif isinstance(node, nodes.Getitem):
                key = _constant_key(node.arg)
                if key is None:
                    path.clear()
                    self.one(node.arg, bound, depth + 1)
                else:
                    path.append(key)
            else:
                self.one(node, bound, depth + 1)
                return
            node = node.node
        if node.name not in bound:
            self.found.names.setdefault((node.name, *reversed(path)), node.lineno)

    def _called(self, node: nodes.Node, bound: frozenset[str], depth: int) -> None:
        if isinstance(node, nodes.Const):
            self._constant(node)
        elif isinstance(node, (nodes.Filter, nodes.Test, nodes.Call)):
            if node.dyn_args is not None or node.dyn_kwargs is not None:
                self.found.add(TemplateProblem("arguments are written out here, without `*`"), node)
            if isinstance(node, nodes.Call):
                self._call(node, bound, depth)
                return
            self._filter_or_test(node)
        self.all(node.iter_child_nodes(), bound, depth)

    def _constant(self, node: nodes.Const) -> None:
        if isinstance(node.value, str) and not node.value.isascii():
            try:
                node.value.encode()
            except UnicodeEncodeError:
                self.found.add(TemplateProblem("half a character (a surrogate) is no text"), node)
        elif isinstance(node.value, int) and node.value.bit_length() > 1024:
            self.found.add(TemplateProblem("a number in this is too long"), node)

    def _call(self, node: nodes.Call, bound: frozenset[str], depth: int) -> None:
        called = node.node
        if isinstance(called, nodes.Getattr):
            if called.attr not in ALL_METHODS:
                self.found.add(unknown_method(called.attr), called)
            self.one(called.node, bound, depth + 1)
        elif isinstance(called, nodes.Name):
            self._function(called, node)
        else:
            self.found.add(TemplateProblem("this cannot be called"), node)
        self.all((*node.args, *node.kwargs), bound, depth)

    def _function(self, called: nodes.Name, node: nodes.Call) -> None:
        function = FUNCTIONS.get(called.name)
        width = len(called.name)
        if function is None:
            advice = _FUNCTION_HELP.get(called.name) or did_you_mean(called.name, FUNCTIONS)
            problem = TemplateProblem(f"there is no function {called.name!r}", help=advice)
            self.found.add(problem, called, width)
            return
        wrong = arguments_problem(function, len(node.args), _keywords(node.kwargs))
        if wrong:
            self.found.add(TemplateProblem(f"{called.name}(): {wrong}"), called, width)

    def _filter_or_test(self, node: nodes.Filter | nodes.Test) -> None:
        is_test = isinstance(node, nodes.Test)
        table: Mapping[str, Any] = TESTS if is_test else FILTERS
        width = len(node.name)
        if node.name in (DEFINED if is_test else DEFAULT):
            if len(node.args) > 2:
                self.found.add(TemplateProblem(f"`{node.name}` takes fewer arguments"), node, width)
            return
        call = table.get(node.name)
        if call is None:
            self.found.add(_unknown(node.name, is_test), node, width)
            return
        wrong = arguments_problem(call, len(node.args) + 1, _keywords(node.kwargs))
        if wrong:
            self.found.add(TemplateProblem(f"`{node.name}`: {wrong}"), node, width)


def _unknown(name: str, is_test: bool) -> TemplateProblem:
    if not is_test:
        return unknown_filter(name)
    return TemplateProblem(f"there is no test {name!r}", help=did_you_mean(name, test_names()))


def _keywords(keywords: Iterable[Any]) -> tuple[str, ...]:
    return tuple(keyword.key for keyword in keywords)


def _constant_key(node: nodes.Node) -> str | None:
    if isinstance(node, nodes.Const) and type(node.value) in (str, int):
        return str(node.value)
    return None
