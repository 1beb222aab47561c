"""PagerDuty: Events API v2 (trigger, acknowledge, resolve), and by its REST API notes and status
updates on incidents.

Facts: PagerDuty's documents of the Events API v2 (a summary has at most 1,024 characters, a key
255, an event 512 KB; 202 means that it was taken) and of the REST API v2 (an incident has at most
2,000 notes; notes and status updates answer 200).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from engine.adapters.http import Body
from engine.channels.calling import Calling
from engine.channels.fate import Fates, looking
from engine.channels.fitting import cut, mark_of, octets, one_line, plain, under, whole
from engine.channels.reading import inner, name_of, objects
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
"""Of the text of a note."""

NOTE_MAX_OCTETS = 65_000
"""Of a note in all; PagerDuty takes 65,535."""

UPDATE_MAX_CHARS = 2000
"""Of a status update: its subscribers get it as a mail or on their telephones."""

NO_UPDATES = (402, 403, 404)
"""Answers of an account, or to a token, that has no status updates."""

LOG_ENTRIES = 100
"""The latest of an incident that are looked through: as many as one page has."""

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
    proxy: URL of a proxy; those of environment variables are not used
    """

    family: ClassVar[str] = "pagerduty"
    addressed: ClassVar[bool] = False
    again: bool = True  # the same `dedup_key` is one incident
    by_key: ClassVar[bool] = (
        True  # of a `dedup_key` it does not know, it drops what is not a trigger
    )
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 0.5  # 120 a minute for a key

    def __init__(
        self,
        routing_key: str,
        *,
        base_url: str = "https://events.pagerduty.com",
        proxy: str | None = None,
    ) -> None:
        self._key = routing_key
        self._calling = Calling(base_url, secrets=(routing_key,), proxy=proxy)

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
        told = await self._calling.told("/v2/enqueue", Body(json=body))
        if told.get("status") != "success":
            raise self._calling.puzzled(told)
        key = name_of(told.get("dedup_key")) or body["dedup_key"]
        return {"id": key, "status": told["status"], "follows": message.kind in FIRST}

    async def close(self) -> None:
        await self._calling.close()


def dedup_key(group: str) -> str:
    if len(group) <= DEDUP_KEY_MAX_CHARS:
        return group
    import hashlib  # noqa: PLC0415 - only for a runbook with very deep paths

    return hashlib.sha256(group.encode("utf-8", "replace")).hexdigest()


def _event(message: Message) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "summary": cut(one_line(message.title), SUMMARY_MAX_CHARS) or "runbook",
        "source": one_line(message.source) or "runbook",
        "severity": "info" if message.kind == "status" else message.severity,
        "custom_details": {"text": cut(plain(message.text), TEXT_MAX_CHARS), "run": message.run},
    }
    event: dict[str, Any] = {"payload": payload, "client": "runbook"}
    if message.link:
        event |= {
            "client_url": message.link,
            "links": [{"href": message.link, "text": "the run"}],
        }
    return event


class PagerDutyNotesChannel:
    """Writes what happens into the incident that started the run: what its status is as a status
    update, which the subscribers of the incident get, the rest as a note.

    token: of the REST API
    from_email: of the user in whose name notes are written
    base_url: https://api.eu.pagerduty.com for accounts in the EU
    proxy: URL of a proxy; those of environment variables are not used
    """

    family: ClassVar[str] = "pagerduty_notes"
    addressed: ClassVar[bool] = False
    again: bool = True  # it looks for the marker first
    text_max_chars: ClassVar[int] = NOTE_MAX_CHARS
    interval_s: ClassVar[float] = 0.1  # 960 a minute for an account

    def __init__(
        self,
        token: str,
        *,
        from_email: str,
        base_url: str = "https://api.pagerduty.com",
        proxy: str | None = None,
    ) -> None:
        self._proxy = proxy
        self._token = token
        self._from = from_email
        self._base_url = base_url
        self._made: Calling | None = None
        self._fates = Fates()

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
        with self._fates.sending(message):
            return await self._write(incident, message)

    async def _write(self, incident: str, message: Message) -> Mapping[str, Any]:
        path = f"/incidents/{quote(incident, safe='', errors='replace')}"
        if message.kind == "status" or (message.receipt or {}).get("status_update"):
            try:
                return {"incident": incident, **await self._update(path, message)}
            except AdapterError as error:
                if error.maybe_done or error.detail.get("status") not in NO_UPDATES:
                    raise
        return {"incident": incident, **await self._note(path, message)}

    async def _note(self, path: str, message: Message) -> dict[str, Any]:
        path, marker = f"{path}/notes", f"[runbook {message.key}]"
        if self._fates.unknown(message):
            with looking():
                found = await self._calling().look(path, {}, dict)
                notes = objects(found.get("notes"), self._calling().authority)
            if any(marker in str(note.get("content")) for note in notes):
                return {"id": marker, "follows": False}
        tail = f"\n{message.link}\n{marker}" if message.link else f"\n{marker}"
        text = _note_of(message)
        content = cut(text, NOTE_MAX_OCTETS - octets(tail), octets) + tail
        found = await self._calling().told(path, Body(json={"note": {"content": content}}))
        return {"id": self._made_id(found, "note"), "follows": True}

    async def _update(self, path: str, message: Message) -> dict[str, Any]:
        """Status updates cannot be listed: one that was made before is found by its mark in the log
        of the incident.
        """
        mark = mark_of(message.key)
        if self._fates.unknown(message):
            asked = {"limit": LOG_ENTRIES, "is_overview": False}
            with looking():
                log = await self._calling().look(f"{path}/log_entries", asked, dict)
                entries = objects(log.get("log_entries"), self._calling().authority)
            updates = [entry for entry in entries if "status_update" in str(entry)]
            if any(mark in str(entry) for entry in updates):
                return {"id": mark, "status_update": True, "follows": False}
        text = _note_of(message)
        told = f"{cut(text, UPDATE_MAX_CHARS - len(mark) - 1)} {mark}"
        found = await self._calling().told(f"{path}/status_updates", Body(json={"message": told}))
        made = self._made_id(found, "status_update")
        return {"id": made, "status_update": True, "follows": True}

    def _made_id(self, found: Mapping[str, Any], name: str) -> str:
        """The id of what was made. Raises AdapterError where the answer does not have one."""
        made = name_of(inner(found, name).get("id"))
        if not made:
            raise self._calling().puzzled(found)
        return made

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
            self._made = Calling(self._base_url, headers=headers, proxy=self._proxy)
        return self._made


def _note_of(message: Message) -> str:
    """The title and the text as one: what the title had no room for is read once."""
    title = whole(message.title, message.text)
    return plain(f"{title}\n{under(title, message.text)}").strip()
