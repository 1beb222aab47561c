"""What the meta checks and actions find. Every record tells the version that answered, what a
person should know, and the budget that is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from engine.adapters.meta_usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What every answer of Meta tells.

    version: of the API that answered
    warnings: such as that another version answered than was asked
    budget: the worst percentage of Meta's limits, and how long a block lasts
    """

    version: str | None
    warnings: tuple[str, ...]
    budget: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Record):
    """What a token is good for.

    valid: whether Meta takes it
    problem: why it is not taken, in words
    kind: USER, PAGE, SYSTEM_USER or APP
    app_id: of the app it belongs to
    user_id: of the person it belongs to
    expires_at: when it ends, null for never
    days_left: until then by Meta's clock, null for never
    data_access_expires_at: when the person must log in again for data, null for never
    data_access_days_left: until then
    scopes: what it may
    granular: what it may on certain objects only
    missing: the required scopes that it has not
    """

    valid: bool
    problem: str | None = None
    kind: str | None = None
    app_id: str | None = None
    user_id: str | None = None
    expires_at: datetime | None = None
    days_left: float | None = None
    data_access_expires_at: datetime | None = None
    data_access_days_left: float | None = None
    scopes: tuple[str, ...] = ()
    granular: tuple[dict[str, Any], ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions(Record):
    """What the person of the token has permitted.

    granted: permitted
    declined: declined, or expired
    missing: the required ones that are not granted
    """

    granted: tuple[str, ...]
    declined: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Record):
    """How an ad account stands.

    id: with act_
    access: whether the token may see it
    problem: why not, in words
    name: of the account
    status: ACTIVE, DISABLED, UNSETTLED, PENDING_RISK_REVIEW and so on
    status_words: what that means
    disable_reason: why it is disabled, in words
    currency: of its amounts
    minor_per_unit: amounts are whole numbers of a minor unit; how many make one of the currency
    spent_minor: since it exists
    balance_minor: what is owed
    spend_cap_minor: after which nothing is delivered, 0 for none
    timezone: of its days
    """

    id: str
    access: bool
    problem: str | None = None
    name: str | None = None
    status: str | None = None
    status_words: str | None = None
    disable_reason: str | None = None
    currency: str | None = None
    minor_per_unit: int | None = None
    spent_minor: int | None = None
    balance_minor: int | None = None
    spend_cap_minor: int | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits(Record):
    """How much of Meta's limits is used.

    limited: whether Meta refuses calls now
    problem: what it says then
    asked: whether Meta was asked; it is not while it is known to refuse
    worst_percent: of all limits; 0 where Meta tells none, which it does while little is used
    worst: the limit that has it
    blocked_for_s: until calls are taken again, as far as Meta says so
    blocked: the limit that is used up
    meters: all limits
    """

    limited: bool
    problem: str | None
    asked: bool
    worst_percent: float
    worst: str | None
    blocked_for_s: float
    blocked: str | None
    meters: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Insights(Record):
    """How fresh the numbers are.

    account: with act_
    latest: the latest day there are numbers for, null where there are none
    age_days: from then to the account's today by Meta's clock: 0 is today, 1 yesterday
    days: with numbers, of those asked for
    rows: the numbers by day, the latest first
    today: the account's, by Meta's clock
    """

    account: str
    latest: date | None
    age_days: int | None
    days: int
    rows: tuple[dict[str, Any], ...]
    today: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(Record):
    """What a GET answers.

    data: the items of a list, over all pages that were read; null where the answer is no list
    object: the answer that is no list, or what a list's answer has besides its items
    count: of the items
    pages: read
    more: whether there are further pages
    after: the parameter `after` that leads to them
    """

    data: list[Any] | None
    object: dict[str, Any]
    count: int
    pages: int
    more: bool
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSet(Record):
    """A status that is as wanted.

    id: of the campaign, ad set or ad
    name: of it
    status: as it is now
    former: as it was before this step; what an undo sets
    written: whether it had to be changed by this attempt
    """

    id: str
    name: str | None
    status: str
    former: str | None
    written: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSet(Record):
    """A budget that is as wanted.

    id: of the campaign or ad set
    name: of it
    which: daily or lifetime
    minor: the budget now, in minor units of the currency (cents of USD)
    former_minor: as it was before this step; what an undo sets
    shown: the budget as people write it
    former_shown: the former one as people write it
    currency: of the account
    minor_per_unit: how many minor units make one of the currency
    written: whether it had to be changed by this attempt
    """

    id: str
    name: str | None
    which: str
    minor: int
    former_minor: int | None
    shown: str | None
    former_shown: str | None
    currency: str
    minor_per_unit: int
    written: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed(Record):
    """What a change answered.

    id: of what was made or changed, where Meta says so
    answer: all that Meta answered
    """

    id: str | None
    answer: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Batched(Record):
    """What the calls of a batch answered.

    sent: calls sent by this attempt, each of which counts against the limits
    done: calls that were carried out, by this attempt or one before
    failed: calls that were refused
    timed_out: calls without an answer: Meta had no time for them
    results: of each call in its order: number, method, path, status, ok, body, error
    again: the calls without an answer, as they were given, for another batch
    """

    sent: int
    done: int
    failed: int
    timed_out: int
    results: tuple[dict[str, Any], ...]
    again: tuple[dict[str, Any], ...]
