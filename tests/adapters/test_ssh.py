"""Whom an SSH connection trusts, how it logs in, and what its steps share."""

from __future__ import annotations

import asyncio
import os

import asyncssh
import pytest

from engine.adapters import command_side
from engine.adapters.command import call_of
from engine.adapters.ssh import SshAdapter
from engine.errors import AdapterError, RunbookError
from engine.plugin import StepContext
from engine.secret import Vault
from tests.adapters.command_places import alive, appears
from tests.adapters.ssh_servers import USER, asyncssh_server, new_key, openssh_server

CONTEXT = StepContext(run="r", path="p", timeout_s=20.0)


@pytest.fixture(scope="module")
def openssh(tmp_path_factory):
    with openssh_server(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
async def server(tmp_path):
    async with asyncssh_server(tmp_path) as server:
        yield server


@pytest.fixture(params=["asyncssh", "openssh"])
async def either(request, tmp_path):
    if request.param == "openssh":
        yield request.getfixturevalue("openssh")
    else:
        async with asyncssh_server(tmp_path) as server:
            yield server


async def say(adapter: SshAdapter, word: str = "hi") -> str:
    try:
        found = await adapter.reader(CONTEXT).run(call_of(["echo", word], None))
    finally:
        await adapter.close()
    return found.stdout


async def refused(adapter: SshAdapter) -> AdapterError:
    """Why an action was not done, which certainly it was not."""
    with pytest.raises(AdapterError) as e:
        await adapter.writer(CONTEXT).run(call_of(["echo", "hi"], None))
    await adapter.close()
    assert not e.value.maybe_done
    return e.value


async def test_a_host_that_is_not_known_is_not_trusted_and_its_line_is_told(either):
    error = await refused(either.adapter(known_hosts="other " + public(new_key())))
    host = f"127.0.0.1:{either.port}"
    shown = f"ssh-ed25519 {either.keys.host.get_fingerprint()}"
    assert error.message == f"the host key of {host} is not in known_hosts: it showed {shown}"
    assert error.help.endswith(
        f"add the line: [127.0.0.1]:{either.port} {public(either.keys.host)}"
    )
    assert not error.retryable


async def test_the_line_that_is_told_is_the_one_that_mends_it(either):
    error = await refused(either.adapter(known_hosts="other " + public(new_key())))
    line = error.help.partition("add the line: ")[2]
    assert await say(either.adapter(known_hosts=line)) == "hi\n"


async def test_a_host_whose_key_has_changed_is_not_trusted_and_both_keys_are_told(either):
    before = new_key()
    known = either.keys.known_hosts(either.port, before)
    error = await refused(either.adapter(known_hosts=known))
    assert error.message.startswith(f"the host key of 127.0.0.1:{either.port} has changed")
    assert before.get_fingerprint() in error.message
    assert either.keys.host.get_fingerprint() in error.message
    assert "somebody may be in between" in error.help


async def test_an_empty_known_hosts_trusts_nobody(server, tmp_path):
    (tmp_path / "empty").write_text("")
    error = await refused(server.adapter(known_hosts=str(tmp_path / "empty")))
    assert "is not in known_hosts" in error.message


async def test_a_revoked_key_is_not_trusted(server):
    line = server.keys.known_hosts(server.port)
    error = await refused(server.adapter(known_hosts=f"{line}@revoked {line}"))
    assert "is not trusted" in error.message


async def test_known_hosts_may_be_a_file(server, tmp_path):
    file = tmp_path / "known"
    file.write_text(server.keys.known_hosts(server.port))
    assert await say(server.adapter(known_hosts=str(file))) == "hi\n"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"known_hosts": "/no/such"}, "`known_hosts` cannot be read: /no/such: No such file"),
        ({"known_hosts": "nonsense"}, "known_hosts of 127.0.0.1:{port} cannot be read"),
        ({"key": "/no/such"}, "`key` cannot be read: /no/such: No such file"),
        ({"key": "nonsense"}, "the key for {user}@127.0.0.1:{port} cannot be read"),
        ({"key": None}, "the connection says nothing to log in to {user}@127.0.0.1:{port} with"),
    ],
)
async def test_what_cannot_be_read_is_told_before_anybody_is_asked(server, settings, said):
    error = await refused(server.adapter(**settings))
    assert error.message.startswith(said.format(user=USER, port=server.port))
    assert server.connections == []


async def test_a_wrong_key_does_not_open(either):
    key = new_key().export_private_key().decode()
    error = await refused(either.adapter(key=key))
    assert error.message.startswith(f"127.0.0.1:{either.port} does not let {USER} in")
    assert not error.retryable


