"""Many calls in one request: how they are written, and what came of each. Pure.

Source: Graph API, *Batch requests*: at most 50; each counts against the limits by itself; an entry
that Meta had no time for is `null`, and only those are to be sent again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from engine.adapters.meta_call import checked_params, checked_path
from engine.adapters.meta_errors import refusal, scrubbed, words
from engine.errors import AdapterError

ENTRIES_MAX = 50
"""Of one batch: Meta takes no more."""

BODY_MAX_CHARS = 2000
"""Of one call's answer in the record, as JSON."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One call of a batch, as it was given and as it is sent. `number` counts from 1."""

    number: int
    given: Mapping[str, Any]
    method: str
    path: str
    params: Mapping[str, str]

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    def sent(self) -> dict[str, str]:
        pairs = urlencode(self.params)
        if self.method == "POST":
            return {"method": self.method, "relative_url": self.path, "body": pairs}
        url = f"{self.path}?{pairs}" if pairs else self.path
        return {"method": self.method, "relative_url": url}


def entries_of(requests: Sequence[Mapping[str, Any]]) -> tuple[Entry, ...]:
    """The calls of a step. Raises AdapterError that names the one that is wrong."""
    if not 1 <= len(requests) <= ENTRIES_MAX:
        raise _wrong(f"a batch has 1 to {ENTRIES_MAX} requests, not {len(requests)}")
    return tuple(_entry(number, given) for number, given in enumerate(requests, start=1))


def _entry(number: int, given: Mapping[str, Any]) -> Entry:
    unknown = given.keys() - {"method", "path", "params"}
    if unknown:
        known = "known are method, path and params"
        raise _wrong(f"request {number}: unknown key {min(unknown)!r}", known)
    method, path, params = given.get("method"), given.get("path"), given.get("params") or {}
    if method not in ("GET", "POST", "DELETE"):
        raise _wrong(f"request {number}: the method is GET, POST or DELETE, not {method!r}")
    if not isinstance(path, str) or not isinstance(params, Mapping):
        raise _wrong(f"request {number}: the path is a text and params a mapping")
    try:
        return Entry(number, given, method, checked_path(path), checked_params(params))
    except AdapterError as e:
        raise _wrong(f"request {number}: {e.message}", e.help) from e


def written(entries: Sequence[Entry]) -> str:
    return json.dumps([entry.sent() for entry in entries], separators=(",", ":"))


def outcomes(entries: Sequence[Entry], body: Any, change: bool) -> dict[int, dict[str, Any]]:
    """What came of each entry, by its number. Raises AdapterError where that is not answered."""
    if not isinstance(body, list) or len(body) != len(entries):
        raise AdapterError(
            f"the answer is not that of a batch of {len(entries)}",
            help="some of its calls may have been carried out" if change else None,
            maybe_done=change,
        )
    return {entry.number: _outcome(entry, one) for entry, one in zip(entries, body, strict=True)}


def _outcome(entry: Entry, one: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"number": entry.number, "method": entry.method, "path": entry.path}
    if not isinstance(one, Mapping):
        told |= {"status": None, "ok": False, "body": None}
        return told | {"error": "Meta had no time for it", "kind": "timed_out"}
    status = int(one.get("code") or 0)
    body = _body(one.get("body"))
    error, kind = None, None
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        found = refusal(body["error"], status)
        error, kind = words(found), found.kind
    elif isinstance(body, dict) and body.get("success") is False:
        error = "Meta says success: false"
    elif not 200 <= status < 300:
        error = f"status {status}"
    return told | {
        "status": status,
        "ok": error is None,
        "body": body,
        "error": error,
        "kind": kind,
    }


def _body(text: Any) -> Any:
    try:
        body = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        body = text
    if isinstance(text, str) and len(text) > BODY_MAX_CHARS:
        keys = body if isinstance(body, dict) else {}
        return {name: keys[name] for name in ("id", "success", "error") if name in keys} | {
            "cut": f"{len(text)} characters"
        }
    return scrubbed(body)


def headers_of(body: Any) -> list[dict[str, str]]:
    """The headers of each call's answer: they tell the limits of the account it was for."""
    found = []
    for one in body if isinstance(body, list) else ():
        pairs = one.get("headers") if isinstance(one, Mapping) else None
        if isinstance(pairs, list):
            told = {str(p.get("name")).lower(): str(p.get("value")) for p in pairs if p}
            found.append(told)
    return found


def _wrong(message: str, hint: str | None = None) -> AdapterError:
    return AdapterError(message, help=hint, retryable=False)


AGAIN_KINDS = frozenset({"timed_out", "rate_limit", "transient"})
"""What another try may carry out. Any other refusal comes again."""


def is_pending(outcome: Mapping[str, Any] | None) -> bool:
    """Whether an entry is to be sent: not sent yet, or worth another try."""
    return outcome is None or (not outcome["ok"] and outcome["kind"] in AGAIN_KINDS)
