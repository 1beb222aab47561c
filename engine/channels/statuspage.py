"""A status page that customers read, by Atlassian Statuspage's API: one incident a run, updated in
place.

Facts: Statuspage's document of its API: a name has at most 255 characters, a body 25,000; the top
level of `metadata` holds objects only; one request a second, then 420 or 429.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from engine.adapters.http import Body
from engine.channels.calling import Calling
from engine.channels.fate import Fates, looking
from engine.channels.fitting import cut, one_line, plain
from engine.channels.reading import inner, name_of, objects
from engine.errors import AdapterError
from engine.plugin import reveal
from engine.plugin.channel import Message

TEXT_MAX_CHARS = 1500
"""Of an update: customers want two sentences."""

STATUS: Mapping[str, str] = {
    "page": "investigating",
    "status": "investigating",
    "acknowledged": "identified",
    "resolved": "resolved",
}
"""What a message says of an incident there."""

NAME_MAX_CHARS = 200


class StatusPageChannel:
    """A page of Statuspage.

    page: the page's id
    token: an API key
    base_url: another address, for tests
    proxy: URL of a proxy; those of environment variables are not used
    """

    family: ClassVar[str] = "statuspage"
    addressed: ClassVar[bool] = False
    again: bool = True  # it looks for the run's incident first
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 1.0

    def __init__(
        self,
        page: str,
        token: str,
        *,
        base_url: str = "https://api.statuspage.io",
        proxy: str | None = None,
    ) -> None:
        self._proxy = proxy
        self._page = page
        self._token = token
        self._base_url = base_url
        self._made: Calling | None = None
        self._fates = Fates()

    def fingerprint(self) -> str:
        return f"{Calling(self._base_url).fingerprint()}/{reveal(self._page)}"

    async def ping(self) -> str:
        found = (await self._calling().get(f"/v1/pages/{reveal(self._page)}", {})).json
        name = name_of(found.get("name")) if isinstance(found, dict) else ""
        return f"the page {name or 'without a name'}"

    async def send(self, message: Message) -> Mapping[str, Any]:
        if message.kind not in STATUS:
            raise AdapterError(
                "customers are asked nothing: no question stands on a status page", retryable=False
            )
        with self._fates.sending(message):
            return await self._send(message)

    async def _send(self, message: Message) -> Mapping[str, Any]:
        path = f"/v1/pages/{reveal(self._page)}/incidents"
        known = message.receipt or message.thread
        incident = (known or {}).get("incident")
        if self._fates.unknown(message):
            with looking():
                found = await self._found(path, message, incident)
            incident = name_of(found.get("id")) or incident
            if _ours(found).get("key") == message.key and incident is not None:
                return {"id": message.key, "incident": incident, "follows": True}
        title, said = message.public or (message.title, message.text)
        name = cut(shown(one_line(title)), NAME_MAX_CHARS) or "runbook"
        text = shown(cut(plain(said), TEXT_MAX_CHARS))
        status = STATUS[message.kind]
        if message.outcome not in ("", "resolved"):
            status = "identified"  # the run is over, and what it was about is not
        told: dict[str, Any] = {"status": status, "body": text or name}
        told["metadata"] = {"runbook": {"run": message.run, "key": message.key}}
        if incident is None:
            if message.kind in ("acknowledged", "resolved"):
                raise AdapterError("the page has no incident of this run", retryable=False)
            made = Body(json={"incident": {"name": name, **told}})
            found = await self._calling().told(path, made)
        else:
            change = Body(json={"incident": told})
            place = f"{path}/{quote(incident, safe='')}"
            found = await self._calling().told(place, change, method="PATCH")
        made_id = name_of(found.get("id"))
        if not made_id:
            raise self._calling().puzzled(found)
        return {"id": message.key, "incident": made_id, "follows": True}

    async def _found(self, path: str, message: Message, incident: str | None) -> dict[str, Any]:
        """The incident as it is there, of an id or of this run; empty when there is none."""
        if incident is not None:
            return await self._calling().look(f"{path}/{quote(incident, safe='')}", {}, dict)
        listed = await self._calling().look(f"{path}/unresolved", {}, list)
        for one in objects(listed, self._calling().authority):
            if _ours(one).get("run") == message.run:
                return dict(one)
        return {}

    async def close(self) -> None:
        made, self._made = self._made, None
        if made is not None:
            await made.close()

    def _calling(self) -> Calling:
        if self._made is None:
            headers = {"Authorization": f"OAuth {reveal(self._token)}"}
            self._made = Calling(self._base_url, headers=headers, proxy=self._proxy)
        return self._made


def _ours(incident: Mapping[str, Any]) -> Mapping[str, Any]:
    """What we wrote down with an incident: its run, and the key of what was told last."""
    return inner(incident, "metadata", "runbook")


def shown(text: str) -> str:
    """A text that reads the same, and in which nothing is markup: it is shown on a web page."""
    return text.replace("<", "\u2039").replace(">", "\u203a").strip()