async def test_an_encrypted_key_opens_with_its_passphrase_only(server):
    text = server.keys.user.export_private_key(
        passphrase="open sesame", rounds=16, ignore_few_rounds=True
    ).decode()
    vault = Vault({"KEY": text, "PHRASE": "open sesame"})
    settings = vault.bind({"key": "${env:KEY}", "passphrase": "${env:PHRASE}"}, "here")
    assert await say(server.adapter(**settings)) == "hi\n"
    error = await refused(server.adapter(key=text))
    assert "is encrypted" in error.message
    error = await refused(server.adapter(key=text, passphrase="wrong"))
    assert "is encrypted" in error.message


async def test_a_key_that_lost_its_last_newline_in_a_secret_file_is_read(server, tmp_path):
    file = tmp_path / "secret"
    file.write_text(server.keys.user_text)
    vault = Vault({})
    settings = vault.bind({"key": f"${{file:{file}}}"}, "here")
    assert await say(server.adapter(**settings)) == "hi\n"
    assert await say(server.adapter(key=str(file))) == "hi\n"


async def test_the_agent_is_asked_when_the_connection_says_so(server, tmp_path, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    error = await refused(server.adapter(key=None, agent=True))
    assert "SSH_AUTH_SOCK is not set" in error.message
    async with ssh_agent(tmp_path) as sock:
        monkeypatch.setenv("SSH_AUTH_SOCK", sock)
        assert "holds no key" in (await refused(server.adapter(key=None, agent=True))).message
        async with asyncssh.SSHAgentClient(sock) as agent:
            await agent.add_keys([server.keys.user])
        assert await say(server.adapter(key=None, agent=True)) == "hi\n"
    assert "does not answer" in (await refused(server.adapter(key=None, agent=True))).message


class ssh_agent:  # noqa: N801 - used as a function
    """The real agent, in the foreground, on a socket of its own."""

    def __init__(self, folder):
        self._sock = str(folder / "agent")

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(
            "ssh-agent", "-D", "-a", self._sock, stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(60):
            while not os.path.exists(self._sock):  # noqa: PTH110, ASYNC110, ASYNC240
                await asyncio.sleep(0.005)
        return self._sock

    async def __aexit__(self, *_):
        self._process.terminate()
        await self._process.wait()


async def test_all_steps_share_one_connection_also_those_at_the_same_time(server):
    adapter = server.adapter()
    sides = [adapter.reader(CONTEXT) for _ in range(10)]
    await asyncio.gather(*(side.run(call_of(["true"], None)) for side in sides))
    await adapter.writer(CONTEXT).run(call_of(["true"], None))
    await adapter.close()
    assert len(server.connections) == 1


async def test_a_connection_that_was_lost_between_two_steps_is_opened_again(server):
    adapter = server.adapter()
    side = adapter.writer(CONTEXT)
    await side.run(call_of(["true"], None))
    connection = await adapter._machine()._link.connection()
    connection.abort()
    await connection.wait_closed()
    await side.run(call_of(["true"], None))
    await adapter.close()
    assert len(server.connections) == 2


async def test_closing_is_harmless_when_nothing_was_opened_or_twice(server):
    adapter = server.adapter()
    await adapter.close()
    await adapter.close()
    assert server.connections == []


async def test_nothing_is_connected_to_for_a_fingerprint(server):
    vault = Vault({}, {"host.name": "127.0.0.1"})
    settings = vault.bind({"host": "${service:host.name}"}, "here")
    assert server.adapter(**settings).fingerprint() == f"{USER}@127.0.0.1:{server.port}"
    assert server.connections == []


# -- jump hosts ------------------------------------------------------------------------------------


@pytest.fixture
async def bastion(tmp_path_factory):
    async with asyncssh_server(tmp_path_factory.mktemp("bastion")) as server:
        yield server


def through(bastion, **more):
    return {
        "host": "127.0.0.1",
        "port": bastion.port,
        "known_hosts": bastion.keys.known_hosts(bastion.port),
        "key": bastion.keys.user_text,
    } | more


async def test_a_host_is_reached_through_another(either, bastion):
    adapter = either.adapter(jump=through(bastion))
    where = f"{USER}@127.0.0.1"
    assert adapter.fingerprint() == f"{where}:{either.port} through {where}:{bastion.port}"
    assert await say(adapter) == "hi\n"
    assert len(bastion.connections) == 1


async def test_openssh_may_be_the_one_that_is_gone_through(server, openssh):
    assert await say(server.adapter(jump=through(openssh))) == "hi\n"


async def test_two_hosts_may_lie_on_the_way(server, bastion, openssh):
    adapter = server.adapter(jump=through(bastion, jump=through(openssh)))
    assert adapter.fingerprint().endswith(f"{bastion.port} through {USER}@127.0.0.1:{openssh.port}")
    assert await say(adapter) == "hi\n"


async def test_a_jump_host_has_of_the_target_what_it_does_not_say(server, tmp_path_factory):
    known = server.keys.known_hosts(server.port)
    adapter = server.adapter(jump={"host": "127.0.0.1", "port": server.port}, known_hosts=known)
    assert await say(adapter) == "hi\n"
    assert len(server.connections) == 2


async def test_a_secret_of_the_jump_host_is_revealed_when_it_is_needed(server, bastion):
    vault = Vault({"KEY": bastion.keys.user_text})
    settings = vault.bind({"jump": through(bastion, key="${env:KEY}")}, "here")
    assert await say(server.adapter(**settings)) == "hi\n"


async def test_it_is_told_which_host_on_the_way_failed(server, bastion):
    error = await refused(
        server.adapter(jump=through(bastion, known_hosts="x " + public(new_key())))
    )
    assert error.message.startswith(f"the host key of 127.0.0.1:{bastion.port} is not in known")
    error = await refused(server.adapter(port=1, jump=through(bastion)))
    assert error.message.startswith(
        f"127.0.0.1:1 (through 127.0.0.1:{bastion.port}) cannot be reached"
    )


@pytest.mark.parametrize(
    ("jump", "said", "help_"),
    [
        ({"hots": "x"}, "`jump` has no setting 'hots'", "did you mean 'host'?"),
        ({}, "`jump` needs a `host`", "the host to go through"),
        ({"host": "x", "port": "22"}, "`jump.port` takes a int", None),
    ],
)
def test_a_jump_host_is_checked(jump, said, help_):
    adapter = SshAdapter("h", "u", "h ssh-ed25519 AAAA", ["sh"], jump=jump)
    with pytest.raises(RunbookError) as e:
        adapter.fingerprint()
    assert e.value.message.startswith(said)
    assert e.value.help == help_


def test_hosts_on_the_way_have_an_end():
    jump = None
    for n in range(5):
        jump = {"host": f"h{n}"} | ({"jump": jump} if jump else {})
    with pytest.raises(RunbookError, match="more than 4 jump hosts"):
        SshAdapter("h", "u", "k", ["sh"], jump=jump).fingerprint()


# -- the far end -----------------------------------------------------------------------------------


async def test_what_a_login_shell_says_on_stderr_first_stays_there_and_ours_does_not(tmp_path):
    async def noisy(process):
        from tests.adapters.ssh_servers import run_in_shell  # noqa: PLC0415

        process.stderr.write(b"Last login: never\n")
        await run_in_shell(process)

    async with asyncssh_server(tmp_path, noisy) as server:
        adapter = server.adapter()
        found = await adapter.reader(CONTEXT).run(call_of(None, "echo rb-x >&2"))
        await adapter.close()
    assert found.stderr == "Last login: never\nrb-x\n"


async def test_a_command_line_that_is_too_long_is_refused(server):
    error = await refused_call(server, ["echo", "x" * 200_000])
    assert error.message == "the command is longer than the 96 KiB that can be sent"


async def refused_call(server, argv):
    adapter = server.adapter()
    with pytest.raises(AdapterError) as e:
        await adapter.writer(CONTEXT).run(call_of(argv, None))
    await adapter.close()
    assert not e.value.maybe_done
    return e.value


async def test_a_forced_command_that_tells_nothing_still_has_an_answer(tmp_path):
    async def forced(process):
        process.stdout.write(b"only this\n")
        process.exit(0)

    async with asyncssh_server(tmp_path, forced) as server:
        assert await say(server.adapter()) == "only this\n"


async def test_root_is_stopped_at_the_far_end_though_openssh_ignores_signals_for_it(
    openssh, tmp_path, monkeypatch
):
    """See `session_signal_req` of OpenSSH: no signal without privilege separation, as for root."""
    monkeypatch.setattr(command_side, "STOP_PART", 0.6)  # time for both, on a busy machine too
    pids = tmp_path / "pids"
    adapter = openssh.adapter()
    side = adapter.writer(StepContext(run="r", path="p", timeout_s=10.0))
    line = f"sleep 60 & echo $! $$ > {pids}.new; mv {pids}.new {pids}; wait"
    with pytest.raises(
        AdapterError, match=r"did not end within 4 s: it was stopped by SIGTERM"
    ) as e:
        await side.run(call_of(None, line))
    await adapter.close()
    assert e.value.maybe_done
    assert e.value.detail == {"signal": "SIGTERM", "gone": True, "limit_s": 4.0}
    assert [alive(pid) for pid in await appears(pids, 2)] == [False, False]


def public(key):
    return " ".join(key.export_public_key().decode().split()[:2])
