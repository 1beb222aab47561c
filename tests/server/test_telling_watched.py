"""Whoever operates the server sees who could not be told, and that the contacts are broken."""

from __future__ import annotations

import asyncio
import json
from io import StringIO

import pytest

from engine.channels.slack import SlackChannel
from engine.server.logs import Log
from tests.channels.counterparts import Web, listening
from tests.runs.beeper import Siren
from tests.server.conftest import Brisk, serving_in
from tests.server.test_watched import read

CALLS = """title: Calls for somebody
steps:
  - {id: call, escalate: default, message: "the disk is full", wait: acknowledged}
"""
CONTACTS = """people:
  bea: {name: Bea, channels: {slack: U777}}
  cy: {name: Cy}
channels:
  slack: {connection: chat}
policies:
  default:
    - {who: [bea], by: [slack]}
    - {who: [cy], by: [console], after: 1m}
"""
TOKEN = "xoxb-a-token-of-slack"


def lines(serving) -> list[dict[str, object]]:
    return [json.loads(line) for line in serving.log.getvalue().splitlines()]


async def started(serving) -> str:
    token = await serving.token("operator")
    body = {"runbook": "p/calls", "environment": "test"}
    return str((await serving.call("POST", "/runs", token, body)).json()["run"])


async def until(serving, run, type_) -> None:
    store, seq = serving.parts.store, 0
    async with asyncio.timeout(30):
        while True:
            events = await store.events(run, seq)
            if any(event.type == type_ for event in events):
                return
            seq = events[-1].seq if events else seq
            await store.wait_for_more(run, seq, 5)


@pytest.fixture
async def serving(books, tmp_path):
    (books / "p/calls.yaml").write_text(CALLS)
    (books / "p/contacts.yaml").write_text(CONTACTS)
    async with listening(Web("refused").serve) as port:
        (books / "p/environments/test.yaml").write_text(
            "connections:\n"
            f"  chat: {{adapter: slack, token: {TOKEN}, base_url: 'http://127.0.0.1:{port}'}}\n"
        )
        given = {"channels": (SlackChannel,)}
        async with serving_in(books, tmp_path / "journal.db", **given) as made:
            yield made


async def test_each_message_that_did_not_leave_is_a_line_of_the_log_and_counted(serving):
    before = read((await serving.http.get("/metrics")).text)
    assert before["runbook_escalations_exhausted_total", "told=nobody"] == 0
    run = await started(serving)
    await until(serving, run, "EscalationExhausted")
    found = read((await serving.http.get("/metrics")).text)
    assert found["runbook_messages_total", "channel=slack,fate=failed,kind=page"] == 1
    assert found["runbook_messages_total", "channel=console,fate=told,kind=page"] == 1
    assert found["runbook_escalations_exhausted_total", "told=some"] == 1
    failed = [line for line in lines(serving) if line["message"] == "a message did not leave"]
    assert [(one["level"], one["run"], one["to"], one["by"], one["kind"]) for one in failed] == [
        ("warning", run, "Bea", "slack", "page")
    ]
    assert "answered 400" in str(failed[0]["why"])
    left = next(line for line in lines(serving) if "no level is left" in str(line["message"]))
    assert (left["level"], left["run"], left["told"]) == ("error", run, "some")
    assert TOKEN not in serving.log.getvalue()


async def test_what_nobody_took_is_seen_with_its_age_until_somebody_does(serving):
    run = await started(serving)
    await until(serving, run, "EscalationExhausted")
    serving.clock.t_us += 600 * 1_000_000
    found = read((await serving.http.get("/metrics")).text)
    assert found["runbook_escalations_open", ""] == 1
    assert found["runbook_escalation_oldest_seconds", ""] >= 600
    assert found["runbook_escalation_late_seconds", ""] == 0
    token = await serving.token("operator", person="bea")
    assert (await serving.call("POST", f"/runs/{run}/ack", token, {})).status_code == 200
    serving.app.state.counted._at_s = float("-inf")
    found = read((await serving.http.get("/metrics")).text)
    assert found["runbook_escalations_open", ""] == 0
    assert found["runbook_escalation_oldest_seconds", ""] == 0


