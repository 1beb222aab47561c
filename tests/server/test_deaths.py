"""What arrives is in the ledger once and starts one run, whatever dies in between."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from contextlib import suppress

import httpx
import pytest

from tests.server.conftest import pd_event, signed
from tests.server.process import server
from tests.server.storm import ledger, send, settled, shuffled

BOOK = """title: Looks
triggers:
  - pagerduty: {match: {title: "*disk*"}}
steps:
  - {id: value, check: run.value, with: {value: "{{ event.incident.id }}"}}
  - {end: resolved}
"""
SLOW = """title: Takes a while
triggers:
  - pagerduty: {match: {title: "*disk*"}}
steps:
  - id: slow
    action: command.run
    target: here
    with: {argv: [cat, GATE]}
    probe: {check: command.run, target: here, with: {argv: [sleep, "no number"]}}
  - {id: never, check: run.value, with: {value: 1}}
  - {wait: 1h}
  - {end: resolved}
"""
"""Its first step ends when the test opens the gate, and not before."""

GRACE = "5m"
"""For a step to end that the test lets end, and a time that no test waits for."""


@pytest.fixture
def gate(tmp_path):
    """What the first step of `SLOW` waits at; who waits there still at the end is let go."""
    made = tmp_path / "gate"
    os.mkfifo(made)
    yield made
    with suppress(OSError):  # nobody waits there
        os.close(os.open(made, os.O_WRONLY | os.O_NONBLOCK))


def opened(gate):
    """Lets the step that is there, or on its way there, go on."""
    gate.open("wb").close()


def books(folder, text):
    (folder / "books/p/environments").mkdir(parents=True)
    place = "connections: {here: {adapter: command, allowed: [cat, sleep]}}\n"
    (folder / "books/p/environments/test.yaml").write_text(place)
    (folder / "books/p/main.yaml").write_text(text.replace("GATE", f"{folder}/gate"))


async def test_events_sent_at_a_server_that_is_killed_are_taken_once_and_start_one_run(tmp_path):
    books(tmp_path, BOOK)
    distinct, duplicates = 300, 100
    with server(tmp_path) as serving:
        storm = await send(serving, shuffled(distinct, duplicates, 7), 200, kills=2)
        await settled(serving, 300)
        events, started, unsettled = ledger(serving)
    assert set(storm.answers) <= {202, 503}
    assert events == {f"01EVENT{number}": 1 for number in range(distinct)}
    assert sorted(set(started.values())) == [1]
    assert (len(started), unsettled) == (distinct, 0)


def _deliver(serving, number=1):
    body = pd_event(number)
    headers = {"x-pagerduty-signature": signed(body)}
    url = f"{serving.url}/webhooks/pagerduty"
    return httpx.post(url, content=body, headers=headers, timeout=60)


def _types(folder):
    connection = sqlite3.connect(folder / "journal.db")
    found = [row[0] for row in connection.execute("SELECT type FROM events ORDER BY run, seq")]
    connection.close()
    return found


async def _until(folder, type_, count=1):
    for _ in range(2400):
        if _types(folder).count(type_) >= count:
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(_types(folder))


async def _said(serving, text):
    for _ in range(2400):
        if text in serving.log():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(serving.log())


async def test_a_server_that_is_asked_to_end_lets_running_steps_end_and_begins_nothing(
    tmp_path, gate
):
    books(tmp_path, SLOW)
    with server(tmp_path, grace=GRACE) as serving:
        assert _deliver(serving).status_code == 202
        await _until(tmp_path, "StepStarted")
        serving.process.send_signal(signal.SIGTERM)
        await _said(serving, "asked to end")
        await asyncio.to_thread(opened, gate)
        assert await asyncio.to_thread(serving.process.wait, 60) == 0
        ended = _types(tmp_path)
        assert ended == ["RunStarted", "StepStarted", "StepFinished"]
        assert '"runs_cut_off": 0' in serving.log()
        serving.start()
        await _until(tmp_path, "StepStarted", 2)
    assert _types(tmp_path)[:5] == [*ended, "RunTakenUp", "StepStarted"]


async def test_a_server_that_is_asked_to_end_while_it_starts_ends_well(tmp_path):
    books(tmp_path, BOOK)
    with server(tmp_path) as serving:
        assert await asyncio.to_thread(serving.kill, signal.SIGTERM) == 0
        (tmp_path / "server.log").write_text("")
        serving.start(wait=False)
        await _said(serving, "serving on")
        assert await asyncio.to_thread(serving.kill, signal.SIGTERM) == 0
        assert "Traceback" not in serving.log()


async def test_ctrl_c_after_a_signal_takes_the_time_away_and_says_which_run_is_cut_off(
    tmp_path, gate
):
    books(tmp_path, SLOW)
    with server(tmp_path, grace=GRACE) as serving:
        assert _deliver(serving).status_code == 202
        await _until(tmp_path, "StepStarted")
        serving.process.send_signal(signal.SIGTERM)
        await _said(serving, "asked to end")
        serving.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(serving.kill, signal.SIGINT) == 0
        log = serving.log()
    assert "run is cut off, and taken up by the next start" in log
    assert '"runs_cut_off": 1' in log
    assert "Traceback" not in log


async def test_a_run_whose_server_was_killed_is_taken_up_at_the_next_start(tmp_path, gate):
    books(tmp_path, SLOW)
    with server(tmp_path) as serving:
        _deliver(serving)
        await _until(tmp_path, "StepStarted")
        await asyncio.to_thread(serving.kill)
        serving.start()
        await _until(tmp_path, "RunTakenUp")
        token = serving.token("lead", "--role", "admin")
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=serving.url, headers=headers, timeout=60) as http:
            runs = (await http.get("/api/v1/runs")).json()["items"]
            events = (await http.get(f"/api/v1/runs/{runs[0]['run']}/events")).json()["items"]
        taken = next(event for event in events if event["type"] == "RunTakenUp")
        assert taken["body"]["interrupted"] == ["slow"]


async def test_slow_clients_are_let_go_and_the_others_are_served(tmp_path):
    books(tmp_path, BOOK)
    with server(tmp_path) as serving:
        held = [await asyncio.open_connection("127.0.0.1", serving.port) for _ in range(300)]
        for _, writer in held[::2]:
            writer.write(b"POST /webhooks/pagerduty HTTP/1.1\r\nHost: x\r\nContent-Le")
        assert (await asyncio.to_thread(_deliver, serving)).status_code == 202
        reader, slow = await asyncio.open_connection("127.0.0.1", serving.port)
        slow.write(b"POST /webhooks/pagerduty HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        async with asyncio.timeout(120):
            assert b"408" in await reader.readline()
            for one, _ in held:
                assert await one.read() == b""
        assert (await asyncio.to_thread(_deliver, serving, 2)).status_code == 202
        for _, writer in [*held, (reader, slow)]:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
