"""What watches us: metrics, health, logs, spans."""

from __future__ import annotations

import asyncio
import json

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from engine.server.tracing import Tracing
from tests.runs import lab
from tests.server.conftest import alert, group, pd_event, serving_in


def read(text: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_metrics_count_runs_steps_deliveries_and_the_time_to_the_first_step(serving):
    await serving.pagerduty(pd_event(1))
    _, verdicts = await serving.next_settled()
    await serving.ended(verdicts[0].run)
    await serving.alerts(group(alert("a", name="Other")))
    await serving.next_settled()
    async with asyncio.timeout(60):
        while serving.parts.keeper.driven:
            await serving.parts.store.wait_for_more(verdicts[0].run, 999, 0.01)
    found = read((await serving.http.get("/metrics")).text)
    assert found["runbook_runs_total", "outcome=resolved,runbook=p/main"] == 1
    assert found["runbook_step_seconds_count", "status=passed,type=lab.act"] == 1
    assert found["runbook_deliveries_total", "source=pagerduty,verdict=started"] == 1
    assert found["runbook_deliveries_total", "source=alertmanager,verdict=ignored"] == 1
    assert found["runbook_first_effect_seconds_count", ""] == 1
    assert found["runbook_append_seconds_count", ""] > 3
    assert found["runbook_runs_driven", ""] == 0
    assert found["runbook_frozen", ""] == 0


async def test_what_waits_for_approval_waits_in_the_list_and_is_counted(serving):
    token = await serving.token("operator")
    asked = {"runbook": "p/asks", "environment": "test"}
    run = (await serving.call("POST", "/runs", token, asked)).json()["run"]
    async with asyncio.timeout(60):
        while not await serving.parts.engine.questions(run):
            await serving.parts.store.wait_for_more(run, 999, 0.01)
    (row,) = await serving.parts.store.runs(status="waiting")
    assert row.run == run
    found = read((await serving.http.get("/metrics")).text)
    assert found["runbook_approvals_waiting", ""] == 1


async def test_live_and_ready_say_so_and_ending_is_not_ready(serving):
    assert (await serving.http.get("/health/live")).json() == {"live": True}
    assert (await serving.http.get("/health/ready")).status_code == 200
    serving.parts.keeper.leave()
    answer = await serving.http.get("/health/ready")
    assert (answer.status_code, answer.json()["ending"]) == (503, True)
    taken = await serving.pagerduty(pd_event(1))
    assert taken.status_code == 503


async def test_every_line_of_the_log_is_json_with_the_run_it_is_about(serving):
    await serving.pagerduty(pd_event(1))
    _, verdicts = await serving.next_settled()
    await serving.ended(verdicts[0].run)
    lines = [json.loads(line) for line in serving.log.getvalue().splitlines()]
    assert {line["level"] for line in lines} == {"info"}
    assert any(line.get("delivery") for line in lines)


async def test_runs_and_steps_are_spans_without_what_they_found(books, tmp_path):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider)

    async def look():
        return {"word": "canary-value"}

    lab.Target.on["Q1"] = look
    async with serving_in(books, tmp_path / "journal.db") as serving:
        await serving.pagerduty(pd_event(1))
        _, verdicts = await serving.next_settled()
        await serving.ended(verdicts[0].run)
        for event in await serving.parts.store.events(verdicts[0].run):
            tracing.observe(event)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) == {"p/main", "lab.look", "lab.act"}
    assert spans["lab.look"].parent.span_id == spans["p/main"].context.span_id
    assert spans["p/main"].attributes["runbook.status"] == "resolved"
    assert "canary-value" not in "".join(span.to_json() for span in spans.values())
