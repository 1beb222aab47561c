"""A real Redis behind its two sides."""

from __future__ import annotations

import asyncio
import math
import traceback

import pytest
import servers

from engine.adapters import redis_link
from engine.adapters.redis import RedisAdapter
from engine.adapters.redis_info import parse_info
from engine.adapters.redis_reader import matches_everything
from engine.errors import AdapterError
from engine.plugin import StepContext


def context(**more):
    return StepContext(run="r", path="p", **more)


@pytest.fixture
async def cache(redis):
    adapter = RedisAdapter(redis.url())
    yield adapter
    await adapter.close()


@pytest.fixture
def reader(cache):
    return cache.reader(context())


@pytest.fixture
def writer(cache):
    return cache.writer(context())


def fill(redis, n, prefix="k"):
    redis.command(
        "EVAL \"for i = 1, tonumber(ARGV[1]) do redis.call('SET', ARGV[2] .. i, i) end\" "
        f"0 {n} {prefix}:"
    )


async def test_info_has_numbers_and_mappings(reader, redis):
    fill(redis, 3)
    memory = await reader.info("memory")
    assert isinstance(memory["used_memory"], int)
    assert isinstance(memory["mem_fragmentation_ratio"], float)
    assert isinstance(memory["used_memory_human"], str)
    assert (await reader.info("keyspace"))["db0"]["keys"] == 3
    assert "redis_version" in await reader.info()
    with pytest.raises(AdapterError, match="knows no section 'memroy' of INFO"):
        await reader.info("memroy")


def test_fields_of_info_are_read_as_what_they_are():
    said = (
        "# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n"
        "slave0:ip=10.0.0.1,port=6379,state=online\r\n"
        "run_id:0123\r\nredis_git_sha1:00000000\r\nratio:1.50\r\nneg:-1\r\nperc:99.5%\r\n"
        "used:1048576\r\nlong:123456789012345678901\r\nempty:\r\nexec:/usr/bin/redis-server\r\n"
    )
    assert parse_info(said) == {
        "db0": {"keys": 1, "expires": 0, "avg_ttl": 0},
        "slave0": {"ip": "10.0.0.1", "port": 6379, "state": "online"},
        "run_id": "0123",
        "redis_git_sha1": "00000000",
        "ratio": 1.5,
        "neg": -1,
        "perc": "99.5%",
        "used": 1048576,
        "long": "123456789012345678901",
        "empty": "",
        "exec": "/usr/bin/redis-server",
    }


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("SET k text", ("string", "text", 4)),
        ("RPUSH k a b c", ("list", ["a", "b", "c"], 3)),
        ("HSET k f 1 g 2", ("hash", {"f": "1", "g": "2"}, 2)),
        ("SADD k a", ("set", ["a"], 1)),
        ("ZADD k 1.5 a 2 b", ("zset", [["a", 1.5], ["b", 2.0]], 2)),
        ("XADD k 1-1 f v", ("stream", [{"id": "1-1", "fields": {"f": "v"}}], 1)),
    ],
)
async def test_a_key_is_told_by_its_type(reader, redis, command, expected):
    redis.command(command)
    found = await reader.get("k")
    assert (found.type, found.value, found.length) == expected
    assert (found.exists, found.ttl_s, found.cut, found.binary) == (True, None, False, False)
    length = await reader.length("k")
    assert (length.type, length.length, length.exists) == (expected[0], expected[2], True)


async def test_a_key_that_is_not_there_is_empty_and_not_an_error(reader):
    found = await reader.get("k")
    assert (found.exists, found.type, found.value, found.length) == (False, "none", None, 0)
    found = await reader.length("k")
    assert (found.length, found.exists, found.type) == (0, False, "none")


async def test_only_the_beginning_of_a_long_value_is_shown(reader, redis):
    redis.command(f"RPUSH l {' '.join(str(i) for i in range(50))}")
    redis.command(f"SADD s {' '.join(f'm{i}' for i in range(600))}")
    redis.command(f"HSET h {' '.join(f'f{i} v' for i in range(600))}")
    redis.command("SETRANGE big 70000 x")
    found = await reader.get("l", limit=2)
    assert (found.value, found.length, found.cut) == (["0", "1"], 50, True)
    for key in ("s", "h"):
        found = await reader.get(key, limit=7)
        assert (len(found.value), found.length, found.cut) == (7, 600, True)
    found = await reader.get("big")
    assert (len(found.value), found.length, found.cut) == (65536, 70001, True)


