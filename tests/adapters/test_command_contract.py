"""`command.run` keeps one contract: on this machine, over asyncssh's server and over OpenSSH."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.adapters.command_output import LINES_BURST, LINES_PER_S
from engine.adapters.command_result import Ended, Stopped
from engine.errors import AdapterError
from engine.secret import Vault
from tests.adapters.command_places import Place, alive, appears, closing, local
from tests.adapters.ssh_servers import asyncssh_server, openssh_server


@pytest.fixture(scope="module")
def openssh(tmp_path_factory):
    with openssh_server(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(params=["local", "asyncssh", "openssh"])
async def place(request, tmp_path):
    if request.param == "local":
        async with closing(local()) as made:
            yield made
    elif request.param == "openssh":
        server = request.getfixturevalue("openssh")
        async with closing(Place(server.adapter, remote=True)) as made:
            yield made
    else:
        async with (
            asyncssh_server(tmp_path) as server,
            closing(Place(server.adapter, remote=True)) as made,
        ):
            yield made


AWKWARD = ["a b", "$HOME", "`id`", "it's", '"q"', "a\nb", "\\n", "*", "-n", "", "café ☃", "!!", "#"]


async def test_arguments_arrive_as_they_are_written_and_no_shell_reads_them(place):
    script = "import sys,json; print(json.dumps(sys.argv[1:]))"
    found = await place.ask(["python3", "-c", script, *AWKWARD], parse="json")
    assert found.json == AWKWARD


async def test_what_is_found_is_told_whole(place):
    found = await place.ask(None, "echo out; echo err >&2; exit 3", ok=[3])
    shown = {name: getattr(found, name) for name in type(found).__slots__}
    assert shown.pop("elapsed_ms") > 0
    assert shown == {
        "exit_code": 3,
        "problem": None,
        "stdout": "out\n",
        "stderr": "err\n",
        "stdout_bytes": 4,
        "stderr_bytes": 4,
        "cut": False,
        "shell": True,
        "remote": place.remote,
        "still_open": False,
        "read_only": "by declaration",
        "json": None,
        "lines": None,
        "rows": None,
        "matches": None,
    }


async def test_an_action_is_not_marked_as_reading(place):
    found = await place.do(["true"])
    assert (found.exit_code, found.read_only, found.shell) == (0, None, False)


async def test_a_check_tells_a_bad_exit_code_as_its_problem(place):
    found = await place.ask(None, "echo fatal: no such branch >&2; echo hint >&2; exit 1")
    assert (found.exit_code, found.problem) == (1, "exit code 1: fatal: no such branch")


@pytest.mark.parametrize(
    ("code", "exit_", "maybe_done", "retryable"),
    [
        (2, {}, False, True),
        (2, {"2": "failed"}, False, False),
        (2, {"2": "errored"}, False, True),
        (2, {"2": "unknown"}, True, True),
        (137, {}, True, True),
    ],
)
async def test_an_action_with_a_bad_exit_code_errored_or_is_in_doubt(
    place, code, exit_, maybe_done, retryable
):
    with pytest.raises(AdapterError, match=rf"`sh` ended with exit code {code}.*: gone wrong") as e:
        await place.do(None, f"echo gone wrong; exit {code}", exit=exit_)
    assert (e.value.maybe_done, e.value.retryable) == (maybe_done, retryable)
    assert e.value.detail == {"exit_code": code, "stdout": "gone wrong\n"}


async def test_a_check_errored_where_the_step_says_that_a_code_is_no_answer(place):
    with pytest.raises(AdapterError, match="`sh` ended with exit code 2") as e:
        await place.ask(None, "exit 2", exit={"1": "failed", "other": "errored"})
    assert not e.value.maybe_done


async def test_standard_input_arrives_and_ends(place):
    text = "one\n\ttwo ☃\\n" + "x" * 200_000
    assert (await place.ask(["cat"], stdin=text, max_output=1_000_000)).stdout == text


async def test_without_a_standard_input_there_is_nothing_to_read(place):
    assert (await place.ask(["cat"])).stdout == ""


async def test_a_command_that_does_not_read_its_input_is_not_held_up_by_it(place):
    assert (await place.ask(["true"], stdin="x" * 200_000)).exit_code == 0


VALUES = {"A": "a b", "B": "two\nlines\n", "C": "\\n\\\\ $HOME 'q' \"d\" %s %b", "D": "☃", "E": ""}


async def test_variables_of_the_connection_and_of_the_step_arrive_as_they_are(place):
    vault = Vault({"TOKEN": "t0ken \\c\nvalue"})
    settings = vault.bind({"env": {"SECRET": "x ${env:TOKEN}", "A": "other"}}, "here")
    script = "import os,json; print(json.dumps(dict(os.environ)))"
    found = await place.ask(
        ["python3", "-c", script], stdin="after", env=VALUES, settings=settings, parse="json"
    )
    assert {name: found.json[name] for name in VALUES} == VALUES
    assert found.json["SECRET"] == "x t0ken \\c\nvalue"


async def test_what_follows_the_variables_is_still_on_the_standard_input(place):
    assert (await place.ask(["cat"], stdin="after\n", env=VALUES)).stdout == "after\n"


async def test_a_named_text_of_the_connection_goes_to_the_standard_input(place):
    vault = Vault({"REGISTRY": "hunter2hunter2"})
    settings = vault.bind({"stdin": {"registry": "${env:REGISTRY}"}}, "here")
    found = await place.ask(["cat"], stdin_of="registry", settings=settings)
    assert found.stdout == "hunter2hunter2"
    with pytest.raises(AdapterError, match="the connection has no 'registri' under `stdin`") as e:
        await place.ask(["cat"], stdin_of="registri", settings=settings)
    assert e.value.help == "did you mean 'registry'?"


async def test_the_folder_is_that_of_the_step_below_that_of_the_connection(place, tmp_path):
    (tmp_path / "in ner").mkdir()
    settings = {"cwd": str(tmp_path)}
    assert (await place.ask(["pwd"], settings=settings)).stdout.strip() == str(tmp_path)
    inner = await place.ask(["pwd"], cwd="in ner", settings=settings)
    assert inner.stdout.strip() == str(tmp_path / "in ner")
    assert (await place.ask(["pwd"], cwd="/", settings=settings)).stdout == "/\n"


def certainly_not(error: AdapterError) -> bool:
    return not error.maybe_done and not error.retryable


async def test_without_the_folder_nothing_is_started(place, tmp_path):
    ran = tmp_path / "ran"
    with pytest.raises(AdapterError, match="there is no folder /none") as e:
        await place.do(None, f"touch {ran}", cwd="/none")
    assert certainly_not(e.value)
    assert not ran.exists()


async def test_without_the_program_nothing_is_started(place):
    with pytest.raises(AdapterError, match="there is no program `no-such-program`") as e:
        await place.do(["no-such-program"], settings={"allowed": ["no-such-program"]})
    assert certainly_not(e.value)
    with pytest.raises(AdapterError, match=r"there is no program `?/no/such`?") as e:
        await place.do(["/no/such"], settings={"allowed": ["/no/such"]})
    assert certainly_not(e.value)


async def test_a_program_that_is_no_program_is_not_started(place, tmp_path):
    file = tmp_path / "text"
    file.write_text("x")
    with pytest.raises(AdapterError) as e:
        await place.do([str(file)], settings={"allowed": [str(file)]})
    assert certainly_not(e.value)


@pytest.mark.parametrize(
    ("argv", "shell", "allowed", "help_"),
    [
        (["ecko"], None, ["echo", "git"], "did you mean 'echo'?"),
        (["rm"], None, ["echo", "git"], "allowed are echo and git"),
        (["/bin/echo"], None, ["echo"], "write `echo`: the connection allows the name"),
        (["echo"], None, ["/opt/echo", "/bin/echo"], "allowed are /opt/echo and /bin/echo"),
        (None, "echo", ["echo"], "a `shell` line can start anything"),
    ],
)
async def test_a_program_that_is_not_allowed_is_refused(place, argv, shell, allowed, help_):
    with pytest.raises(AdapterError, match="the connection does not allow the program") as e:
        await place.do(argv, shell, settings={"allowed": allowed})
    assert certainly_not(e.value)
    assert help_ in e.value.help


async def test_an_allowed_path_is_called_by_its_name(place):
    found = await place.ask(["echo", "hi"], settings={"allowed": ["/bin/echo"]})
    assert found.stdout == "hi\n"


async def test_a_trap_is_refused(place):
    with pytest.raises(AdapterError, match="`docker stats` never ends") as e:
        await place.ask(["docker", "stats"], settings={"allowed": ["docker"]})
    assert certainly_not(e.value)


async def test_ten_megabytes_are_cut_at_the_limit_and_said_to_be(place):
    script = "import sys; sys.stdout.write('0123456789' * 1000000); sys.stderr.write('e' * 100)"
    found = await place.ask(["python3", "-c", script], max_output=2000)
    assert (found.stdout_bytes, found.stderr_bytes, found.cut) == (10_000_000, 100, True)
    gap = "\n[... 9,998,000 of 10,000,000 bytes left out ...]\n"
    assert found.stdout == "0123456789" * 100 + gap + "0123456789" * 100


async def test_what_was_cut_is_not_parsed(place):
    with pytest.raises(AdapterError, match="stdout is longer than `max_output`") as e:
        await place.ask(None, "seq 1000", parse="lines", max_output=100)
    assert certainly_not(e.value)


async def test_what_cannot_be_parsed_is_told_and_an_action_was_done_all_the_same(place):
    with pytest.raises(AdapterError, match="stdout is no JSON") as e:
        await place.ask(["echo", "x"], parse="json")
    assert not e.value.maybe_done
    with pytest.raises(AdapterError, match="the command itself was carried out") as e:
        await place.do(["echo", "x"], parse="json")
    assert e.value.maybe_done


async def test_a_bad_exit_code_says_more_than_that_the_output_cannot_be_parsed(place):
    found = await place.ask(None, "echo oops; exit 1", parse="json")
    assert (found.problem, found.json) == ("exit code 1: oops", None)


async def test_lines_are_followed_while_the_command_runs(place, tmp_path):
    go_on = tmp_path / "go-on"
    heard = asyncio.Event()
    place.told = Telling(heard, "ready")
    line = f"echo ready; while [ ! -e {go_on} ]; do sleep 0.01; done; echo done"
    running = asyncio.ensure_future(place.ask(None, line))
    await asyncio.wait_for(heard.wait(), 60)
    assert not running.done()
    go_on.touch()
    await running
    assert place.told == ["ready", "done"]


class Telling(list):
    """Lines that were told; sets an event when one of them is the awaited one."""

    def __init__(self, heard: asyncio.Event, awaited: str) -> None:
        super().__init__()
        self._heard, self._awaited = heard, awaited

    def append(self, line: str) -> None:
        super().append(line)
        if line == self._awaited:
            self._heard.set()


async def test_many_lines_are_told_at_a_bounded_rate(place):
    found = await place.ask(None, "seq 100000", max_output=1000)
    assert found.stdout_bytes == 588_895
    most = LINES_BURST + LINES_PER_S * found.elapsed_ms / 1000 + 2
    assert LINES_BURST <= len(place.told) <= most
    assert place.told[0] == "1"
    assert place.told[-1].startswith("100000")


async def test_a_command_that_outlives_its_limit_is_stopped_with_all_it_started(place, tmp_path):
    pids = tmp_path / "pids"
    line = f"sleep 60 & echo $! $$ > {pids}.new; mv {pids}.new {pids}; wait"
    ended = await place.execute(line, limit_s=4.0)
    assert ended == Ended(stopped=Stopped("SIGTERM", gone=True))
    assert [alive(pid) for pid in await appears(pids, 2)] == [False, False]


async def test_what_ignores_a_polite_signal_is_killed(place, tmp_path):
    pids = tmp_path / "pids"
    line = f"trap '' TERM; echo $$ > {pids}; while :; do sleep 0.05; done"
    ended = await place.execute(line, limit_s=4.0, stop_s=6.0 if place.remote else 2.0)
    assert ended == Ended(stopped=Stopped("SIGKILL", gone=True))
    assert not alive((await appears(pids))[0])


async def test_a_command_that_is_no_longer_wanted_is_stopped(place, tmp_path):
    pids = tmp_path / "pids"
    running = asyncio.ensure_future(place.ask(None, f"echo $$ > {pids}; exec sleep 60"))
    pid = (await appears(pids))[0]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not alive(pid)


async def test_a_command_that_a_signal_ends_is_in_doubt_when_it_changes_something(place):
    with pytest.raises(AdapterError, match="`sh` was ended by SIGKILL") as e:
        await place.do(None, "echo half; kill -9 $$")
    assert e.value.maybe_done
    assert e.value.detail == {"signal": "SIGKILL", "stdout": "half\n"}
    with pytest.raises(AdapterError, match="`sh` was ended by SIGSEGV") as e:
        await place.ask(None, "kill -SEGV $$")
    assert not e.value.maybe_done


async def test_a_process_left_behind_does_not_hold_the_step_up(place, tmp_path):
    pids = tmp_path / "pids"
    line = f"sleep 600 & echo $! > {pids}; echo started"
    if place.remote:
        line = f"setsid sleep 600 & echo $! > {pids}; echo started"
    found = await asyncio.wait_for(place.do(None, line), 60)
    assert (found.stdout, found.exit_code) == ("started\n", 0)
    pid = (await appears(pids))[0]
    assert found.still_open
    stop(pid)


def stop(pid: int) -> None:
    import os  # noqa: PLC0415
    import signal  # noqa: PLC0415

    if Path(f"/proc/{pid}/comm").read_text().strip() == "sleep":
        os.kill(pid, signal.SIGKILL)


async def test_commands_run_beside_each_other_over_one_connection(place):
    side = place.adapter().reader(place.context())
    from engine.adapters.command import call_of  # noqa: PLC0415

    asked = [side.run(call_of(["echo", str(n)], None)) for n in range(20)]
    found = await asyncio.gather(*asked)
    assert [one.stdout for one in found] == [f"{n}\n" for n in range(20)]


async def test_a_ping_names_the_programs_that_are_there_and_those_that_are_not(place):
    assert (await place.adapter(allowed=["sh", "echo"]).ping()).startswith("sh and echo ")
    with pytest.raises(AdapterError, match=r"not found .*: no-such and /no/such"):
        await place.adapter(allowed=["sh", "no-such", "/no/such"]).ping()


async def test_a_secret_in_an_argument_is_refused_before_anything_is_started(place, tmp_path):
    vault = Vault({"TOKEN": "s3cr3t-canary"})
    settings = vault.bind({"env": {"TOKEN": "${env:TOKEN}"}}, "here")
    redact = vault.redactor().text
    ran = tmp_path / "ran"
    side = place.adapter(**settings).writer(place.context(redact=redact))
    from engine.adapters.command import call_of  # noqa: PLC0415

    for line in (f"touch {ran}; echo s3cr3t-canary", f"touch {ran}; echo ‹secret TOKEN›"):  # noqa: RUF001
        with pytest.raises(AdapterError, match="a secret would stand in what the step gives") as e:
            await side.run(call_of(None, line))
        assert certainly_not(e.value)
        assert "s3cr3t" not in e.value.message
    assert not ran.exists()
