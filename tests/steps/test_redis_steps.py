"""The checks and actions of the redis family, and what their dry runs say."""

from __future__ import annotations

import pytest

from actions import redis as actions
from checks import redis as checks
from engine.adapters.redis import RedisAdapter
from engine.errors import AdapterError
from engine.plugin import StepContext, to_json


def context(**more):
    return StepContext(run="r", path="p", **more)


@pytest.fixture
async def cache(redis):
    """An adapter with a string, a list and three keys `c:`."""
    redis.command("MSET greeting hello c:1 x c:2 x c:3 x")
    redis.command("RPUSH queue a b")
    adapter = RedisAdapter(redis.url())
    yield adapter
    await adapter.close()


async def call(adapter, step, *, max_affected=None, **params):
    side = adapter.reader if step.signature.kind == "check" else adapter.writer
    found = to_json(await step.call(side(context(max_affected=max_affected)), params))
    return {k: v for k, v in found.items() if k != "elapsed_ms"}


async def would(adapter, step, **params):
    return await step.would(adapter.reader(context()), params)


def test_every_type_is_named_for_its_family_and_every_action_has_a_preview():
    steps = [s for m in (checks, actions) for s in vars(m).values() if hasattr(s, "signature")]
    assert {(s.signature.type, s.signature.effect, s.signature.counts) for s in steps} == {
        ("redis.info", "reads", False),
        ("redis.get", "reads", False),
        ("redis.length", "reads", False),
        ("redis.scan", "reads", False),
        ("redis.big_keys", "reads", False),
        ("redis.set", "idempotent", False),
        ("redis.delete", "idempotent", True),
        ("redis.expire", "idempotent", True),
        ("redis.publish", "unsafe", False),
    }
    assert all(s.has_preview for s in steps if s.signature.kind == "action")
    assert all(p.doc for s in steps for p in s.signature.parameters.values())


@pytest.mark.parametrize(
    ("step", "params", "found"),
    [
        (
            checks.get,
            {"key": "greeting"},
            {
                "key": "greeting",
                "exists": True,
                "type": "string",
                "value": "hello",
                "length": 5,
                "ttl_s": None,
                "cut": False,
                "binary": False,
            },
        ),
        (checks.length, {"key": "queue"}, {"length": 2, "exists": True, "type": "list"}),
        (checks.length, {"key": "none"}, {"length": 0, "exists": False, "type": "none"}),
        (
            checks.scan,
            {"match": "c:*"},
            {"count": 3, "sample": ["c:1", "c:2", "c:3"], "complete": True},
        ),
        (actions.set_, {"key": "k", "value": 1, "ttl": 60.0}, {"key": "k", "set": True}),
        (actions.set_, {"key": "k", "value": 1, "only_if": "present"}, {"key": "k", "set": False}),
        (actions.delete, {"match": "c:*"}, {"deleted": 3, "matched": 3}),
        (actions.delete, {"keys": ["c:1", "none"]}, {"deleted": 1, "matched": 2}),
        (actions.expire, {"ttl": 60.0, "match": "c:*"}, {"expiring": 3, "matched": 3}),
        (actions.publish, {"channel": "c", "message": "m"}, {"receivers": 0}),
    ],
)
async def test_a_step_says_what_it_found_or_did(cache, step, params, found):
    assert await call(cache, step, **params) == found


async def test_info_and_big_keys_are_told(cache):
    assert (await call(cache, checks.info, section="keyspace"))["db0"]["keys"] == 5
    found = await call(cache, checks.big_keys, top=1)
    assert (len(found["keys"]), found["scanned"], found["complete"]) == (1, 5, True)


@pytest.mark.parametrize(
    ("step", "params", "expected"),
    [
        (actions.delete, {"match": "c:*"}, ("3 keys would be deleted", 3, ("c:1", "c:2", "c:3"))),
        (actions.delete, {"keys": ["c:1"]}, ("1 keys would be deleted", 1, ("c:1",))),
        (
            actions.expire,
            {"ttl": 60.0, "match": "c:[12]"},
            ("2 keys would expire in 60 s", 2, ("c:1", "c:2")),
        ),
        (actions.set_, {"key": "new", "value": 1}, ("new would be made", None, ())),
        (
            actions.set_,
            {"key": "greeting", "value": 1},
            ("greeting, a string of length 5, would be replaced", None, ()),
        ),
        (
            actions.set_,
            {"key": "greeting", "value": 1, "only_if": "absent"},
            ("greeting is there: it would stay so", None, ()),
        ),
        (
            actions.publish,
            {"channel": "c", "message": "m"},
            ("0 clients listen to c, besides those with a pattern", None, ()),
        ),
    ],
)
async def test_a_dry_run_tells_and_changes_nothing(cache, redis, step, params, expected):
    before = redis.command("DEBUG DIGEST")
    preview = await would(cache, step, **params)
    assert (preview.text, preview.affected, preview.sample) == expected
    assert redis.command("DEBUG DIGEST") == before


async def test_a_delete_beyond_max_affected_leaves_everything(cache, redis):
    before = redis.command("DEBUG DIGEST")
    with pytest.raises(AdapterError, match="3 keys match, more than max_affected 2"):
        await call(cache, actions.delete, match="c:*", max_affected=2)
    assert redis.command("DEBUG DIGEST") == before
