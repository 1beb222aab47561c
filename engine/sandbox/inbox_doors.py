"""The doors of an inbox: requests in the shapes that PagerDuty, Slack and the others take, and
their answers, so that the real channels are used.

Each door asks for what its vendor asks for, and refuses in the vendor's words; what it refuses is a
problem of the service too, as a channel of ours that sends it has a bug. How it behaves was read in
the documents of the vendors' APIs.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, unquote

from engine.sandbox.inbox import ACCOUNT, TOKEN, Inbox, Letter
from engine.sandbox.routes import Answer, Request

JSON = (("Content-Type", "application/json"),)
ROUTING_KEY_CHARS = 32
LISTED_MAX = 100
"""Of what a service lists at once."""

FOLLOWING = re.compile(r":(acknowledged|answered|counted|resolved)(-\w+)?(?=:)")
"""Kinds of messages that say what became of one before, in their keys."""


@dataclass(frozen=True, slots=True)
class Knock:
    """A request, read. `to`: whom the path says it is for."""

    inbox: Inbox
    now: datetime
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    to: str

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def asks(self) -> bool:
        return self.method in ("GET", "HEAD")


def knock(inbox: Inbox, request: Request, now: datetime) -> Answer:
    path, _, query = request.target.partition("?")
    path, to = _addressed(path)
    headers = {name.lower(): value for name, value in request.headers.items()}
    asked = dict(parse_qsl(query, keep_blank_values=True))
    known = Knock(inbox, now, request.method, unquote(path), asked, headers, request.body, to)
    name, door = _door(known.path)
    if name in inbox.down:
        return Answer(503, (), f"the sandbox's {name} is down".encode())
    try:
        return door(known)
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        return _refused(known, 400, f"{name}: {type(e).__name__}: {e}", {"error": str(e)})


def _addressed(path: str) -> tuple[str, str]:
    """A path without `/to/NAME`, and NAME."""
    if not path.startswith("/to/"):
        return path, ""
    to, _, rest = path.removeprefix("/to/").partition("/")
    return f"/{rest}", unquote(to)


def _door(path: str) -> tuple[str, Callable[[Knock], Answer]]:
    for start, name, door in DOORS:
        if path.startswith(start):
            return name, door
    return "webhook", _webhook


def told(status: int, body: Any, *more: tuple[str, str]) -> Answer:
    return Answer(status, (*JSON, *more), json.dumps(body).encode())


def _refused(asked: Knock, status: int, why: str, body: Any) -> Answer:
    asked.inbox.problems.append(f"{asked.method} {asked.path}: {why}")
    return told(status, body)


def _news(asked: Knock, by: str, key: str, text: str) -> Letter | None:
    letter = asked.inbox.of(by, key)
    if letter is not None:
        asked.inbox.tell(asked.now, letter, text)
    return letter


# -- PagerDuty -------------------------------------------------------------------------------------

PAGERDUTY = "PagerDuty"
NOTES = "a note in PagerDuty"
BECAME = {"acknowledge": "acknowledged", "resolve": "resolved"}


def _events(asked: Knock) -> Answer:
    """Events API v2."""
    event = asked.json or {}
    key, action = str(event.get("dedup_key") or ""), event.get("event_action")
    if len(str(event.get("routing_key"))) != ROUTING_KEY_CHARS:
        return _invalid(asked, "'routing_key' is not of 32 characters")
    if action == "trigger":
        payload = event["payload"]
        text = str((payload.get("custom_details") or {}).get("text") or "")
        said = (str(payload["summary"]), text)
        key = asked.inbox.take(asked.now, PAGERDUTY, asked.to or "on-call", said, key).key
    elif action in BECAME:
        _news(asked, PAGERDUTY, key, BECAME[action])
    else:
        return _invalid(asked, f"'event_action' is {action!r}")
    return told(202, {"status": "success", "message": "Event processed", "dedup_key": key})


def _invalid(asked: Knock, why: str) -> Answer:
    return _refused(asked, 400, why, {"status": "invalid event", "errors": [why]})


def _incidents(asked: Knock) -> Answer:
    """The REST API: notes and status updates of an incident."""
    if asked.headers.get("authorization") != f"Token token={TOKEN}":
        return _refused(asked, 401, "token", {"error": {"code": 2006, "message": "Unauthorized"}})
    if not asked.path.startswith("/incidents/"):
        return told(200, {"abilities": []})
    _, _, incident, what = asked.path.split("/", 3)
    if asked.asks:
        notes = [n for n in asked.inbox.letters if (n.by, n.to) == (NOTES, incident)]
        found = [{"id": f"N{n.number}", "content": n.text} for n in notes]
        return told(200, {"notes": found, "log_entries": []})
    said = asked.json["note"]["content"] if what == "notes" else asked.json["message"]
    letter = asked.inbox.take(asked.now, NOTES, incident, (_first(said), said), "")
    return told(200, {what.rstrip("s"): {"id": f"N{letter.number}", "content": said}})


# -- Slack -----------------------------------------------------------------------------------------

SLACK = "Slack"


def _slack(asked: Knock) -> Answer:
    """The Web API. It says `ok: false` with a status of 200."""
    method = asked.path.removeprefix("/api/")
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        return _refused(asked, 200, "token", {"ok": False, "error": "invalid_auth"})
    door = SLACK_METHODS.get(method)
    if door is None:
        return _refused(asked, 200, method, {"ok": False, "error": "unknown_method"})
    return door(asked)


def _slack_who(_asked: Knock) -> Answer:
    return told(200, {"ok": True, "user": "runbook", "team": "Sandbox"})


def _slack_post(asked: Knock) -> Answer:
    body = asked.json
    place = _named(asked, str(body["channel"]))
    key = str(((body.get("metadata") or {}).get("event_payload") or {}).get("key") or "")
    letter = asked.inbox.take(asked.now, SLACK, place, _of_blocks(body), key)
    letter.buttons = _buttons(body)
    parent = _posted(asked, str(body.get("thread_ts") or ""))
    if parent is not None and parent is not letter:
        asked.inbox.tell(asked.now, parent, f"#{letter.number} came into its thread")
    return told(200, {"ok": True, "channel": _id(place), "ts": _ts(letter)})


def _slack_update(asked: Knock) -> Answer:
    letter = _posted(asked, str(asked.json["ts"]))
    if letter is None:
        return told(200, {"ok": False, "error": "message_not_found"})
    title, text = _of_blocks(asked.json)
    letter.buttons = _buttons(asked.json)
    asked.inbox.tell(asked.now, letter, f"is now: {title}\n{text}")
    return told(200, {"ok": True, "channel": _id(letter.to), "ts": _ts(letter)})


def _slack_list(asked: Knock) -> Answer:
    """What was posted to a channel, the newest first; of a thread too."""
    place = _named(asked, asked.query.get("channel", ""))
    found = [
        {"ts": _ts(n), "text": n.title, "metadata": {"event_payload": {"key": n.key}}}
        for n in reversed(asked.inbox.letters)
        if (n.by, n.to) == (SLACK, place)
    ]
    return told(200, {"ok": True, "messages": found[:LISTED_MAX], "has_more": False})


def _slack_channels(asked: Knock) -> Answer:
    places = sorted({n.to for n in asked.inbox.letters if n.by == SLACK})
    found = [{"id": _id(place), "name": place.removeprefix("#")} for place in places]
    return told(200, {"ok": True, "channels": found, "response_metadata": {"next_cursor": ""}})


def _slack_open(asked: Knock) -> Answer:
    return told(200, {"ok": True, "channel": {"id": _id(str(asked.json["users"]))}})


SLACK_METHODS: Mapping[str, Callable[[Knock], Answer]] = {
    "auth.test": _slack_who,
    "chat.postMessage": _slack_post,
    "chat.update": _slack_update,
    "conversations.history": _slack_list,
    "conversations.list": _slack_channels,
    "conversations.open": _slack_open,
    "conversations.replies": _slack_list,
}


def _id(place: str) -> str:
    return "C" + sha256(place.encode()).hexdigest()[:8].upper()


def _named(asked: Knock, place: str) -> str:
    """A channel by its name, also where it is given by its id."""
    known = {_id(n.to): n.to for n in asked.inbox.letters if n.by == SLACK}
    return known.get(place, place)


def _ts(letter: Letter) -> str:
    return f"{int(letter.at.timestamp())}.{letter.number:06d}"


def _posted(asked: Knock, ts: str) -> Letter | None:
    found = (n for n in asked.inbox.letters if n.by == SLACK and _ts(n) == ts)
    return next(found, None)


def _of_blocks(body: Mapping[str, Any]) -> tuple[str, str]:
    """Title, and what stands in the sections and on the buttons."""
    lines = []
    for block in body.get("blocks") or ():
        if block["type"] == "section":
            lines.append(str(block["text"]["text"]))
        elif block["type"] == "actions":
            lines.append(" ".join(f"[{one['text']['text']}]" for one in block["elements"]))
    return unescape(str(body["text"])), "\n".join(lines)


def _buttons(body: Mapping[str, Any]) -> list[dict[str, str]]:
    """What a press of a button tells the app: of the block it stands in, and of itself."""
    return [
        {
            "text": str(one["text"]["text"]),
            "block_id": str(block.get("block_id", "")),
            "action_id": str(one.get("action_id", "")),
            "value": str(one.get("value", "")),
        }
        for block in body.get("blocks") or ()
        if block["type"] == "actions"
        for one in block["elements"]
        if one.get("type") == "button"
    ]


def _hook_of_slack(asked: Knock) -> Answer:
    """An incoming webhook: text answers."""
    body = asked.json
    if not isinstance(body, dict) or not body.get("text"):
        asked.inbox.problems.append(f"{asked.path}: no text")
        return Answer(400, (), b"invalid_payload")
    asked.inbox.take(asked.now, SLACK, asked.to or "a webhook's channel", _of_blocks(body), "")
    return Answer(200, (), b"ok")


# -- the others ------------------------------------------------------------------------------------

SMS = "SMS"
MAIL = "mail"
STATUS_PAGE = "the status page"
HOOK = "a webhook"


def _twilio(asked: Knock) -> Answer:
    """The Messages resource."""
    login = b64decode(asked.headers.get("authorization", "").removeprefix("Basic "))
    if login.decode() != f"{ACCOUNT}:{TOKEN}":
        return _refused(asked, 401, "login", {"code": 20003, "message": "Authenticate"})
    if asked.asks:
        sent = [n for n in asked.inbox.letters if (n.by, n.to) == (SMS, asked.query.get("To"))]
        found = [{"sid": f"SM{n.number}", "body": n.text, "status": "delivered"} for n in sent]
        return told(200, {"messages": list(reversed(found))[:LISTED_MAX]})
    form = dict(parse_qsl(asked.body.decode()))
    letter = asked.inbox.take(asked.now, SMS, form["To"], (_first(form["Body"]), form["Body"]), "")
    return told(201, {"sid": f"SM{letter.number}", "status": "queued", "to": form["To"]})


def _sendgrid(asked: Knock) -> Answer:
    """v3 mail send."""
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        said = {"errors": [{"message": "authorization required"}]}
        return _refused(asked, 401, "key", said)
    if asked.path != "/v3/mail/send":
        return told(200, {"scopes": ["mail.send"]})
    mail = asked.json
    envelope = mail["personalizations"][0]
    to = ", ".join(one["email"] for one in envelope["to"])
    marks = {**(mail.get("custom_args") or {}), **(envelope.get("custom_args") or {})}
    key = str(marks.get("runbook_key") or "")
    post(asked.inbox, asked.now, to, (mail["subject"], mail["content"][0]["value"]), key)
    return Answer(202, (("X-Message-Id", f"sandbox-{asked.inbox.came}"),), b"")


def post(inbox: Inbox, now: datetime, to: str, said: tuple[str, str], key: str) -> None:
    """A mail, whichever way it came. One that says what became of another stands behind it."""
    before = inbox.of(MAIL, followed(key))
    if before is None:
        inbox.take(now, MAIL, to, said, key)
    else:
        inbox.tell(now, before, f"{said[0]}\n{said[1]}")


def followed(key: str) -> str:
    """The key of the message that this one says the rest of; empty where it is the first."""
    before = FOLLOWING.sub("", key)
    return before if before != key else ""


def _pages(asked: Knock) -> Answer:
    """A page of Statuspage."""
    if asked.headers.get("authorization") != f"OAuth {TOKEN}":
        return _refused(asked, 401, "key", {"error": "Could not authenticate"})
    letters = [n for n in asked.inbox.letters if n.by == STATUS_PAGE]
    if asked.asks and "/incidents" in asked.path:
        left = [n for n in letters if not any(t.startswith("resolved") for _, t in n.news)]
        found = [{"id": n.key, "metadata": {"runbook": {"run": n.to}}} for n in left]
        return told(200, found[:LISTED_MAX])
    if asked.asks:
        return told(200, {"id": "sandbox", "name": "the sandbox's status page"})
    incident = asked.json["incident"]
    said = f"{incident['status']}: {incident.get('body', '')}"
    if asked.method == "PATCH":
        known = _news(asked, STATUS_PAGE, asked.path.rpartition("/")[2], said)
        return told(200 if known else 404, {"id": known.key} if known else {"error": "Not found"})
    key = f"incident{asked.inbox.came + 1}"
    run = ((incident.get("metadata") or {}).get("runbook") or {}).get("run") or "customers"
    asked.inbox.take(asked.now, STATUS_PAGE, str(run), (incident["name"], said), key)
    return told(201, {"id": key, "status": incident["status"]})


def _webhook(asked: Knock) -> Answer:
    """Anybody's receiver of the generic webhook."""
    if asked.asks:
        return told(200, {})
    body = asked.json if isinstance(asked.json, dict) else {}
    key = str(body.get("key") or "")
    said = (str(body.get("title") or asked.path), str(body.get("text") or asked.body[:400]))
    before = asked.inbox.of(HOOK, followed(key))
    if before is None:
        to = asked.to or str(body.get("to") or body.get("name") or asked.path)
        asked.inbox.take(asked.now, HOOK, to, said, key)
    else:
        asked.inbox.tell(asked.now, before, "\n".join(said))
    return Answer(204)


def _first(text: str) -> str:
    return text.strip().partition("\n")[0]


DOORS: tuple[tuple[str, str, Callable[[Knock], Answer]], ...] = (
    ("/v2/enqueue", "pagerduty", _events),
    ("/incidents/", "pagerduty_notes", _incidents),
    ("/abilities", "pagerduty_notes", _incidents),
    ("/api/", "slack", _slack),
    ("/services/", "slack_webhook", _hook_of_slack),
    ("/2010-04-01/", "twilio", _twilio),
    ("/v3/", "sendgrid", _sendgrid),
    ("/v1/pages/", "statuspage", _pages),
)
"""By how their paths begin; what knocks at none of them is a webhook."""
