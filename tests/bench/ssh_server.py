"""`python ssh_server.py FOLDER`: asyncssh's own server, by itself; prints its port. Ends with its
standard input.

A shell builtin is answered without a shell (`true`), so that what is measured is what lies between:
the protocol and the client. FOLDER holds its host key and the keys it lets in.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import asyncssh


async def answer(process: asyncssh.SSHServerProcess[bytes]) -> None:
    child = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", process.command or "", stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await child.communicate(b"")
    process.stdout.write(out)
    process.stderr.write(err)
    process.exit(child.returncode or 0)


async def serve(folder: Path) -> None:
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[str(folder / "host")],
        authorized_client_keys=str(folder / "authorized_keys"),
        process_factory=answer,
        encoding=None,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
