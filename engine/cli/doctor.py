"""`runbook doctor`: whether every connection of an environment answers, and who is on call now, and
what to mend where that is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from engine.cli.complete import complete_packs, environment_option
from engine.cli.session import Session
from engine.cli.text import Style, pad, took, wrap
from engine.core.cells import clean
from engine.errors import RunbookError
from engine.wiring import Ping
from engine.wiring.standing import Standing

if TYPE_CHECKING:
    from engine.config import Contacts

SANDBOX = "sandbox"
EXIT_NOT_OK = 3


@click.command()
@click.argument("pack", required=False, shell_complete=complete_packs)
@environment_option("The environment; needed where a pack has several.")
@click.pass_obj
def doctor(session: Session, pack: str | None, environment: str | None) -> int:
    """Whether every connection of PACK's environment answers: the time it took, and the fix when
    not; and who is on call now in each rota.

    Ends with 3 when one does not answer, or it is not known who is on call.
    """
    name = session.pack_of(pack, "doctor")
    where = session.environment_to_ask(name, environment)
    return session.run(_ask(session, name, where))


async def _ask(session: Session, pack: str, environment: str) -> int:
    channels: dict[str, list[str]] = {}
    rotas: list[Standing] = []
    wrong: RunbookError | None = None
    async with (
        session.open_store() as store,
        session.sandbox(pack, environment, None) as around,
    ):
        engine = session.engine(store)
        pings = await engine.doctor(pack, environment, around.services)
        try:
            channels = _channels(session.find_books().contacts(pack))
            rotas = await engine.standings(pack, environment) if environment != SANDBOX else []
        except RunbookError as error:  # contacts that cannot be read: what answers is told first
            wrong = error
    _show(session, pings, rotas, channels)
    _sum_up(session, f"{pack} in {environment}", pings, rotas)
    gone = {name for c in set(channels) - {p.connection for p in pings} for name in channels[c]}
    if gone and environment != SANDBOX:
        names = ", ".join(sorted(gone))
        session.output.note(f"no connection here for {names}: by these nobody is told")
    if wrong is not None:
        raise wrong
    well = all(ping.ok for ping in pings) and all(rota.trouble is None for rota in rotas)
    return 0 if well else EXIT_NOT_OK


def _show(
    session: Session, pings: list[Ping], rotas: list[Standing], channels: Mapping[str, list[str]]
) -> None:
    if session.json:
        for ping in pings:
            by = channels.get(ping.connection, [])
            session.output.object({**ping_json(ping), "channels": by})
        for rota in rotas:
            session.output.object(rota.to_json())
        return
    style, width = session.output.style, session.output.width
    session.output.lines(ping_lines(pings, width, style, channels))
    session.output.lines(rota_lines(rotas, width, style))


def _sum_up(session: Session, where: str, pings: list[Ping], rotas: list[Standing]) -> None:
    bad = sum(1 for ping in pings if not ping.ok)
    words = [f"{_count(len(pings), 'connection')}, {bad or 'none'} without an answer"]
    if rotas:
        unknown = sum(1 for rota in rotas if rota.trouble is not None)
        not_known = _unknown(unknown)
        words.append(f"{_count(len(rotas), 'rota')}, {not_known}")
    session.output.note(f"{where}: {'; '.join(words)}")


def _unknown(number: int) -> str:
    if number == 0:
        return "who is on call is known"
    return f"it is not known who is on call in {number} of them"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _channels(contacts: Contacts) -> dict[str, list[str]]:
    """Channels of the contacts, by the connection they go over."""
    found: dict[str, list[str]] = {}
    for channel in contacts.channels.values():
        if channel.connection is not None:
            found.setdefault(channel.connection, []).append(channel.name)
    return found


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


def ping_lines(
    pings: list[Ping], width: int, style: Style, channels: Mapping[str, list[str]]
) -> Iterator[str]:
    names = max((len(ping.connection) for ping in pings), default=0)
    kinds = max((len(ping.adapter) for ping in pings), default=0)
    for ping in pings:
        word = "ok" if ping.ok else "not ok"
        lead = style.paint(f"{style.symbol(word)} {pad(word, 6)}", style.colour_of(word))
        time = took(ping.took_ms / 1000)
        yield (
            f"{lead}  {pad(ping.connection, names)}  {pad(ping.adapter, kinds)}  "
            f"{time:>8}  {clean(ping.fingerprint)}"
        ).rstrip()
        for text in _remarks(ping, channels.get(ping.connection, [])):
            for line in wrap(text, max(20, min(width, 120) - 10)):
                yield f"          {line}"


def _remarks(ping: Ping, channels: list[str]) -> Iterator[str]:
    if ping.message:
        yield clean(ping.message)
    if ping.help:
        yield f"help: {clean(ping.help)}"
    if channels and not ping.ok:
        yield f"by {', '.join(channels)} nobody is told as long as it does not answer"


def rota_lines(rotas: list[Standing], width: int, style: Style) -> Iterator[str]:
    names = max((len(rota.rota) for rota in rotas), default=0)
    for rota in rotas:
        word = "ok" if rota.trouble is None else "not ok"
        lead = style.paint(f"{style.symbol(word)} {pad(word, 6)}", style.colour_of(word))
        said = wrap(clean(rota.said), max(20, min(width, 120) - names - 17))
        yield f"{lead}  rota {pad(rota.rota, names)}  {said[0]}"
        yield from (f"{' ' * (names + 17)}{line}" for line in said[1:])
