"""What an SSH connection and the network can do to a command, and whether it may have happened.

The wire is encrypted, so faults are not told by what passes but by where the server is: asked for a
channel, asked to run a command, running it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import asyncssh
import pytest
import servers

from engine.adapters.command import call_of
from engine.errors import AdapterError
from engine.plugin import StepContext
from tests.adapters.command_places import alive, appears
from tests.adapters.ssh_servers import (
    Keys,
    Server,
    asyncssh_server,
    new_keys,
    openssh_server,
    run_in_shell,
)


@dataclass
class Far:
    """A server behind a faulty network. `at_channel`, `at_command`: what happens when one is asked
    for.
    """

    keys: Keys
    port: int = 0
    proxy: servers.FaultProxy | None = None
    at_channel: Callable[[Far], Awaitable[None]] | None = None
    at_command: Callable[[Far], Awaitable[None]] | None = None
    refuse_channel: bool = False
    refuse_command: bool = False
    started: list[str] = field(default_factory=list)


class Door(asyncssh.SSHServer):
    def __init__(self, far: Far) -> None:
        self._far = far

    async def session_requested(self):
        if self._far.at_channel:
            await self._far.at_channel(self._far)
        if self._far.refuse_channel:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "no more")
        return Command(self._far)


class Command(asyncssh.SSHServerProcess):
    def __init__(self, far: Far) -> None:
        super().__init__(self._begin, None, 3, False)
        self._far = far

    def exec_requested(self, command: str) -> bool:
        if self._far.refuse_command:
            return False
        self._far.started.append(command)
        return super().exec_requested(command)

    async def _begin(self, process) -> None:
        if self._far.at_command:
            await self._far.at_command(self._far)
        else:
            await run_in_shell(process)


@pytest.fixture
async def far(tmp_path):
    far = Far(new_keys(tmp_path))
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: Door(far),
        server_host_keys=[far.keys.host],
        authorized_client_keys=str(tmp_path / "authorized_keys"),
        encoding=None,
    )
    async with servers.fault_proxy(server.sockets[0].getsockname()[1]) as proxy:
        far.proxy, far.port = proxy, proxy.port
        yield far
    server.close()
    await server.wait_closed()


async def cut(far: Far) -> None:
    await far.proxy.cut_all()
    await asyncio.Event().wait()  # what happens at the far end from now on, nobody sees


async def vanish(far: Far) -> None:
    far.proxy.black_hole = True
    await asyncio.Event().wait()


async def error_of(far: Far, *, timeout_s=20.0, act=True, shell="sleep 60", **settings):
    adapter = Server(far.port, far.keys, []).adapter(**settings)
    context = StepContext(run="r", path="p", timeout_s=timeout_s)
    side = adapter.writer(context) if act else adapter.reader(context)
    try:
        with pytest.raises(AdapterError) as e:
            await side.run(call_of(None, shell))
    finally:
        await adapter.close()
    return e.value


def refuse_all(far):
    far.proxy.refuse_new = True


def hole(far):
    far.proxy.black_hole = True


def nobody(far):
    far.port = servers.free_port()


def cut_at_channel(far):
    far.at_channel = cut


def vanish_at_channel(far):
    far.at_channel = vanish


def refuse_channel(far):
    far.refuse_channel = True


def refuse_command(far):
    far.refuse_command = True


def cut_at_command(far):
    far.at_command = cut


def vanish_at_command(far):
    far.at_command = vanish


IMPATIENT = {"timeout_s": 5.0}
"""Where the time of the step has to go by: a connection is there sooner, on a busy machine too."""

FAULTS = [
    # fault, settings, whether it may have happened, what is said
    (nobody, {}, False, "127.0.0.1:{port} refuses connections"),
    (refuse_all, {}, False, "no connection to 127.0.0.1:{port}: "),
    (hole, {"connect_timeout_s": 0.3}, False, "no connection to 127.0.0.1:{port} within 0.3 s"),
    (
        hole,
        IMPATIENT,
        False,
        "there was no connection to {user}@127.0.0.1:{port} in the time of the step",
    ),
    (cut_at_channel, {}, False, "was lost before the command was asked for"),
    (vanish_at_channel, IMPATIENT, False, "opened no channel within 4 s"),
    (refuse_channel, {}, False, "refuses to open a channel: no more"),
    (refuse_command, {}, False, "refuses to run a command: Session request failed"),
    (cut_at_command, {}, True, "was lost while the command ran"),
    (
        vanish_at_command,
        IMPATIENT,
        True,
        "did not end within 4 s: whether it still runs is not known",
    ),
    (
        vanish_at_command,
        {"keepalive_s": 0.05},
        True,
        "was lost while the command ran",
    ),
]


@pytest.mark.parametrize(("fault", "settings", "maybe_done", "said"), FAULTS)
async def test_an_action_is_in_doubt_only_where_the_command_may_have_reached_the_far_end(
    far, fault, settings, maybe_done, said
):
    fault(far)
    error = await error_of(far, **settings)
    from tests.adapters.ssh_servers import USER  # noqa: PLC0415

    assert said.format(port=far.port, user=USER) in error.message
    assert error.maybe_done == maybe_done
    assert bool(far.started) == maybe_done


@pytest.mark.parametrize("fault", [cut_at_command, vanish_at_command])
async def test_a_check_is_never_in_doubt(far, fault):
    fault(far)
    assert not (await error_of(far, act=False, **IMPATIENT)).maybe_done


async def test_what_is_said_of_a_lost_connection_says_what_may_go_on(far):
    cut_at_command(far)
    error = await error_of(far)
    assert error.message.endswith(
        "the change may have been made, and the command may still run there"
    )
    assert error.detail == {"sent": True}


async def test_after_a_fault_the_next_step_begins_with_a_new_connection(far):
    adapter = Server(far.port, far.keys, []).adapter()
    context = StepContext(run="r", path="p", timeout_s=1.0)
    vanish_at_command(far)
    with pytest.raises(AdapterError):
        await adapter.writer(context).run(call_of(["true"], None))
    far.at_command = None
    far.proxy.heal()
    context = StepContext(run="r", path="p", timeout_s=20.0)
    found = await adapter.writer(context).run(call_of(["echo", "again"], None))
    await adapter.close()
    assert found.stdout == "again\n"


async def test_a_black_hole_does_not_hold_the_closing_up(far):
    adapter = Server(far.port, far.keys, []).adapter()
    await adapter.ping()
    far.proxy.black_hole = True
    async with asyncio.timeout(20):
        await adapter.close()


async def test_a_command_that_waits_for_a_free_channel_too_long_was_not_asked_for(tmp_path):
    async with asyncssh_server(tmp_path) as server:
        adapter = server.adapter()
        link = adapter._machine()._link
        for _ in range(8):
            await link.places.acquire()
        side = adapter.writer(StepContext(run="r", path="p", timeout_s=0.2))
        with pytest.raises(AdapterError, match=r"no channel was free to .* in the time of") as e:
            await side.run(call_of(["true"], None))
        await adapter.close()
    assert not e.value.maybe_done


async def test_a_port_that_speaks_no_ssh_is_told(tmp_path):
    async def greet(_reader, writer):
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    far = Far(new_keys(tmp_path), port=server.sockets[0].getsockname()[1])
    error = await error_of(far)
    server.close()
    assert f"127.0.0.1:{far.port}" in error.message
    assert not error.maybe_done


async def test_a_name_that_is_not_known_is_told(tmp_path):
    far = Far(new_keys(tmp_path), port=22)
    error = await error_of(far, host="no-such-host.invalid", timeout_s=10.0)
    assert error.message == "the name no-such-host.invalid is not known to DNS"


@pytest.fixture(scope="module")
def openssh(tmp_path_factory):
    with openssh_server(tmp_path_factory.mktemp("sshd")) as server:
        yield server


async def test_when_openssh_dies_under_a_command_an_action_is_in_doubt(openssh, tmp_path):
    pids = tmp_path / "pids"
    adapter = openssh.adapter()
    side = adapter.writer(StepContext(run="r", path="p", timeout_s=20.0))
    line = f"echo $$ $PPID > {pids}.new; mv {pids}.new {pids}; exec sleep 60"
    running = asyncio.ensure_future(side.run(call_of(None, line)))
    ours, session = await appears(pids, 2)
    os.kill(session, signal.SIGKILL)
    with pytest.raises(AdapterError, match="was lost while the command ran") as e:
        await running
    await adapter.close()
    assert e.value.maybe_done
    if alive(ours):  # it does outlive its server: that is why it is in doubt
        os.kill(ours, signal.SIGKILL)
