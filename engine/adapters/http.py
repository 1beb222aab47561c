"""HTTP: one connection is one base URL with its headers, credentials and limits.

The client is httpx's transport: its pool, TLS and HTTP/1.1, without the client's cookies,
environment proxies and redirects to anywhere, which a runbook does not say and so must not have.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.adapters.http_answer import RENDERED_MAX_CHARS, HttpAnswer, shown_body
from engine.adapters.http_errors import SAFE_METHODS
from engine.adapters.http_line import Line
from engine.adapters.http_request import (
    Address,
    Body,
    Call,
    Parts,
    address,
    checked_headers,
    shown_url,
    with_trial,
)
from engine.errors import AdapterError
from engine.language.shape import Duration
from engine.plugin import SecretText, StepContext, reveal

if TYPE_CHECKING:
    import ssl

    import httpx

__all__ = ["Body", "HttpAdapter", "HttpAnswer", "HttpReader", "HttpWriter"]

CONNECTIONS_MAX = 20
"""Open at once to one target. A runbook that asks more in parallel waits for a free one."""

KEEPALIVE_S = 2.0
"""An idle connection is not used again after this. Servers drop theirs after 5 s and more; a
request sent into one that is being dropped would be in doubt for nothing.
"""

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""All that the reading side sends: the methods that RFC 9110 calls safe, without TRACE."""


class HttpAdapter:
    """A connection to an HTTP service.

    base_url: where it is, with the path that all paths of steps are below
    headers: sent with every request
    username: for basic authentication
    password: for basic authentication
    timeout_s: for the whole of one answer
    verify: false trusts any certificate; for tests only
    ca_file: certificates to trust besides the usual ones, PEM
    client_cert: own certificate with its key, PEM
    follow_redirects: follow those of a GET or HEAD that stay on the same host and port
    idempotency_header: name of the header that carries the idempotency key of a change
    proxy: URL of a proxy; those of environment variables are not used
    """

    family = "http"

    def __init__(  # noqa: PLR0913 - the settings of a connection
        self,
        base_url: str,
        *,
        headers: dict[str, str] | None = None,
        username: str | None = None,
        password: str | None = None,
        timeout_s: Duration = Duration(10.0),  # noqa: B008 - a float
        verify: bool = True,
        ca_file: str | None = None,
        client_cert: str | None = None,
        follow_redirects: bool = False,
        idempotency_header: str | None = None,
        proxy: str | None = None,
    ) -> None:
        self._base_url = base_url
        self._headers = headers or {}
        self._login = (username, password)
        self._files = (ca_file, client_cert)
        self._verify = verify
        self._proxy = proxy
        self._address: Address | None = None
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._sent_always: dict[str, str] = {}
        self.timeout_s = float(timeout_s)
        self.follow_redirects = follow_redirects
        self.idempotency_header = idempotency_header

    @property
    def address(self) -> Address:
        if self._address is None:
            self._address = address(reveal(self._base_url))
        return self._address

    @property
    def first(self) -> Address:
        """Where its connections lead first: to the proxy, if it has one."""
        return address(reveal(self._proxy)) if self._proxy else self.address

    def fingerprint(self) -> str:
        """`host:port` and the base path; of a base URL with a secret in it the host alone."""
        where = self.address
        if isinstance(self._base_url, SecretText):
            return where.authority
        path = where.base.partition("://")[2].partition("/")[2]
        return f"{where.authority}/{path}" if path else where.authority

    async def ping(self) -> str:
        line = Line(self, StepContext(run="", path="ping"), READ_METHODS)
        found = await line.send(Call("HEAD", self.address.base, {}))
        return f"{self.address.authority} answers HEAD with {found.status}"

    def reader(self, context: StepContext) -> HttpReader:
        return HttpReader(Line(self, context, READ_METHODS))

    def writer(self, context: StepContext) -> HttpWriter:
        return HttpWriter(Line(self, context, None))

    async def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    def opened(self) -> httpx.AsyncHTTPTransport:
        """The pool; made at the first request, because the library takes 50 ms to import."""
        if self._transport is None:
            import httpx  # noqa: PLC0415 - see above

            self._sent_always = self._standing_headers()
            limits = httpx.Limits(
                max_connections=CONNECTIONS_MAX,
                max_keepalive_connections=CONNECTIONS_MAX,
                keepalive_expiry=KEEPALIVE_S,
            )
            proxy = reveal(self._proxy) if self._proxy else None
            self._transport = httpx.AsyncHTTPTransport(
                verify=self._trust(), limits=limits, trust_env=False, proxy=proxy
            )
        return self._transport

    @property
    def sent_always(self) -> Mapping[str, str]:
        return self._sent_always

    def _standing_headers(self) -> dict[str, str]:
        headers = {name: reveal(value) for name, value in self._headers.items()}
        if self.address.authorization:
            headers = {"Authorization": self.address.authorization} | headers
        user, password = (reveal(part) if part else "" for part in self._login)
        if user or password:
            login = b64encode(f"{user}:{password}".encode()).decode("ascii")
            headers["Authorization"] = f"Basic {login}"
        usual = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "runbook"}
        return usual | checked_headers(headers, "the connection")

    def _trust(self) -> ssl.SSLContext | bool:
        """Which certificates count. For plain HTTP none is loaded: that takes 20 ms, and nobody
        asks.
        """
        if not self.address.tls and not self._proxy:
            return False
        import ssl  # noqa: PLC0415 - plain HTTP does without

        ca_file, client_cert = self._files
        try:
            context = _usual_trust() if self._verify else ssl._create_unverified_context()  # noqa: S323, SLF001
            if ca_file:
                context.load_verify_locations(cafile=reveal(ca_file))
            if client_cert:
                context.load_cert_chain(reveal(client_cert))
        except OSError as e:
            raise AdapterError(
                f"the certificates of the connection cannot be read: {e}", retryable=False
            ) from e
        return context


