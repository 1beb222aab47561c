"""Freeze windows: on the clocks of their time zone, also when these change."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.config.fields import Fields
from engine.config.freeze import Window, closed_times, read_window
from engine.errors import Collector
from engine.language.source import parse

H_US = 3600 * 1_000_000


def us(text):
    return round(datetime.fromisoformat(text).timestamp()) * 1_000_000


def closed(window, text):
    at_us = us(text)
    return bool(closed_times((window,), at_us, at_us + 1))


def begins(window, from_, until):
    return [one.from_us for one in closed_times((window,), us(from_), us(until))]


NIGHTS = [
    # zone, the day the clocks go forward, offset before, after; the day they go back
    ("Europe/Berlin", "2026-03-29", "+01:00", "+02:00", "2026-10-25"),
    ("America/New_York", "2026-03-08", "-05:00", "-04:00", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-10-04", "+10:30", "+11:00", "2026-04-05"),
]


@pytest.mark.parametrize(("zone", "forward", "winter", "summer", "back"), NIGHTS)
def test_a_window_begins_by_the_clock_on_the_wall_before_and_after_both_changes(
    zone, forward, winter, summer, back
):
    window = Window(cron="0 22 * * *", timezone=zone, length_us=2 * H_US)
    for day, before, after in ((forward, winter, summer), (back, summer, winter)):
        eve = datetime.fromisoformat(day) - timedelta(days=1)
        for date, offset in ((eve.date().isoformat(), before), (day, after)):
            assert not closed(window, f"{date}T21:59:59{offset}")
            assert closed(window, f"{date}T22:00:00{offset}")
            assert closed(window, f"{date}T23:59:59{offset}")
        assert not closed(window, f"{day}T00:00:00{before}")


@pytest.mark.parametrize(("zone", "forward", "winter", "summer", "back"), NIGHTS)
def test_a_window_over_a_change_is_as_long_as_any_other(zone, forward, winter, summer, back):
    window = Window(cron="0 22 * * *", timezone=zone, length_us=8 * H_US)
    for day, before in ((forward, winter), (back, summer)):
        eve = (datetime.fromisoformat(day) - timedelta(days=1)).date().isoformat()
        (one,) = closed_times((window,), us(f"{eve}T22:00:00{before}"), us(f"{day}T01:00{before}"))
        assert one.until_us - one.from_us == 8 * H_US
        last = one.until_us - 1
        assert closed_times((window,), last, last + 1) == (one,)
        assert closed_times((window,), one.until_us, one.until_us + 1) == ()


@pytest.mark.parametrize(
    ("zone", "cron", "skipped_day", "begin"),
    [
        ("Europe/Berlin", "30 2 * * *", "2026-03-29", "2026-03-29T03:00:00+02:00"),
        ("America/New_York", "30 2 * * *", "2026-03-08", "2026-03-08T03:00:00-04:00"),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-04", "2026-10-04T02:30:00+11:00"),
    ],
)
def test_a_beginning_that_the_clocks_skip_is_at_the_end_of_what_they_skip(
    zone, cron, skipped_day, begin
):
    window = Window(cron=cron, timezone=zone, length_us=H_US)
    midnight = datetime.fromisoformat(skipped_day).replace(tzinfo=ZoneInfo(zone))
    noon = midnight.replace(hour=12)
    assert begins(window, midnight.isoformat(), noon.isoformat()) == [us(begin)]
    assert closed(window, begin)


@pytest.mark.parametrize(
    ("zone", "cron", "day", "begin"),
    [
        ("Europe/Berlin", "30 2 * * *", "2026-10-25", "2026-10-25T02:30:00+02:00"),
        ("America/New_York", "30 1 * * *", "2026-11-01", "2026-11-01T01:30:00-04:00"),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-05", "2026-04-05T01:45:00+11:00"),
    ],
)
def test_a_beginning_that_the_clocks_show_twice_is_the_first_of_the_two(zone, cron, day, begin):
    window = Window(cron=cron, timezone=zone, length_us=600 * 1_000_000)
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    noon = midnight.replace(hour=12)
    assert begins(window, midnight.isoformat(), noon.isoformat()) == [us(begin)]
    assert closed(window, begin)


def test_every_moment_of_a_year_is_open_or_closed_as_the_beginnings_say():
    window = Window(cron="0 16 * * FRI", timezone="Europe/Berlin", length_us=64 * H_US)
    all_year = closed_times((window,), us("2026-01-01T00:00+00:00"), us("2027-01-01T00:00+00:00"))
    assert len(all_year) == 52
    at_us = us("2026-01-03T00:00+00:00")
    while at_us < us("2026-12-31T00:00+00:00"):
        expected = any(one.from_us <= at_us < one.until_us for one in all_year)
        assert bool(closed_times((window,), at_us, at_us + 1)) is expected
        at_us += 7 * H_US + 1_234_567


def test_windows_that_lie_over_each_other_are_one():
    window = Window(cron="*/5 * * * *", length_us=H_US, why="always")
    start = us("2026-06-01T00:02:00+00:00")
    (one,) = closed_times((window,), start, start + 24 * H_US)
    assert one.from_us <= start
    assert one.until_us >= start + 24 * H_US


def read(text):
    collector = Collector()
    root = parse(text, "x.yaml", collector)
    window = read_window(Fields("x.yaml", collector), root)
    return window, [f"{d.place.line}:{d.place.column} {d.code} {d.what}" for d in collector.found]


def test_both_kinds_of_windows_are_read():
    text = "{cron: '0 16 * * FRI', timezone: Europe/Berlin, length: 64h, why: weekend}"
    weekend = Window(
        cron="0 16 * * FRI", timezone="Europe/Berlin", length_us=64 * H_US, why="weekend"
    )
    assert read(text) == (weekend, [])
    window, told = read("{from: 2026-12-24, until: 2026-12-27 12:00, timezone: Europe/Berlin}")
    assert told == []
    assert window.from_us == us("2026-12-24T00:00+01:00")
    assert window.until_us == us("2026-12-27T12:00+01:00")
    assert closed(window, "2026-12-26T00:00+01:00")
    assert not closed(window, "2026-12-27T12:00+01:00")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{cron: 'x', length: 1h}", "RB841"),
        ("{cron: '0 25 * * *', length: 1h}", "RB841"),
        ("{cron: '0 0 0 * * *', length: 1h}", "RB841"),
        ("{cron: '0 0 31 2 *', length: 1h}", "RB841"),
        ("{cron: '0 0 * * *', length: 32d}", "RB842"),
        ("{cron: '0 0 * * *', length: soon}", "RB801"),
        ("{cron: '0 0 * * *'}", "RB843"),
        ("{cron: '0 0 * * *', length: 1h, from: 2026-01-01}", "RB843"),
        ("{from: 2026-01-01}", "RB843"),
        ("{from: 2026-01-02, until: 2026-01-01}", "RB842"),
        ("{from: tomorrow, until: 2026-01-01}", "RB801"),
        ("{from: 2026-01-01, until: 2026-01-02, timezone: Europe/Atlantis}", "RB840"),
        ("{from: 2026-01-01, until: 2026-01-02, timezone: ../etc}", "RB840"),
        ("{form: 2026-01-01, from: 2026-01-01, until: 2026-01-02}", "RB802"),
    ],
)
def test_what_is_no_window_is_told_with_its_place(text, code):
    _, told = read(text)
    assert [line.split()[1] for line in told] == [code]
