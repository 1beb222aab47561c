"""Processes and folders of a sandbox: they live as long as it, and no longer.

A server is a child of this process in a session of its own, so that Ctrl-C at the terminal ends the
run first and the sandbox after it. On Linux the kernel stops it when this process dies, however it
dies. A folder left behind by a killed one is removed by the next sandbox: its name holds the pid of
its owner.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from engine.errors import RunbookError

FOLDER_PREFIX = "runbook-sandbox-"
OPEN_PLACES = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108  only a folder of mkdtemp goes there
"""Where to go when TMPDIR is a place that root alone may enter."""

START_TIMEOUT_S = 20.0
"""For a server to say that it is ready: it takes 0.1 s here; twenty is a machine that is on its
knees.
"""
STOP_TIMEOUT_S = 5.0
"""For a server to end when asked to; then it is killed. It keeps nothing that is worth waiting
for.
"""
LINES_KEPT = 40
"""Of what a server printed, for the error when it does not start."""

PR_SET_PDEATHSIG = 1
"""Linux, prctl(2): the signal this process gets when its parent dies."""


class NotStarted(RunbookError):
    """A service of the sandbox could not be started."""

    exit_code = 3


class PortTaken(NotStarted):
    """Somebody took the port between our choosing it and the server's asking for it."""


@dataclass(frozen=True, slots=True)
class Command:
    """A server to start. `ready` is asked about each line it prints."""

    words: Sequence[str]
    folder: Path
    ready: Callable[[str], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    user: Account | None = None
    env: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a server runs as, where it refuses to run as root."""

    uid: int
    gid: int

    def as_arguments(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


class Child:
    """A running server."""

    def __init__(self, command: Command, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._command = command
        self._process = process
        self._lines: list[str] = []
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, command: Command) -> Child:
        """Starts it and returns when it is ready. Raises NotStarted, PortTaken."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command.words,
                cwd=command.folder,
                env=dict(command.env) if command.env is not None else None,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=dies_with(os.getpid(), command.stop_signal),
                **(command.user.as_arguments() if command.user else {}),
            )
        except OSError as e:
            raise NotStarted(f"cannot start {command.words[0]}: {e}") from e
        child = cls(command, process)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await child._until_ready()
        except BaseException as e:
            await child.stop()
            if isinstance(e, TimeoutError):
                message = f"{child.name} was not ready after {START_TIMEOUT_S:.0f} s"
                raise NotStarted(message, help=child.printed) from e
            raise
        child._reading = asyncio.create_task(child._drain())
        return child

    @property
    def name(self) -> str:
        return Path(self._command.words[0]).name

    @property
    def printed(self) -> str:
        return "\n".join(self._lines)

    async def _until_ready(self) -> None:
        while line := await self._line():
            if self._command.ready(line):
                return
        code = await self._process.wait()
        if "already in use" in self.printed:
            raise PortTaken(f"the port of {self.name} is taken", help=self.printed)
        raise NotStarted(f"{self.name} ended with {code} before it was ready", help=self.printed)

    async def _drain(self) -> None:
        """Reads on, so that the server never waits for a full pipe."""
        while await self._line():
            pass

    async def _line(self) -> str:
        output = cast("asyncio.StreamReader", self._process.stdout)
        try:
            line = (await output.readline()).decode("utf-8", "replace")
        except ValueError:
            return "\n"  # a line over the stream's limit says nothing we wait for
        if line:
            self._lines = [*self._lines[1 - LINES_KEPT :], line.rstrip()]
        return line

    async def stop(self) -> None:
        """Ends it: asks, then kills. Ends at once when the waiting is cancelled."""
        try:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(self._command.stop_signal)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STOP_TIMEOUT_S):
                        await self._process.wait()
        finally:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
            if self._reading:
                self._reading.cancel()


def dies_with(parent: int, with_signal: signal.Signals) -> Callable[[], None] | None:
    """What the child does before it becomes the server: asks the kernel to die with `parent`."""
    libc = _libc()
    if libc is None:
        return None

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return prepare


@lru_cache(1)
def _libc() -> ctypes.CDLL | None:
    """The C library, loaded before any fork; None where there is no prctl."""
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def new_folder(*, passable: bool = False) -> Path:
    """A folder of our own for the files of a sandbox; sweeps those of owners that are gone.

    passable: other accounts can get to what lies in it, by name
    """
    where = Path(tempfile.gettempdir())
    if passable and not open_to_all(where):
        where = next((place for place in OPEN_PLACES if open_to_all(place)), where)
    sweep(where)
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-", dir=where))
    if passable:
        folder.chmod(0o711)
    return folder


def open_to_all(path: Path) -> bool:
    """Whether any account may go through this folder."""
    try:
        return all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents))
    except OSError:
        return False


def sweep(where: Path) -> None:
    """Removes sandbox folders whose owner does not live. One that lives keeps its own, by its
    pid.
    """
    for folder in where.glob(f"{FOLDER_PREFIX}*"):
        pid = folder.name.removeprefix(FOLDER_PREFIX).partition("-")[0]
        if pid.isdigit() and not alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def free_port() -> int:
    """A port of the loopback that nobody has now; the kernel does not hand it out again soon."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port
