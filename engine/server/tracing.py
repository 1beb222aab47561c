"""Runs and steps as OpenTelemetry spans, where OpenTelemetry is installed and told where to send.

`pip install 'runbook[tracing]'`, and OTEL_EXPORTER_OTLP_ENDPOINT. Names, types, outcomes and times
go out; what steps found does not.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from importlib.util import find_spec
from typing import Any

from engine.core.events import Event

VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
OPEN_MAX = 20_000
"""Spans that are open at once; of older ones nothing is sent."""


class Tracing:
    """Takes in events; gives spans to a tracer provider of OpenTelemetry."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("runbook")
        self._open: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def observe(self, event: Event) -> None:
        """Opens and closes spans, at the times of the events."""
        body = event.body
        if event.type == "RunStarted":
            told = {"runbook.run": event.run, "runbook.environment": body["environment"]}
            self._begin(event, "", str(body["name"]), {**told, "runbook.mode": body["mode"]})
        elif event.type == "StepStarted":
            type_ = str(body["plan"].get("type") or body["kind"])
            told = {"runbook.step": body["path"], "runbook.type": type_}
            self._begin(event, str(body["path"]), type_, told)
        elif event.type == "StepFinished":
            self._end(event, str(body["path"]), str(body["status"]), body["status"] != "passed")
        elif event.type == "RunFinished":
            self._end(event, "", str(body["outcome"]), body["outcome"] != "resolved")

    def close(self) -> None:
        """Sends what is still here."""
        self._provider.shutdown()

    def _begin(self, event: Event, path: str, name: str, told: dict[str, Any]) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - an extra

        run = self._open.get((event.run, ""))
        context = trace.set_span_in_context(run) if run is not None else None
        span = self._tracer.start_span(
            name, context, start_time=event.at_us * 1000, attributes=told
        )
        self._open[event.run, path] = span
        if len(self._open) > OPEN_MAX:
            self._open.popitem(last=False)

    def _end(self, event: Event, path: str, status: str, bad: bool) -> None:
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - an extra

        span = self._open.pop((event.run, path), None)
        if span is not None:
            span.set_attribute("runbook.status", status)
            span.set_status(Status(StatusCode.ERROR if bad else StatusCode.OK))
            span.end(end_time=event.at_us * 1000)


def make_tracing() -> Tracing | None:
    """None where nobody wants spans, or OpenTelemetry is not installed."""
    if not any(os.environ.get(name) for name in VARIABLES) or not find_spec("opentelemetry.sdk"):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": "runbook"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)
