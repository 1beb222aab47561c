"""A network that breaks between us and Meta, and secrets that must be nowhere."""

from __future__ import annotations

import contextlib
from hashlib import sha256
from hmac import new as hmac

import http_target
import pytest
import servers

from engine.adapters.meta import MetaAdapter
from engine.errors import AdapterError
from engine.plugin import to_json
from engine.secret import Vault
from tests.adapters.meta_target import REGISTRY, context, stand_in

PAUSE = {"id": "200", "status": "PAUSED"}
CHANGES = {
    "set_status": PAUSE,
    "set_budget": {"id": "200", "daily_minor": 9900},
    "request": {"method": "POST", "path": "200", "params": {"status": "PAUSED"}},
    "batch": {"requests": [{"method": "POST", "path": "200", "params": {"status": "PAUSED"}}]},
}
READS = {
    "token": {},
    "permissions": {},
    "account": {},
    "rate_limits": {},
    "insights": {},
    "request": {"path": "200"},
}


def refused(_proxy):
    return f"http://127.0.0.1:{http_target.refusing_port()}"


def reset_before(proxy):
    proxy.cut_before = b"POST /"
    return f"http://127.0.0.1:{proxy.port}"


def reset_after(proxy):
    proxy.cut_after = b"POST /"
    return f"http://127.0.0.1:{proxy.port}"


def black_hole(proxy):
    proxy.hold_from = b"POST /"
    return f"http://127.0.0.1:{proxy.port}"


TABLE = [
    # the fault, whether the change happened, whether it may have for all we can know
    (refused, False, False),
    (reset_before, False, True),
    (reset_after, True, True),
    (black_hole, False, True),
]


@pytest.mark.parametrize(
    ("fault", "happened", "in_doubt"), TABLE, ids=lambda v: getattr(v, "__name__", "")
)
@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_is_in_doubt_exactly_where_it_may_have_been_made(
    name, fault, happened, in_doubt
):
    async with stand_in() as meta, servers.fault_proxy(int(meta.url.rpartition(":")[2])) as proxy:
        before = repr(meta.service.world.objects)
        meta.connection(base_url=fault(proxy), timeout_s=1.5 if fault is black_hole else 20)
        with pytest.raises(AdapterError) as caught:
            await meta.act(name, **CHANGES[name])
        assert caught.value.maybe_done is in_doubt
        assert ("the change may have been made" in caught.value.message) is in_doubt
        assert (repr(meta.service.world.objects) != before) is happened


async def test_a_change_that_a_deaf_network_never_let_out_is_in_no_doubt():
    async with stand_in() as meta:
        with http_target.deaf_port() as port:
            meta.connection(base_url=f"http://127.0.0.1:{port}", timeout_s=0.2)
            with pytest.raises(AdapterError) as caught:
                await meta.act("request", **CHANGES["request"])
    assert not caught.value.maybe_done


