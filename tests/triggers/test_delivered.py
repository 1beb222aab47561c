"""Bodies that a store cannot keep as they are: taken, settled, and never in the way of others."""

from __future__ import annotations

import json

import pytest

from tests.server.conftest import alert, books, group, pd_event, serving  # noqa: F401 - fixtures

STRANGE = [
    ("half a character in the title", {"title": "disk \ud800"}),
    ("a NUL in the title", {"title": "disk \x00"}),
    ("half a character in the id", {"id": "Q\udfff", "title": "disk"}),
    ("not a number", {"title": "disk", "number": float("nan")}),
    ("a number that is too large", {"title": "disk", "number": 10**400}),
]


@pytest.mark.parametrize(("what", "more"), STRANGE, ids=[what for what, _ in STRANGE])
async def test_a_strange_incident_is_taken_and_settled(serving, what, more):  # noqa: F811
    event = json.loads(pd_event(1))
    event["event"]["id"] = "01\ud800"
    event["event"]["data"] |= more
    answer = await serving.pagerduty(json.dumps(event).encode())
    assert answer.status_code == 202
    _, verdicts = await serving.next_settled()
    assert [v.word for v in verdicts] in (["started"], ["refused"])
    again = await serving.pagerduty(json.dumps(event).encode())
    assert not again.json()["new"]


async def test_a_strange_label_is_no_reason_to_refuse_the_group(serving):  # noqa: F811
    strange = alert("a\ud800\x00", name="DiskFull")
    answer = await serving.http.post(
        "/webhooks/alertmanager",
        content=json.dumps(group(strange, alert("b"))).encode(),
        headers={"authorization": "Bearer alertmanager-token"},
    )
    assert answer.status_code == 202
    _, verdicts = await serving.next_settled()
    assert sorted(v.word for v in verdicts) == ["refused", "started"]
