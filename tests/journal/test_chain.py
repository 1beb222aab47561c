"""Canonical JSON, and what the chain finds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.events import Draft
from engine.errors import Broken
from engine.journal.chain import GENESIS, End, _digest, canonical, check_end, encode, walk
from engine.journal.heads import Head, extend, row_of

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def rows_of(bodies):
    drafts = [encode(Draft("StepProgressed", body, 5)) for body in bodies]
    head, events = extend("r", Head(), drafts)
    return [row_of(*pair) for pair in zip(events, drafts, strict=True)], End(head.seq, head.hash)


def test_canonical_json_has_sorted_keys_no_spaces_and_plain_utf_8():
    assert canonical({"b": [1, 2.0, True], "a": "ü"}) == '{"a":"ü","b":[1,2.0,true]}'


@given(json_values)
def test_canonical_json_reads_back_to_itself_and_is_always_utf_8(value):
    text = canonical(value)
    text.encode()
    assert canonical(json.loads(text)) == text


@given(st.lists(st.dictionaries(st.text(), json_values, max_size=3), min_size=1, max_size=5))
def test_every_chain_we_write_holds(bodies):
    rows, end = rows_of(bodies)
    assert check_end("r", walk("r", rows), end) == end


def test_a_border_moved_between_columns_is_seen_although_the_hashed_text_is_the_same():
    rows, _ = rows_of([{"a": 1, "at_us": 5, "body": 2}])
    seq, at_us, kind, version, actor, body, digest = rows[0]
    assert (at_us, body) == (5, '{"a":1,"at_us":5,"body":2}')
    moved = (seq, 5, kind, version, f'{actor},"at_us":5,"body":{{"a":1', "2}", digest)
    assert _digest(GENESIS, "r", moved) == digest
    with pytest.raises(Broken, match="event 1 cannot be read"):
        walk("r", [moved])


@pytest.mark.parametrize(
    ("change", "seq", "message"),
    [
        (lambda rows: rows[1:], 1, "event 1 is missing: the next one there is 2"),
        (lambda rows: [rows[0], rows[2]], 2, "event 2 is missing"),
        (lambda rows: rows[:2], 3, "event 3 is missing: the list of runs has recorded 3"),
        (lambda rows: [], 1, "event 1 is missing"),
        (lambda rows: [(0, *rows[0][1:]), *rows], 4, "has the number 0 of a row there"),
        (lambda rows: [(0, *rows[0][1:]), *rows[1:]], 1, "event 1 is missing"),
        (lambda rows: [*rows[:2], ("3", *rows[2][1:])], 3, "event 3 is missing"),
        (lambda rows: [*rows, (4, *rows[2][1:])], 4, "event 4 .* was altered"),
        (lambda rows: [rows[0], (2, 5.0, *rows[1][2:])], 2, "its time or version is no integer"),
        (lambda rows: [rows[0], (*rows[1][:5], b"{}", rows[1][6])], 2, "a column that is text"),
        (lambda rows: [rows[0], (*rows[1][:5], "{}", rows[1][6])], 2, "its hash does not fit"),
    ],
)
def test_what_is_not_as_it_was_written_is_named(change, seq, message):
    rows, end = rows_of([{"n": 1}, {"n": 2}, {"n": 3}])
    with pytest.raises(Broken, match=message) as caught:
        check_end("r", walk("r", change(rows)), end)
    assert (caught.value.run, caught.value.seq) == ("r", seq)


def test_an_end_that_the_list_does_not_have_is_named():
    rows, end = rows_of([{}, {}])
    for recorded, seq in ((None, 1), (End(1, rows[0][-1]), 2), (End(2, "0" * 64), 2)):
        with pytest.raises(Broken) as caught:
            check_end("r", walk("r", rows), recorded)
        assert caught.value.seq == seq
    assert check_end("r", walk("r", rows), end) == end
