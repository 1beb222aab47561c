"""Of the ten that were drawn: P3 "Flatten" and P14, the checklist after a reset of the breaker."""

from __future__ import annotations

import json

from tests.runbooks.by_hand.world import WHATEVER, differences, explained

FLATTEN = "trading-ops/kill-switch"
VERIFY = "trading-ops/post-reset-verification"


# P3, line 10: "Flatten: `make kill-switch`". A strategy runs away.


async def test_by_hand_nothing_is_held_but_trading_goes_on_which_the_runbook_stops_first(world):
    async with world(FLATTEN, also=("database",)) as by_hand:
        host = by_hand.at("workstation")
        before = (await host("make --no-print-directory status")).lines
        told = await host("make kill-switch")
        assert told.out == "cancelled 12 orders, closed 8 positions\n"
        assert "Positions: 0" in (await host("make status")).out
        hand = await by_hand.left()
    async with world(FLATTEN, also=("database",)) as it:
        run = await it.run()
        ours = await it.left()
    assert run.status == "resolved", str(run)
    held = [line for line in before if not line.startswith((" ", "P&L"))]
    assert held == ["Positions: 8", "Open orders: 12"]
    assert it.found["desk"]["matches"] == [line.split(": ") for line in held]
    reason = "A strategy runs away, we want to hold nothing"
    assert (
        explained(
            differences(hand, ours),
            {
                # The document leaves the breaker OPEN: the next signal opens positions again.
                "redis circuit_breaker:state value": WHATEVER,
                "redis circuit_breaker:history value": WHATEVER,
                "console state breaker state": ("OPEN", "TRIPPED"),
                "console state breaker reason": (None, reason),
                "console state breaker at": (None, "<time>"),
                "console sent": WHATEVER,
                "database audit_log rows 153": WHATEVER,
                # Ours says so in the desk's channel.
                "chat state said": WHATEVER,
                "chat sent": WHATEVER,
            },
        )
        == {}
    )
    assert json.loads(hand["redis"]["circuit_breaker:state"]["value"])["state"] == "OPEN"
    assert json.loads(ours["redis"]["circuit_breaker:state"]["value"])["state"] == "TRIPPED"
    assert ours["database"]["audit_log"]["rows"]["153"][5] == {"reason": reason}
    assert [ours["workstation"]["files"][f"desk/{what}"] for what in ("positions", "orders")] == [
        "",
        "",
    ]
    assert len(ours["chat"]["state"]["said"]) == 2


# P14, lines 112-115. Somebody set the state to OPEN in Redis by hand.

PENDING = "SELECT id FROM orders WHERE status = 'pending' AND blocked_by IS NOT NULL ORDER BY id"
BREAKER = """SELECT action FROM audit_log WHERE resource_type = 'circuit_breaker'
 ORDER BY timestamp DESC LIMIT 1"""


async def looked_at(it):
    """The four points, each where it says: the dashboard, the orders, the audit log, Grafana."""
    operator = it.at(
        "",
        CONSOLE=it.services["console.url"],
        TOKEN=it.services["console.token"],
        GRAFANA=it.services["metrics.url"],
        DATABASE_URL=it.services["database.url"],
        PATH=f"{it.services['database.bin']}:/usr/bin:/bin",
    )
    page = await operator('curl -sH "Authorization: Bearer $TOKEN" $CONSOLE/api/v1/circuit-breaker')
    blocked = await operator(f'psql -Atc "{PENDING}" $DATABASE_URL')
    audited = await operator(f'psql -Atc "{BREAKER}" $DATABASE_URL')
    asked = "query=cb_staleness_seconds"
    staleness = await operator(f"curl -s $GRAFANA/api/v1/query?{asked}")
    (series,) = json.loads(staleness.out)["data"]["result"]
    return {
        "open": json.loads(page.out)["breaker"]["state"],
        "blocked": [int(line) for line in blocked.lines],
        "audited": audited.out.strip(),
        "staleness": float(series["value"][1]),
    }


def found_by(it):
    """The same four, as our runbook found them."""
    return {
        "open": it.found["shown"]["json"]["breaker"]["state"],
        "blocked": [row["id"] for row in it.found["blocked"]["rows"]],
        "audited": it.found["audited"]["rows"][0]["action"],
        "staleness": it.found["staleness"]["value"],
    }


async def test_the_checklist_finds_the_same_by_hand_and_by_the_runbook_and_changes_nothing(world):
    async with world(VERIFY) as by_hand:
        before = await by_hand.left()
        seen = await looked_at(by_hand)
        hand = await by_hand.left()
    async with world(VERIFY) as it:
        run = await it.run()
        ours = await it.left()
    assert seen == {
        "open": "OPEN",
        "blocked": [101, 102, 103, 104],
        "audited": "CIRCUIT_BREAKER_TRIP",
        "staleness": 0.4,
    }
    assert found_by(it) == seen
    assert run.status == "unresolved"
    assert "orders are still blocked; no reset in the audit log" in run.because
    assert (hand, differences(hand, ours)) == (before, {})
