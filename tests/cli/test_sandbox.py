"""A sandbox that stays up: started once, broken, looked at, repaired, broken again, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ENVIRONMENT = """
services:
  cache:
    kind: redis
    fill: [{pattern: "session:{n}", count: 3}]
  page: {kind: http, routes: [{on: GET /, text: hello}]}
faults:
  crowded:
    summary: Far too many reports lie in the cache.
    inputs: {most: 10}
    services:
      cache: {fill: [{pattern: "report:{n}", count: 50}]}
  quiet:
    summary: Nothing is wrong.
connections:
  cache: {adapter: redis, url: "${service:cache.url}"}
  page: {adapter: http, base_url: "${service:page.url}"}
"""
CROWDED = """
title: Too many reports
inputs: {most: {type: integer, required: true}}
steps:
  - id: found
    check: redis.scan
    target: cache
    with: {match: "report:*"}
  - choose:
      - when: found.count <= inputs.most
        steps: [{end: resolved, because: "{{ found.count }} reports"}]
  - id: drop
    action: redis.delete
    target: cache
    with: {match: "report:*"}
  - {end: resolved, because: "{{ drop.deleted }} dropped"}
"""


@pytest.fixture
def office(shop, runbook):
    """The command line, with a pack of its own; whatever stays up is ended."""
    pack = shop / "runbooks" / "office"
    (pack / "environments").mkdir(parents=True)
    (pack / "environments" / "sandbox.yaml").write_text(ENVIRONMENT)
    (pack / "crowded.yaml").write_text(CROWDED)
    yield runbook
    runbook("sandbox", "down")


@pytest.fixture
def up(office):
    done = office("sandbox", "up", "office", "--json")
    assert done.code == 0, done.err
    (record,) = done.objects
    return record


def result(office):
    done = office("run", "office/crowded", "--env", "sandbox", "--json")
    assert done.code == 0, done.err
    return done.objects[-1]["because"]


def test_it_is_broken_repaired_and_looked_at_between_commands(office, up):
    assert up["fault"] is None
    assert result(office) == "0 reports"
    done = office("sandbox", "break", "office/crowded")
    assert done.code == 0
    assert "broken: crowded" in done.out
    assert "sandbox: redis for 'cache' is up" in done.err
    assert "'page'" not in done.err
    assert result(office) == "50 dropped"
    assert result(office) == "0 reports"
    (status,) = office("sandbox", "status", "--json").objects
    assert (status["fault"], status["problems"]) == ("crowded", [])
    assert status["services"]["page.url"] == up["services"]["page.url"]
    assert office("sandbox", "break", "quiet").code == 0
    assert result(office) == "0 reports"


def test_down_leaves_nothing(office, up):
    servers = psutil.Process(up["pid"]).children(recursive=True)
    assert [server.name() for server in servers] == ["redis-server"]
    assert office("sandbox", "down").out == "the sandbox of office is down\n"
    assert psutil.wait_procs(servers, timeout=60)[1] == []
    assert not Path(up["folder"]).exists()
    assert office("sandbox", "status").err == "no sandbox is up\n"


def test_what_a_killed_one_leaves_is_removed(office, up):
    servers = psutil.Process(up["pid"]).children(recursive=True)
    os.kill(up["pid"], signal.SIGKILL)
    os.waitpid(up["pid"], 0)
    assert psutil.wait_procs(servers, timeout=60)[1] == []
    status = office("sandbox", "status")
    assert status.code == 3
    assert "`runbook sandbox down office` removes what is left of it" in status.err
    assert office("sandbox", "down").out.endswith("what was left of it is removed\n")
    assert not Path(up["folder"]).exists()


def test_without_one_that_answers_a_run_has_a_sandbox_of_its_own(office, up):
    os.kill(up["pid"], signal.SIGKILL)
    os.waitpid(up["pid"], 0)
    assert result(office) == "50 dropped"


def test_one_whose_command_was_killed_while_it_came_up_ends(office, shop):
    file = shop / "runbooks" / "office" / "environments" / "sandbox.yaml"
    later = "{kind: postgres, sessions: [{for: 2s}]}"
    text = ENVIRONMENT.replace("services:", f"services:\n  late: {later}", 1)
    used = '  late: {adapter: sql, url: "${service:late.url}"}'
    file.write_text(f"{text}{used}\n")
    script = "import sys; from engine.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", script, "sandbox", "up", "office"]
    command = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=shop)
    with command.stderr:
        command.stderr.readline()  # the first service is up
        holders = psutil.Process(command.pid).children()
        command.kill()
        command.wait()
    assert psutil.wait_procs(holders, timeout=60)[1] == []
    assert office("sandbox", "status").err == "no sandbox is up\n"


def test_it_ends_by_itself_after_its_time(office):
    done = office("sandbox", "up", "office", "--for", "300ms", "--json")
    (record,) = done.objects
    os.waitpid(record["pid"], 0)
    assert not Path(record["folder"]).exists()
    assert office("sandbox", "status").err == "no sandbox is up\n"


def test_who_starts_it_twice_gets_the_same_one(office, up):
    done = office("sandbox", "up", "office", "--fault", "crowded", "--json")
    assert "is up already" in done.err
    assert (done.objects[0]["pid"], done.objects[0]["fault"]) == (up["pid"], "crowded")


def test_a_file_that_was_changed_since_is_told(office, up, shop):
    file = shop / "runbooks" / "office" / "environments" / "sandbox.yaml"
    file.write_text(ENVIRONMENT)
    done = office("run", "office/crowded", "--env", "sandbox")
    assert done.code == 0
    assert "sandbox.yaml was changed since: down and up again to see it" in done.err


def test_the_faults_of_a_pack_are_listed_with_what_is_broken(office):
    assert office("sandbox", "faults", "office", "--json").objects == [
        {
            "type": "fault",
            "name": "office/crowded",
            "broken": "Far too many reports lie in the cache.",
        },
        {"type": "fault", "name": "office/quiet", "broken": "Nothing is wrong."},
    ]


def test_only_its_user_can_speak_to_it(office, up):
    assert Path(up["folder"], "control").stat().st_mode & 0o077 == 0
    file = Path(os.environ["XDG_STATE_HOME"], "runbook", "sandboxes", "office.json")
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "ofice"), "there is no pack ofice with a sandbox"),
        (("up", "office", "--fault", "crowd"), "has no fault 'crowd'"),
        (("up", "office", "--for", "long"), "--for: "),
        (("break", "office/crowded"), "no sandbox of office is up"),
        (("faults", "nowhere"), "there is no pack nowhere"),
    ],
)
def test_a_mistake_is_told(office, words, said):
    done = office("sandbox", *words)
    assert done.code == 2
    assert said in done.err


def test_a_service_that_does_not_start_is_told_as_it_is_for_a_run(office, shop):
    file = shop / "runbooks" / "office" / "environments" / "sandbox.yaml"
    file.write_text(ENVIRONMENT.replace("fill: [{pattern", "fil: [{pattern"))
    done = office("sandbox", "up", "office")
    assert done.code == 2
    assert "unknown key 'fil'" in done.err
    assert "sandbox.yaml:" in done.err


def test_doctor_of_a_sandbox_leaves_out_what_is_not_installed_and_asks_the_rest(
    shop, runbook, monkeypatch
):
    (shop / "runbooks/shop/environments/sandbox.yaml").write_text(
        "services: {web: {kind: http}, cloud: {kind: aws}}\n"
        'connections:\n  web: {adapter: http, base_url: "${service:web.url}"}\n'
        '  jobs: {adapter: command, allowed: [sh], cwd: "${service:cloud.bin}"}\n'
    )
    monkeypatch.setattr("engine.sandbox.missing_aws", lambda: "no AWS: get it")
    done = runbook("doctor", "shop", "--env", "sandbox")
    assert done.code == 3
    assert "sandbox: jobs is left out: no AWS: get it" in done.err
    assert "ok      web" in done.out
    assert "no service tells cloud.bin (connection jobs)" in done.out
