"""What Meta's refusals mean: which kind, in words, whether another try helps, whether a change may
have been made. No library.

Source: Graph API, *Handling errors* and *Rate limits*; Marketing API, *Error reference*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.adapters.http_request import HIDDEN
from engine.errors import AdapterError
from engine.language.duration import format_duration
from engine.plugin import Retry

Kind = Literal["rate_limit", "transient", "permission", "token", "parameter", "unknown"]

RATE_LIMIT_CODES = frozenset({4, 17, 32, 341, 613, *range(80000, 80007), 80008, 80009, 80014})
TRANSIENT_CODES = frozenset({1, 2})
PERMISSION_CODES = frozenset({3, 10, *range(200, 300)})
TOKEN_CODES = frozenset({102, 190})
PARAMETER_CODES = frozenset({100})

TOKEN_SUBCODES: Mapping[int, str] = {
    458: "the person removed the app",
    459: "the person must first pass a checkpoint by logging in at facebook.com",
    460: "the password was changed",
    463: "it expired",
    464: "the person's account is not confirmed",
    467: "it is invalid: logged out, or revoked",
    492: "its session is bad: the person lost their role on the page",
}
"""Why a token is dead. There is one cure: a new one."""

PARAMETER_SUBCODES: Mapping[int, str] = {
    33: "no such object, or this token may not see it",
    1487534: "too much is asked for at once: a shorter time, fewer fields, another level",
}

RATE_LIMITED: Mapping[int, str] = {
    4: "the app",
    17: "the user, or the ad account",
    32: "the page",
    341: "the app, for a time",
    613: "this kind of call",
    80000: "insights of the ad account",
    80001: "the page",
    80002: "the Instagram account",
    80003: "custom audiences of the ad account",
    80004: "changes and reads of the ad account",
    80005: "leads of the page",
    80006: "messages of the page",
    80008: "the WhatsApp account",
    80009: "the catalog",
    80014: "batches of the catalog",
}
"""Who has called too often, by code."""

RETRY = Retry(attempts=5, delay_s=1.0, factor=2.0, max_s=60.0, jitter="full")
"""How the steps of the family try again where they say nothing: as Meta asks for it, waits that
double, by chance. Only what is worth it, see `retryable`, and never into a known block.
"""

MESSAGE_MAX_CHARS = 600
"""Of what Meta says, in ours."""

TOKEN_KEYS = frozenset({"access_token", "appsecret_proof", "input_token", "client_secret"})
"""Of objects Meta answers: `me/accounts` has the token of each page, without being asked for it."""

_TOKEN_IN_URL = re.compile(
    r"((?:access_token|appsecret_proof|input_token)(?:=|%3[Dd]))[^&\s\"'\\]*"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Meta says of a call it did not carry out.

    subcode_words: what the sub-code means, where that is documented
    blocked_for_s: until calls are taken again, as far as the same answer says so
    """

    kind: Kind
    code: int | None
    subcode: int | None
    subcode_words: str | None
    message: str
    status: int
    transient: bool
    trace: str | None
    blocked_for_s: float = 0.0


def refusal(error: Mapping[str, Any], status: int, blocked_for_s: float = 0.0) -> Refusal:
    """Reads the `error` of an answer, of an entry of a batch, or of debug_token's data."""
    code = _whole(error.get("code"))
    subcode = _whole(error.get("error_subcode", error.get("subcode")))
    transient = error.get("is_transient") is True
    kind = _kind(code, transient, status)
    words = {"token": TOKEN_SUBCODES, "parameter": PARAMETER_SUBCODES}.get(kind, {})
    said = " - ".join(
        str(error[k]) for k in ("message", "error_user_title", "error_user_msg") if error.get(k)
    )
    return Refusal(
        kind=kind,
        code=code,
        subcode=subcode,
        subcode_words=words.get(subcode or 0),
        message=without_tokens(said)[:MESSAGE_MAX_CHARS] or f"status {status}",
        status=status,
        transient=transient,
        trace=str(error["fbtrace_id"]) if error.get("fbtrace_id") else None,
        blocked_for_s=blocked_for_s,
    )


