"""What is special of adinsights: secrets that nobody sees, mails that nobody gets."""

from __future__ import annotations

import json

import psycopg
import pytest

from engine.core.events import Actor
from engine.sandbox import Sandbox, connections_of
from tests.runbooks.every import BOOKS, Stage


@pytest.fixture
def stand(registry, tmp_path):
    """A runbook of the pack before its sandbox: `async with stand(name) as it`."""

    class Up:
        def __init__(self, name, *, fault=True):
            place = BOOKS.environment("adinsights", "sandbox", registry)
            name = f"adinsights/{name}"
            uses = connections_of(BOOKS.load(name, registry))
            self.sandbox = Sandbox(place, name, uses, with_fault=fault)
            self.stage = Stage(registry, name, tmp_path)

        async def __aenter__(self):
            await self.sandbox.__aenter__()
            self.standing = self.stage.stand(self.sandbox)
            return await self.standing.__aenter__()

        async def __aexit__(self, *error):
            await self.standing.__aexit__(*error)
            await self.sandbox.__aexit__(*error)

    return Up


async def journal_of(stand):
    """All that is recorded of the only run, as text."""
    (run,) = await stand.engine.store.runs()
    events = await stand.engine.store.events(run.run)
    return json.dumps([event.body for event in events])


async def test_a_rotated_secret_is_in_use_and_in_no_record(stand):
    async with stand("airbyte-webhook-rotation") as it:
        before = it.sandbox.hosts["box"].files()
        seen = await it.run(it.sandbox.inputs)
        files = it.sandbox.hosts["box"].files()
        record = await journal_of(it)
    assert seen.status == "resolved", str(seen)
    current = files["secrets/current"]
    assert len(current) == 64
    assert current == files["secrets/backend"] != before["secrets/backend"]
    assert files["secrets/previous"] == before["secrets/current"]
    assert current not in record
    assert before["secrets/current"].strip() not in record


async def test_a_new_secret_that_is_empty_is_not_stored(stand):
    async with stand("airbyte-webhook-rotation") as it:
        broken = it.sandbox.hosts["box"].bin / "openssl"
        broken.write_text("#!/bin/sh\nexit 1\n")
        broken.chmod(0o755)
        seen = await it.run(it.sandbox.inputs)
        files = it.sandbox.hosts["box"].files()
    assert seen.status == "failed"
    assert files["secrets/current"].strip() == files["secrets/backend"].strip()


async def test_the_throttles_are_tried_without_a_mail_to_anybody(stand):
    async with stand("throttles", fault=False) as it:
        seen = await it.run({"attempts": 5})
        mails = it.sandbox.behaviours["api"].state["mails"]
    assert seen.status == "resolved", str(seen)
    assert mails
    assert {mail.partition("@")[2] for mail in mails} == {"nobody.invalid"}


async def test_of_the_audit_log_exactly_what_was_exported_is_deleted(stand):
    async with stand("audit-retention") as it:
        async with await psycopg.AsyncConnection.connect(it.sandbox.services["database.url"]) as db:
            count = (
                "SELECT count(*), count(*) FILTER (WHERE created_at < now() - interval '1 year')"
            )
            query = f"{count} FROM accounts_auditlog"
            before = await (await db.execute(query)).fetchone()
        seen = await it.run(it.sandbox.inputs)
        async with await psycopg.AsyncConnection.connect(it.sandbox.services["database.url"]) as db:
            after = await (await db.execute(query)).fetchone()
    assert seen.status == "resolved", str(seen)
    assert (before, after) == ((420, 120), (300, 0))


async def test_only_the_tenants_that_are_stale_are_refreshed(stand):
    async with stand("snapshot-freshness") as it:
        seen = await it.run(it.sandbox.inputs)
        files = it.sandbox.hosts["box"].files()
    assert seen.status == "resolved", str(seen)
    refreshed = {name for name in files if name.startswith("state/snapshot-")}
    assert refreshed == {"state/snapshot-globex", "state/snapshot-hooli"}


async def test_a_deployment_pushes_its_tag_and_starts_the_workflow_once(stand):
    async with stand("deploy") as it:
        seen = await it.run(it.sandbox.inputs)
        github = it.sandbox.behaviours["github"]
        home = it.sandbox.hosts["checkout"].home
        tags = (home.with_name("home.git") / "refs" / "tags").iterdir()
        pushed = {tag.name for tag in tags}
    assert seen.status == "resolved", str(seen)
    assert "v1.5.0" in pushed
    assert github.state["asked"] == 1


async def test_whoever_starts_a_rotation_of_keys_does_not_approve_it_and_somebody_else_can(stand):
    async with stand("rotate-deks") as it:
        it.starter = Actor("platform-eng", "os-user")
        seen = await it.run(it.sandbox.inputs)
        (row,) = await it.engine.store.runs(limit=2)
        events = await it.engine.store.events(row.run)
    assert seen.status == "resolved", str(seen)
    assert {e.actor["name"] for e in events if e.type == "Approved"} == {"data-eng"}
