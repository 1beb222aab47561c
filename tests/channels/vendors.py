"""Stand-ins of the services that carry messages.

Each judges what is sent by the vendor's published rules (required fields, lengths, authorization)
and answers as the vendor does; what it does not like stands in `problems` and is refused in the
vendor's words. `mood` says what becomes of the next requests that would send something, in order:
`ok`, a status, `lost` (it is taken in, and the connection breaks before the answer) or `slow`
(taken in, no answer).
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs

from engine.sandbox.routes import Answer, Request

JSON = (("Content-Type", "application/json"),)


def told(status: int, body: Any, *more: tuple[str, str]) -> Answer:
    return Answer(status, (*JSON, *more), json.dumps(body).encode())


@dataclass
class Vendor:
    """What all have."""

    mood: list[Any] = field(default_factory=list)
    taken: list[Any] = field(default_factory=list)
    """What was taken in, as the vendor would carry it out."""
    problems: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    retry_after: str = "7"
    sends_nothing: ClassVar[tuple[str, ...]] = ()
    """Paths of POSTs that only ask."""

    @property
    def tells(self) -> Mapping[str, str]:
        return {}

    def answer(self, request: Request, _now: datetime) -> Answer:
        self.requests.append(request)
        path, _, query = request.target.partition("?")
        asked = {k: v[-1] for k, v in parse_qs(query).items()} | form(request)
        if request.method in ("GET", "HEAD") or path in self.sends_nothing:
            return self.look(path, asked, request)
        mood = self.mood.pop(0) if self.mood else "ok"
        if mood == 429:
            return Answer(429, (("Retry-After", self.retry_after),), b"slow down")
        if isinstance(mood, int):
            return Answer(mood, (), b"broken")
        found = self.take(request.method, path, request)
        if mood in ("lost", "slow"):
            return Answer(fail="reset" if mood == "lost" else "hang")
        return found

    def want(self, holds: object, what: str) -> bool:
        if not holds:
            self.problems.append(what)
        return bool(holds)

    def look(self, path: str, asked: Mapping[str, str], request: Request) -> Answer:
        return told(404, {"path": path})

    def take(self, method: str, path: str, request: Request) -> Answer:
        return told(404, {"path": path, "method": method})


def form(request: Request) -> dict[str, str]:
    """What is asked in a body, where that is a form or a JSON object of texts."""
    kind = header(request, "Content-Type").partition(";")[0]
    if kind == "application/json":
        body = json.loads(request.body or b"{}")
        return {k: v for k, v in body.items() if isinstance(v, str)}
    if kind != "application/x-www-form-urlencoded":
        return {}
    return {k: v[-1] for k, v in parse_qs(request.body.decode()).items()}


def header(request: Request, name: str) -> str:
    found = {k.lower(): v for k, v in request.headers.items()}
    return found.get(name.lower(), "")


class PagerDutyEvents(Vendor):
    """Events API v2.

    By its OpenAPI document: `routing_key` and `event_action` are required, `dedup_key` unless it
    triggers; of `payload`: `summary`, `severity` and `source`; of a link its `href`; 202 with
    `status` (success), `message`, `dedup_key`. By its pages: 1,024 characters of a summary, 255 of
    a key, 512 KB in all, 32 of a routing key.
    """

    def take(self, method: str, path: str, request: Request) -> Answer:
        body = json.loads(request.body)
        self.want(len(request.body) <= 512 * 1024, "512 KB")
        self.want(all(link.get("href") for link in body.get("links", ())), "links: href")
        ok = self.want((method, path) == ("POST", "/v2/enqueue"), f"{method} {path}")
        ok &= self.want(len(body.get("routing_key", "")) == 32, "routing_key has 32 characters")
        action = body.get("event_action")
        ok &= self.want(action in ("trigger", "acknowledge", "resolve"), "event_action")
        ok &= self.want(0 < len(body.get("dedup_key", "")) <= 255, "dedup_key")
        if action == "trigger":
            payload = body.get("payload", {})
            ok &= self.want(0 < len(payload.get("summary", "")) <= 1024, "summary")
            ok &= self.want(payload.get("source"), "source")
            known = ("critical", "error", "warning", "info")
            ok &= self.want(payload.get("severity") in known, "severity")
        else:
            ok &= self.want("payload" not in body, "payload goes with trigger")
        if not ok:
            return told(400, {"status": "invalid event", "errors": self.problems})
        self.taken.append((action, body["dedup_key"], (body.get("payload") or {}).get("summary")))
        answer = {"status": "success", "message": "ok", "dedup_key": body["dedup_key"]}
        return told(202, answer)

    @property
    def incidents(self) -> set[str]:
        return {key for action, key, _ in self.taken if action == "trigger"}


@dataclass
class PagerDutyRest(Vendor):
    """Notes and status updates on incidents.

    By its OpenAPI document: `From` names a user; a note is `{note: {content}}`, answered 200 with
    `note.id`, and listed; a status update is `{message}`, answered 200 with `status_update.id`, and
    is in no list: the log of the incident has it. 65,535 octets of a note are this project's
    knowledge, no document's.
    """

    updates: list[str] = field(default_factory=list)
    no_updates: bool = False
    """The account has none."""

    def _authorized(self, request: Request) -> bool:
        ok = self.want(header(request, "Authorization") == "Token token=pd-rest-token", "token")
        return ok & self.want("version=2" in header(request, "Accept"), "Accept")

    def look(self, path: str, asked: Mapping[str, str], request: Request) -> Answer:
        if not self._authorized(request):
            return told(401, {"error": {"code": 2006}})
        if path == "/incidents/PINC1/log_entries":
            self.want(asked.get("limit") == "100", "a page of the log has 100 entries")
            log = [{"type": "status_update_log_entry", "message": m} for m in self.updates]
            return told(200, {"log_entries": [*reversed(log), {"type": "trigger_log_entry"}]})
        notes = [{"content": text} for text in self.taken if text not in self.updates]
        return told(200, {"notes": notes, "abilities": []})

    def take(self, method: str, path: str, request: Request) -> Answer:
        body = json.loads(request.body)
        ok = self._authorized(request) and self.want("@" in header(request, "From"), "From")
        if (method, path) == ("POST", "/incidents/PINC1/status_updates"):
            return self._update(body, ok)
        ok &= self.want((method, path) == ("POST", "/incidents/PINC1/notes"), f"{method} {path}")
        text = body.get("note", {}).get("content", "")
        ok &= self.want(0 < len(text.encode()) <= 65_535, "content")
        if not ok:
            return told(400, {"error": {"code": 2001, "errors": self.problems}})
        self.taken.append(text)
        return told(200, {"note": {"id": f"N{len(self.taken)}", "content": text}})

    def _update(self, body: Mapping[str, Any], ok: bool) -> Answer:
        if self.no_updates:
            return told(402, {"error": {"code": 2012, "message": "Payment Required"}})
        text = body.get("message", "")
        if not (self.want(isinstance(text, str) and text, "message") and ok):
            return told(400, {"error": {"code": 2001, "errors": self.problems}})
        self.taken.append(text)
        self.updates.append(text)
        return told(200, {"status_update": {"id": f"U{len(self.updates)}", "message": text}})


class SlackHooks(Vendor):
    """Incoming webhooks: text answers."""

    def take(self, method: str, path: str, request: Request) -> Answer:
        body = json.loads(request.body)
        if path != "/services/T0/B0/secret":
            return Answer(404, (), b"no_service")
        if not self.want(body.get("text"), "text") or not judged_blocks(self, body.get("blocks")):
            return Answer(400, (), b"invalid_payload")
        self.taken.append(body)
        return Answer(200, (), b"ok")


def judged_blocks(vendor: Vendor, blocks: Any) -> bool:
    """Block Kit's limits of the blocks we use."""
    ok = vendor.want(isinstance(blocks, list) and 0 < len(blocks) <= 50, "1 to 50 blocks")
    for block in blocks if isinstance(blocks, list) else ():
        text = (block.get("text") or {}).get("text", "")
        if block["type"] == "header":
            ok &= vendor.want(0 < len(text) <= 150, "header: 150")
        elif block["type"] == "section":
            ok &= vendor.want(0 < len(text) <= 3000, "section: 3000")
        elif block["type"] == "context":
            ok &= vendor.want(0 < len(block["elements"]) <= 10, "context")
        elif block["type"] == "actions":
            ok &= vendor.want(0 < len(block["elements"]) <= 25, "actions")
            for one in block["elements"]:
                ok &= vendor.want(len(one["text"]["text"]) <= 75, "button text: 75")
                ok &= vendor.want(len(one["value"]) <= 2000, "button value: 2000")
                ok &= vendor.want(0 < len(one["action_id"]) <= 255, "action_id: 255")
        elif block["type"] == "input":
            ok &= judged_input(vendor, block)
        else:
            ok &= vendor.want(False, f"block {block['type']}")
    return ok


