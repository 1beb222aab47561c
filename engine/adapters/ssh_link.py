"""Opens one SSH connection, through its jump hosts, and keeps it for all steps of a run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from engine.adapters import ssh_errors
from engine.adapters.command_call import refusal
from engine.adapters.ssh_errors import Shown
from engine.adapters.ssh_hosts import Host
from engine.plugin import reveal

if TYPE_CHECKING:
    import asyncssh

SESSIONS_MAX = 8
"""Commands at once over one connection. OpenSSH takes 10 (MaxSessions); two are left for stopping
commands that take too long. Further ones wait.
"""

KEEPALIVES_MAX = 3
"""Unanswered in a row before a connection is called lost."""

CIPHERS = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""Before all others that asyncssh has: a packet is one call of the library, where its first choice
(ChaCha20) takes three, and a command of no length is some twenty packets.
"""

CLOSE_MAX_S = 2.0
"""For a connection to close: a black hole never answers."""


class Link:
    """One connection, opened when it is first needed and again when it was lost."""

    def __init__(
        self, hosts: tuple[Host, ...], *, connect_timeout_s: float, keepalive_s: float
    ) -> None:
        self.hosts = hosts
        self.places = asyncio.Semaphore(SESSIONS_MAX)
        self._connect_timeout_s = connect_timeout_s
        self._keepalive_s = keepalive_s
        self._opening = asyncio.Lock()
        self._open: list[asyncssh.SSHClientConnection] = []
        self._retired: list[asyncssh.SSHClientConnection] = []

    @property
    def where(self) -> str:
        return self.hosts[-1].where

    async def connection(self) -> asyncssh.SSHClientConnection:
        """The connection to the target. Raises AdapterError: nothing has been asked there."""
        async with self._opening:
            if self._open and not self._open[-1].is_closed():
                return self._open[-1]
            await self._close()
            try:
                for host in self.hosts:
                    self._open.append(await self._connect(host))
            except BaseException:
                await self._close()
                raise
            return self._open[-1]

    def retire(self, connection: asyncssh.SSHClientConnection) -> None:
        """Lets a connection that may be a black hole be: the next step begins with a new one.

        It stays open for the commands that still run over it.
        """
        if self._open and self._open[-1] is connection:
            self._retired += self._open
            self._open = []

    async def close(self) -> None:
        async with self._opening:
            await self._close()
            self._open, self._retired = self._retired, []
            await self._close()

    async def _close(self) -> None:
        while self._open:
            connection = self._open.pop()
            connection.close()
            try:
                async with asyncio.timeout(CLOSE_MAX_S):
                    await connection.wait_closed()
            except TimeoutError:
                connection.abort()

    async def _connect(self, host: Host) -> asyncssh.SSHClientConnection:
        import asyncssh  # noqa: PLC0415 - 100 ms that only a connection over SSH costs

        shown = Shown()
        options = self._options(host, shown)
        through = self._open[-1] if self._open else None
        try:
            async with asyncio.timeout(self._connect_timeout_s), _keys(host) as keys:
                return await asyncssh.connect(tunnel=through or (), client_keys=keys, **options)
        except (OSError, asyncssh.Error, TimeoutError) as e:
            before = self.hosts[self.hosts.index(host) - 1].address if through else ""
            raise ssh_errors.not_connected(
                e, host, shown, through=before, timeout_s=self._connect_timeout_s
            ) from e

    def _options(self, host: Host, shown: Shown) -> Mapping[str, Any]:
        """Nothing is taken from ~/.ssh or the environment: a runbook says what it relies on."""
        trusted = host.trusted()
        return {
            "host": str(reveal(host.host)),
            "port": host.port,
            "username": str(reveal(host.user)),
            "config": None,
            "known_hosts": trusted,
            "agent_path": None,
            "client_factory": lambda: _watching(shown, trusted),
            "preferred_auth": "publickey",
            "gss_host": None,
            "keepalive_interval": self._keepalive_s,
            "keepalive_count_max": KEEPALIVES_MAX,
            "compression_algs": None,
            "encryption_algs": CIPHERS,
        }


@asynccontextmanager
async def _keys(host: Host) -> AsyncIterator[list[Any]]:
    """The keys to try: the one that is given, else those of the agent, for the time of a login."""
    key = host.private_key()
    if key is None and not host.agent:
        raise refusal(
            f"the connection says nothing to log in to {host.where} with",
            "give it a `key` as a secret reference, or `agent: true`",
        )
    if key is not None:
        yield [key]
        return
    import asyncssh  # noqa: PLC0415 - imported by whoever connects anyway

    path = os.environ.get("SSH_AUTH_SOCK")
    if not path:
        raise refusal("`agent: true`, and no SSH agent is there: SSH_AUTH_SOCK is not set")
    async with asyncssh.SSHAgentClient(path) as agent:
        yield await _keys_of(agent, path)


async def _keys_of(agent: asyncssh.SSHAgentClient, path: str) -> list[Any]:
    try:
        found = list(await agent.get_keys())
    except (OSError, ValueError) as e:
        raise refusal(f"the SSH agent at {path} does not answer: {e}") from e
    if not found:
        raise refusal("the SSH agent holds no key", "add one with ssh-add")
    return found


def _watching(shown: Shown, trusted: asyncssh.SSHKnownHosts) -> asyncssh.SSHClient:
    """A client that trusts nobody by itself, and notes the key of a host that is not known."""
    import asyncssh  # noqa: PLC0415 - imported by whoever connects anyway

    class Watching(asyncssh.SSHClient):
        def validate_host_public_key(
            self, host: str, addr: str, port: int, key: asyncssh.SSHKey
        ) -> bool:
            shown.key = key
            found = trusted.match(host, addr, None if port == 22 else port)[0]
            shown.known = [f"{k.get_algorithm()} {k.get_fingerprint()}" for k in found]
            return False

    return Watching()
