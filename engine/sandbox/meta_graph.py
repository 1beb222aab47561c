"""The nodes and edges of a stand-in of Meta: what a call that is let in is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from engine.sandbox.meta_world import World, error_body

PAGE_ITEMS = 25
"""Of a list, where `limit` says nothing: as Meta has it."""

EDGES = {"campaigns": "campaign", "adsets": "adset", "ads": "ad"}
STATUSES = ("ACTIVE", "PAUSED", "ARCHIVED", "DELETED")
BUDGET_MIN = 100
"""In minor units: what Meta asks for at least, more or less."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    "campaign": ("id", "name", "status", "effective_status", "account_id", "daily_budget",
                 "lifetime_budget", "objective"),
    "adset": ("id", "name", "status", "effective_status", "account_id", "campaign_id",
              "daily_budget", "lifetime_budget"),
    "ad": ("id", "name", "status", "effective_status", "account_id", "adset_id", "campaign_id"),
    "page": ("id", "name", "about"),
}  # fmt: skip
"""What an object of a kind has. Of any other field Meta says that the kind has none."""


class GraphError(Exception):
    """A call is refused, as Meta says it."""

    def __init__(
        self, code: int, message: str, *, subcode: int | None = None, transient: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.subcode = subcode
        self.transient = transient

    @property
    def status(self) -> int:
        return 403 if 200 <= self.code < 300 or self.code == 10 else 400

    def body(self) -> dict[str, Any]:
        return error_body(
            {
                "code": self.code,
                "message": self.message,
                "subcode": self.subcode,
                "transient": self.transient,
            }
        )


def no_such(id: str, verb: str = "get") -> GraphError:
    said = f"Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be loaded"
    return GraphError(100, f"{said} due to missing permissions", subcode=33)


class Graph:
    """One call by one token at one time."""

    def __init__(self, world: World, now: datetime, token: str) -> None:
        self.world = world
        self.now = now
        self.token = token

    def call(self, method: str, path: str, params: dict[str, str]) -> Any:
        """The body of the answer. Raises GraphError."""
        node, _, edge = path.partition("/")
        if method == "GET" and path in ("me", "debug_token"):
            return self._me() if path == "me" else self._debug_token(params)
        if method == "GET" and node == "me":
            return self._mine(edge, params)
        if node.startswith("act_"):
            return self._of_account(method, node, edge, params)
        return self._of_object(method, node, edge, params)

    def _me(self) -> Any:
        if self.token == self.world.app.token:
            raise GraphError(2500, "An active access token must be used")
        return {"id": "9000", "name": "sandbox system user"}

    def _mine(self, edge: str, params: Mapping[str, str]) -> Any:
        token = self.world.token
        if edge == "permissions":
            granted = [{"permission": s, "status": "granted"} for s in token.scopes]
            declined = [{"permission": s, "status": "declined"} for s in token.declined]
            return {"data": granted + declined}
        if edge == "adaccounts":
            seen = [self._account(a, params) for a in self.world.accounts if not a.get("hidden")]
            return self._page(seen, "me/adaccounts", params)
        if edge == "accounts":
            pages = [o for o in self.world.objects.values() if o["kind"] == "page"]
            found = [
                {"id": p["id"], "name": p["name"], "access_token": f"page-token-{p['id']}"}
                for p in pages
            ]
            return self._page(found, "me/accounts", params)
        raise GraphError(100, f"Tried accessing nonexisting field ({edge}) on node type (User)")

    def _debug_token(self, params: Mapping[str, str]) -> Any:
        world, token = self.world, self.world.token
        if "input_token" not in params:
            raise GraphError(100, "The parameter input_token is required")
        if params["input_token"] != token.value:
            return {"data": {"is_valid": False, "scopes": [], "error": {
                "code": 190, "message": "Invalid OAuth access token."}}}  # fmt: skip
        started = world.started or self.now

        def at(span_s: float | None) -> int:
            return 0 if span_s is None else int((started + timedelta(seconds=span_s)).timestamp())

        expires_at = at(token.expires_in_s)
        expired = bool(expires_at) and expires_at <= self.now.timestamp()
        data: dict[str, Any] = {
            "app_id": world.app.id,
            "type": token.kind,
            "application": "Sandbox",
            "is_valid": not (token.died or expired),
            "expires_at": expires_at,
            "data_access_expires_at": at(token.data_access_in_s),
            "user_id": "9000",
            "scopes": list(token.scopes),
            "granular_scopes": [{"scope": s} for s in token.scopes],
        }
        if not data["is_valid"]:
            subcode = token.died or 463
            data["error"] = {"code": 190, "message": "The token is not valid", "subcode": subcode}
        return {"data": data}

    def _of_account(self, method: str, node: str, edge: str, params: dict[str, str]) -> Any:
        account = self.world.account(node)
        if account is None:
            raise no_such(node, method.lower())
        if account.get("hidden"):
            raise GraphError(200, "Ad account owner has NOT grant ads_management or ads_read")
        if not edge and method == "GET":
            return self._account(account, params)
        if edge == "insights" and method == "GET":
            return self._insights(account, params, {"account_id": account["id"]}, node)
        if edge in EDGES and method == "GET":
            of_kind = [o for o in self.world.objects.values() if o["kind"] == EDGES[edge]]
            wanted = [o for o in of_kind if o.get("account") == account["id"]]
            return self._page([self._shown(o, params) for o in wanted], f"{node}/{edge}", params)
        if edge in EDGES and method == "POST":
            return self._make(EDGES[edge], account["id"], params)
        raise GraphError(
            100, f"Tried accessing nonexisting field ({edge}) on node type (AdAccount)"
        )

    def _of_object(self, method: str, node: str, edge: str, params: dict[str, str]) -> Any:
        found = self.world.objects.get(node)
        if found is None:
            raise no_such(node, method.lower())
        if edge == "insights" and method == "GET" and found.get("account"):
            account = self.world.account(found["account"]) or {}
            return self._insights(
                account, params, {f"{found['kind']}_id": node}, f"{node}/insights"
            )
        if edge in EDGES and method == "GET":
            below = [o for o in self.world.objects.values()
                     if o["kind"] == EDGES[edge] and o.get("parent") == node]  # fmt: skip
            return self._page([self._shown(o, params) for o in below], f"{node}/{edge}", params)
        if edge:
            raise GraphError(100, f"Tried accessing nonexisting field ({edge})")
        if method == "GET":
            return self._shown(found, params)
        if method == "DELETE":
            found["status"] = "DELETED"
            return {"success": True}
        return self._update(found, params)

    def _update(self, found: dict[str, Any], params: dict[str, str]) -> Any:
        options = params.pop("execution_options", "[]")
        _validate(params)
        # a page does not know `execution_options`: it takes the change, as Meta does
        if found["kind"] != "page" and "validate_only" in json.loads(options):
            return {"success": True}
        found.update(params)
        return {"success": True}

    def _make(self, kind: str, account: str, params: dict[str, str]) -> Any:
        options = params.pop("execution_options", "[]")
        if "name" not in params:
            raise GraphError(100, "The parameter name is required")
        _validate(params)
        if "validate_only" in json.loads(options):
            return {"success": True}
        self.world.made += 1
        number = str(900000 + self.world.made)
        made = {"status": "PAUSED", **params, "id": number, "kind": kind, "account": account}
        self.world.objects[number] = made
        return {"id": number}

    def _shown(self, found: Mapping[str, Any], params: Mapping[str, str]) -> dict[str, Any]:
        kind = found["kind"]
        names = [n for n in params.get("fields", "id").split(",") if n]
        for name in names:
            if name not in FIELDS[kind]:
                raise GraphError(
                    100, f"Tried accessing nonexisting field ({name}) on node type ({kind})"
                )
        known = {
            **found,
            "account_id": found.get("account"),
            "effective_status": found.get("status"),
            "campaign_id": found.get("parent"),
            "adset_id": found.get("parent"),
        }
        asked = {n: known[n] for n in ("id", *names) if known.get(n) is not None}
        budgets = {n: str(v) for n, v in asked.items() if n.endswith("_budget")}
        return asked | budgets

    def _account(self, account: Mapping[str, Any], params: Mapping[str, str]) -> dict[str, Any]:
        known = {
            "id": f"act_{account['id']}",
            "account_id": account["id"],
            "name": account.get("name"),
            "account_status": account.get("status", 1),
            "disable_reason": account.get("disable_reason", 0),
            "currency": account.get("currency", "USD"),
            "timezone_name": account.get("timezone", "America/Jamaica"),
            "timezone_offset_hours_utc": account.get("timezone_offset_h", 0),
            "amount_spent": str(account.get("spent", 0)),
            "balance": str(account.get("balance", 0)),
            "spend_cap": str(account.get("spend_cap", 0)),
        }
        names = params.get("fields", "id,account_id").split(",")
        for name in names:
            if name not in known:
                raise GraphError(
                    100, f"Tried accessing nonexisting field ({name}) on node type (AdAccount)"
                )
        return {name: known[name] for name in ("id", *names)}

    def _insights(
        self, account: Mapping[str, Any], params: Mapping[str, str], who: dict[str, str], path: str
    ) -> Any:
        today = (self.now + timedelta(hours=account.get("timezone_offset_h", 0))).date()
        latest = today - timedelta(days=self.world.insights_age_days)
        days = [latest - timedelta(days=n) for n in range(self.world.insights_days)]
        if "time_range" in params:
            span = json.loads(params["time_range"])
            since, until = (date.fromisoformat(span[k]) for k in ("since", "until"))
            days = [d for d in days if since <= d <= until]
        rows = [
            {**who, "date_start": d.isoformat(), "date_stop": d.isoformat(),
             "impressions": "1000", "clicks": "20", "spend": "12.50"}
            for d in sorted(days)
        ]  # fmt: skip
        return self._page(rows, path, params)

    def _page(self, items: list[Any], path: str, params: Mapping[str, str]) -> Any:
        """A page of a list. Its link to the next one holds the token, as Meta's does."""
        limit = int(params.get("limit", PAGE_ITEMS))
        begin = int(params.get("after", 0) or 0)
        end = begin + limit
        body: dict[str, Any] = {"data": items[begin:end]}
        if items:
            body["paging"] = {"cursors": {"before": str(begin), "after": str(end)}}
        if end < len(items):
            link = {"access_token": self.token, **params, "after": str(end)}
            body["paging"]["next"] = f"https://graph.facebook.com/{path}?{urlencode(link)}"
        return body


def _validate(params: Mapping[str, str]) -> None:
    """What Meta checks before it writes. Raises GraphError."""
    status = params.get("status")
    if status is not None and status not in STATUSES:
        raise GraphError(100, f"Param status must be one of {{{', '.join(STATUSES)}}}")
    for name in ("daily_budget", "lifetime_budget"):
        if name in params and not params[name].isdigit():
            raise GraphError(100, f"Param {name} must be an integer")
        if name in params and int(params[name]) < BUDGET_MIN:
            raise GraphError(100, "Your budget is too low", subcode=1885272)
