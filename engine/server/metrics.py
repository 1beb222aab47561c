"""What Prometheus is told of us, under `/metrics`."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from engine.clock import MICROSECONDS
from engine.core.events import Event

FOLLOWED_MAX = 10_000
"""Runs whose name, and steps whose start, are remembered until their end."""

_STEP_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)
_EFFECT_BUCKETS = (0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10, 60)
_APPEND_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)


class Metrics:
    """Counted in this process, since it started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        here = self.registry
        self.runs = Counter(
            "runbook_runs",
            "Runs that ended, by runbook and outcome",
            ("runbook", "outcome"),
            registry=here,
        )
        self.steps = Histogram(
            "runbook_step_seconds",
            "How long steps took, by their type and how they ended",
            ("type", "status"),
            buckets=_STEP_BUCKETS,
            registry=here,
        )
        self.deliveries = Counter(
            "runbook_deliveries",
            "What arrived, by source and verdict",
            ("source", "verdict"),
            registry=here,
        )
        self.first_effect = Histogram(
            "runbook_first_effect_seconds",
            "From a delivery to the first step of the run it started",
            buckets=_EFFECT_BUCKETS,
            registry=here,
        )
        self.append = Histogram(
            "runbook_append_seconds",
            "How long a commit of the journal took",
            buckets=_APPEND_BUCKETS,
            registry=here,
        )
        self._make_telling()
        self._make_gauges()
        self._names: OrderedDict[str, str] = OrderedDict()
        self._types: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._arrived: OrderedDict[str, int] = OrderedDict()

    def _make_telling(self) -> None:
        """What is seen of how people are told, see `watch`."""
        here = self.registry
        self.messages = Counter(
            "runbook_messages",
            "Tries to tell somebody, by channel, kind and fate: told, again (it will be tried once "
            "more), failed (not by this channel), doubt (it may have gone out)",
            ("channel", "kind", "fate"),
            registry=here,
        )
        self.exhausted = Counter(
            "runbook_escalations_exhausted",
            "Escalations of which no level is left and that nobody took: some were told, or nobody",
            ("told",),
            registry=here,
        )
        for told in ("some", "nobody"):
            self.exhausted.labels(told)  # a rate needs the 0 before the first one
        self.escalations = Gauge(
            "runbook_escalations_open", "Escalations that nobody took so far", registry=here
        )
        self.escalation_age = Gauge(
            "runbook_escalation_oldest_seconds",
            "Since the oldest escalation began that nobody took so far",
            registry=here,
        )
        self.late = Gauge(
            "runbook_escalation_late_seconds",
            "How long a level or a message is due that was not told yet, the longest",
            registry=here,
        )
        self.contacts = Gauge(
            "runbook_contacts_broken",
            "Packs whose contacts cannot be read: people are called as they said last",
            registry=here,
        )

    def _make_gauges(self) -> None:
        """What is measured when it is asked for, see `health`."""
        here = self.registry
        self.driven = Gauge(
            "runbook_runs_driven", "Runs that are driven by this process", registry=here
        )
        self.parked = Gauge("runbook_runs_parked", "Runs that wait for people only", registry=here)
        self.broken = Gauge(
            "runbook_runs_broken",
            "Runs whose driving broke, and that are tried again",
            registry=here,
        )
        self.held = Gauge(
            "runbook_runs_held",
            "Runs that cannot be gone on with as things are: a target that moved, an environment "
            "or a secret that is missing. Nothing is done, people are called",
            registry=here,
        )
        self.writable = Gauge(
            "runbook_journal_writable", "1 while the journal can be written", registry=here
        )
        self.free = Gauge(
            "runbook_journal_free_bytes", "Room on the disk of the journal", registry=here
        )
        self.open = Gauge(
            "runbook_deliveries_open", "Deliveries nobody has settled yet", registry=here
        )
        self.approvals = Gauge(
            "runbook_approvals_waiting", "Steps that wait for approval", registry=here
        )
        self.breakers = Gauge(
            "runbook_breakers_open", "Runbooks whose breaker is open", registry=here
        )
        self.frozen = Gauge("runbook_frozen", "1 while everything is frozen", registry=here)
        self.refused = Gauge(
            "runbook_credentials_refused", "Wrong or missing credentials", registry=here
        )
        self.rehearsed = Gauge(
            "runbook_rehearsal_age_seconds", "Since the last rehearsal", ("runbook",), registry=here
        )

    def arrived(self, run: str, received_us: int) -> None:
        """This run is started by a delivery that came then."""
        self._arrived[run] = received_us
        _bound(self._arrived)

    def observe(self, event: Event) -> None:
        """Takes in what happened in a run."""
        body, run = event.body, event.run
        if event.type == "RunStarted":
            self._names[run] = str(body["name"])
            _bound(self._names)
        elif event.type == "StepStarted":
            self._types[run, str(body["path"])] = str(body["plan"].get("type") or body["kind"])
            _bound(self._types)
            received_us = self._arrived.pop(run, None)
            if received_us is not None:
                self.first_effect.observe(max(0, event.at_us - received_us) / MICROSECONDS)
        elif event.type == "StepFinished":
            type_ = self._types.pop((run, str(body["path"])), "-")
            self.steps.labels(type_, body["status"]).observe((body["elapsed_ms"] or 0) / 1000)
        elif event.type == "RunFinished":
            self.runs.labels(self._names.pop(run, "-"), body["outcome"]).inc()

    def text(self) -> bytes:
        """The exposition format, version 0.0.4."""
        return generate_latest(self.registry)


def _bound(known: OrderedDict[Any, Any]) -> None:
    if len(known) > FOLLOWED_MAX:
        known.popitem(last=False)
