"""The guards from the command line: freeze, thaw, guards, a refused run in the list."""

from __future__ import annotations

GUARDED = """\
title: Guarded
guards: {breaker: 1}
steps:
  - {check: run.compare, with: {left: 1, op: ==, right: 2}}
"""


def test_a_freeze_refuses_what_acts_with_6_and_says_why(runbook):
    assert runbook("freeze", "--why", "release 4.2").code == 0
    done = runbook("run", "shop/note", "--env", "staging")
    assert done.code == 6
    assert "release 4.2" in done.out
    (row,) = runbook("--json", "runs", "--status", "refused").objects
    assert row["because"].endswith("release 4.2")
    assert "refused by freeze" in runbook("audit", "show", "last").out
    assert "release 4.2" in runbook("guards").out
    assert runbook("run", "shop/disk-full", "--env", "staging").code == 0
    assert runbook("thaw", "--why", "it is out").code == 0
    assert runbook("run", "shop/note", "--env", "staging").code == 0
    assert runbook("thaw", "--why", "again").code == 2


def test_an_open_breaker_is_shown_and_takes_a_reason_to_try(runbook, shop):
    assert runbook("guards").err == "nothing is held back\n"
    (shop / "runbooks/shop/guarded.yaml").write_text(GUARDED)
    words = ("run", "shop/guarded", "--env", "staging")
    assert runbook(*words).code == 1
    assert runbook(*words).code == 6
    (row,) = runbook("--json", "guards").objects
    assert (row["guard"], row["what"], row["environment"]) == ("open", "shop/guarded", "staging")
    assert runbook(*words, "--through-breaker", "it was mended").code == 1
    assert runbook(*words, "--through-breaker", " ").code == 2
