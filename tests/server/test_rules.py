"""Which runbooks an event starts, with which inputs, and why others do not."""

from __future__ import annotations

import pytest

from engine.core.arrivals import Unreadable, from_alertmanager, from_pagerduty, from_webhook
from engine.core.rules import Matched, NotMatched, rule, wants_alerts
from engine.language.load import load_runbook
from engine.registry import Registry
from tests.runs import lab
from tests.server.conftest import alert, group


def book(triggers: str, name: str = "p/x", inputs: str = ""):
    text = f"title: t\ntriggers:\n{triggers}\n{inputs}steps: [{{end: resolved}}]\n"
    registry = Registry.of([lab], [lab.LabAdapter])
    return load_runbook(name, text, f"{name}.yaml", registry, lambda _: None)


def pd(**data):
    event = {"id": "E", "event_type": "incident.triggered", "data": {"id": "Q", **data}}
    return from_pagerduty({"event": event})


def one(triggers: str, arrival, inputs: str = ""):
    return rule([book(triggers, inputs=inputs)], arrival)[0]


@pytest.mark.parametrize(("pattern", "value", "fits"), [
    ("Redis*", "RedisMemoryHigh", True), ("redis*", "RedisMemoryHigh", False),
    ("*Memory*", "RedisMemoryHigh", True), ("Redis?emoryHigh", "RedisMemoryHigh", True),
    ("/emory(High|Low)$/", "RedisMemoryHigh", True), ("/^emory/", "RedisMemoryHigh", False),
    ("RedisMemoryHigh", "RedisMemoryHigh", True), ("RedisMemoryHig", "RedisMemoryHigh", False),
    ("[A, RedisMemoryHigh]", "RedisMemoryHigh", True), ("{starts_with: Redis}", "RedisX", True),
    ("{in: [a, b]}", "b", True), ("{gt: 0.9}", "0.95", True), ("{gt: 0.9}", "0.85", False),
    ("{gt: 0.9}", "no number", False), ("{not: {matches: x}}", "abc", True), ("5", "5", True),
    ("{between: [1, 10]}", "7", True), ("true", "true", True),
])  # fmt: skip
def test_a_field_is_matched_by_glob_regex_comparison_or_as_it_stands(pattern, value, fits):
    shown = pattern if pattern[0] in "[{" else repr(pattern)
    triggers = f"  - alertmanager: {{match: {{label: {shown}}}}}"
    sent = alert("a")
    sent["labels"]["label"] = value
    found = one(triggers, from_alertmanager(group(sent)))
    assert isinstance(found, Matched) == fits, getattr(found, "why", None)


def test_every_field_must_fit_and_the_reason_names_what_was_there():
    triggers = "  - pagerduty: {match: {title: '*disk*', service: web, urgency: high}}"
    arrival = pd(title="a disk", service={"summary": "db"}, urgency="low")
    found = one(triggers, arrival)
    assert found.why == (
        'service: expected "web", was "db"', 'urgency: expected "high", was "low"',
    )  # fmt: skip


def test_fields_below_are_reached_by_a_path_and_what_is_missing_is_told():
    triggers = "  - pagerduty: {match: {incident.conference_bridge.url: 'x'}}"
    found = one(triggers, pd(title="t"))
    assert isinstance(found, NotMatched)
    assert "conference_bridge" in found.why[0]
    assert isinstance(one("  - webhook: {name: w, match: {'a.b[0].c': 1}}",
                          from_webhook("w", {"a": {"b": [{"c": 1}]}})), Matched)  # fmt: skip
    label = one("  - alertmanager: {match: {nope: x}}", from_alertmanager(group(alert("a"))))
    assert label.why == ("nope: there is no such label; there are alertname, instance",)


def test_several_runbooks_match_in_the_order_of_their_priority_and_then_by_name():
    arrival = pd(title="t")
    books = [
        book("  - pagerduty: {match: {title: t}}", "p/b"),
        book("  - pagerduty: {match: {title: t}, priority: 5}", "p/c"),
        book("  - pagerduty: {match: {title: t}}", "p/a"),
        book("  - pagerduty: {match: {title: u}}", "p/d"),
        book("  - alertmanager: {}", "p/e"),
    ]
    assert [(r.runbook, type(r).__name__) for r in rule(books, arrival)] == [
        ("p/c", "Matched"), ("p/a", "Matched"), ("p/b", "Matched"), ("p/d", "NotMatched"),
    ]  # fmt: skip


def test_inputs_are_filled_from_the_event_in_their_own_types():
    inputs = (
        "inputs: {limit: {type: number}, host: {type: string}, all: {type: list, default: []}}\n"
    )
    triggers = """  - alertmanager:
      environment: staging
      autonomy: propose
      inputs: {limit: "{{ event.labels.limit }}", host: "db-{{ event.labels.instance }}", all: "{{ event.labels.words }}"}"""  # noqa: E501
    sent = alert("7")
    sent["labels"] |= {"limit": "0.75", "words": '["a"]'}
    found = one(triggers, from_alertmanager(group(sent)), inputs)
    assert found.inputs == {"limit": 0.75, "host": "db-7", "all": ["a"]}
    assert (found.environment, found.autonomy, found.problem) == ("staging", "propose", None)


@pytest.mark.parametrize(("template", "why"), [
    ("{{ event.labels.nope }}", "cannot be filled"),
    ("{{ event.labels.alertname }}", "takes a number"),
])  # fmt: skip
def test_an_input_that_cannot_be_filled_is_a_problem_of_that_run(template, why):
    triggers = f"  - alertmanager: {{inputs: {{limit: '{template}'}}}}"
    found = one(triggers, from_alertmanager(group(alert("a"))), "inputs: {limit: {type: number}}\n")
    assert why in found.problem


def test_a_storm_of_alerts_starts_so_many_runs_and_no_more():
    triggers = "  - alertmanager: {inputs: {host: '{{ event.labels.instance }}'}}"
    arrival = from_alertmanager(group(*(alert(str(n)) for n in range(300))))
    found = rule([book(triggers, inputs="inputs: {host: {type: string}}\n")], arrival)
    assert len(found) == 20
    whole = rule([book("  - alertmanager: {}")], arrival)
    assert len(whole) == 1
    assert len(whole[0].event["alerts"]) == 300


def test_a_rule_about_alerts_says_that_they_are_wanted():
    assert wants_alerts([book("  - pagerduty: {match: {'alerts[0].body.details.x': 1}}")])
    assert not wants_alerts([book("  - pagerduty: {match: {title: x}}")])


@pytest.mark.parametrize(
    "body", [None, 3, [], {}, {"alerts": []}, {"alerts": [3]}, {"alerts": "x"}]
)
def test_what_no_alertmanager_sends_is_unreadable(body):
    with pytest.raises(Unreadable):
        from_alertmanager(body)


def test_strange_values_in_an_event_never_break_a_rule():
    for value in (None, [], {}, 1e400, "x" * 100_000, {"a": {"b": []}}, True):
        for pattern in ("a*", "/a/", "{gt: 1}", "{length: 3}", "x"):
            shown = pattern if pattern[0] == "{" else repr(pattern)
            found = one(f"  - webhook: {{name: w, match: {{a: {shown}}}}}",
                        from_webhook("w", {"a": value}))  # fmt: skip
            assert isinstance(found, Matched | NotMatched)