def _kind(code: int | None, transient: bool, status: int) -> Kind:
    kinds: tuple[tuple[Kind, frozenset[int]], ...] = (
        ("rate_limit", RATE_LIMIT_CODES),
        ("token", TOKEN_CODES),
        ("permission", PERMISSION_CODES),
        ("parameter", PARAMETER_CODES),
        ("transient", TRANSIENT_CODES),
    )
    for kind, codes in kinds:
        if code in codes:
            return kind
    if transient:
        return "transient"
    if code is None:
        return "rate_limit" if status == 429 else "transient" if status >= 500 else "unknown"
    return "unknown"


def words(found: Refusal) -> str:
    """The refusal in a sentence."""
    number = f"{found.code}" + (f"/{found.subcode}" if found.subcode else "")
    said = f"{found.message} ({number})" if found.code is not None else found.message
    why = f"{found.subcode_words}; " if found.subcode_words else ""
    match found.kind:
        case "rate_limit":
            who = RATE_LIMITED.get(found.code or 0, "somebody")
            return f"Meta limits the rate, {who} has called too often: {said}"
        case "transient":
            return f"Meta could not just now: {said}"
        case "permission":
            return f"Meta does not permit it: {said}"
        case "token":
            return f"Meta does not take the token: {why}{said}"
        case "parameter":
            return f"Meta does not take the call: {why}{said}"
    return f"Meta refuses: {said}"


def told(found: Refusal, *, change: bool, wait_max_s: float) -> AdapterError:
    """The refusal as an error.

    change: whether the call was to change something
    wait_max_s: the longest block that another try is left to wait for
    """
    in_doubt = change and (
        found.kind == "transient" or (found.kind == "unknown" and found.status >= 500)
    )
    message = words(found) + (": the change may have been made" if in_doubt else "")
    return AdapterError(
        message,
        help=_cure(found),
        maybe_done=in_doubt,
        retryable=retryable(found, wait_max_s),
        detail={
            "kind": found.kind,
            "code": found.code,
            "subcode": found.subcode,
            "subcode_words": found.subcode_words,
            "status": found.status,
            "trace": found.trace,
            "blocked_for_s": found.blocked_for_s,
        },
    )


def retryable(found: Refusal, wait_max_s: float) -> bool:
    """Whether another try can help. While a block lasts longer than the wait it makes it longer."""
    if found.kind == "rate_limit":
        return found.blocked_for_s <= wait_max_s
    return found.kind == "transient" or found.transient or found.status >= 500


def blocked(who: str, for_s: float, wait_max_s: float) -> AdapterError:
    """Not sent, because Meta said that it would be refused, and that asking makes it longer."""
    return AdapterError(
        f"Meta has blocked {who} for another {_span(for_s)}: nothing was sent",
        help=f"wait that long: calling on makes it longer. A step `wait: {_span(for_s)}` does",
        retryable=for_s <= wait_max_s,
        detail={"kind": "rate_limit", "blocked_for_s": round(for_s, 1), "sent": False},
    )


def _cure(found: Refusal) -> str | None:
    proof = "appsecret_proof" in found.message
    match found.kind:
        case "rate_limit" if found.blocked_for_s:
            return f"Meta takes calls again in {_span(found.blocked_for_s)}; fewer until then"
        case "rate_limit":
            return "wait, and ask for less: calling on while limited makes the block longer"
        case "transient":
            return "try again in a while: the step did already, as its `retry` says"
        case "permission":
            return "grant it in Business settings, or log in again with auth_type=rerequest"
        case "token":
            return "get a new token and put it where the connection reads it; see meta.token"
        case "parameter" if proof:
            return "is `app_secret` of the connection that of the token's app?"
    return None


def _span(seconds: float) -> str:
    return format_duration(float(max(1, round(seconds))))


def without_tokens(text: str) -> str:
    """A text without the tokens that Meta puts into the links it answers."""
    return _TOKEN_IN_URL.sub(rf"\1{HIDDEN}", text) if "=" in text or "%3" in text else text


def scrubbed(value: Any) -> Any:
    """An answer as it may be kept: pages come with a token of their own, links with ours."""
    if isinstance(value, str):
        return without_tokens(value)
    if isinstance(value, list):
        return [scrubbed(item) for item in value]
    if isinstance(value, dict):
        return {k: HIDDEN if k in TOKEN_KEYS else scrubbed(v) for k, v in value.items()}
    return value


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
