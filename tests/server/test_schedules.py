"""Schedules: at their time, once, through both changes of the clocks, and when the clock jumps."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from engine.language.cron import times, us_of
from engine.server.rehearsing import Rehearsals
from engine.server.schedules import Schedules
from tests.server.conftest import serving_in

TEXT = """title: t
triggers: [{schedule: {cron: "%s", timezone: %s, missed: %s}}]
steps: [{check: lab.look, target: there}]
"""


def at(text: str, zone: str = "UTC") -> int:
    return us_of(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


@pytest.fixture
async def serving(books, tmp_path):
    """Nobody looks at schedules but the test."""
    async with serving_in(books, tmp_path / "journal.db", beside=False) as made:
        yield made


@pytest.fixture
def schedules(serving):
    return Schedules(serving.parts.dispatcher, serving.parts.requests, serving.parts.log)


def schedule(serving, cron: str, zone: str = "UTC", missed: str = "skip") -> None:
    serving.write(TEXT % (cron, zone, missed), "p/nightly")


CHANGES = [
    # zone, the night the hour is shown twice, the night it is skipped
    ("Europe/Berlin", "2026-10-25", "2026-03-29"),
    ("America/New_York", "2026-11-01", "2026-03-08"),
    ("Australia/Lord_Howe", "2026-04-05", "2026-10-04"),
]


@pytest.mark.parametrize(("zone", "back", "forward"), CHANGES)
def test_a_nightly_time_comes_once_on_every_night_of_both_changes(zone, back, forward):
    for night in (back, forward):
        start = at(f"{night}T00:00", zone) - 2 * 86_400_000_000
        for cron in ("30 1 * * *", "30 2 * * *", "15 2 * * *", "0 3 * * *"):
            found = []
            for one in times(cron, zone, start):
                if one > start + 5 * 86_400_000_000:
                    break
                found.append(datetime.fromtimestamp(one / 1e6, UTC).astimezone(ZoneInfo(zone)))
            assert [f.date() for f in found] == sorted({f.date() for f in found})
            assert len(found) == 5


def test_the_hour_that_is_shown_twice_starts_its_time_at_the_first_of_the_two():
    first = next(times("30 2 * * *", "Europe/Berlin", at("2026-10-25T00:30", "Europe/Berlin")))
    assert datetime.fromtimestamp(first / 1e6, UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    skipped = next(times("30 2 * * *", "Europe/Berlin", at("2026-03-29T00:30", "Europe/Berlin")))
    assert datetime.fromtimestamp(skipped / 1e6, UTC) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


async def looks(schedules, *moments: int) -> list[int]:
    return [await schedules.look(moment) for moment in moments]


async def test_a_time_starts_its_runbook_once_however_often_it_is_looked_at(serving, schedules):
    schedule(serving, "0 3 * * *")
    night = at("2027-02-01T03:00")
    minute = 60_000_000
    moments = [night - minute, night, night, night + 1_000_000, night + minute]
    assert await looks(schedules, *moments) == [0, 1, 0, 0, 0]
    row, verdicts = await serving.next_settled()
    assert (row.source, verdicts[0].word) == ("schedule:p/nightly", "started")
    event = (await serving.parts.store.events(verdicts[0].run))[0]
    assert event.actor["means"] == "schedule"
    assert event.body["event"]["time"] == "2027-02-01T03:00:00.000000Z"
    assert not event.body["event"]["missed"]


async def test_another_server_that_looks_at_the_same_time_starts_nothing(serving, schedules):
    schedule(serving, "0 3 * * *")
    night = at("2027-02-01T03:00")
    other = Schedules(serving.parts.dispatcher, serving.parts.requests, serving.parts.log)
    await looks(schedules, night - 1_000_000)
    await schedules.look(night)
    rows = await serving.parts.ledger.latest(source="schedule")
    name = "p/nightly\n0\n0 3 * * *\nUTC"
    await serving.parts.requests.put_schedule(name, night - 1_000_000)
    await other.look(night)
    again = await serving.parts.ledger.latest(source="schedule")
    assert [row.id for row in again] == [row.id for row in rows]


@pytest.mark.parametrize(("missed", "count"), [("skip", 0), ("run", 1)])
async def test_times_at_which_nobody_listened_are_left_out_or_made_up_for_once(
    serving, schedules, missed, count
):
    schedule(serving, "0 3 * * *", missed=missed)
    start = at("2027-02-01T00:00")
    assert await looks(schedules, start, start + 5 * 86_400_000_000) == [0, count]
    if count:
        row, _ = await serving.next_settled()
        assert "2027-02-05T03:00" in row.about
    assert await looks(schedules, start + 5 * 86_400_000_000 + 1) == [0]


async def test_a_clock_that_is_set_back_starts_nothing_again(serving, schedules):
    schedule(serving, "0 * * * *")
    noon = at("2027-02-01T12:00")
    assert await looks(schedules, noon - 1, noon) == [0, 1]
    assert await looks(schedules, noon - 7200_000_000, noon - 3600_000_000) == [0, 1]
    assert await looks(schedules, noon) == [0]
    assert len(await serving.parts.ledger.latest(source="schedule")) == 2


async def test_a_schedule_that_is_new_here_does_not_make_up_for_its_past(serving, schedules):
    schedule(serving, "* * * * *", missed="run")
    assert await looks(schedules, at("2027-02-01T12:00:30")) == [0]


async def test_what_is_stale_is_rehearsed_once_and_what_cannot_be_is_told(serving):
    text = "title: t\nrehearse_every: 7d\nsteps: [{check: lab.look, target: there}]\n"
    serving.write(text, "p/weekly")
    serving.write(f"inputs: {{a: {{type: string}}}}\n{text}", "p/needs")
    parts = serving.parts
    rehearsals = Rehearsals(parts.keeper, parts.dispatcher.shelf, parts.log, "test")
    day = 86_400_000_000
    first = await rehearsals.look(serving.clock.now_us())
    assert len(first) == 1
    await serving.ended(first[0])
    started = (await parts.store.events(first[0], 0, 1))[0]
    assert (started.body["mode"], started.actor["name"]) == ("rehearsal", "rehearse_every")
    assert await rehearsals.look(serving.clock.now_us() + 6 * day) == []
    assert len(await rehearsals.look(serving.clock.now_us() + 8 * day)) == 1
    assert "input `a` is needed" in serving.log.getvalue()
