"""The hash chain of a run, pure: an event as text, what its hash covers, whether rows still fit.

An event is stored as text whose bytes are what was hashed. Its hash is the SHA-256, in hex, of the
hash before it followed by the canonical JSON of `{actor, at_us, body, run, seq, type, version}`;
before the first event of a run stands `GENESIS` (later: the latest seal). Canonical JSON has sorted
keys, no spaces, no NaN or infinity, and is UTF-8. So anyone who holds an export can recompute the
chain with ten lines.

`walk` recomputes it from rows as a store holds them. It trusts nothing about them: a row whose text
is no UTF-8, no JSON, or of another type than it was written with, is one that does not fit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from engine.core.events import TYPES, Actor, Draft, Event
from engine.errors import Broken, JournalError

GENESIS = "0" * 64
"""Stands before the first event of every run."""

EVENT_MAX_BYTES = 16 * 1024 * 1024
"""Of one event's body. The largest is `RunStarted`: the texts of a runbook and of those it calls,
each at most 1 MiB. Far below what SQLite (1 GB) and PostgreSQL (1 GB) take, and still quick to hash
(10 ms)."""

INTEGER_MAX = 2**63 - 1
"""The largest integer a column takes in SQLite and PostgreSQL."""

Row = tuple[Any, Any, Any, Any, Any, Any, Any]
"""`(seq, at_us, type, version, actor, body, hash)` as stored: integers and text, if nobody altered
it."""

_dumps = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode


def canonical(value: Any) -> str:
    """The one text of a JSON value. Raises ValueError or TypeError where a value is none.

    A lone surrogate (a target may send one, as an escape) has no UTF-8; it stays an escape, so that
    the text can be stored, and reads back as what it was.
    """
    text = _dumps(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        # Twice: two lone halves that stand side by side read back as one character, which then has
        # its own, shorter text. The second pass reaches the text that reads back as itself.
        once = _escaped(text)
        text = _escaped(_dumps(json.loads(once)))
    return text


def _escaped(text: str) -> str:
    # What `backslashreplace` writes for a lone surrogate, `\udc80`, is exactly JSON's own escape
    # for it.
    return text.encode("utf-8", "backslashreplace").decode()


class Encoded(NamedTuple):
    """A draft as it will be stored, before it has a seq. `body` is what `text` reads back as."""

    at_us: int
    type: str
    version: int
    actor: Mapping[str, str]
    actor_text: str
    body: Mapping[str, Any]
    text: str


@lru_cache(maxsize=256)
def _actor(actor: Actor) -> tuple[Mapping[str, str], str]:
    body = actor.to_json()
    return body, canonical(body)


def encode(draft: Draft) -> Encoded:
    """Raises JournalError, in words, for what no store could take: then nothing was written.

    The body is read back from its text: what `append` returns equals what `events` returns later,
    so a run that is taken up again sees what the run that wrote it saw.
    """
    version = TYPES.get(draft.type)
    if version is None:
        raise JournalError(f"there is no event type {draft.type!r}")
    if not 0 <= draft.at_us <= INTEGER_MAX:
        raise JournalError(f"the time of a {draft.type} is out of range: {draft.at_us} us")
    try:
        actor, actor_text = _actor(draft.actor)
        text = canonical(draft.body)
        body = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise JournalError(f"the body of a {draft.type} is no JSON: {error}") from error
    if len(text) > EVENT_MAX_BYTES // 4 and len(text.encode()) > EVENT_MAX_BYTES:
        raise JournalError(
            f"the body of a {draft.type} has {len(text.encode())} bytes, "
            f"and at most {EVENT_MAX_BYTES} can be kept",
            help="let the step extract what matters of a large result",
        )
    return Encoded(draft.at_us, draft.type, version, actor, actor_text, body, text)


def check_run_id(run: str) -> None:
    """A run's id is short, printable ASCII: it stands in messages, URLs and file names."""
    if not (0 < len(run) <= 128 and run.isprintable() and run.isascii()):
        raise JournalError(f"{run[:128]!r} cannot be the id of a run: 1 to 128 ASCII characters")


