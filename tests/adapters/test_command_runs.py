"""Commands as steps of a run: what the journal holds of them, and where a secret can be seen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path
from uuid import uuid4

import pytest

from actions import command as actions
from checks import command as checks
from engine.adapters.command import CommandAdapter
from engine.adapters.ssh import SshAdapter
from engine.errors import Diagnosed
from engine.plugin import StepContext
from engine.registry import Registry
from tests.adapters.command_bench import Bench
from tests.adapters.ssh_servers import USER, openssh_server

CANARY = f"c4n4ry-of-the-command-line-{uuid4().hex}"
"""Looked for in every process of the machine, where another worker has one of its own."""


@pytest.fixture
async def bench(tmp_path):
    bench = Bench(tmp_path / "books")
    bench.connections(here={"adapter": "command", "allowed": ["sh", "echo", "true", "cat"]})
    yield bench
    await bench.engine.store.close()


async def test_the_exit_code_decides_a_check_unless_it_expects_something_else(bench):
    result = await bench.run("""
steps:
  - {id: fine, check: command.run, target: here, with: {argv: ["true"]}}
  - {id: no, check: command.run, target: here, on_failure: continue,
     with: {shell: "echo not today >&2; exit 1"}}
  - {id: other, check: command.run, target: here, on_failure: continue,
     with: {shell: exit 2, exit: {1: failed, other: errored}}}
  - {id: own, check: command.run, target: here, with: {shell: exit 3},
     expect: result.exit_code == 3}
  - {id: parsed, check: command.run, target: here, with: {argv: [echo, '{"n": 1}'], parse: json},
     expect: {json.n: 1}}
""")
    assert bench.ends() == {
        "fine": ("passed", []),
        "no": ("failed", ['problem: expected null, was "exit code 1: not today"']),
        "other": ("errored", ["`sh` ended with exit code 2"]),
        "own": ("passed", []),
        "parsed": ("passed", []),
    }
    assert result.exit_code == 3
    assert bench.result("no")["read_only"] == "by declaration"


async def test_an_action_that_failed_stops_the_run_and_one_in_doubt_waits_for_a_person(bench):
    result = await bench.run("""
steps:
  - {id: deploy, action: command.run, target: here, idempotent: true, with: {shell: exit 1}}
on_failure:
  - {id: back, action: command.run, target: here, idempotent: true, with: {argv: ["true"]}}
""")
    assert {path: status for path, (status, _) in bench.ends().items()} == {
        "deploy": "errored",
        "on_failure/back": "passed",
    }
    bench.seen.clear()
    result = await bench.run("""
steps:
  - {id: deploy, action: command.run, target: here, idempotent: true, with: {shell: kill -9 $$}}
""")
    assert result.status == "in doubt"
    assert bench.ends()["deploy"][0] == "unknown"


async def test_the_same_step_goes_over_ssh(bench, tmp_path):
    with openssh_server(tmp_path) as server:
        bench.connections(
            here={
                "adapter": "ssh",
                "host": "127.0.0.1",
                "port": server.port,
                "user": USER,
                "known_hosts": server.keys.known_hosts(server.port),
                "key": f"${{file:{tmp_path}/user}}",
                "allowed": ["echo"],
            }
        )
        result = await bench.run("""
steps:
  - {id: say, action: command.run, target: here, idempotent: true, with: {argv: [echo, hi]}}
""")
    assert result.status == "resolved"
    assert (bench.result("say")["stdout"], bench.result("say")["remote"]) == ("hi\n", True)


async def test_a_template_in_a_shell_line_needs_the_filter_quote(bench):
    steps = """
inputs: {name: {type: string}}
steps:
  - {id: say, check: command.run, target: here, with: {shell: "echo {{ inputs.name }}"}}
"""
    with pytest.raises(Diagnosed) as e:
        await bench.run(steps, {"name": "x; echo pwned"})
    assert [d.code for d in e.value.diagnostics] == ["RB503"]
    quoted = steps.replace("inputs.name }}", "inputs.name | quote }}")
    await bench.run(quoted, {"name": "x; echo pwned"})
    assert bench.result("say")["stdout"] == "x; echo pwned\n"


async def test_lines_of_a_command_are_told_as_progress(bench):
    await bench.run("""
steps:
  - {id: say, check: command.run, target: here, with: {shell: "echo one; echo two"}}
""")
    told = [event.body["text"] for event in bench.seen if event.type == "StepProgressed"]
    assert told == ["one", "two"]


# -- the canary ------------------------------------------------------------------------------------


def everywhere(name: str) -> dict[int, bytes]:
    """`/proc/*/cmdline` or `/proc/*/environ` of all other processes that can be read."""
    found = {}
    for file in Path("/proc").glob(f"[0-9]*/{name}"):
        with contextlib.suppress(OSError):
            if int(file.parent.name) != os.getpid():
                found[int(file.parent.name)] = file.read_bytes()
    return found


def holders(name: str) -> list[int]:
    return [pid for pid, octets in everywhere(name).items() if CANARY.encode() in octets]


def kinds(target: str, tmp_path: Path, server) -> dict:
    allowed = ["sh", "cat", "echo"]
    secret = {"env": {"TOKEN": "${env:CANARY}"}, "stdin": {"token": "${env:CANARY}"}}
    if target == "command":
        return {"adapter": "command", "allowed": allowed} | secret
    return {
        "adapter": "ssh",
        "host": "127.0.0.1",
        "port": server.port,
        "user": USER,
        "known_hosts": server.keys.known_hosts(server.port),
        "key": f"${{file:{tmp_path}/user}}",
        "allowed": allowed,
    } | secret


@pytest.mark.parametrize("target", ["command", "ssh"])
async def test_a_secret_is_in_the_environment_of_its_command_and_nowhere_else(
    bench, tmp_path, monkeypatch, target
):
    monkeypatch.setenv("CANARY", CANARY)
    hold, up = tmp_path / "hold", tmp_path / "up"
    os.mkfifo(hold)
    with openssh_server(tmp_path) as server:
        bench.connections(
            there=kinds(target, tmp_path, server), here={"adapter": "command", "allowed": ["sh"]}
        )
        steps = f"""
