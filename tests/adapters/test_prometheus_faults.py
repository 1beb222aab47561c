"""What goes wrong between us and Prometheus, and what is never sent to it."""

from __future__ import annotations

import http_target
import pytest
import servers

from engine.errors import AdapterError
from engine.sandbox.routes import Answer
from engine.secret import Vault
from tests.adapters.prometheus_target import (
    CONTEXT,
    REGISTRY,
    TWO,
    asked,
    connected,
    fake_prometheus,
    prometheus_server,
)
from tests.parts import uses


@pytest.fixture(scope="module")
def real_server():
    with prometheus_server() as url:
        yield url


@pytest.fixture
def real_url(request):
    """Of the real server where it is installed, else of the fake."""
    if uses("prometheus"):
        return request.getfixturevalue("real_server")
    return request.getfixturevalue("fake").url


@pytest.fixture
async def fake():
    async with fake_prometheus() as fake:
        yield fake


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"bound": {"below": 5}}, "the bound 'below' is not known"),
        ({"bound": {}}, "the bound is empty"),
        ({"bound": {"between": [1.0]}}, "between takes two numbers"),
        ({"bound": {"lt": [1.0]}}, "lt takes a number"),
        ({"series": "most"}, "`series` takes all, any or at least N"),
        ({"series": "at least 0"}, "`series` takes all, any or at least N"),
    ],
)
async def test_a_rule_that_says_nothing_is_refused_before_anything_is_asked(fake, params, words):
    with pytest.raises(AdapterError, match=words):
        await asked(fake.url, "query", query="vector(3)", **params)
    assert fake.seen == []


async def test_only_gets_are_sent_and_there_is_no_writing_side(fake):
    for name, params in [
        ("query", {"query": "vector(3)"}),
        ("range", {"query": TWO, "window": 60.0}),
        ("alert", {"name": "Never"}),
    ]:
        await asked(fake.url, name, **params)
    assert {request.method for request in fake.seen} == {"GET"}
    async with connected(fake.url) as adapter:
        with pytest.raises(AdapterError, match="only asked"):
            adapter.writer(CONTEXT)


async def test_prometheus_is_told_how_long_anybody_waits(fake):
    async with connected(fake.url, timeout_s=3.0) as adapter:
        step = REGISTRY.step("prometheus.query")
        await step.call(adapter.reader(CONTEXT), {"query": "vector(3)"})
    assert "timeout=3000ms" in fake.seen[0].target


JSON = (("Content-Type", "application/json"),)
HTML = (("Content-Type", "text/html"),)


@pytest.mark.parametrize(
    ("answer", "words", "retryable"),
    [
        (Answer(401), "asks who we are", False),
        (Answer(403), "does not let us in", False),
        (Answer(404, HTML, b"<html>"), "is not there", False),
        (Answer(200, HTML, b"<html>Sign in</html>"), "answers 200", False),
        (Answer(503, HTML, b"starting up"), "answers 503", True),
        (Answer(200, JSON, b'{"status": "success", "data": {"result": 7}}'), "is not as", False),
        (Answer(200, JSON, b'{"status": "success", "data": null}'), "is not as", False),
        (Answer(200, JSON, b"[1, 2"), "answers 200", False),
        (Answer(200, JSON, b'"' + b"x" * 2_000_000 + b'"'), "more than 1 MiB", False),
        (
            Answer(503, JSON, b'{"status": "error", "errorType": "timeout", "error": "too long"}'),
            "does not answer the query: too long",
            True,
        ),
    ],
)
async def test_what_is_no_answer_of_prometheus_is_an_error(fake, answer, words, retryable):
    fake.faults["/api/v1/query"] = answer
    with pytest.raises(AdapterError, match=words) as caught:
        await asked(fake.url, "query", query="vector(3)")
    assert caught.value.retryable is retryable


async def test_what_prometheus_warns_of_is_told(fake):
    data = b'{"resultType":"scalar","result":[1,"2"]}'
    body = b'{"status":"success","warnings":["one store did not answer"],"data":%s}' % data
    fake.faults["/api/v1/query"] = Answer(200, JSON, body)
    found, _ = await asked(fake.url, "query", query="x")
    assert found["warnings"] == ["one store did not answer"]


async def refused(_proxy):
    return f"http://127.0.0.1:{http_target.refusing_port()}"


async def reset_before(proxy):
    proxy.cut_before = b"GET"
    return f"http://127.0.0.1:{proxy.port}"


async def reset_after(proxy):
    proxy.cut_after_reply_bytes = 20
    return f"http://127.0.0.1:{proxy.port}"


async def reply_lost(proxy):
    proxy.cut_after = b"GET"
    return f"http://127.0.0.1:{proxy.port}"


async def black_hole(proxy):
    proxy.black_hole = True
    return f"http://127.0.0.1:{proxy.port}"


FAULTS = [refused, reset_before, reset_after, reply_lost, black_hole]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_question_that_the_network_cuts_is_errored_and_never_in_doubt(real_url, fault):
    port = int(real_url.rpartition(":")[2])
    async with (
        servers.fault_proxy(port) as proxy,
        connected(await fault(proxy), timeout_s=0.3 if fault is black_hole else 20) as adapter,
    ):
        step = REGISTRY.step("prometheus.query")
        with pytest.raises(AdapterError) as caught:
            await step.call(adapter.reader(CONTEXT), {"query": "vector(3)"})
    assert (caught.value.maybe_done, caught.value.retryable) == (False, True)


CANARY = "canary-t0ken-7f3a"


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"bearer": "${env:TOKEN}"}, f"Bearer {CANARY}"),
        ({"headers": {"Authorization": "Bearer ${env:TOKEN}"}}, f"Bearer {CANARY}"),
        (
            {"username": "ana", "password": "${env:TOKEN}"},
            "Basic YW5hOmNhbmFyeS10MGtlbi03ZjNh",
        ),
    ],
)
async def test_the_token_goes_into_a_header_and_nowhere_else(fake, settings, sent):
    vault = Vault({"TOKEN": CANARY})
    bound = vault.bind({"base_url": fake.url, **settings}, "connection metrics")
    fake.faults["/api/v1/rules"] = Answer(401)
    async with connected(bound.pop("base_url"), **bound) as adapter:
        shown = [repr(adapter), adapter.fingerprint()]
        reader = adapter.reader(CONTEXT)
        shown.append(repr(await REGISTRY.step("prometheus.query").call(reader, {"query": "1"})))
        with pytest.raises(AdapterError) as caught:
            await REGISTRY.step("prometheus.alert").call(reader, {"name": "Always"})
    error = caught.value
    shown += [error.message, repr(error.help), repr(error.detail)]
    assert [request.headers["authorization"] for request in fake.seen] == [sent, sent]
    assert all(CANARY not in request.target for request in fake.seen)
    assert all(CANARY not in text for text in shown)
