"""Changes over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from engine.adapters.http_answer import HttpAnswer
from engine.adapters.http_request import Body
from engine.plugin import UNSAFE, Preview, action

if TYPE_CHECKING:
    from engine.adapters.http import HttpReader, HttpWriter

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@action("http.request", effect=UNSAFE)
async def request(  # noqa: PLR0913 - a request has these parts, and each is a key in YAML
    http: HttpWriter,
    method: Method,
    path: str = "/",
    *,
    query: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    json: Any = None,
    form: dict[str, Any] | None = None,
    text: str | None = None,
    accept: list[int] | None = None,
    dry_run: dict[str, Any] | None = None,  # noqa: ARG001 - only a rehearsal asks with it
) -> HttpAnswer:
    """One request that changes something; done when it is answered with 2xx, 303 or one of
    `accept`.

    method: GET, POST, PUT, PATCH or DELETE
    path: below the connection's base_url
    query: parameters added to the path; a list gives one of each item
    headers: sent besides those of the connection
    json: the body, as JSON
    form: the body, as a form
    text: the body, as text
    accept: further statuses that mean done, such as 404 of a DELETE
    dry_run: what to add for the target's own dry run, for rehearsals
    """
    return await http.request(
        method,
        path,
        body=Body(json, form, text),
        query=query,
        headers=headers,
        accept=tuple(accept or ()),
    )


@request.preview
async def would_request(http: HttpReader, method: Method, path: str = "/", **more: Any) -> Preview:
    """The request as it would be sent, without what the connection adds to it."""
    body = Body(more.get("json"), more.get("form"), more.get("text"))
    call = http.call(method, path, body=body, query=more.get("query"), headers=more.get("headers"))
    return Preview(http.rendered(call))
