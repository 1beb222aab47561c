"""PagerDuty: Events API v2 (trigger, acknowledge, resolve) and notes on incidents by its REST API.

Facts: PagerDuty's documents of the Events API v2 and the REST API v2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from engine.adapters.http import Body
from engine.channels.calling import Calling
from engine.errors import AdapterError
from engine.plugin import reveal
from engine.plugin.channel import Message

SUMMARY_MAX_CHARS = 1024
"""Of an event's summary."""

DEDUP_KEY_MAX_CHARS = 255
"""Of an event's key; a longer one is cut to its digest."""

TEXT_MAX_CHARS = 4000
"""Of the text in `custom_details`: an event may have 512 KB, a telephone shows a page."""

NOTE_MAX_CHARS = 20_000
"""Of a note; PagerDuty takes 65,535 octets."""

ACTIONS: Mapping[str, str] = {
    "counted": "trigger",
    "page": "trigger",
    "status": "trigger",
    "acknowledged": "acknowledge",
    "resolved": "resolve",
    "question": "trigger",
    "answered": "resolve",
}


FIRST = ("page", "question")
"""Kinds whose incident hears what becomes of it."""


class PagerDutyChannel:
    """Pages the on-call of a PagerDuty service.

    routing_key: of an integration "Events API v2", 32 characters
    base_url: https://events.eu.pagerduty.com for accounts in the EU
    """

    family: ClassVar[str] = "pagerduty"
    addressed: ClassVar[bool] = False
    again: bool = True  # the same `dedup_key` is one incident
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 0.5  # 120 a minute for a key

    def __init__(self, routing_key: str, *, base_url: str = "https://events.pagerduty.com") -> None:
        self._key = routing_key
        self._calling = Calling(base_url)

    def fingerprint(self) -> str:
        return self._calling.fingerprint()

    async def ping(self) -> str:
        return await self._calling.ping()

    async def send(self, message: Message) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "routing_key": reveal(self._key),
            "event_action": ACTIONS[message.kind],
            "dedup_key": dedup_key(message.group),
        }
        if body["event_action"] == "trigger":
            body |= _event(message)
        found = await self._calling.post("/v2/enqueue", Body(json=body))
        told = found.json if isinstance(found.json, dict) else {}
        key = told.get("dedup_key") or body["dedup_key"]
        return {"id": key, "status": told.get("status"), "follows": message.kind in FIRST}

    async def close(self) -> None:
        await self._calling.close()


def dedup_key(group: str) -> str:
    if len(group) <= DEDUP_KEY_MAX_CHARS:
        return group
    import hashlib  # noqa: PLC0415 - only for a runbook with very deep paths

    return hashlib.sha256(group.encode()).hexdigest()


def _event(message: Message) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "summary": message.title[:SUMMARY_MAX_CHARS],
        "source": message.source or "runbook",
        "severity": message.severity,
        "custom_details": {"text": message.text, "run": message.run},
    }
    event: dict[str, Any] = {"payload": payload, "client": "runbook"}
    if message.link:
        event |= {
            "client_url": message.link,
            "links": [{"href": message.link, "text": "the run"}],
        }
    return event


class PagerDutyNotesChannel:
    """Writes what happens into the incident that started the run.

    token: of the REST API
    from_email: of the user in whose name notes are written
    base_url: https://api.eu.pagerduty.com for accounts in the EU
    """

    family: ClassVar[str] = "pagerduty_notes"
    addressed: ClassVar[bool] = False
    again: bool = True  # it looks for the marker first
    text_max_chars: ClassVar[int] = NOTE_MAX_CHARS
    interval_s: ClassVar[float] = 0.1  # 960 a minute for an account

    def __init__(
        self, token: str, *, from_email: str, base_url: str = "https://api.pagerduty.com"
    ) -> None:
        self._token = token
        self._from = from_email
        self._base_url = base_url
        self._made: Calling | None = None

    def fingerprint(self) -> str:
        return Calling(self._base_url).fingerprint()

    async def ping(self) -> str:
        await self._calling().get("/abilities", {})
        return "PagerDuty's REST API answers"

    async def send(self, message: Message) -> Mapping[str, Any]:
        incident = message.to or message.incident
        if incident is None:
            raise AdapterError(
                "no incident of PagerDuty started this run, and none is given", retryable=False
            )
        path, marker = f"/incidents/{incident}/notes", f"[runbook {message.key}]"
        if message.attempt > 1 and await self._written(path, marker):
            return {"id": marker, "incident": incident, "follows": False}
        text = f"{message.title}\n{message.text}\n{marker}"
        found = await self._calling().post(path, Body(json={"note": {"content": text}}))
        note = (found.json or {}).get("note", {}) if isinstance(found.json, dict) else {}
        return {"id": note.get("id") or marker, "incident": incident, "follows": True}

    async def _written(self, path: str, marker: str) -> bool:
        found = (await self._calling().get(path, {})).json
        notes = found.get("notes", ()) if isinstance(found, dict) else ()
        return any(marker in str(note.get("content")) for note in notes)

    async def close(self) -> None:
        made, self._made = self._made, None
        if made is not None:
            await made.close()

    def _calling(self) -> Calling:
        if self._made is None:
            headers = {
                "Authorization": f"Token token={reveal(self._token)}",
                "Accept": "application/vnd.pagerduty+json;version=2",
                "From": reveal(self._from),
            }
            self._made = Calling(self._base_url, headers=headers)
        return self._made
