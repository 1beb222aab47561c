"""Events as files for others: one JSON object a line, or CSV. Pure; yields lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from engine.clock import to_iso
from engine.core.events import Event
from engine.journal.chain import canonical

COLUMNS = (
    "run",
    "seq",
    "at",
    "type",
    "path",
    "status",
    "actor",
    "means",
    "via",
    "at_us",
    "version",
    "body",
    "hash",
)
"""Of the CSV. `path` and `status` are taken out of the body, for people who filter; the body is
whole."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_jsonl(events: Iterable[Event]) -> Iterator[str]:
    """A line for each event, in canonical JSON: all that its hash covers, and the hash."""
    for event in events:
        yield canonical(to_json(event)) + "\n"


def to_json(event: Event) -> dict[str, object]:
    return {
        "run": event.run,
        "seq": event.seq,
        "at_us": event.at_us,
        "type": event.type,
        "version": event.version,
        "actor": event.actor,
        "body": event.body,
        "hash": event.hash,
    }


def to_csv(events: Iterable[Event]) -> Iterator[str]:
    """The header, then a record for each event, as RFC 4180 has it.

    Text that a spreadsheet would take for a formula gets an apostrophe before it; JSONL has it as
    it was.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for event in events:
        yield _taken(buffer)
        writer.writerow(map(_cell, _record(event)))
    yield _taken(buffer)


def _record(event: Event) -> Iterable[object]:
    return (
        event.run,
        event.seq,
        to_iso(event.at_us),
        event.type,
        event.body.get("path", ""),
        event.body.get("status", ""),
        event.actor.get("name", ""),
        event.actor.get("means", ""),
        event.actor.get("via", ""),
        event.at_us,
        event.version,
        canonical(event.body),
        event.hash,
    )


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