async def test_what_is_no_text_is_replaced_and_said_so(reader, redis):
    redis.command('SET k "a\\xffb"')
    redis.command("PEXPIRE k 90000")
    found = await reader.get("k")
    assert (found.value, found.binary, found.length) == ("a\ufffdb", True, 3)
    assert 80 < found.ttl_s <= 90


async def test_keys_are_counted_by_scan_with_a_sample(reader, redis):
    fill(redis, 2500, "a")
    fill(redis, 10, "b")
    found = await reader.scan("a:*", sample=3)
    assert (found.count, len(found.sample), found.complete) == (2500, 3, True)
    assert all(name.startswith("a:") for name in found.sample)
    assert (await reader.scan("c:*")).count == 0


async def test_a_scan_ends_at_its_limit_and_says_so(redis):
    fill(redis, 5000)
    cache = RedisAdapter(redis.url(), scan_max=2000)
    found = await cache.reader(context()).scan("*")
    assert found.complete is False
    assert 2000 <= found.count < 5000
    with pytest.raises(AdapterError, match="could not be counted") as caught:
        await cache.writer(context(max_affected=9999)).delete(match="*")
    assert caught.value.maybe_done is False
    with pytest.raises(AdapterError, match="not every key was looked at") as caught:
        await cache.writer(context()).delete(match="k:*")
    assert caught.value.maybe_done is True
    assert caught.value.detail["done"] >= 1000
    await cache.close()


async def test_the_biggest_keys_are_found(reader, redis):
    fill(redis, 300)
    redis.command("SETRANGE huge 100000 x")
    redis.command("RPUSH large " + "x" * 5000)
    redis.command("PEXPIRE huge 60000")
    found = await reader.big_keys("*", top=2, scan_max=10_000)
    assert [(of["key"], of["type"]) for of in found.keys] == [("huge", "string"), ("large", "list")]
    assert found.keys[0]["bytes"] > 100_000
    assert found.keys[0]["ttl_s"] > 50
    assert (found.scanned, found.complete) == (302, True)
    assert found.bytes > found.keys[0]["bytes"] + found.keys[1]["bytes"]


@pytest.mark.parametrize(
    "command",
    [
        ("SET", "k", "v"),
        ("set", "k", "v"),
        ("GETDEL", "k"),
        ("GETSET", "k", "v"),
        ("GETEX", "k", "PERSIST"),
        ("SORT", "l", "STORE", "k"),
        ("EVAL", "return redis.call('SET', 'k', 'v')", 0),
        ("EVALSHA", "0" * 40, 0),
        ("FLUSHALL",),
        ("FLUSHDB", "ASYNC"),
        ("CONFIG", "SET", "maxmemory", "1"),
        ("CONFIG", "GET", "requirepass"),
        ("SHUTDOWN", "NOSAVE"),
        ("DEBUG", "SLEEP", "0"),
        ("MEMORY", "PURGE"),
        ("MEMORY",),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("ACL", "LIST"),
        ("SCRIPT", "FLUSH"),
        ("MULTI",),
        ("PUBLISH", "c", "m"),
        ("SUBSCRIBE", "c"),
        ("PUBSUB", "CHANNELS"),
        ("BITFIELD", "k", "SET", "u8", "0", "1"),
        ("KEYS", "*"),
        ("NOSUCHCOMMAND",),
        ("COMMAND", "INFO", "get"),
        (b"SET", "k", "v"),
        (),
    ],
)
async def test_the_reading_side_sends_no_command_that_could_write(reader, redis, command):
    redis.command("SET k before")
    redis.command("RPUSH l b a")
    with pytest.raises(AdapterError) as caught:
        await reader.ask(*command)
    assert caught.value.retryable is False
    assert await reader.ask("GET", "k") == b"before"
    assert await reader.ask("DBSIZE") == 2


