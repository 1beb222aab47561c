"""Prometheus for tests: the real one (Debian's package prometheus), and a small fake that answers
what the real one was heard to answer. Both pass the same contract.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from servers import START_MAX_S, MissingServer, free_port

from checks import prometheus as checks
from engine.adapters.prometheus import PrometheusAdapter
from engine.language.expect import judge
from engine.plugin import StepContext, to_json
from engine.registry import Registry
from engine.sandbox.http import http_service
from engine.sandbox.routes import Answer, Request

PROMETHEUS_MISSING = "no Prometheus to test against: install Debian's package prometheus"

RULES = """
groups:
  - name: tests
    rules:
      - alert: Always
        expr: label_replace(vector(1), "zone", "a", "", "")
              or label_replace(vector(2), "zone", "b", "", "")
        labels: {severity: page}
        annotations: {summary: it fires}
      - alert: Later
        expr: vector(0) == 0
        for: 1h
      - alert: Never
        expr: vector(0) > 1
      - alert: Broken
        expr: vector(1) + on() (label_replace(vector(1), "n", "a", "", "")
              or label_replace(vector(2), "n", "b", "", ""))
"""

TWO = 'label_replace(vector(1),"n","a","","") or label_replace(vector(7),"n","b","","")'
MANY_TO_MANY = f"vector(1) + on() ({TWO})"
"""A query that cannot be carried out."""


@contextlib.contextmanager
def prometheus_server() -> Iterator[str]:
    """The real one, in a folder of its own; yields its URL once its rules were evaluated."""
    binary = shutil.which("prometheus")
    if binary is None:
        raise MissingServer(PROMETHEUS_MISSING)
    folder = Path(tempfile.mkdtemp(prefix="rb-prometheus-"))
    url = f"http://127.0.0.1:{free_port()}"
    (folder / "rules.yml").write_text(RULES)
    (folder / "prometheus.yml").write_text(
        "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
    )
    process = subprocess.Popen(
        [binary, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder}",
         f"--web.listen-address={url.partition('//')[2]}", "--log.level=error"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for_rules(url, process)
        yield url
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_rules(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_MAX_S
    while True:
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"{url}/api/v1/rules", timeout=5) as found:
                groups = json.load(found)["data"]["groups"]
            if groups and all(r["health"] != "unknown" for g in groups for r in g["rules"]):
                return
        if process.poll() is not None:
            raise MissingServer(f"prometheus ended with {process.returncode} before it answered")
        if time.monotonic() > until:
            raise MissingServer(f"prometheus did not answer within {START_MAX_S:g} s")
        time.sleep(0.02)


NOW_S = 1795223809.305
"""What time the fake has."""


def vector(*series: tuple[dict[str, str], str]) -> dict[str, Any]:
    return {
        "resultType": "vector",
        "result": [{"metric": labels, "value": [NOW_S, value]} for labels, value in series],
    }


HEARD: dict[str, Any] = {
    "1": {"resultType": "scalar", "result": [NOW_S, "1"]},
    "time()": {"resultType": "scalar", "result": [NOW_S, f"{NOW_S}"]},
    '"a"': {"resultType": "string", "result": [NOW_S, "a"]},
    "no_such_metric": vector(),
    "vector(3)": vector(({}, "3")),
    "vector(1)/0": vector(({}, "+Inf")),
    "vector(-1)/0": vector(({}, "-Inf")),
    "vector(0)/0": vector(({}, "NaN")),
    TWO: vector(({"n": "a"}, "1"), ({"n": "b"}, "7")),
    f"{TWO} or vector(0)/0": vector(({"n": "a"}, "1"), ({"n": "b"}, "7"), ({}, "NaN")),
    "vector(1)[1m:1s]": {"resultType": "matrix", "result": []},
}
"""What the real one answers to these, but for the time."""

REFUSED: dict[str, tuple[int, str, str]] = {
    "sum(1": (400, "bad_data", "1:6: parse error: unclosed left parenthesis"),
    "1 +\n  up{": (400, "bad_data", "2:6: parse error: unexpected end of input inside braces"),
    MANY_TO_MANY: (422, "execution", "multiple matches for labels: many-to-one"),
}


@dataclass
class FakePrometheus:
    """Answers without evaluating anything. `faults` are answers that come before, path by path."""

    faults: dict[str, Answer] = field(default_factory=dict)
    seen: list[Request] = field(default_factory=list)
    url: str = ""
    tells: dict[str, str] = field(default_factory=dict)

    def answer(self, request: Request, _now: datetime) -> Answer:
        self.seen.append(request)
        if request.path in self.faults:
            return self.faults[request.path]
        asked = {k: v[0] for k, v in parse_qs(request.target.partition("?")[2]).items()}
        if request.path == "/api/v1/rules":
            return _json(200, {"status": "success", "data": {"groups": [{"rules": _rules()}]}})
        query = asked["query"]
        if query in REFUSED:
            status, kind, said = REFUSED[query]
            said = f'invalid parameter "query": {said}' if kind == "bad_data" else said
            return _json(status, {"status": "error", "errorType": kind, "error": said})
        if request.path == "/api/v1/query_range":
            data = {"resultType": "matrix", "result": _matrix(query, asked)}
        else:
            data = HEARD[query]
        return _json(200, {"status": "success", "data": data})


def _matrix(query: str, asked: dict[str, str]) -> list[dict[str, Any]]:
    start, end, step = (float(asked[k]) for k in ("start", "end", "step"))
    times = [start + n * step for n in range(int((end - start) / step) + 1)]
    if query.startswith("vector(time())"):
        bound = query.partition(" ")[2]
        kept = [t for t in times if not bound or t < float(bound.rpartition(" ")[2])]
        return [{"metric": {}, "values": [[t, f"{t}"] for t in kept]}] if kept else []
    return [
        {"metric": one["metric"], "values": [[t, one["value"][1]] for t in times]}
        for one in HEARD[query]["result"]
    ]


def _rules() -> list[dict[str, Any]]:
    def alert(name: str, labels: dict[str, str], state: str, value: str) -> dict[str, Any]:
        note = {"summary": "it fires"} if name == "Always" else {}
        all_labels = {"alertname": name, **labels}
        at = "2026-11-21T01:16:45.73091461Z"
        return {"labels": all_labels, "annotations": note, "state": state, "activeAt": at,
                "value": value}  # fmt: skip

    firing = [
        alert("Always", {"severity": "page", "zone": "a"}, "firing", "1e+00"),
        alert("Always", {"severity": "page", "zone": "b"}, "firing", "2e+00"),
    ]
    pending = [alert("Later", {}, "pending", "0e+00")]
    usual = {"type": "alerting", "health": "ok", "lastEvaluation": "2026-11-21T01:16:48.7Z"}
    said = "found duplicate series for the match group: many-to-many matching not allowed"
    return [
        {**usual, "name": "Always", "state": "firing", "alerts": firing},
        {**usual, "name": "Later", "state": "pending", "alerts": pending},
        {**usual, "name": "Never", "state": "inactive", "alerts": []},
        {**usual, "name": "Broken", "state": "inactive", "alerts": [], "health": "err",
         "lastError": said},
    ]  # fmt: skip


def _json(status: int, body: Any) -> Answer:
    kind = (("Content-Type", "application/json"),)
    return Answer(status, kind, json.dumps(body).encode())


@contextlib.asynccontextmanager
async def fake_prometheus() -> AsyncIterator[FakePrometheus]:
    fake = FakePrometheus()
    async with http_service(fake, lambda: datetime.now(UTC)) as told:
        fake.url = told["url"]
        yield fake


CONTEXT = StepContext(run="r1", path="step", timeout_s=20.0)
REGISTRY = Registry.of([checks], [PrometheusAdapter])


@contextlib.asynccontextmanager
async def connected(url: str, **settings: Any) -> AsyncIterator[PrometheusAdapter]:
    adapter = PrometheusAdapter(url, **settings)
    try:
        yield adapter
    finally:
        await adapter.close()


async def asked(url: str, name: str, /, **params: Any) -> tuple[dict[str, Any], Any]:
    """What a check finds, and whether that passes without an `expect` of the step's own."""
    step = REGISTRY.step(f"prometheus.{name}", "check")
    async with connected(url) as adapter:
        found = to_json(await step.call(adapter.reader(CONTEXT), params))
    assert found.keys() == step.signature.result_fields
    return found, judge(step.signature.default_expect, {"result": found})
