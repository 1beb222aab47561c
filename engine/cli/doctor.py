"""`runbook doctor`: whether every connection of an environment answers, and what to mend where one
does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from engine.cli.complete import complete_environments, complete_packs
from engine.cli.session import Session
from engine.cli.text import Style, clean, pad, took, wrap
from engine.errors import Usage
from engine.wiring import Ping

EXIT_NOT_OK = 3


@click.command()
@click.argument("pack", required=False, shell_complete=complete_packs)
@click.option(
    "-e",
    "--env",
    "environment",
    metavar="NAME",
    shell_complete=complete_environments,
    help="The environment; needed where a pack has several.",
)
@click.pass_obj
def doctor(session: Session, pack: str | None, environment: str | None) -> int:
    """Whether every connection of PACK's environment answers: the time it took, and the fix when
    not.

    Ends with 3 when one does not answer.
    """
    books = session.find_books()
    name = pack or _only_pack(books.packs())
    where = session.environment_of(name, environment)
    return session.run(_ask(session, name, where))


def _only_pack(packs: tuple[str, ...]) -> str:
    if len(packs) == 1:
        return packs[0]
    known = ", ".join(packs) or "none"
    raise Usage("say which pack: runbook doctor PACK --env NAME", help=f"there are: {known}")


async def _ask(session: Session, pack: str, environment: str) -> int:
    async with (
        session.open_store() as store,
        session.sandbox(pack, environment, None) as around,
    ):
        pings = await session.engine(store).doctor(pack, environment, around.services)
    if session.json:
        for ping in pings:
            session.output.object(ping_json(ping))
    elif pings:
        session.output.lines(ping_lines(pings, session.output.width, session.output.style))
    bad = sum(1 for ping in pings if not ping.ok)
    count = f"{len(pings)} connection{'' if len(pings) == 1 else 's'}"
    session.output.note(f"{pack} in {environment}: {count}, {bad or 'none'} without an answer")
    return EXIT_NOT_OK if bad else 0


def ping_json(ping: Ping) -> dict[str, Any]:
    return {
        "type": "ping",
        "connection": ping.connection,
        "adapter": ping.adapter,
        "fingerprint": ping.fingerprint,
        "ok": ping.ok,
        "took_ms": ping.took_ms,
        "message": ping.message,
        "help": ping.help,
    }


def ping_lines(pings: list[Ping], width: int, style: Style) -> Iterator[str]:
    names = max(len(ping.connection) for ping in pings)
    kinds = max(len(ping.adapter) for ping in pings)
    for ping in pings:
        word = "ok" if ping.ok else "not ok"
        lead = style.paint(f"{style.symbol(word)} {pad(word, 6)}", style.colour_of(word))
        time = took(ping.took_ms / 1000)
        yield (
            f"{lead}  {pad(ping.connection, names)}  {pad(ping.adapter, kinds)}  "
            f"{time:>8}  {clean(ping.fingerprint)}"
        ).rstrip()
        for text in _remarks(ping):
            for line in wrap(text, max(20, min(width, 120) - 10)):
                yield f"          {line}"


def _remarks(ping: Ping) -> Iterator[str]:
    if ping.message:
        yield clean(ping.message)
    if ping.help:
        yield f"help: {clean(ping.help)}"
