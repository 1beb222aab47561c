"""From the API's objects to rows: autoscalers, events, metrics; and what is hidden of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from engine.adapters.kubectl_pods import age_s
from engine.adapters.kubectl_records import (
    OBJECTS_MAX,
    Autoscaler,
    Autoscalers,
    Event,
    Events,
    PodUsage,
    Usage,
)

Json = Mapping[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""An annotation that repeats the whole object, of a Secret its values too."""

_QUANTITY = re.compile(r"([0-9.]+)([a-zA-Z]*)")
_UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
          "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}  # fmt: skip


def documents(text: str) -> list[Any]:
    """The JSON values that stand one after the other in a text."""
    decoder, at = json.JSONDecoder(), 0
    found: list[Any] = []
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return found
        value, at = decoder.raw_decode(text, at)
        found.append(value)


def shown(found: Any) -> Any:
    """An object without what nobody should read in a record: the values of a Secret."""
    if not isinstance(found, Mapping):
        return found
    meta = dict(found.get("metadata") or {})
    notes = dict(meta.get("annotations") or {})
    notes.pop(LAST_APPLIED, None)
    if "annotations" in meta:
        meta["annotations"] = notes
    made = {**found, "metadata": meta}
    if found.get("kind") == "Secret":
        for key in ("data", "stringData"):
            if isinstance(found.get(key), Mapping):
                made[key] = dict.fromkeys(found[key], "(hidden)")
    return made


def quantity(text: object) -> float:
    """`250m`, `34Mi`, `2` as a number; 0.0 for what is none."""
    hit = _QUANTITY.fullmatch(str(text))
    if hit is None or hit[2] not in _UNITS:
        return 0.0
    return float(hit[1]) * _UNITS[hit[2]]


def autoscalers_of(items: Iterable[Json]) -> Autoscalers:
    rows = tuple(_autoscaler(item) for item in items)
    return Autoscalers(len(rows), sum(found.at_max for found in rows), rows)


def _autoscaler(hpa: Json) -> Autoscaler:
    spec, status = hpa["spec"], hpa.get("status") or {}
    about = spec["scaleTargetRef"]
    most = int(spec["maxReplicas"])
    desired = int(status.get("desiredReplicas") or 0)
    return Autoscaler(
        name=hpa["metadata"]["name"],
        target=f"{about['kind'].lower()}/{about['name']}",
        min=int(spec.get("minReplicas", 1)),
        max=most,
        current=int(status.get("currentReplicas") or 0),
        desired=desired,
        at_max=desired >= most,
        metrics=_metrics(spec.get("metrics") or [], status.get("currentMetrics") or []),
    )


def _metrics(wanted: Iterable[Json], measured: Iterable[Json]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for metrics, part, side in ((wanted, "target", "target"), (measured, "current", "now")):
        for metric in metrics:
            name, value = _metric(metric, part)
            found.setdefault(name, {"now": None, "target": None})[side] = value
    return found


def _metric(metric: Json, part: str) -> tuple[str, Any]:
    """The name and the value: a percentage where it is one, otherwise the quantity."""
    kind = str(metric.get("type", ""))
    own: Json = metric.get(kind[:1].lower() + kind[1:]) or {}
    name = own.get("name") or (own.get("metric") or {}).get("name") or kind
    values: Json = own.get(part) or {}
    for key in ("averageUtilization", "averageValue", "value"):
        if values.get(key) is not None:
            return str(name), values[key]
    return str(name), None


def events_of(items: Iterable[Json], now: datetime, since_s: float | None) -> Events:
    rows = [_event(item, now) for item in items]
    if since_s is not None:
        rows = [row for row in rows if row.age_s is not None and row.age_s <= since_s]
    rows.sort(key=lambda row: (row.age_s is None, row.age_s))
    return Events(
        count=len(rows),
        warnings=sum(row.type == "Warning" for row in rows),
        reasons=dict(sorted(Counter(row.reason for row in rows).items())),
        events=tuple(rows[:OBJECTS_MAX]),
    )


def _event(event: Json, now: datetime) -> Event:
    about: Json = event.get("involvedObject") or event.get("regarding") or {}
    series: Json = event.get("series") or {}
    last = (
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
    )
    return Event(
        type=str(event.get("type", "")),
        reason=str(event.get("reason", "")),
        object=f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}",
        message=str(event.get("message") or event.get("note") or ""),
        count=int(series.get("count") or event.get("count") or 1),
        last_at=last,
        age_s=age_s(last, now),
    )


def usage_of(items: Iterable[Json]) -> Usage:
    rows = [_usage(item) for item in items]
    rows.sort(key=lambda row: (-row.memory_bytes, row.name))
    return Usage(
        count=len(rows),
        cpu_cores=round(sum(row.cpu_cores for row in rows), 6),
        memory_bytes=sum(row.memory_bytes for row in rows),
        pods=tuple(rows[:OBJECTS_MAX]),
    )


def _usage(metrics: Json) -> PodUsage:
    used = [container.get("usage") or {} for container in metrics.get("containers") or []]
    return PodUsage(
        name=metrics["metadata"]["name"],
        cpu_cores=round(sum(quantity(u.get("cpu", "0")) for u in used), 6),
        memory_bytes=round(sum(quantity(u.get("memory", "0")) for u in used)),
    )
