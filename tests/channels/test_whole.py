"""A title that was cut, and the text that says all of it: in an SMS they are read once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.channels.fitting import WHOLE_MAX_CHARS, whole
from engine.channels.twilio import text_of
from engine.plugin.channel import Message

WRONG = "The database of stratum could not be relieved of connections: 0.95 < 0.8 does not hold"
HEAD = "[critical] Database connection exhaustion: "


@pytest.mark.parametrize(
    ("title", "text", "said"),
    [
        (f"{HEAD}{WRONG[:40]}...", f"{WRONG}\n\nTake it", HEAD + WRONG),
        (f"{HEAD}{WRONG[:40].rstrip()}...", f"\n{WRONG}", HEAD + WRONG),
        (HEAD + WRONG, WRONG, HEAD + WRONG),
        # too little in common, or too much to say
        (f"{HEAD}{WRONG[:15]}...", WRONG, f"{HEAD}{WRONG[:15]}..."),
        (f"{HEAD}{WRONG[:40]}...", "x" * 300, f"{HEAD}{WRONG[:40]}..."),
        (
            f"{HEAD}{WRONG[:40]}...",
            WRONG + "x" * WHOLE_MAX_CHARS,
            f"{HEAD}{WRONG[:40]}...",
        ),
        ("short...", "short and long", "short..."),
        ("", "", ""),
    ],
)
def test_what_a_title_had_no_room_for_stands_in_it_where_the_text_has_it(title, text, said):
    assert whole(title, text) == said


def test_an_sms_says_what_is_wrong_once_and_then_what_is_asked():
    asked = "Take it by 02:15 UTC, or somebody else is called: runbook ack RUN"
    long = Message(
        key="RUN:call:1",
        group="RUN:call",
        run="RUN",
        kind="page",
        title=f"{HEAD}{WRONG[:60]}...",
        text=f"{WRONG}\n\n{asked}\n\nFound:\n- ok How many: used 95",
        details={"asked": asked},
        to="+4915112345678",
    )
    lines = text_of(long).splitlines()
    assert lines[:2] == [HEAD + WRONG, asked]
    assert "\n".join(lines).count("0.95 < 0.8") == 1


@given(st.text(max_size=230), st.text(max_size=230), st.integers(0, 220))
def test_a_title_stays_or_grows_by_the_first_line_of_its_text(head: str, text: str, at: int):
    title = f"{head}{text[:at]}..."
    said = whole(title, text)
    first = text.lstrip().partition("\n")[0].rstrip()
    assert said == title or (said.endswith(first) and len(said) <= WHOLE_MAX_CHARS)
