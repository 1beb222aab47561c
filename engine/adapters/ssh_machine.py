"""Runs a command at the far end of an SSH connection, and stops it there.

The command is started by a few lines of shell, which do what the protocol cannot:

* they tell the number of the process on stderr, so that all of it can be stopped later over a
  second channel: servers may ignore the protocol's own signals (OpenSSH does for root);
* they read the variables from standard input: servers refuse most that are sent with the request,
  and what stands in a command line can be read by every user there;
* they say whether the folder and the program are there, before anything is started.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import shlex
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

from engine.adapters import ssh_errors
from engine.adapters.command_call import refusal
from engine.adapters.command_local import OUTPUT_AFTER_EXIT_S
from engine.adapters.command_output import Output
from engine.adapters.command_result import Ended, Stopped
from engine.adapters.command_side import Job
from engine.adapters.ssh_link import Link
from engine.errors import AdapterError

if TYPE_CHECKING:
    import asyncssh

T = TypeVar("T")

COMMAND_MAX_BYTES = 96 * 1024
"""Of a command line: Linux takes 128 KiB as one argument of the login shell, and there is our part.
"""

BEFORE_THE_MARK_BYTES = 16 * 1024
"""Of what a login shell may say on stderr before our first line; later nobody looks for it."""

STOP_FOR_CANCEL_S = 3.0
"""For stopping a command at the far end whose step is no longer wanted."""

BEGIN = (
    'echo "$0 $$" >&2;'
    ' if [ -n "$1" ]; then CDPATH= cd "$1" 2>/dev/null || { echo "$0 folder" >&2; exit 126; }; fi;'
    " n=$2; shift 2;"
    ' while [ "$n" -gt 0 ]; do n=$((n-1)); IFS= read -r e || exit 126;'
    """ v=$(printf '%b.' "$e"); export "${v%.}"; done; unset n e v;"""
    ' case $1 in */*) [ -x "$1" ];; *) command -v "$1" >/dev/null 2>&1;; esac'
    ' || { echo "$0 program" >&2; exit 127; };'
    ' exec "$@"'
)
"""Its `$0` is the mark that our lines on stderr begin with; then the folder, the number of
variables, and the command. One line: some login shells take no other.
"""

STOP = (
    'sig() { kill -s "$1" -- "$2" 2>/dev/null || kill "-$1" "$2" 2>/dev/null; };'
    " list() { ps -e -o pgid= -o pid= -o stat= 2>/dev/null || ps -o pgid,pid,stat 2>/dev/null; };"
    " lives() { command -v ps >/dev/null 2>&1 ||"
    ' { sig 0 "-$1" || sig 0 "$1" || [ -d "/proc/$1" ]; return; };'
    " list | { while read -r g p s; do case $s in Z*) continue;; esac;"
    ' if [ "$g" = "$1" ] || [ "$p" = "$1" ]; then exit 0; fi; done; exit 1; }; };'
    ' gone() { i=0; while lives "$1"; do i=$((i+1)); [ "$i" -gt "$2" ] && return 1;'
    " sleep 0.1 2>/dev/null || sleep 1; done; return 0; };"
    ' end() { sig "$2" "-$1" || sig "$2" "$1"; };'
    ' end "$1" TERM; gone "$1" "$2" && { echo TERM; exit 0; };'
    ' end "$1" KILL; gone "$1" "$3" && { echo KILL; exit 0; };'
    " echo ALIVE"
)
"""Ends the process group `$1` (or the process, where the server makes no group): asked first, made
to after `$2` tenths of a second, waited for `$3` more. Says which signal it took.
"""

_TOLD = re.compile(rb"(rb-[0-9a-f]{16}) ([a-z]+|[0-9]+)\r?\n")


class RemoteMachine:
    """The host at the end of a link."""

    remote = True

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def where(self) -> str:
        return self._link.where

    async def execute(self, job: Job, output: Output) -> Ended:
        """See `Machine`. Waiting for a connection and for a free channel counts as its time."""
        until_s = asyncio.get_running_loop().time() + job.limit_s
        session = Session(output)
        command, stdin = request(job, session.mark)
        await self._in_time(self._link.places.acquire(), until_s, "no channel was free")
        try:
            connection = await self._in_time(
                self._link.connection(), until_s, "there was no connection"
            )
            return await self._carry_out(connection, session, job, (command, stdin, until_s))
        finally:
            self._link.places.release()

    async def _in_time(self, coming: Awaitable[T], until_s: float, what: str) -> T:
        """What must be there before anything is asked of the far end."""
        try:
            async with asyncio.timeout_at(until_s):
                return await coming
        except TimeoutError as e:
            raise AdapterError(f"{what} to {self.where} in the time of the step") from e

    async def _carry_out(
        self,
        connection: asyncssh.SSHClientConnection,
        session: Session,
        job: Job,
        asked: tuple[str, bytes, float],
    ) -> Ended:
        command, stdin, until_s = asked
        # a task of its own: cut short, it could have started what nobody knows the number of
        beginning = asyncio.ensure_future(self._begin(connection, session, job, command))
        try:
            async with asyncio.timeout_at(until_s):
                await asyncio.wait({beginning})
                beginning.result()
                session.feed(stdin)
                await asyncio.wait({session.exited})
            await asyncio.wait({session.closed}, timeout=OUTPUT_AFTER_EXIT_S)
            return self._ended(session, job)
        except TimeoutError as e:
            if not session.sent:
                message = f"{self.where} opened no channel within {job.limit_s:g} s"
                raise AdapterError(message) from e
            return Ended(stopped=await self._stop(connection, session, job.stop_s))
        except asyncio.CancelledError:
            await self._stop_unwanted(connection, session)
            raise
        finally:
            session.leave()
            beginning.cancel()
            await asyncio.gather(beginning, return_exceptions=True)

    async def _begin(
        self, connection: asyncssh.SSHClientConnection, session: Session, job: Job, command: str
    ) -> None:
        import asyncssh  # noqa: PLC0415 - imported by now

        made: Any = lambda: session  # noqa: E731 - the library asks for a factory of its own class
        try:
            await connection.create_session(made, command, encoding=None)
        except asyncssh.ChannelOpenError as e:
            # so it tells of a connection that ends while a channel, or a command, is asked for
            ended = e.code == asyncssh.OPEN_CONNECT_FAILED
            if session.closed.done() if session.sent else ended:
                raise ssh_errors.lost(None, self.where, sent=session.sent, acts=job.acts) from e
            what = "run a command" if session.sent else "open a channel"
            raise AdapterError(f"{self.where} refuses to {what}: {e}") from e
        except (asyncssh.Error, OSError) as e:
            raise ssh_errors.lost(e, self.where, sent=session.sent, acts=job.acts) from e

    def _ended(self, session: Session, job: Job) -> Ended:
        if "folder" in session.told:
            raise refusal(f"there is no folder {job.cwd} at {self.where}")
        if "program" in session.told:
            raise refusal(
                f"there is no program `{job.program}` at {self.where}",
                "`path` of the connection says where to look",
            )
        if session.exit_code is None and session.signal is None:
            raise ssh_errors.lost(session.error, self.where, sent=True, acts=job.acts)
        return Ended(session.exit_code, session.signal, still_open=not session.closed.done())

    async def _stop_unwanted(
        self, connection: asyncssh.SSHClientConnection, session: Session
    ) -> None:
        if session.sent and not session.exited.done():
            with contextlib.suppress(asyncio.CancelledError):
                await self._stop(connection, session, STOP_FOR_CANCEL_S)

    async def _stop(
        self, connection: asyncssh.SSHClientConnection, session: Session, within_s: float
    ) -> Stopped:
        """Ends the command at the far end, over a second channel; nobody knows, if that fails."""
        import asyncssh  # noqa: PLC0415 - imported by now

        await asyncio.wait({session.named}, timeout=within_s / 3)
        if session.process is None:
            session.ask_to_end()
            self._link.retire(connection)
            return Stopped("SIGTERM", gone=None)
        within_s *= 2 / 3
        asked, made = max(1, int(within_s * 5)), max(1, int(within_s * 3))
        script = ["/bin/sh", "-c", STOP, "sh", str(session.process), str(asked), str(made)]
        try:
            async with asyncio.timeout(within_s):
                done = await connection.run(f"exec {shlex.join(script)}", check=False)
        except (asyncssh.Error, OSError, TimeoutError):
            self._link.retire(connection)
            return Stopped("SIGTERM", gone=None)
        said = str(done.stdout or "").strip()
        by = "SIGTERM" if said == "TERM" else "SIGKILL"
        return Stopped(by, gone={"TERM": True, "KILL": True, "ALIVE": False}.get(said))


def request(job: Job, mark: str) -> tuple[str, bytes]:
    """The line that the far end's login shell reads, and what goes to the command's stdin."""
    words = (job.program, *job.argv[1:])
    begin = ["/bin/sh", "-c", BEGIN, mark, job.cwd or "", str(len(job.env)), *words]
    command = f"exec {shlex.join(begin)}"
    if len(command.encode()) > COMMAND_MAX_BYTES:
        raise refusal(
            f"the command is longer than the {COMMAND_MAX_BYTES // 1024} KiB that can be sent",
            "give long texts to the command on its `stdin`",
        )
    variables = "".join(f"{name}={_escaped(value)}\n" for name, value in job.env.items())
    return command, variables.encode() + (job.stdin or b"")


def _escaped(value: str) -> str:
    """As `printf %b` reads it back."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")


