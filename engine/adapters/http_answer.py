"""What an HTTP server answered: read up to a limit, and made into a frozen value."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from engine.adapters.http_request import HIDDEN

BODY_MAX_BYTES = 1024 * 1024
"""Of an answer that is read, decompressed. An answer that matters to a runbook has some KiB."""


RENDERED_MAX_CHARS = 4096
"""Of a body in a preview: enough to see what would be sent, or what a dry run said."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What was answered.

    status: the status code
    url: what was asked, without user information and without secrets of the query
    headers: lower-case names; a header given several times is joined by commas; no cookies' values
    elapsed_ms: from sending to the last octet read
    size_bytes: of the body that was read
    cut: whether the body is longer than what was read (1 MiB)
    json: the body when it is JSON, else null
    text: the body when it is text and not JSON, else null
    json_problem: why a body that says it is JSON could not be read, else null
    """

    status: int
    url: str
    headers: dict[str, str]
    elapsed_ms: float
    size_bytes: int
    cut: bool
    json: Any = None
    text: str | None = None
    json_problem: str | None = None


def shown_body(found: HttpAnswer) -> str:
    """What a body says to people, cut."""
    told = found.text
    if told is None:
        told = "" if found.json is None else json.dumps(found.json, ensure_ascii=False)
    return told[:RENDERED_MAX_CHARS]


@dataclass(frozen=True, slots=True)
class Raw:
    """A body as it was read."""

    octets: bytes
    cut: bool


async def read_body(chunks: AsyncIterator[bytes], encoding: str) -> Raw:
    """The body, decompressed, up to the limit; what lies behind it is not read.

    We ask for no compression; a server that compresses all the same is decompressed here, in steps
    that keep to the limit, because 1 MiB can hold 1 GiB of zeros.
    """
    inflate = _inflater(encoding)
    read = bytearray()
    async for chunk in chunks:
        room = BODY_MAX_BYTES + 1 - len(read)
        read += inflate.decompress(chunk, room) if inflate else chunk[:room]
        if len(read) > BODY_MAX_BYTES:
            return Raw(bytes(read[:BODY_MAX_BYTES]), cut=True)
    return Raw(bytes(read), cut=False)


def _inflater(encoding: str) -> Any:
    """A decompressor for `gzip` and `deflate`; None for a body that is not compressed, or that we
    leave so.
    """
    if encoding.strip().lower() in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    return None


def answer(
    status: int, url: str, pairs: list[tuple[str, str]], raw: Raw, elapsed_ms: float
) -> HttpAnswer:
    """The value made of what was read. `pairs` are the headers as they came."""
    headers = joined(pairs)
    content_type = headers.get("content-type", "")
    is_read, content, problem = _json(raw, content_type)
    text = None if is_read else _text(raw, content_type)
    return HttpAnswer(
        status, url, headers, elapsed_ms, len(raw.octets), raw.cut, content, text, problem
    )


def joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name. Of a cookie only the name stays, its value is a session."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        kept = f"{value.partition('=')[0]}={HIDDEN}" if key == "set-cookie" else value
        headers[key] = f"{headers[key]}, {kept}" if key in headers else kept
    return headers


def is_json(content_type: str) -> bool:
    bare = content_type.partition(";")[0].strip().lower()
    return bare.endswith(("/json", "+json"))


def _json(raw: Raw, content_type: str) -> tuple[bool, Any, str | None]:
    """Whether the body was read as JSON, its value, and why it could not be read.

    Read is a body that says it is JSON, or that does not say what it is and begins like it.
    """
    told = is_json(content_type)
    begins = raw.octets.lstrip()[:1] in (b"{", b"[") and not content_type
    if not raw.octets or not (told or begins):
        return False, None, None
    problem = f"the body is longer than {BODY_MAX_BYTES} bytes, so its JSON was not read"
    if not raw.cut:
        try:
            return True, json.loads(raw.octets, parse_constant=str), None
        except RecursionError:
            problem = "its lists and mappings are nested too deeply"
        except ValueError as e:
            problem = f"the body is no JSON: {e}"
    return False, None, problem if told else None


def _text(raw: Raw, content_type: str) -> str | None:
    """The body as text; None when there is none, or when it is no text."""
    if not raw.octets:
        return None
    charset = _charset(content_type)
    try:
        text = raw.octets.decode(charset)
    except (UnicodeDecodeError, LookupError):
        if b"\0" in raw.octets:
            return None
        text = raw.octets.decode("utf-8", "replace")
    return None if "\0" in text else text


def _charset(content_type: str) -> str:
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'") or "utf-8"
    return "utf-8"
