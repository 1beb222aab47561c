"""The sandbox's AWS in less than a second: forks of a process that has moto imported.

Most of the start of `engine.sandbox.aws_server` is the import of moto, and a hundred tests of our
runbooks begin with one. What runs in a fork is the same `main`, with a folder and an end of its
own; that it starts as a program, as it does for everybody, is what tests/sandbox is about.

    python -m tests.aws_forks SOCKET      until its standard input ends

The program that stands for a server (`LAUNCH`) hands over its folder and standard output, and ends
with the fork; the fork ends with the program, however that ended.
"""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from engine.sandbox import aws
from engine.sandbox.aws_server import KEYS, main

ROOT = Path(__file__).resolve().parents[1]
SERVED = ("ecs", "elasticache", "rds", "s3", "secretsmanager")
"""What our runbooks use of AWS; a server imports other services itself."""

LAUNCH = """
import socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
socket.send_fds(line, [sys.argv[2].encode()], [1])
sys.exit(ord(line.recv(1) or b"\\1"))
"""


@contextmanager
def forked_aws() -> Iterator[tuple[str, ...]]:
    """The words for `engine.sandbox.aws.SERVER`."""
    with tempfile.TemporaryDirectory(prefix="rb-aws-") as folder:
        path = str(Path(folder) / "s")
        with subprocess.Popen(
            [sys.executable, "-m", "tests.aws_forks", path],
            cwd=ROOT,
            env=aws.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as forks:
            assert forks.stdout is not None
            assert forks.stdout.readline() == b"ready\n"
            try:
                yield (sys.executable, "-I", "-S", "-c", LAUNCH, path)
            finally:
                forks.terminate()


def serve(path: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks that ended are gone
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen()
        print("ready", flush=True)  # whoever comes meanwhile waits at the door
        _prepare()
        while door in select.select([door, sys.stdin], [], [])[0]:
            line, _ = door.accept()
            folder, (said,), *_ = socket.recv_fds(line, 4096, 1)
            if os.fork() == 0:
                door.close()
                _be_a_server(line, Path(folder.decode()), said)
            line.close()
            os.close(said)


def _prepare() -> None:
    import boto3  # noqa: PLC0415 - by this process only
    import moto.moto_server.werkzeug_app  # noqa: F401, PLC0415

    for name in SERVED:
        import_module(f"moto.{name}.urls")
        boto3.client(name, region_name="us-east-1", **KEYS)  # which keeps what it read


def _be_a_server(line: socket.socket, folder: Path, said: int) -> NoReturn:
    code = 1
    try:
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.chdir(folder)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        random.seed()  # or each would invent the same names
        threading.Thread(target=_end_with, args=(line,), daemon=True).start()
        code = main(folder)
        line.send(bytes([code]))
    finally:
        os._exit(code)


def _end_with(line: socket.socket) -> NoReturn:
    line.recv(1)
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
