"""Whatever is sent, the answer is no 5xx, and there is no traceback."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from engine.channels.inbound import verify_slack
from engine.errors import Refused
from engine.secret import signatures
from tests.server.conftest import AM_TOKEN, alert, group, pd_event, serving_in, signed
from tests.server.process import server

KNOWN = """[parameters]
"path.run" = "last"
"path.pack" = "p"
"path.name" = "main"
"query.wait_s" = 0
"""
"""Of what is there, so that more than its absence is tried."""

MUTATED = 1500
"""In the suite; `tests/bench` sends a hundred thousand."""


def mutated(body: bytes, drawn: random.Random) -> bytes:
    """A body that is cut, doubled, or has some bytes changed."""
    kind = drawn.randrange(6)
    if kind == 0:
        return body[: drawn.randrange(len(body) + 1)]
    if kind == 1:
        at = drawn.randrange(len(body))
        return body[:at] + drawn.randbytes(drawn.randrange(1, 9)) + body[at:]
    if kind == 2:
        return body.replace(b'"', drawn.choice([b"'", b"", b'""']), drawn.randrange(1, 9))
    if kind == 3:
        word = drawn.choice([b"null", b"[]", b"{}", b"1e999", b"-0", b'"\\ud800"', b"[" * 900])
        at = body.find(b":", drawn.randrange(len(body)))
        return body[: at + 1] + word + body[at + 1 :]
    if kind == 4:
        return drawn.randbytes(drawn.randrange(200))
    return body.replace(b"alerts", b"alert", 1).replace(b"event", b"evnt", drawn.randrange(3))


async def attack(serving, count: int, seed: int) -> set[int]:
    """The statuses that so many mutated webhooks were answered with."""
    drawn = random.Random(seed)
    good = [pd_event(1), json.dumps(group(alert("a"), alert("b"))).encode()]
    seen = set()
    for number in range(count):
        body = mutated(drawn.choice(good), drawn)
        name = drawn.choice(["pagerduty", "alertmanager", "deploys", "backups"])
        headers = {
            "x-pagerduty-signature": signed(body),
            "x-webhook-id": str(number),
            "authorization": f"Bearer {drawn.choice([AM_TOKEN, 'backups-token'])}",
        }
        if drawn.random() < 0.2:
            key = drawn.choice(list(headers))
            headers[key] = drawn.choice(
                ["", "v1=", "Basic =", "x" * 5000, "v1=\x7f,,v1=", "Bearer"]
            )
        answer = await serving.http.post(f"/webhooks/{name}", content=body, headers=headers)
        seen.add(answer.status_code)
    return seen


async def test_mutated_webhooks_are_taken_or_refused_and_break_nothing(books, tmp_path):
    async with serving_in(books, tmp_path / "journal.db") as serving:
        seen = await attack(serving, MUTATED, 11)
        assert seen <= {202, 400, 401, 404}
        async with asyncio.timeout(60):
            while not await serving.parts.dispatcher.idle():
                await serving.next_settled()
        assert "bug" not in serving.log.getvalue()
        assert "Traceback" not in serving.log.getvalue()
        answer = await serving.pagerduty(pd_event(99_999))
        assert answer.status_code == 202


@pytest.mark.parametrize("header", ["", "v1=", "v1=zz", ",", "v1=" + "a" * 100_000, "\udc80"])
def test_a_strange_signature_is_no_signature(header):
    assert not signatures.pagerduty(b"x", header, ["secret"])
    assert signatures.standard(b"x", (header, header, header), ["secret"], 0) is not None
    given = {"X-Slack-Request-Timestamp": header, "X-Slack-Signature": header}
    with pytest.raises(Refused):
        verify_slack(["secret"], given, b"x", 0)
    assert signatures.basic(header) is None


def test_the_api_answers_no_5xx_to_whatever_its_document_allows_or_not(tmp_path):
    """schemathesis makes requests that fit the OpenAPI document, and some that do not."""
    (tmp_path / "books/p/environments").mkdir(parents=True)
    (tmp_path / "books/p/environments/test.yaml").write_text("connections: {}\n")
    (tmp_path / "books/p/main.yaml").write_text("title: t\nsteps: [{end: resolved}]\n")
    with server(tmp_path, more="requests_per_minute: 1000000") as serving:
        token = serving.token("fuzz", "--role", "admin")
        headers = {"Authorization": f"Bearer {token}"}
        body = {"runbook": "p/main", "environment": "test"}
        given = {"json": body, "headers": headers, "timeout": 60}
        httpx.post(f"{serving.url}/api/v1/runs", **given).raise_for_status()
        (tmp_path / "schemathesis.toml").write_text(KNOWN)
        words = ["run", f"{serving.url}/api/v1/openapi.json", "--checks", "not_a_server_error"]
        words += ["-H", f"Authorization: Bearer {token}", "--max-examples", "15", "--seed", "1"]
        words += ["--phases", "examples,coverage,fuzzing", "--exclude-path-regex", "/stream$"]
        words += ["--request-timeout", "20", "--no-color"]
        program = Path(sys.executable).with_name("schemathesis")
        given = {"capture_output": True, "text": True, "cwd": tmp_path, "timeout": 300}
        done = subprocess.run([str(program), *words], check=False, **given)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
        assert "Traceback" not in serving.log()
