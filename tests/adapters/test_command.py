"""Commands on this machine: what they inherit, what is left of them, what they cost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from engine.adapters.command import CommandAdapter, call_of
from engine.adapters.command_local import PASSED_ON, group_lives
from engine.adapters.command_output import LINES_BURST, LINES_PER_S
from engine.errors import AdapterError
from engine.plugin import StepContext
from engine.secret import Vault

ROOT = Path(__file__).parents[2]


def context(**more):
    return StepContext(run="r", path="p", timeout_s=20.0, **more)


async def ask(argv=None, shell=None, *, settings=None, **params):
    adapter = CommandAdapter(["sh", "env", "python3", "aws"], **(settings or {}))
    return await adapter.reader(context()).run(call_of(argv, shell, **params))


async def test_a_command_inherits_what_is_harmless_and_nothing_else(monkeypatch):
    monkeypatch.setenv("HOME", "/here")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "inherited-canary")
    monkeypatch.setenv("EDITOR", "vi")
    found = await ask(["env"], parse="regex", pattern=r"^(\w+)=")
    assert set(found.matches) <= set(PASSED_ON)
    assert "HOME" in found.matches
    assert "canary" not in found.stdout


async def test_further_variables_are_passed_on_when_they_are_named(monkeypatch):
    monkeypatch.setenv("EDITOR", "vi")
    found = await ask(["env"], settings={"pass_env": ["EDITOR", "NOT_SET_ANYWHERE"]})
    assert "EDITOR=vi\n" in found.stdout
    assert "NOT_SET_ANYWHERE" not in found.stdout


async def test_a_variable_that_seems_to_be_a_secret_is_not_passed_on_but_written_as_a_reference():
    with pytest.raises(AdapterError, match="`pass_env` would hand 'AWS_SECRET_ACCESS_KEY' on") as e:
        await ask(["env"], settings={"pass_env": ["AWS_SECRET_ACCESS_KEY"]})
    assert "${env:AWS_SECRET_ACCESS_KEY}" in e.value.help


async def test_programs_are_looked_for_where_the_connection_says(tmp_path):
    program = tmp_path / "env"
    program.write_text("#!/bin/sh\necho mine $PATH\n")
    program.chmod(0o755)
    found = await ask(["env"], settings={"path": f"{tmp_path}:."})
    assert found.stdout == f"mine {tmp_path}:.\n"


async def test_a_program_in_the_working_folder_is_not_found_by_a_relative_search_path(tmp_path):
    (tmp_path / "env").write_text("#!/bin/sh\n")
    (tmp_path / "env").chmod(0o755)
    with pytest.raises(AdapterError, match=f"there is no program `env` on {socket.gethostname()}"):
        await ask(["env"], settings={"path": ".", "cwd": str(tmp_path)})


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("#!/bin/sh\n", 0o644, "cannot be executed"),
        ("echo hi\n", 0o755, "was not started: Exec format error"),
        ("#!/no/such/interpreter\n", 0o755, "was not started: No such file or directory"),
    ],
)
async def test_a_file_that_cannot_be_executed_is_not_started(tmp_path, text, mode, said):
    file = tmp_path / "script"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(AdapterError, match=said) as e:
        await CommandAdapter([str(file)]).writer(context()).run(call_of([str(file)], None))
    assert (e.value.maybe_done, e.value.retryable) == (False, False)


async def test_arguments_that_are_too_long_are_told():
    with pytest.raises(AdapterError, match="was not started: Argument list too long") as e:
        await ask(["env", "x" * 200_000])
    assert e.value.help == "give long texts to the command on its `stdin`"
    assert not e.value.maybe_done


async def test_a_command_has_a_session_and_a_process_group_of_its_own():
    script = "import os; print(os.getpid() == os.getsid(0) == os.getpgid(0))"
    assert (await ask(["python3", "-c", script])).stdout == "True\n"


async def test_a_fingerprint_says_on_which_machine_and_in_which_folder(tmp_path):
    host = socket.gethostname()
    assert CommandAdapter(["sh"]).fingerprint() == f"{host}:{Path.cwd()}"
    assert CommandAdapter(["sh"], cwd=str(tmp_path)).fingerprint() == f"{host}:{tmp_path}"


async def test_settings_that_a_sandbox_tells_are_revealed(tmp_path):
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\necho $PWD $WHERE\n")
    program.chmod(0o755)
    vault = Vault({}, {"box.bin": str(tmp_path), "box.url": "http://m"})
    settings = vault.bind(
        {
            "allowed": ["${service:box.bin}/tool"],
            "path": "${service:box.bin}",
            "cwd": "${service:box.bin}",
            "env": {"WHERE": "${service:box.url}"},
        },
        "connection tools",
    )
    adapter = CommandAdapter(**settings)
    found = await adapter.reader(context()).run(call_of(["tool"], None))
    assert found.stdout == f"{tmp_path} http://m\n"
    assert await adapter.ping() == f"{tmp_path}/tool on {socket.gethostname()}"
    assert adapter.fingerprint().endswith(str(tmp_path))


@pytest.mark.parametrize(
    ("settings", "argv", "given"),
    [
        (
            {"aws_endpoint_url": "http://m:1"},
            ["aws", "s3", "ls"],
            "--endpoint-url http://m:1 s3 ls",
        ),
        (
            {"env": {"AWS_ENDPOINT_URL": "http://m:1"}},
            ["aws", "s3", "ls"],
            "--endpoint-url http://m:1 s3 ls",
        ),
        (
            {"aws_endpoint_url": "http://m:1"},
            ["aws", "s3", "--endpoint-url=http://m:1"],
            "s3 --endpoint-url=http://m:1",
        ),
        ({}, ["aws", "s3", "ls"], "s3 ls"),
    ],
)
async def test_aws_is_given_the_endpoint_of_the_connection(tmp_path, settings, argv, given):
    (tmp_path / "aws").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "aws").chmod(0o755)
    found = await ask(argv, settings={"path": f"{tmp_path}:/bin"} | settings)
    assert found.stdout == f"{given}\n"


async def test_another_endpoint_than_that_of_the_connection_is_refused():
    with pytest.raises(AdapterError, match="the connection's endpoint of aws is http://m:1") as e:
        await ask(
            ["aws", "s3", "ls", "--endpoint-url", "http://other"],
            settings={"aws_endpoint_url": "http://m:1"},
        )
    assert "leave --endpoint-url away" in e.value.help


def test_a_group_lives_as_long_as_one_of_its_processes_runs():
    first = subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo $!; exec sleep 60"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    second = int(first.stdout.readline())
    first.stdout.close()
    assert group_lives(first.pid)
    first.kill()
    first.wait()
    assert group_lives(first.pid)
    os.kill(second, signal.SIGKILL)
    while Path(f"/proc/{second}/status").exists() and "zombie" not in _status(second):
        pass
    assert not group_lives(first.pid)


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "zombie"


def measured(script: str) -> list[str]:
    """What a fresh process printed, which ran `script`."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout.split()


