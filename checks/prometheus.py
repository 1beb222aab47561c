"""Questions in PromQL. An empty answer and NaN never pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from engine.adapters.prometheus_records import Absent, Alert, Instant, Range
from engine.adapters.prometheus_rule import rule_of
from engine.plugin import Duration, check

if TYPE_CHECKING:
    from engine.adapters.prometheus import PrometheusReader

Bound = dict[str, float | list[float]]


@check("prometheus.query", expect={"misses": []})
async def query(  # noqa: PLR0913 - each is a key in YAML
    prometheus: PrometheusReader,
    query: str,
    *,
    time: str | float | None = None,
    bound: Bound | None = None,
    series: str = "all",
    empty: Absent = "errored",
    nan: Absent = "errored",
) -> Instant:
    """What an expression is now: its series, and whether their values keep a bound.

    Fails when the bound does not hold (`misses` says why), unless `expect` asks something else;
    then `values` and `value` are what to look at. Without a bound any number is taken.

    query: PromQL
    time: at another time than Prometheus's now: RFC 3339 or Unix seconds
    bound: of a value: lt, le, gt, ge, eq, ne with a number, between with two
    series: how many series must keep it: all, any, or at least N
    empty: what no series at all makes of the step: errored or failed
    nan: what NaN makes of the step: errored, or failed, which is to keep no bound
    """
    rule = rule_of(bound, series)
    return await prometheus.query(query, time, rule, empty=empty, nan=nan)


@check("prometheus.range", expect={"misses": []})
async def over(  # noqa: PLR0913 - each is a key in YAML
    prometheus: PrometheusReader,
    query: str,
    window: Duration,
    *,
    step: Duration | None = None,
    end: float | None = None,
    of: Literal["last", "min", "max", "avg"] = "last",
    bound: Bound | None = None,
    series: str = "all",
    empty: Absent = "errored",
    nan: Absent = "errored",
) -> Range:
    """What an expression was over a window: min, max, avg and last of each series.

    Fails when the bound does not hold (`misses` says why), unless `expect` asks something else.

    query: PromQL
    window: how far back
    step: between two points, at most 1,000 of them; otherwise a sixtieth of the window
    end: of the window, Unix seconds; otherwise Prometheus's now
    of: which number of a series the bound is for: last, min, max or avg
    bound: of that number: lt, le, gt, ge, eq, ne with a number, between with two
    series: how many series must keep it: all, any, or at least N
    empty: what no series at all makes of the step: errored or failed
    nan: what NaN among the points makes of the step: errored or failed
    """
    rule = rule_of(bound, series)
    return await prometheus.range(
        query, window, step_s=step, end=end, of=of, rule=rule, empty=empty, nan=nan
    )


@check("prometheus.alert", expect={"firing": 0})
async def alert(
    prometheus: PrometheusReader, name: str, *, labels: dict[str, str] | None = None
) -> Alert:
    """Whether an alert fires, as Prometheus's own rules say; fails when it does.

    A name without a rule, and a rule that cannot be evaluated, are errors: nobody knows then.

    name: of the alerting rule
    labels: only alerts with these labels
    """
    return await prometheus.alert(name, labels or {})
