"""Slack: by an incoming webhook (one channel, text), or as a bot (threads, buttons, updates).

Facts: Slack's documents of incoming webhooks, chat.postMessage, chat.update, rate limits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from engine.adapters.http import Body, HttpAnswer
from engine.channels.calling import Calling
from engine.channels.inbound import REASON, REASON_MAX_CHARS
from engine.errors import AdapterError
from engine.plugin.channel import Button, Message

TEXT_MAX_CHARS = 2900
"""Of a section block, which takes 3000 with our escapes."""

HEADER_MAX_CHARS = 150
"""Of a header block."""

BUTTONS_MAX = 5
"""In one block of actions; a message has no more than that to decide."""

LOOK_BACK = 100
"""Messages that are looked through for one that may have been posted already."""

GONE_FOR_GOOD = frozenset(
    {
        *("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"),
        *("channel_not_found", "not_in_channel", "is_archived", "channel_is_archived"),
        *("missing_scope", "no_permission", "invalid_payload", "no_text", "invalid_blocks"),
        *("action_prohibited", "no_service", "invalid_token", "msg_too_long", "user_not_found"),
    }
)
"""Errors that another try does not mend."""


class SlackWebhookChannel:
    """An incoming webhook of Slack: text to the channel it was made for.

    url: https://hooks.slack.com/services/...
    """

    family: ClassVar[str] = "slack_webhook"
    addressed: ClassVar[bool] = False
    again: bool = False
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 1.0

    def __init__(self, url: str) -> None:
        self._calling = Calling(url)

    def fingerprint(self) -> str:
        return self._calling.fingerprint()

    async def ping(self) -> str:
        return await self._calling.ping()

    async def send(self, message: Message) -> Mapping[str, Any]:
        body = {"text": fallback(message), "blocks": blocks(message, buttons=False)}
        try:
            found = await self._calling.post("", Body(json=body))
        except AdapterError as error:
            raise _named(error) from error
        if (found.text or "").strip() != "ok":
            raise AdapterError(
                f"Slack answered {(found.text or 'nothing')[:100]!r}, not 'ok'", maybe_done=True
            )
        return {"id": message.key, "status": found.status, "follows": True}

    async def close(self) -> None:
        await self._calling.close()


class SlackChannel:
    """Slack as a bot: a thread for each run, buttons, and what was posted is brought up to date.

    token: xoxb-..., with the scopes chat:write and channels:history (and groups:history)
    base_url: another address, for tests
    """

    family: ClassVar[str] = "slack"
    addressed: ClassVar[bool] = True
    again: bool = True  # it looks for the key first, see `_posted`
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 1.0

    def __init__(self, token: str, *, base_url: str = "https://slack.com/api") -> None:
        self._token = token
        self._base_url = base_url
        self._made: Calling | None = None

    def fingerprint(self) -> str:
        return Calling(self._base_url).fingerprint()

    async def ping(self) -> str:
        found = _ok(await self._calling().post("/auth.test", Body(form={})))
        return f"bot {found.get('user')} of {found.get('team')}"

    async def send(self, message: Message) -> Mapping[str, Any]:
        if message.receipt is not None and message.kind != "status":
            return await self._update(message, message.receipt)
        if message.to is None:
            raise AdapterError("no channel or user is given to post to", retryable=False)
        if message.attempt > 1 and (posted := await self._posted(message)) is not None:
            return posted
        body: dict[str, Any] = {
            "channel": (message.thread or {}).get("channel") or message.to,
            "text": fallback(message),
            "blocks": blocks(message, buttons=True),
            "unfurl_links": False,
            "metadata": {"event_type": "runbook_message", "event_payload": {"key": message.key}},
        }
        if message.thread is not None:
            body["thread_ts"] = message.thread["ts"]
            body["reply_broadcast"] = message.kind in ("page", "question")
        found = _ok(await self._post("/chat.postMessage", body))
        return self._receipt(message, found)

    async def _update(self, message: Message, receipt: Mapping[str, Any]) -> Mapping[str, Any]:
        body = {
            "channel": receipt["channel"],
            "ts": receipt["ts"],
            "text": fallback(message),
            "blocks": blocks(message, buttons=message.kind == "counted"),
        }
        found = _ok(await self._post("/chat.update", body))
        return self._receipt(message, found)

    async def _posted(self, message: Message) -> Mapping[str, Any] | None:
        """The receipt of a message with this key that is there already."""
        thread = message.thread
        place = (thread or {}).get("channel") or message.to or ""
        query: dict[str, Any] = {"channel": place, "limit": LOOK_BACK}
        query["include_all_metadata"] = "true"
        path = "/conversations.history"
        if thread is not None:
            path, query["ts"] = "/conversations.replies", thread["ts"]
        found = _ok(await self._calling().get(path, query))
        for one in found.get("messages", ()):
            payload = (one.get("metadata") or {}).get("event_payload") or {}
            if payload.get("key") == message.key:
                return self._receipt(message, {"channel": place, "ts": one["ts"]})
        return None

    @staticmethod
    def _receipt(message: Message, found: Mapping[str, Any]) -> dict[str, Any]:
        known = {"id": message.key, "channel": found.get("channel"), "ts": found.get("ts")}
        if message.kind == "question":
            return {**known, "follows": True, "edits": True}
        return {**known, "follows": message.kind in ("page", "status")}

    async def _post(self, path: str, body: Mapping[str, Any]) -> HttpAnswer:
        return await self._calling().post(path, Body(json=body))

    async def close(self) -> None:
        made, self._made = self._made, None
        if made is not None:
            await made.close()

    def _calling(self) -> Calling:
        if self._made is None:
            from engine.plugin import reveal  # noqa: PLC0415 - late, as the secret is

            headers = {"Authorization": f"Bearer {reveal(self._token)}"}
            self._made = Calling(self._base_url, headers=headers)
        return self._made


def _ok(answer: HttpAnswer) -> dict[str, Any]:
    """The answer of a method. Slack says `ok: false` with a status of 200."""
    found = answer.json
    if isinstance(found, dict) and found.get("ok") is True:
        return found
    word = str(found.get("error")) if isinstance(found, dict) else "no JSON"
    limited = word in ("ratelimited", "rate_limited")
    raise AdapterError(
        f"Slack: {word}",
        maybe_done=not isinstance(found, dict),
        retryable=word not in GONE_FOR_GOOD,
        detail={"error": word, **({"blocked_for_s": 30.0} if limited else {})},
    )


def _named(error: AdapterError) -> AdapterError:
    """A refusal of a webhook, whose text is the name of the error."""
    word = str(error.detail.get("text") or "").strip()
    if word not in GONE_FOR_GOOD:
        return error
    return AdapterError(f"Slack: {word}", retryable=False, detail=dict(error.detail))


def escaped(text: str) -> str:
    """As Slack asks: nothing in a text can become a mention, a link or a command."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fallback(message: Message) -> str:
    """The text of the notification, and of clients without blocks."""
    return escaped(message.title)[:TEXT_MAX_CHARS]