steps:
  - {{id: leak, check: command.run, target: there,
     with: {{shell: 'echo $TOKEN; echo $TOKEN >&2; cat; cat {hold}; exit 1', stdin_of: token}},
     on_failure: continue}}
  - {{id: other, check: command.run, target: here, with: {{shell: 'touch {up}; cat {hold}'}}}}
"""
        running = asyncio.ensure_future(bench.run(steps))
        with_it = await _while_held(hold, lambda: True)
        assert with_it["cmdline"] == []
        assert with_it["environ"] != []
        without = await _while_held(hold, up.exists)
        assert without == {"cmdline": [], "environ": []}
        await running
    assert CANARY not in bench.journal()
    found = bench.result("leak")
    assert found["stdout"] == "‹secret CANARY›\n‹secret CANARY›go on\n"  # noqa: RUF001
    assert found["problem"] == "exit code 1: ‹secret CANARY›"  # noqa: RUF001
    assert bench.ends()["other"][0] == "passed"


async def _while_held(fifo: Path, ready) -> dict[str, list[int]]:
    """Where the canary is while a command waits on the fifo, which it then gets something from.

    Looked at once a reader has the fifo open: before that, a process may be between fork and
    exec, when its environment reads as empty.
    """
    async with asyncio.timeout(60):
        while not ready():  # noqa: ASYNC110 - processes tell nobody
            await asyncio.sleep(0.01)
        while True:
            with contextlib.suppress(OSError):  # nobody reads it yet
                pipe = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
                break
            await asyncio.sleep(0.005)
        seen = {"cmdline": holders("cmdline"), "environ": holders("environ")}
        os.write(pipe, b"go on\n")
        os.close(pipe)
        return seen


async def test_a_secret_that_is_written_into_a_step_is_refused(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("CANARY", CANARY)
    ran = tmp_path / "ran"
    bench.connections(
        here={"adapter": "command", "allowed": ["sh"], "env": {"TOKEN": "${env:CANARY}"}}
    )
    result = await bench.run(f"""
steps:
  - {{id: say, action: command.run, target: here, idempotent: true,
     with: {{shell: 'touch {ran}; echo {CANARY}'}}}}
""")
    status, why = bench.ends()["say"]
    assert status == "errored"
    assert why == ["the parameter `shell` holds a secret (CANARY), which is not passed on"]
    assert result.exit_code == 3
    assert not ran.exists()
    finished = [e.body for e in bench.seen if e.type == "StepFinished"]
    assert CANARY not in json.dumps(finished, default=str)


# -- dry runs --------------------------------------------------------------------------------------


async def would(adapter, **params):
    side = adapter.reader(StepContext(run="r", path="p", timeout_s=20.0))
    return await actions.run.would(side, params)


async def test_a_preview_is_the_command_and_starts_nothing(tmp_path):
    ran = tmp_path / "ran"
    adapter = CommandAdapter(["sh", "touch"], cwd=str(tmp_path))
    where = adapter.fingerprint().partition(":")[0]
    preview = await would(adapter, argv=["touch", str(ran), "a b"], env={"B": "1", "A": "2"})
    assert preview.text == f"{where}: touch {ran} 'a b'\nin {tmp_path}\nwith A and B set"
    preview = await would(adapter, shell=f"touch {ran}", stdin="abc")
    assert preview.text == (
        f"{where}: touch {ran}  (read by a shell)\n"
        f"in {tmp_path}\nwith 3 bytes on its standard input"
    )
    assert not ran.exists()


async def test_a_declared_dry_run_is_asked():
    adapter = CommandAdapter(["echo"])
    preview = await would(adapter, argv=["echo", "push"], dry_run=["--dry-run"])
    assert preview.text.endswith(
        ": echo push\nits dry run `echo push --dry-run` ended with exit code 0"
    )
    assert preview.diff == "push --dry-run\n"
    preview = await would(adapter, argv=["echo", "push"], dry_run_argv=["echo", "--sql"])
    assert preview.diff == "--sql\n"


async def test_a_preview_is_refused_as_the_command_would_be():
    adapter = CommandAdapter(["echo"])
    for params, said in (
        ({"argv": ["rm"]}, "the connection does not allow the program 'rm'"),
        ({"argv": ["echo"], "dry_run_argv": ["rm"]}, "the connection does not allow"),
        ({"shell": "x", "dry_run": ["-n"]}, "the connection does not allow the program 'sh'"),
    ):
        with pytest.raises(Exception, match=said):
            await would(adapter, **params)
    with pytest.raises(Exception, match="`dry_run` adds arguments to `argv`"):
        await would(CommandAdapter(["sh"]), shell="x", dry_run=["-n"])


def test_every_parameter_is_documented_and_both_have_the_same_but_for_dry_runs():
    check, action = checks.run.signature, actions.run.signature
    assert set(action.parameters) - set(check.parameters) == {"dry_run", "dry_run_argv"}
    assert all(p.doc for s in (check, action) for p in s.parameters.values())
    assert (check.effect, action.effect) == ("reads", "unsafe")
    registry = Registry.of([], [CommandAdapter, SshAdapter])
    for family in ("command", "ssh"):
        assert all(p.doc for p in registry.connection(family).values())
    assert check.result_fields == set(check.result_doc)
