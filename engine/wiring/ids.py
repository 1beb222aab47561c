"""Names of runs and of deliveries."""

from __future__ import annotations

import hashlib
import secrets

from engine.clock import to_datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_CHARS = 8


def new_id(at_us: int, of: str | None = None) -> str:
    """A run's name: sorts by time, can be read out on the phone, and does not collide.

    With `of`, it follows from that and the time alone: who asks again for the same gets the same.
    """
    stamp = to_datetime(at_us).strftime("%Y%m%d-%H%M%S")
    if of is None:
        number = secrets.randbits(5 * _ID_CHARS)
    else:
        number = int.from_bytes(hashlib.sha256(of.encode()).digest())
    letters = [_ALPHABET[number >> 5 * place & 31] for place in range(_ID_CHARS)]
    return f"{stamp}-{''.join(letters)}"
