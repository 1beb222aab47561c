"""Scenarios: read with every diagnostic, played by the core, judged by the language's matchers."""

from __future__ import annotations

import random
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from engine.errors import Diagnosed
from engine.language.load import load_runbook
from engine.language.model import Runbook
from engine.registry import Registry
from engine.scenario.coverage import never_reached, points
from engine.scenario.judging import judged
from engine.scenario.play import Played, Unscripted, play
from engine.scenario.read import Scenario, read_scenarios
from engine.scenario.report import Result, junit, try_scenario
from tests.core import steps as step_types
from tests.core.world import REGISTRY, book
from tests.runs import lab
from tests.spending import at_most_s

TEXT = """
inputs: {limit: {type: number, default: 10}}
steps:
  - {id: size, check: t.look}
  - id: which
    choose:
      - name: small
        when: size.n < inputs.limit
        steps: [{end: resolved, because: "only {{ size.n }}"}]
    otherwise: [{id: shrink, action: t.act}]
  - {id: again, check: t.look, expect: {n: {lt: 10}}, within: 1m, every: 10s}
  - {id: sure, check: t.confirm, with: {question: fine?}}
on_failure: [{id: page, escalate: lead, message: "still {{ again.n }}"}]
outputs: {was: "{{ size.n }}"}
"""
assert step_types


def file_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "main.test.yaml"
    path.write_text(text)
    return path


def one(tmp_path: Path, text: str, runbook: Runbook | None = None) -> Scenario:
    indented = text.strip().replace("\n", "\n    ")
    lines = f"scenarios:\n  - name: it\n    {indented}\n"
    return read_scenarios(file_of(tmp_path, lines), runbook or book(TEXT))[0]


def played(tmp_path: Path, text: str) -> Played:
    runbook = book(TEXT)
    # only what the steps look at is asked for: `t.look` takes no target, so it would really run
    return play(
        runbook,
        one(tmp_path, f"{text.strip()}\nexpect: {{outcome: {{exists: true}}}}", runbook),
        REGISTRY,
    )


def test_a_scenario_says_what_came_of_a_run(tmp_path: Path):
    found = played(tmp_path, "finds: {size: {n: 3}}")
    assert (found.outcome, found.because) == ("resolved", "only 3")
    assert found.steps == ("size",)
    assert found.statuses["which"] == "passed"


def test_each_attempt_finds_the_next_finding_and_the_last_for_ever(tmp_path: Path):
    found = played(
        tmp_path,
        """
finds:
  size: {n: 30}
  shrink: {}
  again: [{n: 20}, {errored: refused}, {n: 5}]
  sure: {answer: "yes"}
""",
    )
    assert found.outcome == "resolved"
    assert found.steps == ("size", "shrink", "again", "sure")
    assert 20 <= found.took_s < 21
    assert found.outputs == {"was": 30}


def test_what_nobody_answers_waits(tmp_path: Path):
    found = played(tmp_path, "finds: {size: {n: 30}, shrink: {}, again: {n: 1}}")
    assert (found.outcome, found.waits_for) == ("waiting", ("sure",))


def test_messages_are_what_people_would_have_been_told(tmp_path: Path):
    found = played(tmp_path, "finds: {size: {n: 30}, shrink: {}, again: {n: 20}}")
    assert found.outcome == "failed"
    assert found.messages == ({"policy": "lead", "text": "still 20"},)
    assert found.statuses["again"] == "failed"


@pytest.mark.parametrize(
    ("settles", "outcome"), [("", "in doubt"), ("settles: {shrink: happened}", "resolved")]
)
def test_an_action_in_doubt_waits_for_a_person(tmp_path: Path, settles: str, outcome: str):
    finds = "finds: {size: {n: 30}, shrink: {unknown: lost}, again: {n: 1}, sure: {answer: 'yes'}}"
    assert played(tmp_path, f"{finds}\n{settles}").outcome == outcome


def test_a_step_that_would_reach_out_must_be_scripted(tmp_path: Path):

    registry = Registry.of([lab], [lab.LabAdapter])
    text = "title: t\nsteps: [{id: a, check: lab.look, target: there}]\n"
    runbook = load_runbook("p/main", text, "main.yaml", registry, lambda _: None)
    scenario = one(tmp_path, "expect: {outcome: {exists: true}}", runbook)
    with pytest.raises(Unscripted, match="the scenario does not say what it finds"):
        play(runbook, scenario, registry)


