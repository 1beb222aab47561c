"""`runbook lint`: calls that the end of their own run cuts short."""

from __future__ import annotations

import pytest

from tests.cli.test_reach import lint

CONTACTS = """
people:
  ana: {}
  bo: {}
policies:
  default: [{who: [ana]}, {who: [bo], after: 15m}]
  all-at-once: [{who: [ana]}, {who: [bo], by: [console]}]
severities: {SEV4: {policy: all-at-once}}
"""
LOOK = "{check: run.value, id: look, with: {value: 1}, expect: result.value == 2"
CALL = "{escalate: default, id: call, message: It is full}"

CUT_SHORT = f"""
title: Full
steps:
  - {LOOK}}}
  - choose:
      - when: look is passed
        steps:
          - {CALL}
          - {{end: resolved, because: they know}}
    otherwise:
      - group: whoever is there
        steps:
          - parallel:
              - {CALL.replace("id: call", "id: call_too")}
"""


def test_lint_tells_which_levels_are_never_called_because_their_run_is_over(runbook, shop, golden):
    golden("lint-ends.txt", lint(runbook, shop, CONTACTS, CUT_SHORT))


@pytest.mark.parametrize(
    "steps",
    [
        f"- {CALL.replace('id:', 'wait: acknowledged, id:')}",
        f"- {CALL}\n  - {{end: unresolved, because: nobody made room}}",
        f"- {CALL}\n  - {{wait: 1h}}",
        f"- {CALL.replace('default', 'all-at-once')}",
        f"- {LOOK}, on_failure: continue}}\n  - {CALL}",
        f"- {LOOK}}}\non_failure:\n  - {CALL}",
    ],
)
def test_nothing_is_told_of_calls_that_go_on(runbook, shop, steps):
    found = lint(runbook, shop, CONTACTS, f"title: x\nsteps:\n  {steps}\n")
    assert "0 errors, 0 warnings" in found, found


def test_the_policy_that_default_means_counts(runbook, shop):
    text = f"title: x\nseverity: SEV4\nsteps:\n  - {CALL}\n"
    assert "0 errors, 0 warnings" in lint(runbook, shop, CONTACTS, text)
