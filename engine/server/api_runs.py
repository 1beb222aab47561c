"""`/api/v1/runs` and `/api/v1/runbooks`: what there is, starting, following."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from engine.errors import Refused
from engine.journal.calls import Mark
from engine.journal.contract import RunRow
from engine.server import problems
from engine.server.api_models import Begun, Name, RunsPage, StartRun
from engine.server.api_shown import event_json, page, question_json, read_cursor, run_json
from engine.server.identity import READ, RUN
from engine.server.keeper import Begun as Made
from engine.server.parts import Parts, PartsHere, PrincipalHere, ReadRun, check_pack
from engine.wiring import new_id

router = APIRouter(tags=["runs"])

PAGE_MAX = 200
EVENTS_MAX = 1000
"""Events of one answer: half a megabyte, mostly."""

PAGES_READ_MAX = 20
"""Pages of the list that are read to fill one with what somebody may see."""

STREAMS_MAX = 500
"""Live streams at once; each holds a connection for as long as somebody looks on."""

KEEP_ALIVE_S = 15.0
"""Between two signs of life on a stream: proxies cut off what is silent for a minute."""

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]


@router.get("/runbooks")
async def runbooks(parts: PartsHere, principal: PrincipalHere) -> dict[str, Any]:
    """Every runbook of the packs that are yours to read."""
    packs = principal.packs(READ, parts.engine.books.packs())
    found = [
        {
            "name": book.name,
            "title": book.title,
            "covers": list(book.covers),
            "tags": list(book.tags),
        }
        for book in parts.dispatcher.shelf.books()
        if book.name.partition("/")[0] in packs
    ]
    return {"items": found, "next": None}


@router.get("/books")
async def books(parts: PartsHere, principal: PrincipalHere) -> dict[str, Any]:
    """The texts of all runbooks that are yours to read, and the names of their environments."""
    found = parts.engine.books
    packs = principal.packs(READ, found.packs())
    texts = {
        name: found.source(name)[1] for name in found.names() if name.partition("/")[0] in packs
    }
    return {"texts": texts, "environments": {p: list(found.environments(p)) for p in packs}}


@router.get("/runbooks/{pack}/{name}")
async def runbook(pack: Name, name: Name, parts: PartsHere, principal: PrincipalHere) -> Any:
    """A runbook: its inputs, and its text."""
    full = f"{pack}/{name}"
    check_pack(principal, READ, full)
    if full not in parts.engine.books.names():
        raise problems.not_found(f"no runbook is named {full}")
    book = parts.engine.books.load(full, parts.engine.registry)
    inputs = {
        key: {"type": one.type, "required": one.required, "description": one.description or ""}
        for key, one in book.inputs.items()
    }
    environments = list(parts.engine.books.environments(pack))
    return {
        "name": book.name,
        "title": book.title,
        "description": book.description or "",
        "digest": book.digest,
        "inputs": inputs,
        "environments": environments,
        "text": book.text,
    }


@router.get("/runs", responses={200: {"model": RunsPage}})
async def runs(  # noqa: PLR0913, PLR0917 - each narrows the list by itself
    parts: PartsHere,
    principal: PrincipalHere,
    name: Name | None = None,
    status: Name | None = None,
    mode: Annotated[str | None, Query(pattern="^(real|rehearsal)$")] = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Limit = 50,
) -> Any:
    """Runs of the packs that are yours to read, the newest first; and what stands behind the
    status of each.
    """
    before = read_cursor(cursor)
    found: list[RunRow] = []
    for _ in range(PAGES_READ_MAX):
        rows = await parts.store.runs(
            name=name, status=status, mode=mode, limit=limit, before=before
        )
        for row in rows:
            before = (row.started_us, row.run)
            if principal.may(READ, row.name.partition("/")[0]):
                found.append(row)
                if len(found) == limit:
                    return page(await _marked(parts, found), limit, before)
        if len(rows) < limit:
            return page(await _marked(parts, found), limit, None)
    return page(await _marked(parts, found), 0, before)


async def _marked(parts: Parts, rows: list[RunRow]) -> list[dict[str, Any]]:
    """Runs with what stands behind the status of each."""
    now_us = parts.engine.clock.now_us()
    marks = await parts.marks.of(rows, now_us, parts.keeper.minded)
    return [run_json(row) | marks.get(row.run, Mark()).to_json() for row in rows]


@router.post("/runs", status_code=202, response_model=Begun)
async def start(
    asked: StartRun,
    response: Response,
    parts: PartsHere,
    principal: PrincipalHere,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Any:
    """Starts a runbook, or rehearses it. The answer comes as soon as it is recorded what became of
    it; with the same `Idempotency-Key` again, nothing is started again.
    """
    check_pack(principal, RUN, asked.runbook)
    if asked.runbook not in parts.engine.books.names():
        raise problems.not_found(f"no runbook is named {asked.runbook}")
    now_us = parts.engine.clock.now_us()
    run, new = new_id(now_us), True
    if idempotency_key is not None:
        said = hashlib.sha256(asked.model_dump_json().encode()).hexdigest()
        key = f"{principal.name}\n{principal.via}\n{idempotency_key}"
        run, new = await parts.requests.reserve(key, said, run, now_us)
    if not new and await parts.store.events(run, 0, 1):
        made = Made(run, "exists")
    else:
        made = await _begin(parts, asked, principal, run)
    response.headers["Location"] = f"/api/v1/runs/{made.run}"
    return {"run": made.run, "how": made.how, "why": made.why}


async def _begin(parts: Parts, asked: StartRun, principal: PrincipalHere, run: str) -> Made:
    plan = await parts.store.find(asked.plan) if asked.plan is not None else None
    return await parts.keeper.start(
        asked.runbook,
        asked.environment,
        inputs=asked.inputs,
        actor=principal.actor,
        rehearsal=asked.rehearse,
        plan=plan,
        through=asked.through,
        autonomy=asked.autonomy,
        run=run,
    )


@router.get("/runs/{run}")
async def one_run(of: ReadRun, parts: PartsHere) -> Any:
    """A run: how it stands, as in the list, its inputs, and what it asks people. Where `held` is
    not null it cannot be gone on with as things are.
    """
    rows = await parts.store.runs(run=of.run, limit=1)
    events = await parts.store.events(of.run, 0, 1)
    found: dict[str, Any] = {"inputs": events[0].body["inputs"], "questions": [], "held": None}
    if rows and rows[0].finished_us is None and events[0].type == "RunStarted":
        state = await parts.engine.state(of.run)
        found["questions"] = [question_json(q) for q in await parts.engine.questions(of.run)]
        if state.held is not None:
            found |= {"held": state.held["why"], "mend": state.held.get("mend")}
    (shown,) = await _marked(parts, rows)
    return {**shown, **found}


@router.get("/runs/{run}/events")
async def events(
    of: ReadRun,
    parts: PartsHere,
    after: Annotated[int, Query(ge=0, le=1 << 53)] = 0,
    limit: Annotated[int, Query(ge=1, le=EVENTS_MAX)] = EVENTS_MAX,
    wait_s: Annotated[float, Query(ge=0, le=30)] = 0,
) -> Any:
    """The events of a run behind `after`; with `wait_s`, it waits that long for one."""
    if wait_s:
        await parts.store.wait_for_more(of.run, after, wait_s)
    found = await parts.store.events(of.run, after, limit)
    return {"items": [event_json(event) for event in found], "next": None}


_streams = asyncio.Semaphore(STREAMS_MAX)


@router.get("/runs/{run}/stream", response_class=StreamingResponse)
async def stream(
    of: ReadRun,
    parts: PartsHere,
    request: Request,
    last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,15}$")] = None,
) -> StreamingResponse:
    """The events of a run as they happen (server-sent events), until it is over.

    `Last-Event-ID` goes on behind that event.
    """
    if _streams.locked():
        raise problems.of_error(Refused(f"{STREAMS_MAX} streams are open already"))
    lines = _stream(parts, of.run, int(last_event_id or 0), request)
    return StreamingResponse(
        lines, media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


async def _stream(parts: Parts, run: str, seq: int, request: Request) -> AsyncIterator[str]:
    async with _streams:
        over = False
        while not over and not parts.keeper.leaving and not await request.is_disconnected():
            found = await parts.store.events(run, seq, EVENTS_MAX)
            for event in found:
                seq = event.seq
                over = event.type in ("RunFinished", "RunRefused")
                data = json.dumps(event_json(event), separators=(",", ":"))
                yield f"id: {seq}\nevent: {event.type}\ndata: {data}\n\n"
            if not found and not await parts.store.wait_for_more(run, seq, KEEP_ALIVE_S):
                yield ": still here\n\n"
