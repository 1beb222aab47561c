"""Keys of triggers: what starts a runbook, and how it begins then."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from engine.language.compounds import Json, MapOf
from engine.language.cron import CRON_HINT, ZONE_HINT, cron_problem, zone_of, zones_like
from engine.language.draft import Draft
from engine.language.expect_check import check_expectation
from engine.language.expecting import good_patterns, node_at
from engine.language.fields import MISSING, Boolean, Key, Number, Schema, Table, Text, table
from engine.language.globs import is_glob, regex_of
from engine.language.nodes import Mapping, Node, Scalar, Sequence
from engine.language.words import named

MAX_TRIGGERS: Final = 50
"""Of one runbook. Each is asked of every event that arrives."""

MAX_FIELDS: Final = 50
"""Fields that one trigger matches. Nobody reads as many."""

PAGERDUTY_EVENTS: Final = (
    "incident.acknowledged",
    "incident.action_invocation.created",
    "incident.action_invocation.terminated",
    "incident.action_invocation.updated",
    "incident.annotated",
    "incident.conference_bridge.updated",
    "incident.custom_field_values.updated",
    "incident.delegated",
    "incident.escalated",
    "incident.incident_type.changed",
    "incident.priority_updated",
    "incident.reassigned",
    "incident.reopened",
    "incident.resolved",
    "incident.responder.added",
    "incident.responder.replied",
    "incident.role.assigned",
    "incident.service_updated",
    "incident.status_update_published",
    "incident.task.completed",
    "incident.task.created",
    "incident.task.deleted",
    "incident.task.updated",
    "incident.triggered",
    "incident.unacknowledged",
    "incident.workflow.completed",
    "incident.workflow.started",
    "pagey.ping",
    "service.created",
    "service.deleted",
    "service.updated",
)
"""Types of events that PagerDuty documents. New ones may come, so another one is only a warning."""


class Match(Struct, eq=False):
    """Fields of the event, and what each must be: a literal, a glob, `/a regex/`, a list of these,
    or a matcher.
    """

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        found = MapOf(
            Json(templates=False), "a mapping of fields to what they must be", most=MAX_FIELDS
        ).read(draft, node, label)
        if found is MISSING or not isinstance(node, Mapping):
            return found
        good = [_good_regexes(draft, value) for _, value in node.pairs]
        if all(good) and good_patterns(draft, node):
            for path, what, hint in check_expectation(found):
                empty = "it would fit every event: leave it out, or name a field of the event"
                draft.error("RB130", what, node_at(node, path), hint if path else empty)
        return found

    def schema(self) -> Schema:
        return {"type": "object", "minProperties": 1, "maxProperties": MAX_FIELDS}


def _good_regexes(draft: Draft, node: Node) -> bool:
    """Whether every `/.../` that stands directly under a field, or in a list there, compiles."""
    if isinstance(node, Sequence):
        return min((_good_regexes(draft, item) for item in node.items), default=True)
    pattern = regex_of(node.value) if isinstance(node, Scalar) else None
    return pattern is None or draft.pattern(pattern, node, "the pattern")


class Cron(Struct, eq=False):
    def read(self, draft: Draft, node: Node, label: str) -> Any:
        text = Text("a cron expression").read(draft, node, label)
        problem = cron_problem(text) if isinstance(text, str) else None
        if problem is None:
            return text
        draft.error("RB131", f"{named(text)} is no cron expression: {problem}", node, CRON_HINT)
        return MISSING

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^\s*(\S+\s+){4}\S+\s*$"}


class Zone(Struct, eq=False):
    def read(self, draft: Draft, node: Node, label: str) -> Any:
        text = Text("an IANA time zone").read(draft, node, label)
        if not isinstance(text, str) or zone_of(text) is not None:
            return text
        near = [] if draft.full else zones_like(text)
        meant = f"did you mean {named(near[0])}?" if len(near) == 1 else None
        hint = meant or draft.suggest(text, lambda: near, ZONE_HINT)
        draft.error("RB132", f"there is no time zone {named(text)}", node, hint)
        return MISSING

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1}


class EventType(Struct, eq=False):
    """A type of PagerDuty's, or a glob for several."""

    def read(self, draft: Draft, node: Node, label: str) -> Any:
        text = Text("the type of an event").read(draft, node, label)
        if not isinstance(text, str) or text in PAGERDUTY_EVENTS:
            return text
        pattern = regex_of(text)
        if pattern is not None:
            return text if draft.pattern(pattern, node, "the pattern") else MISSING
        if not is_glob(text):
            hint = draft.suggest(text, lambda: list(PAGERDUTY_EVENTS), "such as incident.triggered")
            what = f"PagerDuty does not document the event {named(text)}"
            draft.warn("RB136", what, node, hint)
        return text

    def schema(self) -> Schema:
        return {"type": "string", "examples": list(PAGERDUTY_EVENTS)}


_MATCH: Final = Key("match", Match(), "what the event's fields must be; any event unless given")

_BEGIN: Final = (
    Key("inputs", MapOf(Json(), "a mapping of inputs"), "inputs of the run; templates see `event`"),
    Key("environment", Text("the name of an environment"), "where the run goes"),
    Key(
        "autonomy",
        Text(words=("guide", "propose", "auto")),
        "how far it goes by itself, at most as far as runbook and environment let it",
    ),
)

_PRIORITY: Final = Key(
    "priority",
    Number(whole=True),
    "of several runbooks that match, the highest begins first, then by name; 0 unless given",
)

_STATUS: Final = Text(words=("firing", "resolved"))

TRIGGERS: Final[dict[str, Table]] = {
    "alertmanager": table(
        _MATCH,
        *_BEGIN,
        _PRIORITY,
        Key("status", _STATUS, "of the alerts it is about; firing unless given"),
    ),
    "pagerduty": table(
        _MATCH,
        *_BEGIN,
        _PRIORITY,
        Key("event", EventType(), "the event's type; incident.triggered unless given"),
        Key("acknowledge", Boolean(), "acknowledges the incident when the run starts"),
        Key("resolve", Boolean(), "resolves the incident when the run is resolved"),
    ),
    "webhook": table(
        Key("name", Text("the name of a webhook"), "the webhook it comes by", required=True),
        _MATCH,
        *_BEGIN,
        _PRIORITY,
    ),
    "schedule": table(
        Key("cron", Cron(), "when: minute hour day month weekday", required=True),
        Key("timezone", Zone(), "whose clocks, such as Europe/Berlin; UTC unless given"),
        Key(
            "missed",
            Text(words=("skip", "run")),
            "of times at which nobody listened: skip (unless given) leaves them out, run makes up "
            "for the last",
        ),
        *_BEGIN,
    ),
}

MEANT: Final = {
    "env": "environment",
    "events": "event",
    "event_type": "event",
    "type": "event",
    "on": "status",
    "order": "priority",
    "tz": "timezone",
    "time_zone": "timezone",
    "zone": "timezone",
    "when": "cron",
    "labels": "match",
    "fields": "match",
    "webhook": "name",
    "input": "inputs",
}
"""Keys that are often written, and those that are meant."""
