"""What the redis family says: the results of its checks and actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Part = str | bytes | int | float
"""Of a command."""

OnlyIf = Literal["absent", "present"]

SAMPLE_MAX_KEYS = 20
"""Names of keys that are shown of many: enough to see whether a pattern is the right one."""

SCAN_MAX_KEYS = 1_000_000
"""Keys that one step looks at, unless the connection says otherwise; about three seconds."""

VALUE_MAX_BYTES = 64 * 1024
"""Of one value, or one element of one; the rest is cut off, and `cut` says so."""

ELEMENTS_MAX = 1_000
"""Of a list, hash, set, sorted set or stream that are fetched at most."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a key holds.

    key: its name
    exists: whether there is such a key
    type: string, list, hash, set, zset, stream; none where there is no such key
    value: text, a list, a mapping; of a sorted set [member, score] pairs; of a stream its newest
    length: of the whole value: bytes of a string, elements of anything else
    ttl_s: seconds until it expires; null where it does not
    cut: the value is longer than what is here
    binary: a part of it is no UTF-8; what cannot be shown is replaced by U+FFFD
    """

    key: str
    exists: bool
    type: str
    value: Any
    length: int
    ttl_s: float | None
    cut: bool
    binary: bool


@dataclass(frozen=True, slots=True)
class Length:
    """How long a value is.

    length: bytes of a string, elements of anything else; 0 where there is no such key
    exists: whether there is such a key
    type: string, list, hash, set, zset, stream, none
    """

    length: int
    exists: bool
    type: str


@dataclass(frozen=True, slots=True)
class Matching:
    """The keys that match a glob.

    count: of those found; a key may count twice when the server resizes its table meanwhile
    sample: some of their names, sorted
    complete: every key was looked at; otherwise there may be more
    elapsed_ms: how long it took
    """

    count: int
    sample: tuple[str, ...]
    complete: bool
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class BigKeys:
    """The keys that take most memory, of those that were looked at.

    keys: key, bytes, type and ttl_s of each, the largest first
    scanned: how many were looked at
    bytes: of all that were looked at
    complete: every key was looked at
    """

    keys: list[dict[str, Any]]
    scanned: int
    bytes: int
    complete: bool


@dataclass(frozen=True, slots=True)
class WasSet:
    """Whether a value was set.

    key: its name
    set: false where `only_if` did not hold
    """

    key: str
    set: bool


@dataclass(frozen=True, slots=True)
class Deleted:
    """Keys that are gone.

    deleted: how many this step deleted
    matched: how many it found; more where one expired meanwhile
    elapsed_ms: how long it took
    """

    deleted: int
    matched: int
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Expiring:
    """Keys that will be gone.

    expiring: how many now have the time to live
    matched: how many were found
    elapsed_ms: how long it took
    """

    expiring: int
    matched: int
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Published:
    """A message that was sent.

    receivers: clients of this server that got it
    """

    receivers: int
