"""The application: all parts put together, and what runs beside the requests."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI

from engine.clock import Clock, SystemClock
from engine.core.events import Event
from engine.errors import RunbookError
from engine.journal.ledger import Ledger
from engine.journal.marks import Marks
from engine.journal.requests import Requests
from engine.journal.sqlite import SqliteStore
from engine.journal.tokens import Tokens
from engine.server import (
    answering,
    api_people,
    api_rest,
    api_runs,
    health,
    inbound,
    incidents,
    looking,
    problems,
    sign_on,
    webhooks,
)
from engine.server.access import Doorkeeper
from engine.server.around import Surround, nothing_around
from engine.server.dispatch import Dispatcher
from engine.server.keeper import Keeper
from engine.server.limits import BodyLimit, Pace
from engine.server.logs import Log
from engine.server.metrics import Metrics
from engine.server.mint import Mint
from engine.server.pagerduty import Client, Notes, Reconciler
from engine.server.parts import Parts
from engine.server.rehearsing import Rehearsals
from engine.server.reporting import Reporter
from engine.server.schedules import Schedules
from engine.server.settings import Settings
from engine.server.shelf import Shelf
from engine.server.tracing import make_tracing
from engine.server.watch import ContactsWatch, Telling
from engine.wiring import VERSION, Engine
from engine.wiring.calling import Press

Work = list[Callable[[], Coroutine[Any, Any, None]]]

PRUNE_S = 600.0
"""Between two removals of old deliveries."""

DESCRIPTION = """
Runs operations runbooks. Send `Authorization: Bearer TOKEN`; `runbook token make` makes one.
Errors are problem details (RFC 9457). Lists come in pages: `next` is the `cursor` of the next one.
"""


def make_parts(
    settings: Settings,
    engine: Engine,
    store: SqliteStore,
    log: Log,
    surround: Surround = nothing_around,
) -> Parts:
    """Everything a server needs; nothing runs yet."""
    clock: Clock = engine.clock
    metrics = Metrics()
    store.time_commits(metrics.append.observe)
    tokens = Tokens(store)
    keeper = Keeper(
        engine,
        log,
        drive_max=settings.drive_max,
        surround=surround,
        observe=_observed(metrics, Telling(metrics, log, store)),
    )
    shelf = Shelf(engine.books, engine.registry, clock, log)
    ledger = Ledger(store)
    dispatcher = Dispatcher(ledger, keeper, shelf, metrics, log)
    dispatcher.environment = settings.environment
    url, keys = settings.public_url, settings.link_keys
    engine.press = Press(
        inbound.presser(keys, clock.now_us),
        inbound.linker(keys, clock.now_us, url) if url else None,
        answering.staker(keys, clock.now_us),
        url or None,
        bool(settings.slack_secrets),
    )
    parts = Parts(
        settings=settings,
        engine=engine,
        store=store,
        marks=Marks(store),
        ledger=ledger,
        requests=Requests(store, clock.now_us()),
        tokens=tokens,
        mint=Mint(tokens, clock),
        door=Doorkeeper(tokens, clock),
        pace=Pace(SystemClock(), settings.requests_per_minute),
        keeper=keeper,
        dispatcher=dispatcher,
        metrics=metrics,
        log=log,
    )
    dispatcher.first = partial(incidents.heard, parts)
    return parts


def _observed(metrics: Metrics, telling: Telling) -> Callable[[Event], None]:
    """Who looks on at every run."""
    lookers = [metrics.observe, telling.observe]
    tracing = make_tracing()
    if tracing is not None:
        atexit.register(tracing.close)
        lookers.append(tracing.observe)

    def all_of_them(event: Event) -> None:
        for observe in lookers:
            observe(event)

    return all_of_them


def make_app(parts: Parts) -> FastAPI:
    """The application; its work beside the requests runs while it is up."""
    app = FastAPI(
        title="runbook",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        separate_input_output_schemas=False,
    )
    app.state.parts = parts
    app.state.counted = health.Counted(parts)
    app.state.contacts = ContactsWatch(parts.engine.books, parts.metrics, parts.log)
    api = APIRouter(prefix="/api/v1")
    for module in (api_runs, api_people, api_rest):
        api.include_router(module.router)
    app.include_router(api)
    app.router.routes.extend([*inbound.ROUTES, *webhooks.ROUTES, *health.ROUTES, *sign_on.ROUTES])
    app.router.routes.extend(looking.ROUTES)
    app.add_middleware(BodyLimit)
    problems.install(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Takes up what was left, works until the end, then lets go."""
    parts: Parts = app.state.parts
    contacts: ContactsWatch = app.state.contacts
    contacts.look()
    found = await parts.keeper.recover()
    parts.log.info("serving", runs_taken_up=found, runbooks=len(parts.dispatcher.shelf.books()))
    work: Work = [
        parts.keeper.tend,
        parts.dispatcher.work,
        Schedules(parts.dispatcher, parts.requests, parts.log).keep,
        lambda: _prune(parts),
        partial(contacts.keep, parts.engine.clock),
    ]
    if (place := parts.settings.rehearse_in) is not None:
        shelf = parts.dispatcher.shelf
        work.append(Rehearsals(parts.keeper, shelf, parts.log, place).keep)
    client = _pagerduty(parts, work)
    tasks = [asyncio.create_task(_minded(parts.log, one)) for one in work]
    try:
        yield
    finally:
        cut_off = await parts.keeper.close(parts.settings.grace_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if client is not None:
            await client.close()
        parts.log.info("ended", runs_cut_off=cut_off)


def _pagerduty(parts: Parts, work: Work) -> Client | None:
    settings = parts.settings.pagerduty
    if settings is None or settings.token is None:
        return None
    client = Client(settings)
    parts.dispatcher.alerts = client
    reconciler = Reconciler(client, settings, parts.ledger, parts.dispatcher, parts.log)
    reconciler.missed = partial(incidents.missed, parts)
    work.append(reconciler.keep)
    if settings.notes:
        notes = Notes(client, parts.requests, parts.log, parts.engine.clock)
        url = parts.settings.public_url
        reporter = Reporter(notes, parts.ledger, parts.keeper, parts.log, url)
        parts.dispatcher.settled = reporter.settled
        parts.keeper.when_ended(lambda _run, _result: reporter.wake())
        work.append(reporter.keep)
    return client


async def _prune(parts: Parts) -> None:
    while True:
        try:
            await parts.ledger.prune(parts.engine.clock.now_us(), parts.settings.keep_s / 86_400)
        except RunbookError as error:
            parts.log.warning("old deliveries stay", why=error.message)
        await parts.engine.clock.sleep(PRUNE_S)


async def _minded(log: Log, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Work beside the requests that ends by a bug is told: it would be missed silently."""
    try:
        await work()
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        log.fault("work beside the requests ended: restart this server", why=repr(error))
        raise
