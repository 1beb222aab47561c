"""Who is called of those who take turns and have quiet hours, for any turns and hours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.plugin.on_call import NEVER_US, Turn
from engine.runner.on_call import Known
from engine.wiring.on_call import HANDOVERS_MAX, awake

HOUR = 3_600_000_000
DAY = 24 * HOUR

lengths = st.lists(st.integers(1, 30), min_size=1, max_size=8)
hours = st.tuples(st.integers(0, 23), st.integers(0, 23))


def quiet_until(span: tuple[int, int], at_us: int) -> int:
    """When somebody may be woken whose quiet hours of each day are from one hour to another."""
    begin, end = span
    for step in range(25):
        hour = (at_us // HOUR + step) % 24
        inside = begin <= hour < end if begin <= end else hour >= begin or hour < end
        if not inside:
            return max(at_us, (at_us // HOUR + step) * HOUR)
    return at_us


@given(lengths, st.lists(hours, min_size=3, max_size=3), st.integers(0, 2 * DAY))
def test_whoever_is_called_is_on_call_then_and_not_in_quiet_hours_and_nobody_could_be_sooner(
    turns, spans, at_us
):
    ends = [sum(turns[: n + 1]) * HOUR for n in range(len(turns))]
    ends[-1] = NEVER_US

    def turn(when_us):
        number = next(n for n, end_us in enumerate(ends) if when_us < end_us)
        until_us = ends[number] if ends[number] != NEVER_US else None
        return [number % 3], until_us

    ((who, when_us),) = awake(turn, lambda one, t: quiet_until(spans[one], t), at_us)
    assert when_us >= at_us
    assert turn(when_us)[0] == [who]
    assert quiet_until(spans[who], when_us) == when_us
    for sooner_us in range(at_us, when_us, HOUR // 2):
        (other,), _ = turn(sooner_us)
        assert quiet_until(spans[other], sooner_us) > sooner_us


def test_where_nobody_is_ever_awake_whoever_is_on_call_now_is_called_when_their_hours_are_over():
    found = awake(lambda t: ([t // HOUR], (t // HOUR + 1) * HOUR), lambda _one, t: t + DAY, 0)
    assert found == [(0, DAY)]
    assert HANDOVERS_MAX < 24


def test_of_several_on_call_those_are_called_whom_no_quiet_hours_keep():
    late = {"ana": 3 * HOUR, "bo": HOUR}
    found = awake(lambda _t: (["ana", "bo"], 2 * HOUR), lambda one, t: max(t, late[one]), 0)
    assert found == [("bo", HOUR)]


def test_turns_that_overlap_are_one_and_a_gap_is_nobody():
    turns = (
        Turn("ana", "Ana", None, 0, 2 * HOUR),
        Turn("ana", "Ana", None, HOUR, 3 * HOUR),
        Turn("bo", "Bo", None, 5 * HOUR, NEVER_US),
    )
    known = Known(turns, 0, 0.0)
    assert [t.user for t in known.at(HOUR)] == ["ana"]
    assert known.until(0) == 3 * HOUR
    assert known.at(3 * HOUR) == ()
    assert known.until(3 * HOUR) == 5 * HOUR
    assert known.until(5 * HOUR) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.integers(1, 10))))
def test_until_is_the_first_time_at_which_others_are_on_call(spans):
    turns = tuple(Turn(who, who, None, n * HOUR, (n + length) * HOUR) for who, n, length in spans)
    known = Known(turns, 0, 0.0)
    who = [{t.user for t in known.at(n * HOUR)} for n in range(50)]
    other = next((n for n in range(11, 50) if who[n] != who[10]), None)
    assert known.until(10 * HOUR) == (other * HOUR if other is not None else None)
