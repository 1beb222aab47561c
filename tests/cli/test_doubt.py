"""An action that was cut short: the run is in doubt, a person settles it, and it goes on."""

from __future__ import annotations

import asyncio

import pytest

from engine.core.events import Actor, Draft
from engine.journal.open import open_store

RUN = "20261121-020000-cutshort"


@pytest.fixture
def cut_short(runbook, shop, monkeypatch):
    """A run whose driver died before its action had ended, whose probe cannot tell; how to call a
    command on it.
    """
    note = shop / "runbooks" / "shop" / "note.yaml"
    probe = 'probe: {check: run.value, with: {value: 1}, expect: result.value > "cannot tell"}'
    note.write_text(f"{note.read_text().rstrip()}\n    {probe}\n")
    recorded = runbook("--json", "run", "shop/note", "-e", "staging").objects[:2]
    assert [one["type"] for one in recorded] == ["RunStarted", "StepStarted"]
    drafts = [
        Draft(one["type"], one["body"], one["at_us"], Actor(**one["actor"])) for one in recorded
    ]

    async def record() -> None:
        store = open_store(f"sqlite:///{shop}/doubt.db")
        lease, _ = await store.create(RUN, drafts, "elsewhere:1:1")
        await store.release(lease)
        await store.close()

    asyncio.run(record())
    monkeypatch.setenv("RUNBOOK_STORE", f"sqlite:///{shop}/doubt.db")
    return runbook


def test_a_run_in_doubt_ends_with_3_and_says_how_to_settle_it(cut_short):
    done = cut_short("resume", RUN)
    assert done.code == 3
    assert "in doubt  mark: Leave a mark - the engine was cut short while this ran" in done.out
    assert f"runbook settle {RUN} mark --happened --reason '...'" in done.err
    assert f"runbook settle {RUN} mark --did-not --reason '...'" in done.err
    assert done.err.endswith(f"then: runbook resume {RUN}\n")


def test_an_action_that_happened_is_not_done_again(cut_short):
    cut_short("resume", RUN)
    settled = cut_short("settle", RUN, "--happened", "--reason", "the mark is there")
    assert (settled.code, settled.out) == (0, f"settled: mark of run {RUN} happened\n")
    done = cut_short("--json", "resume", RUN)
    assert done.code == 0
    assert [one for one in done.objects if one["type"] == "StepStarted"] == []


def test_an_action_that_did_not_happen_is_done(cut_short):
    cut_short("resume", RUN)
    assert cut_short("settle", RUN, "mark", "--did-not", "--reason", "no mark").code == 0
    done = cut_short("--json", "resume", RUN)
    assert done.code == 0
    (started,) = [one for one in done.objects if one["type"] == "StepStarted"]
    assert (started["body"]["path"], started["body"]["attempt"]) == ("mark", 2)


def test_a_run_in_doubt_is_listed_as_such(cut_short):
    cut_short("resume", RUN)
    assert "in doubt" in cut_short("runs", "--status", "in doubt").out


def test_the_trail_tells_who_settled_it_and_why(cut_short):
    cut_short("resume", RUN)
    cut_short("settle", RUN, "--happened", "--reason", "the mark is there")
    trail = cut_short("audit", "show", RUN).out
    assert "cut short: mark" in trail
    assert "mark settled: it happened" in trail
    assert "reason: the mark is there" in trail
