"""A machine of one's own in the sandbox: files, repositories, programs; what others see of it."""

from __future__ import annotations

import subprocess

import httpx
import pytest

from engine.sandbox import Sandbox

ENVIRONMENT = """
services:
  machine:
    kind: host
    files:
      logs/app.log: started
      logs/old.log: {text: stopped, age: 40d}
    git:
      app:
        remote: true
        branches: [staging]
        commits:
          - {message: first, files: {VERSION: "1.0"}, tag: v1.0}
          - {message: second, files: {VERSION: "1.1"}}
    programs:
      docker: |
        echo "$@" >> docker.log
        [ "$1" = restart ] && echo up > state
        echo "done: $2"
  api:
    kind: http
    routes:
      - on: GET /health
        when: services.machine.files.state is defined
        json: {status: "{{ services.machine.files.state | trim }}"}
      - {on: GET /health, status: 503, text: down}
connections:
  machine:
    adapter: command
    allowed: [docker, git]
    cwd: "${service:machine.home}"
    path: "${service:machine.bin}:/usr/bin:/bin"
  api: {adapter: http, base_url: "${service:api.url}"}
"""


@pytest.fixture
async def up(environment):
    async with Sandbox(environment(ENVIRONMENT), "pack/none", ["machine", "api"]) as sandbox:
        yield sandbox


def said(sandbox, *words, cwd=""):
    home, path = sandbox.services["machine.home"], sandbox.services["machine.bin"]
    done = subprocess.run(
        words,
        cwd=f"{home}/{cwd}",
        env={"PATH": f"{path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


async def test_its_repository_is_a_real_one_with_a_remote(up):
    assert said(up, "git", "describe", "--tags", "HEAD~1", cwd="app") == "v1.0"
    assert said(up, "git", "tag", "v1.1", cwd="app") == ""
    said(up, "git", "push", "--quiet", "origin", "--tags", cwd="app")
    assert "v1.1" in said(up, "git", "ls-remote", "--tags", "origin", cwd="app")


async def test_its_branches_are_at_the_last_commit_there_and_at_the_remote(up):
    assert said(up, "git", "log", "-1", "--format=%s", "staging", cwd="app") == "second"
    assert said(up, "git", "log", "-1", "--format=%s", "origin/staging", cwd="app") == "second"


async def test_a_program_that_nobody_has_here_is_played_and_others_see_what_it_did(up):
    async with httpx.AsyncClient(base_url=up.services["api.url"], timeout=60) as client:
        assert (await client.get("/health")).status_code == 503
        program = f"{up.services['machine.bin']}/docker"
        assert said(up, program, "restart", "api") == "done: api"
        assert (await client.get("/health")).json() == {"status": "up"}
    assert up.states()["machine"]["files"]["docker.log"] == "restart api\n"
    assert "app/VERSION" in up.states()["machine"]["files"]


async def test_a_file_can_have_been_written_long_ago(up):
    assert said(up, "find", "logs", "-type", "f", "-mtime", "+39") == "logs/old.log"
    assert said(up, "cat", "logs/old.log") == "stopped"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("files: {a: {text: x, mode: 7}}", "unknown key 'mode'"),
        ("files: {a: {age: long}}", "files.a.age"),
        ("files: {../out: x}", "lies outside of the home folder"),
        ("programs: {a/b: x}", "is no name of a program"),
        ("git: {app: 7}", "takes `commits` and `remote`"),
        ("git: {app: {commits: [{text: x}]}}", "unknown key 'text'"),
        ("volumes: {}", "unknown key 'volumes'"),
        ("files: [a]", "takes a mapping"),
    ],
)
async def test_a_mistake_in_its_description_is_told_with_its_place(mistake, settings, words):
    used = 'adapter: command, allowed: [git], cwd: "${service:machine.home}"'
    assert words in await mistake("machine", f"machine: {{kind: host, {settings}}}", used)
