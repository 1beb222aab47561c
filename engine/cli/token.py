"""`runbook token`: who may speak to a server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

from engine.cli.session import Session
from engine.cli.text import ago, took
from engine.errors import Usage

if TYPE_CHECKING:
    from engine.journal.tokens import Token, Tokens
    from engine.server.mint import Mint

DEFAULT_LIFE = "90d"
DEFAULT_GRACE = "1h"


@click.group()
def token() -> None:
    """Tokens for the API: made, listed, rotated, revoked. Only their hashes are kept."""


@token.command()
@click.argument("person")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    metavar="ROLE[:PACK]",
    help="viewer, operator, approver or admin; for one pack, or for all.",
)
@click.option("--scope", "scopes", multiple=True, help="Narrows it: read, run, speak, approve, ...")
@click.option("--for", "life", default=DEFAULT_LIFE, show_default=True, metavar="TIME")
@click.pass_obj
def make(
    session: Session, person: str, roles: tuple[str, ...], scopes: tuple[str, ...], life: str
) -> int:
    """Make a token for PERSON: the name that events and approvals carry.

    It is printed once, and nobody can be told it again.
    """

    async def work() -> int:
        from engine.server.identity import read_grants, read_scopes  # noqa: PLC0415

        grants, narrowed = read_grants(roles), read_scopes(scopes)
        async with _minting(session) as (mint, _):
            actor = session.actor(None, "", "")
            made, text = await mint.make(person, grants, narrowed, _seconds(life), actor)
        return _tell(session, made, text)

    return session.run(work())


@token.command("list")
@click.pass_obj
def list_tokens(session: Session) -> int:
    """Every token there was, the newest first."""

    async def work() -> int:
        async with _minting(session) as (_, tokens):
            found = await tokens.list()
        if session.json:
            from engine.server.api_shown import token_json  # noqa: PLC0415

            for one in found:
                session.output.object(token_json(one))
        elif found:
            now_us = time.time_ns() // 1000
            head = ("TOKEN", "PERSON", "ROLES", "MADE", "LAST USED", "STATE")
            session.output.table(head, [_cells(one, now_us) for one in found], keep=2)
        else:
            session.output.note("no tokens yet: `runbook token make PERSON --role ROLE`")
        return 0

    return session.run(work())


@token.command(short_help="Make its successor.")
@click.argument("name", metavar="TOKEN")
@click.option("--grace", default=DEFAULT_GRACE, show_default=True, metavar="TIME")
@click.option("--for", "life", default=DEFAULT_LIFE, show_default=True, metavar="TIME")
@click.pass_obj
def rotate(session: Session, name: str, grace: str, life: str) -> int:
    """Make a successor of TOKEN; the old one stays valid for the time of grace."""

    async def work() -> int:
        async with _minting(session) as (mint, _):
            actor = session.actor(None, "", "")
            made, text = await mint.rotate(name, _seconds(grace), _seconds(life), actor)
        return _tell(session, made, text)

    return session.run(work())


@token.command()
@click.argument("name", metavar="TOKEN")
@click.option("--reason", required=True, metavar="TEXT")
@click.pass_obj
def revoke(session: Session, name: str, reason: str) -> int:
    """Take TOKEN back, at once."""

    async def work() -> int:
        async with _minting(session) as (mint, _):
            ended = await mint.revoke(name, reason, session.actor(None, "", ""))
        session.output.line(f"token {ended.id} of {ended.person} is taken back")
        return 0

    return session.run(work())


@asynccontextmanager
async def _minting(session: Session) -> AsyncIterator[tuple[Mint, Tokens]]:
    from engine.clock import SystemClock  # noqa: PLC0415
    from engine.journal.tokens import Tokens  # noqa: PLC0415
    from engine.server.mint import Mint  # noqa: PLC0415

    async with session.open_store() as store:
        tokens = Tokens(session.lasting(store))
        yield Mint(tokens, SystemClock()), tokens


def _tell(session: Session, made: Token, text: str) -> int:
    if session.json:
        from engine.server.api_shown import token_json  # noqa: PLC0415

        session.output.object({**token_json(made), "token": text})
        return 0
    session.output.line(text)
    session.output.note(f"token {made.id} of {made.person}: keep it now, it is not shown again")
    return 0


def _seconds(text: str) -> float:
    from engine.language.duration import parse_duration  # noqa: PLC0415

    try:
        return parse_duration(text)
    except ValueError as error:
        raise Usage(f"`{text}` is no duration", help="for example 90d or 12h") from error


def _cells(one: Token, now_us: int) -> tuple[Any, ...]:
    from engine.server.identity import shown_grants  # noqa: PLC0415

    state = f"{took((one.expires_us - now_us) / 1e6)} left"
    if not one.valid_at(now_us):
        state = one.ended_why or "expired"
    elif one.ended_us is not None:
        state = f"{one.ended_why}, {took((one.ended_us - now_us) / 1e6)} left"
    used = ago((now_us - one.used_us) / 1e6) if one.used_us else "never"
    roles = shown_grants(one.grants) + (f" only {', '.join(one.scopes)}" if one.scopes else "")
    return (one.id, one.person, roles, ago((now_us - one.made_us) / 1e6), used, state)
