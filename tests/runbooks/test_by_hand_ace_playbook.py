"""Of the ten that were drawn: H1 "Manual Health Check" and DB3 "Migration Rollback".

A breaker that is OPEN is broken in ACE.
"""

from __future__ import annotations

import json

import pytest

from tests.runbooks.by_hand.world import differences, explained

HEALTH = "ace-playbook/health-check"
ROLLBACK = "ace-playbook/migration-rollback"


# H1, lines 450-472. The database's container is stopped, the breaker of the reflector is open.

READY = """docker exec ace-app python -c "
from ace.utils.faiss_index import get_faiss_manager
fm = get_faiss_manager()
print('FAISS ready:', fm is not None)
"
"""
EXPECTED = {
    "status": "healthy",
    "version": "v1.9.0",
    "database": "connected",
    "faiss": "ready",
    "circuit_breakers": {"generator": "closed", "reflector": "closed"},
}
"""As the document prints it, for comparison by eye."""


async def looked_at(it):
    host = it.at("containers", {"http://localhost:8000": it.services["app.url"]})
    health = await host("curl http://localhost:8000/health")
    database = await host("docker exec ace-db pg_isready -U ace")
    faiss = await host(READY)
    return json.loads(health.out), (database.code, database.err), faiss.out


@pytest.mark.parametrize("fault", [True, False])
async def test_health_is_found_the_same_by_hand_and_by_the_runbook_and_nothing_changes(
    world, fault
):
    async with world(HEALTH, fault=fault) as by_hand:
        before = await by_hand.left()
        health, database, faiss = await looked_at(by_hand)
        hand = await by_hand.left()
    async with world(HEALTH, fault=fault) as it:
        run = await it.run()
        ours = await it.left()
    ended = {step.rpartition("/")[2]: status for step, status in run.ends.items()}
    assert it.found["app"]["json"] == health
    assert (ended["app"], health == EXPECTED) == (("failed", False) if fault else ("passed", True))
    asked = it.found["database"]
    assert (
        database
        == (asked["exit_code"], asked["stderr"])
        == (
            (1, "Error response from daemon: container ace-db is not running\n")
            if fault
            else (0, "")
        )
    )
    assert (faiss, it.found["faiss"]["exit_code"]) == ("FAISS ready: True\n", 0)
    assert (run.status, ended["database"]) == (
        ("unresolved", "failed") if fault else ("resolved", "passed")
    )
    assert (hand, differences(hand, ours)) == (before, {})


# DB3, lines 651-663. Version v1.10.0 brought the migration c4a9d7, which nobody wants any more.


async def schema(host):
    """What the document's first two commands show: each step of the history, and where it is."""
    history = (await host("docker exec ace-app alembic history")).lines
    current = (await host("docker exec ace-app alembic current")).out.split()
    return [line.partition(",")[0] for line in history], current[0] if current else "base"


async def test_the_documents_commands_one_after_the_other_drop_everything(world):
    async with world(ROLLBACK) as by_hand:
        host = by_hand.at("containers")
        await host("docker exec ace-app alembic downgrade -1")
        await host("docker exec ace-app alembic downgrade 8c1b2e")
        await host("docker exec ace-app alembic downgrade base")
        assert (await schema(host))[1] == "base"


async def test_one_migration_back_is_two_for_who_types_it_twice_and_one_for_who_runs_it_twice(
    world,
):
    async with world(ROLLBACK) as by_hand:
        host = by_hand.at("containers")
        for _ in range(2):
            await host("docker exec ace-app alembic downgrade -1")
        assert (await schema(host))[1] == "3e07aa"
    async with world(ROLLBACK) as it:
        for _ in range(2):
            assert (await it.run()).status == "resolved"
        assert (await schema(it.at("containers")))[1] == "8c1b2e"


@pytest.mark.parametrize(
    ("typed", "to"), [("-1", "previous"), ("3e07aa", "3e07aa"), ("base", "base")]
)
async def test_each_of_the_documents_ways_back_leaves_what_the_runbooks_leaves(world, typed, to):
    async with world(ROLLBACK) as by_hand:
        host = by_hand.at("containers")
        history, current = await schema(host)
        await host(f"docker exec ace-app alembic downgrade {typed}")
        hand = await by_hand.left()
    async with world(ROLLBACK) as it:
        run = await it.run(to=to)
        ours = await it.left()
    assert run.status == "resolved", str(run)
    assert history[0] == "8c1b2e -> c4a9d7 (head)"
    found = ["{before} -> {revision}".format(**one) for one in it.found["history"]["matches"]]
    assert found == [line.removesuffix(" (head)") for line in history]
    assert it.found["current"]["matches"] == [current] == ["c4a9d7"]
    assert explained(differences(hand, ours), {}) == {}
    # Ours asks whether there is a backup, and somebody else agrees; `base` takes two.
    assert run.asked == ["backup", {"-1": "one", "base": "base"}.get(typed, "revision")]
