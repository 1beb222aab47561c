"""A stand-in for Prometheus's query API, as data: it knows answers, and evaluates nothing.

    kind: prometheus
    state: {errors: 0.31}
    queries:                            # by the text of the query; white space does not count
      up: [{labels: {job: api}, value: 1}, {labels: {job: worker}, value: 0}]
      sum(rate(errors[5m])): "{{ state.errors }}"     # one series without labels
      no_such_metric: []                # no series at all
      vector(0)/0: NaN                  # and +Inf, -Inf
      scalar(up): {scalar: 1}           # also {text: ...} and {matrix: [...]}
      sum(1: {error: "1:6: parse error: unclosed left parenthesis", type: bad_data}
    alerts:                             # of alerting rules; several of one name are its alerts
      - {name: HighErrorRate, state: firing, labels: {severity: page}, value: 0.3}
      - {name: Broken, error: many-to-many matching not allowed}
    down: false                         # or true: 503, reset, hang

Values are templates over `state`, `services`, `at_s` (the time that is asked about), `asked` (how
often this query was asked, with this one) and `now`. In a range each point is rendered by itself,
and one that renders to nothing is no point. A query that is not here is refused in words: a real
one would find no series, which hides a slip of the pen. Tells `url`, `host`, `port`.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from engine.errors import Place
from engine.language.template import TemplateProblem, render
from engine.sandbox.routes import REQUESTS_KEPT, Answer, Request, templates
from engine.sandbox.spec import ServiceSpec, Wrong, entries, only

KEYS = ("state", "queries", "alerts", "down")
DOWN = (False, True, "reset", "hang")
ALWAYS = ("1", "time()")
"""Queries that the adapter asks by itself: whether anybody is there, and what time it is there."""
STATES = ("firing", "pending", "inactive")
POINTS_MAX = 11_000
"""Of a series in a range, as Prometheus has it."""
STATUS = {"bad_data": 400, "execution": 422, "timeout": 503, "canceled": 503, "internal": 500}
"""Of an answer, by its `errorType`."""

_JSON = ("Content-Type", "application/json")


class _Refused(Exception):
    """A query that is answered with an error. `args` are its type and what is said."""


@dataclass(slots=True)
class PrometheusService:
    """Prometheus without a network: a request goes in, an answer comes out."""

    name: str
    state: dict[str, Any]
    queries: Mapping[str, Any]
    alerts: tuple[Mapping[str, Any], ...]
    down: bool | str = False
    tells: Mapping[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    others: Callable[[], Mapping[str, Any]] = dict

    @classmethod
    def read(cls, spec: ServiceSpec) -> PrometheusService:
        """The service as an environment writes it. Raises Wrong."""
        where = f"services.{spec.name}"
        only(spec.settings, KEYS, where)
        queries = spec.settings.get("queries") or {}
        if not isinstance(queries, Mapping):
            raise Wrong("takes a mapping from queries to values", f"{where}.queries")
        down = spec.settings.get("down", False)
        if down not in DOWN:
            raise Wrong(f"takes true, false, reset or hang, not {down!r}", f"{where}.down")
        alerts = tuple(
            _alert(one, place)
            for place, one in entries(spec.settings.get("alerts"), f"{where}.alerts")
        )
        known = {_plain(query): _answer_of(value, where) for query, value in queries.items()}
        state = copy.deepcopy(dict(spec.settings.get("state") or {}))
        return cls(spec.name, state, known, alerts, down)

    def answer(self, request: Request, now: datetime) -> Answer:
        """What Prometheus answers."""
        self.requests = [*self.requests[1 - REQUESTS_KEPT :], request]
        if self.down in ("reset", "hang"):
            return Answer(fail="reset" if self.down == "reset" else "hang")
        if self.down:
            return Answer(503, (), b"Service Unavailable")
        form = request.target.partition("?")[2] + "&" + request.body.decode("utf-8", "replace")
        given = dict(parse_qsl(form, keep_blank_values=True))
        try:
            data = self._data(request.path, given, now)
        except _Refused as e:
            kind, said = e.args
            body = {"status": "error", "errorType": kind, "error": said}
            return _json(STATUS.get(kind, 500), body)
        except (TemplateProblem, ValueError, TypeError, KeyError) as e:
            self.problems.append(f"{request.path}: {e}")
            said = f"the sandbox's own description of {self.name} is wrong: {e}"
            return _json(500, {"status": "error", "errorType": "internal", "error": said})
        if data is None:
            return Answer(404, (), b"404 page not found\n")
        return _json(200, {"status": "success", "data": data})

    def _data(self, path: str, given: Mapping[str, str], now: datetime) -> Any:
        if path == "/api/v1/query":
            return self._instant(given, now)
        if path == "/api/v1/query_range":
            return self._range(given, now)
        if path == "/api/v1/rules":
            return {"groups": [{"name": self.name, "rules": self._rules(given, now)}]}
        if path in ("/-/healthy", "/-/ready"):
            return "Prometheus is Healthy."
        return None

    def _instant(self, given: Mapping[str, str], now: datetime) -> Any:
        at_s = _moment(given["time"]) if given.get("time") else now.timestamp()
        found = self._value(given, at_s, now)
        for key, kind in (("scalar", "scalar"), ("text", "string")):
            if isinstance(found, Mapping) and key in found:
                return {"resultType": kind, "result": [at_s, _text(found[key])]}
        if isinstance(found, Mapping) and "matrix" in found:
            return {"resultType": "matrix", "result": found["matrix"]}
        result = [
            {"metric": labels, "value": [at_s, _text(value)]} for labels, value in _series(found)
        ]
        return {"resultType": "vector", "result": result}

    def _range(self, given: Mapping[str, str], now: datetime) -> Any:
        start, end = _moment(given["start"]), _moment(given["end"])
        step = float(given["step"])
        count = int((end - start) / step) + 1
        if count > POINTS_MAX:
            raise _Refused(
                "bad_data", "exceeded maximum resolution of 11,000 points per timeseries"
            )
        points: dict[str, tuple[Mapping[str, str], list[Any]]] = {}
        for number in range(count):
            at_s = start + number * step
            found = self._value(given, at_s, now, again=number > 0)
            if isinstance(found, Mapping) and "scalar" in found:
                found = found["scalar"]
            for labels, value in _series(found):
                _, values = points.setdefault(json.dumps(labels, sort_keys=True), (labels, []))
                values.append([at_s, _text(value)])
        result = [{"metric": labels, "values": values} for labels, values in points.values()]
        return {"resultType": "matrix", "result": result}

    def _value(
        self, given: Mapping[str, str], at_s: float, now: datetime, *, again: bool = False
    ) -> Any:
        query = _plain(given.get("query", ""))
        if query not in self.queries and query in ALWAYS:
            return {"scalar": at_s if query == "time()" else 1}
        if query not in self.queries:
            raise _Refused("execution", f"the sandbox has no answer to the query {query}")
        if not again:
            self.asked[query] = self.asked.get(query, 0) + 1
        found = render(self.queries[query], self._scope(query, at_s, now))
        if isinstance(found, Mapping) and "error" in found:
            kind, said = str(found.get("type", "execution")), str(found["error"])
            prefix = 'invalid parameter "query": ' if kind == "bad_data" else ""
            raise _Refused(kind, prefix + said)
        return found

    def _scope(self, query: str, at_s: float, now: datetime) -> dict[str, Any]:
        return {
            "state": self.state,
            "services": self.others(),
            "at_s": at_s,
            "asked": self.asked.get(query, 0),
            "now": now,
        }

    def _rules(self, given: Mapping[str, str], now: datetime) -> list[dict[str, Any]]:
        rules: dict[str, dict[str, Any]] = {}
        for written in self.alerts:
            one = render(dict(written), self._scope("", now.timestamp(), now))
            name = str(one["name"])
            if given.get("rule_name[]", name) != name:
                continue
            rule = rules.setdefault(
                name, {"name": name, "type": "alerting", "health": "ok", "alerts": []}
            )
            rule["lastEvaluation"] = now.isoformat()
            if "error" in one:
                rule |= {"health": "err", "lastError": str(one["error"])}
            elif one.get("state", "firing") != "inactive":
                rule["alerts"].append(_alert_told(one, now))
        for rule in rules.values():
            states = [alert["state"] for alert in rule["alerts"]]
            rule["state"] = next((state for state in STATES if state in states), "inactive")
        return list(rules.values())


def _alert_told(one: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    labels = {"alertname": str(one["name"]), **(one.get("labels") or {})}
    return {
        "labels": {name: str(value) for name, value in labels.items()},
        "annotations": one.get("annotations") or {},
        "state": one.get("state", "firing"),
        "activeAt": now.isoformat(),
        "value": f"{float(one.get('value', 1)):e}",
    }


def _alert(written: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    only(written, ("name", "state", "labels", "annotations", "value", "error"), where)
    if not isinstance(written.get("name"), str):
        raise Wrong("an alert has no name", where)
    state = written.get("state", "firing")
    if state not in STATES and "{{" not in str(state):
        raise Wrong(f"{state!r} is no state", f"{where}.state", f"it is {', '.join(STATES)}")
    return {key: templates(value, Place(where, 1, 1)) for key, value in written.items()}


def _answer_of(written: Any, where: str) -> Any:
    """The templates of an answer, which is a number, a text, a list of series or a mapping."""
    if isinstance(written, Mapping):
        only(written, ("scalar", "text", "matrix", "error", "type"), f"{where}.queries")
    for _, one in entries(written if isinstance(written, list) else [], f"{where}.queries"):
        only(one, ("labels", "value"), f"{where}.queries")
    return templates(written, Place(where, 1, 1))


def _series(found: Any) -> list[tuple[Mapping[str, str], Any]]:
    """Labels and value of each series that has a value now."""
    if not isinstance(found, list):
        return [] if found in (None, "") else [({}, found)]
    return [
        ({str(k): str(v) for k, v in (one.get("labels") or {}).items()}, one["value"])
        for one in found
        if one["value"] not in (None, "")
    ]


def _text(value: Any) -> str:
    """A sample as Prometheus writes it: a text, whatever it is."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return re.sub(r"\.0\Z", "", str(value)) if isinstance(value, float) else str(value)


def _plain(query: object) -> str:
    return " ".join(str(query).split())


def _moment(text: str) -> float:
    """Unix seconds, or RFC 3339."""
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def _json(status: int, body: Any) -> Answer:
    return Answer(status, (_JSON,), json.dumps(body).encode())
