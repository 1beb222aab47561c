"""What a network does to a connection with Redis, and what is then known of a change."""

from __future__ import annotations

import math

import pytest
import servers

from engine.adapters.redis import RedisAdapter
from engine.errors import AdapterError
from engine.plugin import StepContext


def context(**more):
    return StepContext(run="r", path="p", **more)


@pytest.fixture
async def proxy(redis):
    async with servers.fault_proxy(redis.port) as made:
        yield made


@pytest.fixture
async def cache(redis, proxy):
    adapter = RedisAdapter(redis.tcp_url(proxy.port), timeout_s=20)
    yield adapter
    proxy.heal()
    await adapter.close()


async def failure(task):
    with pytest.raises(AdapterError) as caught:
        await task
    return caught.value


def holds(redis, key):
    return redis.command(f"EXISTS {key}") == b":1\r\n"


async def test_a_refused_connection_is_errored(redis):
    cache = RedisAdapter(redis.tcp_url(servers.free_port()))
    e = await failure(cache.writer(context()).set("k", "v"))
    assert e.message.endswith("nothing listens there")
    assert (e.maybe_done, e.retryable) == (False, True)


async def test_a_reset_while_connecting_is_errored(cache, proxy, redis):
    proxy.refuse_new = True
    e = await failure(cache.writer(context()).set("k", "v"))
    assert e.message.startswith("cannot connect to 127.0.0.1:")
    assert (e.maybe_done, holds(redis, "k")) == (False, False)


async def test_a_network_that_swallows_everything_is_errored_in_its_time(redis, proxy):
    proxy.black_hole = True
    cache = RedisAdapter(redis.tcp_url(proxy.port), timeout_s=0.1)
    e = await failure(cache.writer(context()).set("k", "v"))
    assert "no answer within 0.1 s" in e.message
    assert (e.maybe_done, e.retryable) == (False, True)


@pytest.mark.parametrize(
    ("fault", "present"), [("cut_before", False), ("cut_after", True), ("hold_from", False)]
)
async def test_a_command_whose_reply_is_lost_is_in_doubt_and_was_sent_once(
    redis, proxy, fault, present
):
    setattr(proxy, fault, b"INCR")
    cache = RedisAdapter(redis.tcp_url(proxy.port), timeout_s=2 if fault == "hold_from" else 20)

    async def increment():
        async with cache.writer(context())._link.talk(math.inf) as talk:
            return await talk.send("INCR", "n")

    e = await failure(increment())
    assert e.message.startswith("the connection was lost after INCR was sent")
    assert (e.maybe_done, e.retryable) == (True, True)
    assert proxy.requests.count(b"INCR") == 1
    assert redis.command("GET n") == (b"$1\r\n1\r\n" if present else b"$-1\r\n")
    await cache.close()


async def test_a_set_whose_reply_is_lost_is_in_doubt(cache, proxy, redis):
    proxy.cut_after = b"$3\r\nSET\r\n"
    e = await failure(cache.writer(context()).set("k", "v"))
    assert e.maybe_done is True
    assert holds(redis, "k")


async def test_a_delete_that_is_lost_midway_says_how_much_is_done(cache, proxy, redis):
    for i in range(6):
        redis.command(f"SET k:{i} v")
    writer = cache.writer(context())
    assert (await writer.delete(keys=["k:0", "k:1"])).deleted == 2
    proxy.cut_before = b"k:5"
    e = await failure(writer.delete(keys=["k:2", "k:3", "k:4", "k:5"], batch=1))
    assert e.message.endswith("; 3 keys are done")
    assert (e.maybe_done, e.detail["done"]) == (True, 3)
    assert [holds(redis, f"k:{i}") for i in range(6)] == [False] * 5 + [True]


async def test_a_reply_is_waited_for_no_longer_than_the_step_has(cache, proxy):
    await cache.reader(context()).length("k")  # its time is that of the command alone
    proxy.hold_from = b"PUBLISH"
    e = await failure(cache.writer(context(timeout_s=0.99)).publish("c", "m"))
    assert "no reply within 0." in e.message
    assert e.maybe_done is True


async def test_a_connection_that_was_cut_while_idle_is_not_used_again(cache, proxy):
    reader = cache.reader(context())
    await reader.length("k")
    before = proxy.connections
    await proxy.cut_all()
    assert (await reader.length("k")).exists is False
    assert proxy.connections == before + 1


async def test_a_wrong_password_is_not_tried_again(redis):
    cache = RedisAdapter(f"redis://someone:s3cr3t-p4ss@127.0.0.1:{redis.port}/0")
    e = await failure(cache.writer(context()).set("k", "v"))
    assert "the server refused the login" in e.message
    assert "s3cr3t-p4ss" not in e.message
    assert (e.maybe_done, e.retryable) == (False, False)


async def test_a_server_with_a_password_says_that_it_wants_one():
    with servers.redis_server("--requirepass", "s3cr3t-p4ss") as locked:
        e = await failure(RedisAdapter(locked.url()).reader(context()).get("k"))
        assert e.retryable is False
        cache = RedisAdapter(f"redis://:s3cr3t-p4ss@127.0.0.1:{locked.port}/0")
        assert (await cache.reader(context()).get("k")).exists is False
        await cache.close()


async def test_a_database_that_is_not_there_is_not_tried_again(redis):
    e = await failure(RedisAdapter(redis.url(db=99)).reader(context()).get("k"))
    assert "DB index is out of range" in e.message or "invalid DB index" in e.message
    assert (e.maybe_done, e.retryable) == (False, False)
