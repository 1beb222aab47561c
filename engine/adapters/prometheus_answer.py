"""What Prometheus answers: series of numbers out of its texts, and its refusals in words. No
library.

Source: Prometheus 2.42 and later, *HTTP API*: a sample is `[seconds, "text"]`; `NaN`, `+Inf` and
`-Inf` are texts too; a query that is wrong is 400 with `bad_data`, one that cannot be carried out
is 422 with `execution`, one that took too long is 503 with `timeout`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.adapters.http_answer import HttpAnswer
from engine.errors import AdapterError

QUERY_SHOWN_CHARS = 200
"""Of a query beside its error: more does not fit a terminal's line."""

RETRYABLE_TYPES = frozenset({"timeout", "canceled", "internal", "unavailable"})
"""Of `errorType`: those that say something of the server, not of the query."""

_POSITION = re.compile(r"\b(\d+):(\d+): parse error")


@dataclass(frozen=True, slots=True)
class Sample:
    """A value at a time (Unix seconds). The value may be NaN or infinite."""

    at_s: float
    value: float


@dataclass(frozen=True, slots=True)
class Answered:
    """The `data` of a query: `kind` is scalar, string, vector or matrix.

    series: labels with their samples; a scalar is one series without labels
    text: what a string query says
    """

    kind: str
    series: tuple[tuple[Mapping[str, str], tuple[Sample, ...]], ...]
    text: str | None
    warnings: tuple[str, ...]


def data_of(found: HttpAnswer, query: str = "") -> Any:
    """The `data` of an answer. Raises AdapterError for a refusal, in Prometheus's own words."""
    body = found.json
    if isinstance(body, dict) and body.get("status") == "success" and "data" in body:
        return body["data"]
    if isinstance(body, dict) and body.get("status") == "error":
        raise _refused(body, found.status, query)
    raise _no_prometheus(found)


def answered(found: HttpAnswer, query: str) -> Answered:
    """The series of a query's answer. Raises AdapterError."""
    data = data_of(found, query)
    warnings = tuple(str(w) for w in found.json.get("warnings") or ())
    try:
        kind, result = str(data["resultType"]), data["result"]
        if kind == "string":
            return Answered(kind, (), str(result[1]), warnings)
        if kind == "scalar":
            return Answered(kind, (({}, (sample(result),)),), None, warnings)
        series = tuple((labels(one), samples(one)) for one in result)
    except (KeyError, TypeError, ValueError, IndexError) as e:
        raise AdapterError(
            f"the answer of {found.url.partition('?')[0]} is not as Prometheus writes it: {e!r}",
            retryable=False,
        ) from e
    return Answered(kind, series, None, warnings)


def labels(one: Mapping[str, Any]) -> dict[str, str]:
    return {str(k): str(v) for k, v in one["metric"].items()}


def samples(one: Mapping[str, Any]) -> tuple[Sample, ...]:
    """Of an entry of a vector (`value`) or of a matrix (`values`). A native histogram has
    neither.
    """
    if "histogram" in one or "histograms" in one:
        raise ValueError("a native histogram, ask for a quantile of it")
    values = one["values"] if "values" in one else [one["value"]]
    return tuple(sample(value) for value in values)


def sample(pair: Any) -> Sample:
    at_s, text = pair
    return Sample(float(at_s), float(text))


def named(series: Mapping[str, str]) -> str:
    """A series as Prometheus writes it: `up{job="api"}`; in words where it has no name at all."""
    rest = ", ".join(f'{k}="{v}"' for k, v in series.items() if k != "__name__")
    name = series.get("__name__", "")
    return f"{name}{{{rest}}}" if rest else name or "the value"


def _refused(body: Mapping[str, Any], status: int, query: str) -> AdapterError:
    kind, said = str(body.get("errorType") or ""), str(body.get("error") or "no reason given")
    detail: dict[str, object] = {"status": status, "error_type": kind, "error": said[:2000]}
    retryable = kind in RETRYABLE_TYPES or (not kind and status >= 500)
    hint = "ask for less at once, or give the step more `timeout`" if kind == "timeout" else None
    position = _POSITION.search(said)
    if position and query:
        line, column = int(position[1]), int(position[2])
        detail |= {"line": line, "column": column}
        hint = _caret(query, line, column)
    return AdapterError(
        f"Prometheus does not answer the query: {said[:1000]}",
        help=hint,
        retryable=retryable,
        detail=detail,
    )


def _caret(query: str, line: int, column: int) -> str | None:
    """The line of the query with a mark below the place Prometheus names. It counts octets."""
    lines = query.split("\n")
    if not 0 < line <= len(lines):
        return None
    before = lines[line - 1].encode()[: column - 1].decode("utf-8", "ignore")
    shown = lines[line - 1][:QUERY_SHOWN_CHARS]
    return f"{shown}\n{' ' * min(len(before), len(shown))}^"


def _no_prometheus(found: HttpAnswer) -> AdapterError:
    where = found.url.partition("?")[0]
    told = {
        401: ("asks who we are", "give the connection `bearer`, or `username` and `password`"),
        403: ("does not let us in", "may these credentials read?"),
        404: ("is not there", "does the base_url lead to Prometheus, with its path prefix?"),
    }
    what, hint = told.get(
        found.status, (f"answers {found.status}", "does the base_url lead to Prometheus?")
    )
    if found.cut:
        what, hint = "answers more than 1 MiB", "ask for less: sum, topk, a label, fewer points"
    detail: dict[str, object] = {"status": found.status, "text": (found.text or "")[:500] or None}
    return AdapterError(
        f"{where} {what}",
        help=hint,
        retryable=found.status in (408, 429) or found.status >= 500,
        detail=detail,
    )
