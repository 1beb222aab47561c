"""SSH servers on the loopback: asyncssh's own, in this process, and OpenSSH.

Both let this user in with one key, and really run what they are asked to run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from engine.adapters.ssh import SshAdapter
from tests.ports import free_port

START_MAX_S = 60.0
"""For sshd to answer."""

SSHD_MISSING = "no OpenSSH server to test against: install Debian's openssh-server"

USER = pwd.getpwuid(os.geteuid()).pw_name
"""Whoever this is, and not whoever the environment says: sshd goes by its own accounts."""


@dataclass(frozen=True)
class Keys:
    """Keys of a host and of a user, and a file of each, as OpenSSH keeps them."""

    folder: Path
    host: asyncssh.SSHKey
    user: asyncssh.SSHKey

    @property
    def user_text(self) -> str:
        return self.user.export_private_key().decode()

    def known_hosts(self, port: int, key: asyncssh.SSHKey | None = None) -> str:
        public = (key or self.host).export_public_key().decode().strip()
        return f"[127.0.0.1]:{port} {public}\n"


def new_keys(folder: Path) -> Keys:
    """Fresh keys; ed25519, which take a millisecond."""
    keys = Keys(folder, asyncssh.generate_private_key("ssh-ed25519"), new_key())
    for name, key in (("host", keys.host), ("user", keys.user)):
        key.write_private_key(str(folder / name))
        (folder / name).chmod(0o600)
    keys.user.write_public_key(str(folder / "authorized_keys"))
    return keys


def new_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@dataclass(frozen=True)
class Server:
    """A server that runs, and what it takes to reach it."""

    port: int
    keys: Keys
    connections: list[asyncssh.SSHServerConnection]
    """One item for each connection that was let in; of asyncssh's server only."""

    def adapter(self, **settings) -> SshAdapter:
        """A connection to it; `settings` are laid over those that are right."""
        right = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "known_hosts": self.keys.known_hosts(settings.get("port", self.port)),
            "key": self.keys.user_text,
            "allowed": ["sh", "echo", "cat", "env", "sleep", "python3", "true", "yes"],
        }
        return SshAdapter(**(right | settings))


@contextmanager
def openssh_server(folder: Path, *settings: str) -> Iterator[Server]:
    """Debian's sshd. It forks, runs login shells, and has its own mind about signals."""
    binary = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert binary, SSHD_MISSING
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    keys = new_keys(folder)
    port = free_port()
    config = folder / "sshd_config"
    lines = [
        f"ListenAddress 127.0.0.1:{port}",
        f"HostKey {folder / 'host'}",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        f"PidFile {folder / 'pid'}",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "PermitRootLogin prohibit-password",
        "MaxStartups 100",
        "UseDNS no",
        *settings,
    ]
    config.write_text("\n".join(lines) + "\n")
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [binary, "-D", "-e", "-f", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=log,
        start_new_session=True,
    )
    log.close()
    try:
        _wait_for(port, process, folder / "log")
        yield Server(port, keys, [])
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_MAX_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, f"sshd ended with {process.returncode}: {log.read_text()}"
        assert time.monotonic() < until, f"sshd did not answer within {START_MAX_S:g} s"
        time.sleep(0.005)


class _Door(asyncssh.SSHServer):
    def __init__(self, made: list[asyncssh.SSHServerConnection]) -> None:
        self._made = made

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._made.append(conn)

    def connection_requested(self, *_: object) -> bool:
        return True  # a jump host


@asynccontextmanager
async def asyncssh_server(folder: Path, handle=None) -> AsyncIterator[Server]:
    """asyncssh's server in this process. `handle` takes the place of a shell."""
    keys = new_keys(folder)
    connections: list[asyncssh.SSHServerConnection] = []
    tasks: set[asyncio.Task[None]] = set()

    def begin(process: asyncssh.SSHServerProcess) -> None:
        task = asyncio.ensure_future((handle or run_in_shell)(process))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: _Door(connections),
        server_host_keys=[keys.host],
        authorized_client_keys=str(folder / "authorized_keys"),
        process_factory=begin,
        encoding=None,
    )
    try:
        yield Server(server.sockets[0].getsockname()[1], keys, connections)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in connections:  # of which closing the server closes none
            connection.abort()
            await connection.wait_closed()
        await server.wait_closed()


async def run_in_shell(process: asyncssh.SSHServerProcess) -> None:
    """What sshd does: the user's shell, in a session of its own. Its end is told when it ends, and
    the channel stays open while something it left behind holds its output.
    """
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    child = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        process.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=out_end,
        stderr=err_end,
        start_new_session=True,
        cwd=os.environ.get("HOME", "/"),
    )
    os.close(out_end)
    os.close(err_end)
    feeding = asyncio.ensure_future(_feed(process.stdin, child.stdin))
    telling = [_tell(out, process.stdout), _tell(err, process.stderr)]
    told = asyncio.gather(*telling)
    try:
        code = await child.wait()
        await asyncio.wait({told}, timeout=0.1)
        if code < 0:
            name = signal.Signals(-code).name.removeprefix("SIG")
            process.channel._send_request(b"exit-signal", *_exit_signal(name))
        else:
            process.channel._send_request(b"exit-status", asyncssh.packet.UInt32(code))
        await told
        process.close()
    finally:
        feeding.cancel()
        told.cancel()
        await asyncio.gather(feeding, told, return_exceptions=True)
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()


def _exit_signal(name: str) -> tuple[bytes, ...]:
    string = asyncssh.packet.String
    return string(name), asyncssh.packet.Boolean(False), string(""), string("")


async def _feed(reader, writer) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _tell(pipe: int, writer) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", 0)
    )
    try:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
    finally:
        transport.close()
