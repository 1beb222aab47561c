"""Durations and sizes as people write them."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.language.duration import (
    DURATION_PATTERN,
    LARGEST_SIZE_BYTES,
    LONGEST_DURATION_S,
    SIZE_PATTERN,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)

DURATIONS = [
    ("15m", 900.0),
    ("1h30m", 5400.0),
    ("1h 30m", 5400.0),
    (" 10s ", 10.0),
    ("500ms", 0.5),
    ("1.5h", 5400.0),
    ("2w", 1_209_600.0),
    ("1d12h", 129_600.0),
    ("1m0.5s", 60.5),
    ("90", 90.0),
    ("0.25", 0.25),
    (90, 90.0),
    (0.1, 0.1),
    (0, 0.0),
    ("0s", 0.0),
    ("366d", LONGEST_DURATION_S),
]


@pytest.mark.parametrize(("written", "seconds"), DURATIONS)
def test_a_duration_is_read_as_seconds(written, seconds):
    found = parse_duration(written)
    assert found == seconds
    assert type(found) is float


WRONG_DURATIONS = [
    ("", "a duration is empty; write it like 15m or 1h30m"),
    ("  ", "a duration is empty; write it like 15m or 1h30m"),
    ("-5m", "a duration is never negative: '-5m'"),
    (-1, "a duration is never negative: -1"),
    (math.nan, "a duration is never negative: nan"),
    ("soon", "'soon' is not a duration; write it like 15m or 1h30m"),
    ("10min", "'10min' is not a duration: write 10m for 10min"),
    ("10 minutes", "'10 minutes' is not a duration: write 10m for 10minutes"),
    ("3H", "'3H' is not a duration: write 3h for 3H"),
    ("1M", "'1M' is not a duration: 'M' may be months or minutes; write 1m"),
    ("2y", "'2y' is not a duration: there is no unit 'y', the units are w, d, h, m, s, ms"),
    ("1h30", "'1h30' is not a duration: the 30 has no unit (w, d, h, m, s, ms)"),
    ("30m1h", "'30m1h' is not a duration: the units go down (w, d, h, m, s, ms), each once"),
    ("1m1m", "'1m1m' is not a duration: the units go down (w, d, h, m, s, ms), each once"),
    ("367d", "367d is longer than a year, the longest duration there is"),
    (math.inf, "inf is longer than a year, the longest duration there is"),
    (10**400, None),
    ("9" * 100, "a duration has at most 64 characters"),
    (True, "a duration is written like 15m or 1h30m, not True"),
    (None, "a duration is written like 15m or 1h30m, not None"),
    ([1], "a duration is written like 15m or 1h30m, not [1]"),
    ("\u0661m", "'\u0661m' is not a duration; write it like 15m or 1h30m"),
    ("1e3s", "'1e3s' is not a duration: there is no unit 'e', the units are w, d, h, m, s, ms"),
]


@pytest.mark.parametrize(("written", "message"), WRONG_DURATIONS)
def test_what_is_no_duration_is_refused_in_the_users_words(written, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared
        parse_duration(written)
    assert message is None or str(caught.value) == message
    assert len(str(caught.value)) < 200


WORDS = [
    (0, "0s"),
    (0.0004, "0.4ms"),
    (0.0123, "12.3ms"),
    (0.25, "250ms"),
    (0.9996, "1s"),
    (1, "1s"),
    (1.25, "1.2s"),
    (12.34, "12.3s"),
    (59.96, "1m"),
    (60, "1m"),
    (90, "1m30s"),
    (3661.4, "1h1m1s"),
    (5400, "1h30m"),
    (86_400, "1d"),
    (90_000, "1d1h"),
    (-90, "-1m30s"),
    (math.inf, "forever"),
    (math.nan, "unknown"),
]


@pytest.mark.parametrize(("seconds", "words"), WORDS)
def test_seconds_in_words(seconds, words):
    assert format_duration(seconds) == words


@given(st.floats(min_value=0, max_value=LONGEST_DURATION_S))
def test_what_is_written_can_be_read_again_and_is_close(seconds):
    written = format_duration(seconds)
    assert abs(parse_duration(written) - seconds) <= max(0.5, seconds * 0.05)
    assert re.match(DURATION_PATTERN, written)


@given(st.integers(min_value=0, max_value=int(LONGEST_DURATION_S)))
def test_whole_seconds_are_written_exactly(seconds):
    assert parse_duration(format_duration(seconds)) == seconds


SIZES = [
    ("64KiB", 65_536),
    ("10MB", 10_000_000),
    ("1.5 GiB", 1_610_612_736),
    ("1kb", 1000),
    ("12B", 12),
    ("12", 12),
    (12, 12),
    (2.0, 2),
    ("1TiB", LARGEST_SIZE_BYTES),
]


@pytest.mark.parametrize(("written", "size"), SIZES)
def test_a_size_is_read_as_bytes(written, size):
    found = parse_size(written)
    assert found == size
    assert type(found) is int
    assert re.match(SIZE_PATTERN, str(written))


WRONG_SIZES = [
    ("", "a size is empty; write it like 64KiB or 10MB"),
    ("-1B", "a size is never negative: '-1B'"),
    (-1, "a size is never negative: -1"),
    ("64K", "'64K' may mean two sizes: write 64KiB (by 1024) or 64KB (by 1000)"),
    ("1XB", "'1XB' is not a size: there is no unit 'XB', write it like 64KiB or 10MB"),
    ("big", "'big' is not a size; write it like 64KiB or 10MB"),
    ("2TiB", "2TiB is more than 1 TiB, the largest size there is"),
    (10**400, None),
    ("1.5", "1.5 is not a whole number of bytes"),
    (False, "a size is written like 64KiB or 10MB, not False"),
]


@pytest.mark.parametrize(("written", "message"), WRONG_SIZES)
def test_what_is_no_size_is_refused_in_the_users_words(written, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared
        parse_size(written)
    assert message is None or str(caught.value) == message
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0B"),
        (999, "999B"),
        (1024, "1KiB"),
        (1536, "1.5KiB"),
        (1_048_575, "1MiB"),
        (-2048, "-2KiB"),
    ],
)
def test_bytes_in_words(size, words):
    assert format_size(size) == words


@given(st.text(max_size=80))
def test_any_text_is_a_duration_or_a_value_error(text):
    for parse in (parse_duration, parse_size):
        try:
            assert parse(text) >= 0
        except ValueError as e:
            assert str(e)  # noqa: PT017
