"""Stand-ins of the services that carry messages.

Each judges what is sent by the vendor's published rules (required fields, lengths, authorization)
and answers as the vendor does; what it does not like stands in `problems` and is refused in the
vendor's words. `mood` says what becomes of the next requests that would send something, in order:
`ok`, a status, `lost` (it is taken in, and the connection breaks before the answer) or `slow`
(taken in, no answer).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, get_args
from urllib.parse import parse_qs, unquote

from engine.plugin.channel import Kind
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
        try:
            found = self.take(request.method, path, request)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            self.problems.append(f"{type(error).__name__}: {error}")
            return Answer(400, (), b"this is not what was asked for")
        if mood in ("lost", "slow"):
            return Answer(fail="reset" if mood == "lost" else "hang")
        return found

    def want(self, holds: object, what: str) -> bool:
        if not holds:
            self.problems.append(what)
        return bool(holds)

    def want_type(self, request: Request, kind: str = "application/json") -> bool:
        given = header(request, "Content-Type").partition(";")[0]
        return self.want(given == kind, f"Content-Type is {given}, not {kind}")

    def look(self, path: str, asked: Mapping[str, str], request: Request) -> Answer:
        return told(404, {"path": path})

    def take(self, method: str, path: str, request: Request) -> Answer:
        return told(404, {"path": path, "method": method})


def form(request: Request) -> dict[str, str]:
    """What is asked in a body, where that is a form or a JSON object of texts."""
    kind = header(request, "Content-Type").partition(";")[0]
    if kind == "application/json":
        with suppress(ValueError, AttributeError):  # it is refused where it is taken in
            body = json.loads(request.body or b"{}")
            return {k: v for k, v in body.items() if isinstance(v, str)}
        return {}
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
        ok = self.want((method, path) == ("POST", "/v2/enqueue"), f"{method} {path}")
        if not ok:
            return Answer(404)
        ok &= self.want_type(request)
        body = json.loads(request.body)
        ok &= self.want(len(request.body) <= 512 * 1024, "512 KB")
        ok &= self.want(all(link.get("href") for link in body.get("links", ())), "links: href")
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
        if path not in ("/incidents/PINC1/notes", "/incidents/PINC1/log_entries", "/abilities"):
            self.want(False, f"GET {path}")
            return told(404, {"error": {"code": 2100, "message": "Not Found"}})
        if path == "/incidents/PINC1/log_entries":
            self.want(asked.get("limit") == "100", "a page of the log has 100 entries")
            log = [{"type": "status_update_log_entry", "message": m} for m in self.updates]
            return told(200, {"log_entries": [*reversed(log), {"type": "trigger_log_entry"}]})
        notes = [{"content": text} for text in self.taken if text not in self.updates]
        return told(200, {"notes": notes, "abilities": []})

    def take(self, method: str, path: str, request: Request) -> Answer:
        if not self._authorized(request):
            return told(401, {"error": {"code": 2006}})
        ok = self.want("@" in header(request, "From"), "From") & self.want_type(request)
        body = json.loads(request.body)
        if (method, path) == ("POST", "/incidents/PINC1/status_updates"):
            return self._update(body, ok)
        if not self.want((method, path) == ("POST", "/incidents/PINC1/notes"), f"{method} {path}"):
            return told(404, {"error": {"code": 2100, "message": "Not Found"}})
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
        if path != "/services/T0/B0/secret":
            return Answer(404, (), b"no_service")
        if method != "POST" or not self.want_type(request):
            return Answer(400, (), b"invalid_payload")
        body = json.loads(request.body)
        if not self.want(body.get("text"), "text") or not judged_blocks(self, body.get("blocks")):
            return Answer(400, (), b"invalid_payload")
        self.taken.append(body)
        return Answer(200, (), b"ok")


def judged_blocks(vendor: Vendor, blocks: Any) -> bool:
    """Block Kit's rules of the blocks we use."""
    ok = vendor.want(isinstance(blocks, list) and 0 < len(blocks) <= 50, "1 to 50 blocks")
    blocks = blocks if isinstance(blocks, list) else []
    names = [block["block_id"] for block in blocks if "block_id" in block]
    ok &= vendor.want(len(set(names)) == len(names), "block_id: one block each")
    ok &= vendor.want(all(0 < len(name) <= 255 for name in names), "block_id: 255")
    for block in blocks:
        judged = {
            "header": judged_text,
            "section": judged_text,
            "context": judged_context,
            "actions": judged_actions,
            "input": judged_input,
        }.get(block["type"])
        ok &= vendor.want(judged is not None, f"block {block['type']}")
        ok &= judged is not None and judged(vendor, block)
    return ok


