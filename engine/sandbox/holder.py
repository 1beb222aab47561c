"""The process that holds a sandbox which stays up between commands.

    python -m engine.sandbox.holder PACK FILE STAYS_S FAULT BOOKS...

FILE is the record that others find it by (`standing`). Says on standard output, a JSON object a
line, what it starts, then `up` with the record, or `error`; after that it prints nothing. It is
spoken to over a socket in the folder of the sandbox, a JSON object a line too: `break` with the
name of a fault, `down`, `ask`, `inbox`. What ends it removes the record, the servers and the
folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.config import SANDBOX, Books, Environment
from engine.errors import Diagnosed, RunbookError, Usage
from engine.language.words import did_you_mean
from engine.registry import Registry
from engine.sandbox import Sandbox, fault_of, missing
from engine.sandbox.spec import ServiceSpec

SOCKET = "control"
LINE_MAX_BYTES = 64 * 1024
"""Of what it is asked: a word and a name."""
ERROR_DETAIL_CHARS = 4000
"""Of what a server printed, which did not start."""

Told = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class Holder:
    """One sandbox that is held, and its record."""

    pack: str
    file: Path
    environment: Environment
    left_out: dict[str, str] = field(default_factory=dict)
    """Connections without their services, and what is not installed for them."""
    since: str = ""
    written_ns: int = 0
    """When the environment's file was last changed, as this process has read it."""
    tell: Told = lambda _said: None
    """Who wants to hear what is started: whoever asked for it."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def sandbox(self, fault: str) -> Sandbox:
        """All services behind connections for which everything is installed."""
        known = dict.fromkeys(self.environment.connections)
        for name in known:
            if lacks := missing(self.environment, [name]):
                self.left_out[name] = "; ".join(lacks)
        wanted = [name for name in known if name not in self.left_out]
        runbook = f"{self.pack}/{self.fault_named(fault)}" if fault else ""
        return Sandbox(
            self.environment,
            runbook,
            wanted,
            lambda text: self.tell({"told": text}),
            with_fault=bool(fault),
        )

    def fault_named(self, name: str) -> str:
        """The name, without the pack. Raises Usage where there is no such fault."""
        short = name.removeprefix(f"{self.pack}/")
        known = sorted(self.environment.faults)
        if short not in known:
            otherwise = f"`runbook sandbox faults {self.pack}` lists them"
            raise Usage(
                f"the sandbox of {self.pack} has no fault {short!r}",
                help=did_you_mean(short, known, otherwise),
            )
        return short

    def record(self, sandbox: Sandbox) -> dict[str, Any]:
        """What others have to know of it."""
        fault = sandbox.fault
        return {
            "version": 1,
            "pack": self.pack,
            "environment": self.environment.file,
            "written_ns": self.written_ns,
            "pid": os.getpid(),
            "folder": str(sandbox.folder),
            "since": self.since,
            "fault": None if fault is None else fault.runbook,
            "summary": None if fault is None else fault.summary,
            "kinds": {spec.name: spec.kind for spec in sorted(sandbox.specs, key=by_name)},
            "services": sandbox.services,
            "left_out": self.left_out,
        }

    def write(self, sandbox: Sandbox) -> dict[str, Any]:
        record = self.record(sandbox)
        new = self.file.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123  with its mode
            json.dump(record, file)
        new.replace(self.file)
        return record

    async def hold(
        self, fault: str, stays_s: float, tell: Callable[[dict[str, Any]], bool]
    ) -> None:
        """Up, until it is told to end or its time is over; or until nobody hears that it is up:
        then whoever wanted it was ended before.
        """

        def heard(said: dict[str, Any]) -> None:
            if not tell(said):
                self.ended.set()

        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(ending, self.ended.set)
        self.tell = heard
        async with self.sandbox(fault) as sandbox:
            self.written_ns = Path(self.environment.file).stat().st_mtime_ns  # noqa: ASYNC240  once
            self.since = datetime.now(UTC).isoformat(timespec="seconds")
            lock = asyncio.Lock()

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                async with lock:
                    await self._serve(sandbox, reader, writer)

            path = sandbox.folder / SOCKET
            server = await asyncio.start_unix_server(serve, path, limit=LINE_MAX_BYTES)
            path.chmod(0o600)
            try:
                heard({"up": self.write(sandbox)})
                self.tell = lambda _said: None
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.ended.wait(), stays_s)
            finally:
                self.file.unlink(missing_ok=True)
                server.close()

    async def _serve(
        self, sandbox: Sandbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answers one request, in as many lines as there is to tell."""

        def tell(said: dict[str, Any]) -> None:
            writer.write(json.dumps(said).encode() + b"\n")

        try:
            asked = json.loads(await reader.readline())
            await self._do(sandbox, asked, tell)
        except RunbookError as e:
            tell(error_told(e))
        except (ValueError, KeyError) as e:
            tell({"error": f"not understood: {e}", "code": 2})
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async def _do(self, sandbox: Sandbox, asked: dict[str, Any], tell: Told) -> None:
        if asked["do"] == "break":
            name = self.fault_named(str(asked["fault"]))
            fault = fault_of(self.environment, f"{self.pack}/{name}")
            self.tell = tell
            try:
                started = await sandbox.put_fault(fault)
            finally:
                self.tell = lambda _said: None
                record = self.write(sandbox)
            tell({"up": record, "started": started})
        elif asked["do"] == "ask":
            problems = [p for one in sandbox.behaviours.values() for p in one.problems]
            problems += [p for one in sandbox.workers.values() for p in one.problems]
            told = {"up": self.record(sandbox), "problems": problems}
            tell({**told, "letters": len(sandbox.letters)})
        elif asked["do"] == "inbox":
            for letter in sandbox.letters:  # each in a line: together they may be long
                tell({"letter": letter.to_json()})
            tell({"inbox": bool(sandbox.has_inbox)})
        else:
            self.ended.set()
            tell({"down": True})


def by_name(spec: ServiceSpec) -> str:
    return spec.name


def error_told(error: RunbookError) -> dict[str, Any]:
    """An error for whoever started it or spoke to it."""
    if isinstance(error, Diagnosed):
        from engine.language.report import render  # noqa: PLC0415  only for a mistake

        told = render(error.diagnostics, error.sources).rstrip("\n")
        return {"error": told, "help": None, "code": error.exit_code}
    help_ = error.help[-ERROR_DETAIL_CHARS:] if error.help else None
    return {"error": error.message, "help": help_, "code": error.exit_code}


def _tell(said: dict[str, Any]) -> bool:
    """Whether anybody was there to hear it."""
    try:
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        return False
    return True


def main(words: Sequence[str]) -> int:
    """Holds until it is ended. 0 when it was up."""
    pack, file, stays_s, fault, *books = words
    try:
        environment = Books([Path(one) for one in books]).environment(pack, SANDBOX, Registry())
        asyncio.run(Holder(pack, Path(file), environment).hold(fault, float(stays_s), _tell))
    except RunbookError as e:
        _tell(error_told(e))
        return e.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
