"""`runbook doctor` of a healthy sandbox finds nothing to mend in what its doubles answer."""

from __future__ import annotations

import pytest

from engine.config import Books
from engine.journal.open import open_store
from engine.sandbox import Sandbox
from engine.wiring import Engine
from tests.runbooks.conftest import ROOT

BOOKS = Books([ROOT / "runbooks"])
DOUBLED = ("http", "prometheus", "pagerduty", "slack", "twilio", "mail", "statuspage", "sendgrid")
"""Adapters whose other side is a double in the sandbox, and no program of its own."""


@pytest.mark.parametrize("pack", BOOKS.packs())
async def test_every_double_of_a_sandbox_answers_what_doctor_asks(pack, registry, tmp_path):
    place = BOOKS.environment(pack, "sandbox", registry)
    doubled = {n for n, one in place.connections.items() if one.adapter in DOUBLED}
    store = open_store(f"sqlite:///{tmp_path}/journal.db")
    async with Sandbox(place, "", tuple(doubled), with_fault=False) as sandbox:
        engine = Engine(books=BOOKS, registry=registry, store=store)
        pings = await engine.doctor(pack, "sandbox", sandbox.services)
    await store.close()
    assert doubled
    bad = [ping for ping in pings if ping.connection in doubled and not ping.ok]
    assert {ping.connection: ping.message for ping in bad} == {}
