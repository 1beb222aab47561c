"""Where words go: encodings, colours, and readers who left."""

from __future__ import annotations

import io
import json

import pytest

from engine.cli.output import Output, make_streams_safe


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    for name in ("NO_COLOR", "LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")

    def look() -> Terminal:
        stream = Terminal()
        monkeypatch.setattr("sys.stdout", stream)
        return stream

    return look


def test_a_terminal_gets_colours_and_the_live_view(terminal):
    terminal()
    output = Output()
    assert (output.style.color, output.style.unicode, output.live) == (True, True, True)


def test_no_color_is_honoured(terminal, monkeypatch):
    terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    assert Output().style.color is False


def test_the_option_is_stronger_than_the_terminal(terminal):
    terminal()
    assert Output(color=False).style.color is False


def test_a_dumb_terminal_gets_plain_lines_without_colour(terminal, monkeypatch):
    terminal()
    monkeypatch.setenv("TERM", "dumb")
    output = Output()
    assert (output.style.color, output.live) == (False, False)


def test_json_is_never_a_live_view_and_asks_nobody(terminal):
    terminal()
    output = Output(json=True)
    assert (output.live, output.asks) == (False, False)


def test_a_pipe_gets_no_colour_and_whole_lines(monkeypatch):
    monkeypatch.setattr("sys.stdout", io.StringIO())
    output = Output()
    assert (output.style.color, output.live, output.width) == (False, False, 10_000)


@pytest.mark.parametrize(
    ("variables", "unicode"),
    [
        ({"LANG": "C"}, False),
        ({"LANG": "POSIX"}, False),
        ({}, False),
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
        ({"LANG": "C", "LC_CTYPE": "en_GB.utf8"}, True),
    ],
)
def test_symbols_beyond_ascii_need_a_locale_that_means_them(
    terminal, monkeypatch, variables, unicode
):
    terminal()
    monkeypatch.delenv("LANG")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Output().style.unicode is unicode


def test_a_stream_that_cannot_encode_unicode_gets_ascii(terminal):
    terminal().encoding = "latin-1"
    assert Output().style.unicode is False


def test_what_an_encoding_has_not_is_shown_as_its_escape(monkeypatch):
    octets = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(octets, encoding="ascii"))
    make_streams_safe()
    Output().line("caf\u00e9 \u2713")
    assert octets.getvalue() == b"caf\\xe9 \\u2713\n"


def test_a_reader_who_left_is_no_error_and_hears_nothing_more(monkeypatch):
    class Left(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            raise BrokenPipeError

    stream = Left()
    monkeypatch.setattr("sys.stdout", stream)
    output = Output()
    output.line("one")
    output.line("two")
    assert stream.writes == 1


def test_an_object_is_one_line_of_json(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    Output(json=True).object({"type": "x", "text": "two\nlines \u00e9"})
    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue()) == {"type": "x", "text": "two\nlines \u00e9"}
