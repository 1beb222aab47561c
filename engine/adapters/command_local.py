"""Runs a command on this machine: in a session of its own, with nothing inherited but what is said,
and with nothing of it left when its time is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.adapters.command_call import refusal
from engine.adapters.command_output import Output
from engine.adapters.command_result import Ended, Stopped
from engine.adapters.command_side import Job
from engine.errors import AdapterError

PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
)  # fmt: skip
"""Variables of the engine that every command gets. Anything else is named by the connection: what
the engine was started with may hold secrets.
"""

OUTPUT_AFTER_EXIT_S = 1.0
"""How long we wait for the rest of the output once a command has ended. It mostly is there at once;
a process left behind in the background may hold it open for ever.
"""

STOP_FOR_CANCEL_S = 2.0
"""What a command has to end by itself when its step is no longer wanted."""

DIES_WITHIN_S = 5.0
"""After SIGKILL. Only what hangs in the kernel (a dead network disk) takes longer, or never goes.
"""

LOOK_AGAIN_S = 0.02
"""Between two looks at whether a process group is gone."""


class LocalMachine:
    """This machine. `pass_env`: further variables of the engine that commands get."""

    remote = False

    def __init__(self, pass_env: Sequence[str] = (), path: str | None = None) -> None:
        self._pass_env = tuple(pass_env)
        self._path = path

    @property
    def where(self) -> str:
        return socket.gethostname()

    def environment(self) -> dict[str, str]:
        names = (*PASSED_ON, *self._pass_env)
        env = {name: os.environ[name] for name in names if name in os.environ}
        if self._path is not None:
            env["PATH"] = self._path
        return env

    def find(self, program: str, path: str | None = None) -> str | None:
        """Where a program lies. A relative folder of the search path is not looked into."""
        search = path if path is not None else self.environment().get("PATH", os.defpath)
        folders = [folder for folder in search.split(os.pathsep) if folder.startswith("/")]
        if not folders and not program.startswith("/"):
            return None
        return shutil.which(program, path=os.pathsep.join(folders))

    async def execute(self, job: Job, output: Output) -> Ended:
        """See `Machine`. What fails before the program runs has certainly changed nothing."""
        env = self.environment() | dict(job.env)
        transport, child = await _start(job, self._found(job, env), env, output)
        pid = transport.get_pid()
        try:
            _feed(transport, job.stdin)
            await asyncio.wait({child.exited}, timeout=job.limit_s)
            if not child.exited.done():
                return Ended(stopped=await _stop(pid, child, job.stop_s))
            await asyncio.wait({child.closed}, timeout=OUTPUT_AFTER_EXIT_S)
            return _ended(transport.get_returncode(), still_open=not child.closed.done())
        except asyncio.CancelledError:
            await _stop_at_once_if_cancelled(pid, child)
            raise
        finally:
            transport.close()

    def _found(self, job: Job, env: Mapping[str, str]) -> str:
        if job.cwd is not None and not Path(job.cwd).is_dir():
            raise refusal(f"there is no folder {job.cwd} to run in")
        found = self.find(job.program, env.get("PATH"))
        if found is not None:
            return found
        if job.program.startswith("/") and Path(job.program).exists():
            raise refusal(f"{job.program} cannot be executed", "is its execute bit set?")
        if job.program.startswith("/"):
            raise refusal(f"there is no program {job.program} on {self.where}")
        raise refusal(
            f"there is no program `{job.program}` on {self.where}",
            f"it was looked for in {env.get('PATH') or os.defpath}; `path` of the connection"
            " says where to look",
        )


class _Child(asyncio.SubprocessProtocol):
    """Follows one process. `exited`: it has ended; `closed`: so has all it could still print to."""

    def __init__(self, output: Output) -> None:
        loop = asyncio.get_running_loop()
        self._output = output
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._output.take(data, stderr=fd == 2)

    def process_exited(self) -> None:
        _set(self.exited)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        _set(self.exited)
        _set(self.closed)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _start(
    job: Job, program: str, env: Mapping[str, str], output: Output
) -> tuple[asyncio.SubprocessTransport, _Child]:
    stdin = asyncio.subprocess.DEVNULL if job.stdin is None else asyncio.subprocess.PIPE
    try:
        return await asyncio.get_running_loop().subprocess_exec(
            lambda: _Child(output),
            *job.argv,
            executable=program,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=job.cwd,
            env=dict(env),
            start_new_session=True,
        )
    except (OSError, ValueError, UnicodeError) as e:
        raise _not_started(program, e) from e


def _not_started(program: str, error: Exception) -> AdapterError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    hint = {
        "Exec format error": "a script needs a first line such as #!/bin/sh",
        "Argument list too long": "give long texts to the command on its `stdin`",
    }.get(why)
    retryable = isinstance(error, BlockingIOError)  # no process to be had just now
    message = f"{program} was not started: {why}"
    return AdapterError(message, help=hint, maybe_done=False, retryable=retryable)


def _feed(transport: asyncio.SubprocessTransport, stdin: bytes | None) -> None:
    pipe = transport.get_pipe_transport(0)
    if stdin is not None and isinstance(pipe, asyncio.WriteTransport):
        pipe.write(stdin)
        pipe.close()  # once all is written


def _ended(code: int | None, *, still_open: bool) -> Ended:
    if code is not None and code < 0:
        return Ended(signal=_named(-code), still_open=still_open)
    return Ended(exit_code=code, still_open=still_open)


def _named(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


async def _stop_at_once_if_cancelled(pid: int, child: _Child) -> None:
    """Stops a command whose step is no longer wanted; at once when even that is interrupted."""
    if child.exited.done() and not group_lives(pid):
        return
    try:
        await _stop(pid, child, STOP_FOR_CANCEL_S)
    except asyncio.CancelledError:
        _signal(pid, signal.SIGKILL)


async def _stop(pid: int, child: _Child, within_s: float) -> Stopped:
    """Ends a process group: asked first, then made to. Waits until it is gone."""
    _signal(pid, signal.SIGTERM)
    if await _gone(pid, child, within_s * 0.8):
        return Stopped("SIGTERM", gone=True)
    _signal(pid, signal.SIGKILL)
    return Stopped("SIGKILL", gone=await _gone(pid, child, DIES_WITHIN_S))


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


async def _gone(pid: int, child: _Child, within_s: float) -> bool:
    """Waits until nothing of the group is left but what is dead and not yet buried."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + within_s
    await asyncio.wait({child.exited}, timeout=within_s)
    while not child.exited.done() or group_lives(pid):
        if loop.time() >= until_s:
            return False
        await asyncio.sleep(LOOK_AGAIN_S)
    return True


def group_lives(group: int) -> bool:
    """Whether a process of this group still runs."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there, and somebody else's: of `sudo`
    stats = list(Path("/proc").glob("[0-9]*/stat"))
    return not stats or any(_is_live_member(stat, group) for stat in stats)


def _is_live_member(stat: Path, group: int) -> bool:
    """Reads `pid (name) state parent group ...`; the name may hold blanks and brackets."""
    try:
        state, _, member_of = stat.read_text("latin-1").rpartition(")")[2].split()[:3]
    except OSError:
        return False
    return int(member_of) == group and state not in ("Z", "X")
