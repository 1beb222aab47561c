"""What there is in a stand-in of Meta, read from the settings of its service."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from engine.sandbox.routes import FAILS, Fail
from engine.sandbox.spec import ServiceSpec, Wrong, entries, only, seconds, whole_number

KEYS = (
    "accounts",
    "app",
    "batch_timeouts",
    "faults",
    "first",
    "insights",
    "objects",
    "rate_limit",
    "token",
    "usage",
    "versions",
)
KINDS = ("campaign", "adset", "ad", "page")
SPAN_MAX_S = 10 * 365 * 86400.0
"""Of a token's life: ten years."""

SCOPES = (
    "ads_management",
    "ads_read",
    "business_management",
    "pages_read_engagement",
    "pages_show_list",
)
ACCOUNT = {"id": "100", "name": "Sandbox", "currency": "USD", "status": 1}
OBJECTS: tuple[dict[str, Any], ...] = (
    {"id": "200", "kind": "campaign", "account": "100", "name": "Autumn", "daily_budget": 5000},
    {"id": "300", "kind": "adset", "account": "100", "parent": "200", "name": "North",
     "daily_budget": 2500},
    {"id": "400", "kind": "ad", "account": "100", "parent": "300", "name": "Red shoe"},
    {"id": "500", "kind": "page", "name": "Shoes"},
)  # fmt: skip
"""What there is where the settings name no objects."""


@dataclass(frozen=True, slots=True)
class App:
    id: str
    secret: str
    require_proof: bool

    @property
    def token(self) -> str:
        return f"{self.id}|{self.secret}"


@dataclass(frozen=True, slots=True)
class Token:
    """The one token this stand-in knows, besides the app's own."""

    value: str
    kind: str
    expires_in_s: float | None
    data_access_in_s: float | None
    scopes: tuple[str, ...]
    declined: tuple[str, ...]
    died: int | None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """After so many calls all are refused for a time, which grows with each that comes then."""

    calls: int
    code: int
    block: timedelta
    extends: timedelta


@dataclass(slots=True)
class Fault:
    """One entry of `faults`, with how often it may still be met."""

    method: str
    path: re.Pattern[str]
    status: int
    answer: Any
    breaks: Fail | None
    lost: bool
    headers: Mapping[str, Any]
    left: int
    skip: int

    def takes(self, method: str, path: str) -> bool:
        """Whether it is meant, and counts it then."""
        if self.method not in ("*", method) or not self.path.fullmatch(f"/{path}"):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if not self.left:
            return False
        self.left -= 1
        return True


@dataclass(slots=True)
class World:
    """All of it. `objects` and `accounts` change as they are written."""

    versions: tuple[str, ...]
    app: App
    token: Token
    accounts: list[dict[str, Any]]
    objects: dict[str, dict[str, Any]]
    insights_age_days: int
    insights_days: int
    usage: Mapping[str, Any]
    rate_limit: RateLimit | None
    faults: list[Fault]
    batch_timeouts: frozenset[int]
    started: datetime | None = None
    made: int = field(default=0)

    def account(self, id: str) -> dict[str, Any] | None:
        bare = id.removeprefix("act_")
        return next((a for a in self.accounts if a["id"] == bare), None)


