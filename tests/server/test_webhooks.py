"""What arrives: who is let in, what is written down, what is answered, and what becomes of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3

import pytest

from engine.errors import JournalError
from engine.journal.sqlite import SqliteStore
from engine.secret import signatures
from engine.server import dispatch
from tests.runs import lab
from tests.server.conftest import AM_TOKEN, alert, group, pd_event, serving_in, signed

EVENTS = [
    *(f"incident.{word}" for word in (
        "acknowledged", "annotated", "conference_bridge.updated", "custom_field_values.updated",
        "delegated", "escalated", "incident_type.changed", "priority_updated", "reassigned",
        "reopened", "resolved", "responder.added", "responder.replied", "role.assigned",
        "service_updated", "status_update_published", "task.created", "triggered", "unacknowledged",
        "workflow.started", "workflow.completed", "action_invocation.created",
    )),
    "service.created", "service.updated", "service.deleted", "pagey.ping", "never.heard.of",
]  # fmt: skip


def test_the_published_vector_of_pagerduty_holds():
    body = b'{"event":{"id":"01TEST","event_type":"incident.triggered"}}'
    digest = "3b0442533cfdeea35396e1fee1da3b701736c19cb091cd6039ee70d824ae2b9c"
    assert signatures.pagerduty(body, f"v1={digest}", ["whsec_test"])
    assert signatures.pagerduty(body, f"v1={'0' * 64},v1={digest}", ["other", "whsec_test"])
    assert not signatures.pagerduty(body, f"v0={digest}", ["whsec_test"])
    assert not signatures.pagerduty(body + b" ", f"v1={digest}", ["whsec_test"])
    assert not signatures.pagerduty(body, None, ["whsec_test"])
    assert not signatures.pagerduty(body, f"v1={digest}", [])
    assert not signatures.pagerduty(body, "v1=\udcff", ["whsec_test"])


async def test_an_incident_starts_its_runbook_once_however_often_it_is_delivered(serving):
    body = pd_event()
    first = await serving.pagerduty(body, **{"x-webhook-id": "w1"})
    assert first.status_code == 202
    assert first.json()["new"]
    row, verdicts = await serving.next_settled()
    assert [(v.word, v.runbook) for v in verdicts] == [("started", "p/main")]
    again = await serving.pagerduty(body, **{"x-webhook-id": "w1"})
    other_attempt = await serving.pagerduty(body, **{"x-webhook-id": "w2"})
    for answer in (again, other_attempt):
        assert answer.status_code == 202
        assert answer.json() == {"delivery": row.id, "new": False}
    assert (await serving.ended(verdicts[0].run)).body["outcome"] == "resolved"
    assert lab.Target.effects["Q1"] == 1
    found, _ = await serving.parts.ledger.get(row.id)
    assert (found.times, found.verdict) == (3, "started")
    started = (await serving.parts.store.events(verdicts[0].run))[0]
    assert started.actor == {"name": "pagerduty", "means": "webhook", "via": row.id}
    assert started.body["event"]["delivery"] == row.id


async def test_any_secret_fits_while_one_is_rotated_and_an_altered_body_is_not_let_in(serving):
    body = pd_event(1)
    answer = await serving.pagerduty(body, **{"x-pagerduty-signature": signed(body, "old_secret")})
    assert answer.status_code == 202
    answer = await serving.pagerduty(body + b" ", **{"x-pagerduty-signature": signed(body)})
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:runbook:unauthorized"
    assert len(await serving.parts.ledger.latest()) == 1


@pytest.mark.parametrize("type_", EVENTS)
async def test_every_event_type_is_taken_and_settled(serving, type_):
    answer = await serving.pagerduty(pd_event(2, type_))
    assert answer.status_code == 202
    row, verdicts = await serving.next_settled()
    assert row.kind == type_
    wanted = "started" if type_ == "incident.triggered" else "ignored"
    assert [v.word for v in verdicts] == [wanted]
    if wanted == "ignored":
        assert f"it waits for incident.triggered, not {type_}" in verdicts[0].why


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"event": 3}', b'{"event": {}}', b"\xff\xfe"])
async def test_an_authentic_event_that_cannot_be_read_is_never_answered_4xx(serving, body):
    answer = await serving.pagerduty(body)
    assert answer.status_code == 202
    _, verdicts = await serving.next_settled()
    assert verdicts[0].word == "ignored"
    assert "cannot be read" in verdicts[0].why


async def test_the_documented_sizes_are_taken(serving):
    for number, size in enumerate((55_000, 256_000), start=1):
        body = pd_event(number, description="x" * size)
        assert (await serving.pagerduty(body)).status_code == 202
    too_large = await serving.pagerduty(b"x" * (1024 * 1024 + 1))
    assert too_large.status_code == 413


async def test_a_secret_that_is_not_there_is_our_fault(books, tmp_path):
    async with serving_in(books, tmp_path / "j.db", pagerduty=None, alertmanager=None) as serving:
        for answer in (await serving.pagerduty(pd_event()), await serving.alerts(group(alert()))):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "5"


async def test_a_group_of_alerts_starts_one_run_for_each_set_of_inputs(serving):
    answer = await serving.alerts(group(alert("a"), alert("b"), alert("c", name="Other")))
    assert answer.status_code == 202
    _, verdicts = await serving.next_settled()
    assert [v.word for v in verdicts] == ["started", "started"]
    for verdict in verdicts:
        await serving.ended(verdict.run)
    assert dict(lab.Target.effects) == {"a": 1, "b": 1}


async def test_the_same_alerts_come_again_every_repeat_interval_and_start_nothing(serving):
    first = await serving.alerts(group(alert("a")))
    await serving.next_settled()
    again = await serving.alerts(group(alert("a")))
    assert again.json() == {"delivery": first.json()["delivery"], "new": False}
    later = await serving.alerts(group(alert("a", startsAt="2027-01-16T08:00:00Z")))
    assert later.json()["new"]


async def test_what_is_resolved_starts_no_runbook_that_waits_for_what_fires(serving):
    await serving.alerts(group(alert("a", status="resolved"), status="resolved"))
    _, verdicts = await serving.next_settled()
    assert verdicts[0].word == "ignored"
    assert "status: expected firing, was resolved" in verdicts[0].why


async def test_alertmanager_comes_in_by_token_or_by_password_and_not_otherwise(serving):
    post = serving.http.post
    pair = base64.b64encode(b"am:pass-word").decode()
    for header, status in (
        (f"Bearer {AM_TOKEN}", 202), (f"Basic {pair}", 202), ("Bearer no", 401), ("Basic !", 401),
        (f"Basic {base64.b64encode(b'am:no').decode()}", 401), ("", 401),
    ):  # fmt: skip
        headers = {"authorization": header} if header else {}
        body = group(alert("a"))
        answer = await post("/webhooks/alertmanager", json=body, headers=headers)
        assert answer.status_code == status, header


async def test_inputs_that_do_not_fit_are_a_verdict_and_no_run(serving):
    await serving.alerts(group(alert("no such; name")))
    _, verdicts = await serving.next_settled()
    assert [(v.word, v.run) for v in verdicts] == [("refused", None)]
    assert "has to match" in verdicts[0].why


def _standard(body: bytes, at_s: int, name: str = "m1") -> dict[str, str]:
    key = b"secret-of-deploys"
    made = hmac.new(key, f"{name}.{at_s}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(made).decode()
    return {"webhook-id": name, "webhook-timestamp": str(at_s), "webhook-signature": signature}


async def test_a_signed_webhook_is_taken_once_and_not_when_it_is_old(serving):
    body = json.dumps({"state": "failed", "app": "shop"}).encode()
    now_s = serving.clock.now_us() // 1_000_000
    good = _standard(body, now_s)
    for new in (True, False):
        answer = await serving.http.post("/webhooks/deploys", content=body, headers=good)
        assert (answer.status_code, answer.json()["new"]) == (202, new)
    row, verdicts = await serving.next_settled()
    assert (row.source, verdicts[0].word) == ("webhook:deploys", "started")
    await serving.ended(verdicts[0].run)
    assert dict(lab.Target.effects) == {"shop": 1}
    for headers in (_standard(body, now_s - 900), _standard(b"other", now_s), {}):
        answer = await serving.http.post("/webhooks/deploys", content=body, headers=headers)
        assert answer.status_code == 401


async def test_the_published_vector_of_standard_webhooks_holds():
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    headers = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
               "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")  # fmt: skip
    assert signatures.standard(body, headers, [secret], 1614265330) is None
    assert signatures.standard(body, headers, [secret], 1614265330 + 301) is not None
    assert signatures.standard(body + b" ", headers, [secret], 1614265330) is not None


async def test_a_token_webhook_and_one_that_is_not_there(serving):
    for token, name, status in (
        ("backups-token", "backups", 202), ("no", "backups", 401), ("backups-token", "none", 404),
    ):  # fmt: skip
        headers = {"authorization": f"Bearer {token}"}
        answer = await serving.http.post(f"/webhooks/{name}", json={"a": 1}, headers=headers)
        assert answer.status_code == status


async def test_a_ledger_that_cannot_be_written_is_answered_503_and_nothing_is_half_taken(
    serving, monkeypatch
):
    async def full(_self, _work):
        raise JournalError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "write", full)
        answer = await serving.pagerduty(pd_event())
        assert (answer.status_code, answer.json()["detail"]) == (503, "the disk is full")
        ready = await serving.http.get("/health/ready")
        assert (ready.status_code, ready.json()["journal"]) == (503, "the disk is full")
    assert (await serving.pagerduty(pd_event())).json()["new"]


async def test_a_delivery_that_trips_over_a_bug_is_settled_as_that_and_stops_no_other(
    serving, monkeypatch
):
    judge = dispatch.rule

    def trips(books, arrival):
        if arrival.candidates[0].get("id") == "01EVENT1":
            raise ZeroDivisionError("a bug")
        return judge(books, arrival)

    monkeypatch.setattr(dispatch, "rule", trips)
    answers = [await serving.pagerduty(pd_event(number)) for number in (1, 2)]
    row, _ = await serving.next_settled()
    assert row.id == answers[1].json()["delivery"]
    await serving.pagerduty(pd_event(3))
    await serving.next_settled()
    tripped, _ = await serving.parts.ledger.get(answers[0].json()["delivery"])
    assert tripped.verdict == "refused"
    assert "ZeroDivisionError; replay it later" in tripped.verdicts[0].why


async def test_a_journal_that_another_holds_locked_is_answered_503_and_later_taken(serving):
    other = sqlite3.connect(serving.parts.store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = await serving.pagerduty(pd_event(1))
    assert answer.status_code == 503
    other.execute("ROLLBACK")
    other.close()
    taken = await serving.pagerduty(pd_event(1))
    assert (taken.status_code, taken.json()["new"]) == (202, True)


async def test_a_delivery_is_replayed_as_a_delivery_of_its_own(serving):
    await serving.pagerduty(pd_event())
    row, _ = await serving.next_settled()
    token = await serving.token("operator")
    answer = await serving.call("POST", f"/deliveries/{row.id}/replay", token)
    assert answer.status_code == 202
    again, verdicts = await serving.next_settled()
    assert (again.id, again.replay_of) == (answer.json()["delivery"], row.id)
    await serving.ended(verdicts[0].run)
    assert lab.Target.effects["Q1"] == 2
