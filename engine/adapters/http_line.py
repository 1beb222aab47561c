"""Sends the requests of one attempt over an HTTP connection, and knows whether they left."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from engine.adapters import http_errors
from engine.adapters.http_answer import HttpAnswer, answer, read_body
from engine.adapters.http_request import (
    Body,
    Call,
    checked_headers,
    checked_method,
    shown_url,
    url_of,
)
from engine.errors import AdapterError
from engine.plugin import StepContext

if TYPE_CHECKING:
    import httpx

    from engine.adapters.http import HttpAdapter

REDIRECTS_MAX = 5
"""Followed one after the other, when the connection follows any."""

OURS_OF_TIMEOUT = 0.95
"""Part of the time that connecting, sending and the first octet of an answer have. The client's own
limits come first so that the error can say which of them it was; then the limit for the whole, then
the runner's.
"""


class Line:
    """Sends the requests of one attempt. `methods`: all it may send, None for any."""

    __slots__ = ("_adapter", "_context", "_methods")

    def __init__(
        self, adapter: HttpAdapter, context: StepContext, methods: frozenset[str] | None
    ) -> None:
        self._adapter = adapter
        self._context = context
        self._methods = methods

    async def ask(
        self, method: str, path: str, query: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> HttpAnswer:
        """A request without a body; follows redirects where the connection does."""
        url = url_of(self._adapter.address.base, path, query)
        call = Call(method, url, checked_headers(headers, "the step"))
        found = await self.send(call)
        for _ in range(REDIRECTS_MAX if self._adapter.follow_redirects else 0):
            where = self._redirected(call.url, found)
            if where is None:
                return found
            call = Call(method, where, call.headers)
            found = await self.send(call)
        return found

    def change(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Body,
        headers: Mapping[str, str],
    ) -> Call:
        """A request that may change something, with its idempotency key where one is asked for."""
        content, content_type = body.encoded()
        own = checked_headers(headers, "the step")
        if content_type and not any(name.lower() == "content-type" for name in own):
            own["Content-Type"] = content_type
        if self._adapter.idempotency_header and self._context.key:
            own[self._adapter.idempotency_header] = self._context.key
        url = url_of(self._adapter.address.base, path, query)
        return Call(checked_method(method), url, own, content)

    async def reach(self) -> None:
        """Whether somebody takes connections there, or its proxy does; nothing is sent. Raises
        AdapterError.
        """
        address = self._adapter.first
        limit_s = min(self._adapter.timeout_s, self._context.timeout_s)
        try:
            async with asyncio.timeout(limit_s):
                _, writer = await asyncio.open_connection(address.host, address.port)
        except (OSError, TimeoutError) as e:
            where = address.authority
            raise http_errors.told(
                e, method="GET", where=where, sent=False, timeout_s=limit_s
            ) from e
        writer.close()

    async def send(self, call: Call, *, trial: bool = False) -> HttpAnswer:
        """Sends one request and reads its answer. Raises AdapterError.

        `trial`: it is the target's own dry run, which the runbook declares: any method may ask for
        that.
        """
        if self._methods is not None and call.method not in self._methods and not trial:
            raise AdapterError(f"the reading side sends no {call.method}", retryable=False)
        adapter = self._adapter
        limit_s = min(adapter.timeout_s, self._context.timeout_s)
        timeout_s = min(adapter.timeout_s, self._context.timeout_s * OURS_OF_TIMEOUT)
        transport = adapter.opened()
        import httpx  # noqa: PLC0415 - imported by now

        sent = Sent()
        try:
            async with asyncio.timeout(timeout_s / OURS_OF_TIMEOUT):
                return await _exchange(transport, _request(adapter, call, timeout_s, sent), call)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, zlib.error, OSError) as e:
            raise http_errors.told(
                sent.where_it_ended(e),
                method=call.method,
                where=adapter.address.authority,
                sent=sent.begun
                and call.method not in http_errors.SAFE_METHODS
                and not isinstance(e, httpx.LocalProtocolError),
                timeout_s=limit_s,
            ) from e

    def _redirected(self, url: str, found: HttpAnswer) -> str | None:
        """Where an answer sends us, when that is at the same host, port and protocol."""
        location = found.headers.get("location")
        if found.status not in (301, 302, 303, 307, 308) or not location:
            return None
        where = urljoin(url, location).partition("#")[0]
        origin = "/".join(url.split("/", 3)[:3])
        return where if where == origin or where.startswith((f"{origin}/", f"{origin}?")) else None


class Sent:
    """Whether a request began to be sent: from then on it may have reached the other side."""

    __slots__ = ("answered", "begun")

    def __init__(self) -> None:
        self.begun = False
        self.answered = False

    async def __call__(self, name: str, info: Mapping[str, Any]) -> None:
        if name.endswith("send_request_headers.started"):
            method = getattr(info.get("request"), "method", b"")
            self.begun, self.answered = method != b"CONNECT", False  # that is for the proxy alone
        elif name.endswith("receive_response_headers.complete"):
            self.answered = self.begun

    def where_it_ended(self, error: Exception) -> Exception:
        """The end of the time, named by how far the request was: which limit is first, the client's
        or that for the whole, is chance on a busy machine, and neither says it alone.
        """
        import httpx  # noqa: PLC0415 - imported by now

        if not isinstance(error, TimeoutError | httpx.ReadTimeout):
            return error
        if self.answered:
            return TimeoutError()
        return httpx.ReadTimeout("") if self.begun else httpx.ConnectTimeout("")


def _request(adapter: HttpAdapter, call: Call, timeout_s: float, sent: Sent) -> httpx.Request:
    import httpx  # noqa: PLC0415 - imported by now

    own = {name.lower() for name in call.headers}
    standing = {k: v for k, v in adapter.sent_always.items() if k.lower() not in own}
    sent_with = standing | dict(call.headers)
    each = dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)
    return httpx.Request(
        call.method,
        call.url,
        headers=[(k.encode("ascii"), v.encode("utf-8")) for k, v in sent_with.items()],
        content=call.content,
        extensions={"timeout": each, "trace": sent},
    )


async def _exchange(
    transport: httpx.AsyncHTTPTransport, request: httpx.Request, call: Call
) -> HttpAnswer:
    begun_s = time.perf_counter()
    response = await transport.handle_async_request(request)
    try:
        pairs = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in response.headers.raw]
        encoding = response.headers.get("content-encoding", "")
        raw = await read_body(response.aiter_raw(), encoding)
    finally:
        await response.aclose()
    elapsed_ms = round((time.perf_counter() - begun_s) * 1000, 3)
    return answer(response.status_code, shown_url(call.url), pairs, raw, elapsed_ms)
