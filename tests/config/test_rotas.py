"""Who is on call when, by any clock of any zone; and when nobody is to be woken."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.rotas import Override, Quiet, Rota, instant
from engine.errors import Place

HERE = Place("contacts.yaml", 1, 1)
WEEK = timedelta(days=7)
MINUTE = 60_000_000
ZONES = [
    *("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"),
    *("Africa/Casablanca", "Asia/Kathmandu", "America/St_Johns"),
]


def utc(*face: int) -> int:
    return round(datetime(*face, tzinfo=UTC).timestamp() * 1e6)


def face(*parts: int) -> datetime:
    """What a clock shows, in no zone."""
    return datetime(*parts)  # noqa: DTZ001


def rota(first: datetime, zone: str = "Europe/Berlin", order: str = "ana bo", **more) -> Rota:
    return Rota(
        name="r", place=HERE, order=tuple(order.split()), timezone=zone, first=first, **more
    )


def test_a_hand_over_in_the_hour_that_is_shown_twice_is_at_the_first_of_them_and_stays():
    # on 25 October 2026 Berlin's clocks go from 03:00 back to 02:00, at 01:00 UTC
    found = rota(face(2026, 10, 18, 2, 30))
    assert found.on_call(utc(2026, 10, 25, 0, 29)) == "ana"
    assert found.on_call(utc(2026, 10, 25, 0, 30)) == "bo"
    assert found.on_call(utc(2026, 10, 25, 1, 0)) == "bo"
    assert found.on_call(utc(2026, 10, 25, 1, 29)) == "bo"
    assert found.on_call(utc(2026, 11, 1, 1, 29)) == "bo"
    assert found.on_call(utc(2026, 11, 1, 1, 30)) == "ana"


def test_a_hand_over_that_the_clocks_skip_is_at_the_end_of_what_they_skip():
    # on 29 March 2026 Berlin's clocks go from 02:00 to 03:00, at 01:00 UTC
    found = rota(face(2026, 3, 22, 2, 30))
    assert found.on_call(utc(2026, 3, 29, 0, 59)) == "ana"
    assert found.on_call(utc(2026, 3, 29, 1, 0)) == "bo"
    assert found.until(utc(2026, 3, 28, 12, 0)) == utc(2026, 3, 29, 1, 0)


def test_a_day_that_a_zone_skipped_whole_hands_over_at_its_end():
    # Samoa went from 29 December 2011 to 31 December, at 10:00 UTC
    found = rota(face(2011, 12, 23, 9, 0), "Pacific/Apia")
    assert found.on_call(utc(2011, 12, 30, 9, 59)) == "ana"
    assert found.on_call(utc(2011, 12, 30, 10, 0)) == "bo"


def test_a_year_of_53_weeks_changes_nothing():
    found = rota(face(2026, 12, 21, 9), order="ana bo cy")
    days = [face(2026, 12, 21, 12) + n * WEEK for n in range(5)]
    assert [d.isocalendar().week for d in days] == [52, 53, 1, 2, 3]
    assert [found.on_call(utc(*d.timetuple()[:5])) for d in days] == [
        "ana",
        "bo",
        "cy",
        "ana",
        "bo",
    ]


def test_a_rota_of_one_never_hands_over():
    alone = rota(face(2026, 1, 5, 9), order="ana")
    assert alone.on_call(utc(2020, 1, 1)) == alone.on_call(utc(2030, 1, 1)) == "ana"
    assert alone.until(utc(2026, 1, 1)) is None


def test_of_overrides_that_overlap_the_later_in_the_file_counts():
    one = Override("bo", utc(2026, 1, 6), utc(2026, 1, 9))
    two = Override("cy", utc(2026, 1, 7), utc(2026, 1, 8))
    found = rota(face(2026, 1, 5, 9), overrides=(one, two))
    days = [found.on_call(utc(2026, 1, day, 12)) for day in (5, 6, 7, 8, 9)]
    assert days == ["ana", "bo", "cy", "bo", "ana"]
    assert found.until(utc(2026, 1, 5, 12)) == utc(2026, 1, 6)
    assert found.until(utc(2026, 1, 6, 12)) == utc(2026, 1, 7)
    assert found.until(utc(2026, 1, 7, 12)) == utc(2026, 1, 8)


def test_an_override_may_begin_before_the_rota_does_and_end_behind_its_first_hand_over():
    early = Override("cy", utc(2025, 12, 1), utc(2026, 1, 6))
    found = rota(face(2026, 1, 5, 9), overrides=(early,))
    assert found.on_call(utc(2025, 12, 1)) == "cy"
    assert found.on_call(utc(2026, 1, 5, 12)) == "cy"
    assert found.on_call(utc(2026, 1, 6)) == "ana"


def test_until_when_somebody_is_on_call_looks_past_who_stands_in_for_themselves():
    own = Override("ana", utc(2026, 1, 6), utc(2026, 1, 7))
    found = rota(face(2026, 1, 5, 9), overrides=(own,))
    assert found.until(utc(2026, 1, 5, 12)) == utc(2026, 1, 12, 8)


def test_nobody_here_says_who_is_on_call_in_a_rota_that_pagerduty_keeps():
    found = rota(face(2026, 1, 5, 9), schedule="PXYZ123")
    assert (found.on_call(utc(2026, 1, 6)), found.until(utc(2026, 1, 6))) == (None, None)


@pytest.mark.parametrize("more", [{"order": ()}, {"first": None, "order": ("ana",)}])
def test_where_nobody_takes_turns_only_who_stands_in_is_on_call(more):
    standing = (Override("cy", utc(2026, 1, 6), utc(2026, 1, 7)),)
    known = {"first": face(2026, 1, 5, 9), **more}
    found = Rota(name="r", place=HERE, overrides=standing, **known)
    days = [found.on_call(utc(2026, 1, day)) for day in (5, 6, 7)]
    assert days == [None, "cy", None]
    assert found.until(utc(2026, 1, 6)) == utc(2026, 1, 7)


def test_whoever_is_on_call_for_more_than_a_year_is_so_until_further_notice():
    first = face(2026, 1, 5, 9)
    assert rota(first, "UTC", "ana " * 60 + "bo").until(utc(2026, 1, 5, 9)) == utc(2027, 3, 1, 9)
    assert rota(first, "UTC", "ana " * 61 + "bo").until(utc(2026, 1, 5, 9)) is None


def changes(zone: ZoneInfo) -> list[int]:
    """When the clocks of a zone were changed in some years, to the minute."""
    found = []
    for year in (2010, 2011, 2026):
        hours = [utc(year, 1, 1) + n * 60 * MINUTE for n in range(365 * 24)]
        offsets = [datetime.fromtimestamp(at / 1e6, zone).utcoffset() for at in hours]
        for at_us, before, after in zip(hours, offsets, offsets[1:], strict=False):
            if before != after:
                minutes = [at_us + n * MINUTE for n in range(61)]
                shown = [datetime.fromtimestamp(m / 1e6, zone).utcoffset() for m in minutes]
                found.append(minutes[shown.index(after)])
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_in_a_night_in_which_the_clocks_change_everybody_hands_over_once(zone):
    zoned = ZoneInfo(zone)
    for change_us in changes(zoned):
        about = datetime.fromtimestamp(change_us / 1e6, zoned).replace(tzinfo=None)
        for quarter in range(-9, 10):
            first = about + quarter * timedelta(minutes=15) - 3 * WEEK
            over_us = instant(first + 3 * WEEK, zoned)
            found = rota(first, zone, "0 1 2 3 4 5")
            minutes = [change_us + n * 20 * MINUTE for n in range(-9, 10)]
            turns = [found.on_call(at) for at in (*minutes, over_us - 1, over_us)]
            wanted = ["2" if at < over_us else "3" for at in minutes]
            assert turns == [*wanted, "2", "3"]


faces = st.datetimes(face(2008, 1, 1), face(2032, 1, 1)).map(
    lambda d: d.replace(second=0, microsecond=0)
)
moments = st.integers(utc(2007, 1, 1), utc(2033, 1, 1))


@given(st.sampled_from(ZONES), faces, moments, st.integers(1, 5))
def test_each_week_belongs_to_one_of_them_in_turn(zone, first, at_us, people):
    names = [str(n) for n in range(people)]
    found = rota(first, zone, " ".join(names))
    zoned = ZoneInfo(zone)
    about = round((at_us - instant(first, zoned)) / (7 * 86400e6))
    turns = [n for n in range(about - 3, about + 4) if instant(first + n * WEEK, zoned) <= at_us]
    assert found.on_call(at_us) == names[max(turns) % people]


@given(st.sampled_from(ZONES), faces, moments)
def test_until_is_the_first_time_at_which_somebody_else_is_on_call(zone, first, at_us):
    found = rota(first, zone)
    until_us = found.until(at_us)
    assert until_us is not None
    assert found.on_call(until_us - 1) == found.on_call(at_us) != found.on_call(until_us)
    assert 0 < until_us - at_us <= 8 * 86400e6
    assert found.on_call((at_us + until_us) // 2) == found.on_call(at_us)


@given(st.sampled_from(ZONES), faces)
def test_a_time_on_a_clock_is_when_it_is_shown_first_or_the_end_of_what_is_skipped(zone, when):
    zoned = ZoneInfo(zone)
    at_us = instant(when, zoned)
    shown = datetime.fromtimestamp(at_us / 1e6, UTC).astimezone(zoned).replace(tzinfo=None)
    before = datetime.fromtimestamp(at_us / 1e6 - 1, UTC).astimezone(zoned).replace(tzinfo=None)
    assert shown >= when
    assert shown == when or before < when
    assert before < shown


def test_quiet_hours_that_end_in_the_hour_shown_twice_end_at_the_first_and_do_not_begin_again():
    quiet = Quiet(time(22), time(2, 30), "Europe/Berlin")
    assert quiet.until_us(utc(2026, 10, 24, 22, 0)) == utc(2026, 10, 25, 0, 30)
    assert quiet.until_us(utc(2026, 10, 25, 0, 30)) is None
    assert quiet.until_us(utc(2026, 10, 25, 1, 10)) is None


def test_quiet_hours_whose_end_the_clocks_skip_end_with_what_is_skipped():
    quiet = Quiet(time(22), time(2, 30), "Europe/Berlin")
    assert quiet.until_us(utc(2026, 3, 28, 23, 0)) == utc(2026, 3, 29, 1, 0)
    assert quiet.until_us(utc(2026, 3, 29, 1, 0)) is None


@given(st.sampled_from(ZONES), st.times(), st.times(), moments)
def test_quiet_hours_end_at_a_time_that_is_not_quiet_and_nothing_on_the_way_is(
    zone, begin, end, at_us
):
    begin, end = (t.replace(second=0, microsecond=0) for t in (begin, end))
    quiet = Quiet(begin, end, zone)
    until_us = quiet.until_us(at_us)
    if until_us is None:
        return
    assert until_us > at_us
    assert until_us - at_us < 49 * 3600e6  # a day, and one that a zone skipped
    if begin != end:
        assert quiet.until_us(until_us) is None
    assert quiet.until_us((at_us + until_us) // 2) == until_us


def test_quiet_hours_that_begin_at_midnight_go_on_where_the_clocks_go_back_over_it():
    # on 7 November 2010, at 00:01, St. John's clocks went back to 23:01, at 02:31 UTC
    quiet = Quiet(time(0), time(6), "America/St_Johns")
    until_us = utc(2010, 11, 7, 9, 30)
    minutes = [(29, None), (30, until_us), (31, until_us), (40, until_us)]
    assert [quiet.until_us(utc(2010, 11, 7, 2, m)) for m, _ in minutes] == [u for _, u in minutes]


def test_quiet_hours_that_begin_and_end_at_one_time_last_all_day():
    quiet = Quiet(time(9), time(9), "UTC")
    assert quiet.until_us(utc(2026, 1, 5, 8, 59)) == utc(2026, 1, 5, 9)
    assert quiet.until_us(utc(2026, 1, 5, 9)) == utc(2026, 1, 6, 9)


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25), date(2026, 6, 1)])
def test_quiet_hours_across_midnight_last_as_long_as_the_clocks_take(day):
    quiet = Quiet(time(22), time(7), "Europe/Berlin")
    zone = ZoneInfo("Europe/Berlin")
    begin_us = instant(datetime.combine(day - timedelta(days=1), time(22)), zone)
    end_us = instant(datetime.combine(day, time(7)), zone)
    assert quiet.until_us(begin_us - 1) is None
    assert quiet.until_us(begin_us) == quiet.until_us(end_us - 1) == end_us
    assert quiet.until_us(end_us) is None
    hours = (end_us - begin_us) / 3600e6
    assert hours == {3: 8, 10: 10, 6: 9}[day.month]
