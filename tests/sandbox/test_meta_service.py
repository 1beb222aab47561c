"""The stand-in of Meta as a service of a sandbox, and whole runs against it."""

from __future__ import annotations

import textwrap

import pytest

from actions import meta as actions
from checks import meta as checks
from engine.adapters.meta import MetaAdapter
from engine.config import Books
from engine.core.events import Actor
from engine.errors import Diagnosed
from engine.journal.open import open_store
from engine.registry import Registry
from engine.sandbox import Sandbox
from engine.wiring import Engine
from tests.runs.conftest import Virtual

REGISTRY = Registry.of([checks, actions], [MetaAdapter])
ENVIRONMENT = """
    services:
      meta:
        kind: meta
        accounts:
          - {id: 100, name: Shoes, currency: USD}
        objects:
          - {id: 200, kind: campaign, account: "100", name: Autumn, daily_budget: 5000}
    connections:
      meta:
        adapter: meta
        base_url: "${service:meta.url}"
        version: "${service:meta.version}"
        access_token: "${service:meta.token}"
        app_id: "${service:meta.app_id}"
        app_secret: "${service:meta.app_secret}"
        account: "${service:meta.account}"
    faults:
      expired:
        summary: The token has expired.
        services: {meta: {token: {died: 463}}}
      shaky:
        summary: Meta fails twice.
        services:
          meta:
            faults: [{on: "GET /act_100", code: 2, status: 500, transient: true, times: 2}]
      limited:
        summary: The account has called too often.
        services: {meta: {rate_limit: {calls: 0, code: 80004, block: 30m, extends: 5m}}}
      lossy:
        summary: An answer gets lost.
        services: {meta: {faults: [{on: POST /200, lost: true, times: 1}]}}
"""
RETRY = "retry: {attempts: 5, delay: 1s, factor: 2, jitter: full}"


@pytest.fixture
def books(tmp_path):
    folder = tmp_path / "books" / "pack"
    (folder / "environments").mkdir(parents=True)
    (folder / "environments" / "sandbox.yaml").write_text(textwrap.dedent(ENVIRONMENT))
    return tmp_path / "books"


@pytest.fixture
def run(books):
    """Runs steps in the sandbox with a fault: how it ended, its steps, and what Meta was asked."""

    async def run(steps, fault="healthy"):
        (books / "pack" / f"{fault}.yaml").write_text(f"title: t\nsteps:\n{steps}")
        packs = Books([books])
        environment = packs.environment("pack", "sandbox", REGISTRY)
        store = open_store("memory:")
        engine = Engine(books=packs, registry=REGISTRY, store=store, clock=Virtual())
        try:
            async with Sandbox(environment, f"pack/{fault}", {"meta"}) as sandbox:
                result = await engine.run(
                    f"pack/{fault}",
                    environment="sandbox",
                    inputs={},
                    actor=Actor("alice", "os-user"),
                    services=sandbox.services,
                )
                events = await store.events(result.run)
                told = sandbox.services["meta.token"], sandbox.services["meta.app_secret"]
                return result, events, sandbox.behaviours["meta"], told
        finally:
            await store.close()

    return run


def finished(events):
    return [e.body for e in events if e.type == "StepFinished"]


async def test_a_healthy_connection_passes_every_check(run):
    steps = "\n".join(
        f"  - {{id: {name}, check: meta.{name}, target: meta}}"
        for name in ("token", "permissions", "account", "rate_limits", "insights")
    )
    result, events, meta, _ = await run(steps)
    assert (result.status, result.because) == ("resolved", None)
    assert {body["status"] for body in finished(events)} == {"passed"}
    assert meta.problems == []


async def test_an_expired_token_is_found_and_its_reason_is_in_the_journal(run):
    result, events, _, _ = await run("  - {id: t, check: meta.token, target: meta}", "expired")
    assert result.status == "failed"
    [body] = finished(events)
    assert "it expired" in body["outcome"]["result"]["problem"]


async def test_what_fails_for_a_moment_is_tried_again(run):
    steps = f"  - {{id: a, check: meta.account, target: meta, {RETRY}}}"
    result, events, meta, _ = await run(steps, "shaky")
    assert result.status == "resolved"
    assert len(meta.requests) == 3
    assert [e.type for e in events].count("StepStarted") == 3


async def test_while_meta_blocks_for_long_it_is_called_once_and_no_more(run):
    steps = f"  - {{id: a, action: meta.set_status, target: meta, {RETRY},"
    steps += " with: {id: '200', status: PAUSED}}"
    result, events, meta, _ = await run(steps, "limited")
    assert result.exit_code == 3
    [body] = finished(events)
    assert body["status"] == "errored"
    assert body["outcome"]["error"]["detail"]["blocked_for_s"] == 1800.0
    assert len(meta.requests) == 1


async def test_a_change_whose_answer_is_lost_is_read_back_and_not_done_twice(run):
    steps = "  - {id: a, action: meta.set_status, target: meta,"
    steps += f" with: {{id: '200', status: PAUSED}}, {RETRY}}}"
    result, _, meta, _ = await run(steps, "lossy")
    assert result.status == "resolved"
    assert sum(request.method == "POST" for request in meta.requests) == 1


async def test_the_secrets_are_in_no_event(run):
    steps = "  - {id: t, check: meta.token, target: meta}\n"
    steps += "  - {id: a, action: meta.set_status, target: meta,"
    steps += " with: {id: '200', status: PAUSED}}"
    _, events, _, secrets = await run(steps)
    for secret in secrets:
        assert secret not in repr(events)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("surprise: 1", "unknown key 'surprise'"),
        ("versions: []", "names no version"),
        ("accounts: [{name: x}]", "an account has an id of digits"),
        ("objects: [{id: 1, kind: video}]", "'video' is no kind of object"),
        ("objects: [{id: x, kind: ad}]", "an object has an id of digits"),
        ("token: {scope: [a]}", "unknown key 'scope'"),
        ("token: {expires_in: soon}", "soon"),
        ("faults: [{on: GET, code: 2}]", "'GET' is no method and path"),
        ("faults: [{on: GET /, fail: slowly}]", "'slowly' is no way to fail"),
        ("rate_limit: {calls: many}", "takes a whole number"),
        ("app: 7", "takes a mapping"),
    ],
)
async def test_what_the_settings_do_not_take_is_a_diagnostic_with_its_place(books, settings, words):
    file = books / "pack" / "environments" / "sandbox.yaml"
    file.write_text(
        f"services:\n  meta:\n    kind: meta\n    {settings}\n"
        "connections:\n  meta: {adapter: meta, version: v18.0, access_token: abcd,"
        ' base_url: "${service:meta.url}"}\n'
    )
    environment = Books([books]).environment("pack", "sandbox", REGISTRY)
    with pytest.raises(Diagnosed) as caught:
        async with Sandbox(environment, "pack/x", {"meta"}):
            pass
    [diagnostic] = caught.value.diagnostics
    assert words in diagnostic.what
    assert diagnostic.place.file.endswith("sandbox.yaml")
