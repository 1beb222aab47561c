"""What is known of a message that is tried again; and texts in the form that a service takes."""

from __future__ import annotations

import dataclasses

import pytest

from engine.channels.fate import KEPT_MAX, Fates, looking
from engine.channels.fitting import cut, mark_of, octets, one_line, plain, under, utf16
from engine.errors import AdapterError
from tests.channels.messages import PAGE

SECOND_TRY = dataclasses.replace(PAGE, attempt=2)


def ends(fates: Fates, message, error: Exception | None) -> None:
    """A try to send it comes to this."""
    if error is None:
        with fates.sending(message):
            return
    with pytest.raises(type(error)) as caught, fates.sending(message):
        raise error
    assert caught.value is error


REFUSED = AdapterError("refused", maybe_done=False)
LOST = AdapterError("no answer", maybe_done=True)


@pytest.mark.parametrize(
    ("tries", "unknown"),
    [
        ([], True),
        ([REFUSED], False),
        ([LOST], True),
        ([REFUSED, LOST], True),
        ([LOST, REFUSED], False),
        ([None], True),
        ([ValueError("a bug")], True),
        ([REFUSED, ValueError("a bug")], False),
    ],
)
def test_what_certainly_did_not_go_out_is_not_looked_for_and_all_else_is(tries, unknown):
    fates = Fates()
    for error in tries:
        ends(fates, PAGE, error)
    assert fates.unknown(SECOND_TRY) is unknown
    assert not fates.unknown(PAGE)
    assert fates.unknown(dataclasses.replace(SECOND_TRY, key="another"))


def test_so_many_messages_are_remembered_and_then_none_of_them_but_the_last():
    fates, keys = Fates(), [f"key-{number}" for number in range(KEPT_MAX + 1)]
    messages = [dataclasses.replace(SECOND_TRY, key=key) for key in keys]
    for message in messages[:KEPT_MAX]:
        ends(fates, message, REFUSED)
    assert [fates.unknown(m) for m in messages] == [False] * KEPT_MAX + [True]
    ends(fates, messages[-1], REFUSED)
    assert [fates.unknown(m) for m in messages] == [True] * KEPT_MAX + [False]


def test_where_a_look_fails_it_is_not_known_whether_it_went_out_and_the_rest_is_as_it_was_said():
    said = AdapterError(
        "no answer", help="ask again", maybe_done=False, retryable=True, detail={"status": 503}
    )
    with pytest.raises(AdapterError) as caught, looking():
        raise said
    found = caught.value
    assert found.message == "whether it went out before cannot be seen: no answer"
    assert (found.help, found.detail) == ("ask again", {"status": 503})
    assert (found.maybe_done, found.retryable, found.__cause__) == (True, True, said)
    with pytest.raises(AdapterError) as caught, looking():
        raise AdapterError("no right", maybe_done=False, retryable=False)
    assert (caught.value.maybe_done, caught.value.retryable) == (True, False)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("as it is", "as it is"),
        ("a\tb", "a\tb"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07on\x1b]8;;x\x1b\\off", "onoff"),
        ("bell\x07 nul\x00 del\x7f", "bell nul del"),
        ("a\r\nb\rc\u2028d\x85e", "a\nb\nc\nd\ne"),
        ("half \ud800", "half \ufffd"),
        ("Zürich \u202e\ufffe", "Zürich \ufffd"),
    ],
)
def test_what_no_service_takes_is_taken_out_and_the_rest_stays(text, left):
    assert plain(text) == left


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\r\nBcc: eve@example.com", "a Bcc: eve@example.com"),
        ("  a\t\tb\u2028c ", "a b c"),
        ("\x1b[31mred", "red"),
        ("", ""),
    ],
)
def test_a_header_is_one_line_whatever_is_put_in_it(text, line):
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("title", "text", "below"),
    [
        ("Disk: full", "full\nreally", "really"),
        ("Disk: full", "  full \n\n really ", "really"),
        ("Disk: full", "it is full\nreally ", "it is full\nreally"),
        ("Disk: full", "\n\nfull\nreally", "really"),
        ("Disk: full", " full", ""),
        ("Disk: full", "\n \n", ""),
    ],
)
def test_below_a_title_stands_what_it_does_not_say(title, text, below):
    assert under(title, text) == below


@pytest.mark.parametrize(
    ("text", "limit", "left"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abc..."),
        ("ab cdefg", 6, "ab..."),
        ("abcdefg", 3, "..."),
    ],
)
def test_what_is_cut_fits_and_says_that_it_was_cut(text, limit, left):
    assert cut(text, limit) == left


def test_what_is_cut_keeps_all_the_letters_with_accents_that_fit():
    assert cut("e\u0301" * 9, 10, octets) == "e\u0301e\u0301..."


def test_a_mark_is_the_same_for_one_message_and_differs_for_others():
    assert mark_of("r1:call:1.1.1:ana:mail") == "#a577a2"
    assert len({mark_of(f"key-{n}") for n in range(500)}) == 500
    assert mark_of("\ud800").startswith("#")


def test_services_count_units_or_octets_also_of_halves_of_characters():
    assert (utf16("a\U0001f525\ud800"), octets("aé\U0001f525\ud800")) == (4, 10)
