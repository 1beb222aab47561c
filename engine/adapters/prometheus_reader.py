"""Asks Prometheus and judges what it answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.adapters.prometheus_answer import Answered, Sample, answered, data_of, named
from engine.adapters.prometheus_records import (
    POINTS_KEPT,
    SERIES_KEPT,
    Absent,
    Alert,
    Firing,
    Instant,
    Range,
    Series,
    Span,
)
from engine.adapters.prometheus_rule import Rule, misses
from engine.errors import AdapterError
from engine.language.duration import format_duration

if TYPE_CHECKING:
    from engine.adapters.http import HttpReader

POINTS_MAX = 1000
"""Of a series in one range query. Prometheus takes 11,000, which no runbook looks at; 60 are kept.
"""

POINTS_USUAL = 60
"""Of a series where the step does not say how far apart its points are."""

STEP_MIN_S = 1.0
"""Between two points where the step does not say: most targets are scraped every 15 s."""


class PrometheusReader:
    """The only side: GET, nothing else."""

    __slots__ = ("_http", "_timeout_s")

    def __init__(self, http: HttpReader, timeout_s: float) -> None:
        self._http = http
        self._timeout_s = timeout_s

    async def query(
        self, query: str, time: str | float | None, rule: Rule, *, empty: Absent, nan: Absent
    ) -> Instant:
        """What an expression is at a time, Prometheus's now when none is given.

        Raises AdapterError when it cannot be asked, and for an empty answer or NaN unless the step
        says that these make it fail.
        """
        found = await self._ask("query", {"query": query, "time": time})
        if found.kind == "matrix":
            raise AdapterError(
                "the query is a range of samples, not one value a series",
                help="aggregate it (rate, avg_over_time), or ask with prometheus.range",
                retryable=False,
            )
        if found.kind == "string":
            return _text(found)
        pairs = [(named(labels), samples[0].value) for labels, samples in found.series]
        values = [value for _, value in pairs]
        not_numbers = sum(map(math.isnan, values))
        _refuse_absent(len(pairs), not_numbers, empty, nan)
        real = [v for v in values if not math.isnan(v)]
        return Instant(
            kind=found.kind,
            count=len(pairs),
            value=values[0] if len(values) == 1 else None,
            values=values or None,
            series=tuple(Series(dict(s), p[0].value, p[0].at_s) for s, p in _kept(found)),
            min=min(real, default=None),
            max=max(real, default=None),
            nan=not_numbers,
            misses=misses(rule, pairs),
            warnings=found.warnings,
        )

    async def range(  # noqa: PLR0913 - the parts of the question
        self,
        query: str,
        window_s: float,
        *,
        step_s: float | None,
        end: float | None,
        of: str,
        rule: Rule,
        empty: Absent,
        nan: Absent,
    ) -> Range:
        """What an expression was over a window that ends now, by Prometheus's own clock.

        The bound is for what `of` names of a series: last, min, max or avg. A series that has no
        point at the end of the window has no last one. Raises AdapterError as `query` does.
        """
        step_s = step_s or max(STEP_MIN_S, window_s / POINTS_USUAL)
        if not 0 < window_s / step_s <= POINTS_MAX:
            raise AdapterError(
                f"{format_duration(window_s)} in steps of {format_duration(step_s)} are more than"
                f" {POINTS_MAX} points a series",
                help="ask for a longer `step` or a shorter `window`",
                retryable=False,
            )
        end_s = await self._now_s() if end is None else end
        asked = {"query": query, "start": end_s - window_s, "end": end_s, "step": step_s}
        found = await self._ask("query_range", asked)
        spans = [_span(dict(labels), points, end_s - step_s) for labels, points in found.series]
        not_numbers = sum(span.nan for span in spans)
        _refuse_absent(len(spans), not_numbers, empty, nan)
        pairs = [(named(span.labels), _number(span, of)) for span in spans]
        return Range(
            count=len(spans),
            series=tuple(spans[:SERIES_KEPT]),
            values=[value for _, value in pairs] or None,
            min=min((s.min for s in spans if s.min is not None), default=None),
            max=max((s.max for s in spans if s.max is not None), default=None),
            nan=not_numbers,
            start_s=end_s - window_s,
            end_s=end_s,
            step_s=step_s,
            misses=misses(rule, pairs),
            warnings=found.warnings,
        )

    async def alert(self, name: str, labels: Mapping[str, str]) -> Alert:
        """How the alerts of a name stand, of those with these labels.

        Raises AdapterError where no rule has the name, or its last evaluation did not work: then
        nobody knows.
        """
        # Prometheus from 2.47 on leaves the other rules out; an older one sends them all
        asked = {"type": "alert", "rule_name[]": name}
        data = data_of(await self._http.get("/api/v1/rules", query=asked))
        groups = data.get("groups") or []
        rules = [r for g in groups for r in g.get("rules") or [] if r.get("name") == name]
        _refuse_rules(name, rules, {str(r.get("name")) for g in groups for r in g["rules"]})
        alerts = [
            _alert(one)
            for rule in rules
            for one in rule.get("alerts") or []
            if all(one["labels"].get(k) == v for k, v in labels.items())
        ]
        firing = sum(one.state == "firing" for one in alerts)
        pending = len(alerts) - firing
        return Alert(
            name=name,
            state="firing" if firing else ("pending" if pending else "inactive"),
            firing=firing,
            pending=pending,
            alerts=tuple(alerts[:SERIES_KEPT]),
            rules=len(rules),
            last_evaluation=max((r.get("lastEvaluation") or "" for r in rules), default="") or None,
        )

    async def _now_s(self) -> float:
        """What time Prometheus has: its clock stamped the samples."""
        found = await self._ask("query", {"query": "time()"})
        return found.series[0][1][0].value

    async def _ask(self, path: str, asked: Mapping[str, Any]) -> Answered:
        # Prometheus ends the query itself when nobody waits for it any longer
        given = {**asked, "timeout": f"{max(1, round(self._timeout_s * 1000))}ms"}
        found = await self._http.get(f"/api/v1/{path}", query=given)
        return answered(found, str(asked["query"]))


def _kept(found: Answered) -> Sequence[tuple[Mapping[str, str], tuple[Sample, ...]]]:
    return found.series[:SERIES_KEPT]


def _text(found: Answered) -> Instant:
    why = ("the query answers a text, which keeps no bound",)
    return Instant("string", 0, found.text, None, (), None, None, 0, why, found.warnings)


def _refuse_absent(count: int, not_numbers: int, empty: Absent, nan: Absent) -> None:
    if not count and empty == "errored":
        raise AdapterError(
            "the query found no series, which says nothing of what it asks for",
            help="is the name right? `empty: failed` makes it a failure;"
            " where none is the healthy answer ask for `count(...) or vector(0)`",
        )
    if not_numbers and nan == "errored":
        raise AdapterError(
            f"the query answers NaN ({not_numbers} of its values), which is no number",
            help="mostly 0/0: nothing happened in the time. `nan: failed` makes it a failure",
        )


def _span(labels: dict[str, str], points: Sequence[Sample], ended_before_s: float) -> Span:
    real = [p for p in points if not math.isnan(p.value)]
    values = [p.value for p in real]
    return Span(
        labels=labels,
        min=min(values, default=None),
        max=max(values, default=None),
        avg=sum(values) / len(values) if values else None,
        first=values[0] if values else None,
        last=values[-1] if values else None,
        last_at_s=real[-1].at_s if real else None,
        ended=not points or points[-1].at_s < ended_before_s,
        count=len(points),
        nan=len(points) - len(real),
        points=tuple((p.at_s, p.value) for p in points[-POINTS_KEPT:]),
    )


def _number(span: Span, of: str) -> float:
    """What the bound is for. A series with a gap at its end, or with NaN, keeps no bound."""
    if span.nan or (of == "last" and span.ended):
        return math.nan
    found = {"last": span.last, "min": span.min, "max": span.max, "avg": span.avg}[of]
    return math.nan if found is None else found


def _refuse_rules(name: str, rules: Sequence[Mapping[str, Any]], known: set[str]) -> None:
    if not rules:
        raise AdapterError(
            f"Prometheus has no alerting rule named {name}",
            help=f"it has {', '.join(sorted(known)[:10])}" if known else "are its rules loaded?",
            retryable=False,
        )
    for rule in rules:
        if rule.get("health") != "ok":
            said = rule.get("lastError") or "it was not evaluated yet"
            raise AdapterError(
                f"the alerting rule {name} says nothing: {said}",
                help="mend the rule's expression" if rule.get("lastError") else None,
            )


def _alert(one: Mapping[str, Any]) -> Firing:
    value = one.get("value")
    try:
        value = float(str(value))
    except ValueError:
        value = str(value)
    return Firing(
        labels=dict(one["labels"]),
        annotations=dict(one.get("annotations") or {}),
        state=str(one.get("state")),
        active_at=str(one.get("activeAt")),
        value=value,
    )
