"""Runs the kubectl binary: an argument list, no shell, bounded output, killed with its children."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from engine.errors import AdapterError

OUTPUT_MAX_BYTES = 8 * 1024 * 1024
"""Of an answer: five hundred pods are 5 MiB of JSON. What is more is asked for too broadly."""

STDERR_MAX_BYTES = 256 * 1024
"""Of what kubectl says besides; the trace of a change has some KiB."""

READ_BYTES = 64 * 1024

ENDING_S = 2.0
"""For a killed process to be gone, and for its pipes to close."""

Take = Callable[[bytes], bool]
"""Gets the output as it comes. False: enough, the process is ended."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a process ended. `code` is None for one that was killed, and `why` says why."""

    code: int | None
    stdout: bytes
    stderr: str
    why: str = ""
    """`timeout`: its time was over. `enough`: its output was over the limit."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. `stdin` is handed over in a file without a name, so that it is in no argument
    list and kubectl may open it again as /dev/stdin.
    """

    words: Sequence[str]
    env: Mapping[str, str]
    timeout_s: float
    stdin: str | None = None
    take: Take | None = None
    """Gets stdout instead of `Ran.stdout`."""


async def run(command: Command) -> Ran:
    """Runs it to its end, or to ours. Raises AdapterError when there is no such program.

    Cancelled, it kills the process first.
    """
    with _stdin(command.stdin) as stdin:
        try:
            process = await asyncio.create_subprocess_exec(
                *command.words,
                env=dict(command.env),
                stdin=stdin,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as e:
            raise _cannot_start(command.words[0], e) from e
    return await _Running(process, command).ended()


class _Running:
    """A process and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process, command: Command) -> None:
        self.process = process
        self.command = command
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.why = ""

    async def ended(self) -> Ran:
        try:
            async with asyncio.timeout(self.command.timeout_s):
                await asyncio.gather(
                    self._read(self.process.stdout, self.command.take or self._keep),
                    self._read(self.process.stderr, self._keep_stderr),
                )
                await self.process.wait()
        except TimeoutError:
            self.why = "timeout"
        finally:
            await self._kill()
        code = None if self.why else self.process.returncode
        return Ran(code, bytes(self.stdout), self.stderr.decode("utf-8", "replace"), self.why)

    async def _read(self, pipe: asyncio.StreamReader | None, take: Take) -> None:
        while pipe is not None and (chunk := await pipe.read(READ_BYTES)):
            if not take(chunk):
                self.why = "enough"
                _end(self.process)
                return

    def _keep(self, chunk: bytes) -> bool:
        self.stdout += chunk
        return len(self.stdout) <= OUTPUT_MAX_BYTES

    def _keep_stderr(self, chunk: bytes) -> bool:
        """The end of it counts: there kubectl says what it could not do."""
        self.stderr += chunk
        del self.stderr[:-STDERR_MAX_BYTES]
        return True

    async def _kill(self) -> None:
        if self.process.returncode is not None:
            return
        _end(self.process)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDING_S):
                await self.process.wait()


def _end(process: asyncio.subprocess.Process) -> None:
    """Ends it and what it has started: credential plugins, diff."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _stdin(text: str | None) -> IO[bytes]:
    if text is None:
        return open(os.devnull, "rb")  # noqa: PTH123 - a device
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever asked
    file.write(text.encode())
    file.seek(0)
    return file


def _cannot_start(program: str, error: OSError) -> AdapterError:
    known = {
        FileNotFoundError: f"there is no program {program}",
        PermissionError: f"{program} may not be run",
    }
    return AdapterError(
        known.get(type(error), f"{program} cannot be run: {error.strerror}"),
        help="install kubectl, or name it with `binary` of the connection",
        retryable=False,
        detail={"kind": "missing"},
    )
