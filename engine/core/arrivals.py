"""What arrives from outside, in one shape: what rules match, and what templates see as `event`.

| source | `event` | a `match` key without a dot is looked up in |
|---|---|---|
| alertmanager | status, labels, annotations, alert, alerts, group, receiver, external_url, group_key | the labels of the alert |
| pagerduty | id, type, occurred_at, title, service, urgency, priority, status, number, url, incident, data, agent, alerts | the event |
| webhook | name, id, body | the body |
| schedule | cron, timezone, time, missed | the event |

All have `source` and `delivery`. A delivery of Alertmanager is a group: it has one candidate for
each alert in it; every other delivery has one. Facts about the payloads: the vendors' documents,
PagerDuty webhooks version 3 and Alertmanager's webhook version 4.
"""  # noqa: E501 - a table

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ALERTS_MAX = 500
"""Alerts of one group that are looked at: more is a storm, whose first ones start what there is."""

DEPTH_MAX = 64
"""How deep what arrived may be nested: more is no message of anybody's."""

VALUES_MAX = 200_000
"""Values of what arrived: 500 alerts with 50 labels each are 25,000, and are walked through."""

_UNKEPT = dict.fromkeys((0, *range(0xD800, 0xE000)), "\ufffd")
"""NUL, and half characters, which have no UTF-8: no store keeps them."""


class Unreadable(ValueError):
    """What arrived is not what its source sends. The message says how."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What arrived. `kind`: the event type, `firing` or `resolved`, or the webhook's name.

    `about`: it in a line. `candidates`: the events that rules are asked about.
    """

    source: str
    kind: str
    about: str
    candidates: tuple[Mapping[str, Any], ...]
    name: str | None = None
    """Of the webhook, or of the runbook whose schedule it is."""
    occurred_at: str | None = None


def from_alertmanager(body: Any) -> Arrival:
    """A group of alerts. Raises Unreadable."""
    payload = _mapping(body, "the body")
    alerts = payload.get("alerts")
    if not isinstance(alerts, list) or not alerts:
        raise Unreadable("it has no `alerts`")
    status = _text(payload.get("status")) or "firing"
    group = _strings(payload.get("groupLabels"))
    common = {
        "source": "alertmanager",
        "group": group,
        "group_key": _text(payload.get("groupKey")),
        "receiver": _text(payload.get("receiver")),
        "external_url": _text(payload.get("externalURL")),
        "common_labels": _strings(payload.get("commonLabels")),
        "common_annotations": _strings(payload.get("commonAnnotations")),
        "truncated": payload.get("truncatedAlerts") or 0,
    }
    read = [_alert(alert) for alert in alerts[:ALERTS_MAX]]
    candidates = tuple(
        {
            **common,
            "status": alert["status"],
            "labels": alert["labels"],
            "annotations": alert["annotations"],
            "alert": alert,
        }
        for alert in read
    )
    first = read[0]["labels"].get("alertname", "an alert")
    more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    about = f"{first}{more}: {read[0]['annotations'].get('summary', '')}".rstrip(": ")
    return Arrival("alertmanager", status, about, candidates, None, read[0]["starts_at"])


def alert_keys(body: Any) -> tuple[str, ...]:
    """What each alert of a group is known by: the same one comes again every `repeat_interval`."""
    if not isinstance(body, Mapping) or not isinstance(body.get("alerts"), list):
        return ()
    group = str(body.get("groupKey") or "")
    keys = []
    for alert in body["alerts"][:ALERTS_MAX]:
        one = alert if isinstance(alert, Mapping) else {}
        known = one.get("fingerprint") or sorted(_strings(one.get("labels")).items())
        keys.append(f"{group}\n{known}\n{one.get('startsAt')}\n{one.get('status')}")
    return tuple(dict.fromkeys(keys))


def _alert(given: Any) -> dict[str, Any]:
    alert = _mapping(given, "an alert")
    return {
        "status": _text(alert.get("status")) or "firing",
        "labels": _strings(alert.get("labels")),
        "annotations": _strings(alert.get("annotations")),
        "starts_at": _text(alert.get("startsAt")),
        "ends_at": _text(alert.get("endsAt")),
        "url": _text(alert.get("generatorURL")),
        "fingerprint": _text(alert.get("fingerprint")),
    }


