"""What Meta's usage headers say, each in its own unit, and how long a block is kept in mind."""

from __future__ import annotations

import json

import pytest

from engine.adapters.meta_usage import Budget, Meter, use_of
from engine.errors import AdapterError
from tests.adapters.meta_target import stand_in


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def budget(clock):
    return Budget(clock)


def business(minutes, kind="ads_insights", percent=100):
    case = {
        "type": kind,
        "call_count": percent,
        "total_cputime": 20,
        "total_time": 30,
        "estimated_time_to_regain_access": minutes,
        "ads_api_access_tier": "standard_access",
    }
    return json.dumps({"123": [case]})


@pytest.mark.parametrize(
    ("name", "text", "meter"),
    [
        (
            "x-app-usage",
            '{"call_count": 28, "total_time": 25, "total_cputime": 26}',
            Meter("app", 28.0, {"call_count": 28.0, "total_time": 25.0, "total_cputime": 26.0}),
        ),
        (
            "x-ad-account-usage",
            '{"acc_id_util_pct": 9.67, "reset_time_duration": 100, "ads_api_access_tier": "s"}',
            Meter("ad_account", 9.67, {"acc_id_util_pct": 9.67}, 0.0, 100.0, "s"),
        ),
        (
            "x-ad-account-usage",
            '{"acc_id_util_pct": 100, "reset_time_duration": 90}',
            Meter("ad_account", 100.0, {"acc_id_util_pct": 100.0}, 90.0, 90.0, None),
        ),
        (
            "x-business-use-case-usage",
            business(5),
            Meter(
                "ads_insights of 123",
                100.0,
                {"call_count": 100.0, "total_cputime": 20.0, "total_time": 30.0},
                300.0,
                None,
                "standard_access",
            ),
        ),
        (
            "x-fb-ads-insights-throttle",
            '{"app_id_util_pct": 1.5, "acc_id_util_pct": 44, "ads_api_access_tier": "d"}',
            Meter(
                "insights",
                44.0,
                {"app_id_util_pct": 1.5, "acc_id_util_pct": 44.0},
                tier="d",
            ),
        ),
    ],
)
def test_a_header_is_read_in_its_own_unit(budget, name, text, meter):
    assert budget.observe({name: text}) == []
    assert budget.now().meters == (meter,)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "7", "{", '{"call_count": "many"}', '{"other": 1}']
)
@pytest.mark.parametrize(
    "name", ["x-app-usage", "x-ad-account-usage", "x-fb-ads-insights-throttle"]
)
def test_a_header_that_cannot_be_read_is_told_and_stops_nothing(budget, name, text):
    problems = budget.observe({name: text})
    assert [name in problem for problem in problems] == ([True] if text else [])
    assert budget.now().meters == ()


def test_without_headers_nothing_is_known_to_be_used(budget):
    usage = budget.now()
    assert (usage.worst_percent, usage.worst, usage.blocked_for_s, usage.blocked) == (
        0.0,
        None,
        0.0,
        None,
    )


def test_the_worst_of_all_limits_is_told(budget):
    budget.observe({"x-app-usage": '{"call_count": 28}', "x-business-use-case-usage": business(0)})
    assert (budget.now().worst_percent, budget.now().worst) == (100.0, "ads_insights of 123")


def test_a_block_is_told_as_long_as_it_still_lasts(budget, clock):
    budget.observe({"x-business-use-case-usage": business(5)})
    clock.now_s += 200
    assert (budget.now().blocked_for_s, budget.now().blocked) == (100.0, "ads_insights of 123")
    clock.now_s += 101
    assert (budget.now().blocked_for_s, budget.now().blocked) == (0.0, None)


def test_a_later_answer_replaces_what_an_earlier_one_told(budget):
    budget.observe({"x-business-use-case-usage": business(5)})
    budget.observe({"x-business-use-case-usage": business(0, percent=3)})
    assert (budget.now().blocked_for_s, budget.now().worst_percent) == (0.0, 30.0)


@pytest.mark.parametrize(
    ("path", "use"),
    [
        ("act_1/insights", "ads_insights"),
        ("200/insights", "ads_insights"),
        ("act_1", "other"),
        ("200", "other"),
        ("", "other"),
        ("debug_token", "app"),
        ("me/permissions", "app"),
        ("me", "app"),
    ],
)
def test_a_call_uses_up_the_limit_of_its_kind(path, use):
    assert use_of(path) == use


@pytest.mark.parametrize(
    ("header", "met_by"),
    [
        ({"x-business-use-case-usage": business(5)}, {"ads_insights"}),
        ({"x-business-use-case-usage": business(5, "ads_management")}, {"other"}),
        (
            {"x-ad-account-usage": '{"acc_id_util_pct": 100, "reset_time_duration": 60}'},
            {"ads_insights", "other"},
        ),
    ],
)
def test_a_block_of_one_limit_is_met_by_its_calls_only(budget, header, met_by):
    budget.observe(header)
    assert {use for use in ("ads_insights", "other", "app") if budget.block(use)} == met_by


