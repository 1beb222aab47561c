"""Text for terminals: what is cut, padded, cleaned and tabulated."""

from __future__ import annotations

import pytest

from engine.cli.text import Style, ago, countdown, pad, table, took, wrap
from engine.core.cells import cells, clean, cut


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("\x1b[2Jgone", "?[2Jgone"),
        ("\x9b31mred", "?31mred"),
        ("a\u202eb", "a?b"),
        ("a\u2028b", "a?b"),
        ("na\u00efve \u6f22\u5b57", "na\u00efve \u6f22\u5b57"),
        ("lone \ud800", "lone ?"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text, shown):
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("\u6f22\u5b57", 4), ("e\u0301", 1), ("", 0), ("a\u200db", 2)]
)
def test_a_cell_is_a_column_of_the_terminal(text, width):
    assert cells(text) == width


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("memory", 6, "memory"),
        ("memory", 5, "me..."),
        ("memory", 3, "mem"),
        ("memory", 0, ""),
        ("\u6f22\u5b57\u6f22\u5b57", 7, "\u6f22\u5b57..."),
        ("two words", 7, "two..."),
    ],
)
def test_a_text_is_cut_to_its_width_and_says_so(text, width, shown):
    assert cut(text, width) == shown
    assert cells(cut(text, width)) <= width


def test_padding_counts_columns_not_characters():
    assert pad("\u6f22", 4) == "\u6f22  "


def test_a_text_wraps_between_words_and_a_word_that_is_too_long_is_cut():
    assert wrap("one two three\n\nfour", 8) == ["one two", "three", "", "four"]
    assert wrap("incomprehensibilities", 10) == ["incompr..."]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 ms"), (0.0124, "12 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (4.24, "4.2 s"),
     (59.94, "59.9 s"), (60, "1 min"), (200, "3 min 20 s"), (3600, "1 h"), (7380, "2 h 3 min")],
)  # fmt: skip
def test_a_time_is_told_in_the_units_a_person_would_name(seconds, words):
    assert took(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (0.03, "0 s"), (0.4, "1 s"), (7.02, "7 s"), (75, "1 min 15 s")],
)
def test_a_countdown_is_in_whole_seconds_and_never_negative(seconds, words):
    assert countdown(seconds) == words


ROWS = [
    ("stratum/redis", "Redis memory pressure", "warning", "many words why"),
    ("a/b", "B", "", ""),
]
HEAD = ("RUNBOOK", "TITLE", "SEVERITY", "WHY")


def test_a_table_fits_into_its_width_by_cutting_the_widest_columns_but_the_first():
    assert table(HEAD, ROWS, 50, Style(unicode=False)) == [
        "RUNBOOK        TITLE        SEVERITY  WHY",
        "stratum/redis  Redis me...  warning   many word...",
        "a/b            B",
    ]


def test_a_table_leaves_out_what_it_need_not_keep():
    assert table(HEAD, ROWS, 46, Style(unicode=False), keep=2) == [
        "RUNBOOK        TITLE                  SEVERITY",
        "stratum/redis  Redis memory pressure  warning",
        "a/b            B",
    ]


def test_a_column_that_could_be_left_out_is_cut_when_enough_remains():
    lines = table(HEAD, ROWS, 60, Style(unicode=False), keep=2)
    assert lines[1] == "stratum/redis  Redis memory pressure  warning   many word..."


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s ago"), (59, "59 s ago"), (61, "1 min ago"), (7100, "118 min ago"), (7300, "2 h ago"),
     (90000, "25 h ago"), (200000, "2 d ago")],
)  # fmt: skip
def test_how_long_ago_is_told_roughly(seconds, words):
    assert ago(seconds) == words


def test_a_table_cleans_what_stands_in_it():
    assert table(("A",), [("\x1b]0;title\x07",)], 80, Style())[1] == "?]0;title?"


def test_without_colour_nothing_is_painted_and_with_colour_the_words_stay():
    assert Style(color=False).paint("failed", "red") == "failed"
    assert Style(color=True).paint("failed", "red") == "\x1b[31mfailed\x1b[0m"


def test_every_status_has_an_ascii_symbol():
    style = Style(unicode=False)
    words = ("passed", "warning", "failed", "errored", "in doubt", "skipped", "waiting", "running")
    assert all(style.symbol(word).isascii() for word in words)
    assert [style.spinner(tick) for tick in range(5)] == ["|", "/", "-", "\\", "|"]


def test_columns_that_stand_whole_are_not_cut():
    lines = table(HEAD, ROWS, 44, Style(unicode=False), keep=3, whole=2)
    assert lines[1] == "stratum/redis  Redis memory pressure  war..."
