"""The doors: authenticated, written down, answered 202, in that order and in milliseconds.

PagerDuty drops a delivery at any 4xx but 429, and switches the subscription off after three: an
authentic event is never answered so. Where the fault is ours the answer is 503, and it comes again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from engine.clock import MICROSECONDS
from engine.core.arrivals import (
    Unreadable,
    alert_keys,
    from_alertmanager,
    from_pagerduty,
    read_json,
)
from engine.errors import JournalError, Refused
from engine.journal.ledger import Arrived
from engine.secret import signatures
from engine.server import problems
from engine.server.parts import Parts, address_of
from engine.server.problems import Problem
from engine.server.settings import Webhook

ID_MAX_CHARS = 200
"""Of what a sender calls its delivery."""


async def pagerduty(request: Request) -> JSONResponse:
    """Events of a PagerDuty webhook subscription, version 3."""
    parts: Parts = request.app.state.parts
    settings = parts.settings.pagerduty
    if settings is None or not settings.secrets:
        raise problems.ours("no secret of PagerDuty is configured here")
    body = await request.body()
    header = request.headers.get("x-pagerduty-signature")
    if not signatures.pagerduty(body, header, settings.secrets):
        await parts.door.slow_down(address_of(request))
        raise Problem(401, "unauthorized", "Not signed by PagerDuty", "no signature fits")
    payload = _json(body)
    kind, about, occurred_us = _of_pagerduty(payload)
    name = request.headers.get("x-webhook-id", "")[:ID_MAX_CHARS]
    keys = [f"pagerduty\n{name}"] if name else []
    event = payload.get("event") if isinstance(payload, dict) else None
    if isinstance(event, dict) and isinstance(event.get("id"), str):
        keys.append(f"pagerduty event\n{event['id'][:ID_MAX_CHARS]}")
    if not keys:
        keys = [f"pagerduty body\n{signatures.digest(body)}"]
    return await _taken(parts, Arrived("pagerduty", kind, about, tuple(keys), body, occurred_us))


def _of_pagerduty(payload: Any) -> tuple[str, str, int | None]:
    try:
        arrival = from_pagerduty(payload)
    except Unreadable as error:
        return "unreadable", str(error), None
    return arrival.kind, arrival.about, moment_us(arrival.occurred_at)


async def alertmanager(request: Request) -> JSONResponse:
    """Groups of alerts. Alertmanager signs nothing: a bearer token, or user and password."""
    parts: Parts = request.app.state.parts
    settings = parts.settings.alertmanager
    if settings is None:
        raise problems.ours("alertmanager is not configured here")
    header = request.headers.get("authorization")
    held = signatures.same(signatures.bearer(header), settings.tokens)
    pair = signatures.basic(header)
    if pair is not None and settings.user is not None and settings.password is not None:
        held |= signatures.same("\n".join(pair), [f"{settings.user}\n{settings.password}"])
    if not held:
        await parts.door.slow_down(address_of(request))
        headers = {"WWW-Authenticate": 'Bearer, Basic realm="runbook"'}
        raise Problem(401, "unauthorized", "Not let in", "no credential fits", headers=headers)
    body = await request.body()
    payload = _json(body)
    try:
        arrival = from_alertmanager(payload)
    except Unreadable as error:
        raise Problem(400, "unreadable", "Not a group of alerts", str(error)) from error
    keys = tuple(f"alertmanager\n{key}" for key in alert_keys(payload))
    about, occurred_us = arrival.about, moment_us(arrival.occurred_at)
    arrived = Arrived("alertmanager", arrival.kind, about, keys, body, occurred_us, all_keys=True)
    return await _taken(parts, arrived)


async def webhook(request: Request) -> JSONResponse:
    """A door of the configuration: signed (Standard Webhooks), or with a token."""
    parts: Parts = request.app.state.parts
    name = request.path_params["name"]
    door = parts.settings.webhooks.get(name)
    if door is None:
        await parts.door.slow_down(address_of(request))
        raise problems.not_found(f"there is no webhook {name}")
    body = await request.body()
    why = _held(door, request, body, parts.engine.clock.now_us() / MICROSECONDS)
    if why is not None:
        await parts.door.slow_down(address_of(request))
        raise Problem(401, "unauthorized", "Not let in", why)
    payload = _json(body)
    if payload is None:
        raise Problem(400, "unreadable", "Not JSON", "the body of a webhook is JSON")
    id_ = request.headers.get("webhook-id") or request.headers.get("idempotency-key") or ""
    key = id_[:ID_MAX_CHARS] or signatures.digest(body + str(parts.engine.clock.now_us()).encode())
    about = _about(payload) or f"webhook {name}"
    return await _taken(parts, Arrived(f"webhook:{name}", name, about, (f"{name}\n{key}",), body))


def _held(door: Webhook, request: Request, body: bytes, now_s: float) -> str | None:
    header = request.headers.get
    if door.kind == "token":
        held = signatures.same(signatures.bearer(header("authorization")), door.secrets)
        return None if held else "send `Authorization: Bearer TOKEN`"
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    given = (header(names[0]), header(names[1]), header(names[2]))
    return signatures.standard(body, given, door.secrets, now_s)


async def _taken(parts: Parts, arrived: Arrived) -> JSONResponse:
    if parts.keeper.leaving:
        raise problems.ours("this server is ending")
    try:
        name, new = await parts.dispatcher.take(arrived)
    except (JournalError, Refused) as error:
        parts.log.warning("a delivery was not taken", source=arrived.source, why=error.message)
        raise problems.ours(error.message) from error
    return JSONResponse({"delivery": name, "new": new}, 202)


def _json(body: bytes) -> Any:
    try:
        return read_json(body)
    except Unreadable:
        return None


def _about(payload: Any) -> str | None:
    if not isinstance(payload, dict):
        return None
    texts = (payload.get(key) for key in ("title", "summary", "message", "type", "event"))
    return next((text for text in texts if isinstance(text, str) and text), None)


def moment_us(at: str | None) -> int | None:
    """When a source says that something happened; None where it says so in no way we know."""
    try:
        moment = datetime.fromisoformat(at) if at is not None else None
        return round(moment.timestamp() * MICROSECONDS) if moment is not None else None
    except (ValueError, OverflowError):
        return None


ROUTES = [
    Route("/webhooks/pagerduty", pagerduty, methods=["POST"]),
    Route("/webhooks/alertmanager", alertmanager, methods=["POST"]),
    Route("/webhooks/{name}", webhook, methods=["POST"]),
]
