"""What Meta's numbers and names mean, in words, and what a token must be allowed. Pure.

Source: Marketing API reference, *Ad Account* (account_status, disable_reason) and *Currencies*.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta

ACCOUNT_STATUS: Mapping[int, tuple[str, str]] = {
    1: ("ACTIVE", "the account is active"),
    2: ("DISABLED", "the account is disabled"),
    3: ("UNSETTLED", "a payment is open, nothing is delivered"),
    7: ("PENDING_RISK_REVIEW", "the account is looked at for risk"),
    8: ("PENDING_SETTLEMENT", "a payment is being settled"),
    9: ("IN_GRACE_PERIOD", "a payment is open, and is still waited for"),
    100: ("PENDING_CLOSURE", "the account is being closed"),
    101: ("CLOSED", "the account is closed"),
    201: ("ANY_ACTIVE", "the account is active"),
    202: ("ANY_CLOSED", "the account is closed"),
}

DISABLE_REASON: Mapping[int, str] = {
    1: "ads integrity policy",
    2: "intellectual property review",
    3: "payment risk",
    4: "grey account shut down",
    5: "ads review",
    6: "business integrity review",
    7: "closed for good",
    8: "unused account of a reseller",
    9: "unused account",
    10: "umbrella account",
    11: "Business Manager integrity policy",
    12: "misrepresented account",
    13: "legal entity no longer shared",
    14: "thread review",
    15: "compromised account",
}

REQUIRED_SCOPES = (
    "ads_read or ads_management",
    "business_management",
    "pages_read_engagement",
    "pages_show_list",
)
"""What reading ads and page insights takes."""

WHOLE_CURRENCIES = frozenset(
    {"CLP", "COP", "CRC", "HUF", "ISK", "IDR", "JPY", "KRW", "PYG", "TWD", "VND"}
)
"""Those whose minor unit is the unit itself at Meta; of all others it is a hundredth."""


def missing_scopes(granted: Collection[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """Which of the wanted are not granted. One of `a or b` is enough."""
    return tuple(
        one for one in wanted if not any(part.strip() in granted for part in one.split(" or "))
    )


def minor_per_unit(currency: str) -> int:
    return 1 if currency in WHOLE_CURRENCIES else 100


def money(minor: int | None, currency: str) -> str | None:
    """`25.00 USD` of 2500 cents."""
    if minor is None:
        return None
    per_unit = minor_per_unit(currency)
    return f"{minor / per_unit:.{2 if per_unit == 100 else 0}f} {currency}"


def whole(value: object) -> int | None:
    """Meta writes amounts as text; None for what is no whole number."""
    try:
        return int(str(value))
    except ValueError:
        return None


def server_time(date: str | None) -> datetime | None:
    """The `Date` header (RFC 9110, 5.6.7): what time the other side has, by which its times are
    judged; this machine's clock may be wrong.
    """
    try:
        return datetime.strptime(date or "", "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return None


def at(seconds: object) -> datetime | None:
    """A time of Meta's, in seconds of the epoch; None for 0, which is never."""
    found = whole(seconds)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=found) if found else None


def days_between(now: datetime | None, then: datetime | None) -> float | None:
    if now is None or then is None:
        return None
    return round((then - now).total_seconds() / 86400, 2)
