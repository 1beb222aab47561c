"""The floor of sequential checks: a loop over httpx that commits two rows a step, and no more.

`python bare_checks.py URL COUNT DATABASE` does it as a program.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time

import httpx

_TABLE = "CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, at REAL, body TEXT)"


def connect(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(_TABLE)
    return database


def bare_checks(url: str, count: int, database: sqlite3.Connection) -> None:
    with httpx.Client(base_url=url, verify=False) as client:
        for number in range(count):
            row(database, {"step": number, "path": "/health"}, begin=True)
            _judge(database, number, client.get("/health"))


async def bare_checks_async(url: str, count: int, database: sqlite3.Connection) -> None:
    """The same in a program that does other things meanwhile, as the engine is one."""
    async with httpx.AsyncClient(base_url=url, verify=False) as client:
        for number in range(count):
            row(database, {"step": number, "path": "/health"}, begin=True)
            _judge(database, number, await client.get("/health"))


def _judge(database: sqlite3.Connection, number: int, answer: httpx.Response) -> None:
    found = {
        "status": answer.status_code,
        "headers": dict(answer.headers),
        "json": answer.json(),
    }
    if found["json"]["status"] != "healthy":
        raise RuntimeError(f"check {number} failed")
    row(database, {"step": number, "result": found}, begin=False)


def row(database: sqlite3.Connection, body: object, *, begin: bool) -> None:
    """Two of them are one commit: one begins it, the other ends it."""
    if begin:
        database.execute("BEGIN IMMEDIATE")
    values = (None, time.time(), json.dumps(body))
    database.execute("INSERT INTO rows VALUES (?, ?, ?)", values)
    if not begin:
        database.execute("COMMIT")


if __name__ == "__main__":
    bare_checks(sys.argv[1], int(sys.argv[2]), connect(sys.argv[3]))
