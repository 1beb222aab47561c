"""From the address of a store to the store."""

from __future__ import annotations

from pathlib import Path

from engine.clock import Clock
from engine.errors import JournalError, NotYet, Usage
from engine.journal.contract import Store

FORMS = "`sqlite:///absolute/path`, `sqlite:relative/path` or `memory:`"


# Stores are imported where they are opened: who runs in memory pays for no SQLite.


def open_store(url: str, *, clock: Clock | None = None) -> Store:
    """Opens a store, and makes its file and folders where they are missing.

    `sqlite:///path` is absolute, `sqlite:path` relative to the working folder, `~` is the home
    folder. Raises Usage, NotYet, JournalError.
    """
    scheme, colon, rest = url.partition(":")
    match scheme if colon else "":
        case "memory":
            from engine.journal.memory import MemoryStore  # noqa: PLC0415

            return MemoryStore(clock)
        case "sqlite":
            return _open_sqlite(_path_of(url, rest), clock)
        case "postgresql" | "postgres":
            raise NotYet(
                "the journal in PostgreSQL comes with a later version", help=f"use {FORMS}"
            )
    raise Usage(f"{url!r} is not the address of a store", help=f"it is {FORMS}")


def is_there(url: str) -> bool:
    """Whether there is a store to look into: who only looks makes none. Raises Usage."""
    scheme, _, rest = url.partition(":")
    return _path_of(url, rest).exists() if scheme == "sqlite" else scheme != "memory"


def _path_of(url: str, rest: str) -> Path:
    path = rest
    if rest.startswith("//"):
        if not rest.startswith("///"):
            raise Usage(f"{url!r} names a host, which a file has not", help=f"write {FORMS}")
        path = "/" + rest.lstrip("/")  # with four slashes too, as SQLAlchemy has it
    path = path.replace("/~", "~", 1) if path.startswith("/~") else path
    if not path or path.endswith("/") or "\0" in path:
        raise Usage(f"{url!r} names no file", help=f"write {FORMS}")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise Usage(f"{url!r} names no home folder: {error}") from error


def _open_sqlite(path: Path, clock: Clock | None) -> Store:
    from engine.journal.schema import make_file  # noqa: PLC0415
    from engine.journal.sqlite import SqliteStore  # noqa: PLC0415

    try:
        make_file(path)
    except OSError as error:
        raise JournalError(
            f"the journal {path} cannot be made: {error.filename or path}: {error.strerror}",
            help="choose another path with `--store sqlite:///PATH` or RUNBOOK_STORE",
        ) from error
    return SqliteStore(path, clock=clock)
