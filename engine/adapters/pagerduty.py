"""PagerDuty's schedules: who is on call, by its REST API. Nothing is changed there.

Facts: PagerDuty's published OpenAPI document of the REST API, `GET /oncalls`. An on-call belongs to
an escalation policy and one of its levels: whoever is on call in a schedule that stands in several
policies is listed several times. `start` is null of somebody who is always on call, `end` of
somebody who does not go off call. A list says with `more` that there is another page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from engine.adapters.http import HttpAdapter, HttpAnswer
from engine.clock import MICROSECONDS, to_iso
from engine.errors import AdapterError
from engine.language.shape import Duration
from engine.plugin import StepContext, reveal
from engine.plugin.on_call import NEVER_US, Turn

PAGE = 100
"""On-calls of one answer: the most that PagerDuty gives."""

PAGES_MAX = 5
"""Of one question: a schedule of a day has a handful of on-calls in each policy it stands in."""

SAID_MAX_CHARS = 200
"""Of what PagerDuty says about a refusal."""

BLOCKED_S = 60.0
"""How long nothing is asked after a 429 that does not say when to come again: PagerDuty counts
requests by the minute.
"""

BLOCKED_MAX_S = 3600.0
"""Of a `Retry-After`: longer is a mistake."""


class PagerDutySchedulesAdapter:
    """A connection to PagerDuty's REST API that asks who is on call.

    token: of the REST API; one that only reads is enough
    base_url: https://api.eu.pagerduty.com for accounts in the EU
    timeout_s: for the whole of one answer
    """

    family = "pagerduty_schedules"

    def __init__(
        self,
        token: str,
        *,
        base_url: str = "https://api.pagerduty.com",
        timeout_s: Duration = Duration(10.0),  # noqa: B008 - a float
    ) -> None:
        self._token = token
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._http: HttpAdapter | None = None
        self._used = 0.0
        self._blocked_s = 0.0

    def fingerprint(self) -> str:
        return HttpAdapter(self._base_url).fingerprint()

    async def ping(self) -> str:
        context = StepContext(run="", path="ping")
        await self.ask(context, {"limit": 1})
        return "PagerDuty says who is on call"

    def reader(self, context: StepContext) -> SchedulesReader:
        return SchedulesReader(self, context)

    def writer(self, context: StepContext) -> SchedulesReader:  # noqa: ARG002 - as the door asks
        raise AdapterError("schedules are only asked, nothing is changed there", retryable=False)

    async def close(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    # -- budgets, see `engine.runner.budgets` ------------------------------------------------------

    def budget_names(self) -> tuple[str, ...]:
        return (f"pagerduty {self.fingerprint()}",)

    def budgets(self) -> Mapping[str, tuple[float, float]]:
        return dict.fromkeys(self.budget_names(), (self._used, self._blocked_s))

    def recall(self, name: str, used: float, blocked_for_s: float) -> None:  # noqa: ARG002
        self._used, self._blocked_s = used, blocked_for_s

    async def ask(self, context: StepContext, query: Mapping[str, Any]) -> Mapping[str, Any]:
        """What `GET /oncalls` answers. Raises AdapterError, in words that go behind "PagerDuty
        could not be asked".
        """
        if self._blocked_s > 0:
            raise AdapterError(f"it takes no more questions for {self._blocked_s:.0f} s")
        found = await self._opened().reader(context).get("/oncalls", query=query)
        self._hear(found)
        if found.status != 200:
            raise _refused(found, self._blocked_s)
        if found.cut or not isinstance(found.json, dict):
            raise AdapterError(f"its answer is no JSON{_problem(found)}")
        return found.json

    def _hear(self, found: HttpAnswer) -> None:
        """What its headers say of the rate that is left."""
        limit, left = (_number(found, f"ratelimit-{name}") for name in ("limit", "remaining"))
        if limit and left is not None:
            self._used = min(1.0, max(0.0, 1 - left / limit))
        wait_s = _number(found, "retry-after") or _number(found, "ratelimit-reset") or BLOCKED_S
        if found.status == 429 or left == 0:
            self._blocked_s = min(max(1.0, wait_s), BLOCKED_MAX_S)

    def _opened(self) -> HttpAdapter:
        """The connection, made late: its token is revealed no sooner than it is needed."""
        if self._http is None:
            headers = {
                "Authorization": f"Token token={reveal(self._token)}",
                "Accept": "application/vnd.pagerduty+json;version=2",
                "Content-Type": "application/json",
            }
            self._http = HttpAdapter(self._base_url, headers=headers, timeout_s=self._timeout_s)
        return self._http


class SchedulesReader:
    """The reading side. Anybody's adapter whose reader has `on_call` can be asked for rotas."""

    __slots__ = ("_adapter", "_context")

    def __init__(self, adapter: PagerDutySchedulesAdapter, context: StepContext) -> None:
        self._adapter = adapter
        self._context = context

    async def on_call(self, schedule: str, since_us: int, until_us: int) -> tuple[Turn, ...]:
        """Whose turns lie in this time, the first first, each once. Empty: nobody is on call, or
        there is no such schedule. Raises AdapterError where that cannot be told.
        """
        # without `earliest`, which would leave out whoever takes over again later that day
        query: dict[str, Any] = {
            "schedule_ids[]": [schedule],
            "include[]": ["users"],
            "since": to_iso(since_us),
            "until": to_iso(until_us),
            "time_zone": "UTC",
            "limit": PAGE,
        }
        found: set[Turn] = set()
        for page in range(PAGES_MAX):
            told = await self._adapter.ask(self._context, {**query, "offset": page * PAGE})
            listed = told.get("oncalls")
            if not isinstance(listed, list):
                raise AdapterError("its answer has no `oncalls`")
            found |= {_turn(one) for one in listed if _of(one, schedule)}
            if told.get("more") is not True:
                return tuple(sorted(found, key=lambda t: (t.from_us, t.until_us, t.user)))
        raise AdapterError(f"schedule {schedule} has more than {PAGES_MAX * PAGE} on-calls")


