"""Changes over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from engine.adapters.http_answer import HttpAnswer, shown_body
from engine.adapters.http_request import Body, Parts
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
    dry_run: what to add to json, query or headers for the target's own dry run, in rehearsals
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
    """The request as it would be sent, without what the connection adds to it. With `dry_run` the
    target is asked what it would do; without, only whether somebody is there.
    """
    body = Body(more.get("json"), more.get("form"), more.get("text"))
    parts = Parts(body, more.get("query") or {}, more.get("headers") or {})
    call = http.call(method, path, body=body, query=parts.query, headers=parts.headers)
    if (dry_run := more.get("dry_run")) is not None:
        found = await http.trial(method, path, parts, dry_run)
        told = f"its dry run was answered with {found.status}: {shown_body(found)}"
        return Preview(http.rendered(call), diff=told)
    await http.reach()
    return Preview(http.rendered(call))
