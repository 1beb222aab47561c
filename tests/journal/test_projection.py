"""How a run is, folded from its events."""

from __future__ import annotations

import pytest

from engine.core.events import Event
from engine.journal.projection import NOTHING, advance


def status(*events):
    summary = NOTHING
    for seq, (kind, body) in enumerate(events, start=1):
        summary = advance(summary, Event("r", seq, seq, kind, 1, {"name": "ann"}, body, ""))
    return summary.status


STARTED = ("RunStarted", {"name": "n", "environment": "e", "mode": "real"})
ASKED = ("StepStarted", {"path": "q", "plan": {"asks": "confirm", "type": "human.confirm"}})
ASKED_TOO = ("StepStarted", {"path": "p", "plan": {"asks": "do", "type": "human.do"}})
PAGED = ("StepStarted", {"path": "e", "plan": {"policy": "default", "wait": "acknowledged"}})
TOLD = ("StepStarted", {"path": "e", "plan": {"policy": "default", "wait": None}})
CALLED = ("StepStarted", {"path": "c", "plan": {"type": "http.request", "params": {}}})
APPROVE = ("ApprovalRequested", {"path": "c", "plan": {"type": "http.request", "params": {}}})
DOUBT = ("StepFinished", {"path": "c", "status": "unknown"})
FINISHED = ("RunFinished", {"outcome": "resolved", "because": None})


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([STARTED], "running"),
        ([STARTED, CALLED], "running"),
        ([STARTED, ASKED], "waiting"),
        ([STARTED, PAGED], "waiting"),
        ([STARTED, TOLD], "running"),
        ([STARTED, ASKED, ("Answered", {"path": "q"})], "running"),
        ([STARTED, ASKED, ASKED_TOO, ("Answered", {"path": "q"})], "waiting"),
        ([STARTED, ASKED, ("StepFinished", {"path": "q", "status": "errored"})], "running"),
        ([STARTED, ASKED, ("AttemptFinished", {"path": "q", "status": "errored"})], "running"),
        ([STARTED, APPROVE], "waiting"),
        ([STARTED, APPROVE, ("Approved", {"path": "c"})], "waiting"),
        ([STARTED, APPROVE, ("Approved", {"path": "c"}), CALLED], "running"),
        ([STARTED, APPROVE, ("StepFinished", {"path": "c", "status": "refused"})], "running"),
        ([STARTED, DOUBT], "in doubt"),
        ([STARTED, DOUBT, ASKED], "in doubt"),
        ([STARTED, DOUBT, ("Answered", {"path": "c"})], "in doubt"),
        ([STARTED, DOUBT, ("DoubtSettled", {"path": "x"})], "in doubt"),
        ([STARTED, DOUBT, ("DoubtSettled", {"path": "c"})], "running"),
        ([STARTED, DOUBT, CALLED], "running"),
        ([STARTED, DOUBT, ("StepProgressed", {"path": "c"}), FINISHED], "resolved"),
        ([STARTED, ("StepStarted", {"path": "x"})], "running"),
        ([STARTED, ("StepStarted", {"path": "x", "plan": None})], "running"),
    ],
)
def test_the_status_follows_from_the_events(events, expected):
    assert status(*events) == expected


def test_an_event_that_changes_nothing_gives_the_same_object():
    summary = advance(NOTHING, Event("r", 1, 1, "RunStarted", 1, {"name": "ann"}, {}, ""))
    assert advance(summary, Event("r", 2, 2, CALLED[0], 1, {}, CALLED[1], "")) is summary
