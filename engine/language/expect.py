"""Expectations: what a result must be, and why it is not.

An expectation is an expression (`result.count > 0`), or a mapping from a path in the result to a
literal or a matcher (see `engine.language.matchers`). Either way a failure explains itself:
`json.status: expected "healthy", was "degraded"`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from engine.language.expect_check import check_expectation
from engine.language.expressions.problem import TemplateProblem
from engine.language.matchers import fits_paths
from engine.language.model import Expectation, Expression
from engine.language.template import evaluate, not_a_condition, reasons

__all__ = ["Judgement", "check_expectation", "judge"]

LINES_LIMIT: Final = 20
"""Lines of one judgement. Who needs more reads the result itself, which is in the record."""

LINE_LIMIT_CHARS: Final = 600
"""A line holds two values and a path; each is cut before, this is for many of them in one line."""


class Judgement(Struct, frozen=True):
    """Whether an expectation holds; the lines say why it does not."""

    holds: bool
    lines: tuple[str, ...] = ()


_HOLDS: Final = Judgement(True)


def judge(expectation: Expectation, scope: Mapping[str, Any]) -> Judgement:
    """Judges `scope["result"]`. Raises TemplateProblem when there is nothing to judge by.

    A name in an expression that is not there is such a case; a path of a mapping that leads nowhere
    is a judgement.
    """
    if isinstance(expectation, Expression):
        return _expression(expectation, scope)
    if not isinstance(expectation, Mapping) or not expectation:
        raise TemplateProblem(
            "an expectation is an expression, or a mapping from paths to matchers"
        )
    try:
        miss = fits_paths(scope["result"], expectation, scope)
    except ValueError as e:
        raise TemplateProblem(str(e)) from e
    except RecursionError as e:
        raise TemplateProblem("a value or an expectation is nested too deeply to judge") from e
    return _HOLDS if miss is None else Judgement(False, _bounded(miss.lines))


def _expression(expectation: Expression, scope: Mapping[str, Any]) -> Judgement:
    value = evaluate(expectation, scope)
    if value is True:
        return _HOLDS
    if value is False:
        return Judgement(False, _bounded(_why(expectation, scope)))
    problem = not_a_condition(expectation.text, value)
    return Judgement(False, _bounded((f"{problem.message}; {problem.help}",)))


def _why(expectation: Expression, scope: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        return reasons(expectation, scope)
    except TemplateProblem as e:
        # What decided is told; a part that was not needed for that may be impossible to evaluate.
        return (f"{' '.join(expectation.text.split())} does not hold ({e.message})",)


def _bounded(lines: tuple[str, ...]) -> tuple[str, ...]:
    kept = [
        line if len(line) <= LINE_LIMIT_CHARS else f"{line[: LINE_LIMIT_CHARS - 1]}…"
        for line in lines[:LINES_LIMIT]
    ]
    if len(lines) > LINES_LIMIT:
        kept.append(f"and {len(lines) - LINES_LIMIT} more")
    return tuple(kept)
