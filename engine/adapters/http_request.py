"""What may be asked of an HTTP connection: its address, paths joined to it, headers, bodies. No
library.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from engine.errors import AdapterError

HEADER_MAX_CHARS = 8 * 1024
"""Of one header's value: what the servers we know take for all headers together."""

PATH_MAX_CHARS = 16 * 1024
"""Of a path with its query. Longer ones belong into a body."""

HIDDEN = "(not kept)"
"""Stands where a value is left out of what is recorded."""

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_METHOD = re.compile(r"[A-Z]{1,20}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_OURS = frozenset(
    {"connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
_TELLING = re.compile(
    r"pass|pwd|token|secret|key|sig(nature)?$|auth|credential|session", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a connection points: `base` without user information, which is in `authorization`."""

    base: str
    host: str
    port: int
    tls: bool
    authorization: str | None = field(default=None, repr=False)

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def address(base_url: str) -> Address:
    """Reads a base URL. Raises AdapterError that does not repeat it: it may hold a password."""
    try:
        parts = urlsplit(base_url.strip())
        port = parts.port
    except ValueError as e:
        raise _wrong("the base_url cannot be read as a URL") from e
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _wrong("the base_url is not of the form http://host or https://host/path")
    if parts.query or parts.fragment:
        raise _wrong("the base_url has a query or fragment", "give `query` with the step")
    if _UNPRINTABLE.search(base_url) or " " in base_url.strip():
        raise _wrong("the base_url has a space or a control character in it")
    tls = parts.scheme == "https"
    port = port or (443 if tls else 80)
    host = parts.hostname
    shown = f"[{host}]" if ":" in host else host
    standard = port == (443 if tls else 80)
    netloc = shown if standard else f"{shown}:{port}"
    base = f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"
    return Address(base, host, port, tls, _basic(parts.username, parts.password))


def _basic(user: str | None, password: str | None) -> str | None:
    if user is None:
        return None
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return f"Basic {b64encode(pair).decode('ascii')}"


def url_of(base: str, path: str, query: Mapping[str, Any] | None) -> str:
    """A path below the base URL. Raises AdapterError for one that would lead anywhere else."""
    if len(path) > PATH_MAX_CHARS:
        raise _wrong(f"the path has {len(path)} characters, more than {PATH_MAX_CHARS}")
    if _SCHEME.match(path) or path.startswith("//"):
        raise _wrong(
            f"the path {path[:80]!r} is an address", "a path stays on the connection's host"
        )
    if _UNPRINTABLE.search(path) or "\\" in path:
        raise _wrong(f"the path {path[:80]!r} has a control character or a backslash in it")
    bare, _, asked = path.partition("?")
    if "#" in path:
        raise _wrong(f"the path {path[:80]!r} has a fragment", "write %23 for a # in a path")
    if any(unquote(part) in (".", "..") for part in bare.split("/")):
        raise _wrong(f"the path {path[:80]!r} climbs with '..'", "write the path it should lead to")
    joined = f"{base}/{bare.lstrip('/')}" if bare.strip("/") or bare == "/" else base
    pairs = "&".join(part for part in (asked, _query(query)) if part)
    return f"{joined}?{pairs}" if pairs else joined


def _query(query: Mapping[str, Any] | None) -> str:
    """Of a list, each item is given; true and false as in JSON; null is left out."""
    pairs = []
    for name, value in (query or {}).items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, _text(v)) for v in values if v is not None]
    return urlencode(pairs, errors="replace")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shown_url(url: str) -> str:
    """A URL as it is recorded: without user information, and without the values of telling query
    keys.
    """
    head, mark, query = url.partition("?")
    scheme, separator, rest = head.partition("://")
    authority, slash, path = rest.partition("/")
    clean = f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
    if not mark:
        return clean
    pairs = (pair.partition("=") for pair in query.split("&"))
    kept = (f"{k}={HIDDEN if _TELLING.search(k) else v}" if eq else k for k, eq, v in pairs)
    return f"{clean}?{'&'.join(kept)}"


def checked_headers(headers: Mapping[str, str], of: str) -> dict[str, str]:
    """Headers that can be sent. Raises AdapterError in words that do not repeat a value: it may be
    a secret.

    of: whose they are, for the message: `the step` or `the connection`
    """
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise _wrong(f"{name[:80]!r} cannot be the name of a header (of {of})")
        if name.lower() in _OURS:
            raise _wrong(f"the header {name} (of {of}) is written by the engine", "leave it out")
        if "\r" in value or "\n" in value:
            raise _wrong(f"the header {name} (of {of}) has a line break in its value")
        if _UNPRINTABLE.search(value.replace("\t", " ")):
            raise _wrong(f"the header {name} (of {of}) has a control character in its value")
        if len(value) > HEADER_MAX_CHARS:
            raise _wrong(
                f"the header {name} (of {of}) is longer than {HEADER_MAX_CHARS} characters"
            )
    return {name: value.strip() for name, value in headers.items()}


def checked_method(method: str) -> str:
    upper = method.upper()
    if not _METHOD.fullmatch(upper) or upper in ("CONNECT", "TRACE"):
        raise _wrong(f"{method[:30]!r} is no method", "one is GET, POST, PUT, PATCH or DELETE")
    return upper


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent: at most one of `json`, `form`, `text`."""

    json: Any = None
    form: Mapping[str, Any] | None = None
    text: str | None = None

    def encoded(self) -> tuple[bytes | None, str | None]:
        """The octets and their content type; both None for no body. Raises AdapterError for two
        bodies.
        """
        given = [n for n in ("json", "form", "text") if getattr(self, n) is not None]
        if len(given) > 1:
            raise _wrong(f"a request has one body, and {' and '.join(given)} are given")
        if self.json is not None:
            text = json.dumps(self.json, ensure_ascii=False, separators=(",", ":"))
            # half a character, as a target may have sent it: stays the escape that it was
            return text.encode("utf-8", "backslashreplace"), "application/json"
        if self.form is not None:
            return _query(self.form).encode(), "application/x-www-form-urlencoded"
        if self.text is not None:
            return self.text.encode("utf-8", "replace"), "text/plain; charset=utf-8"
        return None, None


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked and encoded."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Parts:
    """What is sent besides the method and the path."""

    body: Body
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


TRIAL_KEYS = ("json", "query", "headers")
"""Where a target may want to be told that this is a dry run."""


def with_trial(parts: Parts, dry_run: Mapping[str, Any]) -> Parts:
    """The parts with what makes them a dry run. Raises AdapterError."""
    for name, value in dry_run.items():
        if name not in TRIAL_KEYS or not isinstance(value, Mapping) or not value:
            known = ", ".join(TRIAL_KEYS)
            raise _wrong(f"`dry_run` takes mappings named {known}, not {name!r}: {value!r}")
    if not dry_run:
        raise _wrong("`dry_run` is empty: nothing would make the request a dry run")
    body = parts.body
    if "json" in dry_run:
        if body.form is not None or body.text is not None or not isinstance(body.json or {}, dict):
            raise _wrong("`dry_run.json` is added to a JSON object, and the body is none")
        body = Body(json={**(body.json or {}), **dry_run["json"]})
    return Parts(
        body,
        {**parts.query, **dry_run.get("query", {})},
        {**parts.headers, **dry_run.get("headers", {})},
    )


def _wrong(message: str, hint: str | None = None) -> AdapterError:
    """Nothing was sent, and trying again changes nothing."""
    return AdapterError(message, help=hint, retryable=False)