def from_pagerduty(body: Any, alerts: tuple[Any, ...] = ()) -> Arrival:
    """An event of version 3. `alerts`: those of its incident, where somebody asked for them.

    Raises Unreadable.
    """
    event = _mapping(_mapping(body, "the body").get("event"), "`event`")
    type_ = _text(event.get("event_type"))
    if not type_:
        raise Unreadable("`event` has no `event_type`")
    data = _mapping(event.get("data") or {}, "`data`")
    incident = _incident(type_, data)
    known = data if incident is None else incident
    occurred_at = _text(event.get("occurred_at"))
    seen = {
        "source": "pagerduty",
        "id": _text(event.get("id")),
        "type": type_,
        "occurred_at": occurred_at,
        "title": _text(known.get("title")) or _text(known.get("summary")),
        "service": _named(data if type_.startswith("service.") else known.get("service")),
        "urgency": _text(known.get("urgency")),
        "priority": _named(known.get("priority")),
        "status": _text(known.get("status")),
        "number": known.get("number"),
        "url": _text(known.get("html_url")),
        "incident": None if incident is None else dict(incident),
        "data": dict(data),
        "agent": event.get("agent"),
        "alerts": list(alerts),
    }
    about = str(seen["title"] or seen["service"] or type_)
    return Arrival("pagerduty", type_, about, (seen,), None, occurred_at)


def _incident(type_: str, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The incident that the data is, or that it names (as a note does); None of a service's event,
    whose id is that of a service.
    """
    inner = data.get("incident")
    if isinstance(inner, Mapping):
        return inner
    return data if type_.startswith("incident.") else None


def incident_of(event: Mapping[str, Any]) -> str | None:
    """The id of the incident that an event of PagerDuty is about."""
    incident = event.get("incident")
    if event.get("source") != "pagerduty" or not isinstance(incident, Mapping):
        return None
    found = incident.get("id")
    return found if isinstance(found, str) and found and len(found) <= 64 else None


def from_webhook(name: str, body: Any, id: str | None = None) -> Arrival:
    """Any JSON that somebody sends to a door of their own."""
    titles = [body.get(key) for key in ("title", "summary", "message", "type", "event")] if (
        isinstance(body, Mapping)
    ) else []  # fmt: skip
    about = next((text for text in titles if isinstance(text, str) and text), f"webhook {name}")
    event = {"source": "webhook", "name": name, "id": id, "body": body}
    return Arrival("webhook", name, about, (event,), name)


def from_schedule(runbook: str, number: int, body: Any) -> Arrival:
    """A time of the n-th trigger of a runbook has come."""
    event = {"source": "schedule", "trigger": number, **_mapping(body, "the body")}
    return Arrival("schedule", "due", f"{runbook} at {event.get('time')}", (event,), runbook)


def read_json(body: bytes) -> Any:
    """What arrived, as JSON that every store keeps. Raises Unreadable.

    NUL and half characters become U+FFFD, and a number that JSON does not have (NaN, 1e999) null.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is no JSON: {error}") from error
    return _kept(found, 0, [VALUES_MAX])


def _kept(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if depth > DEPTH_MAX:
        raise Unreadable(f"it is nested more than {DEPTH_MAX} deep")
    if left[0] < 0:
        raise Unreadable(f"it has more than {VALUES_MAX:,} values")
    if isinstance(value, str):
        return _kept_text(value)
    if isinstance(value, dict):
        return {_kept_text(key): _kept(one, depth + 1, left) for key, one in value.items()}
    if isinstance(value, list):
        return [_kept(one, depth + 1, left) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _kept_text(text: str) -> str:
    return text if text.isascii() and "\0" not in text else text.translate(_UNKEPT)


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Unreadable(f"{what} is no mapping")
    return value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _strings(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {str(key): text for key, text in value.items() if isinstance(text, str)}


def _named(value: Any) -> str | None:
    """What a reference of PagerDuty's is called."""
    if isinstance(value, Mapping):
        return _text(value.get("summary")) or _text(value.get("name")) or _text(value.get("id"))
    return _text(value)
