"""What a rule sees of each payload, and which rules it fits."""

from __future__ import annotations

import pytest

from engine.core.arrivals import (
    ALERTS_MAX,
    DEPTH_MAX,
    Arrival,
    Unreadable,
    alert_keys,
    from_alertmanager,
    from_pagerduty,
    from_schedule,
    from_webhook,
    incident_of,
    read_json,
)
from engine.core.rules import Matched, NotMatched, rule
from engine.language.trigger_keys import PAGERDUTY_EVENTS
from tests.triggers.books import book
from tests.triggers.sent import EVENT_TYPES, GROUPS, file, payload

TITLE = "[FIRING:1] RedisMemoryHigh cache-1"


def pagerduty(name: str, alerts: tuple = ()):
    return from_pagerduty(read_json(file(f"pagerduty/{name}").read_bytes()), alerts)


def alertmanager(name: str):
    return from_alertmanager(read_json(file(f"alertmanager/{name}").read_bytes()))


def fits(triggers: str, arrival) -> bool:
    return any(isinstance(one, Matched) for one in rule([book(triggers)], arrival))


def test_there_is_a_payload_of_every_documented_type_and_of_one_nobody_heard_of():
    assert set(EVENT_TYPES) - set(PAGERDUTY_EVENTS) == {"incident.never_heard_of"}
    assert set(PAGERDUTY_EVENTS) <= set(EVENT_TYPES)


def test_an_incident_is_shown_by_the_names_of_what_it_refers_to():
    arrival = pagerduty("incident.triggered")
    (event,) = arrival.candidates
    sent = payload("pagerduty/incident.triggered")["event"]
    rest = {"incident": sent["data"], "data": sent["data"], "agent": None, "alerts": []}
    assert event == rest | {
        "source": "pagerduty",
        "id": sent["id"],
        "type": "incident.triggered",
        "occurred_at": sent["occurred_at"],
        "title": TITLE,
        "service": "stratum-production",
        "urgency": "high",
        "priority": "P2",
        "status": "triggered",
        "number": 1042,
        "url": "https://stratum.pagerduty.com/incidents/PINC042",
    }
    assert (arrival.kind, arrival.about) == ("incident.triggered", TITLE)


@pytest.mark.parametrize("name", [name for name in EVENT_TYPES if name.startswith("incident.")])
def test_every_event_of_an_incident_knows_its_incident(name):
    (event,) = pagerduty(name).candidates
    assert incident_of(event) == "PINC042"
    named = name != "incident.custom_field_values.updated"
    assert event["title"] == (TITLE if named else None)


@pytest.mark.parametrize("name", [name for name in EVENT_TYPES if name.startswith("service.")])
def test_an_event_of_a_service_has_no_incident_but_the_name_of_the_service(name):
    (event,) = pagerduty(name).candidates
    assert (event["incident"], incident_of(event)) == (None, None)
    assert event["service"] == "stratum-production"
    assert fits(f"pagerduty: {{event: {name}, match: {{service: 'stratum-*'}}}}", pagerduty(name))


def test_the_test_event_of_a_subscription_is_read_and_fits_nothing_that_names_no_type():
    arrival = pagerduty("pagey.ping")
    assert arrival.candidates[0]["data"]["message"]
    assert incident_of(arrival.candidates[0]) is None
    assert not fits("pagerduty: {}", arrival)


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_a_rule_fits_the_event_it_names_and_a_rule_without_a_name_means_triggered(name):
    arrival = pagerduty(name)
    assert fits(f"pagerduty: {{event: {name}}}", arrival)
    assert fits("pagerduty: {event: '*'}", arrival)
    assert fits("pagerduty: {}", arrival) == (name == "incident.triggered")
    assert fits("pagerduty: {event: 'incident.*'}", arrival) == name.startswith("incident.")


@pytest.mark.parametrize(("match", "held"), [
    ("{title: '*RedisMemoryHigh*', service: 'stratum-*', urgency: high, priority: P2}", True),
    ("{title: '[FIRING:1] *'}", True),
    ("{title: '[FIRING:?] RedisMemoryHigh cache-1'}", True),
    ("{title: '[FIRING:1]*', priority: P1}", False),
    (r"{title: '/^\[FIRING:\d+\] Redis/'}", True),
    ("{priority: [P1, P2]}", True),
    ("{number: {between: [1000, 1100]}}", True),
    ("{incident.teams: {some: {summary: Stratum}}}", True),
    ("{incident.incident_type.name: incident_default}", True),
    ("{incident.conference_bridge: {type: 'null'}}", True),
    ("{incident.custom: {exists: false}}", True),
    ("{incident.custom: {any: [{exists: false}, {eq: 1}]}}", True),
    ("{incident.custom: {not: {eq: 1}}}", False),
])  # fmt: skip
def test_fields_of_an_incident_are_matched(match, held):
    assert fits(f"pagerduty: {{match: {match}}}", pagerduty("incident.triggered")) == held


