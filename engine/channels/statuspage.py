"""A status page that customers read, by Atlassian Statuspage's API: one incident a run, updated in
place.

Facts: Statuspage's document of its API: a name has at most 255 characters, a body 25,000; the top
level of `metadata` holds objects only; one request a second, then 420 or 429. It shows the HTML of
a text, so that none may be in what a system said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from engine.adapters.http import Body
from engine.channels.calling import Calling
from engine.channels.fitting import cut, one_line, plain
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
    """

    family: ClassVar[str] = "statuspage"
    addressed: ClassVar[bool] = False
    again: bool = True  # it looks for the run's incident first
    text_max_chars: ClassVar[int] = TEXT_MAX_CHARS
    interval_s: ClassVar[float] = 1.0

    def __init__(
        self, page: str, token: str, *, base_url: str = "https://api.statuspage.io"
    ) -> None:
        self._page = page
        self._token = token
        self._base_url = base_url
        self._made: Calling | None = None

    def fingerprint(self) -> str:
        return f"{Calling(self._base_url).fingerprint()}/{reveal(self._page)}"

    async def ping(self) -> str:
        found = (await self._calling().get(f"/v1/pages/{reveal(self._page)}", {})).json
        name = found.get("name") if isinstance(found, dict) else None
        return f"the page {name}"

    async def send(self, message: Message) -> Mapping[str, Any]:
        known = message.receipt or message.thread
        incident = (known or {}).get("incident")
        if incident is None and message.attempt > 1:
            incident = await self._open(message.run)
        body = shown(cut(plain(message.text), TEXT_MAX_CHARS)) or shown(one_line(message.title))
        told = {"status": STATUS[message.kind], "body": body or "runbook"}
        path = f"/v1/pages/{reveal(self._page)}/incidents"
        if incident is None:
            if message.kind in ("acknowledged", "resolved"):
                raise AdapterError("the page has no incident of this run", retryable=False)
            name = cut(shown(one_line(message.title)), NAME_MAX_CHARS) or "runbook"
            made: dict[str, Any] = {"name": name, **told}
            made["metadata"] = {"runbook": {"run": message.run}}
            found = await self._calling().told(path, Body(json={"incident": made}))
        else:
            change = Body(json={"incident": told})
            found = await self._calling().told(f"{path}/{incident}", change, method="PATCH")
        if not found.get("id"):
            raise self._calling().puzzled(found)
        return {"id": message.key, "incident": found["id"], "follows": True}

    async def _open(self, run: str) -> str | None:
        """The incident that was made for this run, if it was."""
        path = f"/v1/pages/{reveal(self._page)}/incidents/unresolved"
        for one in await self._calling().look(path, {}, list):
            if ((one.get("metadata") or {}).get("runbook") or {}).get("run") == run:
                return str(one["id"])
        return None

    async def close(self) -> None:
        made, self._made = self._made, None
        if made is not None:
            await made.close()

    def _calling(self) -> Calling:
        if self._made is None:
            headers = {"Authorization": f"OAuth {reveal(self._token)}"}
            self._made = Calling(self._base_url, headers=headers)
        return self._made


def shown(text: str) -> str:
    """A text in which nothing is HTML, and which reads the same."""
    return text.replace("<", "\u2039").replace(">", "\u203a").strip()
