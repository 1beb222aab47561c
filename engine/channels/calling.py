"""Requests of channels, over the HTTP adapter, and what an answer means to a sender.

What a service says is told to people with the name of the host only: a webhook's path is its
secret, and so may be whatever a service repeats of what it was sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, TypeVar

from engine.adapters.http import Body, HttpAdapter, HttpAnswer
from engine.channels.fitting import one_line
from engine.errors import AdapterError
from engine.language.shape import Duration
from engine.plugin import StepContext, reveal
from engine.secret import Redactor

Json = TypeVar("Json", dict[str, Any], list[Any])

TIMEOUT_S = 15.0
"""For one message: the slowest of these services answers within two seconds, mostly."""

BLOCKED_MAX_S = 3600.0
"""Of a `Retry-After`: longer is a mistake of the service, or means for ever."""

BUSY = (420, 429, 503)
"""Statuses that take nothing in, and may say when to come again. 420 is Statuspage's."""

NOT_NOW = (408, 425)
"""Further refusals that another try may mend."""

NOT_DONE = (501, 505)
"""Faults of a service that leave nothing in doubt: it did not understand what it was asked."""

ANY_STATUS = tuple(range(300, 600))
"""Judged here, not by the adapter: it does not know that a 303 took no message in."""

TOLD_MAX_CHARS = 300
"""Of what a service says to a refusal: it mostly says why."""


CERTIFICATE_HELP = "mend the certificate, or name its authority in SSL_CERT_FILE"
"""A channel has no `ca_file`, as connections of the adapter `http` have."""


@contextmanager
def advised() -> Iterator[None]:
    """Around a request: what helps is what helps a channel."""
    try:
        yield
    except AdapterError as error:
        if error.detail.get("error") == "SSLCertVerificationError":
            error.help = CERTIFICATE_HELP
        raise


