"""A stand-in for Meta's Graph and Marketing API, as data: what there is, what it refuses.

    kind: meta
    versions: [v18.0, v21.0]            # served; for another one the oldest of them answers
    app: {id: "1000", secret: sandbox-app-secret, require_proof: false}
    token:
      value: sandbox-meta-token
      kind: SYSTEM_USER
      expires_in: 60d                   # or null: never
      data_access_in: 90d
      scopes: [ads_read, business_management, pages_read_engagement, pages_show_list]
      declined: []
      died: 463                         # sub-code by which it is refused; or nothing
    accounts:
      - {id: "100", name: Main, currency: USD, status: 1, timezone_offset_h: -5, hidden: false}
    objects:                            # campaigns, ad sets, ads, pages
      - {id: "200", kind: campaign, account: "100", name: Autumn, daily_budget: 5000}
      - {id: "300", kind: adset, parent: "200", account: "100", name: North, status: ACTIVE}
    insights: {age: 1d, days: 7}        # the latest day with numbers, and how many before it
    usage: {x-app-usage: {call_count: 12, total_time: 4, total_cputime: 3}}
    rate_limit: {calls: 20, code: 80004, block: 5m, extends: 1m}
    faults:                             # the first that fits answers
      - {on: "POST /*", code: 2, message: down for a moment, status: 500, times: 2, after: 1}
      - {on: "GET /act_100/insights", fail: hang}
    batch_timeouts: [2]                 # entries of a batch without an answer, once each

A fault has an error (`code`, `subcode`, `message`, `status`, `transient`), an answer (`json`,
`status`), each with `headers` over those of `usage`, or a way to break off (`fail: reset | hang`;
`lost: true` does the change and resets). `times` is how often, `after` how many that fit are let
through before.
Tells `url`, `host`, `port`, `token`, `app_id`, `app_secret`, `version`, `account`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac
from typing import Any
from urllib.parse import parse_qsl

from engine.sandbox.meta_graph import Graph, GraphError
from engine.sandbox.meta_world import Fault, World, read_world
from engine.sandbox.routes import REQUESTS_KEPT, Answer, Request
from engine.sandbox.spec import ServiceSpec

BATCH_MAX = 50
"""Calls in one batch, as Meta has it."""

_VERSION = re.compile(r"v\d+\.\d+")
_JSON = ("Content-Type", "application/json; charset=UTF-8")


@dataclass(frozen=True, slots=True)
class Asked:
    """A call without its envelope."""

    method: str
    path: str
    params: dict[str, str]
    version: str
    token: str


@dataclass(slots=True)
class MetaService:
    """Meta without a network: a request goes in, an answer comes out.

    `requests` are the latest that came; `calls` counts each call of a batch by itself.
    """

    name: str
    world: World
    tells: Mapping[str, str]
    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    calls: int = 0
    blocked_until: datetime | None = None
    _timed_out: set[int] = field(default_factory=set)

    @classmethod
    def read(cls, spec: ServiceSpec) -> MetaService:
        """The service as an environment writes it. Raises Wrong."""
        world = read_world(spec)
        tells = {
            "token": world.token.value,
            "app_id": world.app.id,
            "app_secret": world.app.secret,
            "version": world.versions[0],
            "account": world.accounts[0]["id"] if world.accounts else "",
        }
        return cls(spec.name, world, tells)

    def answer(self, request: Request, now: datetime) -> Answer:
        """What Meta answers, with what it changes already changed."""
        self.requests = [*self.requests[1 - REQUESTS_KEPT :], request]
        self.world.started = self.world.started or now
        try:
            return self._answer(request, now)
        except (KeyError, TypeError, ValueError) as e:
            said = f"{request.method} {request.path}: {type(e).__name__}: {e}"
            self.problems.append(said)
            return Answer(500, (_JSON,), json.dumps({"sandbox": said}).encode())

    def _answer(self, request: Request, now: datetime) -> Answer:
        asked = self._read(request)
        if asked.method == "POST" and not asked.path and "batch" in asked.params:
            fault = None
            status, body = self._batch(asked, now)
        else:
            fault = self._fault(asked)
            if fault and fault.breaks:
                if fault.lost:
                    self._carried_out(asked, now)
                return Answer(fail=fault.breaks)
            status, body = self._one(asked, now, fault)
        more = fault.headers if fault else {}
        return Answer(status, self._headers(asked, now, more), json.dumps(body).encode())

    def _read(self, request: Request) -> Asked:
        path, _, query = request.target.partition("?")
        params = dict(parse_qsl(query, keep_blank_values=True))
        params |= dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        first, _, rest = path.strip("/").partition("/")
        version, bare = (first, rest) if _VERSION.fullmatch(first) else ("", path.strip("/"))
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return Asked(
            # the override of the first client libraries: any request may say what it means
            method=params.pop("method", request.method).upper(),
            path=bare,
            params=params,
            version=version if version in self.world.versions else self.world.versions[0],
            token=params.pop("access_token", bearer),
        )

    def _one(self, asked: Asked, now: datetime, fault: Fault | None) -> tuple[int, Any]:
        """Status and body of one call, in a batch or alone."""
        try:
            self._refuse_stranger(asked)
            self._refuse_limited(now)
            if fault is not None:
                return fault.status, fault.answer
            return 200, self._carried_out(asked, now)
        except GraphError as e:
            return e.status, e.body()

    def _carried_out(self, asked: Asked, now: datetime) -> Any:
        given = {k: v for k, v in asked.params.items() if k != "appsecret_proof"}
        graph = Graph(self.world, now, asked.token)
        return graph.call(asked.method, asked.path, given)

    def _fault(self, asked: Asked) -> Fault | None:
        return next((f for f in self.world.faults if f.takes(asked.method, asked.path)), None)

    def _refuse_stranger(self, asked: Asked) -> None:
        app, token = self.world.app, self.world.token
        if asked.token not in (token.value, app.token):
            raise GraphError(190, "Invalid OAuth access token - Cannot parse access token")
        if asked.token == token.value and token.died:
            raise GraphError(190, "Error validating access token", subcode=token.died)
        proof = asked.params.get("appsecret_proof")
        right = hmac(app.secret.encode(), asked.token.encode(), sha256).hexdigest()
        if proof is None and app.require_proof:
            raise GraphError(100, "API calls from the server require an appsecret_proof argument")
        if proof is not None and not compare_digest(proof, right):
            raise GraphError(100, "Invalid appsecret_proof provided in the API argument")

    def _refuse_limited(self, now: datetime) -> None:
        """Counts the call. Calling on while limited makes the block longer, as at Meta."""
        limit = self.world.rate_limit
        self.calls += 1
        if limit is None:
            return
        if self.blocked_until is not None and now >= self.blocked_until:
            self.blocked_until, self.calls = None, 1
        if self.blocked_until is not None:
            self.blocked_until += limit.extends
        elif self.calls > limit.calls:
            self.blocked_until = now + limit.block
        if self.blocked_until is not None:
            raise GraphError(limit.code, "There have been too many calls", transient=True)

    def _batch(self, asked: Asked, now: datetime) -> tuple[int, Any]:
        try:
            self._refuse_stranger(asked)
            entries = _batched(asked.params["batch"])
        except GraphError as e:
            self.calls += 1
            return e.status, e.body()
        return 200, [self._entry(number, one, asked, now) for number, one in enumerate(entries, 1)]

    def _entry(self, number: int, one: dict[str, str], asked: Asked, now: datetime) -> Any:
        path, _, query = one["relative_url"].partition("?")
        params = dict(parse_qsl(query)) | dict(parse_qsl(one.get("body", "")))
        proof = {k: asked.params[k] for k in ("appsecret_proof",) if k in asked.params}
        alone = Asked(one["method"], path.strip("/"), params | proof, asked.version, asked.token)
        if number in self.world.batch_timeouts - self._timed_out:
            self._timed_out.add(number)
            self.calls += 1
            return None
        fault = self._fault(alone)
        status, body = self._one(alone, now, None if fault and fault.breaks else fault)
        more = fault.headers if fault else {}
        headers = [{"name": n, "value": v} for n, v in self._headers(alone, now, more)]
        return {"code": status, "headers": headers, "body": json.dumps(body)}

    def _headers(
        self, asked: Asked, now: datetime, more: Mapping[str, Any]
    ) -> tuple[tuple[str, str], ...]:
        date = now.strftime("%a, %d %b %Y %H:%M:%S GMT")
        usage = {name: json.dumps(value) for name, value in self.world.usage.items()}
        limit = self.world.rate_limit
        if limit is not None and self.world.accounts:
            left_s = (self.blocked_until - now).total_seconds() if self.blocked_until else 0
            case = {
                "type": "ads_insights" if limit.code == 80000 else "ads_management",
                "call_count": min(100, round(100 * self.calls / max(1, limit.calls))),
                "total_cputime": 1,
                "total_time": 1,
                "estimated_time_to_regain_access": max(0, -int(-left_s // 60)),
                "ads_api_access_tier": "development_access",
            }
            usage["x-business-use-case-usage"] = json.dumps({self.world.accounts[0]["id"]: [case]})
        return (
            _JSON,
            ("facebook-api-version", asked.version),
            ("Date", date),
            ("x-fb-trace-id", f"T{self.calls}"),
            *(usage | {name: _text(value) for name, value in more.items()}).items(),
        )


def _batched(text: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(text)
    if len(found) > BATCH_MAX:
        raise GraphError(100, f"Too many requests in batch message. Maximum {BATCH_MAX}")
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
