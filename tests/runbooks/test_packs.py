"""Every runbook of ours is right, and so is everything around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import Books
from engine.language.model import Escalate, walk_runbook
from engine.sandbox import connections_of, fault_of

BOOKS = Books([Path(__file__).resolve().parents[2] / "runbooks"])
NAMES = BOOKS.names()


def test_the_documents_have_the_runbooks_we_say_they_have():
    assert set(NAMES) >= {
        "adinsights/health-checks",
        "stratum/database-connection-exhaustion",
        "stratum/database-maintenance",
        "stratum/redis-memory-pressure",
        "terminal-strategist/database-cleanup",
        "terminal-strategist/terminal-api-unavailable",
        "trading-ops/alert-delivery-retry",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_is_read_without_a_diagnostic(name, registry):
    runbook = BOOKS.load(name, registry)
    assert runbook.title
    assert runbook.description


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_says_what_of_its_own_document_it_covers(name, registry):
    covers = BOOKS.load(name, registry).covers
    assert covers
    assert {covered.partition("/")[0] for covered in covers} == {name.partition("/")[0]}


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_of_a_pack_has_the_connections_of_its_runbooks(name, registry):
    pack = name.partition("/")[0]
    wanted = connections_of(BOOKS.load(name, registry))
    assert {"sandbox", "staging", "production"} <= set(BOOKS.environments(pack))
    for environment in BOOKS.environments(pack):
        read = BOOKS.environment(pack, environment, registry)
        assert wanted <= set(read.connections)
        assert read.warnings == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_has_a_fault_in_its_sandbox_that_is_explained_in_a_few_lines(name, registry):
    fault = fault_of(BOOKS.environment(name.partition("/")[0], "sandbox", registry), name)
    assert fault is not None
    assert 1 <= len(fault.summary.splitlines()) <= 5
    assert set(fault.inputs) <= set(BOOKS.load(name, registry).inputs)


@pytest.mark.parametrize("name", NAMES)
def test_the_roles_and_policies_of_a_runbook_are_among_the_contacts(name, registry):
    runbook = BOOKS.load(name, registry)
    contacts = BOOKS.contacts(name.partition("/")[0])
    policies = {e.policy for e in walk_runbook(runbook) if isinstance(e, Escalate)}
    assert set(runbook.who) <= set(contacts.roles)
    assert policies <= set(contacts.policies)
    assert all(contacts.in_role(role) for role in runbook.who)


@pytest.mark.parametrize("pack", BOOKS.packs())
def test_the_faults_of_a_pack_are_of_runbooks_that_are_there(pack, registry):
    faults = BOOKS.environment(pack, "sandbox", registry).faults
    assert {f"{pack}/{name}" for name in faults} <= set(NAMES)


@pytest.mark.parametrize("pack", BOOKS.packs())
@pytest.mark.parametrize("environment", ["production", "staging", "sandbox"])
def test_every_channel_of_a_pack_leads_somewhere_in_each_environment(pack, environment, registry):
    named = {channel.connection for channel in BOOKS.contacts(pack).channels.values()}
    there = BOOKS.environment(pack, environment, registry).connections
    assert named - {None} <= set(there)


@pytest.mark.parametrize("pack", BOOKS.packs())
def test_staging_wakes_nobody_and_a_sandbox_leads_nowhere_else(pack, registry):
    named = {channel.connection for channel in BOOKS.contacts(pack).channels.values()}
    staging = BOOKS.environment(pack, "staging", registry).connections
    assert {staging[name].adapter for name in named} == {"slack_webhook"}
    sandbox = BOOKS.environment(pack, "sandbox", registry).connections
    assert all("${service:inbox." in repr(sandbox[name].settings) for name in named)
