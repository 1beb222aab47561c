"""Requests of channels, over the HTTP adapter, and what a refusal means to a sender."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from engine.adapters.http import Body, HttpAdapter, HttpAnswer
from engine.errors import AdapterError
from engine.language.shape import Duration
from engine.plugin import StepContext, reveal

TIMEOUT_S = 15.0
"""For one message: the slowest of these services answers within two seconds, mostly."""

BLOCKED_MAX_S = 3600.0
"""Of a `Retry-After`: longer is a mistake of the service, or means for ever."""

BUSY = (429, 503)
"""Statuses that may say with `Retry-After` when to come again."""


class Calling:
    """One service. `headers` may hold secrets: they are revealed when the first message is sent."""

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        username: str | None = None,
        password: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._base_url = base_url
        self._headers = dict(headers or {})
        self._login = (username, password)
        self._timeout_s = timeout_s
        self._http: HttpAdapter | None = None

    def fingerprint(self) -> str:
        return HttpAdapter(self._base_url).fingerprint()

    async def ping(self) -> str:
        """Whether somebody takes connections there; nothing is sent."""
        http = self._opened()
        await http.reader(StepContext(run="", path="ping")).reach()
        return f"{http.address.authority} takes connections"

    async def get(self, path: str, query: Mapping[str, Any]) -> HttpAnswer:
        """What a GET answers. Raises AdapterError where that is not 2xx."""
        context = StepContext(run="", path="look", timeout_s=self._timeout_s)
        found = await self._opened().reader(context).get(path, query=query)
        if not 200 <= found.status < 300:
            raise AdapterError(f"GET {found.url} was answered with {found.status}")
        return found

    async def post(
        self,
        path: str,
        body: Body,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """What was answered with 2xx. Raises AdapterError."""
        context = StepContext(run="", path="tell", timeout_s=self._timeout_s)
        writer = self._opened().writer(context)
        try:
            return await writer.request(method, path, body=body, headers=headers)
        except AdapterError as error:
            raise refused(error) from error

    async def close(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    def _opened(self) -> HttpAdapter:
        if self._http is None:
            user, password = self._login
            self._http = HttpAdapter(
                self._base_url,
                headers={name: reveal(value) for name, value in self._headers.items()},
                username=user,
                password=password,
                timeout_s=Duration(self._timeout_s),
            )
        return self._http


def refused(error: AdapterError) -> AdapterError:
    """The same, in the words a sender needs: what was said, and when to come again."""
    detail = dict(error.detail)
    if detail.get("status") in BUSY:
        # nothing was taken in, so trying again is safe
        seconds = retry_after_s(detail.get("retry_after"))
        detail |= {"blocked_for_s": seconds} if seconds else {}
        message = f"{error.message.partition(':')[0]}: it takes no more for now"
        return AdapterError(message, help=error.help, maybe_done=False, detail=detail)
    told = detail.get("text") or detail.get("json")
    message = f"{error.message}: {str(told)[:300]}" if told else error.message
    return AdapterError(
        message,
        help=error.help if "status" not in detail else None,
        maybe_done=error.maybe_done,
        retryable=error.retryable,
        detail=detail,
    )


def retry_after_s(value: object) -> float:
    """Seconds of a `Retry-After`: a number, or a date; 0 for what is neither."""
    text = str(value or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            import time  # noqa: PLC0415 - only for a date, which none of these services sends

            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (TypeError, ValueError):
            return 0.0
    return min(max(0.0, seconds), BLOCKED_MAX_S) if seconds > 0 else 0.0