def judged_text(vendor: Vendor, block: Any) -> bool:
    """Of a header, which is plain, and of a section."""
    head, text = block["type"] == "header", block["text"]
    most = 150 if head else 3000
    ok = vendor.want(0 < units(text["text"]) <= most, f"{block['type']}: {most}")
    known = ("plain_text",) if head else ("plain_text", "mrkdwn")
    return ok & vendor.want(text["type"] in known, f"{block['type']} of {text['type']}")


def judged_context(vendor: Vendor, block: Any) -> bool:
    ok = vendor.want(0 < len(block["elements"]) <= 10, "context: 10")
    return ok & vendor.want(all(one["text"] for one in block["elements"]), "context: a text")


def judged_actions(vendor: Vendor, block: Any) -> bool:
    ok = vendor.want(0 < len(block["elements"]) <= 25, "actions: 25")
    names = [one["action_id"] for one in block["elements"]]
    ok &= vendor.want(len(set(names)) == len(names), "action_id: one element each")
    for one in block["elements"]:
        ok &= vendor.want(one["type"] == "button", f"an element {one['type']}")
        ok &= vendor.want(one["text"]["type"] == "plain_text", "button of plain text")
        ok &= vendor.want(0 < units(one["text"]["text"]) <= 75, "button text: 75")
        ok &= vendor.want(len(one["value"]) <= 2000, "button value: 2000")
        ok &= vendor.want(0 < len(one["action_id"]) <= 255, "action_id: 255")
        ok &= vendor.want(one.get("style") in (None, "primary", "danger"), "button style")
    return ok


