"""Runs, events, questions, deliveries and tokens as the API gives them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from engine.clock import to_iso
from engine.core.events import Event
from engine.journal.contract import RunRow
from engine.journal.ledger import Delivery
from engine.journal.tokens import Token
from engine.server.problems import Problem
from engine.wiring.faces import Question


def run_json(row: RunRow) -> dict[str, Any]:
    return {
        "run": row.run,
        "name": row.name,
        "environment": row.environment,
        "mode": row.mode,
        "actor": row.actor,
        "status": row.status,
        "because": row.because,
        "started": to_iso(row.started_us),
        "finished": _iso(row.finished_us),
        "events": row.last_seq,
    }


def event_json(event: Event) -> dict[str, Any]:
    return {
        "run": event.run,
        "seq": event.seq,
        "at": to_iso(event.at_us),
        "at_us": event.at_us,
        "type": event.type,
        "version": event.version,
        "actor": dict(event.actor),
        "body": dict(event.body),
        "hash": event.hash,
    }


def question_json(question: Question) -> dict[str, Any]:
    return {
        "path": question.path,
        "id": question.id,
        "kind": question.kind,
        "type": question.type,
        "title": question.title,
        "text": question.text,
        "answers": list(question.answers),
        "evidence": question.evidence,
    }


def delivery_json(row: Delivery) -> dict[str, Any]:
    return {
        "id": row.id,
        "source": row.source,
        "kind": row.kind,
        "about": row.about,
        "received": to_iso(row.received_us),
        "occurred": _iso(row.occurred_us),
        "times": row.times,
        "last": to_iso(row.last_us),
        "replay_of": row.replay_of,
        "verdict": row.verdict or "open",
        "verdicts": [verdict.to_json() for verdict in row.verdicts],
        "settled": _iso(row.settled_us),
    }


def token_json(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "person": token.person,
        "roles": {pack: list(roles) for pack, roles in token.grants.items()},
        "scopes": list(token.scopes),
        "made": to_iso(token.made_us),
        "made_by": token.made_by,
        "expires": to_iso(token.expires_us),
        "ended": _iso(token.ended_us),
        "ended_why": token.ended_why,
        "used": _iso(token.used_us),
    }


def _iso(at_us: int | None) -> str | None:
    return None if at_us is None else to_iso(at_us)


def cursor_of(at_us: int, name: str) -> str:
    """Where the next page begins; opaque to whoever gets it."""
    return base64.urlsafe_b64encode(json.dumps([at_us, name]).encode()).decode()


def read_cursor(text: str | None) -> tuple[int, str] | None:
    """Raises Problem for what is none of ours."""
    if text is None:
        return None
    try:
        at_us, name = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        at_us, name = None, None
    if not isinstance(at_us, int) or not isinstance(name, str) or not 0 <= at_us < 1 << 62:
        raise Problem(400, "usage", "No such page", "this cursor was not given by this server")
    return at_us, name


def page(items: list[Any], limit: int, last: tuple[int, str] | None) -> Mapping[str, Any]:
    """Items and where the next ones begin; `next` is null at the end."""
    more = last is not None and len(items) >= limit
    return {"items": items, "next": cursor_of(*last) if more and last is not None else None}