def test_a_rule_may_look_at_the_alerts_that_were_asked_for():
    alerts = tuple(payload("pagerduty-alerts")["alerts"])
    triggers = "pagerduty: {match: {'alerts[0].body.details.used': {gt: 0.9}}}"
    assert fits(triggers, pagerduty("incident.triggered", alerts))
    (found,) = rule([book(triggers)], pagerduty("incident.triggered"))
    assert isinstance(found, NotMatched)
    assert "there is no item 0" in found.why[0]


@pytest.mark.parametrize("name", GROUPS)
def test_every_alert_of_a_group_is_a_candidate_of_its_own(name):
    sent = payload(f"alertmanager/{name}")
    arrival = alertmanager(name)
    assert [one["labels"] for one in arrival.candidates] == [a["labels"] for a in sent["alerts"]]
    assert [one["status"] for one in arrival.candidates] == [a["status"] for a in sent["alerts"]]
    assert {one["truncated"] for one in arrival.candidates} == {sent["truncatedAlerts"]}
    assert len(set(alert_keys(sent))) == len(sent["alerts"])


def test_a_firing_and_a_resolved_alert_are_not_the_same_and_one_that_comes_again_is():
    firing, resolved = payload("alertmanager/firing"), payload("alertmanager/resolved")
    assert set(alert_keys(firing)).isdisjoint(alert_keys(resolved))
    assert set(alert_keys(firing)) < set(alert_keys(payload("alertmanager/two-firing")))


RULE = "alertmanager: {match: {alertname: RedisMemoryHigh}}"
RESOLVED = "alertmanager: {status: resolved, match: {alertname: RedisMemoryHigh}}"


@pytest.mark.parametrize(("name", "triggers", "instances"), [
    ("firing", RULE, ["cache-1:9121"]),
    ("firing", RESOLVED, None),
    ("resolved", RULE, None),
    ("resolved", RESOLVED, ["cache-1:9121"]),
    ("two-firing", RULE, ["cache-1:9121", "cache-2:9121"]),
    ("one-of-two-resolved", RULE, ["cache-2:9121"]),
    ("one-of-two-resolved", RESOLVED, ["cache-1:9121"]),
    ("different-alerts", RULE, ["cache-1:9121"]),
])  # fmt: skip
def test_the_alerts_that_fit_are_those_the_run_sees(name, triggers, instances):
    (found,) = rule([book(triggers)], alertmanager(name))
    seen = [a["labels"]["instance"] for a in found.event["alerts"]] if instances else None
    assert (isinstance(found, Matched), seen) == (instances is not None, instances)


def test_the_highest_priority_begins_first_and_then_the_name_decides():
    books = [
        book("pagerduty: {}", "p/b"),
        book("pagerduty: {priority: -2}", "p/late"),
        book("pagerduty: {priority: 1}", "p/first"),
        book("pagerduty: {priority: 3}", "p/very-first"),
        book("pagerduty: {}", "p/a"),
    ]
    found = [one.runbook for one in rule(books, pagerduty("incident.triggered"))]
    assert found == ["p/very-first", "p/first", "p/a", "p/b", "p/late"]


def test_a_runbook_whose_second_trigger_fits_has_no_reason_why_not():
    triggers = "pagerduty: {match: {title: nothing}}\npagerduty: {match: {title: '*Redis*'}}"
    found = rule([book(triggers)], pagerduty("incident.triggered"))
    assert [type(one) for one in found] == [Matched]
    assert found[0].trigger.place.line == 5


def test_only_a_rule_that_names_alerts_wants_them():
    from engine.core.rules import wants_alerts  # noqa: PLC0415 - beside what it is about

    head = "inputs: {a: {type: object, default: {}}}"
    for wanted in (
        "pagerduty: {match: {'alerts[0].severity': critical}}",
        'pagerduty: {inputs: {a: "{{ event.alerts[0].body.details }}"}}',
        'pagerduty: {inputs: {a: "{{ event }}"}}',
    ):
        assert wants_alerts([book(wanted, head=head)])
    for other in (
        "pagerduty: {match: {title: '*alerts*'}}",
        "alertmanager: {match: {alertname: x}}",
        'pagerduty: {inputs: {a: "{{ event.incident }}"}}',
    ):
        assert not wants_alerts([book(other, head=head)])