def units(text: str) -> int:
    """What JavaScript calls characters."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


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
        if not self.want(path in self.sends_nothing, path):
            return told(200, {"ok": False, "error": "unknown_method"})
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
        wrong = self._wrong(method, path, request)
        if wrong is not None:
            return told(200, {"ok": False, "error": wrong})
        body = json.loads(request.body)
        if path == "/chat.update":
            one = next(m for m in self.taken if m["ts"] == body["ts"])
            one |= {"text": body["text"], "blocks": body["blocks"]}
            said = {"text": one["text"], "channel": body["channel"], "ts": one["ts"]}
            return told(200, {"ok": True, **said, "message": {"text": one["text"]}})
        self.taken.append({**body, "ts": f"17000000{len(self.taken):02}.000100", "user": "U0"})
        posted = {"channel": "D1" if body["channel"] == "U1" else "C1", "ts": self.taken[-1]["ts"]}
        message = {"type": "message", "user": "U0", "text": body["text"], "ts": posted["ts"]}
        return told(200, {"ok": True, **posted, "message": message})

    def _wrong(self, method: str, path: str, request: Request) -> str | None:
        """The error of a request that is not as Slack wants it."""
        if not self._authorized(request):
            return "invalid_auth"
        known = (method, path) in (("POST", "/chat.update"), ("POST", "/chat.postMessage"))
        if not self.want(known, f"{method} {path}"):
            return "unknown_method"
        if not self.want_type(request):
            return "invalid_post_type"
        body = json.loads(request.body)
        place = body["channel"]
        known = place in ("C1", "D1", "#incidents") or place.startswith("U")
        if path == "/chat.postMessage" and not known:
            return "channel_not_found"
        if not self.want(body.get("text"), "text") or not judged_blocks(self, body.get("blocks")):
            return "invalid_blocks"
        there = [m["ts"] for m in self.taken]
        if path == "/chat.update":
            placed = body["channel"] in ("C1", "D1") and body["ts"] in there
            return None if placed else "message_not_found"
        if not self.want(body.get("thread_ts") in (None, *there), "the thread is there"):
            return "thread_not_found"
        data = body.get("metadata", {"event_type": "-", "event_payload": {}})
        formed = data["event_type"] and isinstance(data["event_payload"], dict)
        return None if self.want(formed, "metadata") else "invalid_metadata_format"


E164 = re.compile(r"\+[1-9][0-9]{1,14}")
"""A telephone number: at most 15 digits (ITU-T E.164)."""


@dataclass
class Twilio(Vendor):
    """The Messages resource."""

    status: str = "queued"

    def _authorized(self, request: Request) -> bool:
        login = header(request, "Authorization").removeprefix("Basic ")
        with suppress(ValueError):
            return self.want(b64decode(login).decode() == "AC0:twilio-token", "login")
        return self.want(False, "login is no base64")

    def look(self, path: str, asked: Mapping[str, str], request: Request) -> Answer:
        if not self._authorized(request):
            return told(401, {"code": 20003, "status": 401})
        if not self.want(path.startswith("/2010-04-01/Accounts/AC0"), path):
            return told(404, {"code": 20404, "status": 404})
        found = [m for m in self.taken if m["to"] == asked.get("To")]
        return told(200, {"messages": found})

    def take(self, method: str, path: str, request: Request) -> Answer:
        if not self._authorized(request):
            return told(401, {"code": 20003, "status": 401})
        place = (method, path) == ("POST", "/2010-04-01/Accounts/AC0/Messages.json")
        if not self.want(place, f"{method} {path}"):
            return told(404, {"code": 20404, "status": 404})
        ok = self.want_type(request, "application/x-www-form-urlencoded")
        form = {k: v[-1] for k, v in parse_qs(request.body.decode()).items()}
        ok &= self.want(E164.fullmatch(form.get("To", "")), "To is E.164")
        service = re.fullmatch(r"MG[0-9a-f]{32}", form.get("MessagingServiceSid", ""))
        ok &= self.want(service or E164.fullmatch(form.get("From", "")), "From")
        ok &= self.want(0 < units(form.get("Body", "")) <= 1600, "Body")
        if not ok:
            return told(400, {"code": 21211, "message": "; ".join(self.problems), "status": 400})
        sid = f"SM{len(self.taken)}"
        made = {"sid": sid, "to": form["To"], "body": form["Body"], "status": self.status}
        failed = {"error_code": 30007, "error_message": "filtered"}
        self.taken.append(made | (failed if self.status == "failed" else {}))
        return told(201, self.taken[-1])


SENDGRIDS_OWN = frozenset(
    (
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type"),
        *("content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc"),
    )
)
"""Headers that a mail may not set: SendGrid does."""


def is_address(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    return bool(local and at and domain) and not any(c.isspace() for c in text)


class SendGrid(Vendor):
    """v3 mail send."""

    def look(self, path: str, asked: Mapping[str, str], request: Request) -> Answer:
        if not self._authorized(request):
            return told(401, {"errors": [{"message": "authorization required"}]})
        if not self.want(path == "/v3/scopes", path):
            return told(404, {"errors": [{"message": "not found"}]})
        return told(200, {"scopes": ["mail.send"]})

    def _authorized(self, request: Request) -> bool:
        return self.want(header(request, "Authorization") == "Bearer SG.key", "key")

    def take(self, method: str, path: str, request: Request) -> Answer:
        if not self._authorized(request):
            return told(401, {"errors": [{"message": "authorization required"}]})
        if not self.want((method, path) == ("POST", "/v3/mail/send"), f"{method} {path}"):
            return told(404, {"errors": [{"message": "not found"}]})
        ok = self.want_type(request)
        body = json.loads(request.body)
        for one in body["personalizations"]:
            ok &= self.want(all(is_address(to["email"]) for to in one["to"]) and one["to"], "to")
            given = one.get("custom_args", {})
            ok &= self.want(all(isinstance(v, str) for v in given.values()), "custom_args: texts")
        ok &= self.want(body["personalizations"], "personalizations")
        ok &= self.want(is_address(body["from"]["email"]), "from")
        ok &= self.want(body["subject"] and "\n" not in body["subject"], "subject")
        first = body["content"][0]
        ok &= self.want(first["type"] == "text/plain" and first["value"], "content is not empty")
        given = {name.lower() for name in body.get("headers", {})}
        ok &= self.want(not given & SENDGRIDS_OWN, "headers")
        ok &= self.want(
            all(v.isascii() for v in body.get("headers", {}).values()), "headers: ASCII"
        )
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
        if not self._authorized(request):
            return told(401, {"error": "Could not authenticate"})
        if path == f"{self.place}/unresolved":
            return told(200, [one for one in self.taken if one["status"] != "resolved"])
        if path == "/v1/pages/pg":
            return told(200, {"id": "pg", "name": "Example"})
        found = self._known(path)
        return told(200, found) if found else told(404, {"error": "Not found"})

    place: ClassVar[str] = "/v1/pages/pg/incidents"

    def _authorized(self, request: Request) -> bool:
        return self.want(header(request, "Authorization") == "OAuth sp-key", "key")

    def _known(self, path: str) -> dict[str, Any] | None:
        """An incident that is there."""
        found = {f"{self.place}/{m['id']}": m for m in self.taken}.get(path)
        return found if self.want(found, f"{path} is not there") else None

    def take(self, method: str, path: str, request: Request) -> Answer:
        if not self._authorized(request):
            return told(401, {"error": "Could not authenticate"})
        ok = self.want_type(request)
        body = json.loads(request.body)["incident"]
        known = ("investigating", "identified", "monitoring", "resolved")
        ok &= self.want(body["status"] in known, f"status {body['status']}")
        ok &= self.want(0 < len(body["body"]) <= 25_000, "body")
        ok &= self.want(len(body.get("name", "")) <= 255, "name")
        data = body.get("metadata", {}).values()
        ok &= self.want(all(isinstance(v, dict) for v in data), "metadata")
        if not ok:
            return told(422, {"error": self.problems})
        if method == "PATCH":
            one = self._known(path)
            if one is None:
                return told(404, {"error": "Not found"})
            updates = [{"status": body["status"], "body": body["body"]}, *one["incident_updates"]]
            one |= {**body, "incident_updates": updates}
            return told(200, one)
        if not self.want((method, path) == ("POST", self.place), f"{method} {path}"):
            return told(404, {"error": "Not found"})
        if not self.want(body.get("name"), "name"):
            return told(422, {"error": ["name can't be blank"]})
        first = {"status": body["status"], "body": body["body"]}
        self.taken.append({**body, "id": f"inc{len(self.taken)}", "incident_updates": [first]})
        return told(201, self.taken[-1])


class Hook(Vendor):
    """Anybody's receiver of JSON, that judges nothing."""

    def take(self, method: str, path: str, request: Request) -> Answer:
        self.taken.append((json.loads(request.body), dict(request.headers), request.body))
        return Answer(204)


class Receiver(Vendor):
    """A receiver of the generic webhook, as its page describes the body and the signature."""

    texts: ClassVar[tuple[str, ...]] = ("key", "group", "run", "title", "text", "name", "source")

    def take(self, method: str, path: str, request: Request) -> Answer:
        if not self.want((method, path) == ("POST", "/in"), f"{method} {path}"):
            return Answer(404)
        made = hmac.new(b"s3cr3t", request.body, hashlib.sha256).hexdigest()
        given = header(request, "X-Runbook-Signature")
        if not self.want(given == f"v1={made}", "signature"):
            return Answer(401)
        ok, body = self.want_type(request), json.loads(request.body)
        ok &= self.want(all(isinstance(body[name], str) for name in self.texts), "texts")
        ok &= self.want(body["kind"] in get_args(Kind), "kind")
        ok &= self.want(body["severity"] in ("critical", "error", "warning", "info"), "severity")
        ok &= self.want(isinstance(body["details"], dict), "details")
        key = unquote(header(request, "Idempotency-Key"))
        ok &= self.want(key and key == body["key"], "Idempotency-Key")
        if not ok:
            return Answer(400)
        self.taken.append((body, dict(request.headers), request.body))
        return Answer(204)