def read_world(spec: ServiceSpec) -> World:
    """Raises Wrong for what the settings do not take."""
    where, written = f"services.{spec.name}", spec.settings
    only(written, KEYS, where)
    accounts = [
        dict(a) for _, a in entries(written.get("accounts", [ACCOUNT]), f"{where}.accounts")
    ]
    for number, account in enumerate(accounts, 1):
        _account(account, f"{where}.accounts[{number}]")
    objects = {}
    given = entries(written.get("objects", list(OBJECTS)), f"{where}.objects")
    for place, one in given:
        found = _object(dict(copy.deepcopy(one)), place)
        objects[found["id"]] = found
    insights = _part(written, "insights", where, ("age", "days"))
    age_s = seconds(insights.get("age", 0), f"{where}.insights.age", SPAN_MAX_S)
    faults = [
        *entries(written.get("first"), f"{where}.first"),
        *entries(written.get("faults"), f"{where}.faults"),
    ]
    versions = tuple(str(v) for v in written.get("versions", ("v18.0", "v19.0", "v20.0", "v21.0")))
    if not versions:
        raise Wrong("names no version", f"{where}.versions")
    return World(
        versions=versions,
        app=_app(written, where),
        token=_token(written, where),
        accounts=accounts,
        objects=objects,
        insights_age_days=int(age_s // 86400),
        insights_days=whole_number(insights.get("days", 7), f"{where}.insights.days", 1000),
        usage=dict(written.get("usage") or {}),
        rate_limit=_rate_limit(written, where),
        faults=[_fault(dict(one), place) for place, one in faults],
        batch_timeouts=frozenset(int(n) for n in written.get("batch_timeouts") or ()),
    )


def _part(
    written: Mapping[str, Any], key: str, where: str, known: tuple[str, ...]
) -> Mapping[str, Any]:
    part = written.get(key) or {}
    if not isinstance(part, Mapping):
        raise Wrong(f"takes a mapping, not {part!r}", f"{where}.{key}")
    only(part, known, f"{where}.{key}")
    return part


def _app(written: Mapping[str, Any], where: str) -> App:
    app = _part(written, "app", where, ("id", "secret", "require_proof"))
    return App(
        str(app.get("id", "1000")),
        str(app.get("secret", "sandbox-app-secret")),
        bool(app.get("require_proof", False)),
    )


def _token(written: Mapping[str, Any], where: str) -> Token:
    known = ("value", "kind", "expires_in", "data_access_in", "scopes", "declined", "died")
    token, place = _part(written, "token", where, known), f"{where}.token"

    def span(key: str, usual: str) -> float | None:
        value = token.get(key, usual)
        return None if value is None else seconds(value, f"{place}.{key}", SPAN_MAX_S)

    died = token.get("died")
    return Token(
        value=str(token.get("value", "sandbox-meta-token")),
        kind=str(token.get("kind", "SYSTEM_USER")),
        expires_in_s=span("expires_in", "60d"),
        data_access_in_s=span("data_access_in", "90d"),
        scopes=tuple(str(s) for s in token.get("scopes", SCOPES)),
        declined=tuple(str(s) for s in token.get("declined") or ()),
        died=None if died is None else whole_number(died, f"{place}.died", 10_000_000),
    )


def _account(account: dict[str, Any], where: str) -> None:
    known = ("id", "name", "currency", "status", "disable_reason", "timezone_offset_h",
             "timezone", "hidden", "spent", "balance", "spend_cap")  # fmt: skip
    only(account, known, where)
    if not str(account.get("id", "")).isdigit():
        raise Wrong("an account has an id of digits", f"{where}.id")
    account["id"] = str(account["id"])


def _object(one: dict[str, Any], where: str) -> dict[str, Any]:
    if one.get("kind") not in KINDS:
        raise Wrong(f"{one.get('kind')!r} is no kind of object", f"{where}.kind", ", ".join(KINDS))
    if not str(one.get("id", "")).isdigit():
        raise Wrong("an object has an id of digits", f"{where}.id")
    one["id"] = str(one["id"])
    if one["kind"] != "page":
        one.setdefault("status", "ACTIVE")
    return one


def _rate_limit(written: Mapping[str, Any], where: str) -> RateLimit | None:
    if not written.get("rate_limit"):
        return None
    limit = _part(written, "rate_limit", where, ("calls", "code", "block", "extends"))
    place = f"{where}.rate_limit"
    return RateLimit(
        calls=whole_number(limit.get("calls", 0), f"{place}.calls", 1_000_000),
        code=whole_number(limit.get("code", 80004), f"{place}.code", 100_000),
        block=timedelta(seconds=seconds(limit.get("block", "5m"), f"{place}.block", 86400)),
        extends=timedelta(seconds=seconds(limit.get("extends", 0), f"{place}.extends", 86400)),
    )


def _fault(one: dict[str, Any], where: str) -> Fault:
    known = ("on", "code", "subcode", "message", "title", "status", "transient", "json", "fail",
             "headers", "lost", "times", "after")  # fmt: skip
    only(one, known, where)
    method, _, path = str(one.get("on", "")).partition(" ")
    if not path.startswith("/"):
        raise Wrong(f"{one.get('on')!r} is no method and path", f"{where}.on", "as in: POST /200")
    fail = one.get("fail")
    if fail not in (None, *FAILS):
        raise Wrong(f"{fail!r} is no way to fail", f"{where}.fail", f"it is {' or '.join(FAILS)}")
    lost = bool(one.get("lost", False))
    return Fault(
        method=method.upper(),
        path=re.compile(".*".join(re.escape(part) for part in path.split("*"))),
        status=whole_number(one.get("status", 400 if "code" in one else 200), where, 599),
        answer=one["json"] if "json" in one else error_body(one),
        breaks="reset" if lost and fail is None else fail,
        lost=lost,
        headers=dict(one.get("headers") or {}),
        left=whole_number(one.get("times", 1_000_000), f"{where}.times", 1_000_000),
        skip=whole_number(one.get("after", 0), f"{where}.after", 1_000_000),
    )


def error_body(one: Mapping[str, Any]) -> dict[str, Any]:
    """An error as Meta writes it, of `code`, `subcode`, `message`, `title`, `transient`."""
    code = one.get("code", 1)
    error = {
        "message": f"(#{code}) {one.get('message', 'An error of the sandbox')}",
        "type": "OAuthException",
        "code": code,
        "fbtrace_id": "Asandbox",
    }
    if one.get("subcode"):
        error["error_subcode"] = one["subcode"]
    if one.get("title"):
        error["error_user_title"] = one["title"]
    if one.get("transient"):
        error["is_transient"] = True
    return {"error": error}
