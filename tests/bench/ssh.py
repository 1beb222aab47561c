"""Commands over one SSH connection, one after the other, each on disk before the next.

A command at sshd takes tens of milliseconds: a login shell, a session of its own. asyncssh's own
server answers in one, so that there it shows what lies between, and what a commit to disk costs
beside it: the second floor commits as often as we do.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh

from tests.adapters.ssh_servers import USER, Server, new_keys, openssh_server
from tests.bench import bare_checks
from tests.bench.place import ALICE, HERE, Place
from tests.bench.table import Row
from tests.bench.timing import Spent, Stopwatch, in_turns
from tests.parts import uses

TARGET = 1.3


async def ssh(place: Place, rounds: int, count: int = 100) -> list[Row]:
    """Against Debian's sshd where it is installed, and against asyncssh's own server."""
    folder = place.folder / "ssh"
    rows = []
    if uses("sshd"):
        (folder / "open").mkdir(parents=True)
        with openssh_server(folder / "open") as server:
            rows += await _against(place, server, "OpenSSH", (rounds, count))
    (folder / "asyncssh").mkdir(parents=True)
    with _asyncssh_server(folder / "asyncssh") as server:
        rows += await _against(place, server, "asyncssh's server", (rounds, count))
    return rows


async def _against(place: Place, server: Server, name: str, much: tuple[int, int]) -> list[Row]:
    rounds, count = much
    book = place.book(f"ssh-{count}", "".join(_step(n) for n in range(count)))
    _environment(place, server)
    database = bare_checks.connect(f"{place.folder}/bare-ssh-{server.port}.db")
    async with place.engine(f"ssh-{server.port}") as engine:

        async def ours() -> Spent:
            new = place.new_engine(engine.store)
            with Stopwatch() as watch:
                result = await new.run(book, environment="ssh", inputs={}, actor=ALICE)
            assert result.status == "resolved"
            return watch.spent

        async def floor() -> Spent:
            with Stopwatch() as watch:
                await _bare(server, count, None)
            return watch.spent

        async def durable() -> Spent:
            with Stopwatch() as watch:
                await _bare(server, count, database)
            return watch.spent

        mine, bare, kept = await in_turns(rounds, ours, floor, durable)
    database.close()
    said = f"{count} commands over one connection to {name}"
    promised = TARGET if name == "OpenSSH" else None
    return [
        Row(f"{said}: wall", mine.wall_s * 1e3, bare.wall_s * 1e3, "ms", rounds, promised),
        Row(f"{said}: wall, on disk", mine.wall_s * 1e3, kept.wall_s * 1e3, "ms", rounds, TARGET),
        Row(f"{said}: CPU", mine.cpu_s * 1e3, bare.cpu_s * 1e3, "ms", rounds),
    ]


def _step(number: int) -> str:
    return (
        f"  - {{id: c{number}, check: command.run, target: far,"
        f' with: {{argv: [sh, -c, "exit 0"]}}}}\n'
    )


async def _bare(server: Server, count: int, database: sqlite3.Connection | None) -> None:
    async with asyncssh.connect(
        "127.0.0.1", server.port, username=USER, client_keys=[server.keys.user],
        known_hosts=asyncssh.import_known_hosts(server.keys.known_hosts(server.port)),
        config=None, agent_path=None, encoding=None, compression_algs=None,
    ) as connection:  # fmt: skip
        for number in range(count):
            if database is not None:
                bare_checks.row(database, {"step": number}, begin=True)
            done = await connection.run("sh -c 'exit 0'", encoding=None)
            assert done.exit_status == 0
            if database is not None:
                bare_checks.row(database, {"step": number, "exit": 0}, begin=False)


def _environment(place: Place, server: Server) -> None:
    key = place.folder / "ssh" / "key"
    key.write_text(server.keys.user_text)
    far = {
        "adapter": "ssh",
        "host": "127.0.0.1",
        "port": server.port,
        "user": USER,
        "known_hosts": server.keys.known_hosts(server.port),
        "key": f"${{file:{key}}}",
        "allowed": ["sh"],
    }
    file = place.folder / "books" / "p" / "environments" / "ssh.yaml"
    file.write_text(json.dumps({"connections": {"far": far}}))


@contextmanager
def _asyncssh_server(folder: Path) -> Iterator[Server]:
    keys = new_keys(folder)
    keys.host.write_private_key(str(folder / "host"))
    argv = [sys.executable, str(HERE / "ssh_server.py"), str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(int(process.stdout.readline()), keys, [])
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)
