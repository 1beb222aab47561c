"""Times that come again: through both changes of the clocks in three zones, and when a clock
jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.schedule import DUE_MAX, Every, Look, Schedule, due, look, rehearsal_due
from engine.language.cron import cron_problem, us_of

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# zone, the night in which clocks show an hour twice, the night in which they skip one
CHANGES = [
    ("Europe/Berlin", "2026-10-25", "2026-03-29"),
    ("America/New_York", "2026-11-01", "2026-03-08"),
    ("Australia/Lord_Howe", "2026-04-05", "2026-10-04"),  # half an hour
]


def at(text: str, zone: str = "UTC") -> int:
    return us_of(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def shown(moments: tuple[int, ...], zone: str) -> list[str]:
    """Times as the clocks of a zone show them, with their offset."""
    local = (datetime.fromtimestamp(m / 1e6, UTC).astimezone(ZoneInfo(zone)) for m in moments)
    return [f"{one:%d %H:%M}{one:%z}" for one in local]


def night(cron: str, zone: str, date: str) -> tuple[int, ...]:
    """The times of one day, on the clocks of the zone."""
    start = at(f"{date}T00:00", zone)
    next_day = datetime.fromisoformat(date) + timedelta(days=1)
    return due(Schedule(cron, zone), start - 1, at(next_day.isoformat(), zone) - 1)


@pytest.mark.parametrize(("zone", "twice", "skipped"), CHANGES)
@pytest.mark.parametrize("cron", [
    "30 1 * * *", "0 2 * * *", "15 2 * * *", "45 2 * * *", "0 3 * * *", "59 23 * * *",
])  # fmt: skip
def test_a_time_of_day_comes_once_on_the_nights_of_both_changes(zone, twice, skipped, cron):
    assert len(night(cron, zone, twice)) == 1
    assert len(night(cron, zone, skipped)) == 1


@pytest.mark.parametrize(("zone", "twice", "skipped"), CHANGES)
@pytest.mark.parametrize("cron", [
    "*/15 2 * * *", "* 1-2 * * *", "*/30 */2 * * *", "0,30 1,2 * * *",
])  # fmt: skip
def test_times_within_certain_hours_come_no_second_time_when_the_hour_does(
    zone, twice, skipped, cron
):
    faces = [face[:8] for face in shown(night(cron, zone, twice), zone)]
    usual = night(cron, zone, "2026-06-10" if zone != "Australia/Lord_Howe" else "2026-06-11")
    assert len(faces) == len(set(faces)) == len(usual)
    assert night(cron, zone, skipped), "what the clocks skip comes at the end of it"


def test_what_berlin_shows_on_both_nights():
    zone = "Europe/Berlin"
    assert shown(night("0,30 2 * * *", zone, "2026-10-25"), zone) == [
        "25 02:00+0200", "25 02:30+0200",
    ]  # fmt: skip
    assert shown(night("0,30 2 * * *", zone, "2026-03-29"), zone) == ["29 03:00+0200"]
    assert shown(night("*/15 2 * * *", zone, "2026-03-29"), zone) == ["29 03:00+0200"]


@pytest.mark.parametrize(("zone", "twice", "skipped"), CHANGES)
@pytest.mark.parametrize("cron", ["0 * * * *", "0 0-23 * * *", "0 */1 * * *"])
def test_every_hour_is_every_hour_that_passes(zone, twice, skipped, cron):
    if zone == "Australia/Lord_Howe":
        return  # clocks that change by half an hour show the full hour half an hour apart
    for date, count in ((twice, 25), (skipped, 23)):
        found = night(cron, zone, date)
        assert len(found) == count
        assert {b - a for a, b in pairwise(found)} == {HOUR}


CRONS = st.sampled_from([
    "* * * * *", "*/15 2 * * *", "0 */6 * * *", "30 2 * * 7", "0 3 1 * *", "0,59 0,23 * * *",
    "15 2 28-31 * *", "0 0 29 2 *", "*/7 1-3 * 3,10,11 *", "0 12 * * MON-FRI", "5 2 L * *",
])  # fmt: skip
ZONES = st.sampled_from([zone for zone, _, _ in CHANGES] + ["UTC", "Asia/Kolkata", "Africa/Cairo"])
MOMENTS = st.integers(at("2026-01-01"), at("2027-06-01"))


@settings(max_examples=100, deadline=None)
@given(CRONS, ZONES, MOMENTS, st.lists(st.integers(1, 3 * DAY), min_size=1, max_size=8))
def test_however_often_one_looks_each_time_is_due_once(cron, zone, start, steps):
    schedule, whole, now = Schedule(cron, zone), [], start
    for step in steps:
        whole += due(schedule, now, now + step)
        now += step
    assert whole == list(due(schedule, start, now))
    assert whole == sorted(set(whole))
    assert all(start < one <= now for one in whole)


def test_there_is_nothing_between_a_time_and_itself_and_never_more_than_the_limit():
    schedule = Schedule("* * * * *")
    noon = at("2026-11-21T12:00")
    assert due(schedule, noon, noon) == due(schedule, noon, noon - DAY) == ()
    assert due(schedule, noon - 1, noon) == (noon,)
    assert len(due(schedule, noon, noon + 400 * DAY)) == DUE_MAX


NIGHTLY = Schedule("0 3 * * *")
THREE = at("2026-11-21T03:00")


@pytest.mark.parametrize(("seen", "now", "wanted"), [
    # nobody looked before, nothing has come yet, it has come, it was looked at already
    (None, THREE + DAY, Look(None, THREE + DAY)),
    (THREE - HOUR, THREE - 1, Look(None, THREE - HOUR)),
    (THREE - HOUR, THREE, Look(THREE, THREE)),
    (THREE, THREE + MINUTE, Look(None, THREE)),
    # a little late, and too late: it was missed, as were those before it
    (THREE - HOUR, THREE + 90_000_000, Look(THREE, THREE)),
    (THREE - HOUR, THREE + 90_000_001, Look(None, THREE, 1)),
    (THREE - HOUR, THREE + 3 * DAY + HOUR, Look(None, THREE + 3 * DAY, 4)),
    # the clock is set back by little: settled stays settled; and by much: from now on
    (THREE, THREE - MINUTE, Look(None, THREE)),
    (THREE, THREE - 90_000_000, Look(None, THREE)),
    (THREE, THREE - 90_000_001, Look(None, THREE - 90_000_001)),
    (THREE + DAY, THREE - HOUR, Look(None, THREE - HOUR)),
])  # fmt: skip
def test_what_is_done_about_a_nightly_time(seen, now, wanted):
    assert look(NIGHTLY, seen, now) == wanted


def test_a_schedule_that_makes_up_for_what_was_missed_starts_the_last_of_it_once():
    made_up = Schedule("0 3 * * *", missed="run")
    first = look(made_up, THREE - HOUR, THREE + 3 * DAY + HOUR)
    assert first == Look(THREE + 3 * DAY, THREE + 3 * DAY, 3)
    assert look(made_up, first.seen_us, THREE + 3 * DAY + HOUR).start_us is None
    year = look(made_up, THREE, THREE + 365 * DAY)
    assert (year.start_us, year.missed) == (THREE + 365 * DAY, 30)


@pytest.mark.parametrize(("zone", "twice", "skipped"), CHANGES)
@pytest.mark.parametrize("cron", ["30 1 * * *", "15 2 * * *", "*/30 2 * * *"])
def test_who_looks_every_half_minute_starts_each_time_of_both_nights_once(
    zone, twice, skipped, cron
):
    for date in (twice, skipped):
        start = at(f"{date}T00:00", zone)
        seen, started = start, []
        for now in range(start, start + 6 * HOUR, 30_000_000):
            found = look(Schedule(cron, zone), seen, now)
            seen = found.seen_us
            started += [found.start_us] if found.start_us is not None else []
        assert tuple(started) == night(cron, zone, date)


def test_a_rehearsal_is_due_when_the_last_one_is_too_old_or_there_was_none():
    week_s, now = 7 * 86_400.0, THREE
    assert rehearsal_due(week_s, None, now) == now
    assert rehearsal_due(week_s, now - DAY, now) is None
    assert rehearsal_due(week_s, now - 7 * DAY, now) == now
    assert rehearsal_due(week_s, now - 30 * DAY, now) == now - 23 * DAY
    assert rehearsal_due(week_s, now + DAY, now) is None
    assert rehearsal_due(1 / 3, now - DAY, now) == now - DAY + 333_333


def test_periods_are_counted_from_their_beginning():
    week = Every(7 * DAY, THREE)
    assert due(week, THREE - DAY, THREE + 15 * DAY) == (THREE + 7 * DAY, THREE + 14 * DAY)
    assert due(week, THREE + 7 * DAY, THREE + 14 * DAY) == (THREE + 14 * DAY,)
    assert look(week, THREE, THREE + 15 * DAY) == Look(THREE + 14 * DAY, THREE + 14 * DAY, 1)


@pytest.mark.parametrize("text", [
    "", "* * * *", "60 * * * *", "0 0 31 2 *", "@daily", "* " * 200, "a b c d e", "\x00 * * * *",
])  # fmt: skip
def test_what_is_no_cron_expression_is_told_and_raises_nothing(text):
    assert cron_problem(text)