def judged_input(vendor: Vendor, block: Any) -> bool:
    """Of an input block with a plain-text input."""
    element = block["element"]
    ok = vendor.want(0 < len(block["label"]["text"]) <= 2000, "label: 2000")
    ok &= vendor.want(block["label"]["type"] == "plain_text", "label is plain text")
    ok &= vendor.want(0 < len(block["block_id"]) <= 255, "block_id: 255")
    ok &= vendor.want(element["type"] == "plain_text_input", "element")
    ok &= vendor.want(0 < len(element["action_id"]) <= 255, "action_id: 255")
    return ok & vendor.want(1 <= element["max_length"] <= 3000, "max_length: 3000")


class SlackApi(Vendor):
    """chat.postMessage, chat.update, conversations.history, .replies, .open and .list.

    A message can be posted to an id, a name or a person; only an id can be read. Methods that read
    take GET, and a form by POST, as Slack's own client sends it.
    """

    sends_nothing = (
        *("/auth.test", "/conversations.open", "/conversations.list"),
        *("/conversations.history", "/conversations.replies"),
    )

    def _authorized(self, request: Request) -> bool:
        return self.want(header(request, "Authorization") == "Bearer xoxb-token", "token")

    def look(self, path: str, asked: Mapping[str, str], request: Request) -> Answer:
        if not self._authorized(request):
            return told(200, {"ok": False, "error": "invalid_auth"})
        if path == "/auth.test":
            return told(200, {"ok": True, "user": "runbook", "team": "T"})
        if path == "/conversations.open":
            person = asked.get("users")
            known = self.want(person == "U1", f"user {person}")
            opened = {"ok": True, "channel": {"id": "D1"}}
            return told(200, opened if known else {"ok": False, "error": "user_not_found"})
        if path == "/conversations.list":
            return self._channels(asked)
        place = asked.get("channel", "")
        if not self.want(place in ("C1", "D1"), f"{place} is the id of no channel"):
            return told(200, {"ok": False, "error": "channel_not_found"})
        thread = asked.get("ts") if path.endswith("replies") else None
        found = [m for m in self.taken if thread in (None, m["ts"], m.get("thread_ts"))]
        return told(200, {"ok": True, "messages": found})

    def _channels(self, asked: Mapping[str, str]) -> Answer:
        """Two pages: what is looked for is on the second."""
        self.want(0 < int(asked["limit"]) <= 999, "limit: 999")
        if not asked.get("cursor"):
            first = {"channels": [{"id": "C0", "name": "general"}]}
            return told(
                200, {"ok": True, **first, "response_metadata": {"next_cursor": "dGVhbQ=="}}
            )
        return told(200, {"ok": True, "channels": [{"id": "C1", "name": "incidents"}]})

    def take(self, method: str, path: str, request: Request) -> Answer:
        if not self._authorized(request):
            return told(200, {"ok": False, "error": "invalid_auth"})
        body = json.loads(request.body)
        places = ("C1", "D1", "#incidents")
        if body["channel"] not in places and not body["channel"].startswith("U"):
            return told(200, {"ok": False, "error": "channel_not_found"})
        if not self.want(body.get("text"), "text") or not judged_blocks(self, body.get("blocks")):
            return told(200, {"ok": False, "error": "invalid_blocks"})
        if path == "/chat.update":
            one = next((m for m in self.taken if m["ts"] == body["ts"]), None)
            if one is None or body["channel"] not in ("C1", "D1"):
                return told(200, {"ok": False, "error": "message_not_found"})
            one |= {"text": body["text"], "blocks": body["blocks"]}
            said = {"text": one["text"], "channel": body["channel"], "ts": one["ts"]}
            return told(200, {"ok": True, **said, "message": {"text": one["text"]}})
        self.want(path == "/chat.postMessage", path)
        self.taken.append({**body, "ts": f"17000000{len(self.taken):02}.000100", "user": "U0"})
        posted = {"channel": "D1" if body["channel"] == "U1" else "C1", "ts": self.taken[-1]["ts"]}
        message = {"type": "message", "user": "U0", "text": body["text"], "ts": posted["ts"]}
        return told(200, {"ok": True, **posted, "message": message})


