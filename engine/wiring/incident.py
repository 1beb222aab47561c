"""Where a run came from, for those who write back there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def incident_of(event: Any) -> str | None:
    """PagerDuty's id of the incident that started a run."""
    if not isinstance(event, Mapping):
        return None
    inner = event.get("data")
    data = inner if isinstance(inner, Mapping) else event
    found = data.get("incident_id") or (data.get("id") if data.get("type") == "incident" else None)
    return str(found) if found else None
