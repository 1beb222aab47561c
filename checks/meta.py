"""Questions to Meta's Graph and Marketing API.

Each is tried again as Meta asks for it, five attempts with waits that double, unless the step has a
`retry` of its own. A call that Meta is known to refuse for longer than that ends the step at once.
What is left of Meta's limits is in every result: `token.budget.worst_percent`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from engine.adapters.meta_errors import RETRY
from engine.adapters.meta_records import (
    Account,
    Insights,
    Listed,
    Permissions,
    RateLimits,
    Token,
)
from engine.adapters.meta_words import REQUIRED_SCOPES
from engine.plugin import check

if TYPE_CHECKING:
    from engine.adapters.meta import GraphReader

DAYS_LEFT_MIN = 7
"""Of a token: a week to get a new one, with a weekend in it."""

USED_PERCENT_MAX = 80
"""Of Meta's limits. At 100 it refuses, and a busy hour takes the rest."""


@check(
    "meta.token",
    expect={"valid": True, "missing": []},
    warn={"days_left": {"any": [{"eq": None}, {"gt": DAYS_LEFT_MIN}]}},
    retry=RETRY,
)
async def token(meta: GraphReader, *, scopes: list[str] | None = None) -> Token:
    """Whether Meta takes the connection's token, how long yet, and what it may do.

    Meta tells nobody that a token died: it passes with a warning from a week before its end on,
    unless the step's `warn` says otherwise.

    scopes: what it must be allowed, `a or b` for one of two; otherwise what reading ads and pages
      takes: ads_read or ads_management, business_management, pages_read_engagement, pages_show_list
    """
    return await meta.token(REQUIRED_SCOPES if scopes is None else scopes)


@check("meta.permissions", expect={"missing": []}, retry=RETRY)
async def permissions(meta: GraphReader, *, scopes: list[str] | None = None) -> Permissions:
    """What the person of the token has permitted, and declined.

    scopes: what must be permitted, `a or b` for one of two; otherwise as meta.token has it
    """
    return await meta.permissions(REQUIRED_SCOPES if scopes is None else scopes)


@check("meta.account", expect={"access": True, "status": "ACTIVE"}, retry=RETRY)
async def account(meta: GraphReader, account: str | None = None) -> Account:
    """Whether the token may see an ad account, and whether the account is active.

    account: its number with or without act_; otherwise the connection's
    """
    return await meta.account(account)


@check(
    "meta.rate_limits",
    expect={"limited": False, "worst_percent": {"lt": 100}},
    warn={"worst_percent": {"lt": USED_PERCENT_MAX}},
    retry=RETRY,
)
async def rate_limits(meta: GraphReader, account: str | None = None) -> RateLimits:
    """How much of Meta's limits is used, and how long a block lasts; fails while calls are refused.

    Passes with a warning from 80 % on, unless the step's `warn` says otherwise. Meta tells
    percentages only after enough calls: 0 is little. While it is known to refuse, it is not asked.

    account: whose limits: its number with or without act_; otherwise the connection's
    """
    return await meta.rate_limits(account)


@check("meta.insights", expect={"age_days": {"le": 1}}, retry=RETRY)
async def insights(
    meta: GraphReader,
    account: str | None = None,
    *,
    level: Literal["account", "campaign", "adset", "ad"] = "account",
    days: int = 7,
) -> Insights:
    """How fresh the numbers of an ad account are; fails when the latest day is before yesterday.

    A day without delivery has no numbers, so an account that delivers nothing is never fresh.

    account: its number with or without act_; otherwise the connection's
    level: what the numbers are of
    days: how far back to look, up to today by the account's time; at most 90
    """
    return await meta.insights(account, level, days)


@check("meta.request", retry=RETRY)
async def request(
    meta: GraphReader,
    path: str,
    *,
    fields: list[str] | None = None,
    params: dict[str, Any] | None = None,
    pages: int = 1,
) -> Listed:
    """What a GET answers: an object, or the items of a list over several pages.

    path: below the version, such as act_123/campaigns
    fields: what to answer of each object
    params: further parameters; what is no text is sent as JSON
    pages: how many to read at most, each a call that counts; up to 50
    """
    asked = dict(params or {})
    if fields:
        asked["fields"] = ",".join(fields)
    return await meta.listed(path, asked, pages)
