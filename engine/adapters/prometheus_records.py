"""What the prometheus checks find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Absent = Literal["errored", "failed"]
"""What an empty answer, or NaN, makes of a step. Neither can make it pass."""

SERIES_KEPT = 100
"""Of an answer's series in the record. All are judged; who reads more asks Prometheus."""

POINTS_KEPT = 60
"""Of a series in a range, the newest: an hour by minutes."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an instant query.

    labels: with the metric's name as `__name__`
    value: a number, or the text NaN, Infinity or -Infinity
    at_s: of the sample, Unix seconds
    """

    labels: dict[str, str]
    value: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Instant:
    """What an instant query found.

    kind: vector, scalar or string
    count: series found
    value: of the only series, or of a scalar, or the text of a string query; else null
    values: of all series; null where there is none, so that nothing can be expected of it
    series: the first 100 with their labels
    min: the smallest value that is a number
    max: the largest value that is a number
    nan: how many values are not a number
    misses: why the bound does not hold, empty when it does
    warnings: what Prometheus itself warns of
    """

    kind: str
    count: int
    value: Any
    values: list[float] | None
    series: tuple[Series, ...]
    min: float | None
    max: float | None
    nan: int
    misses: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """One series over a window; the numbers leave NaN out.

    labels: with the metric's name as `__name__`
    min: the smallest
    max: the largest
    avg: the mean of the points
    first: the oldest
    last: the newest
    last_at_s: when that was, Unix seconds
    ended: whether there is no point at the end of the window
    count: points in the window
    nan: of them, not a number
    points: the newest 60 as [Unix seconds, value]
    """

    labels: dict[str, str]
    min: float | None
    max: float | None
    avg: float | None
    first: float | None
    last: float | None
    last_at_s: float | None
    ended: bool
    count: int
    nan: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Range:
    """What a query found over a window.

    count: series found
    series: the first 100
    values: of every series, what `of` names; null where there is none
    min: the smallest of all points
    max: the largest of all points
    nan: how many points are not a number
    start_s: of the window, Unix seconds
    end_s: of the window, Unix seconds
    step_s: between two points
    misses: why the bound does not hold, empty when it does
    warnings: what Prometheus itself warns of
    """

    count: int
    series: tuple[Span, ...]
    values: list[float] | None
    min: float | None
    max: float | None
    nan: int
    start_s: float
    end_s: float
    step_s: float
    misses: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert as Prometheus has it.

    labels: of the alert
    annotations: of the alert
    state: firing or pending
    active_at: since when, as Prometheus writes it
    value: of the expression
    """

    labels: dict[str, str]
    annotations: dict[str, str]
    state: str
    active_at: str
    value: Any


@dataclass(frozen=True, slots=True)
class Alert:
    """How an alert stands.

    name: of the alerting rule
    state: firing, pending or inactive, the worst of them
    firing: how many fire
    pending: how many have not been so long enough yet
    alerts: the first 100 of both
    rules: how many rules have this name
    last_evaluation: of the rule that was looked at last, as Prometheus writes it
    """

    name: str
    state: str
    firing: int
    pending: int
    alerts: tuple[Firing, ...]
    rules: int
    last_evaluation: str | None