@dataclass
class Twilio(Vendor):
    """The Messages resource."""

    status: str = "queued"

    def look(self, path: str, asked: Mapping[str, str], request: Request) -> Answer:
        found = [m for m in self.taken if m["to"] == asked.get("To")]
        return told(200, {"messages": found})

    def take(self, method: str, path: str, request: Request) -> Answer:
        login = b64decode(header(request, "Authorization").removeprefix("Basic ")).decode()
        if not self.want(login == "AC0:twilio-token", "login"):
            return told(401, {"code": 20003, "status": 401})
        ok = self.want(path == "/2010-04-01/Accounts/AC0/Messages.json", path)
        form = {k: v[-1] for k, v in parse_qs(request.body.decode()).items()}
        ok &= self.want(form.get("To", "").startswith("+"), "To is E.164")
        ok &= self.want(form.get("From") or form.get("MessagingServiceSid"), "From")
        ok &= self.want(0 < len(form.get("Body", "")) <= 1600, "Body")
        if not ok:
            return told(400, {"code": 21211, "message": "; ".join(self.problems), "status": 400})
        sid = f"SM{len(self.taken)}"
        made = {"sid": sid, "to": form["To"], "body": form["Body"], "status": self.status}
        failed = {"error_code": 30007, "error_message": "filtered"}
        self.taken.append(made | (failed if self.status == "failed" else {}))
        return told(201, self.taken[-1])