LABELS = {"alertname": "RedisMemoryHigh", "instance": "cache-1"}
ALERT = {
    "status": "resolved",
    "labels": {**LABELS, "strange": 5},
    "annotations": {"summary": "nearly full"},
    "startsAt": "2026-11-21T02:00:00Z",
    "endsAt": "2026-11-21T03:00:00Z",
    "generatorURL": "http://prometheus/graph",
    "fingerprint": "f1",
}
GROUP = {
    "status": "resolved",
    "alerts": [ALERT, {"labels": "strange"}],
    "groupLabels": {"alertname": "RedisMemoryHigh"},
    "groupKey": "{}:{}",
    "receiver": "runbook",
    "externalURL": "http://alertmanager",
    "commonLabels": {"job": "redis"},
    "commonAnnotations": {"team": "data"},
    "truncatedAlerts": 3,
}


def test_an_alert_is_shown_with_all_that_its_group_says_and_without_what_is_no_text():
    one = {
        "status": "resolved",
        "labels": LABELS,
        "annotations": {"summary": "nearly full"},
        "starts_at": "2026-11-21T02:00:00Z",
        "ends_at": "2026-11-21T03:00:00Z",
        "url": "http://prometheus/graph",
        "fingerprint": "f1",
    }
    other = {"status": "firing", "labels": {}, "annotations": {}, "starts_at": None}
    other |= {"ends_at": None, "url": None, "fingerprint": None}
    common = {
        "source": "alertmanager",
        "group": {"alertname": "RedisMemoryHigh"},
        "group_key": "{}:{}",
        "receiver": "runbook",
        "external_url": "http://alertmanager",
        "common_labels": {"job": "redis"},
        "common_annotations": {"team": "data"},
        "truncated": 3,
    }
    parts = ("status", "labels", "annotations")
    candidates = tuple(
        {**common, **{part: alert[part] for part in parts}, "alert": alert}
        for alert in (one, other)
    )
    about = "RedisMemoryHigh and 1 more: nearly full"
    at = "2026-11-21T02:00:00Z"
    assert from_alertmanager(GROUP) == Arrival(
        "alertmanager", "resolved", about, candidates, None, at
    )


def test_a_group_that_says_little_is_a_firing_alert():
    arrival = from_alertmanager({"alerts": [{}]})
    assert (arrival.kind, arrival.about) == ("firing", "an alert")
    assert arrival.candidates[0]["truncated"] == 0
    assert len(from_alertmanager({"alerts": [{}] * 2000}).candidates) == ALERTS_MAX == 500


@pytest.mark.parametrize(
    ("reads", "body", "why"),
    [
        (from_alertmanager, [], "the body is no mapping"),
        (from_alertmanager, {}, "it has no `alerts`"),
        (from_alertmanager, {"alerts": []}, "it has no `alerts`"),
        (from_alertmanager, {"alerts": {"0": {}}}, "it has no `alerts`"),
        (from_alertmanager, {"alerts": [5]}, "an alert is no mapping"),
        (from_pagerduty, 5, "the body is no mapping"),
        (from_pagerduty, {}, "`event` is no mapping"),
        (from_pagerduty, {"event": {}}, "`event` has no `event_type`"),
        (from_pagerduty, {"event": {"event_type": ""}}, "`event` has no `event_type`"),
        (from_pagerduty, {"event": {"event_type": "x", "data": 5}}, "`data` is no mapping"),
    ],
)
def test_what_a_source_does_not_send_is_said_to_be_unreadable(reads, body, why):
    with pytest.raises(Unreadable, match=f"^{why}$"):
        reads(body)


