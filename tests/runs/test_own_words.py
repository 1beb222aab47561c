"""A pack's own words: whatever becomes of them, somebody is told."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from engine.runner.wording import OWN_MAX_CHARS, public_of
from engine.wiring.preview import preview
from tests.runs.beeper import Beeper
from tests.runs.test_telling import CALLS, CONTACTS, Desk, acks, turning

ENGINES = "Redis is full\n\nTake it by 08:15 UTC, or somebody else is called: runbook ack "


@pytest.fixture
async def desk(tmp_path) -> AsyncIterator[Desk]:
    async with turning(tmp_path) as made:
        yield made


async def told(desk: Desk, title: str, text: str) -> tuple[str, str, str | None]:
    """Title and text as they were told in these words, and what the trail remarks."""
    own = f"messages:\n  page:\n    title: {title!r}\n    text: {text!r}\n"
    desk.write("contacts.yaml", CONTACTS + own)
    result = await desk.run(CALLS, acks(desk, told=1))
    events = await desk.engine.store.events(result.run)
    receipt = next(event.body["receipt"] for event in events if event.type == "Told")
    message = Beeper.rang[0]
    return message.title, message.text, receipt.get("remark")


BROKEN = {
    "{{ found[0].nothing }}": "cannot be filled in",
    "{{ by_us | date('%Q') | int + wrong }}": "cannot be filled in",
    "{% for x in range(99999999) %}{{ x }}{% endfor %}": "cannot be filled in",
    "{{ (wrong * 999999) | length }}{{ wrong * 99999999 }}": "cannot be filled in",
    "{{ 1 // 0 }}": "divides by zero",
    "{{ note }}": "is empty",
    "{% if level > 7 %}hello{% endif %}": "is empty",
    "{{ [] | join }} ": "is empty",
}


@pytest.mark.parametrize("text", BROKEN)
async def test_what_comes_to_nothing_is_told_in_the_engine_s_words_and_the_trail_says_why(
    desk, text
):
    title, said, remark = await told(desk, "{{ wrong }}!", text)
    assert title == "Redis is full!"
    assert said.startswith(ENGINES)
    assert remark is not None
    assert remark.startswith("in the engine's words: `text` of the message `page` at ")
    assert "contacts.yaml:" in remark
    assert BROKEN[text] in remark


async def test_a_title_that_cannot_be_filled_in_is_the_engine_s(desk):
    title, said, remark = await told(desk, "{{ found[0].nothing }}", "Level {{ level }}")
    assert (title, said) == ("Redis is full", "Level 1")
    assert remark is not None
    assert "`title` of the message `page`" in remark


async def test_words_that_hold_leave_no_remark_and_may_name_what_is_not_known_yet(desk):
    text = "{{ severity }}|{{ note }}|{{ taken_by }}|{{ became }}|{{ happens | length }}|{{ by }}"
    title, said, remark = await told(desk, "{{ kind }}", text)
    assert title == "page"
    assert said.startswith("|||| 0|".replace(" ", ""))
    assert said.endswith(" UTC")
    assert remark is None


async def test_a_megabyte_of_words_is_cut_to_the_channel_in_no_time(desk):
    began = time.thread_time()
    title, said, remark = await told(
        desk, "full", "{% for x in range(1000) %}{{ 'é' * 1000 }}{% endfor %}"
    )
    assert (title, len(said), remark) == ("full", 200, None)
    assert said.endswith("...")
    assert time.thread_time() - began < 5
    assert OWN_MAX_CHARS < 1_000_000


async def test_a_secret_that_a_message_names_is_not_in_it(desk, monkeypatch):
    monkeypatch.setenv("BEEP_TOKEN", "canary-7713-beep")
    desk.write(
        "environments/test.yaml",
        "connections: {beeper: {adapter: beeper, token: '${env:BEEP_TOKEN}'}}\n",
    )
    title, said, _ = await told(desk, "canary-7713-beep", "{{ 'canary-7713' ~ '-beep' }}")
    assert "canary" not in title + said
    assert "canary" not in repr(Beeper.rang[0].public)


async def test_the_preview_says_that_words_of_the_pack_cannot_be_filled_in(desk):
    own = "messages:\n  page: {title: t, text: '{{ found[0].nothing }}'}\n"
    desk.write("contacts.yaml", CONTACTS + own)
    desk.write("main.yaml", f"title: Redis\n{CALLS}")
    engine = desk.engine
    runbook = engine.books.load("p/main", engine.registry)
    first = preview(engine.books, engine.registry, runbook, "test")[0]
    assert first.text.startswith("Redis is full\n\nTake it by ")
    assert first.remarks[0].startswith("in the engine's words: `text` of the message `page` at ")


# -- what customers read ---------------------------------------------------------------------------

WORDS = {
    "title": "Orders: Is there room failed: 3 < 5",
    "about": "Orders",
    "wrong": "Is there room failed: 3 < 5",
    "public": "",
    "taken_by": "Ana Lim",
    "outcome": "failed",
    "after": "12m",
    "found": ["FAILED Is there room"],
}


@pytest.mark.parametrize("kind", ["page", "status", "acknowledged", "resolved"])
def test_customers_read_neither_who_nor_what_was_found(kind):
    assert public_of(WORDS, kind)[0] == "Orders"
    assert not {"Ana", "room", "failed"} & set(" ".join(public_of(WORDS, kind)).split())


def test_customers_read_what_the_runbook_says_and_that_it_is_resolved():
    words = WORDS | {"public": "Orders are late", "outcome": "resolved"}
    assert public_of(words, "page") == ("Orders", "Orders are late")
    assert public_of(words, "resolved") == ("Orders", "This is resolved, after 12m.")
