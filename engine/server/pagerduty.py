"""What we ask and tell PagerDuty: the alerts of an incident, notes on it, and what we may have
lost.

A note has no idempotency key, so each carries a marker, and before a second try the notes that are
there are looked through: it is said once, though this process dies in between.

Facts: PagerDuty's REST API, version 2.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from engine.channels.fitting import one_line
from engine.channels.reading import inner, objects
from engine.clock import MICROSECONDS, to_iso
from engine.errors import RunbookError, StepError
from engine.journal.ledger import Arrived, Delivery, Ledger, Verdict
from engine.journal.requests import Requests
from engine.server.dispatch import Dispatcher
from engine.server.logs import Log
from engine.server.settings import PagerDuty

if TYPE_CHECKING:
    import httpx

ACCEPT = "application/vnd.pagerduty+json;version=2"
TIMEOUT_S = 10.0
ANSWER_WITHIN_S = 30.0
"""From the request to the last octet of its answer: deliveries wait for it, and an answer that
drips has no end.
"""

ANSWER_MAX_BYTES = 8 * 1024 * 1024
"""Of an answer: a page of a hundred incidents has under 1 MiB."""

PAGE = 100
INCIDENTS_MAX = 1000
"""Incidents one look goes through."""

ALREADY_RESOLVED = 1001
"""PagerDuty's code for a change to an incident that is resolved."""

SAID_MAX_CHARS = 200
"""Of what PagerDuty says to a refusal."""

NOTE_MAX_CHARS = 5000
"""Of a note; more is a report, to which it links."""

TRIES = 3
LOST_BACK_S = 3600.0
"""How far back each look for lost deliveries goes. PagerDuty itself tries for 48 h."""


Missed = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any] | None]]
"""Of an incident, as PagerDuty shows it, the event of it that never came, if there is one."""


class Client:
    """The REST API. Raises StepError, with what PagerDuty says."""

    def __init__(self, settings: PagerDuty) -> None:
        self._settings = settings
        self._client: httpx.AsyncClient | None = None

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx  # noqa: PLC0415 - only where PagerDuty is spoken to

            headers = {
                "Accept": ACCEPT,
                "Authorization": f"Token token={self._settings.token}",
                "From": self._settings.sender or "",
            }
            self._client = httpx.AsyncClient(
                base_url=self._settings.url, headers=headers, timeout=TIMEOUT_S
            )
        return self._client

    async def call(
        self, method: str, path: str, *, params: Any = None, body: Any = None
    ) -> Mapping[str, Any]:
        import httpx  # noqa: PLC0415 - only where PagerDuty is spoken to

        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                status, content = await self._answer(method, path, params, body)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            words = f"PagerDuty could not be asked: {type(error).__name__}"
            raise StepError(words, maybe_done=sent) from error
        if not 200 <= status < 300:
            told = f"PagerDuty answers {status}: {_said(content)}"
            again = status == 429 or status >= 500
            raise StepError(told, retryable=again, maybe_done=status >= 500)
        try:
            found = json.loads(content) if content else {}
        except (ValueError, RecursionError) as error:
            raise StepError("PagerDuty answers no JSON", maybe_done=True) from error
        if not isinstance(found, dict):
            raise StepError("PagerDuty does not answer as its API does", maybe_done=True)
        return found

    async def _answer(self, method: str, path: str, params: Any, body: Any) -> tuple[int, bytes]:
        """Status and body. Raises StepError for one that is too long to be PagerDuty's."""
        read = bytearray()
        async with self._http().stream(method, path, params=params, json=body) as answer:
            async for chunk in answer.aiter_bytes():
                read += chunk
                if len(read) > ANSWER_MAX_BYTES:
                    raise StepError("PagerDuty's answer has no end", maybe_done=True)
        return answer.status_code, bytes(read)

    async def alerts(self, incident: str) -> tuple[Any, ...]:
        """The alerts of an incident, with their own details; at most a hundred."""
        found = await self.call("GET", f"{_place(incident)}/alerts", params={"limit": PAGE})
        return tuple(objects(found.get("alerts") or [], "PagerDuty"))

    async def notes(self, incident: str) -> list[str]:
        found = await self.call("GET", f"{_place(incident)}/notes")
        return [str(one.get("content", "")) for one in objects(found.get("notes"), "PagerDuty")]

    async def note(self, incident: str, text: str) -> None:
        body = {"note": {"content": text[:NOTE_MAX_CHARS]}}
        await self.call("POST", f"{_place(incident)}/notes", body=body)

    async def turn(self, incident: str, status: str) -> None:
        """Acknowledges or resolves an incident; one that is so already stays so."""
        body = {"incident": {"type": "incident_reference", "status": status}}
        try:
            await self.call("PUT", _place(incident), body=body)
        except StepError as error:
            if f"({ALREADY_RESOLVED})" not in error.message:
                raise

    async def open_incidents(self, since_us: int, until_us: int) -> list[Mapping[str, Any]]:
        """Incidents that began in this time and are not resolved."""
        found: list[Mapping[str, Any]] = []
        while len(found) < INCIDENTS_MAX:
            params = {
                "since": to_iso(since_us),
                "until": to_iso(until_us),
                "statuses[]": ["triggered", "acknowledged"],
                "time_zone": "UTC",
                "limit": PAGE,
                "offset": len(found),
            }
            page = await self.call("GET", "/incidents", params=params)
            incidents = objects(page.get("incidents"), "PagerDuty")
            found += incidents
            if not page.get("more") or not incidents:
                break
        return found

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def _said(content: bytes) -> str:
    try:
        error = json.loads(content)["error"]
        return one_line(f"{error.get('message')} ({error.get('code')})")[:SAID_MAX_CHARS]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return one_line(content[:SAID_MAX_CHARS].decode("utf-8", "replace"))


