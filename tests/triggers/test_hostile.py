"""Whatever arrives and whatever a rule says: an answer, never an exception, and soon."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.arrivals import (
    DEPTH_MAX,
    VALUES_MAX,
    Arrival,
    Unreadable,
    alert_keys,
    from_alertmanager,
    from_pagerduty,
    from_webhook,
    incident_of,
    read_json,
)
from engine.core.rules import Matched, NotMatched, rule
from engine.errors import Diagnosed
from engine.journal.chain import canonical
from tests.spending import at_most_s
from tests.triggers.books import book
from tests.triggers.sent import EVENT_TYPES, GROUPS, payload

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["firing", "resolved", "incident.triggered", "\ud800", "a\x00b", "{{ x }}"]),
)  # fmt: skip
NAMES = st.one_of(
    st.sampled_from([
        "event", "id", "event_type", "data", "incident", "service", "summary", "title", "alerts",
        "status", "labels", "annotations", "groupKey", "fingerprint", "startsAt", "truncatedAlerts",
        "occurred_at", "type", "priority", "number",
    ]),
    st.text(max_size=4),
)  # fmt: skip
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=5)),
    max_leaves=25,
)
READERS = (from_pagerduty, from_alertmanager, lambda body: from_webhook("w", body))
BOOKS = [
    book("pagerduty: {event: '*', match: {title: '*a*', number: {gt: 3}, data.x: {length: 1}}}"),
    book("pagerduty: {event: /./, match: {service: {not: {matches: a+}}}}", "p/y"),
    book("alertmanager: {match: {alertname: [a, '/b/', 'c*'], x: {between: [1, 2]}}}", "p/z"),
    book("webhook: {name: w, match: {id: {any: [{exists: false}, {eq: 1}]}}}", "p/w"),
    book(
        'webhook: {name: w, inputs: {a: "{{ event.body }}", b: "{{ event.body.id }}"}}',
        "p/v",
        "inputs: {a: {type: object, default: {}}, b: {type: integer, default: 1, max: 9}}",
    ),
]


def arrivals(body) -> list[Arrival]:
    found = []
    for reader in READERS:
        with suppress(Unreadable):
            found.append(reader(body))
    return found


@settings(max_examples=400, deadline=None)
@given(JSON)
def test_every_json_is_read_or_said_to_be_unreadable_and_judged_in_words(body):
    for arrival in arrivals(read_json(json.dumps(body).encode())):
        for found in rule(BOOKS, arrival):
            assert isinstance(found, Matched) or (isinstance(found, NotMatched) and found.why)
        for event in arrival.candidates:
            incident_of(event)
            assert canonical({"event": dict(event)}).encode()
        for text in (arrival.about, arrival.kind, *alert_keys(body)[:1]):
            assert isinstance(text, str)


@st.composite
def mutated(draw):
    """A real payload with one value replaced, somewhere."""
    pagerduty = [f"pagerduty/{name}" for name in EVENT_TYPES]
    name = draw(st.sampled_from([*pagerduty, *(f"alertmanager/{name}" for name in GROUPS)]))
    body = payload(name)
    at = body
    for _ in range(draw(st.integers(0, 5))):
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if not isinstance(at[key], dict | list) or draw(st.booleans()):
            at[key] = draw(JSON)
            break
        at = at[key]
    return body


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_a_real_payload_with_something_strange_in_it_is_judged_too(body):
    for arrival in arrivals(read_json(json.dumps(body).encode())):
        assert rule(BOOKS, arrival)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_json_that_a_store_keeps_or_unreadable(body):
    with suppress(Unreadable):
        assert canonical(read_json(body))


@pytest.mark.parametrize("body", [
    b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 5_000, b"1" * 5_000,
    b"[" * (DEPTH_MAX + 2) + b"]" * (DEPTH_MAX + 2), b"[" + b"1," * VALUES_MAX + b"1]",
])  # fmt: skip
def test_what_is_too_deep_too_large_or_broken_is_unreadable(body):
    with pytest.raises(Unreadable):
        read_json(body)


def test_what_no_store_keeps_is_read_as_something_that_it_does():
    assert read_json(rb'{"a\ud800": ["x\u0000y", NaN, -Infinity, 1e999, "\ud83d\ude00"]}') == {
        "a\ufffd": ["x\ufffdy", None, None, None, "\U0001f600"]
    }


WANTED = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
        st.text(alphabet="ab*?/[]().+\\^${}", max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from([
                "eq", "ne", "lt", "gt", "between", "in", "matches", "contains", "length", "every",
                "some", "exists", "type", "any", "all", "not", "starts_with", "equals",
            ]), inner, max_size=2,
        ),
    ),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(WANTED, JSON)
def test_a_rule_that_lints_judges_whatever_arrives(wanted, body):
    try:
        one = book(f"webhook: {{name: w, match: {{a: {json.dumps(wanted)}}}}}")
    except Diagnosed:
        return
    for value in (body, {"a": body}):
        (found,) = rule([one], from_webhook("w", value))
        assert isinstance(found, Matched) or found.why


@pytest.mark.parametrize("pattern", ["a*" * 30 + "b", "/(a+)+$/", "/(a|aa)+$/", "*" * 500])
def test_a_pattern_that_takes_for_ever_elsewhere_is_judged_soon(pattern):
    one = book(f"webhook: {{name: w, match: {{a: {json.dumps(pattern)}}}}}")
    with at_most_s(5):
        rule([one], from_webhook("w", {"a": "a" * 10_000 + "!"}))


@pytest.mark.parametrize(("pattern", "text", "fits"), [
    ("*", "", True), ("?", "", False), ("", "", True), ("a*c", "abbbc", True), ("a*c", "ab", False),
    ("[FIRING:1] *", "[FIRING:1] x", True), ("[FIRING:1] *", "F", False), ("*a*b*", "xaxbx", True),
    ("*a*b*", "xbxax", False), ("a?c", "abc", True), ("**a**", "a", True), ("é*", "éa\nb", True),
    ("a.c*", "abc", False), ("*.*", "a.b", True), ("a*b*c*d", "abcd" * 5, True),
])  # fmt: skip
def test_a_glob_knows_two_signs_and_takes_all_others_as_they_are(pattern, text, fits):
    triggers = f"webhook: {{name: w, match: {{a: {json.dumps(pattern)}}}}}"
    (found,) = rule([book(triggers)], from_webhook("w", {"a": text}))
    assert isinstance(found, Matched) == fits
