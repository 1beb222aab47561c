"""What a rehearsal asks of an HTTP service: whether it is there, or its own dry run."""

from __future__ import annotations

import pytest

from actions.http import request
from engine.adapters.http import HttpAdapter
from engine.errors import AdapterError
from engine.plugin import StepContext
from tests.http_target import http_target

CONTEXT = StepContext(run="r", path="a", key="r:a")


@pytest.fixture
async def target():
    async with http_target() as one:
        yield one


@pytest.fixture
async def adapter(target):
    made = HttpAdapter(target.url)
    yield made
    await made.close()


async def would(adapter, **given):
    return await request.would(adapter.reader(CONTEXT), given)


async def test_without_a_dry_run_nothing_is_sent(target, adapter):
    preview = await would(adapter, method="POST", path="/ok", json={"n": 1})
    assert preview.text.startswith(f"POST {target.url}/ok")
    assert target.seen == []


async def test_without_a_dry_run_a_service_that_is_gone_is_told():
    adapter = HttpAdapter("http://127.0.0.1:9")
    with pytest.raises(AdapterError, match="refuses connections") as caught:
        await would(adapter, method="POST", path="/ok")
    assert not caught.value.maybe_done


async def test_the_declared_dry_run_is_sent_with_its_marks(target, adapter):
    preview = await would(
        adapter,
        method="POST",
        path="/ok",
        json={"n": 1},
        dry_run={"json": {"dryRun": True}, "query": {"trial": 1}, "headers": {"X-Trial": "1"}},
    )
    (seen,) = target.seen
    assert (seen.method, seen.target, seen.body) == (
        "POST",
        "/ok?trial=1",
        b'{"n":1,"dryRun":true}',
    )
    assert seen.headers["x-trial"] == "1"
    assert "dryRun" not in preview.text
    assert preview.diff.startswith("its dry run was answered with 200: {")


async def test_a_dry_run_that_is_refused_fails_the_preview(adapter):
    with pytest.raises(AdapterError, match="was answered with 404") as caught:
        await would(adapter, method="POST", path="/no-such-path", dry_run={"query": {"dry": 1}})
    assert not caught.value.maybe_done


@pytest.mark.parametrize(
    ("given", "dry_run", "words"),
    [
        ({}, {}, "`dry_run` is empty"),
        ({}, {"json": {}}, "takes mappings named"),
        ({}, {"body": {"a": 1}}, "takes mappings named"),
        ({"text": "x"}, {"json": {"a": 1}}, "the body is none"),
        ({"json": [1]}, {"json": {"a": 1}}, "the body is none"),
    ],
)
async def test_a_dry_run_that_would_be_none_sends_nothing(target, adapter, given, dry_run, words):
    with pytest.raises(AdapterError, match=words):
        await would(adapter, method="POST", path="/ok", dry_run=dry_run, **given)
    assert target.seen == []


async def test_the_reading_side_still_sends_no_change(adapter):
    line = adapter.reader(CONTEXT)
    call = line.call("POST", "/ok", body=request_body())
    with pytest.raises(AdapterError, match="the reading side sends no POST"):
        await line._line.send(call)


def request_body():
    from engine.adapters.http_request import Body  # noqa: PLC0415

    return Body()
