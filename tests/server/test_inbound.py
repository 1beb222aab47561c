"""Who takes what a run calls for: by button, link, PagerDuty or API; and what does nothing."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest

from engine.channels.inbound import Claim, check, sign, usable
from engine.errors import JournalError, Refused
from engine.server.answering import TURN_S, staker
from engine.server.inbound import kept_press, linker, presser
from tests.server.conftest import Brisk, pd_event, serving_in

SECRET, KEY = "slack-signing-secret", "link-key-of-32-characters-length"
CALLS = """title: Calls for somebody
steps:
  - {id: call, escalate: default, message: "the disk is full", wait: acknowledged}
"""
CONTACTS = """people:
  cy: {name: Cy}
  bea: {name: Bea, roles: [boss], pagerduty: PBEA, channels: {slack: U777}}
channels:
  slack: {connection: chat}
policies:
  default:
    - {who: [bea], by: [console], unless: acknowledged}
"""


@pytest.fixture
async def serving(books, tmp_path):
    (books / "p/calls.yaml").write_text(CALLS)
    (books / "p/contacts.yaml").write_text(CONTACTS)
    given = {"slack_secrets": (SECRET,), "link_keys": (KEY,)}
    async with serving_in(books, tmp_path / "journal.db", **given) as made:
        yield made


async def calling(serving) -> str:
    """A run that calls for somebody now."""
    token = await serving.token("operator")
    body = {"runbook": "p/calls", "environment": "test"}
    run = (await serving.call("POST", "/runs", token, body)).json()["run"]
    seq = 0
    async with asyncio.timeout(20):
        while True:
            events = await serving.parts.store.events(run, seq)
            seq = events[-1].seq if events else seq
            if any(event.type == "LevelDue" for event in events):
                return run
            await serving.parts.store.wait_for_more(run, seq, 5)


def value(serving, run, *, key=KEY, id_="m1", path="call"):
    return presser((key,), serving.clock.now_us)(run, path, id_)


def link(serving, run, *, key=KEY, id_="m1", path="call"):
    """The path of a link in a mail."""
    return linker((key,), serving.clock.now_us, "")(run, path, id_)


async def press(serving, value_, *, user="U777", secret=SECRET, age_s=0):
    payload = {
        "type": "block_actions",
        "user": {"id": user},
        "actions": [{"value": value_}],
        "channel": {"id": "C1"},
        "message": {"ts": "1"},
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    at = str(serving.clock.now_us() // 1_000_000 - age_s)
    made = hmac.new(secret.encode(), b"v0:" + at.encode() + b":" + body, hashlib.sha256).hexdigest()
    headers = {"x-slack-request-timestamp": at, "x-slack-signature": f"v0={made}"}
    return await serving.http.post("/webhooks/slack", content=body, headers=headers)


async def taken(serving, run):
    events = await serving.parts.store.events(run)
    return [(e.actor["name"], e.body["via"]) for e in events if e.type == "Acknowledged"]


async def closed(serving, run):
    """Until nobody is called any more for what the run called for."""
    seq = 0
    async with asyncio.timeout(20):
        while True:
            events = await serving.parts.store.events(run, seq)
            seq = events[-1].seq if events else seq
            if any(event.type == "EscalationClosed" for event in events):
                return
            await serving.parts.store.wait_for_more(run, seq, 5)


async def test_a_button_of_slack_takes_what_the_run_calls_for_once(serving):
    run = await calling(serving)
    claim = value(serving, run)
    first = await press(serving, claim)
    assert first.json()["text"] == "Taken by Bea."
    assert (await serving.ended(run)).body["outcome"] == "resolved"
    assert await taken(serving, run) == [("bea", "Slack")]
    again = await press(serving, claim)
    assert "used already" in again.json()["text"]
    serving.clock.t_us += 61 * 1_000_000  # what was cut short may be said again by now
    assert "used already" in (await press(serving, claim)).json()["text"]
    assert await taken(serving, run) == [("bea", "Slack")]
    rows = await serving.parts.ledger.latest(source="slack")
    assert [row.verdict for row in rows] == ["refused", "refused", "joined"]


async def test_the_link_of_a_mail_is_no_button_and_a_server_without_keys_takes_neither(
    serving, books, tmp_path
):
    run = await calling(serving)
    claim = link(serving, run).rpartition("/")[2]
    assert "a link of a mail, and no button" in (await press(serving, claim)).json()["text"]
    assert await taken(serving, run) == []
    for given in ({"slack_secrets": (SECRET,)}, {"link_keys": (KEY,)}):
        async with serving_in(books, tmp_path / "other.db", **given) as bare:
            assert (await press(bare, value(serving, run))).status_code == 503


async def test_a_press_that_is_forged_old_expired_or_of_a_stranger_does_nothing_and_is_recorded(
    serving,
):
    run = await calling(serving)
    good = value(serving, run)
    forged = await press(serving, good, secret="another-secret")
    old = await press(serving, good, age_s=400)
    assert (forged.status_code, old.status_code) == (401, 401)
    stranger = await press(serving, good, user="U1")
    foreign = await press(serving, value(serving, run, key="another-key-of-32-characters-len"))
    altered = await press(serving, good[:-2] + "xx")
    nothing = await press(serving, "hello")
    until_s = serving.clock.now_us() // 1_000_000 + 60
    agrees = sign(Claim("m2", run, "call", "", until_s, "approve"), KEY.encode())
    answers = await press(serving, agrees)
    assert "answers no question" in answers.json()["text"]
    for answer in (stranger, foreign, altered, nothing):
        assert answer.json()["text"].startswith("Nothing done: ")
    serving.clock.t_us += 25 * 3600 * 1_000_000
    assert "too old" in (await press(serving, good)).json()["text"]
    assert await taken(serving, run) == []
    rows = await serving.parts.ledger.latest(source="slack")
    assert [row.verdict for row in rows] == ["refused"] * 8


def test_a_key_that_can_be_guessed_signs_nothing_and_people_are_told_all_the_same():
    """Without a button and a link; it is told where the server starts."""
    for keys in ((), ("fifteen-letters",)):
        assert presser(keys, lambda: 0) is None
        assert linker(keys, lambda: 0, "https://runbook.example") is None
        assert staker(keys, lambda: 0) is None
    odd = "\udcff-a-key-that-is-no-utf-8"  # as an environment may have it
    press = presser(("fifteen-letters", odd), lambda: 0)
    assert press is not None
    signed = press("RUN", "call", "m1")
    assert check(signed, usable([odd]), 0).run == "RUN"
    with pytest.raises(Refused, match="was not made here"):
        check(signed, usable(["fifteen-letters"]), 0)


async def test_whoever_guesses_is_slowed_down_and_is_one_line_of_the_ledger_a_minute(serving):
    door, ledger = serving.parts.door, serving.parts.ledger
    refused = door.refused
    for _ in range(3):
        assert (await press(serving, "x", secret="another-secret")).status_code == 401
        for path in ("/take/forged.thing", "/ask/forged.thing"):
            assert (await serving.http.get(path)).status_code == 403
    assert door.refused - refused == 9
    rows = [*await ledger.latest(source="slack"), *await ledger.latest(source="link")]
    assert [row.verdict for row in rows] == ["refused", "refused"]
    serving.clock.t_us += 61 * 1_000_000
    assert (await serving.http.get("/take/forged.thing")).status_code == 403
    assert len(await ledger.latest(source="link")) == 2


def test_of_a_press_is_kept_who_pressed_what_and_why_and_nothing_that_makes_it_count():
    payload = {
        "type": "block_actions",
        "user": {"id": "U777"},
        "actions": [{"value": "claim.signature"}],
        "channel": {"id": "C1"},
        "response_url": "https://hooks.slack.com/actions/T0/secret",
        "state": {"values": {"b": {"runbook:reason": {"value": "seen it"}}}},
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    kept = {"user": "U777", "claim": "claim", "reason": "seen it", "channel": "C1"}
    assert json.loads(kept_press(body)) == kept
    assert kept_press(b"token=secret") == b"no press of a button"


async def test_a_page_of_a_link_stands_in_no_frame_and_tells_nobody_its_address(serving):
    """Else another page could have it pressed, or whoever is linked to could press it."""
    run = await calling(serving)
    for path in (link(serving, run), "/take/forged.thing", "/ask/forged.thing"):
        headers = (await serving.http.get(path)).headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-robots-tag"] == "noindex"
        policy = headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"} < set(policy)


async def test_a_link_of_a_mail_asks_first_and_counts_once(serving):
    run = await calling(serving)
    path = link(serving, run)
    for _ in range(3):
        opened = await serving.http.get(path)
        assert (opened.status_code, opened.headers["cache-control"]) == (200, "no-store")
        assert "<form" in opened.text
    assert await taken(serving, run) == []
    posted = await serving.http.post(path)
    assert (posted.status_code, "<h1>Taken</h1>" in posted.text) == (200, True)
    assert await taken(serving, run) == [("a link", "mail")]
    assert (await serving.http.post(path)).status_code == 403
    assert (await serving.http.get("/take/forged.thing")).status_code == 403
    assert len(await taken(serving, run)) == 1
    rows = await serving.parts.ledger.latest(source="link")
    assert [row.verdict for row in rows] == ["refused", "refused", "joined"]


async def test_a_link_says_what_it_is_about_and_counts_as_whom_it_was_sent_to(serving):
    run = await calling(serving)
    path = link(serving, run, id_=f"{run}:call:1.1.1:bea:console")
    opened = await serving.http.get(path)
    assert "Calls for somebody: the disk is full (p/calls in test, run " in opened.text
    assert (await serving.http.post(path)).status_code == 200
    assert await taken(serving, run) == [("bea", "mail")]
    opened = await serving.http.get(path)
    assert "<h1>Taken already</h1><p>Bea took it at " in opened.text
    assert "<form" not in opened.text


async def test_whoever_presses_once_it_is_taken_reads_who_took_it(serving):
    run = await calling(serving)
    assert (await press(serving, value(serving, run))).json()["text"] == "Taken by Bea."
    late = await serving.http.post(link(serving, run, id_="m2"))
    said = f"run {run} calls nobody now: Bea took it at "
    assert (late.status_code, said in late.text) == (403, True)
    other = await press(serving, value(serving, run, id_="m3"))
    assert other.json()["text"].startswith(f"Nothing done: {said}")
    assert await taken(serving, run) == [("bea", "Slack")]


async def test_a_link_of_what_nobody_is_called_for_says_so_and_takes_nothing(serving):
    run = await calling(serving)
    path = link(serving, run, path="other")
    opened = await serving.http.get(path)
    assert (opened.status_code, "<form" in opened.text) == (200, False)
    assert "<h1>Over</h1><p>Nobody is called for this any more. Calls for " in opened.text
    assert (await serving.http.post(path)).status_code == 403
    assert await taken(serving, run) == []


async def test_whoever_was_called_last_takes_it_by_their_link_though_the_run_is_over(
    serving, books
):
    """By the command line they can: the page of the link does not say otherwise."""
    over = CALLS.replace(", wait: acknowledged}", "}\n  - {end: unresolved}")
    (books / "p/calls.yaml").write_text(over)
    run = await calling(serving)
    await closed(serving, run)
    opened = await serving.http.get(link(serving, run))
    assert "<h1>Take it?</h1><p>Calls for somebody: the disk is full " in opened.text
    assert "<form" in opened.text
    assert (await serving.http.post(link(serving, run))).status_code == 200
    assert await taken(serving, run) == [("a link", "mail")]


async def test_a_link_of_a_run_that_was_cancelled_takes_nothing(serving):
    run = await calling(serving)
    token = await serving.token("operator")
    await serving.call("POST", f"/runs/{run}/cancel", token, {"reason": "wrong one"})
    await closed(serving, run)
    opened = await serving.http.get(link(serving, run))
    assert ("<h1>Over</h1>" in opened.text, "<form" in opened.text) == (True, False)


def test_a_button_and_a_link_are_good_for_a_day_and_there_is_none_without_a_key():
    made = presser((KEY,), lambda: 0)
    assert made is not None
    claim = made("r1", "call", "m1")
    found = check(claim, [KEY.encode()], 86_400)
    assert (found.run, found.escalation, found.id, found.who) == ("r1", "call", "m1", "")
    with pytest.raises(Refused, match="too old"):
        check(claim, [KEY.encode()], 86_401)
    assert presser((), lambda: 0) is None
    assert linker((), lambda: 0, "https://runbook.example") is None


async def test_who_is_known_to_pagerduty_by_another_name_takes_it_as_who_they_are(serving):
    run = await calling(serving)
    body = json.loads(pd_event(5, "incident.acknowledged", incident_key=f"{run}:call:1"))
    body["event"]["agent"] = {"id": "PBEA", "summary": "Beatrix B.", "type": "user_reference"}
    await serving.pagerduty(json.dumps(body).encode())
    await serving.next_settled()
    assert await taken(serving, run) == [("bea", "PagerDuty")]


async def test_what_else_happens_in_pagerduty_takes_nothing(serving):
    run = await calling(serving)
    happens = [
        *(("incident.annotated", f"{run}:call:1"), ("incident.resolved", f"{run}:call:1")),
        *(("incident.acknowledged", run), ("incident.acknowledged", "last:call:1")),
        ("incident.acknowledged", f"{run}:other:1"),
    ]
    for number, (type_, key) in enumerate(happens):
        await serving.pagerduty(pd_event(70 + number, type_, incident_key=key))
        await serving.next_settled()
    assert await taken(serving, run) == []


async def test_a_press_that_could_not_be_written_down_may_be_repeated(serving, monkeypatch):
    run = await calling(serving)
    engine, claim = serving.parts.engine, value(serving, run)

    async def full(*_args, **_more):
        raise JournalError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(engine, "acknowledge", full)
        assert "the disk is full" in (await press(serving, claim)).json()["text"]
    assert (await press(serving, claim)).json()["text"] == "Taken by Bea."
    assert await taken(serving, run) == [("bea", "Slack")]


async def test_a_press_that_was_cut_short_counts_once_it_is_repeated_a_minute_later(serving):
    run = await calling(serving)
    claim = value(serving, run)
    digest = hashlib.sha256(b"m1").hexdigest()[:32]
    await serving.parts.requests.begin_note(run, f"claim {digest}", serving.clock.now_us())
    assert "used already" in (await press(serving, claim)).json()["text"]
    serving.clock.t_us += 61 * 1_000_000
    assert (await press(serving, claim)).json()["text"] == "Taken by Bea."


async def test_a_press_that_died_with_the_server_before_this_one_counts_at_once(serving):
    run = await calling(serving)
    claim, before_us = value(serving, run), Brisk().t_us - 1
    digest = hashlib.sha256(b"m1").hexdigest()[:32]
    await serving.parts.requests.begin_note(run, f"claim {digest}", before_us)
    assert serving.clock.now_us() - before_us < TURN_S * 1_000_000
    assert (await press(serving, claim)).json()["text"] == "Taken by Bea."
    assert await taken(serving, run) == [("bea", "Slack")]
    again = (await press(serving, claim)).json()["text"]
    assert again == "Nothing done: this was used already, by Bea"


async def test_an_incident_that_is_acknowledged_in_pagerduty_takes_it(serving):
    run = await calling(serving)
    body = json.loads(pd_event(5, "incident.acknowledged", incident_key=f"{run}:call:1"))
    body["event"]["agent"] = {"summary": "Ana Lim", "type": "user_reference"}
    answer = await serving.pagerduty(json.dumps(body).encode())
    assert answer.status_code == 202
    _, verdicts = await serving.next_settled()
    assert [(v.word, v.run) for v in verdicts] == [("joined", run)]
    assert await taken(serving, run) == [("Ana Lim", "PagerDuty")]
    await serving.pagerduty(pd_event(6, "incident.acknowledged", incident_key=f"{run}:call:1"))
    _, verdicts = await serving.next_settled()
    assert verdicts[0].word == "ignored"
    await serving.pagerduty(pd_event(7, "incident.acknowledged", incident_key="somebody else's"))
    _, verdicts = await serving.next_settled()
    assert verdicts[0].word == "ignored"


async def test_a_run_that_is_over_and_still_calls_is_taken_up_by_the_next_server(books, tmp_path):
    text = CALLS.replace(", wait: acknowledged", "") + "  - {end: unresolved}\n"
    (books / "p/calls.yaml").write_text(text)
    (books / "p/contacts.yaml").write_text(
        CONTACTS + "    - {who: [bea], by: [console], after: 1h, unless: acknowledged}\n"
    )
    given = {"link_keys": (KEY,)}
    async with serving_in(books, tmp_path / "journal.db", **given) as first:
        run = await calling(first)
        assert (await first.ended(run)).body["outcome"] == "unresolved"
    async with serving_in(books, tmp_path / "journal.db", **given) as second:
        events = await second.parts.store.events(run)
        async with asyncio.timeout(20):
            while not any(event.type == "RunTakenUp" for event in events):
                await second.parts.store.wait_for_more(run, events[-1].seq, 5)
                events = await second.parts.store.events(run)
        path = link(second, run)
        assert (await second.http.post(path)).status_code == 200
        assert await taken(second, run) == [("a link", "mail")]


async def test_it_is_taken_over_the_api_by_whom_the_token_is(serving):
    run = await calling(serving)
    token = await serving.token("operator", person="bea")
    answer = await serving.call("POST", f"/runs/{run}/ack", token, {"note": "on it"})
    assert answer.status_code == 200
    assert await taken(serving, run) == [("bea", "API")]


async def test_a_run_that_cannot_be_taken_up_for_its_environment_is_tried_until_it_can(
    books, tmp_path
):
    place = books / "p/environments/test.yaml"
    (books / "p/calls.yaml").write_text(CALLS)
    (books / "p/contacts.yaml").write_text(CONTACTS)
    async with serving_in(books, tmp_path / "journal.db") as first:
        run = await calling(first)
    text = place.read_text()
    place.unlink()
    async with serving_in(books, tmp_path / "journal.db") as second:
        events = await second.parts.store.events(run)
        async with asyncio.timeout(20):
            while not second.parts.keeper.held:
                await second.parts.store.wait_for_more(run, events[-1].seq, 0.01)
            faults = [line for line in second.log.getvalue().splitlines() if '"error"' in line]
            assert any("has no environment" in line and run in line for line in faults)
            place.write_text(text)
            while not any(e.type == "RunTakenUp" and "held" not in e.body for e in events):
                second.clock.t_us += 16 * 1_000_000
                await second.parts.store.wait_for_more(run, events[-1].seq, 0.05)
                events = await second.parts.store.events(run)
