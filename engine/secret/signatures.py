"""Is a message from who it says? One answer for each way of signing; no strange input raises.

Sources: PagerDuty "Webhook signatures" (version 3), standardwebhooks.com. All compare in constant
time. A secret that is empty fits nothing: anybody has it. Slack's way: `engine.channels.inbound`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

TOLERANCE_S = 300
"""How old, or how much ahead, a signed time may be: what the vendors name."""

SIGNATURES_MAX = 20
"""Of one header: one for each secret of a sender that changes them, and room."""

PREFIX = "whsec_"
"""Of a secret as Standard Webhooks writes it: the rest is base64."""


def pagerduty(body: bytes, header: str | None, secrets: Iterable[str]) -> bool:
    """`X-PagerDuty-Signature: v1=HEX,v1=HEX`: any of them with any secret, over the raw body.

    Nothing signs a time: who is let in may still be a repetition.
    """
    given = [one.strip() for one in (header or "").split(",")[:SIGNATURES_MAX]]
    found = [one[3:] for one in given if one.startswith("v1=")]
    return _any(found, [_hmac(_bytes(secret), body).hex() for secret in secrets if secret])


def standard(
    body: bytes,
    headers: tuple[str | None, str | None, str | None],
    secrets: Iterable[str],
    now_s: float,
) -> str | None:
    """`headers`: webhook-id, webhook-timestamp, webhook-signature (`v1,BASE64 v1,BASE64`).

    None when it holds, else why not.
    """
    name, at, signature = headers
    if not name or not at or not signature:
        return "webhook-id, webhook-timestamp and webhook-signature are needed"
    if not (at.isascii() and at.isdigit() and len(at) < 16) or abs(now_s - int(at)) > TOLERANCE_S:
        return f"webhook-timestamp is more than {TOLERANCE_S} s away"
    signed = name.encode("utf-8", "replace") + b"." + at.encode() + b"." + body
    given = signature.split(" ")[:SIGNATURES_MAX]
    found = [one[3:] for one in given if one.startswith("v1,")]
    made = [base64.b64encode(_hmac(_key(secret), signed)).decode() for secret in secrets if secret]
    return None if _any(found, made) else "the signature is of another body, or another secret"


def digest(body: bytes) -> str:
    """What a body is known by when its sender gives it no name."""
    return hashlib.sha256(body).hexdigest()


def same(given: str | None, secrets: Iterable[str]) -> bool:
    """A plain token: one of these?"""
    return _any([given] if given else [], [secret for secret in secrets if secret])


def bearer(header: str | None) -> str | None:
    """The token of `Authorization: Bearer TOKEN`."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def basic(header: str | None) -> tuple[str, str] | None:
    """User and password of `Authorization: Basic BASE64`."""
    scheme, _, coded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = (
            base64.b64decode(coded.strip(), validate=True).decode().partition(":")
        )
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


def _key(secret: str) -> bytes:
    """A secret of Standard Webhooks: base64 behind its prefix, or else the text itself."""
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            return _bytes(secret)
    return _bytes(secret)


def _bytes(secret: str) -> bytes:
    """As the environment had it, which may be no UTF-8."""
    return secret.encode("utf-8", "surrogateescape")


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _any(given: list[str], wanted: list[str]) -> bool:
    """Every pair is compared, whichever fits: the time tells nothing."""
    held = False
    for one in given:
        for other in wanted:
            held |= hmac.compare_digest(
                one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
            )
    return held
