"""What is kept of a command's output, and how it is followed."""

from __future__ import annotations

import asyncio

import pytest

from engine.adapters.command_output import LINES_BURST, OVERLAP_BYTES, Kept, Output, Text
from engine.plugin import StepContext
from engine.secret import Vault

SECRET = "s3cr3t-of-the-canary"


def as_it_is(text):
    return text


def redactor():
    vault = Vault({"CANARY": SECRET})
    vault.resolve("${env:CANARY}")
    return vault.redactor().text


def kept(limit, *chunks, redact=as_it_is):
    found = Kept(limit)
    for chunk in chunks:
        found.take(chunk)
    return found.text(redact)


def context(told, redact=as_it_is):
    return StepContext(run="r", path="p", progress=told.append, redact=redact)


def test_what_is_within_the_limit_is_kept_whole():
    assert kept(10, b"01234", b"56789") == Text("0123456789", 10, cut=False)
    assert kept(10) == Text("", 0, cut=False)


def test_of_what_is_longer_the_beginning_and_the_end_are_kept_and_it_says_how_much_is_not():
    gap = "\n[... 1 of 11 bytes left out ...]\n"
    assert kept(10, b"0123456789X") == Text(f"01234{gap}6789X", 11, cut=True)


@pytest.mark.parametrize("chunk", [1000, 65536, 1 << 20])
@pytest.mark.parametrize("size", [3 * OVERLAP_BYTES, 5_000_000])
def test_beginning_and_end_are_right_however_it_came(size, chunk):
    whole = b"".join(b"%07d\n" % n for n in range(size // 8))
    limit = 1000
    parts = [whole[at : at + chunk] for at in range(0, len(whole), chunk)]
    found = kept(limit, *parts)
    start, _, end = found.text.partition(
        f"\n[... {size - limit:,} of {size:,} bytes left out ...]\n"
    )
    assert (start.encode(), end.encode()) == (whole[:500], whole[-500:])


def test_a_hundred_megabytes_are_kept_in_the_room_of_a_few_hundred_kilobytes():
    found = Kept(128 * 1024)
    block = b"x" * 65536
    for _ in range(1600):
        found.take(block)
    assert found.size_bytes == 100 * 1024 * 1024
    assert len(found._start) + len(found._end) < 1024 * 1024
    assert "[... 104,726,528 of 104,857,600 bytes left out ...]" in found.text(as_it_is).text


def test_what_is_no_utf8_is_replaced():
    assert kept(10, b"caf\xe9").text == "caf\ufffd"


@pytest.mark.parametrize("at", range(480, 501))
def test_a_secret_that_the_cut_would_part_is_redacted_whole_on_both_sides(at):
    body = b"x" * at + SECRET.encode()
    filler = b"y" * (2 * OVERLAP_BYTES)
    tail = SECRET.encode() + b"z" * at
    found = kept(1000, body, filler, tail, redact=redactor()).text
    assert "s3cr" not in found
    assert "canary" not in found


async def test_short_output_is_told_line_by_line():
    told = []
    output = Output(1000, context(told))
    output.take(b"one\ntw", stderr=False)
    output.take(b"fault\n", stderr=True)
    output.take(b"o\nend", stderr=False)
    output.close()
    assert told == ["one", "fault", "two", "end"]


async def test_a_progress_bar_is_followed_and_colours_and_blank_lines_are_not_told():
    told = []
    output = Output(1000, context(told))
    output.take(b"10%\r20%\r\x1b[32mdone\x1b[0m\r\n\n", stderr=False)
    output.close()
    assert told == ["10%", "20%", "done"]


async def test_of_many_lines_at_once_the_first_and_the_newest_are_told():
    told = []
    output = Output(1000, context(told))
    output.take(b"".join(b"%d\n" % n for n in range(1000)), stderr=False)
    output.close()
    assert told[:LINES_BURST] == [str(n) for n in range(LINES_BURST)]
    assert told[LINES_BURST:] == ["999 (and 949 lines before it)"]


async def test_the_newest_line_of_a_burst_is_told_soon_though_nothing_follows():
    told = []
    heard = asyncio.Event()

    def hear(line):
        told.append(line)
        if "before it" in line:
            heard.set()

    output = Output(1000, StepContext(run="r", path="p", progress=hear))
    output.take(b"x\n" * 100 + b"last\n", stderr=False)
    await asyncio.wait_for(heard.wait(), 60)
    assert told[-1] == "last (and 50 lines before it)"
    output.close()
    assert len(told) == LINES_BURST + 1


async def test_a_line_told_to_people_holds_no_secret_and_is_not_endless():
    told = []
    output = Output(1000, context(told, redactor()))
    output.take(f"key={SECRET}\n".encode(), stderr=False)
    output.take(b"x" * 5000 + b"\n", stderr=False)
    output.take(b"y" * 1_000_000, stderr=True)
    output.take(SECRET.encode() + b"y" * 1_000_000 + b"\n", stderr=True)
    output.close()
    assert told[0] == "key=‹secret CANARY›"  # noqa: RUF001
    assert [len(line) for line in told[1:]] == [1003, 1003]
    assert SECRET not in "".join(told)


async def test_the_ends_of_what_was_said_go_with_an_error():
    output = Output(100_000, context([]))
    output.take(b"x" * 10_000 + b"why", stderr=True)
    output.take(b" \n", stderr=False)
    ends = output.ends()
    output.close()
    assert list(ends) == ["stderr"]
    assert ends["stderr"].endswith("xwhy")
    assert len(ends["stderr"]) == 2000
