"""The rest of `/api/v1`: guards, deliveries, the audit trail, tokens, and who you are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from msgspec.structs import asdict

from engine.errors import Broken, Usage
from engine.server import problems
from engine.server.api_models import Name, NewToken, Reason, Rotation
from engine.server.api_runs import EVENTS_MAX, Limit
from engine.server.api_shown import delivery_json, event_json, page, read_cursor, token_json
from engine.server.identity import read_grants, read_scopes
from engine.server.parts import (
    Admin,
    Guard,
    Parts,
    PartsHere,
    PrincipalHere,
    ReadAll,
    ReadRun,
    RunAll,
)

router = APIRouter()

DAY_S = 86_400


@router.get("/whoami", tags=["identity"])
async def whoami(principal: PrincipalHere) -> dict[str, Any]:
    """Who you are to this server, and what you may do."""
    roles = {pack: list(roles) for pack, roles in principal.grants.items()}
    return {
        "name": principal.name,
        "means": principal.means,
        "via": principal.via,
        "roles": roles,
        "scopes": list(principal.scopes),
    }


@router.get("/guards", tags=["guards"])
async def guards(_: ReadAll, parts: PartsHere) -> Any:
    """What is frozen, held, cooling down or open."""
    return {"items": await parts.engine.guard_rows(), "next": None}


@router.post("/guards/freeze", tags=["guards"])
async def freeze(said: Reason, principal: Guard, parts: PartsHere) -> Any:
    """Refuses every run that would change something, until it is thawed."""
    return asdict(await parts.engine.freeze(said.reason, principal.actor))


@router.post("/guards/thaw", tags=["guards"])
async def thaw(said: Reason, principal: Guard, parts: PartsHere) -> Any:
    """Ends a freeze."""
    return asdict(await parts.engine.thaw(said.reason, principal.actor))


@router.get("/deliveries", tags=["deliveries"])
async def deliveries(  # noqa: PLR0913, PLR0917 - each narrows the list by itself
    _: ReadAll,
    parts: PartsHere,
    source: Name | None = None,
    verdict: Annotated[str | None, Query(pattern="^(started|joined|ignored|refused|open)$")] = None,
    text: Name | None = None,
    run: Name | None = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Limit = 50,
) -> Any:
    """What arrived and what became of it, the newest first."""
    before = read_cursor(cursor)
    given = {"source": source, "verdict": verdict, "text": text, "run": run}
    rows = await parts.ledger.latest(**given, before=before, limit=limit)
    last = (rows[-1].received_us, rows[-1].id) if rows else None
    return page([delivery_json(row) for row in rows], limit, last)


@router.get("/deliveries/{delivery}", tags=["deliveries"])
async def delivery(delivery: Name, _: ReadAll, parts: PartsHere) -> Any:
    """One delivery, with what came."""
    row, body = await _found(parts, delivery)
    return {**delivery_json(row), "body": body.decode("utf-8", "replace")}


@router.post("/deliveries/{delivery}/replay", status_code=202, tags=["deliveries"])
async def replay(delivery: Name, principal: RunAll, parts: PartsHere) -> Any:
    """Takes a delivery in once more, as if it had come now."""
    await _found(parts, delivery)
    return {"delivery": await parts.dispatcher.replay(delivery, principal.actor)}


async def _found(parts: Parts, delivery: str) -> Any:
    try:
        return await parts.ledger.get(delivery)
    except Usage as error:
        raise problems.not_found(error.message) from error


@router.get("/audit/runs/{run}", response_class=StreamingResponse, tags=["audit"])
async def export(of: ReadRun, parts: PartsHere) -> StreamingResponse:
    """The audit trail of a run, one JSON object a line, with the hashes that chain it."""
    return StreamingResponse(_lines(parts, of.run), media_type="application/x-ndjson")


async def _lines(parts: Parts, run: str) -> AsyncIterator[str]:
    seq = 0
    while found := await parts.store.events(run, seq, EVENTS_MAX):
        for event in found:
            yield json.dumps(event_json(event)) + "\n"
        seq = found[-1].seq


@router.get("/audit/verify", tags=["audit"])
async def verify_all(_: ReadAll, parts: PartsHere) -> Any:
    """Recomputes every hash of every run."""
    return await _verified(parts, None)


@router.get("/audit/runs/{run}/verify", tags=["audit"])
async def verify(of: ReadRun, parts: PartsHere) -> Any:
    """Recomputes every hash of a run."""
    return await _verified(parts, of.run)


async def _verified(parts: Parts, run: str | None) -> dict[str, Any]:
    try:
        whole = await parts.store.verify(run)
    except Broken as error:
        told = {"run": error.run, "seq": error.seq, "why": error.message}
        return {"whole": False, **told}
    return {"whole": True, "runs": whole.runs, "events": whole.events, "head": whole.head}


@router.get("/tokens", tags=["identity"])
async def tokens(_: Admin, parts: PartsHere) -> Any:
    """Every token there was, the newest first. The tokens themselves are nowhere kept."""
    return {"items": [token_json(token) for token in await parts.tokens.list()], "next": None}


@router.post("/tokens", status_code=201, tags=["identity"])
async def make_token(asked: NewToken, principal: Admin, parts: PartsHere, out: Response) -> Any:
    """A new token. Its text is in this answer, and nobody can be told it again."""
    out.headers["Cache-Control"] = "no-store"
    grants, scopes = read_grants(asked.roles), read_scopes(asked.scopes)
    maker = principal.actor
    token, text = await parts.mint.make(asked.person, grants, scopes, asked.days * DAY_S, maker)
    return {**token_json(token), "token": text}


@router.post("/tokens/{token}/rotate", status_code=201, tags=["identity"])
async def rotate(
    token: Name, asked: Rotation, principal: Admin, parts: PartsHere, out: Response
) -> Any:
    """A successor with the same roles; the old one stays valid for a while."""
    out.headers["Cache-Control"] = "no-store"
    await _known(parts, token)
    life_s = asked.days * DAY_S
    made, text = await parts.mint.rotate(token, asked.grace_s, life_s, principal.actor)
    return {**token_json(made), "token": text}


@router.post("/tokens/{token}/revoke", tags=["identity"])
async def revoke(token: Name, said: Reason, principal: Admin, parts: PartsHere) -> Any:
    """Takes a token back, at once."""
    await _known(parts, token)
    return token_json(await parts.mint.revoke(token, said.reason, principal.actor))


async def _known(parts: Parts, token: str) -> None:
    try:
        await parts.tokens.get(token)
    except Usage as error:
        raise problems.not_found(error.message) from error
