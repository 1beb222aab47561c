"""The http checks and actions over a real server."""

from __future__ import annotations

import http_target
import pytest

from engine.adapters.http import HttpAdapter
from engine.errors import AdapterError
from engine.plugin import StepContext, to_json
from engine.registry import Registry

CONTEXT = StepContext(run="r", path="p", key="r/p")
REGISTRY = Registry()


@pytest.fixture
async def target():
    async with http_target.http_target() as target:
        yield target


@pytest.fixture
async def http(target):
    adapter = HttpAdapter(target.url)
    yield adapter
    await adapter.close()


@pytest.mark.parametrize("name", ["http.request", "http.health"])
async def test_a_check_finds_what_a_get_answers(http, name):
    step = REGISTRY.step(name, "check")
    found = to_json(await step.call(http.reader(CONTEXT), {"path": "/ok"}))
    assert found.pop("elapsed_ms") > 0
    assert found == {
        "status": 200,
        "url": f"{http.address.base}/ok",
        "headers": {"content-length": "34", "content-type": "application/json"},
        "size_bytes": 34,
        "cut": False,
        "json": {"status": "healthy", "n": [1, 2]},
        "text": None,
        "json_problem": None,
    }
    assert found.keys() | {"elapsed_ms"} == step.signature.result_fields


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_check_may_ask_by_each_of_the_safe_methods(http, target, method):
    step = REGISTRY.step("http.request", "check")
    await step.call(http.reader(CONTEXT), {"path": "/ok", "method": method})
    assert [request.method for request in target.seen] == [method]


def test_health_expects_a_status_of_2xx():
    assert REGISTRY.get("http.health").default_expect == {"status": {"between": [200, 299]}}
    assert REGISTRY.get("http.request", "check").default_expect is None


async def test_an_action_sends_its_request_once(http, target):
    step = REGISTRY.step("http.request", "action")
    params = {"method": "POST", "path": "/echo", "json": {"a": 1}, "query": {"q": "x"}}
    found = to_json(await step.call(http.writer(CONTEXT), params))
    assert (found["json"]["method"], found["json"]["target"], found["json"]["body"]) == (
        "POST",
        "/echo?q=x",
        '{"a":1}',
    )
    assert len(target.seen) == 1


async def test_an_action_fails_when_it_is_refused(http):
    step = REGISTRY.step("http.request", "action")
    with pytest.raises(AdapterError, match="answered with 409") as caught:
        await step.call(http.writer(CONTEXT), {"method": "POST", "path": "/refuses-in-words"})
    assert not caught.value.maybe_done


async def test_a_preview_shows_the_request_and_sends_nothing(http, target):
    step = REGISTRY.step("http.request", "action")
    params = {"method": "DELETE", "path": "/jobs/7", "headers": {"If-Match": "3"}, "accept": [404]}
    preview = await step.would(http.reader(CONTEXT), params)
    assert preview.text == f"DELETE {target.url}/jobs/7\nIf-Match: 3"
    assert target.connections == 0


async def test_a_preview_refuses_what_could_not_be_sent(http):
    step = REGISTRY.step("http.request", "action")
    params = {"method": "POST", "path": "/a", "json": 1, "text": "b"}
    with pytest.raises(AdapterError, match="one body"):
        await step.would(http.reader(CONTEXT), params)


def test_the_action_is_unsafe_and_the_check_reads():
    assert REGISTRY.get("http.request", "action").effect == "unsafe"
    assert REGISTRY.get("http.request", "check").effect == "reads"
