"""How a message reads to somebody who is woken: nothing twice, what is asked before what is cut."""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace

from engine.channels.fitting import under
from engine.channels.sms import parts
from engine.channels.twilio import PARTS_MAX, text_of
from engine.clock import to_datetime
from engine.core.words import when, words
from engine.errors import Place
from engine.language.model import Template
from engine.plugin.channel import Message
from engine.wiring.preview_words import foretold
from tests.core.telling import MINUTE, START, Phone, level, telling
from tests.core.world import book

ASKED = "Take it by 02:20 UTC, or somebody else is called: runbook ack r1"


def message(title: str, text: str, asked: str = ASKED) -> Message:
    made = {"key": "k", "group": "g", "run": "r1", "kind": "page", "link": "https://r.example/r1"}
    return Message(**made, title=title, text=text, details={"asked": asked})  # type: ignore[arg-type]


def test_a_short_message_says_nothing_twice():
    said = text_of(message("[SEV1] Disk: it is full", f"it is full\n\n{ASKED}\n\nFound:\n- it is"))
    assert said.startswith(f"[SEV1] Disk: it is full\n{ASKED}\n\nFound:\n- it is\nhttps://")


def test_what_is_asked_stands_before_what_is_cut_off():
    said = text_of(message("Disk: full", f"{'word ' * 400}\n\n{ASKED}\n\nFound:\n- it is"))
    assert said.startswith(f"Disk: full\n{ASKED}\n\nword word")
    assert "https://r.example/r1" in said
    assert parts(said) <= PARTS_MAX


def test_a_short_message_says_where_it_is_whatever_is_cut_off():
    found = dataclasses.replace(message("Disk: full", "word " * 400), source="t/disk in staging")
    assert "\nt/disk in staging\nhttps://r.example/r1 #" in text_of(found)
    found = dataclasses.replace(found, source="\u00e9\u4e16" * 900, link=None)
    assert parts(text_of(found)) <= PARTS_MAX


def test_a_text_whose_first_line_is_another_stays_whole():
    assert under("Disk: full", "it is full\nreally") == "it is full\nreally"
    assert under("Disk: full", "full\n\nreally") == "really"
    assert under("Disk: full", "\n\nreally") == "really"


def titled(about: str, said: str) -> str:
    """The title of a page of a runbook of this title, whose step says this."""
    text = "steps:\n  - escalate: default\n    message: |\n"
    text += "".join(f"      {line}\n" for line in said.splitlines())
    runbook = replace(book(text), title=about)
    found = Phone(runbook, telling(level("ana", "page"))).begin().go(until_s=60)
    (key,) = found.state.escalations
    return str(words(found.state, key, 1)["title"])


@pytest.mark.parametrize(
    ("title", "said", "reads"),
    [
        ("Data is late", "Data is late - no route", "Data is late - no route"),
        ("Redis", "It is full", "Redis: It is full"),
        ("Daily check", "It found:\n- no room\n- no time", "Daily check: It found: no room"),
    ],
)
def test_a_title_says_nothing_twice_and_does_not_end_where_it_begins(title, said, reads):
    assert titled(title, said) == reads


DAY = 24 * 60 * MINUTE


@pytest.mark.parametrize(
    ("after_us", "reads"),
    [
        (0, "%H:%M UTC"),
        (DAY, "%a %H:%M UTC"),
        (5 * DAY, "%a %H:%M UTC"),
        (7 * DAY, "%Y-%m-%d %H:%M UTC"),
    ],
)
def test_a_time_names_its_day_where_that_is_another_one(after_us, reads):
    assert when(START + after_us, START) == to_datetime(START + after_us).strftime(reads)


def test_of_a_line_that_not_every_run_tells_it_is_said_behind_it_when():
    runbook = book("steps:\n  - wait: 1s\n")
    text = (
        "Run:\n{% if up is not passed %}\n- it is down\n{% endif %}\n{% if a %}\n- b\n{% endif %}"
    )
    said = foretold(Template(text, Place("f", 1, 1)), runbook, "staging")
    assert said == "Run:\n- it is down (if up is not passed)\n- b (if a)"


def test_a_message_is_foretold_with_what_is_known_already():
    inputs = "inputs: {limit: {type: number, default: 0.8}, name: {type: string}}"
    runbook = book(f"{inputs}\nsteps:\n  - wait: 1s\n")
    text = "{{ (100 * inputs.limit) | round }} % of {{ inputs.name }} on {{ run.environment }}: "
    text += "{{ failure.why\n  | default('?') }}{% if x %}!{% else %}?{% endif %}"
    text += "{# for whom: {{ x }} #}{% for y in z %}{{ y }} {%- endfor %}"
    said = foretold(Template(text, Place("f", 1, 1)), runbook, "staging")
    rest = "<failure.why><if x>!<or>?<end><y> "
    assert said == f"80 % of <inputs.name> on staging: {rest}"
    called = foretold(Template(text, Place("f", 1, 1)), runbook, "staging", own=False)
    assert called is not None
    assert called.startswith("<inputs.limit> % of <inputs.name>")
