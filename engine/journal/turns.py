"""Whose turn it is to write: several processes of one machine share a journal.

SQLite lets whoever waits look again after a time that grows to a tenth of a second. Where a commit
takes long and others write one after the other, the file is locked at each of these looks, and who
waits is refused though it was free a hundred times.
"""

from __future__ import annotations

import sqlite3
import time

LOOK_S = 0.001
"""Between two looks whether the file is free."""

LEAVE_S = 0.003
"""So long a process leaves the file to others behind a commit, where it found that others write:
longer than between two of their looks.
"""


def begin(connection: sqlite3.Connection, within_s: float) -> None:
    """Begins to write as soon as nobody else does, on a connection that does not wait by itself.

    Raises sqlite3.Error, SQLITE_BUSY where others wrote all the time.
    """
    until_s = time.monotonic() + within_s
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until_s:
                raise
        else:
            return
        time.sleep(LOOK_S)