def _usual_trust() -> ssl.SSLContext:
    """The certificates the system trusts, and those every Python client brings: either may be
    missing.
    """
    import ssl  # noqa: PLC0415 - plain HTTP does without

    import certifi  # noqa: PLC0415 - plain HTTP does without

    context = ssl.create_default_context(cafile=certifi.where())
    context.set_default_verify_paths()
    return context


class HttpReader:
    """The reading side: GET, HEAD and OPTIONS, and what a runbook declares to be a dry run."""

    __slots__ = ("_line",)

    def __init__(self, line: Line) -> None:
        self._line = line

    async def get(
        self,
        path: str = "/",
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """What a GET answers, whatever its status. Raises AdapterError when there is no answer."""
        return await self._line.ask("GET", path, query, headers or {})

    async def head(
        self,
        path: str = "/",
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """What a HEAD answers: as a GET, without the body."""
        return await self._line.ask("HEAD", path, query, headers or {})

    async def options(
        self,
        path: str = "/",
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """What an OPTIONS answers: the methods there are, or a browser's preflight (CORS)."""
        return await self._line.ask("OPTIONS", path, query, headers or {})

    def rendered(self, call: Call) -> str:
        """A request as people read it: without what the connection adds, and never sent by this
        side.
        """
        lines = [f"{call.method} {shown_url(call.url)}"]
        lines += [f"{name}: {value}" for name, value in call.headers.items()]
        body = (call.content or b"").decode("utf-8", "replace")
        shown = body if len(body) <= RENDERED_MAX_CHARS else f"{body[:RENDERED_MAX_CHARS]}..."
        return "\n".join([*lines, "", shown] if body else lines)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Body,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Call:
        """The request that a change would send, checked as it would be. Raises AdapterError."""
        return self._line.change(method, path, query, body, headers or {})

    async def reach(self) -> None:
        """Whether somebody takes connections there; nothing is sent. Raises AdapterError."""
        await self._line.reach()

    async def trial(
        self, method: str, path: str, parts: Parts, dry_run: Mapping[str, Any]
    ) -> HttpAnswer:
        """The target's own dry run of a request: what makes it one is in `dry_run`, added to its
        `json`, `query` or `headers`. Raises AdapterError, also where the answer is not 2xx.
        """
        tried = with_trial(parts, dry_run)
        call = self.call(method, path, body=tried.body, query=tried.query, headers=tried.headers)
        found = await self._line.send(call, trial=True)
        if not 200 <= found.status < 300:
            raise AdapterError(
                f"the dry run of {call.method} {found.url} was answered with {found.status}",
                help=shown_body(found) or None,
                retryable=False,
            )
        return found


class HttpWriter(HttpReader):
    """The writing side: any method."""

    __slots__ = ()

    async def request(  # noqa: PLR0913 - a request has these parts
        self,
        method: str,
        path: str = "/",
        *,
        body: Body = Body(),  # noqa: B008 - frozen
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (),
    ) -> HttpAnswer:
        """What is answered when the change was made: a status of 2xx, 303, or one of `accept`.

        Raises AdapterError otherwise. Of a status 5xx the change may have been made all the same,
        but for 501 and 505, which say that the request was not understood; of any other it was not.
        """
        call = self.call(method, path, body=body, query=query, headers=headers)
        found = await self._line.send(call)
        if 200 <= found.status < 300 or found.status == 303 or found.status in accept:
            return found
        raise _refused(call.method, found)


def _refused(method: str, found: HttpAnswer) -> AdapterError:
    in_doubt = found.status >= 500 and found.status not in (501, 505)
    maybe_done = in_doubt and method not in SAFE_METHODS
    message = f"{method} {found.url} was answered with {found.status}"
    hint = "`accept` names further statuses that mean done"
    if 300 <= found.status < 400:
        hint = f"no change is redirected; it points to {found.headers.get('location', 'nowhere')}"
    return AdapterError(
        message + (": the change may have been made" if maybe_done else ""),
        help=hint,
        maybe_done=maybe_done,
        retryable=found.status in (408, 425, 429) or found.status >= 500,
        detail={
            "status": found.status,
            "json": found.json if found.size_bytes <= DETAIL_MAX_BYTES else None,
            "text": (found.text or "")[:DETAIL_MAX_BYTES] or None,
            "retry_after": found.headers.get("retry-after"),
        },
    )


DETAIL_MAX_BYTES = 2048
"""Of a refusing answer's body that is kept with the error: it mostly says why."""
