"""An HTTP service as data: what it answers, what it remembers, how it breaks.

    kind: http
    tells: {token: letmein}             # `${service:NAME.token}` in connections, beside `url`
    state: {healthy: true, flags: {sync: true}, hits: 0}
    routes:                             # the first that fits answers
      - on: "* /api/*"                  # method (or several, or *), path
        pass: true                      # counts, then the next that fits answers
        set: {hits: "{{ state.hits + 1 }}"}
        headers: {X-Served-By: sandbox}
      - on: GET /api/jobs/{id}
        when: request.headers.get("x-token") != tells.token
        status: 401
      - on: GET /api/jobs/{id}
        when: not state.healthy
        fail: reset                     # or hang; `delay: 2s` answers late
      - on: GET /api/jobs/{id}
        json: {id: "{{ request.params.id }}", status: running}
      - on: POST /api/flags
        set: {flags: "{{ request.json }}"}
        json: "{{ state.flags }}"

`when` is an expression and the rest are templates, as in runbooks, over `request` (method, path,
params, query, headers in lower case, text, json), `state`, `tells`, `calls` (how often this route
was taken, with this one) and `now`. `set` takes dotted paths into the state, sees the state before
it, and is done before the answer is rendered. A fault lays its own `state` over that of the
service; routes it gives under `first` go before the others.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

from engine.errors import Place
from engine.language.model import Expression, Template
from engine.language.template import TemplateProblem, evaluate, render
from engine.sandbox.spec import ServiceSpec, Wrong, entries, only, seconds

KEYS = ("on", "when", "status", "headers", "json", "text", "set", "delay", "fail", "pass")
FAILS = ("reset", "hang")
DELAY_MAX_S = 120.0
"""Longer than any client of ours waits."""
REQUESTS_KEPT = 10_000
"""The latest of them, for whoever asks afterwards what came in."""

Fail = Literal["reset", "hang"]


@dataclass(frozen=True, slots=True)
class Request:
    """What came in."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0])

    def scope(self, params: Mapping[str, str]) -> dict[str, Any]:
        """As expressions see it. `json` is None where the body is none; of two equal names in a
        query the last counts.
        """
        return {
            "method": self.method,
            "path": self.path,
            "params": dict(params),
            "query": dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True)),
            "headers": dict(self.headers),
            "text": self.body.decode("utf-8", "replace"),
            "json": _json(self.body),
        }


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back, or how it does not."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    delay_s: float = 0.0
    fail: Fail | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of `routes`."""

    methods: frozenset[str]
    path: re.Pattern[str]
    when: Expression | None
    written: Mapping[str, Any]
    delay_s: float
    fail: Fail | None
    passes: bool

    @classmethod
    def read(cls, written: Mapping[str, Any], where: str) -> Route:
        only(written, KEYS, where)
        methods, _, path = str(written.get("on", "")).partition(" ")
        if not path.startswith("/"):
            what = f"{written.get('on')!r} is no method and path"
            raise Wrong(what, f"{where}.on", "it is written like: GET /api/jobs/{id}")
        fail = written.get("fail")
        if fail not in (None, *FAILS):
            raise Wrong(
                f"{fail!r} is no way to fail", f"{where}.fail", f"it is {' or '.join(FAILS)}"
            )
        place = Place(where, 1, 1)
        answer = {
            k: written[k] for k in ("status", "headers", "json", "text", "set") if k in written
        }
        return cls(
            methods=frozenset(methods.upper().split(",")),
            path=_pattern(path.strip()),
            when=Expression(str(written["when"]), place) if "when" in written else None,
            written={k: templates(v, place) for k, v in answer.items()},
            delay_s=seconds(written.get("delay", 0), f"{where}.delay", DELAY_MAX_S),
            fail=fail,
            passes=bool(written.get("pass", False)),
        )

    def fits(self, request: Request) -> dict[str, str] | None:
        """The parameters of the path, or None when this route is not meant."""
        if "*" not in self.methods and request.method not in self.methods:
            return None
        found = self.path.fullmatch(request.path)
        return found.groupdict() if found else None


def _pattern(path: str) -> re.Pattern[str]:
    """`/jobs/{id}/*` as a regular expression: a name takes one part, the star at the end the
    rest.
    """
    parts = re.split(r"(\{[A-Za-z_][A-Za-z0-9_]*\}|\*\Z)", path)
    text = "".join(
        f"(?P<{part[1:-1]}>[^/]+)"
        if part.startswith("{") and part.endswith("}")
        else "(?P<rest>.*)"
        if part == "*"
        else re.escape(part)
        for part in parts
    )
    return re.compile(text)


def templates(written: Any, place: Place) -> Any:
    """What is written, with its templates ready to be rendered."""
    if isinstance(written, str):
        return Template(written, place) if re.search(r"\{\{|\{%|\{#", written) else written
    if isinstance(written, Mapping):
        return {key: templates(value, place) for key, value in written.items()}
    if isinstance(written, list):
        return [templates(value, place) for value in written]
    return written


@dataclass(slots=True)
class Behaviour:
    """An HTTP service without a network: a request goes in, an answer comes out.

    `requests` are the latest that came; `problems` are what was wrong with the service's own
    description, each answered 500.
    """

    name: str
    state: dict[str, Any]
    routes: tuple[Route, ...]
    tells: Mapping[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    calls: dict[int, int] = field(default_factory=dict)
    others: Callable[[], Mapping[str, Any]] = dict
    """The states of the sandbox's services, which templates see as `services`."""

    @classmethod
    def read(cls, spec: ServiceSpec) -> Behaviour:
        where = f"services.{spec.name}"
        only(spec.settings, ("state", "routes", "first", "tells"), where)
        state = spec.settings.get("state") or {}
        if not isinstance(state, Mapping):
            raise Wrong(f"takes a mapping, not {state!r}", f"{where}.state")
        written = [
            *entries(spec.settings.get("first"), f"{where}.first"),
            *entries(spec.settings.get("routes"), f"{where}.routes"),
        ]
        routes = tuple(Route.read(route, place) for place, route in written)
        tells = {str(k): str(v) for k, v in (spec.settings.get("tells") or {}).items()}
        return cls(spec.name, copy.deepcopy(dict(state)), routes, tells)

    def answer(self, request: Request, now: datetime) -> Answer:
        """What to answer, with what it changes in the state already changed."""
        self.requests = [*self.requests[1 - REQUESTS_KEPT :], request]
        headers: tuple[tuple[str, str], ...] = ()
        delay_s = 0.0
        try:
            for number, route in enumerate(self.routes):
                params = route.fits(request)
                if params is None:
                    continue
                scope = self._scope(request, params, number, now)
                if route.when and not evaluate(route.when, scope):
                    continue
                self.calls[number] = scope["calls"]
                self._set(route, scope)
                headers += _headers(route, scope)
                delay_s += route.delay_s
                if not route.passes:
                    return _answer(route, scope, headers, delay_s)
        except (TemplateProblem, ValueError, TypeError, KeyError) as e:
            self.problems.append(f"{request.method} {request.target}: {e}")
            return _plain(500, f"the sandbox's own description of {self.name} is wrong: {e}")
        return _plain(404, f"{self.name} has no {request.method} {request.path}", headers)

    def _scope(
        self, request: Request, params: Mapping[str, str], number: int, now: datetime
    ) -> dict[str, Any]:
        return {
            "request": request.scope(params),
            "state": self.state,
            "calls": self.calls.get(number, 0) + 1,
            "tells": self.tells,
            "services": self.others(),
            "now": now,
        }

    def _set(self, route: Route, scope: Mapping[str, Any]) -> None:
        changes = render(route.written.get("set") or {}, scope)
        for path, value in changes.items():
            *parents, last = path.split(".")
            place = self.state
            for part in parents:
                place = place.setdefault(part, {})
            place[last] = value


def _headers(route: Route, scope: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    rendered = render(route.written.get("headers") or {}, scope)
    return tuple(
        (name, str(value))
        for name, values in rendered.items()
        for value in (values if isinstance(values, list) else [values])
    )


def _answer(
    route: Route, scope: Mapping[str, Any], headers: tuple[tuple[str, str], ...], delay_s: float
) -> Answer:
    status = int(render(route.written.get("status", 200), scope))
    if "json" in route.written:
        body = json.dumps(render(route.written["json"], scope)).encode()
        kind = "application/json"
    else:
        body = str(render(route.written.get("text", ""), scope)).encode()
        kind = "text/plain; charset=utf-8"
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers = (*headers, ("Content-Type", kind))
    return Answer(status, headers, body, delay_s, route.fail)


def _plain(status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status, (*headers, ("Content-Type", "text/plain; charset=utf-8")), text.encode())
