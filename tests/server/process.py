"""`runbook serve` as a process of its own, over packs and a journal that a test makes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.ports import free_port

ROOT = Path(__file__).parent.parent.parent
UP_MAX_S = 60.0
RUNBOOK = (sys.executable, "-c", "from engine.cli.main import main; raise SystemExit(main())")

CONFIG = """listen: 127.0.0.1:{port}
environment: test
pagerduty: {{secrets: ["${{env:PD_SECRET}}"]{pagerduty}}}
alertmanager: {{tokens: ["${{env:AM_TOKEN}}"]}}
grace: {grace}
"""


@dataclass
class Server:
    """`start` and `kill` may alternate: it comes back at the same address over the same journal."""

    folder: Path
    port: int
    environ: dict[str, str]
    program: tuple[str, ...] = RUNBOOK
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def journal(self) -> Path:
        return Path(self.environ["RUNBOOK_STORE"].removeprefix("sqlite:///"))

    def start(self, *, wait: bool = True) -> None:
        with (self.folder / "server.log").open("ab") as log:
            words = [*self.program, "serve", "--config", str(self.folder / "serve.yaml")]
            given = {"cwd": self.folder, "env": self.environ, "stdout": log, "stderr": log}
            self.process = subprocess.Popen(words, **given)
        if wait:
            self.wait()

    def wait(self) -> None:
        until = time.monotonic() + UP_MAX_S
        while time.monotonic() < until:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/health/live", timeout=5).status_code == 200:
                    return
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "server.log").read_text()[-2000:]
            time.sleep(0.05)
        raise TimeoutError((self.folder / "server.log").read_text()[-2000:])

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(30)

    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def token(self, *words: str) -> str:
        """A token, made by the command line beside it."""
        given = {"cwd": self.folder, "env": self.environ, "capture_output": True, "text": True}
        made = subprocess.run([*RUNBOOK, "token", "make", *words], check=True, **given)
        return made.stdout.strip()


@contextlib.contextmanager
def server(
    folder: Path, pagerduty: str = "", more: str = "", grace: str = "3s", **environ: str
) -> Iterator[Server]:
    """A server that is up; `folder/books` holds its packs. `grace` is that of running steps."""
    port = free_port()
    (folder / "serve.yaml").write_text(
        CONFIG.format(port=port, pagerduty=pagerduty, grace=grace) + more
    )
    given = os.environ | {
        "PYTHONPATH": str(ROOT),
        "RUNBOOK_BOOKS": str(folder / "books"),
        "RUNBOOK_STORE": f"sqlite:///{folder}/journal.db",
        "PD_SECRET": "whsec_test",
        "AM_TOKEN": "alertmanager-token",
        **environ,
    }
    made = Server(folder, port, given)
    made.start()
    try:
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.process.kill()
            made.process.wait(30)
