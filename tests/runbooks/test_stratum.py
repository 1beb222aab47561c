"""What is special of Stratum: what its document's own commands would do wrong."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import psycopg
import pytest
import redis.asyncio

from engine.wiring import Faces

PACK = "stratum"


@pytest.fixture
def stand(stand_of):
    """`async with stand("scale-api") as (it, sandbox)`: with people who answer and approve."""
    return stand_of(PACK)


async def aws(sandbox, *words):
    """What the real `aws` answers."""
    told = sandbox.services
    child = await asyncio.create_subprocess_exec(
        f"{told['cloud.bin']}/aws",
        *("--endpoint-url", told["cloud.url"], "--output", "json", *words),
        env={
            "PATH": os.environ["PATH"],
            "AWS_DEFAULT_REGION": told["cloud.region"],
            "AWS_ACCESS_KEY_ID": told["cloud.access_key"],
            "AWS_SECRET_ACCESS_KEY": told["cloud.secret_key"],
        },
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await child.communicate()
    assert child.returncode == 0
    return json.loads(said) if said.strip() else None


async def secret(sandbox, name):
    words = ("secretsmanager", "get-secret-value", "--secret-id", f"stratum/production/{name}")
    return (await aws(sandbox, *words))["SecretString"]


async def trail(it):
    """All that was recorded of all runs, as one text."""
    events = [await it.engine.store.events(run.run) for run in await it.engine.store.runs()]
    return json.dumps([event.body for of_run in events for event in of_run], default=str)


def files(sandbox, host, pattern):
    """The names of the files of a host's home that fit."""
    return {file.name for file in Path(sandbox.services[f"{host}.home"]).glob(pattern)}


def text(sandbox, host, name):
    return Path(sandbox.services[f"{host}.home"], name).read_text(encoding="utf-8")


def write(sandbox, host, name, written):
    Path(sandbox.services[f"{host}.home"], name).write_text(written, encoding="utf-8")


async def column(sandbox, name):
    async with await psycopg.AsyncConnection.connect(sandbox.services["database.url"]) as c:
        found = await c.execute(
            "SELECT 1 FROM information_schema.columns"
            " WHERE table_name = 'tenants' AND column_name = %s",
            (name,),
        )
        return await found.fetchone() is not None


def remove(sandbox, host, name):
    Path(sandbox.services[f"{host}.home"], name).unlink()


async def test_new_secrets_stand_in_no_record_and_end_sessions_but_nothing_else(stand):
    async with (
        stand("rotate-secrets") as (it, sandbox),
        redis.asyncio.Redis.from_url(sandbox.services["cache.url"]) as client,
    ):
        before = {key.split(b":")[0] async for key in client.scan_iter()}
        seen = await it.run(sandbox.inputs)
        after = {key.split(b":")[0] async for key in client.scan_iter()}
        new = [await secret(sandbox, name) for name in ("jwt-secret", "encryption-key")]
        written = await trail(it)
        noted = text(sandbox, "loghost", "secret-rotations.log")
        await undo(it)
        words = ("describe-secret", "--secret-id", "stratum/production/jwt-secret")
        stages = (await aws(sandbox, "secretsmanager", *words))["VersionIdsToStages"]
    assert seen.status == "resolved"
    assert list(stages.values()) == [["AWSCURRENT"], ["AWSPREVIOUS"]]
    assert len({*new, "not-a-secret"}) == 3
    assert all(len(value) == 44 for value in new)
    assert [value for value in new if value in written] == []
    assert noted.count("\n") == 1
    assert noted.startswith("Secrets rotated at 20")
    assert before - after == {b"session"}


async def test_logs_are_deleted_only_after_the_archive_has_them(stand):
    async with stand("log-rotation-and-cleanup") as (it, sandbox):
        seen = await it.run({})
        left = files(sandbox, "loghost", "stratum/*.log*")
        kept = await aws(sandbox, "s3api", "list-objects-v2", "--bucket", "stratum-logs")
    assert seen.status == "resolved"
    assert left == {"api.log", "api-9.log.gz", "workers-12.log.gz"}
    assert {one["Key"].rpartition("/")[2] for one in kept["Contents"]} == {
        *left,
        "api-35.log.gz",
        "workers-41.log.gz",
    }


async def test_no_log_is_deleted_where_there_is_no_archive(stand):
    async with stand("log-rotation-and-cleanup") as (it, sandbox):
        await aws(sandbox, "s3api", "delete-bucket", "--bucket", "stratum-logs")
        seen = await it.run({})
        left = files(sandbox, "loghost", "stratum/*.log.gz")
    assert seen.status == "failed"
    assert left >= {"api-35.log.gz", "workers-41.log.gz"}


async def test_a_migration_has_a_snapshot_of_before_it(stand):
    async with stand("database-migration") as (it, sandbox):
        assert not await column(sandbox, "archived_at")
        seen = await it.run({})
        assert await column(sandbox, "archived_at")
        found = await aws(sandbox, "rds", "describe-db-snapshots")
    names = {one["DBSnapshotIdentifier"] for one in found["DBSnapshots"]}
    assert (seen.status, len(seen.asked)) == ("resolved", 2)
    assert len([name for name in names if name.startswith("pre-migration-20")]) == 1


async def test_a_migration_that_the_api_cannot_work_with_is_taken_back(stand):
    async with stand("database-migration") as (it, sandbox):
        sandbox.behaviours["api"].state["ill_with_schema"] = "0042"
        seen = await it.run({"watch": "1s"})
        assert not await column(sandbox, "archived_at")
    assert (seen.status, seen.ends["migrate/healthy"]) == ("unresolved", "failed")
    assert "the database has 0041 again" in seen.because