@pytest.mark.parametrize("broken", ["people: [", "people: {bea: {nmae: Bea}}\n", None])
async def test_people_are_called_as_the_contacts_said_last_while_they_cannot_be_read(
    serving, books, broken
):
    path = books / "p/contacts.yaml"
    if broken is None:
        path.unlink()
    else:
        path.write_text(broken)
    run = await started(serving)
    await until(serving, run, "EscalationExhausted")
    events = await serving.parts.store.events(run)
    due = next(event for event in events if event.type == "LevelDue")
    assert [one["name"] for one in due.body["recipients"]] == ["Bea"]
    assert "contacts.yaml cannot be read" in due.body["trouble"]
    watch(serving).look()
    watch(serving).look()
    said = [line for line in lines(serving) if "contacts cannot be read" in str(line["message"])]
    assert [(line["level"], line["pack"]) for line in said[:1]] == [("error", "p")]
    found = read((await serving.http.get("/metrics")).text)
    assert found["runbook_contacts_broken", ""] == 1
    path.write_text(CONTACTS.replace("name: Bea", "name: Beatrix"))
    watch(serving).look()
    assert serving.parts.engine.books.contacts("p").people["bea"].name == "Beatrix"
    assert serving.parts.engine.books.contacts_trouble("p") is None
    assert lines(serving)[-1]["message"] == "contacts can be read again"


def watch(serving):
    return serving.app.state.contacts


async def test_contacts_that_are_broken_at_the_start_are_said_then(books, tmp_path):
    (books / "p/contacts.yaml").write_text("people: [")
    async with serving_in(books, tmp_path / "journal.db") as serving:
        found = read((await serving.http.get("/metrics")).text)
        assert found["runbook_contacts_broken", ""] == 1
        assert any("contacts cannot be read" in str(line["message"]) for line in lines(serving))


def test_what_comes_from_outside_gives_a_terminal_no_orders_where_the_log_is_words():
    out = StringIO()
    log = Log(Brisk(), lambda text: text, out, plain=True)
    log.warning("full\n\x1b[2J", about="\x1b]0;owned\x07x\r\nforged line", number=3)
    assert out.getvalue().endswith("warning full about=x forged line number=3\n")
    assert len(out.getvalue().splitlines()) == 1


LOUD = CONTACTS.replace("slack", "siren").replace("U777", '"+1"')


async def test_a_message_that_is_in_doubt_after_a_restart_is_a_line_with_whom_and_by_what(
    books, tmp_path
):
    (books / "p/calls.yaml").write_text(CALLS)
    (books / "p/contacts.yaml").write_text(LOUD)
    place = books / "p/environments/test.yaml"
    place.write_text("connections: {chat: {adapter: siren}}\n")
    journal, begun = tmp_path / "journal.db", asyncio.Event()

    async def hangs(_message):
        begun.set()
        await asyncio.Event().wait()

    Siren.reset()
    Siren.on = hangs
    async with serving_in(books, journal, channels=[Siren]) as before:
        run = await started(before)
        await begun.wait()
        await before.parts.keeper.close(0)
    Siren.on = None
    async with serving_in(books, journal, channels=[Siren]) as serving:
        async with asyncio.timeout(20):
            while not (found := in_doubt(serving)):
                await serving.clock.sleep(0)
        told = [(one["level"], one["run"], one["to"], one["by"], one["kind"]) for one in found]
        assert told == [("warning", run, "Bea", "siren", "page")]
        assert "cut short while this was sent" in str(found[0]["why"])
        counted = read((await serving.http.get("/metrics")).text)
        assert counted["runbook_messages_total", "channel=siren,fate=doubt,kind=page"] == 1


def in_doubt(serving):
    return [line for line in lines(serving) if line["message"] == "a message is in doubt"]
