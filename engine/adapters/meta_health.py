"""What keeps a connection to Meta alive: its token, its rate limits, how fresh its numbers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from engine.adapters import meta_words as words
from engine.adapters.meta_errors import refusal
from engine.adapters.meta_errors import words as said_of
from engine.adapters.meta_line import Graphed
from engine.adapters.meta_records import Insights, RateLimits, Token
from engine.errors import AdapterError

if TYPE_CHECKING:
    from engine.adapters.meta_line import GraphLine
    from engine.adapters.meta_reader import MetaReader, Told

DAYS_MAX = 90
"""Of insights in one step, a row a day."""


async def token(
    reader: MetaReader, line: GraphLine, of: str, asking: str | None, wanted: Sequence[str]
) -> Token:
    """What Meta knows of a token. That it is dead is an answer.

    of: the token
    asking: the app's own token where the connection has the app's secret; else the token asks
        about itself, which a dead one cannot, so that the refusal says why
    """
    try:
        found = await line.examine(of, asking)
    except AdapterError as e:
        if asking is not None or e.detail.get("kind") != "token":
            raise
        return Token(valid=False, problem=e.message, missing=tuple(wanted), **reader.told())
    data = found.body.get("data") if isinstance(found.body, dict) else None
    if not isinstance(data, dict):
        raise AdapterError("debug_token answers no data", retryable=False)
    return _token(data, found, wanted, reader.told(found))


def _token(data: Mapping[str, Any], found: Graphed, wanted: Sequence[str], told: Told) -> Token:
    now = words.server_time(found.date)
    expires, data_access = (
        words.at(data.get("expires_at")),
        words.at(data.get("data_access_expires_at")),
    )
    valid = data.get("is_valid") is True
    error = data.get("error")
    problem = said_of(refusal(error, 200)) if isinstance(error, dict) else None
    scopes = tuple(sorted(str(s) for s in data.get("scopes") or ()))
    if now is None and (expires or data_access):
        no_date = "the answer has no Date, so the days that are left are not known"
        told["warnings"] = (*told["warnings"], no_date)
    return Token(
        valid=valid,
        problem=problem or (None if valid else "Meta does not take the token and does not say why"),
        kind=data.get("type"),
        app_id=_text(data.get("app_id")),
        user_id=_text(data.get("user_id")),
        expires_at=expires,
        days_left=words.days_between(now, expires),
        data_access_expires_at=data_access,
        data_access_days_left=words.days_between(now, data_access),
        scopes=scopes,
        granular=tuple(g for g in data.get("granular_scopes") or () if isinstance(g, dict)),
        missing=words.missing_scopes(scopes, wanted),
        **told,
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


async def rate_limits(reader: MetaReader, line: GraphLine, path: str) -> RateLimits:
    """How much of the limits is used. While Meta is known to refuse, it is not asked: that would
    make it longer.
    """
    problem, answers, asked = None, [], True
    try:
        answers.append(await reader.get(path, {"fields": "id"}))
    except AdapterError as e:
        if e.detail.get("kind") != "rate_limit":
            raise
        problem, asked = e.message, e.detail.get("sent") is not False
    told = reader.told(*answers)
    usage = line.usage
    return RateLimits(
        limited=problem is not None,
        problem=problem,
        asked=asked,
        worst_percent=usage.worst_percent,
        worst=usage.worst,
        blocked_for_s=usage.blocked_for_s,
        blocked=usage.blocked,
        meters=usage.meters,
        **told,
    )


async def insights(reader: MetaReader, account: str | None, level: str, days: int) -> Insights:
    """The latest day an account has numbers for, and how old it is in the account's own days.

    What today is comes from Meta's clock and the account's offset: its days end at its midnight.
    """
    if not 1 <= days <= DAYS_MAX:
        raise AdapterError(f"`days` is from 1 to {DAYS_MAX}, not {days}", retryable=False)
    path = reader.account_path(account)
    zone = await reader.get(path, {"fields": "timezone_offset_hours_utc"})
    now = words.server_time(zone.date)
    if now is None:
        raise AdapterError("the answer has no Date, so today is not known", retryable=False)
    offset_h = float(zone.body.get("timezone_offset_hours_utc") or 0)
    today = (now + timedelta(hours=offset_h)).date()
    since = today - timedelta(days=days - 1)
    listed = await reader.listed(
        f"{path}/insights",
        {
            "fields": "date_start,date_stop,impressions,clicks,spend",
            "level": level,
            "time_range": {"since": since.isoformat(), "until": today.isoformat()},
            "time_increment": 1,
            "limit": 500,
        },
        pages=10,
    )
    rows = sorted(listed.data or (), key=lambda row: str(row.get("date_stop")), reverse=True)
    latest = _day(rows[0].get("date_stop")) if rows else None
    return Insights(
        account=path,
        latest=latest,
        age_days=(today - latest).days if latest else None,
        days=len({row.get("date_stop") for row in rows}),
        rows=tuple(rows[:DAYS_MAX]),
        today=today,
        version=listed.version,
        warnings=listed.warnings,
        budget=listed.budget,
    )


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None
