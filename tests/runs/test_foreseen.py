"""What an action would do stands in the message that asks for it, with its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.core.judge import Outcome
from engine.core.state import State
from engine.errors import AdapterError
from engine.wiring import foreseen
from engine.wiring.foreseen import LINE_MAX_CHARS, Foreseeing, essence, together
from tests.core.test_questions import APPROVE as TWO
from tests.core.test_questions import CONFIRM, phone
from tests.runs import lab
from tests.runs.beeper import Beeper
from tests.runs.test_asking import CONTACTS, REMINDS, UNTIMED
from tests.runs.test_telling import Desk, opened

AT = "02:15 UTC"


@pytest.fixture
async def desk(tmp_path) -> AsyncIterator[Desk]:
    made = await opened(tmp_path, f"sqlite:///{tmp_path}/journal.db")
    made.write("contacts.yaml", CONTACTS)
    lab.Target.reset()
    turning = asyncio.create_task(made.clock.turn())
    yield made
    turning.cancel()
    await made.engine.store.close()
    lab.Target.reset()


async def levels(desk: Desk, text: str, contacts: str = CONTACTS) -> list[Mapping[str, Any]]:
    """The words of each level of the question that a run asks."""
    desk.write("contacts.yaml", contacts)
    run = (await desk.run(text)).run
    events = await desk.engine.store.events(run)
    return [event.body["words"] for event in events if event.type == "LevelDue"]


async def test_an_approval_says_what_would_be_done_and_when_that_was_seen(desk):
    (said,) = await levels(desk, UNTIMED)
    assert said["foreseen"] == ["Preview at 08:00 UTC: would act on orders"]
    message = next(one for one in Beeper.rang if one.name == "Bo Ek")
    lines = message.text.splitlines()
    assert lines[:3] == [
        "May `Free them` be done?",
        "",
        "Preview at 08:00 UTC: would act on orders",
    ]
    assert lab.Target.effects == {}


async def test_a_reminder_has_a_preview_of_its_own_time(desk):
    said = await levels(desk, UNTIMED, REMINDS)
    assert [one["foreseen"][0].partition(":")[0] for one in said] == [
        "Preview at 08",
        "Preview at 08",
        "Preview at 08",
    ]
    assert len({one["foreseen"][0] for one in said}) == 3


async def test_what_cannot_be_previewed_is_asked_all_the_same(desk, monkeypatch):
    def gone(*_: object) -> None:
        raise AdapterError("no route to db-1")

    monkeypatch.setattr(lab.LabAdapter, "reader", gone)
    (said,) = await levels(desk, UNTIMED)
    assert said["foreseen"] == ["It could not be previewed: no route to db-1"]
    assert sorted(one.name for one in Beeper.rang) == ["Bo Ek", "Cy Ott"]


async def test_what_else_is_asked_needs_no_preview(desk):
    (said,) = await levels(desk, CONFIRM.replace("t.confirm", "lab.ask"))
    assert "foreseen" not in said


# -- one preview -----------------------------------------------------------------------------------


async def one(outcome: Outcome | None, redact: Any = lambda found: found) -> list[str]:
    """What is kept of this preview; None: none comes."""
    state = asking()
    body = {"escalation": "ask:free#1", "level": 1, "round": 1}

    async def rehearse(_body: Mapping[str, Any], _say: Any) -> Outcome:
        while outcome is None:
            await asyncio.Event().wait()
        return outcome

    sees = Foreseeing(rehearse, redact, SystemClock())
    first = sees.first(state, body)
    assert first is not None
    await first
    assert sees.first(state, body) is None
    found = sees.taken(body)
    assert sees.taken(body) == []
    return found


def asking() -> State:
    return phone(TWO).go(until_s=60).state


async def test_a_target_that_does_not_answer_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(foreseen, "PREVIEW_S", 0.01)
    assert await one(None) == ["It could not be previewed: no answer within 0.01 s"]


async def test_no_secret_and_no_half_of_one_is_in_it():
    canary = "canary-7713-" + "x" * LINE_MAX_CHARS
    shown = Outcome({"preview": {"text": f"would set {canary}"}}, None, 1.0)

    def redact(found: Any) -> Any:
        return {key: str(value).replace(canary, "***") for key, value in found.items()}

    (line,) = await one(shown, redact)
    assert line.endswith(": would set ***")
    broken = Outcome(None, {"message": f"no route for {canary}"}, 1.0)
    assert await one(broken, redact) == ["It could not be previewed: no route for ***"]


ESSENCES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"text": "14 rows would change"}, {}, [f"Preview at {AT}: 14 rows would change"]),
    ({"text": "a\n\n b  c \n"}, {}, [f"Preview at {AT}: a", "b c"]),
    ({"text": "a\nb\nc"}, {}, [f"Preview at {AT}: a", "b (it goes on)"]),
    ({"text": "\n"}, {}, ["It could not be previewed: its preview says nothing"]),
    ({}, {}, ["It could not be previewed: its preview says nothing"]),
    ({"error": "no\nroute"}, {}, ["It could not be previewed: no route"]),
    (
        {"text": "14 rows", "affected": 14},
        {"max_affected": 10},
        [f"Preview at {AT}: 14 rows", "That is 14, and at most 10 may be: it would not be done"],
    ),
    ({"text": "a", "affected": 10}, {"max_affected": 10}, [f"Preview at {AT}: a"]),
    ({"text": "a", "doubt": "it is locked"}, {}, [f"Preview at {AT}: a", "But it is locked"]),
]


@pytest.mark.parametrize(("found", "plan", "lines"), ESSENCES)
def test_a_preview_in_a_line_or_two_claims_no_more_than_was_seen(found, plan, lines):
    assert essence(found, plan, AT) == lines


def test_a_line_of_a_preview_has_a_limit():
    (line,) = essence({"text": "x" * 5000}, {}, AT)
    assert line == f"Preview at {AT}: {'x' * (LINE_MAX_CHARS - 3)}..."


def test_nothing_is_asked_where_nothing_is_to_be_known():
    assert together(None, None) is None
