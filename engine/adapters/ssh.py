"""Commands on another machine over SSH: the steps `command.run`, carried by asyncssh.

One connection is opened when it is first needed, through its jump hosts, and shared by all steps of
a run. What the far end runs is said in `engine.adapters.ssh_machine`.
"""

from __future__ import annotations

from typing import Any

from engine.adapters.command_call import OUTPUT_MAX_BYTES
from engine.adapters.command_output import Output
from engine.adapters.command_side import CommandReader, CommandWriter, Job, Terms
from engine.adapters.ssh_hosts import SSH_PORT, Host, jumps
from engine.adapters.ssh_link import Link
from engine.adapters.ssh_machine import RemoteMachine
from engine.errors import AdapterError
from engine.language.shape import Duration, Size
from engine.language.words import listed
from engine.plugin import StepContext, reveal

__all__ = ["SshAdapter"]

PING_S = 10.0
"""For the far end to say which programs it has, once it is connected."""

WHICH = 'for p; do command -v "$p" >/dev/null 2>&1 || echo "$p"; done'


class SshAdapter:
    """Commands on a host that is reached over SSH. Nothing is read of ~/.ssh.

    host: its name or address
    user: who we are there
    known_hosts: whose keys are trusted: the absolute path of a file, or its lines
    allowed: the programs that may be started, by name or absolute path; `sh` for `shell` lines
    port: where sshd listens
    key: the private key, best as a reference such as ${file:/run/secrets/key}, or the path of its
        file
    passphrase: of the private key
    agent: true logs in with the keys of the agent that SSH_AUTH_SOCK names
    jump: a host to go through: its `host`, and where they differ `port`, `user`, `known_hosts`,
        `key`, `passphrase`, `agent` and a further `jump`
    connect_timeout_s: for a connection, login included
    keepalive_s: between two questions whether the other side is still there; after three without an
        answer the connection is lost
    cwd: the folder commands run in; the user's home where nothing is said
    env: variables every command gets, besides those of a login there; they travel on its standard
        input, never in a command line
    path: PATH of commands; that of a login there where nothing is said
    stdin: texts, by name, that a step may put on a command's standard input with `stdin_of`
    aws_endpoint_url: what `aws` is given as --endpoint-url
    max_output: kept of each of stdout and stderr
    """

    family = "ssh"

    def __init__(  # noqa: PLR0913 - the settings of a connection
        self,
        host: str,
        user: str,
        known_hosts: str,
        allowed: list[str],
        *,
        port: int = SSH_PORT,
        key: str | None = None,
        passphrase: str | None = None,
        agent: bool = False,
        jump: dict[str, Any] | None = None,
        connect_timeout_s: Duration = Duration(10.0),  # noqa: B008 - a float
        keepalive_s: Duration = Duration(15.0),  # noqa: B008 - a float
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        path: str | None = None,
        stdin: dict[str, str] | None = None,
        aws_endpoint_url: str | None = None,
        max_output: Size = Size(OUTPUT_MAX_BYTES),  # noqa: B008 - an int
    ) -> None:
        target = Host(
            host=host,
            user=user,
            known_hosts=known_hosts,
            port=port,
            key=key,
            passphrase=passphrase,
            agent=agent,
        )
        self._target, self._jump = target, jump
        self._limits = (float(connect_timeout_s), float(keepalive_s))
        self._link: Link | None = None
        self._terms = Terms(
            allowed=tuple(allowed),
            cwd=cwd,
            env=({"PATH": path} if path else {}) | (env or {}),
            stdin=stdin or {},
            aws_endpoint_url=aws_endpoint_url,
            max_output=int(max_output),
        )

    def fingerprint(self) -> str:
        """`user@host:port`, and the hosts it is reached through."""
        way = [host.where for host in reversed(self._hosts())]
        return " through ".join(way)

    async def ping(self) -> str:
        """Raises AdapterError where it cannot be reached, or lacks an allowed program."""
        allowed = self._terms.with_programs().allowed
        context = StepContext(run="", path="ping", timeout_s=PING_S)
        output = Output(OUTPUT_MAX_BYTES, context)
        argv = ("/bin/sh", "-c", WHICH, "sh", *allowed)
        limit_s = self._limits[0] + PING_S
        job = Job(
            program=argv[0],
            argv=argv,
            cwd=None,
            env={n: reveal(value) for n, value in self._terms.env.items() if n == "PATH"},
            stdin=None,
            limit_s=limit_s,
            stop_s=1.0,
            acts=False,
        )
        ended = await self._machine().execute(job, output)
        where = self._target.where
        if ended.stopped is not None or ended.exit_code != 0:
            raise AdapterError(f"{where} does not run /bin/sh: {output.stderr.text.strip()}")
        if missing := output.stdout.text.split():
            hint = "install them, or say with `path` where they lie"
            message = f"not found at {where}: {listed(missing, 'and')}"
            raise AdapterError(message, help=hint, retryable=False)
        return f"{listed(allowed, 'and')} at {where}"

    def reader(self, context: StepContext) -> CommandReader:
        return CommandReader(self._machine(), self._terms.with_programs(), context)

    def writer(self, context: StepContext) -> CommandWriter:
        return CommandWriter(self._machine(), self._terms.with_programs(), context)

    async def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    def _hosts(self) -> tuple[Host, ...]:
        return (*jumps(self._jump, self._target), self._target)

    def _machine(self) -> RemoteMachine:
        if self._link is None:
            timeout_s, keepalive_s = self._limits
            self._link = Link(self._hosts(), connect_timeout_s=timeout_s, keepalive_s=keepalive_s)
        return RemoteMachine(self._link)