class Calling:
    """One service.

    headers: may hold secrets: they are revealed when the first message is sent
    login: of basic authentication
    secrets: what is sent elsewhere, and must not be told when a service repeats it
    proxy: by which it is reached; may hold a secret
    """

    def __init__(  # noqa: PLR0913 - what a connection may say of a service
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        login: tuple[str, str] | None = None,
        secrets: tuple[str, ...] = (),
        proxy: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._base_url = base_url
        self._headers = dict(headers or {})
        self._login: tuple[str | None, str | None] = login or (None, None)
        self._secrets = (*secrets, *([proxy] if proxy else []))
        self._proxy = proxy
        self._timeout_s = timeout_s
        self._http: HttpAdapter | None = None
        self._redactor = Redactor()

    def fingerprint(self) -> str:
        return HttpAdapter(self._base_url).fingerprint()

    @property
    def authority(self) -> str:
        """`host:port`."""
        return HttpAdapter(self._base_url).address.authority

    async def ping(self) -> str:
        """Whether somebody takes connections there, or its proxy does; nothing is sent."""
        http = self._opened()
        with advised():
            await http.reader(StepContext(run="", path="ping")).reach()
        of = "the proxy of " if self._proxy else ""
        return f"{of}{http.address.authority} takes connections"

    async def get(self, path: str, query: Mapping[str, Any]) -> HttpAnswer:
        """What a GET answers. Raises AdapterError where that is not 2xx."""
        context = StepContext(run="", path="look", timeout_s=self._timeout_s)
        with advised():
            found = await self._opened().reader(context).get(path, query=query)
        return found if 200 <= found.status < 300 else self._refuse(found, False)

    async def look(self, path: str, query: Mapping[str, Any], kind: type[Json]) -> Json:
        """The JSON that a GET answers. Raises AdapterError for anything else: what cannot be read
        says nothing of what is there, so that nothing may be sent because of it.
        """
        found = await self.get(path, query)
        if not isinstance(found.json, kind):
            raise AdapterError(f"{self.authority} does not list what was sent to it")
        return found.json

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
        with advised():
            found = await writer.request(
                method, path, body=body, headers=headers, accept=ANY_STATUS
            )
        if 200 <= found.status < 300:
            return found
        return self._refuse(found, found.status >= 500 and found.status not in NOT_DONE)

    async def told(self, path: str, body: Body, *, method: str = "POST") -> dict[str, Any]:
        """The JSON object that says what became of a message. Raises AdapterError, also for a 2xx
        that says nothing of it: a proxy's page, or an answer that is too long to be one.
        """
        found = await self.post(path, body, method=method)
        if isinstance(found.json, dict):
            return found.json
        raise self.puzzled(self._told(found) or f"{found.status} and nothing")

    def puzzled(self, told: object) -> AdapterError:
        """It was answered by something that is not this service, or no longer as it was."""
        return AdapterError(
            f"{self.authority} does not answer as this service does: {self.shown(told)}",
            maybe_done=True,
        )

    def shown(self, told: object) -> str:
        """What a service said, as it may stand in an error: short, on one line, without what is
        secret here, nor what a terminal obeys or no journal can hold.
        """
        return self.redact(one_line(self.redact(str(told)))).strip()[:TOLD_MAX_CHARS]

    def redact(self, text: str) -> str:
        """A text without what is secret here."""
        return self._redactor.text(text)

    async def close(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    def _refuse(self, found: HttpAnswer, maybe_done: bool) -> NoReturn:
        """Raises AdapterError in a sender's words: what was said, and when to come again."""
        status, where = found.status, self.authority
        detail: dict[str, Any] = {"status": status}
        if status in BUSY:
            seconds = blocked_s(found.headers)
            detail |= {"blocked_for_s": seconds} if seconds else {}
            raise AdapterError(f"{where} takes no more for now ({status})", detail=detail)
        if 300 <= status < 400:
            message = f"{where} answered {status}: it sends us elsewhere, where nothing was sent"
            raise AdapterError(message, help="is the address right?", retryable=False)
        told = self._told(found)
        detail |= {"text": told} if told else {}
        raise AdapterError(
            f"{where} answered {status}" + (f": {told}" if told else ""),
            maybe_done=maybe_done,
            retryable=status >= 500 or status in NOT_NOW,
            detail=detail,
        )

    def _told(self, found: HttpAnswer) -> str:
        text = found.text or ""
        if found.json is not None:
            text = "; ".join(said(found.json)) or json.dumps(found.json, ensure_ascii=False)
        return self.shown(text)

    def _opened(self) -> HttpAdapter:
        if self._http is None:
            user, password = self._login
            headers = {name: reveal(value) for name, value in self._headers.items()}
            self._http = HttpAdapter(
                self._base_url,
                headers=headers,
                username=user,
                password=password,
                timeout_s=Duration(self._timeout_s),
                proxy=self._proxy,
            )
            for value in (*headers.values(), *map(reveal, self._secrets), reveal(password or "")):
                for part in _secrets(value):
                    self._redactor.add("of this connection", part)
        return self._http


PART_MIN_CHARS = 16
"""Of a part of a secret that is one by itself, as the end of a webhook's path."""


def _secrets(value: str) -> Iterator[str]:
    """A secret, and what of it a service may repeat: of `Bearer X`, `Token token=X`, a path."""
    yield value
    yield value.rpartition(" ")[2]
    _, scheme, rest = value.partition("://")
    pieces = rest.partition("/")[2].split("/") if scheme else value.replace("=", " ").split()
    yield from (piece for piece in pieces if len(piece) >= PART_MIN_CHARS)


SAID = ("message", "detail", "error", "errors")
"""Where services say in JSON what is wrong."""


def said(found: Any, depth: int = 4) -> Iterator[str]:
    """What an error says to people, however it is wrapped, each with its code where it has one."""
    if isinstance(found, str) and found.strip():
        yield found.strip()
    elif isinstance(found, list) and depth > 0:
        for one in found:
            yield from said(one, depth - 1)
    elif isinstance(found, Mapping) and depth > 0:
        code = found.get("code") or found.get("field")
        for number, text in enumerate(t for k in SAID for t in said(found.get(k), depth - 1)):
            yield f"{text} ({code})" if code and number == 0 else text


def blocked_s(headers: Mapping[str, str]) -> float:
    """How long a service asks to be left alone, in seconds; 0 where it does not say.

    By `Retry-After`; else by what PagerDuty (`ratelimit-reset`, seconds) and SendGrid
    (`x-ratelimit-reset`, seconds since 1970) tell with each answer. A date counts from the
    service's own `Date`, so that a clock that is wrong here does no harm.
    """
    now_s = _date_s(headers.get("date")) or _now_s()
    found = retry_after_s(headers.get("retry-after"), now_s)
    found = found or retry_after_s(headers.get("ratelimit-reset"), now_s)
    at_s = _number(headers.get("x-ratelimit-reset"))
    return found or (_within(at_s - now_s) if at_s is not None else 0.0)


def retry_after_s(value: object, now_s: float | None = None) -> float:
    """Seconds of a `Retry-After`: a number, or a date; 0 for what is neither."""
    number = _number(value)
    if number is not None:
        return _within(number)
    at_s = _date_s(value)
    return 0.0 if at_s is None else _within(at_s - (now_s or _now_s()))


def _number(value: object) -> float | None:
    try:
        return float(str(value or "").strip())
    except ValueError:
        return None


def _date_s(value: object) -> float | None:
    from datetime import UTC  # noqa: PLC0415 - only for a date

    try:
        at = parsedate_to_datetime(str(value or ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _now_s() -> float:
    import time  # noqa: PLC0415 - only for a date of a service that does not tell its own

    return time.time()


def _within(seconds: float) -> float:
    """Within what is sensible; not a number is 0."""
    return min(seconds, BLOCKED_MAX_S) if seconds > 0 else 0.0
