"""Templates and expressions of a runbook: what they mean in a scope, and what lint needs to know of
them.

The syntax is Jinja's. The evaluation is ours (see `engine.language.expressions`): values are JSON,
names that are not there are errors, and there is no clock, file, variable or secret in reach. A
value in a text is written as in JSON (`true`, `null`, `["a"]`).

A scope is a mapping from names to JSON values, `StepView`s and, for `now`, an aware datetime. It is
never changed, and what is returned is never part of it unless it is a text or a number.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from engine.errors import Place
from engine.language.expressions.budget import Budget
from engine.language.expressions.problem import TemplateProblem, Undefined
from engine.language.expressions.step import StepView
from engine.language.expressions.values import kept
from engine.language.model import Expression, Template, Value

if TYPE_CHECKING:
    from engine.language.expressions.parse import Tree

__all__ = [
    "Analysis",
    "StepView",
    "TemplateProblem",
    "Undefined",
    "analyse",
    "evaluate",
    "holds",
    "reasons",
    "render",
    "tell",
]

CACHED_TEXTS: Final = 2048
"""Compiled texts that are kept. A large pack has as many expressions; each takes a few KiB."""


class Analysis(Struct, frozen=True):
    """What lint knows of a text without a scope.

    `names`: the root and the path of fields of every name the text takes from its scope, in order
    of appearance; the names of its loops and `set`s are not among them. `problems` carry their
    `offset`.
    """

    names: tuple[tuple[str, ...], ...]
    offsets: Mapping[tuple[str, ...], int]
    """Where each name first appears in the text."""
    problems: tuple[TemplateProblem, ...]
    single: bool
    """The text is one expression, whose type is kept."""
    outer_filters: tuple[str | None, ...]
    """The last filter of every expression that is written out, None for one that has none."""
    inside_quotes: bool
    """An expression stands between quotes of the text around it, where `quote` protects nothing."""

    def all_end_with(self, filter_name: str) -> bool:
        """Every expression that is written out has this filter last; true when there is none."""
        return all(name == filter_name for name in self.outer_filters)


class _Form(Struct, frozen=True):
    """A compiled text: `ask` where it is one expression, else `write`."""

    tree: Tree
    ask: Callable[[Budget], Any] | None
    write: Callable[[Budget], None] | None


def evaluate(expression: Expression, scope: Mapping[str, Any]) -> Any:
    """The value of a bare expression, as JSON. Raises TemplateProblem with its place."""
    try:
        return _value(_form(expression.text, True), scope)
    except TemplateProblem as e:
        e.place = expression.place
        raise


def holds(expression: Expression, scope: Mapping[str, Any]) -> bool:
    """Whether the condition holds. It must be true or false: `result.count` decides nothing."""
    value = evaluate(expression, scope)
    if value is True or value is False:
        return value
    raise _placed(not_a_condition(expression.text, value), expression.place)


def not_a_condition(text: str, value: Any) -> TemplateProblem:
    from engine.language.shown import kind_of, shown  # noqa: PLC0415 - a message only

    return TemplateProblem(
        f"{' '.join(text.split())} is {shown(value)} ({kind_of(value)}), neither true nor false",
        help="compare it with something, such as `... > 0` or `... is none`",
    )


def render(value: Value, scope: Mapping[str, Any]) -> Any:
    """The value with every template in it rendered. Raises TemplateProblem with its place."""
    kind = type(value)
    if kind is Template:
        try:
            return _rendered(_form(value.text, False), scope)
        except TemplateProblem as e:
            e.place = value.place
            raise
    if kind is dict:
        return {key: render(one, scope) for key, one in value.items()}
    if kind is list or kind is tuple:
        return [render(one, scope) for one in value]
    if isinstance(value, Mapping):
        return {key: render(one, scope) for key, one in value.items()}
    return value


def tell(value: Template | str, scope: Mapping[str, Any]) -> str:
    """A message for people. It goes out even where a part cannot be filled in, and says so."""
    if isinstance(value, str):
        return value
    try:
        form = _form(value.text, False)
        budget = Budget(scope, lenient=True)
        if form.write is not None:
            write = form.write
            _guarded(lambda: write(budget))
            return "".join(budget.out)
        found = _value(form, scope)
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    except TemplateProblem as problem:
        return f"{value.text} (cannot be filled in: {problem.message})"


def reasons(expression: Expression, scope: Mapping[str, Any]) -> tuple[str, ...]:
    """Why an expression that is false does not hold: a line for each part that made it false."""
    from engine.language.expressions.reasons import reasons as why  # noqa: PLC0415 - failures only

    try:
        return tuple(_guarded(lambda: why(_form(expression.text, True).tree, scope)))
    except TemplateProblem as e:
        e.place = expression.place
        raise


def analyse(text: str, *, bare: bool) -> Analysis:
    """What is in a text, and all that is wrong with it. `bare` for an expression without braces."""
    from engine.language.expressions.analysis import analysed  # noqa: PLC0415 - imports Jinja

    return analysed(text, bare)


def _placed(problem: TemplateProblem, place: Place) -> TemplateProblem:
    problem.place = place
    return problem


@functools.lru_cache(maxsize=CACHED_TEXTS)
def _form(text: str, bare: bool) -> _Form:
    from engine.language.expressions.check import check  # noqa: PLC0415 - imports Jinja
    from engine.language.expressions.compile import compile_expression  # noqa: PLC0415
    from engine.language.expressions.parse import parse  # noqa: PLC0415
    from engine.language.expressions.statements import compile_body  # noqa: PLC0415

    tree = parse(text, bare=bare)
    problems = check(tree).problems
    if problems:
        raise problems[0]
    expression = tree.single
    if expression is not None:
        return _Form(tree, compile_expression(expression), None)
    return _Form(tree, None, compile_body(tree.body))


def _value(form: _Form, scope: Mapping[str, Any]) -> Any:
    ask = form.ask
    if ask is None:
        raise TemplateProblem("this is a text with templates in it, not an expression")
    budget = Budget(scope)
    return _guarded(lambda: kept(budget, ask(budget)))


def _rendered(form: _Form, scope: Mapping[str, Any]) -> Any:
    write = form.write
    if write is None:
        return _value(form, scope)
    budget = Budget(scope)
    _guarded(lambda: write(budget))
    return "".join(budget.out)


def _guarded(compute: Callable[[], Any]) -> Any:
    """Tells what Python objects to (an overflow, a sort of numbers and texts) as a problem."""
    try:
        return compute()
    except TemplateProblem:
        raise
    except ZeroDivisionError as e:
        raise TemplateProblem("divides by zero") from e
    except OverflowError as e:
        raise TemplateProblem("a number is too large to calculate with") from e
    except RecursionError as e:
        raise TemplateProblem("a value is nested too deeply") from e
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as e:
        raise TemplateProblem(f"this cannot be evaluated: {e}") from e
