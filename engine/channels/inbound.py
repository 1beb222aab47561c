"""What comes back from messages: is a press of Slack's or a link of a mail what it says it is?

Pure: the caller hands in the time, and keeps what was used, so that nothing counts twice. A link
asks for confirmation when it is opened (mail scanners open links); only the
confirmation uses it up.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from engine.errors import Refused

SLACK_WINDOW_S = 300
"""How old a request of Slack's may be: as its document says."""

STAMP_MAX_DIGITS = 15
"""Of a time in seconds: Python makes no number of over 4,300 digits."""

LINK_S = 24 * 3600
"""How long a link in a mail is good: who takes it the day after takes the next one."""

QUESTION_S = 7 * 24 * 3600
"""How long a button or link is good that answers: it stops counting as soon as its question is not
open any more, so this is for what nobody answers at all.
"""

REASON = "runbook:reason"
"""The name of the field for a reason in a message in Slack."""

REASON_MAX_CHARS = 1000
"""Of a reason: it is for a trail, not a report."""

LINK_MAX_CHARS = 4000
"""Of what claims to be a link of ours."""

KEY_MIN_BYTES = 16
"""Of a key that signs: a shorter one can be guessed."""


def verify_slack(
    secrets: Collection[str], headers: Mapping[str, str], body: bytes, now_s: float
) -> None:
    """Raises Refused unless Slack signed this body with one of the secrets, just now."""
    known = {name.lower(): value for name, value in headers.items()}
    stamp, given = known.get("x-slack-request-timestamp", ""), known.get("x-slack-signature", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= STAMP_MAX_DIGITS) or not given:
        raise Refused("this request is not signed as Slack signs")
    if abs(now_s - int(stamp)) > SLACK_WINDOW_S:
        raise Refused(f"this request is older than {SLACK_WINDOW_S} s: it may be a repetition")
    text = b"v0:" + stamp.encode() + b":" + body
    for secret in secrets:
        key = secret.encode("utf-8", "surrogateescape")  # as the environment had it
        wanted = "v0=" + hmac.new(key, text, hashlib.sha256).hexdigest()
        if secret and hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace")):
            return
    raise Refused(
        "the signature of this request is wrong: Slack did not send it, or to another app"
    )


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody pressed a button in Slack. `user` is Slack's id of them; `value` is ours."""

    user: str
    value: str
    channel: str | None
    ts: str | None
    response_url: str | None
    reason: str = ""
    """What stood in the field of the message."""


def read_press(body: bytes) -> Press:
    """The press in the body of an interaction, which must have been verified. Raises Refused."""
    try:
        (payload,) = parse_qs(body.decode(), max_num_fields=20)["payload"]
        found: Any = json.loads(payload)
        action = found["actions"][0]
        place = found.get("channel") or {}
        message = found.get("message") or {}
        user = {"block_actions": found["user"]}[found["type"]]
        return Press(
            str(user["id"]),
            str(action["value"]),
            _text(place.get("id")),
            _text(message.get("ts")),
            _text(found.get("response_url")),
            _reason(found),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Refused("this is no press of a button") from error


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _reason(payload: Any) -> str:
    """The text of the field for a reason: all fields of a message come along with a press."""
    values = (payload.get("state") or {}).get("values") or {}
    texts = [fields[REASON].get("value") for fields in values.values() if REASON in fields]
    return str(next((text for text in texts if text), ""))[:REASON_MAX_CHARS]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a button or a link says: somebody (`who`; empty in a button, where Slack says who) takes
    an escalation of a run, or answers a question. `answer` empty: the reader of a link chooses.
    `plan_hash`: of what is agreed to.
    """

    id: str
    """To be used once: the key of the message it stood in."""
    run: str
    escalation: str
    who: str
    until_s: int
    answer: str = "acknowledged"
    plan_hash: str = ""


def usable(keys: Iterable[str]) -> list[bytes]:
    """The keys that sign, as they are used: one that can be guessed signs nothing, and what it
    signed is nobody's.
    """
    found = [key.encode("utf-8", "surrogateescape") for key in keys]  # as the environment had it
    return [key for key in found if len(key) >= KEY_MIN_BYTES]


def sign(claim: Claim, key: bytes) -> str:
    """A claim as the value of a button, or the end of a link. Raises Refused for a weak key."""
    if len(key) < KEY_MIN_BYTES:
        raise Refused(f"the key that signs links has fewer than {KEY_MIN_BYTES} bytes")
    fields = [claim.id, claim.run, claim.escalation, claim.who, claim.until_s]
    text = json.dumps([*fields, claim.answer, claim.plan_hash], separators=(",", ":"))
    packed = _pack(text.encode())
    return f"{packed}.{_mac(packed, key)}"


def check(text: str, keys: Collection[bytes], now_s: float) -> Claim:
    """The claim of a text that we signed. Raises Refused for one that is forged, foreign or
    expired. Whether it was used already only the store knows.
    """
    if len(text) > LINK_MAX_CHARS:
        raise Refused("this is no link of ours")
    packed, _, given = text.partition(".")
    octets = given.encode("utf-8", "surrogatepass")
    if not any(hmac.compare_digest(_mac(packed, key).encode(), octets) for key in keys):
        raise Refused("this link was not made here, or was altered")
    try:
        fields = json.loads(_unpack(packed))
        claim = Claim(*fields)
    except (ValueError, TypeError) as error:
        raise Refused("this is no link of ours") from error
    if now_s > claim.until_s:
        raise Refused("this link is too old")
    return claim


def _mac(packed: str, key: bytes) -> str:
    text = b"runbook-link:" + packed.encode("utf-8", "surrogatepass")
    return _pack(hmac.new(key, text, hashlib.sha256).digest())


def _pack(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")


def _unpack(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
