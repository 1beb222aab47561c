"""What PagerDuty says of incidents: of ours, by which a run calls people, and of those that began
one. What takes nothing, or nothing back, stands in the ledger with its reason.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine.journal.ledger import Verdict
from engine.server import incidents
from engine.server.pagerduty import Client, Reconciler
from tests.server.conftest import PD_SECRET, Serving, pd_event, serving_in
from tests.server.pagerduty_double import TOKEN, double

CALLS = """title: Calls for somebody
steps:
  - {id: call, escalate: default, message: "the disk is full"}
  - {id: held, wait: 5h}
"""
CONTACTS = """people:
  bea: {name: Bea, roles: [boss], pagerduty: PBEA}
policies:
  default:
    - {who: [bea], by: [console], unless: acknowledged}
    - {who: [bea], by: [console], after: 1h, unless: acknowledged}
"""
BEA = {"id": "PBEA", "summary": "Beatrix B.", "type": "user_reference"}
SERVICE = {"id": "S1", "summary": "web", "type": "service_reference"}
ANA = {"id": "PANA", "summary": "Ana Lim", "type": "user_reference"}


@pytest.fixture
async def serving(books, tmp_path) -> AsyncIterator[Serving]:
    (books / "p/calls.yaml").write_text(CALLS)
    (books / "p/contacts.yaml").write_text(CONTACTS)
    async with serving_in(books, tmp_path / "journal.db") as made:
        made.number = 100  # type: ignore[attr-defined]
        yield made


async def until(serving: Any, run: str, type_: str, count: int = 1) -> list[Any]:
    """The events of a run, once it has so many of this type."""
    async with asyncio.timeout(20):
        while True:
            events = list(await serving.parts.store.events(run))
            if sum(event.type == type_ for event in events) >= count:
                return events
            await serving.parts.store.wait_for_more(run, events[-1].seq if events else 0, 5)


async def calling(serving: Any, name: str = "p/calls") -> str:
    token = await serving.token("operator", person="bea")
    body = {"runbook": name, "environment": "test"}
    run = str((await serving.call("POST", "/runs", token, body)).json()["run"])
    await until(serving, run, "Told")
    return run


async def says(
    serving: Any, run: str, kind: str, at: str = "08:00:00", agent: Any = BEA, **data: Any
) -> Verdict:
    """PagerDuty says something of the incident of a run, that happened at a time of day."""
    serving.number += 1
    given = {"incident_key": f"{run}:call:1.1", "id": "QOURS", "title": "nothing here"} | data
    body = json.loads(pd_event(serving.number, f"incident.{kind}", **given))
    body["event"] |= {"agent": agent, "occurred_at": f"2027-01-15T{at}.000Z"}
    await serving.pagerduty(json.dumps(body).encode())
    _, (verdict,) = await serving.next_settled()
    return verdict


async def whys(serving: Any, run: str) -> list[str]:
    events = await serving.parts.store.events(run)
    return [event.body["why"] for event in events if event.type == "EscalationReopened"]


async def taken(serving: Any, run: str) -> bool:
    state = await serving.parts.engine.state(run)
    return bool(state.escalations["call"].taken)


async def test_what_ran_out_in_pagerduty_is_called_for_anew_and_says_why(serving):
    run = await calling(serving)
    assert (await says(serving, run, "acknowledged")).word == "joined"
    found = await says(serving, run, "unacknowledged", "08:30:00", agent=SERVICE)
    assert found == Verdict(
        "joined", "whoever took it has it no longer: people are called anew", None, run
    )
    events = await until(serving, run, "Told", 2)
    assert await whys(serving, run) == ["PagerDuty: the acknowledgement of Bea ran out"]
    told = next(e for e in reversed(events) if e.type == "LevelDue")
    assert told.body["words"]["anew"] == "PagerDuty: the acknowledgement of Bea ran out"
    assert (await says(serving, run, "acknowledged", "08:31:00")).word == "joined"
    assert await taken(serving, run)


@pytest.mark.parametrize(
    ("kind", "agent", "data", "why"),
    [
        ("unacknowledged", None, {}, "the acknowledgement of Bea ran out"),
        ("unacknowledged", BEA, {}, "the acknowledgement of Bea ran out, or was taken back"),
        ("unacknowledged", ANA, {}, "Ana Lim took back the acknowledgement of Bea"),
        ("reopened", ANA, {}, "Ana Lim opened its incident again, which Bea had taken"),
        ("reassigned", ANA, {}, "Ana Lim handed on what Bea had taken, and nobody took it so far"),
        ("escalated", ANA, {}, "Ana Lim handed on what Bea had taken, and nobody took it so far"),
        ("delegated", ANA, {}, "Ana Lim handed on what Bea had taken, and nobody took it so far"),
    ],
)
async def test_whoever_has_it_no_longer_is_not_taken_to_have_it(serving, kind, agent, data, why):
    run = await calling(serving)
    await says(serving, run, "acknowledged")
    assert (await says(serving, run, kind, "08:30:00", agent=agent, **data)).word == "joined"
    await until(serving, run, "EscalationReopened")
    assert await whys(serving, run) == [f"PagerDuty: {why}"]


async def test_an_incident_that_a_person_resolves_is_taken_and_once_it_is_opened_again_it_is_not(
    serving,
):
    run = await calling(serving)
    assert (await says(serving, run, "resolved", status="resolved")).word == "joined"
    assert await taken(serving, run)
    events = await until(serving, run, "Acknowledged")
    notes = [event.body["note"] for event in events if event.type == "Acknowledged"]
    assert notes == ["resolved in PagerDuty"]
    assert (await says(serving, run, "reopened", "08:30:00")).word == "joined"
    await until(serving, run, "EscalationReopened")


@pytest.mark.parametrize(
    ("kind", "more", "why"),
    [
        ("resolved", {"agent": SERVICE}, "nobody resolved it"),
        ("resolved", {"agent": None}, "nobody resolved it"),
        (
            "resolved",
            {"resolve_reason": {"type": "merge_resolve_reason"}},
            "it was merged into another incident",
        ),
        ("reassigned", {"status": "acknowledged"}, "somebody has it there still"),
        ("escalated", {"status": "acknowledged"}, "somebody has it there still"),
        ("unacknowledged", {}, "nobody had taken it"),
        ("reopened", {}, "nobody had taken it"),
        ("escalated", {}, "nobody had taken it"),
    ],
)
async def test_what_is_no_word_to_a_run_is_ignored_with_its_reason(serving, kind, more, why):
    run = await calling(serving)
    found = await says(serving, run, kind, **more)
    assert (found.word, found.run) == ("ignored", run)
    assert why in found.why
    assert not await taken(serving, run)
    assert await whys(serving, run) == []


async def test_an_event_that_comes_twice_or_late_changes_nothing(serving):
    run = await calling(serving)
    await says(serving, run, "acknowledged", "08:00:00")
    old = await says(serving, run, "unacknowledged", "07:59:00")
    assert (old.word, "Bea acknowledged it later than that" in old.why) == ("ignored", True)
    await says(serving, run, "unacknowledged", "08:30:00")
    await until(serving, run, "EscalationReopened")
    again = await says(serving, run, "unacknowledged", "08:30:00")
    assert (again.word, "nobody had taken it" in again.why) == ("ignored", True)
    late = await says(serving, run, "acknowledged", "08:10:00")
    assert (late.word, "PagerDuty said since that nobody has it" in late.why) == ("ignored", True)
    assert len(await whys(serving, run)) == 1
    assert not await taken(serving, run)


async def test_an_acknowledgement_that_is_overtaken_by_its_end_takes_nothing(serving):
    run = await calling(serving)
    assert (await says(serving, run, "unacknowledged", "08:30:00")).word == "ignored"
    assert (await says(serving, run, "acknowledged", "08:00:00")).word == "ignored"
    assert not await taken(serving, run)
    assert (await says(serving, run, "acknowledged", "08:31:00")).word == "joined"


async def test_what_somebody_took_in_another_way_is_not_called_for_anew(serving):
    run = await calling(serving)
    token = await serving.token("operator", person="bea")
    await serving.call("POST", f"/runs/{run}/ack", token, {})
    found = await says(serving, run, "unacknowledged", "08:30:00")
    assert (found.word, "Bea took it, and not by PagerDuty" in found.why) == ("ignored", True)


async def test_what_somebody_took_since_in_another_way_is_not_called_for_anew(serving):
    run = await calling(serving)
    await says(serving, run, "acknowledged", agent=ANA)
    token = await serving.token("operator", person="bea")
    said = (await serving.call("POST", f"/runs/{run}/ack", token, {})).json()
    assert "it stays taken now when that runs out there" in said["remark"]
    found = await says(serving, run, "unacknowledged", "08:30:00")
    assert found.word == "ignored"
    assert found.why == "it takes back nothing of ours: somebody took it in another way too"
    assert await taken(serving, run)


async def test_the_word_about_a_foreign_incident_another_run_or_a_question_changes_nothing(serving):
    run, other = await calling(serving), await calling(serving)
    await says(serving, run, "acknowledged")
    foreign = await says(serving, run, "unacknowledged", incident_key="somebody else's")
    assert (foreign.word, foreign.run) == ("ignored", None)
    level = await says(serving, run, "unacknowledged", incident_key=f"{run}:call:1.2")
    assert (level.word, "another incident" in level.why) == ("ignored", True)
    elsewhere = await says(serving, other, "unacknowledged", "08:30:00")
    assert (elsewhere.word, elsewhere.run) == ("ignored", other)
    asked = await says(serving, run, "unacknowledged", incident_key=f"{run}:ask:call#1:1.1")
    assert "nobody is called by it" in asked.why
    assert await taken(serving, run)


async def test_what_runs_out_behind_the_end_of_a_run_calls_nobody(serving):
    serving.write(CALLS.replace("{id: held, wait: 5h}", "{end: unresolved}"), "p/ends")
    run = await calling(serving, "p/ends")
    await serving.ended(run)
    await says(serving, run, "acknowledged")
    await until(serving, run, "EscalationClosed")
    found = await says(serving, run, "unacknowledged", "08:30:00")
    assert (found.word, "the run is over" in found.why) == ("ignored", True)


async def test_a_delivery_whose_server_died_behind_its_append_is_settled_as_what_it_was(serving):
    run = await calling(serving)
    parts = serving.parts
    await says(serving, run, "acknowledged")
    (row,) = await parts.ledger.latest(run=run)
    _, body = await parts.ledger.get(row.id)
    verdicts, _ = await parts.dispatcher._judge(row, body)
    assert [(one.word, one.why) for one in verdicts] == [("joined", "it was recorded before")]
    events = await parts.store.events(run)
    assert sum(event.type == "Acknowledged" for event in events) == 1


@pytest.mark.parametrize(
    "kind", ["acknowledged", "unacknowledged", "resolved", "reopened", "reassigned", "escalated"]
)
async def test_the_incident_that_started_a_run_tells_it_nothing_more(serving, kind):
    await serving.pagerduty(pd_event(1))
    _, (started,) = await serving.next_settled()
    data = {"id": "Q1", "incident_key": "abc", "title": "no runbook has this"}
    found = await says(serving, "", kind, **data)
    assert (found.word, found.run) == ("ignored", started.run)
    assert f"it started run {started.run}, which hears nothing of it: " in found.why
    assert found.why.endswith(incidents.OF_STARTED[f"incident.{kind}"])


async def test_a_runbook_may_be_started_by_what_is_no_word_to_a_run(serving):
    text = "title: t\ntriggers: [{pagerduty: {event: incident.escalated}}]\nsteps: [{wait: 1s}]\n"
    serving.write(text, "p/escalated")
    run = await calling(serving)
    found = await says(serving, run, "escalated")
    assert (found.word, found.runbook) == ("started", "p/escalated")


async def test_what_we_told_pagerduty_ourselves_holds_nothing_once_it_comes_back(serving):
    """Where somebody took it, all incidents that the run raised for it are acknowledged by us."""
    run = await calling(serving)
    await says(serving, run, "acknowledged", "08:00:00")
    for at, tail in (("08:00:01", "1.1"), ("08:00:02", "1.2")):
        key = f"{run}:call:{tail}"
        echo = await says(serving, run, "acknowledged", at, agent=SERVICE, incident_key=key)
        assert (echo.word, "nobody acknowledged it" in echo.why) == ("ignored", True)
    assert (await says(serving, run, "unacknowledged", "08:30:00")).word == "joined"
    await until(serving, run, "EscalationReopened")


# -- what was lost ---------------------------------------------------------------------------------


async def test_an_acknowledgement_and_its_end_whose_deliveries_were_lost_are_found(serving):
    run = await calling(serving)
    parts = serving.parts
    known = {"id": "QOURS", "incident_key": f"{run}:call:1.1", "title": "ours", "created_at": "x"}
    async with double() as pagerduty:
        settings = parts.settings.pagerduty.__class__(
            secrets=(PD_SECRET,), token=TOKEN, sender="ops@example.com", url=pagerduty.url
        )
        client = Client(settings)
        reconciler = Reconciler(client, settings, parts.ledger, parts.dispatcher, parts.log)
        reconciler.missed = lambda incident: incidents.missed(parts, incident)
        acked = {"at": "2027-01-15T08:10:00Z", "acknowledger": BEA}
        pagerduty.incidents = [{**known, "status": "acknowledged", "acknowledgements": [acked]}]
        assert await reconciler.look(serving.clock.now_us()) == 1
        await until(serving, run, "Acknowledged")
        while await parts.ledger.count_unsettled():
            await serving.next_settled()
        assert await reconciler.look(serving.clock.now_us()) == 0
        changed = {
            "last_status_change_at": "2027-01-15T08:40:00Z",
            "last_status_change_by": SERVICE,
        }
        pagerduty.incidents = [{**known, "status": "triggered", **changed}]
        assert await reconciler.look(serving.clock.now_us()) == 1
        await until(serving, run, "EscalationReopened")
        assert await whys(serving, run) == ["PagerDuty: the acknowledgement of Bea ran out"]
        assert await reconciler.look(serving.clock.now_us()) == 0
        await client.close()


async def test_an_incident_that_was_read_before_it_was_acknowledged_takes_nothing_back(serving):
    run = await calling(serving)
    known = {"id": "QOURS", "incident_key": f"{run}:call:1.1", "status": "triggered"}
    known |= {"last_status_change_at": "2027-01-15T07:59:00Z", "last_status_change_by": SERVICE}
    await says(serving, run, "acknowledged", "08:00:00")
    event = await incidents.missed(serving.parts, known)
    await serving.pagerduty(json.dumps({"event": event}).encode())
    _, (verdict,) = await serving.next_settled()
    assert (verdict.word, "later than that" in verdict.why) == ("ignored", True)
    assert await taken(serving, run)


async def test_an_acknowledgement_of_before_it_began_anew_is_not_lost(books, serving):
    """By `reopen_after` it begins anew although its first incident is acknowledged still."""
    levels = CONTACTS.partition("    - {who")[2]
    policy = f"    reopen_after: 10m\n    levels:\n    - {{who{levels}"
    (books / "p/contacts.yaml").write_text(CONTACTS.partition("    - {who")[0] + policy)
    run = await calling(serving)
    await says(serving, run, "acknowledged")
    serving.clock.t_us += 601 * 1_000_000
    await until(serving, run, "EscalationReopened")
    acked = {"at": "2027-01-15T08:00:00Z", "acknowledger": BEA}
    known = {"id": "QOURS", "status": "acknowledged", "acknowledgements": [acked]}
    found = [
        await incidents.missed(serving.parts, {**known, "incident_key": f"{run}:call:{tail}"})
        for tail in ("1.1", "2.1")
    ]
    assert [one is not None for one in found] == [False, True]