SIGNS: Mapping[str, str] = {
    "page": ":rotating_light:",
    "status": ":information_source:",
    "acknowledged": ":eyes:",
    "resolved": ":white_check_mark:",
    "question": ":question:",
    "counted": ":question:",
    "answered": ":ballot_box_with_check:",
}


def blocks(message: Message, *, buttons: bool) -> list[dict[str, Any]]:
    """The message in blocks; plain text inside, so that what a system said is not interpreted."""
    title = f"{SIGNS[message.kind]} {message.title}"
    if len(title) > HEADER_MAX_CHARS:
        title = title[: HEADER_MAX_CHARS - 3] + "..."
    found: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": True}}
    ]
    text = message.text[:TEXT_MAX_CHARS]
    if text.strip():
        plain = {"type": "plain_text", "text": text, "emoji": False}
        found.append({"type": "section", "text": plain})
    foot = " · ".join(part for part in (message.source, message.run) if part)
    if message.link:
        foot += f" · <{message.link}|open>"
    found.append({"type": "context", "elements": [{"type": "mrkdwn", "text": foot or "runbook"}]})
    if buttons and message.buttons and message.reason is not None:
        found.append(_field(message, message.reason))
    if buttons and message.buttons:
        elements = [_button(one) for one in message.buttons[:BUTTONS_MAX]]
        found.append({"type": "actions", "elements": elements})
    return found


def _field(message: Message, label: str) -> dict[str, Any]:
    """A line for a reason. Its block is named anew in each message, as Slack asks."""
    mark = hashlib.sha256(message.key.encode()).hexdigest()[:16]
    text = {"type": "plain_text", "text": label[:150]}
    element = {"type": "plain_text_input", "action_id": REASON, "max_length": REASON_MAX_CHARS}
    found = {"type": "input", "block_id": f"{REASON}:{mark}", "label": text, "element": element}
    return {**found, "optional": True, "dispatch_action": False}


def _button(one: Button) -> dict[str, Any]:
    label = {"type": "plain_text", "text": one.label[:75]}
    found: dict[str, Any] = {"type": "button", "text": label, "value": one.value}
    found["action_id"] = f"runbook:{one.label.lower().replace(' ', '-')}"[:255]
    return {**found, "style": "danger"} if one.danger else found
