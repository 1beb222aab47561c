"""The demonstration: what is broken, the run in a sandbox, and how to read and verify the trail."""

from __future__ import annotations

from pathlib import Path

import pytest

BOOKS = Path(__file__).parents[2] / "runbooks"
DEMO = "adinsights/health-checks"


@pytest.fixture
def demo(runbook):
    return lambda *words: runbook("--books", str(BOOKS), "demo", *words)


def test_demonstrations_are_listed_with_what_is_broken(demo):
    done = demo("--list")
    assert done.code == 0
    assert "stratum/redis-memory-pressure\n  Redis may use" in done.out
    names = [one["name"] for one in demo("--list", "--json").objects]
    assert DEMO in names
    assert names == sorted(names)


def test_a_demonstration_explains_runs_and_says_what_to_look_at(demo):
    done = demo(DEMO)
    assert done.code == 1  # health checks find what is broken, and repair nothing
    assert done.err.splitlines()[0] == f"Health of the ADinsights stack  ({DEMO})"
    assert "ends unresolved and names both" in done.err
    assert "sandbox: http for " in done.err
    assert f"{DEMO} in sandbox" in done.out
    assert "unresolved after" in done.out
    assert "audit verify last " in done.err


def test_a_demonstration_leaves_a_whole_trail(demo, runbook):
    demo(DEMO)
    assert runbook("audit", "verify", "last").code == 0


def test_a_demonstration_in_json_speaks_json_only(demo):
    done = demo(DEMO, "--json")
    assert done.objects[-1]["type"] == "result"
    assert "What to look at" not in done.err


def test_an_unknown_demonstration_names_those_there_are(demo):
    done = demo("nothing/here")
    assert done.code == 2
    assert DEMO in done.err


def test_the_sandbox_of_a_pack_can_be_examined(runbook):
    done = runbook("--books", str(BOOKS), "doctor", "adinsights", "--env", "sandbox")
    assert done.code == 0
    assert done.err.endswith("connections, none without an answer\n")
