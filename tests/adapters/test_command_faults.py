"""What can go wrong with a command on this machine, and the status its step has then.

The same faults of the far end and of the network between are in `test_ssh_faults`.
"""

from __future__ import annotations

import pytest

from tests.adapters.command_bench import Bench

FAULTS = [
    # what is run, status of a check, status of an action, what is said
    ("argv: ['true']", "passed", "passed", None),
    ("argv: [rm, x]", "errored", "errored", "the connection does not allow the program 'rm'"),
    ("argv: [missing]", "errored", "errored", "there is no program `missing`"),
    ("argv: [/etc/passwd]", "errored", "errored", "/etc/passwd cannot be executed"),
    ("{argv: ['true'], cwd: /none}", "errored", "errored", "there is no folder /none"),
    ("{argv: ['true'], env: {PATH: x}}", "errored", "errored", "a step does not set PATH"),
    ("{argv: ['true'], shell: x}", "errored", "errored", "`argv` and `shell` are both given"),
    ("argv: [docker, stats]", "errored", "errored", "`docker stats` never ends"),
    ("shell: exit 1", "failed", "errored", "exit code 1"),
    ("{shell: exit 1, exit: {1: errored}}", "errored", "errored", "exit code 1"),
    ("{shell: exit 1, exit: {1: unknown}}", "errored", "unknown", "exit code 1"),
    ("{shell: exit 1, exit: {1: passed}}", "passed", "passed", None),
    ("{shell: exit 1, ok: [0, 1]}", "passed", "passed", None),
    ("shell: exit 137", "errored", "unknown", "exit code 137 (SIGKILL, as shells tell it)"),
    ("shell: kill -TERM $$", "errored", "unknown", "`sh` was ended by SIGTERM"),
    ("shell: sleep 60", "errored", "unknown", "did not end within 0.8 s"),
    ("{argv: [echo, x], parse: json}", "errored", "unknown", "stdout is no JSON"),
]


@pytest.mark.parametrize(("params", "check", "action", "said"), FAULTS)
async def test_a_step_has_the_status_that_is_certain(tmp_path, params, check, action, said):
    bench = Bench(tmp_path / "books")
    allowed = ["sh", "true", "echo", "missing", "/etc/passwd", "docker"]
    bench.connections(here={"adapter": "command", "allowed": allowed})
    given = params if params.startswith("{") else f"{{{params}}}"
    statuses = {}
    for verb, more in (("check", ""), ("action", "idempotent: true, ")):
        bench.seen.clear()
        await bench.run(f"""
steps:
  - {{id: it, {verb}: command.run, target: here, timeout: 1s, {more}with: {given}}}
""")
        statuses[verb], why = bench.ends()["it"]
        assert said is None or said in why[0]
    await bench.engine.store.close()
    assert statuses == {"check": check, "action": action}
