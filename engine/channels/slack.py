"""Slack: by an incoming webhook (one channel, text), or as a bot (threads, buttons, updates).

Facts: Slack's documents of incoming webhooks, chat.postMessage, chat.update, rate limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from engine.adapters.http import Body, HttpAnswer
from engine.channels.calling import Calling, blocked_s
from engine.channels.fate import Fates, looking
from engine.channels.fitting import cut, mark_of, one_line, plain, utf16
from engine.channels.inbound import REASON, REASON_MAX_CHARS
from engine.channels.reading import inner, name_of, objects
from engine.channels.slack_places import id_of
from engine.errors import AdapterError
from engine.plugin.channel import Button, Message

TEXT_MAX_CHARS = 2900
"""Of a section block, which takes 3000 with our escapes."""

HEADER_MAX_CHARS = 150
"""Of a header block."""

FALLBACK_MAX_CHARS = 500
"""Of the line that a notification shows, and of the one below a message."""

LINK_MAX_CHARS = 2000
"""Of a link to the run: Slack refuses the whole message for a text of over 3,000."""

VALUE_MAX_CHARS = 2000
"""Of a button: Slack refuses the whole message for one that is longer."""

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
        *("message_not_found", "cant_update_message", "edit_window_closed", "is_inactive"),
        *("too_many_attachments", "thread_not_found", "msg_blocks_too_long"),
        *("invalid_arg_name", "invalid_array_arg", "invalid_arguments", "invalid_charset"),
        *("invalid_form_data", "invalid_post_type", "missing_post_type", "invalid_json"),
        *("json_not_object", "upgrade_required", "invalid_ts_latest", "invalid_ts_oldest"),
        *("no_active_hooks", "team_disabled", "posting_to_general_channel_denied"),
    }
)
"""Errors that another try does not mend."""

LIMITED_S = 30.0
"""For how long Slack is left alone that says `ratelimited`, and not for how long."""

PERHAPS_DONE = frozenset({"fatal_error", "internal_error"})
"""Of these Slack says that some of what was asked may have been done."""


class SlackWebhookChannel:
    """An incoming webhook of Slack: text to the channel it was made for.

    url: https://hooks.slack.com/services/...
    proxy: URL of a proxy; those of environment variables are not used
    """

    family: ClassVar[str] = "slack_webhook"
    addressed: ClassVar[bool] = False
    again: bool = False
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 1.0

    def __init__(self, url: str, *, proxy: str | None = None) -> None:
        self._calling = Calling(url, secrets=(url,), proxy=proxy)

    def fingerprint(self) -> str:
        return self._calling.authority  # the path is the secret

    async def ping(self) -> str:
        return await self._calling.ping()

    async def send(self, message: Message) -> Mapping[str, Any]:
        body = {"text": fallback(message), "blocks": blocks(message, buttons=False)}
        try:
            found = await self._calling.post("", Body(json=body))
        except AdapterError as error:
            raise _named(error) from error
        if (found.text or "").strip() != "ok":
            raise self._calling.puzzled(found.text or "nothing")
        return {"id": message.key, "status": found.status, "follows": True}

    async def close(self) -> None:
        await self._calling.close()


class SlackChannel:
    """Slack as a bot: a thread for each run, buttons, and what was posted is brought up to date.

    token: xoxb-..., with the scopes chat:write and, to find what was posted, channels:history and
        channels:read (groups:history and groups:read), im:history and im:write for people
    base_url: another address, for tests
    proxy: URL of a proxy; those of environment variables are not used
    """

    family: ClassVar[str] = "slack"
    addressed: ClassVar[bool] = True
    again: bool = True  # it looks for the key first, see `_posted`
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 1.0

    def __init__(
        self, token: str, *, base_url: str = "https://slack.com/api", proxy: str | None = None
    ) -> None:
        self._proxy = proxy
        self._token = token
        self._base_url = base_url
        self._made: Calling | None = None
        self._fates = Fates()

    def fingerprint(self) -> str:
        return Calling(self._base_url).fingerprint()

    async def ping(self) -> str:
        found = await self._read("/auth.test", {})
        return f"bot {found.get('user')} of {found.get('team')}"

    async def send(self, message: Message) -> Mapping[str, Any]:
        if message.receipt is not None and message.kind != "status":
            return await self._update(message, message.receipt)
        if message.to is None:
            raise AdapterError("no channel or user is given to post to", retryable=False)
        with self._fates.sending(message):
            return await self._say(message, message.to)

    async def _say(self, message: Message, to: str) -> Mapping[str, Any]:
        if self._fates.unknown(message):
            with looking():
                posted = await self._posted(message)
            if posted is not None:
                return posted
        body: dict[str, Any] = {
            "channel": (message.thread or {}).get("channel") or to,
            "text": fallback(message),
            "blocks": blocks(message, buttons=True),
            "unfurl_links": False,
            "metadata": {"event_type": "runbook_message", "event_payload": {"key": message.key}},
        }
        if message.thread is not None:
            body["thread_ts"] = message.thread["ts"]
            body["reply_broadcast"] = message.kind in ("page", "question")
        found = await self._call("/chat.postMessage", body)
        return self._receipt(message, found)

    async def _update(self, message: Message, receipt: Mapping[str, Any]) -> Mapping[str, Any]:
        body = {
            "channel": receipt["channel"],
            "ts": receipt["ts"],
            "text": fallback(message),
            "blocks": blocks(message, buttons=message.kind == "counted"),
        }
        return self._receipt(message, await self._call("/chat.update", body))

    async def _posted(self, message: Message) -> Mapping[str, Any] | None:
        """The receipt of a message with this key that is there already."""
        thread = message.thread
        place = (thread or {}).get("channel") or await id_of(
            message.to or "", self._read, self._call
        )
        query: dict[str, Any] = {"channel": place, "limit": LOOK_BACK}
        query["include_all_metadata"] = "true"
        path = "/conversations.history"
        if thread is not None:
            path, query["ts"] = "/conversations.replies", thread["ts"]
        found = await self._read(path, query)
        for one in objects(found.get("messages"), "Slack"):
            if _is_of(message, one):
                return self._receipt(message, {"channel": place, "ts": one.get("ts")})
        return None

    def _receipt(self, message: Message, found: Mapping[str, Any]) -> dict[str, Any]:
        """Raises AdapterError where it is not said what was posted: nothing could follow it."""
        known = {name: name_of(found.get(name)) for name in ("channel", "ts")}
        if not all(known.values()):
            raise self._calling().puzzled(found)
        known = {"id": message.key, **known}
        if message.kind == "question":
            return {**known, "follows": True, "edits": True}
        return {**known, "follows": message.kind in ("page", "status")}

    async def _post(self, path: str, body: Mapping[str, Any]) -> HttpAnswer:
        return await self._calling().post(path, Body(json=body))

    async def _call(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return _ok(await self._post(path, body), self._calling())

    async def _read(self, path: str, query: Mapping[str, Any]) -> Mapping[str, Any]:
        return _ok(await self._calling().get(path, query), self._calling())

    async def close(self) -> None:
        made, self._made = self._made, None
        if made is not None:
            await made.close()

    def _calling(self) -> Calling:
        if self._made is None:
            from engine.plugin import reveal  # noqa: PLC0415 - late, as the secret is

            headers = {"Authorization": f"Bearer {reveal(self._token)}"}
            self._made = Calling(self._base_url, headers=headers, proxy=self._proxy)
        return self._made


def _is_of(message: Message, posted: Mapping[str, Any]) -> bool:
    """Whether what is there has the key of this message, or its mark."""
    if inner(posted, "metadata", "event_payload").get("key") == message.key:
        return True
    blocks = posted.get("blocks")
    marks = [b.get("block_id") for b in blocks if isinstance(b, dict)] if blocks else []
    return block_id(message) in marks


def _ok(answer: HttpAnswer, calling: Calling) -> dict[str, Any]:
    """The answer of a method. Slack says `ok: false` with a status of 200; what says neither that
    nor `ok: true` is not Slack's.
    """
    found = answer.json
    if isinstance(found, dict) and found.get("ok") is True:
        return found
    own = isinstance(found, dict) and found.get("ok") is False
    word = calling.shown(found["error"] if own and "error" in found else "no answer of its own")
    limited = word in ("ratelimited", "rate_limited")
    pause_s = blocked_s(answer.headers) or LIMITED_S
    raise AdapterError(
        f"Slack: {word}",
        maybe_done=not own or word in PERHAPS_DONE,
        retryable=word not in GONE_FOR_GOOD,
        detail={"error": word, **({"blocked_for_s": pause_s} if limited else {})},
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
    return escaped(cut(one_line(message.title), FALLBACK_MAX_CHARS)) or "runbook"


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
    title = cut(f"{SIGNS[message.kind]} {one_line(message.title)}", HEADER_MAX_CHARS, utf16)
    found: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": True}}
    ]
    text = cut(plain(message.text), TEXT_MAX_CHARS, utf16)
    if text.strip():
        said = {"type": "plain_text", "text": text, "emoji": False}
        found.append({"type": "section", "text": said})
    foot = escaped(" · ".join(one_line(p) for p in (message.source, message.run) if p))
    foot = cut(foot, FALLBACK_MAX_CHARS)
    link = escaped(message.link or "").replace("|", "%7C")
    if link and len(link) <= LINK_MAX_CHARS:
        foot += f" · <{link}|open>"
    line = {"type": "context", "elements": [{"type": "mrkdwn", "text": foot or "runbook"}]}
    found.append({**line, "block_id": block_id(message)})
    pressed = [one for one in message.buttons if len(one.value) <= VALUE_MAX_CHARS]
    if buttons and pressed and message.reason is not None:
        found.append(_field(message, message.reason))
    if buttons and pressed:
        elements = [_button(one) for one in pressed[:BUTTONS_MAX]]
        found.append({"type": "actions", "elements": elements})
    return found


def _field(message: Message, label: str) -> dict[str, Any]:
    """A line for a reason. Its block is named anew in each message, as Slack asks."""
    mark = mark_of(message.key)
    text = {"type": "plain_text", "text": label[:150]}
    element = {"type": "plain_text_input", "action_id": REASON, "max_length": REASON_MAX_CHARS}
    found = {"type": "input", "block_id": f"{REASON}:{mark}", "label": text, "element": element}
    return {**found, "optional": True, "dispatch_action": False}


def block_id(message: Message) -> str:
    """By which a message is found again where the token may not read metadata."""
    return f"runbook:{mark_of(message.key)}"


def _button(one: Button) -> dict[str, Any]:
    label = {"type": "plain_text", "text": one.label[:75]}
    found: dict[str, Any] = {"type": "button", "text": label, "value": one.value}
    found["action_id"] = f"runbook:{one.label.lower().replace(' ', '-')}"[:255]
    return {**found, "style": "danger"} if one.danger else found
