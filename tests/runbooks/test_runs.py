"""Every runbook finds its fault, repairs it, verifies the repair and leaves a trail."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
import redis.asyncio

NAMES = [
    "adinsights/health-checks",
    "stratum/celery-queue-backlog",
    "stratum/database-connection-exhaustion",
    "stratum/database-maintenance",
    "stratum/high-error-rate",
    "stratum/redis-memory-pressure",
    "stratum/rollback",
    "terminal-strategist/database-cleanup",
    "trading-ops/alert-delivery-retry",
]
"""Those that repair by themselves what they find, with nobody asked; `test_all` has every one."""
REPAIRING = [name for name in NAMES if name != "adinsights/health-checks"]


async def rows(show, sql, service="database", who="url"):
    async with await psycopg.AsyncConnection.connect(show.services[f"{service}.{who}"]) as c:
        return await (await c.execute(sql)).fetchall()


async def value(show, sql):
    ((found,),) = await rows(show, sql)
    return found


@pytest.mark.parametrize("name", REPAIRING)
async def test_a_faulted_runbook_ends_resolved_and_its_trail_is_whole(show, name):
    async with show(name) as stage:
        result = await stage.run()
        assert (result.status, result.exit_code) == ("resolved", 0), result.because
        assert result.because
        assert stage.asked == []
        verified = await stage.engine.store.verify(result.run)
        events = await stage.engine.store.events(result.run)
    assert verified.events == len(events) == events[-1].seq
    assert events[0].type == "RunStarted"
    behind = [e.type for e in events[[e.type for e in events].index("RunFinished") + 1 :]]
    assert set(behind) <= {"TellStarted", "Told", "EscalationClosed"}  # who was called hears of it
    assert any(e.type == "StepStarted" and e.body["kind"] == "action" for e in events)


@pytest.mark.parametrize("name", NAMES)
async def test_without_its_fault_a_runbook_ends_resolved_and_changes_nothing(show, name):
    async with show(name, fault=False) as stage:
        inputs = {"notice": "0s"} if name == "stratum/database-maintenance" else {}
        result = await stage.run(**inputs)
        events = await stage.engine.store.events(result.run)
    assert (result.status, result.exit_code) == ("resolved", 0), result.because
    acted = [e for e in events if e.type == "StepStarted" and e.body["kind"] == "action"]
    assert acted == [] or name == "stratum/database-maintenance"


async def test_redis_memory_pressure_drops_the_cache_and_nothing_else(show):
    async with (
        show("stratum/redis-memory-pressure") as stage,
        redis.asyncio.Redis.from_url(stage.services["cache.url"]) as client,
    ):
        memory = await client.info("memory")
        before = await client.dbsize()
        assert memory["used_memory"] / memory["maxmemory"] > 0.85
        result = await stage.run()
        memory = await client.info("memory")
        kept = {key.split(b":")[0] async for key in client.scan_iter()}
        assert memory["used_memory"] / memory["maxmemory"] < 0.8
        assert (before - await client.dbsize(), kept) == (
            result.outputs["deleted"],
            {b"session", b"rate_limit", b"batch"},
        )


async def test_redis_memory_pressure_asks_a_person_when_the_cache_was_not_the_reason(show):
    async with (
        show("stratum/redis-memory-pressure") as stage,
        redis.asyncio.Redis.from_url(stage.services["cache.url"]) as client,
    ):

        async def scale():
            await client.config_set("maxmemory", "128mb")
            return "done"

        result = await stage.run(namespace="cache:reports:*", answer=scale)
    assert result.because == "Dropping the cache was not enough; a person made room"
    assert (result.status, len(stage.asked)) == ("resolved", 1)
    assert stage.asked[0].startswith("0 keys are gone and Redis is still over the limit.")


async def test_redis_memory_pressure_says_when_there_is_no_limit_to_be_near(show):
    async with (
        show("stratum/redis-memory-pressure") as stage,
        redis.asyncio.Redis.from_url(stage.services["cache.url"]) as client,
    ):
        await client.config_set("maxmemory", 0)
        result = await stage.run()
    assert (result.status, result.exit_code) == ("unresolved", 1)
    assert "no maxmemory" in result.because


SESSIONS = """
    SELECT application_name, state, count(*)::int FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
       AND application_name <> 'runbook'
     GROUP BY 1, 2 ORDER BY 1, 2
