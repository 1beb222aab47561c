"""What started a run, as its report says it: the alert, the incident, the schedule, or somebody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from engine.clock import MICROSECONDS
from engine.core.events import Event, spoken

TEXT_MAX_CHARS = 300
"""Of a line of the report: the trail has the whole."""


def line_of(text: str) -> str:
    """On one line, and no longer than one."""
    return " ".join(text.split())[:TEXT_MAX_CHARS]


def trigger_of(first: Event) -> str:
    """What started it, in words: the alert, the incident, the schedule, or somebody."""
    event = first.body.get("event")
    if not isinstance(event, Mapping):
        return f"{spoken(first.actor)} by hand"
    labels = event.get("labels")
    name = labels.get("alertname") if isinstance(labels, Mapping) else None
    if name:
        more = [f"{k}={v}" for k, v in labels.items() if k != "alertname"] if labels else []
        return line_of(f"the alert {name}" + (f" ({', '.join(more)})" if more else ""))
    source = event.get("source") or spoken(first.actor)
    title = event.get("title")
    return line_of(f"{source}: {title}" if title else f"an event of {source}")


def alerted_us(event: Any) -> int | None:
    """When the alert began to fire, or the event occurred, where it says so."""
    if not isinstance(event, Mapping):
        return None
    alert = event.get("alert")
    said = alert.get("starts_at") if isinstance(alert, Mapping) else event.get("occurred_at")
    try:
        return round(datetime.fromisoformat(str(said)).timestamp() * MICROSECONDS)
    except ValueError:
        return None
