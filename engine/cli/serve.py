"""`runbook serve`: the engine over HTTP."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from engine.cli.session import Session
from engine.errors import Usage
from engine.language.words import listed

if TYPE_CHECKING:
    import asyncio

    from engine.language.model import Runbook
    from engine.server.around import Around
    from engine.server.settings import Settings

T = TypeVar("T")


@click.command()
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="The configuration; see `runbook docs serve`.  [default: RUNBOOK_SERVE, else none]",
)
@click.option(
    "--listen", metavar="HOST:PORT", help="Where, instead of what the configuration says."
)
@click.option("-e", "--env", "environment", metavar="NAME", help="Where triggered runs go.")
@click.option("--check", is_flag=True, help="Only check the configuration, runbooks and contacts.")
@click.pass_obj
def serve(
    session: Session, config: str | None, listen: str | None, environment: str | None, check: bool
) -> int:
    """Serve the API and the webhooks, and drive the runs they start, until SIGTERM."""
    from engine.server.settings import VARIABLE, read_settings  # noqa: PLC0415

    named = config or os.environ.get(VARIABLE)
    settings = read_settings(Path(named) if named else None, os.environ)
    if environment is not None:
        settings = replace(settings, environment=environment)
    if listen is not None:
        settings = _listening(settings, listen)
    problems = _check(session, settings)
    if check:
        session.output.line(
            f"{named or 'the defaults'}: good" + (f"; but {problems}" if problems else "")
        )
        return 1 if problems else 0
    if problems:
        session.output.note(problems)
    return session.run(_serve(session, settings))


def _listening(settings: Settings, listen: str) -> Settings:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise Usage("--listen takes HOST:PORT", help="for example 127.0.0.1:8600")
    return replace(settings, host=host.strip("[]"), port=int(port))


def _check(session: Session, settings: Settings) -> str:
    """What cannot be read, each of which is told, and what would be missed at night only."""
    books, place = session.find_books(), settings.environment
    read = {name: _told(lambda name=name: session.load(name)) for name in books.names()}  # type: ignore[misc]
    contacts = [_told(lambda pack=pack: books.contacts(pack)) for pack in books.packs()]  # type: ignore[misc]
    said = []
    if bad := list(read.values()).count(None):
        said.append(f"{bad} runbooks cannot be read")
    if bad := contacts.count(None):
        said.append(f"{bad} contacts.yaml cannot be read")
    triggered = {
        name.partition("/")[0]
        for name, runbook in read.items()
        if runbook is not None and any("environment" not in t.rule for t in runbook.triggers)
    }
    missing = [pack for pack in sorted(triggered) if place not in books.environments(pack)]
    if missing:
        said.append(f"{listed(missing, 'and')} without the environment {place} of triggered runs")
    if settings.link_keys and not settings.public_url:
        said.append("`links` without `public_url` makes no link in a mail")
    if settings.slack_secrets and not settings.link_keys:
        said.append("`slack` without `links` makes no button in Slack")
    return "; ".join(said)


def _told(read: Callable[[], T]) -> T | None:
    """What was read; None where it cannot be, which is told."""
    from engine.cli.main import tell  # noqa: PLC0415  it imports every command's module
    from engine.errors import RunbookError  # noqa: PLC0415

    try:
        return read()
    except RunbookError as error:
        tell(error)
        return None


async def _serve(session: Session, settings: Settings) -> int:
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415

    from engine.cli.signals import heeding  # noqa: PLC0415  imports asyncio

    asked = asyncio.Event()
    with heeding({signal.SIGTERM: asked.set, signal.SIGINT: asked.set}):
        await _served(session, settings, asked)
    return 0


async def _served(session: Session, settings: Settings, asked: asyncio.Event) -> None:
    """Serves until it is asked to end; not at all where that was before it began (`asked`)."""
    import asyncio  # noqa: PLC0415

    from engine.clock import SystemClock  # noqa: PLC0415
    from engine.server import app as application  # noqa: PLC0415  FastAPI: 300 ms
    from engine.server import serve as server  # noqa: PLC0415
    from engine.server.logs import Log  # noqa: PLC0415

    listening = server.bind(settings)
    host, port = listening.getsockname()[:2]
    async with session.open_store() as store:
        log = Log(SystemClock(), settings.vault.redactor().text, plain=sys.stderr.isatty())
        around = _Surround(session)
        parts = application.make_parts(
            settings, session.engine(store), session.lasting(store), log, around.around
        )
        where = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        session.output.note(f"serving on {where} (API {where}/api/v1/openapi.json); Ctrl-C ends it")
        if not await parts.tokens.list():
            session.output.note("nobody may use the API yet: `runbook token make` makes a token")
        await asyncio.sleep(0)  # a signal that came while all this was read is heard now
        if asked.is_set():
            session.output.note("asked to end before it served anything")
            listening.close()
            return
        await server.serve(application.make_app(parts), listening)


class _Surround:
    """The sandbox, for runs whose environment it is."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @asynccontextmanager
    async def around(self, pack: str, environment: str, runbook: Runbook) -> AsyncIterator[Around]:
        from engine.server.around import Around  # noqa: PLC0415

        async with self._session.sandbox(pack, environment, runbook) as found:
            yield Around(found.services, found.inputs)