def limited(minutes, **more):
    kind = more.pop("kind", "ads_management")
    return {
        "code": 80004,
        "message": "too many calls",
        "headers": {"x-business-use-case-usage": business(minutes, kind)},
        **more,
    }


@pytest.mark.parametrize(("wait_s", "retryable"), [(30.0, False), (300.0, True), (600.0, True)])
async def test_a_refusal_says_how_long_and_another_try_helps_when_that_is_not_too_long(
    wait_s, retryable
):
    async with stand_in(
        {"blocked_wait_s": wait_s}, faults=[{"on": "* /200", **limited(5)}]
    ) as meta:
        with pytest.raises(AdapterError, match="changes and reads of the ad account") as caught:
            await meta.check("request", path="200")
    assert (caught.value.retryable, caught.value.detail["blocked_for_s"]) == (retryable, 300.0)
    assert caught.value.help == "Meta takes calls again in 5m; fewer until then"


async def test_nothing_is_sent_while_meta_is_known_to_refuse():
    async with stand_in(faults=[{"on": "* /200", "times": 1, **limited(5)}]) as meta:
        with pytest.raises(AdapterError):
            await meta.act("set_status", id="200", status="PAUSED")
        meta.moves(minutes=1)
        for ask in (
            meta.act("set_status", id="200", status="PAUSED"),
            meta.check("request", path="200"),
            meta.act("batch", requests=[{"method": "GET", "path": "200"}]),
            meta.would("set_status", id="200", status="PAUSED"),
        ):
            with pytest.raises(AdapterError, match="blocked ads_management of 123 for another 4m"):
                await ask
        assert len(meta.seen) == 1
        meta.moves(minutes=4)
        found = await meta.act("set_status", id="200", status="PAUSED")
    assert found["written"]


async def test_what_was_not_sent_is_in_no_doubt():
    async with stand_in(faults=[{"on": "* /200", "times": 1, **limited(5)}]) as meta:
        for _ in range(2):
            with pytest.raises(AdapterError) as caught:
                await meta.act("request", method="POST", path="200", params={"name": "x"})
            assert not caught.value.maybe_done


async def test_a_block_of_insights_leaves_the_token_and_the_account_to_be_looked_at():
    fault = {"on": "GET /act_100/insights", **limited(5, kind="ads_insights")}
    async with stand_in(faults=[fault]) as meta:
        with pytest.raises(AdapterError):
            await meta.check("insights")
        assert (await meta.check("token"))[1].holds
        assert (await meta.check("account"))[1].holds
        sent = len(meta.seen)
        with pytest.raises(AdapterError, match="nothing was sent"):
            await meta.check("request", path="act_100/insights")
        assert len(meta.seen) == sent


async def test_a_limit_without_a_time_is_left_to_the_waits_of_retry():
    async with stand_in(faults=[{"on": "* /200", "code": 17, "times": 1}]) as meta:
        with pytest.raises(AdapterError) as caught:
            await meta.check("request", path="200")
        assert caught.value.retryable
        await meta.check("request", path="200")


async def test_calls_of_a_batch_tell_their_limits_too():
    usage = {"x-business-use-case-usage": json.loads(business(0, percent=77))}
    async with stand_in(usage=usage) as meta:
        found = await meta.act("batch", requests=[{"method": "GET", "path": "200"}])
    assert found["budget"]["worst_percent"] == 77.0


async def test_every_answer_tells_the_budget_and_the_version():
    usage = {"x-app-usage": {"call_count": 55, "total_time": 1, "total_cputime": 1}}
    async with stand_in(usage=usage) as meta:
        found = [
            (await meta.check("token"))[0],
            (await meta.check("permissions"))[0],
            (await meta.check("account"))[0],
            (await meta.check("insights"))[0],
            (await meta.check("request", path="200"))[0],
            await meta.act("set_status", id="200", status="PAUSED"),
            await meta.act("set_budget", key="b", id="200", daily_minor=700),
            await meta.act("request", method="DELETE", path="400"),
        ]
    assert {one["version"] for one in found} == {"v18.0"}
    assert {one["budget"]["worst_percent"] for one in found} == {55.0}
    assert {tuple(one["warnings"]) for one in found} == {()}


async def test_an_expired_version_is_told_because_meta_serves_another_without_a_word():
    async with stand_in(versions=["v19.0", "v20.0"]) as meta:
        found, judged = await meta.check("account")
        changed = await meta.act("set_status", id="200", status="PAUSED")
    assert judged.holds
    warning = "version v19.0 answered although v18.0 was asked: v18.0 has expired"
    assert (found["version"], found["warnings"]) == ("v19.0", [warning])
    assert changed["warnings"] == [warning]


async def test_the_version_is_pinned_in_every_path():
    async with stand_in({"version": "v20.0"}) as meta:
        await meta.check("token")
        await meta.check("insights")
        await meta.act("set_status", id="200", status="PAUSED")
        await meta.act("batch", requests=[{"method": "GET", "path": "200"}])
    assert {request.target.split("/")[1].partition("?")[0] for request in meta.seen} == {"v20.0"}
