"""The whole way: a metric, a rule of Prometheus, Alertmanager, the runbook's first step."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from pathlib import Path

from tests.ports import free_port
from tests.server.process import server

RULES = """groups:
  - name: g
    rules:
      - alert: DiskFull
        expr: vector(1)
        for: 1s
        labels: {instance: db-1}
        annotations: {summary: full}
"""
RESEND = "--rules.alert.resend-delay=1s"
"""What fires before Alertmanager is discovered, five seconds after the start, is sent again."""

PROMETHEUS = """global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{folder}/rules.yaml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]}}
"""
ALERTMANAGER = """
route: {{receiver: runbook, group_by: [alertname], group_wait: 1s, repeat_interval: 1h}}
receivers:
  - name: runbook
    webhook_configs:
      - url: {url}/webhooks/alertmanager
        http_config: {{authorization: {{type: Bearer, credentials: alertmanager-token}}}}
"""
BOOK = """title: Tells the target
triggers:
  - alertmanager: {match: {alertname: DiskFull}, inputs: {host: "{{ event.labels.instance }}"}}
inputs: {host: {type: string}}
steps:
  - {id: ask, check: http.request, target: there, with: {path: "/seen/{{ inputs.host }}"}}
  - {end: resolved}
"""


@contextlib.contextmanager
def running(folder: Path, *words: str):
    with (folder / "programs.log").open("ab") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


async def test_a_rule_of_prometheus_fires_and_the_first_step_reaches_its_target(tmp_path):
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.put_nowait((await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    target = await asyncio.start_server(answer, "127.0.0.1", 0)
    place = tmp_path / "books/p/environments"
    place.mkdir(parents=True)
    url = f"http://127.0.0.1:{target.sockets[0].getsockname()[1]}"
    (place / "test.yaml").write_text(
        f"connections: {{there: {{adapter: http, base_url: {url}}}}}\n"
    )
    (tmp_path / "books/p/main.yaml").write_text(BOOK)
    ports = free_port(), free_port()
    with server(tmp_path) as serving:
        (tmp_path / "rules.yaml").write_text(RULES)
        (tmp_path / "p.yaml").write_text(PROMETHEUS.format(folder=tmp_path, port=ports[0]))
        (tmp_path / "am.yaml").write_text(ALERTMANAGER.format(url=serving.url))
        alertmanager = ["--config.file=am.yaml", "--storage.path=am", "--cluster.listen-address="]
        prometheus = ["--config.file=p.yaml", "--storage.tsdb.path=tsdb", RESEND]
        with (
            running(tmp_path, "prometheus-alertmanager", *alertmanager,
                    f"--web.listen-address=127.0.0.1:{ports[0]}"),
            running(tmp_path, "prometheus", *prometheus,
                    f"--web.listen-address=127.0.0.1:{ports[1]}"),
        ):  # fmt: skip
            async with asyncio.timeout(180):
                assert await asked.get() == "/seen/db-1"
    target.close()
    await target.wait_closed()