class Session:
    """One command at the far end, as its channel tells of it: what asyncssh calls a session."""

    def __init__(self, output: Output) -> None:
        loop = asyncio.get_running_loop()
        self._output = output
        self._early = b""
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self.mark = f"rb-{secrets.token_hex(8)}"
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.named: asyncio.Future[None] = loop.create_future()
        self.process: int | None = None
        self.told: set[str] = set()
        self.exit_code: int | None = None
        self.signal: str | None = None
        self.error: Exception | None = None

    @property
    def sent(self) -> bool:
        """Whether the command may have reached the far end: it is asked for as soon as the channel
        is open.
        """
        return self._channel is not None

    def feed(self, stdin: bytes) -> None:
        if self._channel is not None and not self.closed.done():
            if stdin:
                self._channel.write(stdin)
            self._channel.write_eof()

    def ask_to_end(self) -> None:
        """The protocol's own way; a server may ignore it."""
        if self._channel is not None and not self.closed.done():
            with contextlib.suppress(OSError):
                self._channel.terminate()

    def leave(self) -> None:
        if self._channel is not None and not self.closed.done():
            self._channel.abort()

    # -- what asyncssh calls -----------------------------------------------------------------------

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def session_started(self) -> None:
        """The far end has agreed to run the command."""

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if datatype is None:
            self._output.take(data, stderr=False)
        else:
            self._said(data)

    def eof_received(self) -> bool:
        return False

    def exit_status_received(self, status: int) -> None:
        self.exit_code = status
        _set(self.exited)

    def exit_signal_received(self, signal: str, _core: bool, _message: str, _language: str) -> None:
        self.signal = f"SIG{signal}"
        _set(self.exited)

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        if self._early:
            self._output.take(self._early, stderr=True)
        _set(self.exited)
        _set(self.closed)

    def pause_writing(self) -> None:
        """The channel keeps what is written until the far end reads on."""

    def resume_writing(self) -> None:
        """See `pause_writing`."""

    def xon_xoff_requested(self, client_can_do: bool) -> None:
        """For terminals only."""

    def _said(self, data: bytes) -> None:
        """Takes our own lines out of stderr. What a login shell says before them stays in it."""
        if self.process is None:
            data, self._early = self._early + data, b""
        if b"rb-" in data:
            data = _TOLD.sub(self._ours, data)
        if self.process is None and len(data) < BEFORE_THE_MARK_BYTES:
            self._early = data
        elif data:
            self._output.take(data, stderr=True)

    def _ours(self, line: re.Match[bytes]) -> bytes:
        if line[1].decode() != self.mark:
            return line[0]
        word = line[2].decode()
        if word.isdigit():
            self.process = int(word)
            _set(self.named)
        else:
            self.told.add(word)
        return b""


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
