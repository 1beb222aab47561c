"""What PagerDuty is asked and told: alerts, notes said once, deliveries that were lost."""

from __future__ import annotations

import json

import pytest

from engine.errors import StepError
from engine.server.pagerduty import Client, Notes, Reconciler
from engine.server.reporting import Reporter
from engine.server.settings import PagerDuty
from tests.channels.counterparts import answer, listening
from tests.channels.test_answers import Talker
from tests.server.conftest import PD_SECRET, pd_event, serving_in
from tests.server.pagerduty_double import TOKEN, double

CALLS = """title: Calls
triggers: [{pagerduty: {}}]
steps:
  - {escalate: default, message: "look at it"}
  - {end: unresolved}
"""
CONTACTS = """people:
  bea: {name: Bea}
policies:
  default:
    - {who: [bea], by: [console], unless: acknowledged}
    - {who: [bea], by: [console], after: 1h, unless: acknowledged}
"""


@pytest.fixture
async def pagerduty():
    async with double() as made:
        yield made


def settings(pagerduty, **more):
    given = {
        "secrets": (PD_SECRET,),
        "token": TOKEN,
        "sender": "ops@example.com",
        "url": pagerduty.url,
    }
    return PagerDuty(**(given | more))


@pytest.fixture
async def serving(books, tmp_path, pagerduty):
    """Notes are said when a test looks, not by themselves."""
    given = {"pagerduty": settings(pagerduty)}
    async with serving_in(books, tmp_path / "journal.db", beside=False, **given) as made:
        yield made


@pytest.fixture
async def client(pagerduty):
    made = Client(settings(pagerduty))
    yield made
    await made.close()


@pytest.fixture
def reporter(serving, client):
    parts = serving.parts
    notes = Notes(client, parts.requests, parts.log, serving.clock)
    return Reporter(notes, parts.ledger, parts.keeper, parts.log, "https://runbook.example")


async def started(serving):
    await serving.pagerduty(pd_event(1))
    _, verdicts = await serving.next_settled()
    await serving.ended(verdicts[0].run)
    return verdicts[0].run


async def test_the_start_and_the_outcome_are_notes_on_the_incident_once_each(
    serving, reporter, pagerduty
):
    run = await started(serving)
    for _ in range(3):
        await reporter.look()
    first, last = pagerduty.notes["Q1"]
    assert first == (
        f"Started p/main as run {run}. https://runbook.example/api/v1/runs/{run}\n"
        f"[runbook {run} start]"
    )
    assert last.splitlines()[0] == "p/main ended resolved"
    assert "- look: passed" in last
    assert last.endswith(f"[runbook {run} end]")


async def test_a_note_whose_answer_was_lost_is_not_said_again(serving, reporter, pagerduty):
    run = await started(serving)
    pagerduty.fail = [-503]
    with pytest.raises(StepError):
        await reporter.look()
    assert [note.state for note in await serving.parts.requests.noted(run)] == ["saying"]
    for _ in range(2):
        await reporter.look()
    assert len(pagerduty.notes["Q1"]) == 2
    assert [n.state for n in await serving.parts.requests.noted(run)] == ["said", "said"]


async def test_a_note_is_said_by_the_next_server_where_the_first_died_before_it(
    serving, reporter, pagerduty, client
):
    run = await started(serving)
    await serving.parts.requests.begin_note(run, "start", serving.clock.now_us())
    await reporter.look()
    assert [n.splitlines()[-1] for n in pagerduty.notes["Q1"]] == [
        f"[runbook {run} start]", f"[runbook {run} end]",
    ]  # fmt: skip


async def test_one_incident_that_cannot_be_told_holds_up_no_other(serving, reporter, pagerduty):
    await started(serving)
    await serving.pagerduty(pd_event(2))
    _, verdicts = await serving.next_settled()
    await serving.ended(verdicts[0].run)
    pagerduty.fail = [503]
    with pytest.raises(StepError, match="503"):
        await reporter.look()
    assert sorted(pagerduty.notes) == ["Q1"]
    assert len(pagerduty.notes["Q1"]) == 2
    await reporter.look()
    assert len(pagerduty.notes["Q2"]) == 2


async def test_what_was_said_is_not_looked_into_again(serving, reporter, pagerduty):
    await started(serving)
    await reporter.look()
    pagerduty.asked.clear()
    journal = serving.parts.store.path
    before = journal.with_name(journal.name + "-wal").stat().st_size
    for _ in range(5):
        await reporter.look()
    assert pagerduty.asked == []
    assert journal.with_name(journal.name + "-wal").stat().st_size == before


async def test_a_run_that_goes_on_calling_people_behind_its_end_is_said_to_have_ended(
    serving, reporter, pagerduty
):
    serving.write(CALLS)
    (serving.folder / "p/contacts.yaml").write_text(CONTACTS)
    run = await started(serving)
    events = await serving.parts.store.events(run)
    assert [event.type for event in events if event.type == "EscalationClosed"] == []
    await reporter.look()
    assert pagerduty.notes["Q1"][-1].splitlines()[0] == "p/main ended unresolved"


async def test_an_api_that_is_down_delays_rules_that_want_alerts_for_a_minute_and_no_more(
    serving, client
):
    serving.write(
        "title: t\ntriggers:\n  - pagerduty: {match: {title: '*disk*'}, priority: 2}\n"
        "  - pagerduty: {match: {'alerts[0].id': A1}}\nsteps: [{end: resolved}]\n"
    )

    class Down:
        tries = 0

        async def alerts(self, _incident):
            Down.tries += 1
            serving.clock.t_us += 40_000_000
            raise StepError("PagerDuty answers 503")

    serving.parts.dispatcher.alerts = Down()
    await serving.pagerduty(pd_event(1))
    _, verdicts = await serving.next_settled()
    assert [v.word for v in verdicts] == ["started"]
    assert Down.tries == 2


