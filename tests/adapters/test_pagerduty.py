"""Who is on call, asked of a stand-in of PagerDuty's REST API that judges what it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.adapters.pagerduty import PAGE, PAGES_MAX, PagerDutySchedulesAdapter
from engine.errors import AdapterError
from engine.plugin import StepContext
from engine.plugin.on_call import NEVER_US, Turn
from engine.sandbox.http import http_service
from tests.channels.oncalls import TOKEN, OnCalls, user

NOW = datetime(2026, 11, 21, 2, tzinfo=UTC)
ANA = user("PANA", "Ana Lim", "ana@example.com")
BO = user("PBO", "Bo Ek", None)
MORNING = "2026-11-21T09:00:00+01:00"


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1e6)


SINCE, UNTIL = us("2026-11-21T02:00:00Z"), us("2026-11-22T03:00:00Z")


@asynccontextmanager
async def asked(vendor: OnCalls, **settings: Any) -> AsyncIterator[PagerDutySchedulesAdapter]:
    async with http_service(vendor, lambda: NOW) as fields:
        made = PagerDutySchedulesAdapter(settings.pop("token", TOKEN), base_url=fields["url"])
        try:
            yield made
        finally:
            await made.close()


async def turns(vendor: OnCalls, **settings: Any) -> tuple[Turn, ...]:
    async with asked(vendor, **settings) as made:
        timeout_s = 0.5 if "slow" in vendor.mood else 30.0
        context = StepContext(run="r", path="on call", timeout_s=timeout_s)
        return await made.reader(context).on_call("PS1", SINCE, UNTIL)


async def refused(vendor: OnCalls, **settings: Any) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        await turns(vendor, **settings)
    return caught.value


async def test_whose_turns_they_are_and_when_is_read_with_ids_names_and_addresses():
    vendor = OnCalls(
        shifts=[
            ("PS1", BO, MORNING, "2026-11-28T09:00:00+01:00"),
            ("PS1", ANA, "2026-11-14T09:00:00+01:00", MORNING),
            ("PS2", BO, None, None),
        ]
    )
    assert await turns(vendor) == (
        Turn("PANA", "Ana Lim", "ana@example.com", us("2026-11-14T08:00:00Z"), us(MORNING)),
        Turn("PBO", "Bo Ek", None, us(MORNING), us("2026-11-28T08:00:00Z")),
    )
    assert vendor.problems == []
    (query,) = vendor.asked
    assert query["schedule_ids[]"] == ["PS1"]
    assert query["include[]"] == ["users"]
    assert query["since"] == ["2026-11-21T02:00:00.000000Z"]


async def test_who_is_on_call_in_several_policies_and_levels_is_read_once():
    vendor = OnCalls(shifts=[("PS1", ANA, MORNING, None)], levels=7)
    assert await turns(vendor) == (
        Turn("PANA", "Ana Lim", "ana@example.com", us(MORNING), NEVER_US),
    )


async def test_several_at_once_are_all_read_and_who_is_always_on_call_has_no_begin():
    vendor = OnCalls(shifts=[("PS1", ANA, None, None), ("PS1", BO, None, MORNING)])
    assert [(t.user, t.from_us) for t in await turns(vendor)] == [("PBO", 0), ("PANA", 0)]


async def test_all_pages_are_read():
    vendor = OnCalls(shifts=[("PS1", ANA, MORNING, None)], levels=2 * PAGE + 1)
    assert len(await turns(vendor)) == 1
    assert [query["offset"] for query in vendor.asked] == [["0"], ["100"], ["200"]]


async def test_more_pages_than_a_schedule_can_have_are_told():
    vendor = OnCalls(shifts=[("PS1", ANA, MORNING, None)], levels=PAGES_MAX * PAGE + 1)
    assert (await refused(vendor)).message == "schedule PS1 has more than 500 on-calls"


async def test_who_is_on_call_by_no_schedule_or_by_another_is_not_meant(monkeypatch):
    entry = {"user": {"id": "P1"}, "start": None, "end": None}
    others = [{**entry, "schedule": None}, {**entry, "schedule": {"id": "PS2"}}]
    monkeypatch.setattr(OnCalls, "_found", lambda *_: others)
    assert await turns(OnCalls()) == ()


async def test_nobody_is_nobody():
    assert await turns(OnCalls()) == ()


@pytest.mark.parametrize(
    ("mood", "words"),
    [
        (401, "it answers 401: Invalid Credentials"),
        (403, "it answers 403: Access Denied"),
        (404, "it answers 404: Not Found"),
        (500, "it answers 500: Internal Server Error"),
        (429, "it answers 429: Rate Limit Exceeded (for 7 s)"),
        ("garbage", "its answer is no JSON"),
        ("cut", "its answer is no JSON"),
        ("else", "its answer has no `oncalls`"),
        ("lost", "closed the connection"),
        ("slow", "did not answer within"),
    ],
)
async def test_what_goes_wrong_is_told_and_is_not_nobody(mood, words):
    vendor = OnCalls(shifts=[("PS1", ANA, None, None)], mood=[mood])
    error = await refused(vendor)
    assert words in error.message
    assert TOKEN not in repr(error)


async def test_a_wrong_token_is_refused_and_stands_in_no_message():
    error = await refused(OnCalls(), token="canary-8122")
    assert (error.message, error.help) == (
        "it answers 401: Invalid Credentials",
        "the token of the connection is wrong, or was taken back",
    )


@pytest.mark.parametrize(
    "entry",
    [
        "a text",
        {"user": None},
        {"user": {"id": ""}},
        {"user": {"id": "P1"}, "start": "yesterday"},
        {"user": {"id": "P1"}, "start": "2026-11-21T02:00:00"},
        {"user": {"id": "P1"}, "end": 5},
    ],
)
async def test_an_on_call_that_does_not_say_who_or_when_is_told(entry, monkeypatch):
    vendor = OnCalls()
    monkeypatch.setattr(OnCalls, "_found", lambda *_: [entry])
    assert (await refused(vendor)).message == "an on-call of its answer does not say who or when"


async def test_what_is_said_of_the_rate_is_kept_and_nothing_is_asked_while_it_is_used_up():
    vendor = OnCalls(mood=[429], limit=100, left=40)
    async with asked(vendor) as made:
        reader = made.reader(StepContext(run="r", path="on call"))
        (name,) = made.budget_names()
        assert name.startswith("pagerduty 127.0.0.1:")
        with pytest.raises(AdapterError):
            await reader.on_call("PS1", SINCE, UNTIL)
        assert made.budgets() == {name: (0.0, 7.0)}
        with pytest.raises(AdapterError, match="takes no more questions for 7 s"):
            await reader.on_call("PS1", SINCE, UNTIL)
        assert len(vendor.requests) == 1
        made.recall(name, 0.0, 0.0)
        await reader.on_call("PS1", SINCE, UNTIL)
        assert made.budgets() == {name: (0.6, 0.0)}
        vendor.left = 0
        await reader.on_call("PS1", SINCE, UNTIL)
        assert made.budgets() == {name: (1.0, 30.0)}


@pytest.mark.parametrize(
    ("said", "waits_s"), [("", 60), ("0", 60), ("soon", 60), ("inf", 60), ("99999", 3600)]
)
async def test_a_refusal_that_does_not_say_for_how_long_is_heeded_for_a_minute(said, waits_s):
    vendor = OnCalls(mood=[429], retry_after=said)
    assert (await refused(vendor)).detail == {"blocked_for_s": waits_s}


async def test_an_answer_that_is_too_long_is_told():
    long = user("PANA", "A" * 2_000_000)
    error = await refused(OnCalls(shifts=[("PS1", long, None, None)]))
    assert error.message == "its answer is no JSON: it is too long"


async def test_a_ping_asks_what_will_be_asked_and_nothing_is_written():
    vendor = OnCalls(shifts=[("PS1", ANA, None, None)])
    async with asked(vendor) as made:
        assert await made.ping() == "PagerDuty says who is on call"
        with pytest.raises(AdapterError):
            made.writer(StepContext(run="r", path="x"))
    assert vendor.problems == []
