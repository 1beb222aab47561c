"""Where a Redis URL points, told without the client library and without its secrets."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from engine.errors import AdapterError

DEFAULT_PORT = 6379


def redis_target(url: str) -> str:
    """`host:port/db`, or the path of the socket and the db.

    Raises AdapterError where a `/`, `?`, `#` or `@` in the password makes the URL mean something
    else: what looks like its host or its db would be a piece of the password.
    """
    try:
        parts = urlsplit(url)
        db = parse_qs(parts.query).get("db", [""])[0]
    except ValueError:
        return "?"
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise AdapterError(
            "the url of the connection begins with neither redis://, rediss:// nor unix://",
            help="redis://user:password@host:6379/0, or unix:///path/to/socket?db=0",
            retryable=False,
        )
    if "@" in parts.path + parts.query + parts.fragment or parts.netloc.count("@") > 1:
        raise AdapterError(
            "the url of the connection has an @ behind its host",
            help="encode @ / ? # in a password as %40 %2F %3F %23",
            retryable=False,
        )
    if parts.scheme == "unix":
        return f"{unquote(parts.path)}/{db or '0'}"
    host = parts.netloc.rpartition("@")[2] or "localhost"
    if ":" not in host.rpartition("]")[2]:
        host += f":{DEFAULT_PORT}"
    return f"{host}/{db or parts.path.strip('/') or '0'}"