def test_an_alert_is_known_by_what_it_is_when_it_began_and_how_it_stands():
    def keys(alert, **group):
        return alert_keys({"groupKey": "g", "alerts": [alert], **group})

    assert alert_keys({"groupKey": "g", "alerts": [ALERT, dict(ALERT)]}) == keys(ALERT)
    unmarked = {**ALERT, "fingerprint": None}
    others = [
        keys(ALERT),
        keys(ALERT, groupKey="other"),
        keys(ALERT, groupKey=None),
        keys({**ALERT, "fingerprint": "f2"}),
        keys({**ALERT, "startsAt": "2026-11-21T02:00:01Z"}),
        keys({**ALERT, "status": "firing"}),
        keys(unmarked),
        keys({**unmarked, "labels": {"alertname": "Other"}}),
        keys("strange"),
    ]
    assert len({key for (key,) in others}) == len(others)
    turned = dict(reversed(unmarked["labels"].items()))
    assert keys({**unmarked, "labels": turned}) == keys(unmarked)
    assert len(alert_keys({"alerts": [{"fingerprint": n} for n in range(2000)]})) == ALERTS_MAX
    for strange in (None, [], {}, {"alerts": {}}, {"alerts": None}):
        assert alert_keys(strange) == ()


def event_of(type_: str, **data):
    return from_pagerduty({"event": {"event_type": type_, "agent": {"id": "PA"}, "data": data}})


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ({"summary": "a", "name": "b", "id": "c"}, "a"),
        ({"name": "b", "id": "c"}, "b"),
        ({"summary": 5, "id": "c"}, "c"),
        ("a", "a"),
        (5, None),
        (None, None),
    ],
)
def test_what_pagerduty_refers_to_is_called_by_the_first_name_that_it_has(service, name):
    arrival = event_of("incident.triggered", service=service)
    assert arrival.candidates[0]["service"] == name
    assert arrival.candidates[0]["agent"] == {"id": "PA"}
    assert arrival.about == (name or "incident.triggered")


def test_an_event_of_pagerduty_without_data_is_about_its_type():
    arrival = from_pagerduty({"event": {"event_type": "pagey.ping"}})
    assert (arrival.about, arrival.candidates[0]["data"]) == ("pagey.ping", {})


@pytest.mark.parametrize(
    ("event", "id_"),
    [
        ({"source": "pagerduty", "incident": {"id": "P1"}}, "P1"),
        ({"source": "pagerduty", "incident": {"id": "P" * 64}}, "P" * 64),
        ({"source": "pagerduty", "incident": {"id": "P" * 65}}, None),
        ({"source": "pagerduty", "incident": {"id": ""}}, None),
        ({"source": "pagerduty", "incident": {"id": 5}}, None),
        ({"source": "pagerduty", "incident": {"id": ["P1"]}}, None),
        ({"source": "pagerduty", "incident": "P1"}, None),
        ({"source": "webhook", "incident": {"id": "P1"}}, None),
        ({}, None),
    ],
)
def test_notes_go_to_an_incident_of_pagerduty_and_to_nothing_that_only_looks_like_one(event, id_):
    assert incident_of(event) == id_


@pytest.mark.parametrize(
    ("body", "about"),
    [
        ({"event": "e", "type": "y", "message": "m", "summary": "s", "title": "t"}, "t"),
        ({"event": "e", "type": "y", "message": "m", "summary": "s", "title": ""}, "s"),
        ({"event": "e", "type": "y", "message": "m", "summary": 5}, "m"),
        ({"event": "e", "type": "y"}, "y"),
        ({"event": "e"}, "e"),
        ({"title": {"text": "t"}}, "webhook deploys"),
        ([1], "webhook deploys"),
        (None, "webhook deploys"),
    ],
)
def test_a_webhook_is_about_the_first_text_that_says_so(body, about):
    event = {"source": "webhook", "name": "deploys", "id": "d1", "body": body}
    wanted = Arrival("webhook", "deploys", about, (event,), "deploys")
    assert from_webhook("deploys", body, "d1") == wanted


def test_a_time_that_has_come_says_of_which_runbook_and_trigger():
    event = {"source": "schedule", "trigger": 2, "time": "03:00", "missed": 1}
    found = from_schedule("shop/nightly", 2, {"time": "03:00", "missed": 1})
    about = "shop/nightly at 03:00"
    assert found == Arrival("schedule", "due", about, (event,), "shop/nightly")


def test_json_is_taken_as_deep_as_a_message_may_be_and_its_numbers_as_they_are():
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
        assert read_json(opened * DEPTH_MAX + b"1.5" + closed * DEPTH_MAX)
        with pytest.raises(Unreadable, match="nested more than 64 deep"):
            read_json(opened * (DEPTH_MAX + 1) + b"1.5" + closed * (DEPTH_MAX + 1))
    assert read_json(b'[1.5, -0.0, 7, true, null, "x"]') == [1.5, -0.0, 7, True, None, "x"]
