"""Questions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from engine.adapters.http_answer import HttpAnswer
from engine.plugin import check

if TYPE_CHECKING:
    from engine.adapters.http import HttpReader


@check("http.request")
async def request(
    http: HttpReader,
    path: str = "/",
    *,
    method: Literal["GET", "HEAD", "OPTIONS"] = "GET",
    query: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> HttpAnswer:
    """What a GET of `path` answers, whatever the status: the body as JSON or text, at most 1 MiB.

    path: below the connection's base_url
    method: GET; HEAD for the headers alone; OPTIONS for a browser's preflight
    query: parameters added to the path; a list gives one of each item
    headers: sent besides those of the connection
    """
    ask = {"GET": http.get, "HEAD": http.head, "OPTIONS": http.options}[method]
    return await ask(path, query=query, headers=headers)


@check("http.health", expect={"status": {"between": [200, 299]}})
async def health(
    http: HttpReader,
    path: str = "/",
    *,
    query: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> HttpAnswer:
    """Whether a GET of `path` answers with a status of 2xx, unless `expect` says otherwise.

    path: below the connection's base_url
    query: parameters added to the path; a list gives one of each item
    headers: sent besides those of the connection
    """
    return await http.get(path, query=query, headers=headers)
