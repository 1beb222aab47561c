"""A policy may be of a severity: what is told by it is told so, whatever its run is. A runbook that
measures how bad it is has no severity of its own that fits each of its answers.
"""

from __future__ import annotations

import re

import pytest

from engine.config import Books
from engine.wiring.preview import preview
from tests.runs.beeper import START_US, Beeper
from tests.runs.test_telling import acks, turning

CONTACTS = """\
people:
  ana: {name: Ana Lim, channels: {beep: "+1"}}
  bo: {name: Bo Ek, channels: {beep: "+2"}}
channels:
  beep: {connection: beeper}
quiet: {from: "00:00", until: "09:00"}
severities:
  P0: {respond_within: 5m, policy: p0, critical: true}
  P3: {respond_within: 2h, policy: p3, page: info}
policies:
  p0: {severity: P0, levels: [{who: [ana], by: [beep]}]}
  p3:
    severity: P3
    levels:
      - {who: [ana], by: [beep]}
      - {who: [bo], by: [beep], after: 2h}
  plain:
    - {who: [ana], by: [beep]}
"""
"""It is 08:00 UTC when a run begins: quiet, and for an hour yet."""

HOUR_US = 3_600_000_000


def calls(policy: str, severity: str = "severity: P0\nrespond_within: 5m\n") -> str:
    step = f"{{escalate: {policy}, id: call, wait: acknowledged, message: It is slow}}"
    return f"{severity}steps:\n  - {step}\n"


@pytest.fixture
async def desk(tmp_path):
    async with turning(tmp_path) as made:
        made.write("contacts.yaml", CONTACTS)
        yield made


async def test_it_is_told_as_what_the_policy_is_and_waits_for_the_morning(desk):
    result = await desk.run(calls("p3"), acks(desk, told=1))
    (told,) = Beeper.rang
    assert (told.title, told.severity) == ("[P3] Redis: It is slow", "info")
    events = await desk.engine.store.events(result.run)
    first = next(e for e in events if e.type == "LevelDue")
    begun = next(e for e in events if e.type == "TellStarted")
    assert begun.at_us - first.at_us == pytest.approx(HOUR_US, abs=1_000_000)


async def test_whoever_is_called_last_has_the_time_of_that_severity(desk):
    result = await desk.run(calls("p3"))
    events = await desk.engine.store.events(result.run)
    told = [e for e in events if e.type == "Told"][-1]
    exhausted = next(e for e in events if e.type == "EscalationExhausted")
    assert exhausted.at_us - told.at_us == pytest.approx(2 * HOUR_US, abs=1_000_000)
    assert "within 2h" in exhausted.body["why"]


async def test_what_is_worse_than_its_run_wakes_people_at_once(desk):
    result = await desk.run(calls("p0", "severity: P3\n"), acks(desk, told=1))
    (told,) = Beeper.rang
    assert (told.title[:4], told.severity) == ("[P0]", "critical")
    events = await desk.engine.store.events(result.run)
    assert events[-1].at_us - events[0].at_us < HOUR_US / 60


async def test_a_policy_that_is_of_no_severity_is_told_as_its_run_is(desk):
    await desk.run(calls("plain"), acks(desk, told=1))
    assert [(m.title[:4], m.severity) for m in Beeper.rang] == [("[P0]", "critical")]


async def test_the_preview_says_it_as_it_will_be_told(desk, monkeypatch):
    monkeypatch.setattr("engine.wiring.preview._now_us", lambda: START_US)
    desk.write("main.yaml", f"title: Redis\n{calls('p3')}")
    books = Books([desk.folder])
    found = preview(books, desk.registry, books.load("p/main", desk.registry), "test")
    first, second = found[:2]
    assert first.title.startswith("[P3] ")
    assert re.search(r"by (\w+ )?12:00 UTC .nobody", second.text), second.text
    assert first.remarks == ("quiet hours: not before 09:00 UTC",)