async def test_where_rules_keep_the_list_of_commands_from_us_our_own_checks_still_read(redis):
    redis.command("SET k v")
    redis.command("ACL SETUSER limited on >pw ~* +@read +info -command")
    cache = RedisAdapter(f"unix://limited:pw@{redis.socket}?db=0")
    reader = cache.reader(context())
    try:
        assert (await reader.get("k")).value == "v"
        assert (await reader.scan("*")).count == 1
        assert (await reader.big_keys("*", top=1, scan_max=10)).scanned == 1
        with pytest.raises(AdapterError, match="GET does not only read"):
            await reader.ask("GET", "k")
        with pytest.raises(AdapterError, match="may not do that") as caught:
            await cache.writer(context()).set("k", "w")
        assert (caught.value.maybe_done, caught.value.retryable) == (False, False)
    finally:
        redis.command("ACL DELUSER limited")
        await cache.close()


async def test_a_value_is_set_with_its_time_to_live_and_condition(reader, writer):
    assert (await writer.set("k", "v", ttl_s=60)).set is True
    assert 50 < (await reader.get("k")).ttl_s <= 60
    assert (await writer.set("k", "w", only_if="absent")).set is False
    assert (await reader.get("k")).value == "v"
    assert (await writer.set("k", 3, only_if="present")).set is True
    found = await reader.get("k")
    assert (found.value, found.ttl_s) == ("3", None)
    assert (await writer.set("n", 1, only_if="present")).set is False
    await writer.set("n", {"a": [1, None, "ü"]})
    assert (await reader.get("n")).value == '{"a":[1,null,"ü"]}'
    for bad in ({"value": None}, {"value": 1, "ttl_s": 0}, {"value": 1, "ttl_s": -1}):
        with pytest.raises(AdapterError):
            await writer.set("k", **bad)


async def test_keys_are_deleted_by_pattern_in_batches(reader, writer, redis):
    fill(redis, 2500, "a")
    fill(redis, 3, "b")
    done = await writer.delete(match="a:*", batch=100)
    assert (done.deleted, done.matched) == (2500, 2500)
    assert (await reader.scan("*")).count == 3


async def test_keys_are_deleted_by_name(reader, writer, redis):
    fill(redis, 5)
    done = await writer.delete(keys=["k:1", "k:2", "k:2", "nothing"])
    assert (done.deleted, done.matched) == (2, 3)
    assert (await reader.scan("*")).count == 3


async def test_more_keys_than_max_affected_are_left_alone(cache, reader, redis):
    fill(redis, 20)
    writer = cache.writer(context(max_affected=19))
    for choice in ({"match": "k:*"}, {"keys": [f"k:{i}" for i in range(1, 21)]}):
        with pytest.raises(AdapterError) as caught:
            await writer.delete(**choice)
        assert caught.value.message == (
            "20 keys match, more than max_affected 19: none was changed"
        )
        assert (caught.value.maybe_done, caught.value.retryable) == (False, False)
        assert caught.value.detail == {"affected": 20, "max_affected": 19}
    with pytest.raises(AdapterError, match="20 keys match"):
        await writer.expire(60, match="k:*")
    assert (await reader.scan("*")).count == 20
    assert (await cache.writer(context(max_affected=20)).delete(match="*")).deleted == 20


@pytest.mark.parametrize("match", ["*", "**", "?*", "*?*", "[a-z]*", "[^a]*", ""])
async def test_a_pattern_that_matches_everything_needs_a_limit(writer, redis, reader, match):
    fill(redis, 2)
    assert matches_everything(match)
    with pytest.raises(AdapterError, match="matches every key"):
        await writer.delete(match=match)
    assert (await reader.scan("*")).count == 2


@pytest.mark.parametrize(
    "choice", [{}, {"match": "a*", "keys": ["b"]}, {"match": None, "keys": []}]
)
async def test_which_keys_is_said_in_one_way(writer, choice):
    with pytest.raises(AdapterError, match="either `match` or `keys`"):
        await writer.delete(**choice)


async def test_keys_are_given_a_time_to_live(reader, writer, redis):
    fill(redis, 1200)
    done = await writer.expire(60, match="k:1*")
    assert done.expiring == done.matched
    assert (await reader.get("k:1")).ttl_s > 50
    assert (await reader.get("k:2")).ttl_s is None
    done = await writer.expire(60, keys=["k:2", "nothing"])
    assert (done.expiring, done.matched) == (1, 2)


