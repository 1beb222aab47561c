"""The command line as a person has it: the installed program, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

RUNBOOK = Path(sys.executable).parent / "runbook"
"""What the installation of the project put beside the Python that runs the tests."""

CALL_MAX_S = 180.0
"""For one call to end. They take half a second; a busy machine takes longer."""


@dataclass(frozen=True)
class Done:
    """A call that is over."""

    code: int
    out: str
    err: str
    cpu_s: float = 0.0

    @property
    def objects(self) -> list[dict[str, Any]]:
        """What `--json` gave, a line each."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def run(self) -> str:
        """The id of the run, of plain lines."""
        return next(line.split()[1] for line in self.out.splitlines() if line.startswith("  run "))

    @property
    def all(self) -> str:
        return self.out + self.err


class Going:
    """A call that goes on, with `--json`: its events are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.run = ""

    @property
    def pid(self) -> int:
        return self.process.pid

    def until(self, type_: str, **body: Any) -> dict[str, Any]:
        """Reads on to the first event of that type with these fields in its body."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            event: dict[str, Any] = json.loads(line)
            self.run = event["run"]
            of: Mapping[str, Any] = event.get("body") or {}
            if event["type"] == type_ and all(of.get(k) == v for k, v in body.items()):
                return event
        raise AssertionError(f"it ended before {type_} {body}: {self.end()}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> Done:
        """Waits until it is over."""
        out, err = self.process.communicate(timeout=CALL_MAX_S)
        return Done(self.process.returncode, "".join(self.lines) + out, err)

    def events(self, done: Done) -> list[tuple[str, str]]:
        """Type and path of all its events."""
        return [(e["type"], (e.get("body") or {}).get("path", "")) for e in done.objects]


class Program:
    """`runbook` in a folder with packs, a journal and environment variables of its own."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        self.journal = folder / "journal.db"
        self.program: list[str] = [str(RUNBOOK)]
        self.environ = {
            "PATH": f"{RUNBOOK.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "RUNBOOK_STORE": f"sqlite:///{self.journal}",
            **environ,
        }
        self._going: list[subprocess.Popen[str]] = []

    def write(self, name: str, text: str) -> Path:
        """A file of the books: `p/main.yaml`, `p/environments/test.yaml`."""
        file = self.folder / "runbooks" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
        return file

    def __call__(self, *words: str, **how: Any) -> Done:
        """Calls it and waits. `how` goes to the process."""
        process = self._started(words, **how)
        try:
            out, err = process.communicate(timeout=CALL_MAX_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"{words} did not end: {process.communicate()}") from None
        return Done(process.returncode, out, err)

    def start(self, *words: str, **how: Any) -> Going:
        """Calls it with `--json`, and returns at once."""
        process = self._started(("--json", *words), **how)
        self._going.append(process)
        return Going(process)

    def costing(self, *words: str) -> Done:
        """Calls it, and says what processor time it took: whoever else works does not count."""
        process = self._started(words)
        assert process.stdout is not None
        assert process.stderr is not None
        with process.stdout as out, process.stderr as err:
            said = out.read(), err.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return Done(process.returncode, *said, used.ru_utime + used.ru_stime)

    def _started(self, words: tuple[str, ...], **how: Any) -> subprocess.Popen[str]:
        environ = self.environ | how.pop("environ", {})
        return subprocess.Popen(
            [*self.program, *words],
            cwd=self.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **how,
        )

    def close(self) -> None:
        """Leaves nothing running."""
        for process in self._going:
            if process.poll() is None:
                process.kill()
            process.wait(CALL_MAX_S)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def stored(self) -> dict[str, bytes]:
        """Every file of the store, as it lies on the disk."""
        return {p.name: p.read_bytes() for p in self.journal.parent.glob(f"{self.journal.name}*")}
