"""What stands where messages lead to (`link` of the contacts): how a run is looked at, and taken.

It says nothing of the run, and not whether there is one: anybody may have the address.
"""

from __future__ import annotations

import html
import re

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from engine.server.parts import Parts
from engine.server.problems import not_found

RUN = re.compile(r"[a-z0-9-]{1,64}")
"""How a run is named: nothing else is put on a page, least of all into a command to copy."""

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>run {run}</title>
<style>:root{{color-scheme:light dark}}h1{{font-size:1.4em}}
body{{font:16px/1.5 system-ui;max-width:40em;margin:2em auto;padding:0 1em;overflow-wrap:anywhere}}
</style><body><h1>Run {run}</h1>
<p>Where <code>runbook</code> is installed (anywhere, with <code>RUNBOOK_SERVER</code>):</p>
<ul><li>how it stands: <code>runbook watch {run}</code></li>
<li>you take it: <code>runbook ack {run}</code></li>
<li>what happened so far: <code>runbook report {run}</code></li></ul>
<p>The link or button in a message takes it too. {more}</p></body></html>"""
SECURITY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


async def look(request: Request) -> Response:
    """How a run is looked at."""
    parts: Parts = request.app.state.parts
    run = str(request.path_params["run"])
    if RUN.fullmatch(run) is None:
        raise not_found("no run is named so")
    link = f'<a href="/api/v1/runs/{html.escape(run)}">Its facts, as JSON</a>'
    if parts.settings.sign_on is not None:
        link = f'<a href="/sign-on">Sign on</a>, then: {link}'
    else:
        link = f"{link}, for whoever has a token."
    headers = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": SECURITY,
    }
    return HTMLResponse(PAGE.format(run=run, more=link), 200, headers)


ROUTES = [Route("/runs/{run}", look, methods=["GET"])]