async def test_a_message_says_how_many_got_it(reader, writer):
    assert (await writer.publish("c", {"a": 1})).receivers == 0
    assert await reader.subscribers("c") == 0


async def test_a_wrong_type_is_an_error_and_nothing_is_done(writer, redis):
    redis.command("RPUSH l a")
    async with writer._link.talk(math.inf) as talk:
        with pytest.raises(AdapterError, match="the key holds another type") as caught:
            await talk.send("INCR", "l")
    assert (caught.value.maybe_done, caught.value.retryable) == (False, False)


async def test_a_server_out_of_memory_says_so_and_nothing_is_done():
    with servers.redis_server("--maxmemory", "1") as full:
        cache = RedisAdapter(full.url())
        with pytest.raises(AdapterError, match="out of memory") as caught:
            await cache.writer(context()).set("k", "v")
        await cache.close()
    assert (caught.value.maybe_done, caught.value.retryable) == (False, True)


async def test_steps_at_once_do_not_get_each_others_replies(reader, redis):
    fill(redis, 50)

    async def one(i):
        if i % 7 == 0:
            with pytest.raises(AdapterError):
                await reader.ask("LLEN", f"k:{i + 1}")
        return (await reader.get(f"k:{i + 1}")).value

    assert await asyncio.gather(*(one(i) for i in range(50))) == [str(i + 1) for i in range(50)]


async def test_a_cancelled_command_does_not_leave_its_reply_to_the_next(cache, reader, redis):
    redis.command("SET k v")
    for _ in range(20):
        task = asyncio.create_task(reader.info("everything"))
        await asyncio.wait({task}, timeout=0.0005)
        task.cancel()
        await asyncio.wait({task})  # cancelled, or it was faster
        assert await reader.ask("GET", "k") == b"v"


async def test_a_connection_that_is_asked_whether_it_lives_is_closed_when_that_is_cancelled(
    cache, reader, monkeypatch
):
    await reader.ask("GET", "k")
    (idle,) = cache._link()._idle
    asked = asyncio.Event()

    async def never(_conn):
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(redis_link, "_answers", never)
    task = asyncio.create_task(reader.ask("GET", "k"))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not idle.is_connected


async def test_a_ping_says_what_answered_and_close_may_come_twice(cache, redis):
    assert (await cache.ping()).startswith("Redis ")
    await cache.close()
    await cache.close()


CANARY = "c4n4ry-v4lue"


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{CANARY}@127.0.0.1:1/0",
        f"redis://u:{CANARY}@127.0.0.1:port/0",
        f"redis://u:p/{CANARY}@127.0.0.1:1/0",
        f"redis://u:p@{CANARY}@127.0.0.1:1/0",
        f"redis://u:p#{CANARY}@127.0.0.1:1/0",
        f"redis://u:p?{CANARY}@127.0.0.1:1/0",
        f"redis://127.0.0.1:1/0?password={CANARY}&nonsense=1",
        f"http://:{CANARY}@127.0.0.1:1",
        CANARY,
    ],
)
async def test_a_password_is_in_no_error_and_no_fingerprint(url):
    cache = RedisAdapter(url, timeout_s=1)
    told = []
    for ask in (lambda: cache.reader(context()).get("k"), cache.ping):
        with pytest.raises(AdapterError) as caught:
            await ask()
        e = caught.value
        told += [*traceback.format_exception(e), str(e.help), repr(e.detail)]
    try:
        told.append(cache.fingerprint())
    except AdapterError as e:
        told.append(str(e))
    assert CANARY not in "".join(told)


@pytest.mark.parametrize(
    ("url", "fingerprint"),
    [
        ("redis://u:p@cache.example:6380/2", "cache.example:6380/2"),
        ("rediss://cache.example", "cache.example:6379/0"),
        ("redis://cache.example?db=3", "cache.example:6379/3"),
        ("redis://[::1]:6379/0", "[::1]:6379/0"),
        ("unix:///run/redis.sock?db=1", "/run/redis.sock/1"),
        ("unix://u:p@/run/redis.sock", "/run/redis.sock/0"),
    ],
)
def test_a_fingerprint_says_where_it_points(url, fingerprint):
    assert RedisAdapter(url).fingerprint() == fingerprint