def link(previous: str, run: str, seq: int, event: Encoded) -> str:
    """The hash of an event that stands behind `previous`."""
    return _digest(
        previous,
        run,
        (seq, event.at_us, event.type, event.version, event.actor_text, event.text, ""),
    )


def _digest(previous: str, run: str, row: Row) -> str:
    # The canonical JSON of the whole, put together from texts that are canonical already: keys in
    # order.
    seq, at_us, kind, version, actor, body, _ = row
    text = (
        f'{previous}{{"actor":{actor},"at_us":{at_us},"body":{body},"run":{_dumps(run)},'
        f'"seq":{seq},"type":{_dumps(kind)},"version":{version}}}'
    )
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def decode(run: str, row: Row) -> Event:
    """The event of a row. Raises Broken when it cannot be read."""
    seq, at_us, kind, version, actor, body, digest = row
    try:
        return Event(run, seq, at_us, kind, version, json.loads(actor), json.loads(body), digest)
    except (ValueError, TypeError, RecursionError) as error:
        raise broken(run, seq, f"cannot be read: {error}") from error


def broken(run: str, seq: int, what: str) -> Broken:
    return Broken(f"run {run}: event {seq} {what}", run=run, seq=seq)


class End(NamedTuple):
    """Where a run ends: what its rows so far come to, or what the list of runs has recorded.

    `stray` is the first row whose seq is none an event of the run can have.
    """

    seq: int = 0
    hash: str = GENESIS
    stray: Any = None


def walk(run: str, rows: Iterable[Row]) -> End:
    """Recomputes a run's chain from its rows, in order. Raises Broken at the first misfit."""
    end = End()
    for row in rows:
        end = follow(run, end, row)
    return end


def follow(run: str, end: End, row: Row) -> End:
    """The end after one more row. Raises Broken."""
    seq = end.seq + 1
    if row[0] == seq and isinstance(row[0], int):
        _check_row(run, seq, end.hash, row)
        return End(seq, row[-1], end.stray)
    if isinstance(row[0], int) and row[0] > seq:
        raise broken(run, seq, f"is missing: the next one there is {row[0]}")
    # What it was before its seq was altered is told by the one that is missing, found further on.
    return end if end.stray else end._replace(stray=row)


def check_end(run: str, end: End, recorded: End | None) -> End:
    """Whether a run ends where the list of runs says. Raises Broken."""
    if recorded is None:
        raise broken(run, 1, "is there, but the list of runs does not have the run")
    if recorded.seq != end.seq:
        raise _other_end(run, end.seq, recorded.seq)
    if recorded.hash != end.hash:
        raise broken(run, max(end.seq, 1), "is not the last one that the list of runs has recorded")
    if end.stray:
        raise broken(
            run, end.seq + 1, f"and no other has the number {end.stray[0]!r} of a row there"
        )
    return end


def _other_end(run: str, seq: int, recorded: Any) -> Broken:
    if isinstance(recorded, int) and 0 <= recorded < seq:
        return broken(run, recorded + 1, f"is behind the last one, which is {recorded}")
    return broken(run, seq + 1, f"is missing: the list of runs has recorded {recorded!r}")


def _check_row(run: str, seq: int, previous: str, row: Row) -> None:
    if not (isinstance(row[1], int) and isinstance(row[3], int)):
        raise broken(run, seq, "was altered: its time or version is no integer")
    if not all(isinstance(row[column], str) for column in (2, 4, 5, 6)):
        raise broken(run, seq, "was altered: a column that is text is none")
    if _digest(previous, run, row) != row[-1]:
        raise broken(run, seq, f"({row[2]!r}) was altered: its hash does not fit its content")
    # The hash covers the columns written one behind the other. Reading each by itself shows that
    # the borders between them stand where they stood.
    decode(run, row)
