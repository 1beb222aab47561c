"""What Meta's headers say of the calls that are left, each in its own unit, as one structure.

| header | holds | unit of its time |
|---|---|---|
| `x-app-usage` | percent of calls, of time, of CPU time | none |
| `x-ad-account-usage` | percent; `reset_time_duration` | seconds |
| `x-business-use-case-usage` | percents a use case; `estimated_time_to_regain_access` | minutes |
| `x-fb-ads-insights-throttle` | percent of the app and of the account | none |

Source: Graph API, *Rate limits*. They come only after enough calls, and hold JSON as text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

METERS_MAX = 200
"""Kept in one budget: a run talks to a handful of accounts."""

BLOCKED_AT_PERCENT = 100.0

INSIGHTS, APP, OTHER = USES = ("ads_insights", "app", "other")
"""What a call uses up: the quota of insights, of the app alone, or of an account."""


@dataclass(frozen=True, slots=True)
class Meter:
    """One limit, and how much of it is used.

    limit: app, ad_account, insights, or the use case with its business
    percent: the worst of its parts; calls are refused at 100
    parts: each percentage by Meta's name for it
    blocked_for_s: until calls are taken again, 0 where they are taken
    resets_in_s: until the percentage is 0 again, where Meta says so
    tier: the app's access tier, where Meta says so
    """

    limit: str
    percent: float
    parts: dict[str, float]
    blocked_for_s: float = 0.0
    resets_in_s: float | None = None
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """The budget that is left, as the answers of this run told it.

    worst_percent: of all limits; 0 where Meta has told none, which it does while little is used
    worst: the limit that has it
    blocked_for_s: the longest block that is known to last
    blocked: the limit that has it
    meters: all limits
    """

    worst_percent: float
    worst: str | None
    blocked_for_s: float
    blocked: str | None
    meters: tuple[Meter, ...]


_LIMIT_OF = {INSIGHTS: "insights", APP: "app", OTHER: "ad_account"}
"""The limit that stands for what another run was told of a use."""


class Budget:
    """Keeps what was told, and knows how long a block still lasts. `now_s` only grows."""

    __slots__ = ("_kept", "_now_s")

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._kept: dict[str, tuple[float, Meter]] = {}

    def observe(self, headers: Mapping[str, str]) -> list[str]:
        """Takes the usage headers of an answer; returns what could not be read of them."""
        problems = []
        for name, read in _READERS.items():
            text = headers.get(name)
            if not text:
                continue
            try:
                for meter in read(json.loads(text)):
                    self._keep(meter)
            except (ValueError, TypeError, AttributeError, KeyError):
                problems.append(f"the header {name} cannot be read: {text[:80]}")
        return problems

    def now(self) -> Usage:
        """All of it, with the blocks as long as they still last."""
        meters = tuple(self._current())
        worst = max(meters, key=lambda m: m.percent, default=None)
        blocked = max(meters, key=lambda m: m.blocked_for_s, default=None)
        lasts_s = blocked.blocked_for_s if blocked else 0.0
        return Usage(
            worst_percent=worst.percent if worst else 0.0,
            worst=worst.limit if worst else None,
            blocked_for_s=lasts_s,
            blocked=blocked.limit if blocked and lasts_s else None,
            meters=meters,
        )

    def block(self, use: str) -> Meter | None:
        """The longest block that calls of this use would meet."""
        met = [m for m in self._current() if m.blocked_for_s > 0 and _meets(m.limit, use)]
        return max(met, key=lambda m: m.blocked_for_s, default=None)

    def used(self, use: str) -> float | None:
        """The share that calls of this use have used of their limits; None where none was told."""
        met = [m.percent for m in self._current() if _meets(m.limit, use)]
        return max(met) / 100 if met else None

    def recall(self, use: str, used: float, blocked_for_s: float) -> None:
        """Takes in what another run was told. What this run was told itself counts more."""
        limit = _LIMIT_OF[use]
        if limit not in self._kept:
            self._keep(Meter(limit, used * 100, {}, blocked_for_s))

    def _keep(self, meter: Meter) -> None:
        if meter.limit in self._kept or len(self._kept) < METERS_MAX:
            self._kept[meter.limit] = (self._now_s(), meter)

    def _current(self) -> Iterator[Meter]:
        now_s = self._now_s()
        for at_s, m in self._kept.values():
            passed_s = now_s - at_s
            left_s = round(max(0.0, m.blocked_for_s - passed_s), 1)
            resets_s = None if m.resets_in_s is None else max(0.0, m.resets_in_s - passed_s)
            yield Meter(m.limit, m.percent, m.parts, left_s, resets_s, m.tier)


def use_of(path: str) -> str:
    """What a call to this path uses up. The quota of an account is no matter of the app's own
    calls, such as looking at the token: these find out why the others are refused.
    """
    last = path.strip("/").rpartition("/")[2]
    if last == "insights":
        return INSIGHTS
    return APP if last in ("debug_token", "permissions", "me") else OTHER


def _meets(limit: str, use: str) -> bool:
    if limit == "app":
        return True
    if use == APP:
        return False
    if limit == "ad_account":
        return True
    of_insights = limit == "insights" or limit.startswith(INSIGHTS)
    return of_insights == (use == INSIGHTS)


def _app(found: Any) -> Iterator[Meter]:
    yield _meter("app", found, ("call_count", "total_time", "total_cputime"))


def _account(found: Any) -> Iterator[Meter]:
    percent = float(found["acc_id_util_pct"])
    resets_s = float(found.get("reset_time_duration") or 0)  # seconds
    yield Meter(
        "ad_account",
        percent,
        {"acc_id_util_pct": percent},
        blocked_for_s=resets_s if percent >= BLOCKED_AT_PERCENT else 0.0,
        resets_in_s=resets_s,
        tier=found.get("ads_api_access_tier"),
    )


def _business(found: Any) -> Iterator[Meter]:
    for business, cases in found.items():
        for case in cases:
            name = f"{case['type']} of {business}"
            minutes = float(case.get("estimated_time_to_regain_access") or 0)
            parts = ("call_count", "total_cputime", "total_time")
            yield _meter(name, case, parts, blocked_for_s=minutes * 60)


def _insights(found: Any) -> Iterator[Meter]:
    yield _meter("insights", found, ("app_id_util_pct", "acc_id_util_pct"))


def _meter(limit: str, found: Any, names: tuple[str, ...], *, blocked_for_s: float = 0.0) -> Meter:
    parts = {name: float(found[name]) for name in names if found.get(name) is not None}
    if not parts:
        raise KeyError(names[0])
    tier = found.get("ads_api_access_tier")
    return Meter(limit, max(parts.values()), parts, blocked_for_s, None, tier)


_READERS: Mapping[str, Callable[[Any], Iterator[Meter]]] = {
    "x-app-usage": _app,
    "x-ad-account-usage": _account,
    "x-business-use-case-usage": _business,
    "x-fb-ads-insights-throttle": _insights,
}