def _of(one: Any, schedule: str) -> bool:
    """Whether an on-call is of this schedule: that of a user whom a policy names has none. What is
    no on-call at all is not left out, but told.
    """
    if not isinstance(one, dict) or "schedule" not in one:
        return True
    of = one["schedule"]
    return isinstance(of, dict) and of.get("id") == schedule


def _turn(one: Any) -> Turn:
    try:
        user = one["user"]
        id_, email = _word(user["id"]), user.get("email")
        name = user.get("name") or user.get("summary") or id_
        begin_us = _us(one.get("start")) if one.get("start") is not None else 0
        end_us = _us(one.get("end")) if one.get("end") is not None else NEVER_US
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise AdapterError("an on-call of its answer does not say who or when") from error
    known = email.strip() if isinstance(email, str) and "@" in email else None
    return Turn(id_, str(name)[:SAID_MAX_CHARS], known, begin_us, end_us)


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("no text")
    return value


def _us(text: Any) -> int:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return round(found.timestamp() * MICROSECONDS)


def _refused(found: HttpAnswer, blocked_s: float) -> AdapterError:
    error = found.json.get("error") if isinstance(found.json, dict) else None
    said = error.get("message") if isinstance(error, dict) else None
    words = f"it answers {found.status}{f': {said}' if said else ''}"[:SAID_MAX_CHARS]
    hints = {
        401: "the token of the connection is wrong, or was taken back",
        403: "the token of the connection may not read on-calls",
        404: "is the schedule there still?",
    }
    if found.status == 429:
        return AdapterError(f"{words} (for {blocked_s:.0f} s)", detail={"blocked_for_s": blocked_s})
    again = found.status >= 500
    return AdapterError(words, help=hints.get(found.status), retryable=again)


def _problem(found: HttpAnswer) -> str:
    if found.cut:
        return ": it is too long"
    return f": {found.json_problem}" if found.json_problem else ""


def _number(found: HttpAnswer, header: str) -> float | None:
    try:
        number = float(found.headers[header])
    except (KeyError, ValueError):
        return None
    return number if math.isfinite(number) else None
