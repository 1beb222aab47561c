"""Where a person types what a document says: a real shell, on the machine that a connection leads
to.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TYPED_MAX_S = 60.0
"""How long anything that ends by itself may take here."""

SERVICE = re.compile(r"\$\{service:([^}]+)\}")


@dataclass(frozen=True)
class Typed:
    """What came of a line."""

    code: int | None
    """None where it did not end, and the person pressed Ctrl-C."""
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass(frozen=True)
class Shell:
    """Somebody's terminal, with what the environment's connection has: folder, path, variables."""

    cwd: Path
    environ: Mapping[str, str]
    addresses: Mapping[str, str]
    """What the document calls it, and what it is in the sandbox."""

    async def __call__(self, text: str, *, patience_s: float | None = None) -> Typed:
        """The end of what is typed. After `patience_s` the person presses Ctrl-C."""
        for written, real in self.addresses.items():
            text = text.replace(written, real)
        child = await asyncio.create_subprocess_exec(
            *("/bin/bash", "--noprofile", "--norc", "-c", text),
            cwd=self.cwd,
            env=dict(self.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        saying = asyncio.ensure_future(child.communicate())
        ended, _ = await asyncio.wait([saying], timeout=patience_s or TYPED_MAX_S)
        if not ended:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        out, err = await saying
        assert ended or patience_s, f"it does not end: {text}"
        return Typed(child.returncode if ended else None, out.decode(), err.decode())


def shell(sandbox, connection: str, addresses: Mapping[str, str] = {}, **variables: str) -> Shell:
    """On the machine of this connection; of one over a network, on the operator's own."""
    settings = sandbox.environment.connections[connection].settings if connection else {}

    def real(written: object) -> str:
        return SERVICE.sub(lambda found: sandbox.services[found[1]], str(written))

    beside = str(Path(sys.prefix) / "bin")  # redis-cli and aws are there
    path = real(settings.get("path", "")) or f"{beside}:/usr/local/bin:/usr/bin:/bin"
    given = {name: real(value) for name, value in (settings.get("env") or {}).items()}
    environ = {"PATH": path, "HOME": str(sandbox.folder), "LC_ALL": "C.UTF-8"} | given | variables
    return Shell(Path(real(settings.get("cwd", sandbox.folder))), environ, addresses)
