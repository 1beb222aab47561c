"""What an error of SQLite means for a person: a sentence, what to do, whether the store may go on.

Why some errors are final. When `fsync` reports an error, Linux marks the pages it could not write
as clean and forgets the error: the next `fsync` succeeds although the data of the first is not on
disk ("fsyncgate", PostgreSQL 2018). Trying again would acknowledge events that a power cut takes
away. So after an error of the disk, or of the database's own structure, the store refuses
everything until it is opened anew: opening reads what is really there, and checks each frame of the
log against its checksum.

The refused events themselves are taken back (`Writer._take_back`). Where the machine loses power
right then, they may be found all the same: their bytes may have reached the disk before the error
was reported. That is the safe direction: an event that announces an action nobody performed makes
it in doubt, never done twice.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from engine.errors import JournalError

FINAL = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""After one of these the store goes on only when it is opened anew."""

_RESUME = "nothing was performed that the journal does not hold: `runbook resume` takes the run up"

_SENTENCES: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: (
        "cannot be written: the disk is full, {free}",
        f"free some space there; {_RESUME}",
    ),
    sqlite3.SQLITE_BUSY: (
        "is locked: another process has been writing to it for {busy_s:g} s",
        "`fuser {path}` names the process",
    ),
    sqlite3.SQLITE_READONLY: (
        "cannot be written: the file or its folder is read-only",
        "`ls -ld {path} {folder}` shows who may write; the log beside the file is written too",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "is {path} there, in a folder that this user may write to?",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged: {error}",
        "keep the file for evidence, put a backup in its place, and look at the disk",
    ),
    sqlite3.SQLITE_IOERR: (
        "cannot be written or read: the disk reported an error, {free}",
        f"look at the disk (`dmesg`), at quotas and at file size limits; {_RESUME}",
    ),
    sqlite3.SQLITE_CONSTRAINT: (
        "does not fit together: the list of runs and the events differ",
        "`runbook audit verify` names the run",
    ),
}
_SENTENCES[sqlite3.SQLITE_LOCKED] = _SENTENCES[sqlite3.SQLITE_BUSY]
_SENTENCES[sqlite3.SQLITE_PERM] = _SENTENCES[sqlite3.SQLITE_READONLY]
_SENTENCES[sqlite3.SQLITE_NOTADB] = _SENTENCES[sqlite3.SQLITE_CORRUPT]


def is_final(error: BaseException) -> bool:
    return primary_code(error) in FINAL


def is_of_one_row(error: BaseException) -> bool:
    """Whether others of the group may succeed alone: a row that collides, one too large to fit."""
    return primary_code(error) in (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_FULL)


def in_words(error: sqlite3.Error, path: Path, busy_s: float) -> JournalError:
    """The sentence for an error, with SQLite's own name for it at the end."""
    what, mend = _SENTENCES.get(primary_code(error) or 0, ("cannot be used: {error}", ""))
    facts = {
        "error": error,
        "path": path,
        "folder": path.parent,
        "busy_s": busy_s,
        "free": free_space(path),
    }
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    return JournalError(
        f"the journal {path} {what.format(**facts)} ({name})", help=mend.format(**facts) or None
    )


def free_space(path: Path) -> str:
    """How much room there is where a file lies: `0 B of 1.0 MiB are free in /var/lib/runbook`."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return f"free space in {path.parent} unknown"
    free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    return f"{_size(free)} of {_size(size)} are free in {path.parent}"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def primary_code(error: BaseException) -> int | None:
    """The error's code without what SQLite adds to it: SQLITE_IOERR of SQLITE_IOERR_FSYNC."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