FOLLOW = """
    import asyncio, time
    from engine.adapters.command import CommandAdapter, call_of
    from engine.plugin import StepContext

    async def main():
        told = []
        context = StepContext(run="r", path="p", timeout_s=50.0, progress=told.append)
        side = CommandAdapter(["python3"]).reader(context)
        begun_s = time.monotonic()
        found = await side.run(call_of(["python3", "-c", SCRIPT], None))
        took_s = time.monotonic() - begun_s
        # not ru_maxrss: that of a child begins with what its parent had when it was forked
        status = open("/proc/self/status").read()
        peak_kib = int(status.partition("VmHWM:")[2].split()[0])
        print(found.stdout_bytes, found.cut, len(found.stdout), len(told), peak_kib, took_s)

    asyncio.run(main())
"""


def test_a_thousand_lines_a_second_are_followed_within_80_megabytes():
    line = "'x' * 100"
    script = f"import time\nfor n in range(2000):\n print(n, {line}, flush=True)\n time.sleep(.001)"
    size, cut, _, told, peak_kib, took_s = measured(
        f"SCRIPT = {script!r}" + FOLLOW.replace("\n    ", "\n")
    )
    assert (int(size), cut) == (210_890, "True")
    assert LINES_BURST < int(told) <= LINES_BURST + LINES_PER_S * float(took_s) + 2
    assert int(peak_kib) < 80 * 1024


def test_a_hundred_megabytes_are_cut_at_the_limit_within_80_megabytes():
    script = "for n in range(1600): print(('x' * 63 + chr(10)) * 1024, end='')"
    size, cut, kept, _, peak_kib, _ = measured(
        f"SCRIPT = {script!r}" + FOLLOW.replace("\n    ", "\n")
    )
    assert (int(size), cut) == (104_857_600, "True")
    assert int(kept) < 129 * 1024
    assert int(peak_kib) < 80 * 1024


def test_the_family_is_made_ready_without_the_ssh_library():
    script = """
        import sys
        import checks.command, actions.command, engine.adapters.command, engine.adapters.ssh
        late = {"asyncssh", "cryptography", "regex", "pydantic"}
        print(bool(late & set(sys.modules)))
    """
    assert measured(script) == ["False"]
