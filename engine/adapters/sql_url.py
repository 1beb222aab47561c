"""Where a database URL points, told without a client library and without its secrets."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, unquote

from engine.adapters.sql_text import Dialect, refused

POSTGRES_SCHEMES = ("postgresql", "postgres")


def dialect_of(url: str) -> Dialect:
    """By the scheme. Raises AdapterError for any other, without the URL: it may hold a password."""
    scheme = url.partition(":")[0].lower()
    if scheme in POSTGRES_SCHEMES:
        return "postgresql"
    if scheme == "sqlite":
        return "sqlite"
    raise refused(
        "the url of the connection begins with neither postgresql:// nor sqlite:///",
        help="postgresql://user:password@host:5432/database, or sqlite:///path/to/file.db",
    )


def postgres_target(url: str) -> str:
    """`host:port/database`; several hosts as they are listed, a socket by its folder.

    Taken apart as libpq does it, to which `#` and `?` may stand in a password. Raises AdapterError
    where a `/` or `@` in the password makes the URL mean something else: what looks like its host
    would be a piece of the password.
    """
    rest = url.partition("://")[2]
    user = re.match(r"[^/@]*(?=@)", rest)
    address, _, options = rest[user.end() + 1 if user else 0 :].partition("?")
    if "@" in address:
        raise refused(
            "the url of the connection has an @ behind its host",
            help="encode @ and / in a password as %40 and %2F",
        )
    hosts, _, database = address.partition("/")
    query = parse_qs(options)
    hosts = hosts or query.get("host", ["localhost"])[0]
    if "port" in query:
        hosts += f":{query['port'][0]}"
    elif ":" not in hosts.rpartition("]")[2] and not hosts.startswith("/"):
        hosts += ":5432"
    role = (user.group() if user else "").partition(":")[0] or query.get("user", [""])[0]
    return f"{unquote(hosts)}/{unquote(database) or query.get('dbname', [unquote(role)])[0]}"


def sqlite_path(url: str) -> Path:
    """`sqlite:///relative.db` and `sqlite:////absolute.db`, as elsewhere."""
    path = unquote(url[len("sqlite:") :].removeprefix("///").partition("?")[0])
    if not path or path == ":memory:":
        raise refused(
            "the url of the connection names no file",
            help="sqlite:///path/to/file.db; a database in memory would be empty for every step",
        )
    return Path(path)
