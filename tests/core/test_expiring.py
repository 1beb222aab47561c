"""Of an approval that nobody gave in time people hear once, from whatever tells them first."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.expiring import told_by_handler
from engine.language.model import Call, walk_runbook
from tests.core.telling import MINUTE, Phone, level, telling
from tests.core.world import book

ASKS = "{id: free, action: t.strike, approve: {by: [lead], within: 10m}"
STEP = f"steps:\n  - {ASKS}}}\n"
ESCALATES = "on_failure:\n  - {escalate: default, message: It stopped at free}\n"
REST = "{wait: 1m, id: rest}"
TOLD = "[{escalate: default}]"


def phone(text: str, **more: Any) -> Phone:
    knows = {**telling(level("ana", "page"), level("bo", "page", 900)), "answer_us": 15 * MINUTE}
    knows |= {"hands_over": True, "until_end": True, "handlers_tell": True, **more}
    return Phone(book(text), knows).begin().go()


def called(found: Phone) -> list[tuple[int, str]]:
    return [(at_s, who) for at_s, kind, who, _ in found.sent if kind == "page"]


def messages(found: Phone) -> list[str]:
    return [str(one.message) for one in found.state.escalations.values()]


def test_whoever_hears_of_it_by_what_handles_its_failure_hears_of_it_once():
    found = phone(STEP + ESCALATES)
    assert called(found) == [(600, "ana"), (1500, "bo")]
    assert messages(found)[0] == "It stopped at free"
    assert found.last("ApprovalExpired")["policy"] is None
    free = found.state.steps["free"]
    assert (free.status, free.why) == ("failed", ("nobody approved it in time (0 of 1 did)",))
    assert found.state.finished is not None
    assert found.state.finished["outcome"] == "failed"


def test_without_a_handler_that_tells_it_is_told_by_itself():
    found = phone(STEP)
    assert called(found)[0] == (600, "ana")
    assert "nobody approved it in time" in messages(found)[0]
    assert found.last("ApprovalExpired")["policy"] == "default"


def test_a_run_of_an_engine_that_told_both_is_replayed_so():
    found = phone(STEP + ESCALATES, handlers_tell=False)
    assert [who for at_s, who in called(found) if at_s <= 601] == ["ana", "ana"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (STEP + ESCALATES, True),
        (STEP + ESCALATES.replace("default", "other"), False),
        (STEP + "on_failure:\n  - {wait: 1m, id: rest}\n  - {escalate: default}\n", False),
        (STEP + 'on_failure:\n  - {escalate: default, when: "1 == 2"}\n', False),
        (f"steps:\n  - {ASKS}, on_failure: {TOLD}}}\n", True),
        (f"steps:\n  - {ASKS}, on_failure: continue}}\n{ESCALATES}", False),
        (f"steps:\n  - {ASKS}, on_failure: [{REST}]}}\n{ESCALATES}", False),
        (f"steps:\n  - {{group: g, steps: [{ASKS}}}]}}\n{ESCALATES}", True),
        (f"steps:\n  - {{group: g, steps: [{ASKS}}}], on_failure: {TOLD}}}\n", True),
        (f"steps:\n  - {{group: g, steps: [{ASKS}}}], on_failure: continue}}\n{ESCALATES}", False),
        (
            f"steps:\n  - group: g\n    steps: [{ASKS}}}]\n    always: [{REST}]\n{ESCALATES}",
            False,
        ),
        (f"steps:\n  - choose: [{{when: 1 == 1, steps: [{ASKS}}}]}}]\n{ESCALATES}", True),
        (f"steps:\n  - {{parallel: [{ASKS}}}]}}\n{ESCALATES}", False),
        (f"steps:\n  - {{each: '[1]', as: n, steps: [{ASKS}}}]}}\n{ESCALATES}", False),
        (f"steps: [{REST}]\nalways:\n  - {ASKS}}}\n{ESCALATES}", False),
        (
            f"steps: [{REST}]\non_failure:\n  - {{escalate: default}}\n  - {ASKS}}}\n",
            False,
        ),
    ],
)
def test_only_what_tells_the_same_people_at_once_and_in_any_case_tells_it_instead(
    text: str, told: bool
):
    runbook = book(text)
    (free,) = [entry for entry in walk_runbook(runbook) if isinstance(entry, Call)]
    assert told_by_handler(runbook, free, "default") is told
