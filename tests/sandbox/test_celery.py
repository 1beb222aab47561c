"""Celery in the sandbox: a real worker, whose backlog drains when what it follows helps it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess

import pytest
import redis.asyncio

from engine.sandbox import Sandbox

ENVIRONMENT = """
services:
  broker: {kind: redis}
  jobs:
    kind: celery
    broker: broker
    queues: "{{ services.machine.files.queues }}"
    workers: "{{ services.machine.files.workers }}"
    tasks: {quick: 1ms, endless: 1h}
    backlog:
      - {queue: fast, task: endless, count: 2}
      - {queue: fast, task: quick, count: 200}
      - {queue: slow, task: quick, count: 50}
  machine:
    kind: host
    files: {workers: "2", queues: "fast"}
connections:
  machine: {adapter: command, allowed: [git], cwd: "${service:machine.home}"}
  jobs: {adapter: command, allowed: [celery], cwd: "${service:jobs.home}"}
"""

WAIT_S = 120.0
"""For what a worker does in the background; it takes a second."""


@pytest.fixture
async def up(environment):
    async with Sandbox(environment(ENVIRONMENT), "pack/none", ["machine", "jobs"]) as sandbox:
        async with redis.asyncio.Redis.from_url(sandbox.services["broker.url"]) as client:
            sandbox.client = client
            yield sandbox
        assert sandbox.workers["jobs"].problems == []


def asked(sandbox, *words):
    told = sandbox.services
    return subprocess.run(
        [f"{told['jobs.bin']}/celery", "-A", told["jobs.app"], *words],
        cwd=told["jobs.home"],
        env={"PATH": os.environ["PATH"], "CELERY_BROKER_URL": told["jobs.broker"]},
        capture_output=True,
        text=True,
        check=False,
    )


def write(sandbox, name, text):
    (sandbox.hosts["machine"].home / name).write_text(text)


async def shrinks(sandbox, queue):
    async with asyncio.timeout(WAIT_S):
        while await sandbox.client.llen(queue):  # noqa: ASYNC110  the queue is in another process
            await asyncio.sleep(0.05)


async def test_a_backlog_stands_behind_tasks_that_do_not_end_until_there_are_more_workers(up):
    answer = await asyncio.to_thread(asked, up, "inspect", "ping", "--json")
    assert json.loads(answer.stdout) == {"worker@app.worker": {"ok": "pong"}}
    before = await up.client.llen("fast")
    assert before >= 202 - 2 - 32
    await asyncio.to_thread(asked, up, "inspect", "stats")
    assert await up.client.llen("fast") == before
    write(up, "workers", "6")
    await shrinks(up, "fast")
    assert await up.client.llen("slow") == 50


async def test_it_takes_from_the_queues_that_are_wanted_and_purge_empties_another(up):
    write(up, "workers", "6")
    write(up, "queues", "slow, fast")
    await shrinks(up, "slow")
    write(up, "queues", "fast")
    done = await asyncio.to_thread(asked, up, "purge", "-f", "-Q", "slow")
    assert done.returncode == 0


async def test_without_workers_nobody_answers(up):
    write(up, "workers", "0")
    async with asyncio.timeout(WAIT_S):
        while up.workers["jobs"]._worker is not None:  # noqa: ASYNC110  it follows by looking
            await asyncio.sleep(0.02)
    done = await asyncio.to_thread(asked, up, "inspect", "ping")
    assert done.returncode == 69
    write(up, "workers", "6")
    await shrinks(up, "fast")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("broker: cache", "'cache' is no service of kind redis"),
        ("queues: [a]", "has no broker"),
        ("broker: broker, backlog: [{task: x}]", "there is no task 'x'"),
        ("broker: broker, app: a-b", "is no name of a module"),
        ("broker: broker, worker: 3", "unknown key 'worker'"),
        ("broker: broker, tasks: {a: 2h}", "is longer than 1h"),
    ],
)
async def test_a_mistake_in_its_description_is_told_with_its_place(mistake, settings, words):
    services = f"broker: {{kind: redis}}\n  jobs: {{kind: celery, {settings}}}"
    used = 'adapter: command, allowed: [celery], cwd: "${service:jobs.home}"'
    assert words in await mistake("jobs", services, used)
