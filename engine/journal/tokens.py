"""Tokens of those who speak over HTTP. Only a hash of a token is kept: who reads the journal can
speak as nobody.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.errors import Usage
from engine.journal.sqlite import SqliteStore

TOKENS_MAX = 10_000
"""Tokens that are valid at once: more is a script that makes one for each call."""


class Token(NamedTuple):
    """What is known of a token. `grants`: role names by pack (`*`: every pack). `scopes`: what it
    is narrowed to; empty: all that its roles may do. `ended_us`: when it was, or will be, taken
    back.
    """

    id: str
    person: str
    grants: Mapping[str, tuple[str, ...]]
    scopes: tuple[str, ...]
    made_us: int
    made_by: str
    expires_us: int
    ended_us: int | None = None
    ended_why: str | None = None
    used_us: int | None = None

    def valid_at(self, at_us: int) -> bool:
        return at_us < self.expires_us and (self.ended_us is None or at_us < self.ended_us)


def digest_of(secret: str) -> str:
    """What is kept of a token: SHA-256, hex. It has 256 random bits, which no salt makes better."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


_COLUMNS = "id, person, grants, scopes, made_us, made_by, expires_us, ended_us, ended_why, used_us"
_ALL = f"SELECT {_COLUMNS} FROM tokens"  # noqa: S608 - constants
_PUT = "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)"


class Tokens:
    """The tokens in a SQLite journal."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def put(self, token: Token, digest: str) -> None:
        """A new one. Raises Usage where there are too many."""
        grants = json.dumps({pack: list(roles) for pack, roles in token.grants.items()})
        row = (token.id, token.person, digest, grants, json.dumps(token.scopes))
        rest = (token.made_us, token.made_by, token.expires_us)
        count = "SELECT count(*) FROM tokens WHERE ended_us IS NULL AND expires_us > ?"

        def work(connection: sqlite3.Connection) -> None:
            if connection.execute(count, (token.made_us,)).fetchone()[0] >= TOKENS_MAX:
                raise Usage(f"there are {TOKENS_MAX:,} valid tokens", help="revoke some first")
            connection.execute(_PUT, (*row, *rest))

        await self._store.write(work)

    async def of_digest(self, digest: str) -> Token | None:
        """The token with this digest, valid or not."""
        return await self._one(f"{_ALL} WHERE digest = ?", digest)

    async def get(self, name: str) -> Token:
        """Raises Usage when there is none."""
        token = await self._one(f"{_ALL} WHERE id = ?", name)
        if token is None:
            raise Usage(f"there is no token {name}", help="`runbook token list` shows them")
        return token

    async def _one(self, sql: str, value: str) -> Token | None:
        def work(connection: sqlite3.Connection) -> Token | None:
            row = connection.execute(sql, (value,)).fetchone()
            return None if row is None else _token(row)

        return await self._store.read(work)

    async def list(self) -> list[Token]:
        """All of them, also those that are over, the newest first."""

        def work(connection: sqlite3.Connection) -> list[Token]:
            return [_token(row) for row in connection.execute(f"{_ALL} ORDER BY made_us DESC, id")]

        return await self._store.read(work)

    async def end(self, name: str, why: str, at_us: int) -> Token:
        """Takes it back from this time on (now, or later: a grace period). Raises Usage."""
        before = await self.get(name)
        if before.ended_us is not None and before.ended_us <= at_us:
            return before
        sql = "UPDATE tokens SET ended_us = ?, ended_why = ? WHERE id = ?"
        await self._store.write(lambda c: _execute(c, sql, (at_us, why, name)))
        return await self.get(name)

    async def used(self, name: str, at_us: int) -> None:
        """Remembers when it was used last."""
        sql = "UPDATE tokens SET used_us = ? WHERE id = ?"
        await self._store.write(lambda c: _execute(c, sql, (at_us, name)))


def _execute(connection: sqlite3.Connection, sql: str, values: tuple[object, ...]) -> None:
    connection.execute(sql, values)


def _token(row: tuple[Any, ...]) -> Token:
    name, person, grants, scopes, *rest = row
    roles = {pack: tuple(given) for pack, given in json.loads(grants).items()}
    return Token(name, person, roles, tuple(json.loads(scopes)), *rest)
