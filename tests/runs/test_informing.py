"""A policy that informs, in a real run: one message without a button, and nothing behind it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from engine.wiring.preview import preview
from tests.runs.beeper import Beeper
from tests.runs.test_telling import CONTACTS, opened

TELLS = "steps:\n  - {escalate: NAME, id: call, message: The API is slow}\n"
NEWS = "  news: {informs: true, levels: [{who: [ana], by: [siren]}]}\n"
CALLS = "  call: {levels: [{who: [ana], by: [siren]}]}\n"
NOBODY_SLEEPS = CONTACTS.replace('quiet: {from: "00:00", until: "23:59"}\n', "")


@pytest.fixture
async def desk(tmp_path):
    Beeper.reset()
    made = await opened(tmp_path, f"sqlite:///{tmp_path}/journal.db")
    made.write("contacts.yaml", NOBODY_SLEEPS + NEWS + CALLS)
    press = made.engine.press
    made.engine.press = replace(press, sign=lambda *of: "/".join(of), take=lambda *of: of[0])
    turning = asyncio.create_task(made.clock.turn())
    yield made
    turning.cancel()
    await made.engine.store.close()


async def test_it_is_one_message_that_asks_for_nothing(desk):
    Beeper.follows = True
    result = await desk.run(TELLS.replace("NAME", "news"))
    assert result.status == "resolved"
    (only,) = Beeper.rang
    assert (only.kind, only.title) == ("page", "Redis: The API is slow")
    assert (only.buttons, only.take_link) == ((), None)
    assert "ack" not in only.text
    events = await desk.engine.store.events(result.run)
    assert "EscalationExhausted" not in [event.type for event in events]


async def test_one_that_calls_has_a_button_and_hears_the_end(desk):
    Beeper.follows = True
    await desk.run(TELLS.replace("NAME", "call"))
    assert [message.kind for message in Beeper.rang] == ["page", "resolved"]
    assert [button.label for button in Beeper.rang[0].buttons] == ["Take it"]


def test_the_preview_of_its_messages_says_so_too(desk):
    def shown(policy):
        desk.write("main.yaml", f"title: Redis\n{TELLS.replace('NAME', policy)}")
        runbook = desk.engine.books.load("p/main", desk.registry)
        return preview(desk.engine.books, desk.registry, runbook, "test")

    assert len(shown("call")) == 3
    (only,) = shown("news")
    assert "Take it" not in only.text
