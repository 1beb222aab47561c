"""What may be sent to Meta: paths below the version, parameters, and what only reads. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from engine.adapters.http_request import Call
from engine.errors import AdapterError

RESERVED = frozenset(
    {"access_token", "appsecret_proof", "batch", "callback", "method", "suppress_http_code"}
)
"""Parameters no step may give. Graph takes `method=delete` on any request for a DELETE (its first
client libraries sent every call as a POST), `batch` for many calls at once; the others are ours.
"""

VALIDATE_ONLY = '["validate_only"]'
"""The Marketing API's own dry run, as the value of `execution_options`."""

VALIDATED_EDGES = re.compile(r"act_\d+/(campaigns|adsets|ads)")
"""Where something new is validated without being made. Other edges take no `execution_options`:
they would not know the word, and make it.
"""

NODE = re.compile(r"\d{1,25}")
"""The number of an object: a campaign, an ad set, an ad - or a page, or a post."""

VERSION = re.compile(r"v\d{1,3}\.\d{1,2}")
_ACCOUNT = re.compile(r"(?:act_)?(\d{1,25})")


def checked_version(version: str) -> str:
    if not VERSION.fullmatch(version):
        raise _wrong(f"the version is written like v18.0, not {version[:20]!r}")
    return version


def account_path(account: str | None) -> str:
    """`act_123` of `act_123` or `123`."""
    if account is None:
        raise _wrong("no ad account is named", "give `account` to the step or to the connection")
    found = _ACCOUNT.fullmatch(account)
    if not found:
        raise _wrong(f"an ad account is a number with or without act_, not {account[:40]!r}")
    return f"act_{found[1]}"


def checked_path(path: str) -> str:
    """A path of a step, without its slashes at the ends."""
    bare = path.strip("/")
    if "?" in path:
        raise _wrong(f"the path {path[:80]!r} has a query", "give it as `params`")
    if VERSION.fullmatch(bare.partition("/")[0]):
        raise _wrong(
            f"the path {path[:80]!r} names a version", "the version is the connection's, leave it"
        )
    if bare.partition("/")[0].lower() == "oauth":
        raise _wrong("tokens are not asked for by a step", "an answer with one would be recorded")
    if not bare:
        raise _wrong("the path is empty", "one is act_123/campaigns")
    return bare


def checked_node(id: str) -> str:
    if not NODE.fullmatch(id):
        raise _wrong(f"an object's id is its number, not {id[:40]!r}")
    return id


def checked_params(params: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as Graph takes them: text as it is, anything else as JSON; null is left out."""
    for name in params:
        if name.partition("[")[0].strip().lower() in RESERVED:
            raise _wrong(
                f"the parameter {name} cannot be given by a step",
                "a method is chosen by the step type, a token by the connection",
            )
    return {name: _text(value) for name, value in params.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def only_reads(call: Call) -> bool:
    """Whether a request, as it would leave, can change nothing at Meta.

    It is a GET that does not say that it is something else; or the question what a token is, which
    is sent as a form to keep the token out of the address; or a change that Meta is told to
    validate only.
    """
    url = urlsplit(call.url)
    query = parse_qsl(url.query, keep_blank_values=True)
    form = parse_qsl((call.content or b"").decode(), keep_blank_values=True)
    names = [name.partition("[")[0].strip().lower() for name, _ in (*query, *form)]
    if "batch" in names:
        return False
    if call.method == "GET":
        return "method" not in names and not form
    if call.method != "POST" or query:
        return False
    if "method" in names:
        told = [value for name, value in form if name == "method"]
        return names.count("method") == 1 and told == ["GET"] and url.path.endswith("/debug_token")
    options = [value for name, value in form if name == "execution_options"]
    return names.count("execution_options") == 1 and options == [VALIDATE_ONLY]


def _wrong(message: str, hint: str | None = None) -> AdapterError:
    """Nothing was sent, and trying again changes nothing."""
    return AdapterError(message, help=hint, retryable=False)
