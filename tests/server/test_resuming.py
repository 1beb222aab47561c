"""Resuming by the API what the server drives already."""

from __future__ import annotations

import pytest

from tests.server.test_left import until, until_it_is

RESTS = """title: Rests
steps:
  - {wait: 1h, id: rest, title: Let it cool down}
  - {id: act, action: lab.act, target: there}
"""
ASKS = """title: Asks
steps:
  - {id: sure, check: lab.ask, with: {question: Is it red?}}
"""


@pytest.fixture
async def token(serving):
    return await serving.token("admin")


async def started(serving, token, text):
    asked = {"runbook": serving.write(text, "p/rests"), "environment": "test"}
    run = (await serving.call("POST", "/runs", token, asked)).json()["run"]
    await until(serving, run, "StepStarted")
    return run


async def types(serving, run):
    return [event.type for event in await serving.parts.store.events(run)]


async def test_what_waits_for_a_time_is_under_way_and_says_until_when(serving, token):
    run = await started(serving, token, RESTS)
    answer = await serving.call("POST", f"/runs/{run}/resume", token)
    assert answer.status_code == 202
    assert answer.json()["remark"].startswith(
        "it is under way by itself, and nothing had to be resumed: `Let it cool down` waits until "
    )
    assert "RunTakenUp" not in await types(serving, run)
    serving.clock.t_us += 3600_000_000
    assert (await serving.ended(run)).body["outcome"] == "resolved"


async def test_one_that_is_paused_and_waits_for_a_time_is_let_go_on(serving, token):
    run = await started(serving, token, RESTS)
    await serving.call("POST", f"/runs/{run}/pause", token, {"reason": "a moment"})
    answer = await serving.call("POST", f"/runs/{run}/resume", token)
    assert "by itself, and it is not paused any more: `Let it cool" in answer.json()["remark"]
    assert "ContinueRequested" in await types(serving, run)
    serving.clock.t_us += 3600_000_000
    assert (await serving.ended(run)).body["outcome"] == "resolved"


async def test_one_that_is_taken_up_by_it_says_nothing_of_that(serving, token):
    run = await started(serving, token, ASKS)
    await until_it_is(serving, lambda: serving.parts.keeper.parked)
    answer = await serving.call("POST", f"/runs/{run}/resume", token)
    assert (answer.status_code, answer.json()) == (202, {"run": run, "remark": ""})


async def test_one_that_is_over_is_not_resumed(serving, token):
    run = await started(serving, token, RESTS)
    serving.clock.t_us += 3600_000_000
    await serving.ended(run)
    answer = await serving.call("POST", f"/runs/{run}/resume", token)
    assert (answer.status_code, "is over" in answer.json()["detail"]) == (400, True)
