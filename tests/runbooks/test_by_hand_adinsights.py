"""Of the ten that were drawn: PF "Performance checklist" and CV "Cache verification"."""

from __future__ import annotations

import json

import pytest

from tests.runbooks.by_hand.world import differences

PERFORMANCE = "adinsights/performance-review"
CACHE = "adinsights/cache-verification"

COMBINED = '-s -H "Authorization: Bearer $TOKEN" $API_URL/api/metrics/combined/'
"""Of curl: the address that both procedures are about, as somebody with a token asks it."""


def operator_of(it):
    api = {"TOKEN": it.services["api.token"], "API_URL": it.services["api.url"]}
    return it.at("", PROMETHEUS=it.services.get("metrics.url", ""), **api)


# PF, lines 359-366. Snapshots take eleven minutes since the last release.

ERRORS = 'sum(rate(http_requests_total{status=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))'
TASK = 'celery_task_duration_seconds{task="analytics.sync_metrics_snapshots",quantile="0.95"}'


async def reviewed(it):
    """The four points. The document has no commands: what is typed asks for what it says."""
    operator = operator_of(it)

    async def p95_s(query):
        typed = f"curl -o /dev/null -w '%{{time_total}}\\n' {COMBINED}'?{query}&sample=[1-20]'"
        return sorted(map(float, (await operator(typed)).lines))[18]

    async def asked(query):
        typed = f"curl -sG $PROMETHEUS/api/v1/query --data-urlencode 'query={query}'"
        (series,) = json.loads((await operator(typed)).out)["data"]["result"]
        return float(series["value"][1])

    cached = await p95_s("source=warehouse")
    uncached = await p95_s("source=warehouse&cache=false")
    logs = await it.at("stack")("docker logs --since 2h adinsights-worker | grep row_totals")
    return {
        "p95_s": (cached, uncached),
        "snapshot_s": await asked(TASK),
        "row_totals": sorted(json.loads(line)["row_totals"] for line in logs.lines),
        "errors": await asked(ERRORS),
    }


async def test_the_four_points_are_found_the_same_by_hand_and_by_the_runbook(world):
    async with world(PERFORMANCE) as by_hand:
        seen = await reviewed(by_hand)
        cache = await verified(by_hand)
        hand = await by_hand.left()
    async with world(PERFORMANCE) as it:
        run = await it.run()
        ours = await it.left()
    # How fast it is this time each measures anew: past the cache it takes 50 ms and more.
    slowest = [seen.pop("p95_s")[1], float(max(it.found["uncached"]["lines"]))]
    assert min(slowest) > 0.05
    assert seen == {"snapshot_s": 660, "row_totals": [1200, 1200], "errors": 0.004}
    assert seen == {
        "snapshot_s": it.found["duration"]["value"],
        "row_totals": sorted(one["row_totals"] for one in it.found["rows"]["json"]),
        "errors": it.found["errors"]["value"],
    }
    assert cache == (True, True, True)
    assert run.status == "unresolved"
    assert "snapshots take too long" in run.because
    assert differences(hand, ours) == {}


# CV, lines 370-376. After a change a filtered request writes the unfiltered snapshot.


async def verified(it):
    """Whether each of the three points holds."""
    operator = operator_of(it)

    async def answer(query):
        return json.loads((await operator(f"curl {COMBINED}{query}")).out)

    warm = [await answer("?source=warehouse") for _ in range(2)]
    bypassed = await answer("?cache=false")
    await answer("?parish=Kingston")
    unfiltered = await answer("?source=warehouse")
    at = "snapshot_generated_at"
    return warm[0] == warm[1], bypassed[at] != warm[1][at], unfiltered[at] == bypassed[at]


@pytest.mark.parametrize("fault", [True, False])
async def test_the_cache_is_found_the_same_by_hand_and_by_the_runbook(world, fault):
    async with world(CACHE, fault=fault) as by_hand:
        seen = await verified(by_hand)
        hand = await by_hand.left()
    async with world(CACHE, fault=fault) as it:
        run = await it.run()
        ours = await it.left()
    assert seen == (True, True, not fault)
    assert tuple(run.ends[step] == "passed" for step in ("second", "moved", "unmoved")) == seen
    assert run.status == ("failed" if fault else "resolved"), str(run)
    assert differences(hand, ours) == {}
