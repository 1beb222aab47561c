"""Why something did not hold, as it is said to whoever is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.plainly import plainly, question_in


@pytest.mark.parametrize(
    ("why", "said"),
    [
        # an expression is left out; the values it did not hold for stay
        (
            'result.matches | map("float") | max <= (2 if a.b == "c" else 1): 4 <= 3 does not hold',
            "4 <= 3 does not hold",
        ),
        (
            'result.text.split("a: b")[0] == "": "x: y" == "z" does not hold',
            '"x: y" == "z" does not hold',
        ),
        (
            '"ads_read" in result.value: "ads_read" in [] does not hold',
            '"ads_read" in [] does not hold',
        ),
        (f"{'result.a | b ' * 12}{{… : 1 == 2 does not hold", None),
        (f"{'result.a | b(' * 12}…: 1 == 2 does not hold", "1 == 2 does not hold"),
        ("not result.limited: result.limited is true", "limited is true"),
        ('not (a.b | list): (a.b | list) is ["adset:5"]', "was adset:5"),
        ('result.a | list == []: ["x", "y"] == [] does not hold', "was x, y"),
        ('result.a == "": "x" == "" does not hold', 'was "x"'),
        ("result.value is not none: result.value is null", "value is null"),
        ("result.a | length: is 0", "is 0"),
        # numbers are told as people write them, and what is an age as one
        ("result.most <= inputs.limit: 41.0 <= 30 does not hold", "41 <= 30 does not hold"),
        ("result.x < 1: 0.123456789 < 0.1 does not hold", "0.1235 < 0.1 does not hold"),
        ("result.x < 1: 1.80003e+09 < 4500 does not hold", "1,800,030,000 < 4500 does not hold"),
        ("result.x < 1: 12345.678 < 20.5 does not hold", "12,346 < 20.5 does not hold"),
        ('result.v == "1.0": "41.0" == "1.0" does not hold', '"41.0" == "1.0" does not hold'),
        (
            "(result.json.at | age) <= inputs.limit: 4200.04 <= 3600.0 does not hold",
            "1h10m <= 1h does not hold",
        ),
        (
            'result.at | default("1970-01-01", true) | age <= 60: 1.8e+09 <= 60.0 does not hold',
            "never <= 1m does not hold",
        ),
        ("result.age_s < 60: 75.5 < 60 does not hold", "1m16s < 1m does not hold"),
        ("result.elapsed_ms < 60: 75.5 < 60 does not hold", "75.5 < 60 does not hold"),
        # a part of it that can never hold says nothing
        (
            'result.n == 1: 2 == 1 does not hold; inputs.a != "b": "b" != "b" does not hold',
            "2 == 1 does not hold",
        ),
        ('inputs.a != "b": "b" != "b" does not hold', '"b" != "b" does not hold'),
        ('result.a != inputs.b: "t" != "t" does not hold', '"t" != "t" does not hold'),
        # what is expected of a path is plain already
        ('json.status: expected "ok", was "bad"', None),
        ("status: expected between 200 and 299, was 503", None),
        ("length of matches: expected 1, was 2", None),
        ("HTTP 503", None),
        ("exit code 1: pg_dump: error: invalid page", None),
        ("Ana denied it: not now, look at (this", None),
        # but for what says nothing, or says it like a program
        ("value: expected true, was false", "no"),
        ("holds: expected true, was false", "no"),
        ("valid: expected true, was false", None),
        ('problem: expected null, was "exit code 1: HTTP 503"', "exit code 1: HTTP 503"),
        ('misses: expected [], was ["0.9 is above 0.3", "too old"]', "0.9 is above 0.3, too old"),
        ('missing: expected [], was ["ads_read"]', "missing: ads_read"),
        ("missing: expected [], was [[1]]", None),
        ('value: expected [], was [["SECRET"]]', "value: SECRET"),
        ('missing: expected [], was ["ads_r...', None),
        (
            f'value: expected "TRIPPED" or {"any of " * 9}these, was "OPEN"',
            "value: was OPEN",
        ),
        # behind the title of its step it is told the same way
        (
            "Is it empty: result.rows | length == 0: 1 == 0 does not hold",
            "Is it empty: 1 == 0 does not hold",
        ),
        ("Is it there: value: expected true, was false", "Is it there: no"),
        ("Does it answer: connection refused", None),
        # how long it was asked is a time of day's length, not seconds
        ("after 60 attempts in 885.6 s", "after 60 attempts in 14m46s"),
        ("after 12 attempts in 55.1 s", "after 12 attempts in 55 s"),
        ("after 3 attempts in 0.0 s", "after 3 attempts"),
    ],
)
def test_a_reason_is_told_without_the_code_that_found_it(why: str, said: str | None):
    assert plainly([why]) == (why if said is None else said)


def test_reasons_are_told_one_after_the_other():
    why = ["a | b == 1: 2 == 1 does not hold", "after 2 attempts in 90.0 s"]
    assert plainly(why) == "2 == 1 does not hold; after 2 attempts in 1m30s"
    assert plainly(["; ".join(why)]) == plainly(why)
    assert plainly([]) == ""


@given(st.text(st.sampled_from("ab:;|(){}[]\"'… =<>.") | st.characters(), max_size=60))
def test_whatever_a_reason_is_something_is_left_of_it(text: str):
    said = plainly([text])
    assert bool(said) or not text.replace("; ", "").strip()
    assert len(said) <= len(text)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Is it green?", "Is it green?"),
        (
            "It is old. The test ended (0: it\ngives what it gave). Switch\nit off?",
            "Switch it off?",
        ),
        ("Is it right? Look at v1.2 first.\n- is it there?", "Is it right?"),
        # what stands in a list is no part of the sentence before or behind it
        ("Of 3 entries:\n- ana: denied\n- bo: at noon\nIs each\nknown?", "Is each known?"),
        ("For this version:\n- did CI pass, all green?\n- did it run?", "Did CI pass, all green?"),
        ("- is it\n  planned?", "Is it planned?"),
        ("Look at http://x/?a=b first", ""),
        ("Say yes", ""),
    ],
)
def test_the_sentence_that_asks_is_found_in_a_question(text: str, asks: str):
    assert question_in(text) == asks
