"""A stand-in of PagerDuty's `GET /oncalls`, which judges what is asked by the published document.

Source: PagerDuty's OpenAPI document of the REST API, operation `listOnCalls`: `since` and `until`
choose on-calls that overlap with them; with neither, those of now; `earliest` keeps the first of
each policy, level and user; `include[]` gives whole users instead of references; a page has `limit`
(25, at most 100) entries from `offset` on, and says with `more` whether another one follows.
Refusals are 400, 401, 403 and 429, in `{"error": {"message", "code", "errors"}}`.

`mood`: what becomes of the next questions, in order: `ok`, a status, `slow` (no answer), `lost`
(the connection breaks), `cut` (half an answer), `garbage` (no JSON), `else` (JSON of something
else).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from engine.sandbox.routes import Answer, Request
from tests.channels.vendors import Vendor, header, told

TOKEN = "pd-rest-token"
KNOWN = {
    *(
        "time_zone",
        "limit",
        "offset",
        "total",
        "include[]",
        "user_ids[]",
        "escalation_policy_ids[]",
    ),
    *("schedule_ids[]", "since", "until", "earliest"),
}
SAID = {
    401: ("Invalid Credentials", 2006),
    403: ("Access Denied", 2010),
    404: ("Not Found", 2100),
    429: ("Rate Limit Exceeded", 2020),
    500: ("Internal Server Error", 2000),
}


def user(id_: str, name: str, email: str | None = None) -> dict[str, Any]:
    return {"id": id_, "name": name, "email": email}


@dataclass
class OnCalls(Vendor):
    """`shifts`: (schedule, user, from, until) each, times in ISO 8601 or None; `levels`: how many
    escalation policies and levels each schedule stands in.
    """

    shifts: list[tuple[str, dict[str, Any], str | None, str | None]] = field(default_factory=list)
    levels: int = 1
    limit: int = 960
    left: int = 959
    now: datetime | None = None
    asked: list[Mapping[str, list[str]]] = field(default_factory=list)

    def answer(self, request: Request, now: datetime) -> Answer:
        self.requests.append(request)
        path, _, query = request.target.partition("?")
        asked = parse_qs(query, keep_blank_values=True)
        self.asked.append(asked)
        mood = self.mood.pop(0) if self.mood else "ok"
        if header(request, "Authorization") != f"Token token={TOKEN}":
            mood = 401
        if not self._judged(request, path, asked):
            return self._refused(400, "; ".join(self.problems))
        if isinstance(mood, int):
            return self._refused(mood)
        if mood in ("slow", "lost"):
            return Answer(fail="hang" if mood == "slow" else "reset")
        good = told(200, self._page(asked, self.now or now), *self._rate())
        bodies = {"cut": good.body[: len(good.body) // 2], "garbage": b"<html>busy</html>"}
        bodies["else"] = b'{"incidents": []}'
        return Answer(200, good.headers, bodies.get(str(mood), good.body))

    def _judged(self, request: Request, path: str, asked: Mapping[str, list[str]]) -> bool:
        ok = self.want((request.method, path) == ("GET", "/oncalls"), f"{request.method} {path}")
        ok &= self.want("version=2" in header(request, "Accept"), "Accept")
        ok &= self.want(not set(asked) - KNOWN, f"unknown: {sorted(set(asked) - KNOWN)}")
        ok &= self.want(1 <= int(asked.get("limit", ["25"])[0]) <= 100, "limit is 1 to 100")
        for key in ("since", "until"):
            for text in asked.get(key, ()):
                ok &= self.want(datetime.fromisoformat(text).tzinfo, f"{key} has a zone")
        return ok

    def _rate(self) -> tuple[tuple[str, str], ...]:
        head = {"limit": self.limit, "remaining": self.left, "reset": 30}
        return tuple((f"ratelimit-{name}", str(value)) for name, value in head.items())

    def _refused(self, status: int, why: str = "") -> Answer:
        message, code = SAID.get(status, (why or "Invalid Input Provided", 2001))
        more = (("Retry-After", self.retry_after),) if status == 429 and self.retry_after else ()
        body = {"error": {"message": message, "code": code, "errors": [why] if why else []}}
        return told(status, body, *more, *(self._rate() if status != 429 else ()))

    def _page(self, asked: Mapping[str, list[str]], now: datetime) -> dict[str, Any]:
        found = self._found(asked, now)
        if asked.get("earliest") == ["true"]:
            first: dict[Any, Any] = {}
            for one in sorted(found, key=lambda o: o["start"] or ""):
                key = (one["escalation_policy"]["id"], one["escalation_level"], one["user"]["id"])
                first.setdefault(key, one)
            found = list(first.values())
        limit, offset = (int(asked.get(k, [d])[0]) for k, d in (("limit", "25"), ("offset", "0")))
        page = {"limit": limit, "offset": offset, "total": None}
        more = offset + limit < len(found)
        return {**page, "oncalls": found[offset : offset + limit], "more": more}

    def _found(self, asked: Mapping[str, list[str]], now: datetime) -> list[dict[str, Any]]:
        span = [datetime.fromisoformat(asked[k][0]) if k in asked else now for k in SPAN]
        wanted = asked.get("schedule_ids[]")
        found = []
        for level in range(self.levels):
            for schedule, who, begin, end in self.shifts:
                late = begin is not None and datetime.fromisoformat(begin) > span[1]
                over = end is not None and datetime.fromisoformat(end) < span[0]
                if not late and not over and wanted in (None, [schedule]):
                    whole = "users" in asked.get("include[]", ())
                    found.append(_entry(schedule, who, (begin, end), level, whole))
        return found


SPAN = ("since", "until")


def _entry(
    schedule: str,
    who: Mapping[str, Any],
    times: tuple[str | None, str | None],
    level: int,
    whole: bool,
) -> dict[str, Any]:
    shown = {"id": who["id"], "type": "user_reference", "summary": who["name"]}
    if whole:
        shown |= {"type": "user", "name": who["name"], "email": who["email"], "role": "user"}
    return {
        "user": shown,
        "schedule": {"id": schedule, "type": "schedule_reference", "summary": schedule},
        "escalation_policy": {"id": f"PPOL{level // 2}", "type": "escalation_policy_reference"},
        "escalation_level": level % 2 + 1,
        "start": times[0],
        "end": times[1],
    }