"""


async def test_connection_exhaustion_ends_leaked_sessions_and_no_others(show):
    async with show("stratum/database-connection-exhaustion") as stage:
        before = await rows(stage, SESSIONS, who="admin_url")
        result = await stage.run()
        after = await rows(stage, SESSIONS, who="admin_url")
    kept = [
        ("nightly-report", "active", 1),
        ("nightly-report", "idle", 1),
        ("stratum-workers", "active", 2),
        ("stratum-workers", "idle in transaction", 1),
    ]
    assert before == [*kept[:2], ("stratum-api", "idle", 21), *kept[2:]]
    assert after == kept
    assert result.outputs == {"terminated": 21}


async def test_connection_exhaustion_takes_load_off_when_no_session_is_leaked(show):
    async with show("stratum/database-connection-exhaustion") as stage:
        result = await stage.run(idle_for="1h")
        cluster = stage.sandbox.states()["cluster"]["deployments"]
    assert result.status == "failed"  # the sessions of this sandbox do not go away by that
    assert cluster["stratum-workers"]["replicas"] == 4
    assert cluster["stratum-api"]["env"]["DATABASE_POOL_SIZE"] == "20"


async def test_maintenance_leaves_no_dead_rows_and_says_so_in_the_chat(show):
    async with show("stratum/database-maintenance") as stage:
        dead = "SELECT coalesce(sum(n_dead_tup), 0)::int FROM pg_stat_user_tables"
        async with asyncio.timeout(60):  # a session tells what it counted once it is gone
            while await value(stage, dead) != 24000:
                continue
        old = await value(stage, "SELECT pg_relation_filenode('cdp_events_tenant')")
        result = await stage.run()
        assert await value(stage, dead) == 0
        assert await value(stage, "SELECT pg_relation_filenode('cdp_events_tenant')") != old
        said = stage.sandbox.behaviours["chat"].state["said"]
    assert result.status == "resolved"
    assert said == [
        "Database maintenance starting in 500ms",
        "Database maintenance completed",
    ]


async def test_maintenance_that_cannot_go_on_tells_the_chat_and_fails(show):
    async with show("stratum/database-maintenance") as stage:
        result = await stage.run(churning=["cdp_events", "no_such_table"])
        said = stage.sandbox.behaviours["chat"].state["said"]
    assert result.status == "failed"
    assert "no_such_table" in result.because
    assert said[-1] == "Database maintenance did not complete; the on-call engineer is told"


async def test_terminal_unavailable_goes_into_manual_mode_and_back(show):
    async with show("terminal-strategist/terminal-api-unavailable") as stage:
        result = await stage.run()
        strategist = stage.sandbox.behaviours["strategist"]
        posted = [
            (r.path.rsplit("/", 1)[-1], r.body) for r in strategist.requests if r.method == "POST"
        ]
    assert result.status == "resolved"
    assert posted == [
        ("feature-flags", b'{"terminal_integration":false}'),
        (
            "execute-recommendations",
            b'{"recommendations":[],"dryRun":true,"preValidate":true}',
        ),
        ("feature-flags", b'{"terminal_integration":true}'),
    ]
    assert strategist.state["flags"] == {"terminal_integration": True}


async def test_terminal_unavailable_leaves_manual_mode_to_a_person_who_wants_that(show):
    async with show("terminal-strategist/terminal-api-unavailable") as stage:
        result = await stage.run(reenable=False)
        state = stage.sandbox.behaviours["strategist"].state
    assert (result.status, state["flags"]) == ("resolved", {"terminal_integration": False})


async def test_a_terminal_that_stays_away_leaves_strategist_in_manual_mode(show, changed_books):
    books = changed_books(
        "terminal-strategist/environments/sandbox.yaml", "recovers_after: 2", "recovers_after: 1000"
    )
    async with show("terminal-strategist/terminal-api-unavailable", of=books) as stage:
        result = await stage.run()
        state = stage.sandbox.behaviours["strategist"].state
    assert result.status == "failed"
    assert state["flags"] == {"terminal_integration": False}
    assert "Check the Terminal service" in stage.asked[0]


async def test_a_terminal_that_does_not_even_answer_is_unavailable_too(show, changed_books):
    books = changed_books(
        "terminal-strategist/environments/sandbox.yaml",
        "        status: 503\n        json: {status: unavailable, reason: workers are overloaded}",
        "        fail: reset",
    )
    async with show("terminal-strategist/terminal-api-unavailable", of=books) as stage:
        result = await stage.run()
        steps = await stage.steps(result)
    assert result.status == "resolved"
    assert steps["health"] == "errored"
    assert "authenticated" not in steps


async def test_a_token_that_terminal_refuses_is_renewed_by_a_person(show, changed_books):
    books = changed_books(
        "terminal-strategist/environments/sandbox.yaml",
        "Bearer ${service:terminal.token}",
        "Bearer an-old-one",
    )
    name = "terminal-strategist/terminal-api-unavailable"
    async with show(name, fault=False, of=books) as stage:

        async def renew():
            stage.sandbox.behaviours["terminal"].tells = {"token": "an-old-one"}
            return "done"

        result = await stage.run(answer=renew)
    assert (result.status, len(stage.asked)) == ("resolved", 1)
    assert stage.asked[0].startswith("Terminal refuses our token.")


COUNTS = """
    SELECT (SELECT count(*) FROM terminal_jobs WHERE created_at < now() - interval '90 days')::int,
           (SELECT count(*) FROM decisions WHERE date < current_date - 90)::int,
           (SELECT count(*) FROM decisions_archive)::int,
           (SELECT count(*) FROM
             (SELECT id FROM decisions UNION SELECT id FROM decisions_archive) AS known)::int
