"""PagerDuty's REST API, as far as we use it: it refuses what the real one refuses.

Source: PagerDuty's REST API reference, version 2; see also the errors it documents (2006, 2100).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TOKEN = "pd-rest-token"


@dataclass
class Double:
    """`notes` by incident. `fail`: status codes for the next requests that would change something;
    a negative one is answered after the change is made, as when the reply is lost.
    """

    url: str = ""
    notes: dict[str, list[str]] = field(default_factory=dict)
    alerts: dict[str, list[Any]] = field(default_factory=dict)
    incidents: list[dict[str, Any]] = field(default_factory=list)
    turned: dict[str, list[str]] = field(default_factory=dict)
    disabled: bool = False
    fail: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def _problem(self, request: Request) -> Response | None:
        self.asked.append(f"{request.method} {request.url.path}")
        if request.headers.get("authorization") != f"Token token={TOKEN}":
            error = {"message": "Invalid Credentials", "code": 2006, "errors": []}
            return JSONResponse({"error": error}, 401)
        if "version=2" not in request.headers.get("accept", ""):
            return Response(status_code=406)
        return None

    async def one_notes(self, request: Request) -> Response:
        if (problem := self._problem(request)) is not None:
            return problem
        incident = request.path_params["incident"]
        if request.method == "GET":
            found = [{"content": text} for text in self.notes.get(incident, ())]
            return JSONResponse({"notes": found})
        if not request.headers.get("from"):
            return JSONResponse(
                {"error": {"message": "Requester User Not Found", "code": 1008}}, 400
            )
        code = self.fail.pop(0) if self.fail else 0
        if code > 0:
            return JSONResponse({"error": {"message": "no", "code": code}}, code)
        content = json.loads(await request.body())["note"]["content"]
        self.notes.setdefault(incident, []).append(content)
        return Response(status_code=-code) if code else JSONResponse({"note": {}}, 201)

    async def one_alerts(self, request: Request) -> Response:
        problem = self._problem(request)
        found = self.alerts.get(request.path_params["incident"], [])
        return problem or JSONResponse({"alerts": found})

    async def one_incident(self, request: Request) -> Response:
        problem = self._problem(request)
        if problem is not None:
            return problem
        name = request.path_params["incident"]
        if self.turned.get(name, [""])[-1] == "resolved":
            error = {"message": "Incident Already Resolved", "code": 1001, "errors": []}
            return JSONResponse({"error": error}, 400)
        asked = json.loads(await request.body())["incident"]
        assert asked["type"] == "incident_reference"
        self.turned.setdefault(name, []).append(asked["status"])
        return JSONResponse({"incident": {}})

    async def list_incidents(self, request: Request) -> Response:
        problem = self._problem(request)
        offset, limit = (int(request.query_params[key]) for key in ("offset", "limit"))
        page = self.incidents[offset : offset + limit]
        more = offset + limit < len(self.incidents)
        return problem or JSONResponse({"incidents": page, "more": more})

    async def subscription(self, request: Request) -> Response:
        problem = self._problem(request)
        if request.method == "POST":
            self.disabled = False
        method = {"temporarily_disabled": self.disabled}
        return problem or JSONResponse({"webhook_subscription": {"delivery_method": method}})


@asynccontextmanager
async def double() -> AsyncIterator[Double]:
    """A server of its own port, in this loop."""
    made = Double()
    both = ["GET", "POST"]
    app = Starlette(
        routes=[
            Route("/incidents", made.list_incidents),
            Route("/incidents/{incident}", made.one_incident, methods=["PUT"]),
            Route("/incidents/{incident}/notes", made.one_notes, methods=both),
            Route("/incidents/{incident}/alerts", made.one_alerts),
            Route("/webhook_subscriptions/{name}", made.subscription),
            Route("/webhook_subscriptions/{name}/enable", made.subscription, methods=["POST"]),
        ]
    )
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    made.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    try:
        yield made
    finally:
        await server.shutdown()
