"""What is special of Terminal-Strategist: what its document's own commands would do wrong."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
import redis.asyncio

from engine.core.events import Actor

PACK = "terminal-strategist"


@pytest.fixture
def stand(stand_of):
    """`async with stand("job-stuck-running") as (it, sandbox)`: with people who approve."""
    return stand_of(PACK)


def posted(sandbox, service, path):
    """The bodies that were sent to an address, in order."""
    return [
        json.loads(one.body)
        for one in sandbox.behaviours[service].requests
        if one.method != "GET" and one.path == path
    ]


async def test_cleaning_up_cooldowns_leaves_the_active_ones_which_the_documents_command_deletes(
    stand,
):
    async with (
        stand("cooldown-cleanup") as (it, sandbox),
        redis.asyncio.Redis.from_url(sandbox.services["state.url"]) as client,
    ):
        seen = await it.run({})
        left = {key.decode() for key in await client.keys("cooldown:*")}
        endless = [key for key in left if await client.ttl(key) == -1]
    assert seen.status == "resolved"
    assert left == {"cooldown:adset:123456", "cooldown:adset:2001", "cooldown:adset:33"}
    assert endless == []


async def test_what_was_executed_by_hand_is_in_cooldown_for_a_day(stand):
    async with (
        stand("manual-execution-mode") as (it, sandbox),
        redis.asyncio.Redis.from_url(sandbox.services["state.url"]) as client,
    ):
        assert (await it.run({})).status == "resolved"
        ttls = [await client.ttl(f"cooldown:adset:{n}") for n in (2004, 2005)]
    assert all(86_000 < ttl <= 86_400 for ttl in ttls)


async def test_manual_execution_is_refused_while_strategist_executes_by_itself(stand):
    async with stand("manual-execution-mode") as (it, sandbox):
        sandbox.behaviours["strategist"].state["flags"]["terminal_integration"] = True
        seen = await it.run({})
    assert (seen.status, seen.began, seen.asked) == ("unresolved", [], [])
    assert "do it twice" in seen.because


async def test_of_a_stuck_job_only_what_it_did_not_execute_is_sent_again(stand):
    async with stand("job-stuck-running") as (it, sandbox):
        seen = await it.run({})
        sent = posted(sandbox, "terminal", "/api/terminal/execute")
        state = sandbox.behaviours["terminal"].state
        files = sandbox.hosts["workers"].files()
    assert seen.status == "resolved"
    assert [one["id"] for body in sent for one in body["recommendations"]] == ["rec-7"]
    assert {job["id"]: job["status"] for job in state["jobs"]} == {
        "job-41": "completed",
        "job-55": "failed",
        "job-90": "completed",
    }
    assert files["run/worker"] == "running"


async def test_recommendations_are_sent_once_and_only_after_a_dry_run_and_a_yes(stand):
    async with stand("execute-recommendations") as (it, sandbox):
        seen = await it.run({})
        again = await it.run({})
        sent = posted(sandbox, "strategist", "/api/strategist/execute-recommendations")
    assert (seen.status, seen.asked) == ("resolved", ["send"])
    assert (again.status, again.began) == ("resolved", [])
    *dry, real = [body["dryRun"] for body in sent]
    assert real is False
    # the runbook's own, and what whoever is asked is shown of it
    assert dry in ([True], [True, True])


async def test_the_integration_can_be_disabled_by_the_environment_the_service_starts_with(stand):
    async with stand("disable-integration") as (it, sandbox):
        seen = await it.run({"by": "environment"})
        files = sandbox.hosts["machine"].files()
        flags = sandbox.behaviours["strategist"].state["flags"]
    assert seen.status == "resolved"
    assert "STRATEGIST_TERMINAL_ENABLED=false" in files["run/strategist.env"]
    assert flags == {"terminal_integration": True}, "the flag is another means"


async def test_a_setting_that_was_changed_is_put_back_by_an_undo(stand):
    async with stand("change-setting") as (it, sandbox):
        seen = await it.run({"setting": "TERMINAL_COOLDOWN_HOURS", "value": "12"})
        assert seen.status == "resolved"
        assert "HOURS=12" in sandbox.hosts["workers"].files()["run/terminal.env"]
        runs = [one async for one in runs_of(it)]
        await it.engine.undo(
            runs[-1],
            "The incident is over",
            actor=Actor("ana", "os-user"),
            services=sandbox.services,
        )
        files = sandbox.hosts["workers"].files()
    assert "TERMINAL_COOLDOWN_HOURS=72" in files["etc/terminal/terminal.env"]
    assert files["run/terminal.env"] == files["etc/terminal/terminal.env"]


async def test_a_cooldown_that_a_runbook_had_adjusted_is_put_back_by_an_undo_of_that(stand):
    async with stand("high-guard-rejection") as (it, sandbox):
        assert (await it.run({})).status == "resolved"
        assert "COOLDOWN_HOURS=24" in sandbox.hosts["workers"].files()["run/terminal.env"]
        (run,) = [one async for one in runs_of(it)]
        await it.engine.undo(
            run, "It was meant", actor=Actor("ana", "os-user"), services=sandbox.services
        )
        assert "COOLDOWN_HOURS=72" in sandbox.hosts["workers"].files()["run/terminal.env"]


async def runs_of(it):
    for one in await it.engine.store.runs():
        yield one.run


async def test_checking_the_configuration_reads_no_secret(stand):
    async with stand("check-configuration") as (it, sandbox):
        assert (await it.run({})).status == "resolved"
        secrets = ("sandbox-terminal-token", "sandbox-meta-token")
        assert all(
            s in "".join(sandbox.hosts[h].files().values())
            for s, h in zip(secrets, ("machine", "workers"), strict=True)
        )
        told = [
            json.dumps(event.body)
            for run in [one async for one in runs_of(it)]
            for event in await it.engine.store.events(run)
        ]
    assert not [text for text in told if any(secret in text for secret in secrets)]


@pytest.mark.parametrize(
    ("mitigation", "status", "on"),
    [("disable", "resolved", True), ("manual", "resolved", True), ("dry-run", "unresolved", False)],
)
async def test_an_incident_ends_with_executions_that_succeed_or_with_none(
    stand, mitigation, status, on
):
    """A dry run gives the workers no rest here: whoever says that it is mended is mistaken."""
    async with stand("incident-response") as (it, sandbox):
        seen = await it.run({"mitigation": mitigation, "watch": "1s"})
        machine = sandbox.hosts["machine"].files()
        flags = sandbox.behaviours["strategist"].state["flags"]
    assert (seen.status, flags) == (status, {"terminal_integration": on}), seen.because
    assert "STRATEGIST_EXEC_DRY_RUN=false" in machine["run/strategist.env"]


async def test_monday_cleans_up_by_ninety_days_and_loses_no_decision(stand):
    async with stand("weekly-maintenance-monday") as (it, sandbox):
        assert (await it.run({})).status == "resolved"
        async with await psycopg.AsyncConnection.connect(sandbox.services["database.url"]) as c:
            found = await c.execute(
                "SELECT (SELECT count(*) FROM decisions)"
                "     + (SELECT count(*) FROM decisions_archive),"
                "       (SELECT count(*) FROM terminal_jobs"
                "         WHERE created_at < now() - interval '90 days')"
            )
            assert await found.fetchall() == [(3000, 0)]


def test_every_runbook_of_the_document_says_what_of_it_it_is():
    folder = Path(__file__).resolve().parents[2] / "runbooks" / PACK
    books = [p for p in folder.glob("*.yaml") if not p.name.endswith(".test.yaml")]
    silent = [p.name for p in books if not p.read_text().startswith("#")]
    assert silent == []