class SendGrid(Vendor):
    """v3 mail send."""

    def look(self, path: str, asked: Mapping[str, str], request: Request) -> Answer:
        self.want(path == "/v3/scopes", path)
        return told(200, {"scopes": ["mail.send"]})

    def take(self, method: str, path: str, request: Request) -> Answer:
        if not self.want(header(request, "Authorization") == "Bearer SG.key", "key"):
            return told(401, {"errors": [{"message": "authorization required"}]})
        body = json.loads(request.body)
        ok = self.want(path == "/v3/mail/send", path)
        ok &= self.want(body["personalizations"][0]["to"][0]["email"], "to")
        ok &= self.want(body["from"]["email"] and body["subject"], "from, subject")
        ok &= self.want(body["content"][0]["value"], "content is not empty")
        reserved = ("to", "from", "subject", "cc", "bcc", "received", "dkim-signature")
        ok &= self.want(not {k.lower() for k in body["headers"]} & set(reserved), "headers")
        if not ok:
            return told(400, {"errors": [{"message": one} for one in self.problems]})
        self.taken.append(body)
        return Answer(202, (("X-Message-Id", f"sg-{len(self.taken)}"),), b"")


class StatusPage(Vendor):
    """Incidents of a page.

    By its document: a name has at most 255 characters, a body 25,000, `status` is one of four,
    and what `metadata` holds are objects. One request a second; then 420 or 429.
    """

    def look(self, path: str, asked: Mapping[str, str], request: Request) -> Answer:
        if path.endswith("/incidents/unresolved"):
            return told(200, [one for one in self.taken if one["status"] != "resolved"])
        if "/incidents/" in path:
            return told(200, next(m for m in self.taken if m["id"] == path.rpartition("/")[2]))
        return told(200, {"id": "pg", "name": "Example"})

    def take(self, method: str, path: str, request: Request) -> Answer:
        if not self.want(header(request, "Authorization") == "OAuth sp-key", "key"):
            return told(401, {"error": "Could not authenticate"})
        body = json.loads(request.body)["incident"]
        known = ("investigating", "identified", "monitoring", "resolved")
        if not self.want(body["status"] in known, f"status {body['status']}"):
            return told(422, {"error": ["status is invalid"]})
        self.want(0 < len(body["body"]) <= 25_000, "body")
        self.want(len(body.get("name", "")) <= 255, "name")
        self.want(all(isinstance(v, dict) for v in body.get("metadata", {}).values()), "metadata")
        if method == "PATCH":
            one = next(m for m in self.taken if m["id"] == path.rpartition("/")[2])
            updates = [{"status": body["status"], "body": body["body"]}, *one["incident_updates"]]
            one |= {**body, "incident_updates": updates}
            return told(200, one)
        if not self.want(body.get("name"), "name"):
            return told(422, {"error": ["name can't be blank"]})
        first = {"status": body["status"], "body": body["body"]}
        self.taken.append({**body, "id": f"inc{len(self.taken)}", "incident_updates": [first]})
        return told(201, self.taken[-1])


class Hook(Vendor):
    """Anybody's receiver of the generic webhook."""

    def take(self, method: str, path: str, request: Request) -> Answer:
        self.taken.append((json.loads(request.body), dict(request.headers), request.body))
        return Answer(204)