def test_a_step_without_a_target_just_runs(tmp_path: Path):
    runbook = book("steps: [{id: a, check: t.look, with: {what: 5}, expect: {what: 5}}]")
    found = play(runbook, one(tmp_path, "expect: {outcome: {exists: true}}", runbook), REGISTRY)
    assert found.outcome == "resolved"


def test_expectations_explain_themselves(tmp_path: Path):
    scenario = one(
        tmp_path,
        """
finds: {size: {n: 3}}
expect: {outcome: failed, steps: [size], because: {contains: few}}
""",
    )
    lines = judged(scenario, play(book(TEXT), scenario, REGISTRY))
    assert lines[0] == 'outcome: expected "failed", was "resolved"'
    assert len(lines) == 2
    assert "few" in lines[1]


WRONG = """
scenarios:
  - finds: {siz: {n: 1}, again: [], shrink: 5}
    settles: {shrink: perhaps}
    expect: {outcome: {equals: resolved}}
  - name: twice
    expect: {outcome: resolved}
    expects: {}
  - name: twice
    expect: {outcome: {lt: [}}
"""


def test_all_that_is_wrong_is_told_at_once_with_places(tmp_path: Path):
    text = WRONG.replace("{lt: [}", "{matches: '('}")
    with pytest.raises(Diagnosed) as caught:
        read_scenarios(file_of(tmp_path, text), book(TEXT))
    told = [(d.place.line, d.what) for d in caught.value.diagnostics]
    assert (3, "a scenario has a `name`") in told
    assert any(line == 3 and "there is no step" in what for line, what in told)
    assert any((line == 4 and "perhaps" in what) or "takes did-not" in what for line, what in told)
    assert any(line == 8 and "unknown key" in what for line, what in told)
    assert any("is the name of another scenario too" in what for _, what in told)


def test_a_file_that_is_no_yaml_is_told_and_not_a_traceback(tmp_path: Path):
    with pytest.raises(Diagnosed):
        read_scenarios(file_of(tmp_path, "scenarios: [}"), book(TEXT))


def test_what_no_scenario_reaches_is_named(tmp_path: Path):
    runbook = book(TEXT)
    scenario = one(tmp_path, "finds: {size: {n: 3}}\nexpect: {outcome: resolved}", runbook)
    result = try_scenario(runbook, scenario, REGISTRY)
    assert never_reached(points(runbook), [result.reached]) == {
        "t/main": ("which: the way otherwise", "shrink", "again", "sure", "page")
    }


def test_junit_has_a_case_for_each_scenario_and_says_why_one_failed(tmp_path: Path):
    place = one(tmp_path, "expect: {outcome: {exists: true}}").place
    results = [
        Result("p/a", "good", place, (), 1.5),
        Result("p/a", "bad <&>", place, ("outcome: expected 1, was 2", "more"), 2.0),
    ]
    root = ET.fromstring(junit(results))
    suite = root[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("p/a", "2", "1")
    failure = suite[1].find("failure")
    assert failure is not None
    assert failure.get("message") == "outcome: expected 1, was 2"


def test_a_scenario_is_played_the_same_way_every_time(tmp_path: Path):
    text = "finds: {size: {n: 30}, shrink: {}, again: [{n: 20}, {n: 2}], sure: {answer: 'no'}}"
    first, second = played(tmp_path, text), played(tmp_path, text)
    assert first == second


def test_a_runbook_that_waits_for_days_is_played_at_once(tmp_path: Path):
    runbook = book("steps: [{wait: 3d}, {id: a, check: t.look}]")
    with at_most_s(5):
        found = play(runbook, one(tmp_path, "expect: {outcome: {exists: true}}", runbook), REGISTRY)
    assert found.took_s >= 3 * 24 * 3600  # a test that really waited would be ended as hanging


def test_damaged_files_give_diagnostics_and_never_a_traceback(tmp_path: Path):
    runbook, chance = book(TEXT), random.Random(7)
    whole = f"{WRONG}  - name: it\n    finds: {{size: [{{n: 3}}, {{errored: no}}]}}\n"
    refused = 0
    for _ in range(2000):
        text = list(whole)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(text))
            text[at : at + chance.randint(0, 9)] = chance.choice("{}[]:,-\n \"'&*!|>%@`0a\0")
        try:
            read_scenarios(file_of(tmp_path, "".join(text)), runbook)
        except Diagnosed as error:
            refused += bool(error.diagnostics)
    assert refused > 1500