"""


async def test_cleanup_archives_every_decision_it_deletes(show):
    async with show("terminal-strategist/database-cleanup") as stage:
        ((jobs, decisions, archived, _),) = await rows(stage, COUNTS)
        assert archived == 0
        assert min(jobs, decisions) > 0
        result = await stage.run()
        assert await rows(stage, COUNTS) == [(0, 0, decisions, 3000)]
    assert result.outputs == {"jobs_deleted": jobs, "decisions_archived": decisions}


async def test_cleanup_deletes_nothing_when_the_archive_would_not_hold_it(show):
    async with show("terminal-strategist/database-cleanup") as stage:
        before = await rows(stage, COUNTS)
        async with await psycopg.AsyncConnection.connect(stage.services["database.url"]) as c:
            await c.execute("ALTER TABLE decisions_archive ADD COLUMN why text")
        result = await stage.run()
        assert await rows(stage, COUNTS) == before
    assert (result.status, result.exit_code) == ("failed", 1)


async def test_cleanup_is_rolled_back_when_a_row_would_be_lost(show):
    async with show("terminal-strategist/database-cleanup") as stage:
        ((_, decisions, _, _),) = await rows(stage, COUNTS)
        async with await psycopg.AsyncConnection.connect(stage.services["database.url"]) as c:
            await c.execute(
                "CREATE RULE lose AS ON INSERT TO decisions_archive"
                " WHERE NEW.id % 2 = 0 DO INSTEAD NOTHING"
            )
        result = await stage.run()
        ((_, left, archived, _),) = await rows(stage, COUNTS)
    assert (result.status, left, archived) == ("failed", decisions, 0)
    assert "equally many rows" in result.because


async def test_alert_delivery_retry_delivers_what_was_given_up(show):
    async with show("trading-ops/alert-delivery-retry") as stage:
        poison = "SELECT count(*)::int FROM alert_deliveries WHERE status = 'poison'"
        assert await value(stage, poison) == 12
        result = await stage.run()
        assert await value(stage, poison) == 0
        delivered = "SELECT count(*)::int FROM alert_deliveries WHERE status = 'delivered'"
        assert await value(stage, delivered) == 212
    assert result.outputs == {"retried": list(range(1001, 1013))}


async def test_alert_delivery_retry_retries_only_what_it_is_asked_to(show):
    async with show("trading-ops/alert-delivery-retry") as stage:
        result = await stage.run(only=[1003])
        left = await rows(
            stage, "SELECT id FROM alert_deliveries WHERE status = 'poison' ORDER BY 1"
        )
    assert result.outputs == {"retried": [1003]}
    assert left == [(n,) for n in range(1001, 1013) if n != 1003]


async def test_alert_delivery_retry_has_a_wrong_recipient_corrected_first(show):
    async with show("trading-ops/alert-delivery-retry") as stage:
        url = stage.services["database.url"]
        async with await psycopg.AsyncConnection.connect(url) as c:
            await c.execute(
                "UPDATE alert_deliveries"
                "   SET recipient = 'nobody', error_message = 'Invalid recipient'"
                " WHERE id = 1005"
            )

        async def correct():
            async with await psycopg.AsyncConnection.connect(url) as c:
                await c.execute(
                    "UPDATE alert_deliveries SET recipient = '#desk', status = 'pending'"
                    " WHERE id = 1005"
                )
            return "done"

        result = await stage.run(answer=correct)
    assert result.status == "resolved"
    assert 1005 not in result.outputs["retried"]
    assert "- 1005: slack to nobody: Invalid recipient" in stage.asked[0]


async def test_alert_delivery_retry_stops_before_a_flood(show):
    async with show("trading-ops/alert-delivery-retry") as stage:
        result = await stage.run(retry_max=11)
    assert (result.status, result.exit_code) == ("unresolved", 1)
    assert result.because.startswith("12 deliveries were given up.")


async def test_health_checks_ask_everybody_and_name_who_is_not_well(show):
    async with show("adinsights/health-checks") as stage:
        result = await stage.run()
        steps = await stage.steps(result)
    sick = {path.rpartition("/")[2] for path, status in steps.items() if status == "failed"}
    assert (result.status, result.exit_code) == ("unresolved", 1)
    assert sick == {"airbyte", "superset"}
    assert "Airbyte" in result.because
    assert "Superset" in result.because
    assert len(steps) == 15


@pytest.mark.parametrize(
    ("state", "sick"),
    [
        ("airbyte_age_s: 3500", []),
        ("airbyte_age_s: 3700", ["Airbyte"]),
        ("airbyte_status: no_recent_sync", ["Airbyte"]),
        ("dbt_age_s: 86000", []),
        ("dbt_age_s: 87000", ["dbt"]),
    ],
)
async def test_freshness_is_measured_by_the_rules_of_the_document(show, changed_books, state, sick):
    books = changed_books(
        "adinsights/environments/sandbox.yaml",
        "api: {state: {airbyte_age_s: 10800}}\n      superset: {state: {down: true}}",
        f"api: {{state: {{{state}}}}}",
    )
    async with show("adinsights/health-checks", of=books) as stage:
        result = await stage.run()
    assert result.status == ("unresolved" if sick else "resolved")
    assert all(name in result.because for name in sick)