async def test_a_change_whose_reply_is_cut_in_its_middle_is_in_doubt():
    async with stand_in() as meta, servers.fault_proxy(int(meta.url.rpartition(":")[2])) as proxy:
        proxy.cut_after_reply_bytes = 30
        meta.connection(base_url=f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(AdapterError) as caught:
            await meta.act("request", **CHANGES["request"])
    assert caught.value.maybe_done


def cut_any(proxy):
    proxy.cut_before = b" /v18.0"
    return f"http://127.0.0.1:{proxy.port}"


def lose_any(proxy):
    proxy.cut_after = b" /v18.0"
    return f"http://127.0.0.1:{proxy.port}"


def hold_any(proxy):
    proxy.black_hole = True
    return f"http://127.0.0.1:{proxy.port}"


@pytest.mark.parametrize(
    "fault", [refused, cut_any, lose_any, hold_any], ids=lambda fault: fault.__name__
)
@pytest.mark.parametrize("name", READS)
async def test_a_question_that_is_cut_short_is_errored_and_changes_nothing(name, fault):
    async with stand_in() as meta, servers.fault_proxy(int(meta.url.rpartition(":")[2])) as proxy:
        meta.connection(base_url=fault(proxy), timeout_s=0.2 if fault is hold_any else 20)
        with pytest.raises(AdapterError) as caught:
            await meta.check(name, **READS[name])
    assert (caught.value.maybe_done, caught.value.retryable) == (False, True)
    assert "may have been made" not in caught.value.message


@pytest.mark.parametrize("name", CHANGES)
async def test_a_rehearsal_that_is_cut_short_is_in_no_doubt(name):
    async with stand_in() as meta, servers.fault_proxy(int(meta.url.rpartition(":")[2])) as proxy:
        meta.connection(base_url=reset_after(proxy), timeout_s=20)
        with pytest.raises(AdapterError) as caught:
            await meta.would(name, **CHANGES[name])
    assert not caught.value.maybe_done
    assert "may have been made" not in caught.value.message


TOKEN, SECRET = "EAAcanary-t0ken-value-91", "canary-app-secret-77"


@contextlib.asynccontextmanager
async def connected(**service):
    """A connection whose secrets come from a vault, as those of a run do."""
    token = {"value": TOKEN, **service.pop("token", {})}
    app = {"id": "1000", "secret": SECRET}
    async with stand_in(token=token, app=app, **service) as meta:
        vault = Vault({"META_TOKEN": TOKEN, "META_APP_SECRET": SECRET})
        settings = {
            "version": "v18.0",
            "access_token": "${env:META_TOKEN}",
            "app_secret": "${env:META_APP_SECRET}",
            "app_id": "1000",
            "account": "100",
            "base_url": meta.url,
        }
        adapter = MetaAdapter(**vault.bind(settings, "connection meta"))
        meta.open.insert(0, adapter)
        yield meta, adapter


async def everything(meta, shown):
    """Each check and action once, with what it found or raised."""
    calls = [
        *(("check", name, params) for name, params in READS.items()),
        *(("action", name, params) for name, params in CHANGES.items()),
    ]
    for kind, name, params in calls:
        step = REGISTRY.step(f"meta.{name}", kind)
        side = meta.adapter.reader(context()) if kind == "check" else meta.adapter.writer(context())
        with contextlib.suppress(AdapterError):
            try:
                shown += [repr(side), repr(to_json(await step.call(side, params)))]
                if kind == "action":
                    shown.append(repr(await step.would(meta.adapter.reader(context()), params)))
            except AdapterError as e:
                shown += [e.message, repr(e.help), repr(e.detail), repr(e)]
                raise


FAULTS = [
    {},
    {"token": {"died": 463}},
    {"faults": [{"on": "* /*", "code": 190, "message": f"bad token {'x' * 5}"}]},
    {"faults": [{"on": "* /*", "code": 2, "status": 500}]},
    {"faults": [{"on": "* /*", "json": "no json of Meta's"}]},
    {"faults": [{"on": "* /*", "fail": "reset"}]},
    {"rate_limit": {"calls": 3, "block": "5m"}},
    {"versions": ["v30.0"]},
]


@pytest.mark.parametrize("service", FAULTS, ids=[str(n) for n in range(len(FAULTS))])
async def test_the_token_and_the_app_secret_are_in_headers_and_forms_and_nowhere_else(service):
    async with connected(**service) as (meta, adapter):
        shown = [repr(adapter), adapter.fingerprint(), repr(vars(adapter))]
        await everything(meta, shown)
        with contextlib.suppress(AdapterError):
            shown.append(await adapter.ping())
        shown.append(repr(vars(adapter)["_memories"]))
        assert meta.seen
    proof = hmac(SECRET.encode(), TOKEN.encode(), sha256).hexdigest()
    for secret in (TOKEN, SECRET):
        assert [text for text in shown if secret in text] == []
        assert [r.target for r in meta.seen if secret in r.target] == []
    assert [text for text in shown if proof in text] == []
    for request in meta.seen:
        assert request.headers["authorization"] in (f"Bearer {TOKEN}", f"Bearer 1000|{SECRET}")
        asks_about_the_token = request.target == "/v18.0/debug_token"
        assert (TOKEN in request.body.decode()) is asks_about_the_token


async def test_every_call_is_proved_with_the_apps_secret():
    async with connected() as (meta, _):
        await everything(meta, [])
    proof = hmac(SECRET.encode(), TOKEN.encode(), sha256).hexdigest()
    of_app = hmac(SECRET.encode(), f"1000|{SECRET}".encode(), sha256).hexdigest()
    for request in meta.seen:
        sent = request.target + request.body.decode()
        assert f"appsecret_proof={proof}" in sent or f"appsecret_proof={of_app}" in sent


def test_the_proof_is_the_one_that_meta_documents():
    adapter = MetaAdapter("v18.0", "the-token", app_secret="the-secret")
    expected = hmac(b"the-secret", b"the-token", sha256).hexdigest()
    assert adapter.proof == {"appsecret_proof": expected}
    assert MetaAdapter("v18.0", "the-token").proof == {}


@pytest.mark.parametrize(
    ("settings", "fingerprint"),
    [
        ({}, "graph.facebook.com:443/v18.0"),
        ({"account": "123", "app_id": "7"}, "graph.facebook.com:443/v18.0 act_123 app 7"),
        ({"account": "${env:A}", "app_id": "${env:A}"}, "graph.facebook.com:443/v18.0"),
        ({"base_url": "http://127.0.0.1:8080"}, "127.0.0.1:8080/v18.0"),
    ],
)
def test_the_fingerprint_says_which_account_and_holds_no_secret(settings, fingerprint):
    given = Vault({"A": "1234567"}).bind(settings, "connection meta")
    assert MetaAdapter("v18.0", "t", **given).fingerprint() == fingerprint


async def test_nothing_connects_and_no_secret_is_read_before_the_first_call():
    vault = Vault({})
    settings = vault.bind({"access_token": "${env:NOT_SET}"}, "connection meta")
    adapter = MetaAdapter("v18.0", **settings)
    assert adapter.fingerprint() == "graph.facebook.com:443/v18.0"
    await adapter.close()