def _place(incident: str) -> str:
    """Where an incident is; its id comes from outside."""
    return f"/incidents/{quote(incident, safe='', errors='replace')}"


class Notes:
    """Says things on incidents, each once."""

    def __init__(self, client: Client, requests: Requests, log: Log, clock: Any) -> None:
        self._client = client
        self._requests = requests
        self._log = log
        self._clock = clock

    async def say(self, incident: str, run: str, kind: str, text: str) -> bool:
        """Whether it is said (now, or before). What fails for good is logged, and not tried again.

        Raises StepError where another try later may help.
        """
        before = await self._requests.begin_note(run, kind, self._clock.now_us())
        if before is not None and before.state != "saying":
            return before.state == "said"
        marker = f"[runbook {run} {kind}]"
        try:
            if before is None or not any(marker in t for t in await self._client.notes(incident)):
                await self._client.note(incident, f"{text}\n{marker}")
        except StepError as error:
            if error.retryable:
                raise
            await self._end(run, kind, "failed", error.message)
            self._log.fault("a note is not said", run=run, note=kind, why=error.message)
            return False
        await self._end(run, kind, "said", incident)
        return True

    async def turn(self, incident: str, run: str, status: str) -> bool:
        """Acknowledges or resolves the incident of a run, once: what a person did to it afterwards
        is not undone. Raises as `say` does.
        """
        before = await self._requests.begin_note(run, status, self._clock.now_us())
        if before is not None and before.state != "saying":
            return before.state == "said"
        try:
            await self._client.turn(incident, status)
        except StepError as error:
            if error.retryable:
                raise
            await self._end(run, status, "failed", error.message)
            self._log.fault("an incident is not turned", run=run, to=status, why=error.message)
            return False
        await self._end(run, status, "said", incident)
        return True

    async def _end(self, run: str, kind: str, state: str, detail: str) -> None:
        await self._requests.end_note(run, kind, state, self._clock.now_us(), detail)


class Reconciler:
    """Finds incidents whose delivery never came, and a subscription that was switched off."""

    def __init__(
        self, client: Client, settings: PagerDuty, ledger: Ledger, dispatcher: Dispatcher, log: Log
    ) -> None:
        self._client = client
        self._settings = settings
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._log = log
        self.missed: Missed | None = None
        """Says which event of an incident never came, where it is one of ours."""

    async def look(self, now_us: int) -> int:
        """One look; how many deliveries were lost. Raises StepError, JournalError."""
        await self._subscription()
        since_us = now_us - round(LOST_BACK_S * MICROSECONDS)
        lost = 0
        for incident in await self._client.open_incidents(since_us, now_us):
            lost += await self._one(incident)
        return lost

    async def keep(self) -> None:
        """Looks for ever."""
        clock = self._dispatcher.clock
        while True:
            await clock.sleep(self._settings.reconcile_s)
            try:
                lost = await self.look(clock.now_us())
            except RunbookError as error:
                self._log.warning("PagerDuty could not be asked for lost events", why=error.message)
                continue
            if lost:
                self._log.warning(
                    "deliveries of PagerDuty were lost, and are made up for", lost=lost
                )

    async def _one(self, incident: Mapping[str, Any]) -> bool:
        name = str(incident.get("id") or "")
        if not name:
            return False
        lost = await self.missed(incident) if self.missed is not None else None
        made = await self._taken(lost, incident) if lost is not None else False
        if await self._ledger.knows_incident(name):
            return made
        event = {
            "id": f"reconciled-{name}",
            "event_type": "incident.triggered",
            "resource_type": "incident",
            "occurred_at": incident.get("created_at"),
            "agent": None,
            "client": None,
            "data": dict(incident),
        }
        return await self._taken(event, incident) or made

    async def _taken(self, event: Mapping[str, Any], incident: Mapping[str, Any]) -> bool:
        """Takes an event in whose delivery never came; whether nobody did so before."""
        title = str(incident.get("title") or incident.get("id"))
        body = json.dumps({"event": event}).encode()
        key = f"pagerduty event\n{event['id']}"
        arrived = Arrived("pagerduty", str(event["event_type"]), title, (key,), body)
        return (await self._dispatcher.take(arrived))[1]

    async def _subscription(self) -> None:
        name = self._settings.subscription
        if name is None:
            return
        found = await self._client.call("GET", f"/webhook_subscriptions/{name}")
        method = inner(found, "webhook_subscription", "delivery_method")
        if method.get("temporarily_disabled"):
            await self._client.call("POST", f"/webhook_subscriptions/{name}/enable")
            self._log.warning(
                "the subscription was switched off, and is on again", subscription=name
            )


def started_text(verdicts: list[Verdict], row: Delivery, url: str) -> list[tuple[str, str]]:
    """For each run that a delivery started: what is said of it."""
    found = []
    for verdict in verdicts:
        if verdict.word == "started" and verdict.run is not None:
            link = f" {url}/api/v1/runs/{verdict.run}" if url else ""
            found.append((verdict.run, f"Started {verdict.runbook} as run {verdict.run}.{link}"))
        elif verdict.word == "refused":
            run = verdict.run or row.id
            found.append((run, f"{verdict.runbook} was not started: {verdict.why}"))
    return found
