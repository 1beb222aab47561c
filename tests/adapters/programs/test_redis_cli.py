"""redis-cli itself, as the page of programs says."""

from __future__ import annotations

import pytest
import servers


@pytest.fixture
def queue(redis, stage):
    stage.connections(containers={"allowed": ["redis-cli"]})
    return redis


def at(redis):
    return {"[redis-cli, INFO": f'[redis-cli, -p, "{redis.port}", INFO'}


async def test_the_worked_step_tells_the_memory(stage, queue):
    result = await stage.page("redis-cli", **at(queue))
    assert result.status == "resolved"
    assert int(stage.result("memory")["matches"][0]) > 500_000


async def test_an_error_of_the_server_does_not_pass(stage, queue):
    await stage.page("redis-cli", **at(queue), **{"INFO, memory": "INF0, memory"})
    assert stage.statuses() == {"memory": "failed"}
    assert "unknown command" in stage.result("memory")["stdout"]


async def test_a_server_that_is_not_there_does_not_pass(stage, queue):
    nowhere = f'[redis-cli, -p, "{servers.free_port()}", INFO'
    await stage.page("redis-cli", **{"[redis-cli, INFO": nowhere})
    assert stage.statuses() == {"memory": "failed"}


async def test_redis_cli_that_never_ends_is_refused_in_words(stage, queue):
    await stage.run("""
steps:
  - {id: watch, check: command.run, target: containers, with: {argv: [redis-cli, MONITOR]}}
""")
    assert stage.ends()["watch"] == ("errored", ["`redis-cli monitor` never ends"])