async def test_a_restored_database_takes_the_place_of_the_broken_one(stand):
    async with stand("database-restore", fault=False) as (it, sandbox):
        seen = await it.run({"anyway": True, "snapshot": "before-the-release"})
        found = await aws(sandbox, "rds", "describe-db-instances")
    names = sorted(one["DBInstanceIdentifier"] for one in found["DBInstances"])
    assert seen.status == "resolved"
    assert names[0] == "stratum-prod"
    assert names[1].startswith("stratum-prod-until-20")
    assert len(names) == 2


async def test_an_env_that_is_there_is_not_overwritten_by_its_example(stand):
    async with stand("compose-deploy") as (it, sandbox):
        write(sandbox, "devbox", "stratum/.env", "SECRET_KEY=mine\n")
        seen = await it.run({})
        assert text(sandbox, "devbox", "stratum/.env") == "SECRET_KEY=mine\n"
    assert seen.status == "resolved"
    assert "example" not in dict(seen.began)


async def test_settings_nobody_has_made_are_named_without_what_stands_behind_them(stand):
    async with stand("compose-deploy") as (it, sandbox):
        made = "SECRET_KEY=changeme\nTOKEN=\nWEB=<your-domain>\nOTHER=pass-1234\n"
        write(sandbox, "devbox", "stratum/.env", made)
        seen = await it.run({})
        written = await trail(it)
    assert seen.status == "failed"  # nobody made them
    assert "SECRET_KEY, WEB" in written
    assert "pass-1234" not in written


async def test_a_compose_rollback_takes_the_migration_back_with_the_version_that_knows_it(stand):
    async with stand("compose-rollback") as (it, sandbox):
        seen = await it.run({})
        state = [text(sandbox, "devbox", name).strip() for name in ("running", "schema")]
    assert state == ["v1.5.0", "0041"]
    assert "the database went from 0042 to 0041" in seen.because


async def test_the_checklist_names_every_setting_that_is_wrong_and_shows_no_secret(stand):
    async with stand("pre-deploy-checklist") as (it, _sandbox):
        seen = await it.run({})
        written = await trail(it)
    assert seen.status == "unresolved"
    for wrong in (
        "JWT_SECRET_KEY: has 6 characters, not 32 or more",
        "PII_ENCRYPTION_KEY: is the same as SECRET_KEY",
        'CORS_ORIGINS: is "*", not https://app.stratum.ai',
        "EMBED_SIGNING_KEY: is not set, and embed widgets are enabled",
        "SENTRY_DSN: is not set",
    ):
        assert wrong in seen.because
    assert "WHATSAPP" not in seen.because
    assert "of-the-sandbox-0001" not in written


async def test_settings_that_cannot_be_read_are_no_ticked_box(stand):
    async with stand("pre-deploy-checklist", fault=False) as (it, sandbox):
        remove(sandbox, "settings", ".env")
        seen = await it.run({})
    assert seen.status == "unresolved"
    assert seen.because == "do not deploy - the settings, which could not be read"


async def test_the_measures_against_a_rate_limit_can_be_taken_back(stand):
    async with (
        stand("integration-rate-limited") as (it, sandbox),
        redis.asyncio.Redis.from_url(sandbox.services["cache.url"]) as client,
    ):
        seen = await it.run({})
        assert "acme 6 globex 3" in seen.because
        found = sandbox.states()["cluster"]["deployments"]
        assert found["stratum-api"]["env"]["META_RATE_LIMIT_BUFFER"] == "0.2"
        assert found["stratum-workers"]["env"]["CAPI_BATCH_SIZE"] == "1000"
        assert 3500 < await client.ttl("pause:low_priority_sync") <= 3600
        await undo(it)
        found = sandbox.states()["cluster"]["deployments"]
        assert found["stratum-api"]["env"] == {"DATABASE_POOL_SIZE": "40"}
        assert found["stratum-workers"]["env"] == {}
        assert await client.exists("pause:low_priority_sync") == 0


async def test_a_scaled_api_is_kept_by_its_autoscaler_and_can_be_brought_back(stand):
    async with stand("scale-api") as (it, sandbox):
        await it.run({})
        assert limits(sandbox) == (10, 20, 10)
        await undo(it)
        assert limits(sandbox) == (3, 3, 3)


async def test_larger_nodes_of_redis_can_be_given_back(stand):
    async with stand("scale-redis") as (it, sandbox):
        await it.run({})
        assert await node_type(sandbox) == "cache.r6g.xlarge"
        await undo(it)
        assert await node_type(sandbox) == "cache.r6g.large"


async def node_type(sandbox):
    found = await aws(sandbox, "elasticache", "describe-replication-groups")
    (group,) = found["ReplicationGroups"]
    return group["CacheNodeType"]


def limits(sandbox):
    """The fewest and the most pods of the autoscaler, and those of the API now."""
    spec = sandbox.clusters["cluster"].state()[
        "horizontalpodautoscalers.autoscaling/production/stratum-api"
    ]["spec"]
    replicas = sandbox.states()["cluster"]["deployments"]["stratum-api"]["replicas"]
    return spec["minReplicas"], spec["maxReplicas"], replicas


async def undo(it):
    """As `runbook undo` of the run that was, with people who approve it."""
    (run,) = await it.engine.store.runs()

    async def approve(question):
        await it._approve(run.run, question.path)

    undone = await it.engine.undo(
        run.run,
        "It was tried",
        actor=it.starter,
        services=it.sandbox.services,
        faces=Faces(ask=approve, console=lambda _text: None),
    )
    assert undone.status == "undone", undone.because
