"""What the routes share, and the questions every route asks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

from engine.errors import Usage
from engine.journal.ledger import Ledger
from engine.journal.marks import Marks
from engine.journal.requests import Requests
from engine.journal.sqlite import SqliteStore
from engine.journal.tokens import Tokens
from engine.server import problems
from engine.server.access import Doorkeeper
from engine.server.identity import ADMIN, APPROVE, GUARD, READ, RUN, SPEAK, Principal
from engine.server.keeper import Keeper
from engine.server.limits import Pace
from engine.server.logs import Log
from engine.server.metrics import Metrics
from engine.server.mint import Mint
from engine.server.settings import Settings
from engine.wiring import Engine

if TYPE_CHECKING:
    from engine.server.dispatch import Dispatcher

SESSION_COOKIE = "runbook_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a route may need."""

    settings: Settings
    engine: Engine
    store: SqliteStore
    marks: Marks
    ledger: Ledger
    requests: Requests
    tokens: Tokens
    mint: Mint
    door: Doorkeeper
    pace: Pace
    keeper: Keeper
    dispatcher: Dispatcher
    metrics: Metrics
    log: Log


def parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsHere = Annotated[Parts, Depends(parts_of)]


def address_of(request: Request) -> str:
    return request.client.host if request.client else "-"


async def principal_of(request: Request, parts: PartsHere) -> Principal:
    """Who asks. Raises Problem 401 (late), 403 for a forged page, 429 for too many requests."""
    authorization = request.headers.get("authorization")
    cookie = request.cookies.get(SESSION_COOKIE)
    if authorization is None and cookie is not None:
        own = f"{request.url.scheme}://{request.url.netloc}"
        origins = (own, parts.settings.public_url)
        if request.method not in SAFE_METHODS and request.headers.get("origin") not in origins:
            raise problems.Problem(403, "forged", "From another page", "the origin is not ours")
        authorization = f"Bearer {cookie}"
    principal = await parts.door.who(authorization, address_of(request))
    if principal is None:
        raise problems.unauthorized()
    wait_s = parts.pace.take(principal.via)
    if wait_s > 0:
        headers = {"Retry-After": str(int(wait_s) + 1)}
        detail = f"{parts.pace.per_minute} requests a minute are yours"
        raise problems.Problem(429, "too-many", "Too many requests", detail, headers=headers)
    return principal


PrincipalHere = Annotated[Principal, Depends(principal_of)]


def _needs(permission: str) -> Callable[..., Coroutine[Any, Any, Principal]]:
    """For all packs."""

    async def needs(principal: PrincipalHere) -> Principal:
        if not principal.may(permission):
            raise problems.forbidden(permission, None)
        return principal

    return needs


Guard = Annotated[Principal, Depends(_needs(GUARD))]
Admin = Annotated[Principal, Depends(_needs(ADMIN))]
ReadAll = Annotated[Principal, Depends(_needs(READ))]
RunAll = Annotated[Principal, Depends(_needs(RUN))]


@dataclass(frozen=True, slots=True)
class OfRun:
    """A run, its pack, and who asks about it."""

    run: str
    name: str
    environment: str
    principal: Principal


def _of_run(permission: str) -> Callable[..., Coroutine[Any, Any, OfRun]]:
    """The run of the path. One of a pack that is not theirs is not there for them."""

    async def of_run(run: str, principal: PrincipalHere, parts: PartsHere) -> OfRun:
        try:
            name = await parts.store.find(run)
        except Usage as error:  # which names others of its kind, also of packs that are not theirs
            words = f"no run is named {run}, or several begin so: give all of its id"
            raise problems.not_found(words) from error
        body = (await parts.store.events(name, 0, 1))[0].body
        pack = str(body["name"]).partition("/")[0]
        if not principal.may(READ, pack):
            if not principal.may(permission, pack):
                raise problems.not_found(f"no run is named {run}")
        elif not principal.may(permission, pack):
            raise problems.forbidden(permission, pack)
        return OfRun(name, str(body["name"]), str(body["environment"]), principal)

    return of_run


ReadRun = Annotated[OfRun, Depends(_of_run(READ))]
SpeakRun = Annotated[OfRun, Depends(_of_run(SPEAK))]
ApproveRun = Annotated[OfRun, Depends(_of_run(APPROVE))]
DoRun = Annotated[OfRun, Depends(_of_run(RUN))]


def check_pack(principal: Principal, permission: str, runbook: str) -> None:
    """Raises Problem where they may not do this to this runbook."""
    pack = runbook.partition("/")[0]
    if not principal.may(permission, pack):
        if not principal.may(READ, pack):
            raise problems.not_found(f"no runbook is named {runbook}")
        raise problems.forbidden(permission, pack)