async def test_a_note_that_is_refused_is_given_up_and_one_too_many_is_tried_later(
    serving, reporter, pagerduty
):
    run = await started(serving)
    pagerduty.fail = [429, 404]
    with pytest.raises(StepError, match="429"):
        await reporter.look()
    await reporter.look()
    states = {n.kind: n.state for n in await serving.parts.requests.noted(run)}
    assert states == {"start": "failed", "end": "said"}
    assert "no (404)" in serving.log.getvalue()


async def test_the_incident_is_acknowledged_and_resolved_once_where_the_rule_says_so(
    serving, reporter, pagerduty
):
    text = "title: t\ntriggers:\n  - pagerduty: {acknowledge: true, resolve: true}\n"
    serving.write(f"{text}steps: [{{end: resolved}}]\n")
    await started(serving)
    for _ in range(2):
        await reporter.look()
    assert pagerduty.turned == {"Q1": ["acknowledged", "resolved"]}
    serving.write(f"{text}steps: [{{end: unresolved}}]\n")
    await serving.pagerduty(pd_event(2))
    _, verdicts = await serving.next_settled()
    await serving.ended(verdicts[0].run)
    pagerduty.turned["Q2"] = ["resolved"]
    await reporter.look()
    assert pagerduty.turned["Q2"] == ["resolved"]
    states = {n.kind: n.state for n in await serving.parts.requests.noted(verdicts[0].run)}
    assert states == {"start": "said", "acknowledged": "said", "end": "said"}


async def test_a_delivery_that_was_lost_is_made_up_for_once(serving, client, pagerduty):
    parts = serving.parts
    given = (settings(pagerduty, subscription="P1"), parts.ledger, parts.dispatcher, parts.log)
    reconciler = Reconciler(client, *given)
    await started(serving)
    incident = json.loads(pd_event(1))["event"]["data"]
    pagerduty.incidents = [incident, *({**incident, "id": f"L{n}"} for n in range(150))]
    pagerduty.disabled = True
    assert await reconciler.look(serving.clock.now_us()) == 150
    assert not pagerduty.disabled
    assert await reconciler.look(serving.clock.now_us()) == 0
    row, verdicts = await serving.next_settled()
    assert (row.kind, verdicts[0].word) == ("incident.triggered", "started")


async def test_the_alerts_of_an_incident_are_asked_for_when_a_rule_needs_them(
    serving, client, pagerduty
):
    serving.write(
        "title: t\ntriggers:\n  - pagerduty: {match: {'alerts[0].body.details.mount': /data},"
        " inputs: {word: '{{ event.alerts[0].id }}'}}\n"
        "inputs: {word: {type: string}}\nsteps: [{end: resolved}]\n"
    )
    serving.parts.dispatcher.alerts = client
    pagerduty.alerts = {"Q1": [{"id": "A1", "body": {"details": {"mount": "/data"}}}]}
    await serving.pagerduty(pd_event(1))
    _, verdicts = await serving.next_settled()
    first = (await serving.parts.store.events(verdicts[0].run, 0, 1))[0]
    assert first.body["inputs"] == {"word": "A1"}
    assert pagerduty.asked == ["GET /incidents/Q1/alerts"]


async def test_what_pagerduty_says_is_told_and_the_token_is_not(pagerduty):
    wrong = Client(settings(pagerduty, token="very-secret-token"))
    with pytest.raises(StepError) as told:
        await wrong.alerts("Q1")
    await wrong.close()
    assert "401: Invalid Credentials (2006)" in told.value.message
    assert "very-secret" not in told.value.message + repr(settings(pagerduty))
    assert not told.value.retryable


ODD = {
    "elsewhere": answer(302, "", "Location: https://login.example/"),
    "a list": answer(200, "[]"),
    "text for a list": answer(200, '{"alerts": "x", "notes": "x", "incidents": "x"}'),
    "a mapping for a list": answer(200, '{"alerts": {"a": 1}, "notes": {"a": 1}, "incidents": {}}'),
    "words in a list": answer(200, '{"alerts": ["x"], "notes": ["x"], "incidents": ["x"]}'),
    "nested deeply": answer(200, "[" * 100_000),
    "a page of a proxy": answer(200, "<h1>Log in</h1>", kind="text/html"),
    "no end": answer(200, b'{"notes": "' + b"x" * 9 * 1024 * 1024 + b'"}'),
    "half a character": answer(400, '{"error": {"message": "\\ud800\\u001b[2J", "code": []}}'),
}


@pytest.mark.parametrize("says", ODD)
async def test_an_answer_that_is_not_pagerdutys_is_no_bug_and_says_nothing_was_done(says):
    talker = Talker()
    talker.says = [ODD[says]]
    async with listening(talker.serve) as port:
        made = Client(PagerDuty(token=TOKEN, url=f"http://127.0.0.1:{port}"))
        for ask in (
            made.alerts("PINC/../1"),
            made.notes("PINC1\r\nX: y"),
            made.open_incidents(0, 1),
        ):
            with pytest.raises(StepError) as caught:
                await ask
            caught.value.message.encode()
            assert "\x1b" not in caught.value.message
        if not says.startswith(("text", "a mapping", "words")):
            with pytest.raises(StepError):
                await made.note("PINC1", "said")
        await made.close()
