"""`test`, `replay`, `new --from`, `schema --scenarios`: scenarios from the command line."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from engine.cli.main import main
from engine.cli.testing import SCENARIOS
from engine.config import Books
from engine.registry import Registry
from engine.scenario.batch import PARALLEL_MIN_BYTES, Job, try_all
from engine.scenario.coverage import never_reached, points
from engine.scenario.schema import scenario_schema
from engine.wiring.scenarios import ContactsOf

ROOT = Path(__file__).resolve().parents[2]
OURS = Books([ROOT / "runbooks"])
GOLDEN = Path(__file__).parent / "golden" / "transcript.txt"

CALLED = """
title: Called
inputs: {n: {type: integer}}
steps:
  - {id: size, check: run.value, with: {value: "{{ inputs.n }}"}}
  - id: which
    choose:
      - {name: big, when: size.value > 5, steps: [{end: unresolved, because: big}]}
      - {name: small, when: true, steps: [{id: note, action: run.note, with: {text: small}}]}
"""
CALLING = """
title: Calling
inputs: {n: {type: integer, default: 1}}
steps:
  - {id: sub, runbook: p/called, inputs: {n: "{{ inputs.n }}"}}
"""
SMALL = "  - {name: a small one, expect: {outcome: resolved}}\n"
BIG = "  - {name: a big one, inputs: {n: 9}, expect: {outcome: failed, statuses: {sub: failed}}}\n"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a pack `p` whose runbook calls another one, and a journal of its own."""
    pack = tmp_path / "runbooks" / "p"
    (pack / "environments").mkdir(parents=True)
    (pack / "environments" / "local.yaml").write_text("connections: {}\n")
    (pack / "called.yaml").write_text(CALLED)
    (pack / "calling.yaml").write_text(CALLING)
    (pack / f"calling{SCENARIOS}").write_text(f"scenarios:\n{SMALL}{BIG}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RUNBOOK_BOOKS", raising=False)
    monkeypatch.setenv("RUNBOOK_STORE", f"sqlite:///{tmp_path}/journal.db")
    return pack


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Calls the command line: its exit code, standard output and standard error."""

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(words))
        return code, *capsys.readouterr()

    return call


# -- runbook test ----------------------------------------------------------------------------------


def test_coverage_counts_the_steps_of_called_runbooks(work, said):
    code, out, _ = said("test", "--coverage")
    assert code == 0
    assert "never reached" not in out
    assert "7 of 7 steps and ways are reached" in out
    (work / f"calling{SCENARIOS}").write_text(f"scenarios:\n{SMALL}")
    _, out, _ = said("test", "--coverage", "p/calling")
    assert "never reached in p/called: which: the way big, end-1" in out


def test_k_takes_the_scenarios_with_all_the_words(work, said):
    code, out, _ = said("test", "-k", "Big one")
    assert (code, out.count("passed")) == (0, 1)
    assert "a big one" in out
    assert said("test", "-k", "huge")[0] == 2


def test_fail_fast_stops_at_the_first_that_does_not_hold(work, said):
    bad = "  - {name: wrong, expect: {outcome: aborted}}\n"
    (work / f"calling{SCENARIOS}").write_text(f"scenarios:\n{bad}{SMALL}")
    code, out, _ = said("test", "-x")
    assert (code, out.count("passed"), out.count("failed  ")) == (1, 0, 1)


@pytest.mark.parametrize(
    "path",
    ["runbooks", "runbooks/p", "runbooks/p/calling.yaml", "runbooks/p/calling.test.yaml", "p"],
)
def test_runbooks_are_named_by_paths_too(work, said, path):
    code, out, _ = said("test", path)
    assert (code, out.count("passed")) == (0, 2)


def test_paths_need_no_folder_of_runbooks_here(work, said, monkeypatch, tmp_path):
    away = tmp_path / "away"
    away.mkdir()
    monkeypatch.chdir(away)
    assert said("test", "../runbooks/p")[0] == 0
    assert said("test", "../runbooks/p/calling.yaml")[0] == 0


def test_a_file_that_cannot_be_read_does_not_hide_the_others(work, said, tmp_path):
    (work / f"called{SCENARIOS}").write_text("scenarios: [{name: x, finds: {siz: {}}}]\n")
    code, out, err = said("test", "--junit", str(tmp_path / "j.xml"))
    assert code == 2
    assert out.count("passed") == 2
    assert "there is no step 'siz'" in err
    assert "1 file cannot be read" in err
    assert "there is no step &apos;siz&apos;" in (tmp_path / "j.xml").read_text().replace(
        "'", "&apos;"
    )


def test_several_processes_tell_the_same_in_the_same_order(tmp_path):
    names = []
    for number in range(6):
        pack = tmp_path / f"p{number}"
        pack.mkdir()
        (pack / "called.yaml").write_text(CALLED)
        lines = [
            f"  - {{name: number {n}, inputs: {{n: {n}}}, expect: {{took_s: {{lt: 5}}}}}}"
            for n in range(200)
        ]
        (pack / f"called{SCENARIOS}").write_text("\n".join(["scenarios:", *lines]) + "\n")
        names.append(f"p{number}/called")
    books = Books([tmp_path])
    jobs = [Job(books, name, books.scenarios(name)) for name in names]
    assert sum(job.file.stat().st_size for job in jobs if job.file) > PARALLEL_MIN_BYTES
    told = [
        (result.runbook, result.scenario, result.holds)
        for tried in try_all(jobs, Registry())
        for result in tried.results
    ]
    assert told == [(name, f"number {n}", True) for name in names for n in range(200)]


@pytest.mark.parametrize("name", OURS.names())
def test_our_scenarios_hold_and_reach_every_step_and_way(name):
    registry = Registry()
    file = OURS.scenarios(name)
    assert file is not None
    (tried,) = try_all([Job(OURS, name, file, ContactsOf(OURS, registry))], registry)
    assert [result.lines for result in tried.results if not result.holds] == []
    assert len(tried.results) >= 2  # it helps, and it does not
    known = {name: points(OURS.load(name, registry))[name]}  # those it calls have their own
    assert never_reached(known, (result.reached for result in tried.results)) == {}


# -- the schema ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS.names())
def test_our_scenario_files_fit_the_schema(name):
    file = OURS.scenarios(name)
    assert file is not None
    jsonschema.Draft202012Validator(scenario_schema()).validate(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "x"},
        {"name": "x", "expect": {}},
        {"name": "x", "expect": {"outcom": "resolved"}},
        {"name": "x", "expect": {"outcome": "resolved"}, "find": {}},
        {"name": "x", "expect": {"outcome": "resolved"}, "settles": {"a": "perhaps"}},
        {"name": "x", "expect": {"outcome": "resolved"}, "run": {"by": "ana"}},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(work, said, wrong):
    check = jsonschema.Draft202012Validator(scenario_schema())
    assert not check.is_valid({"scenarios": [wrong]})
    (work / f"called{SCENARIOS}").write_text(json.dumps({"scenarios": [wrong]}))
    assert said("test", "p/called")[0] == 2


def test_the_schema_is_printed(work, said):
    code, out, _ = said("schema", "--scenarios")
    assert (code, json.loads(out)) == (0, scenario_schema())


# -- replay and new --from -------------------------------------------------------------------------


def test_a_run_is_replayed_the_same_way_and_another_text_goes_another_way(work, said):
    assert said("run", "p/calling", "--env", "local")[0] == 0
    code, out, _ = said("replay")
    assert code == 0
    assert "the same way, to the same end: resolved" in out
    (work / "called.yaml").write_text(CALLED.replace("> 5", "> 0"))
    code, out, _ = said("replay", "last")
    assert code == 1
    assert "another way from sub/which on" in out
    assert "takes the way big" in out
    assert "outcome now      failed" in out


def test_a_replay_of_a_file_is_one_object_as_json(work, said, tmp_path):
    said("run", "p/calling", "--env", "local")
    other = tmp_path / "other.yaml"
    other.write_text(CALLING.replace("sub,", "inner,"))
    code, out, _ = said("--json", "replay", "--runbook", str(other))
    told = json.loads(out)
    assert (code, told["same"], told["same_text"]) == (1, False, False)
    assert told["parting"]["path"] == "inner"
    assert told["now"] == told["recorded"]


def test_a_scenario_of_a_run_lints_holds_and_stands_behind_the_others(work, said):
    said("run", "p/calling", "--env", "local", "-i", "n=7")
    code, _, err = said("new", "--from", "last", "--scenario", "as it was")
    assert code == 0, err
    assert "it holds" in err
    text = (work / f"calling{SCENARIOS}").read_text()
    assert text.startswith(f"scenarios:\n{SMALL}{BIG}")
    made = yaml.safe_load(text)["scenarios"][-1]
    assert made["name"] == "as it was"
    assert made["inputs"] == {"n": 7}
    assert made["finds"] == {"size": {"value": 7}}
    assert made["expect"]["outcome"] == "failed"
    assert said("lint", "p/calling")[0] == 0
    assert said("test", "p/calling")[0] == 0
    code, _, err = said("new", "--from", "last", "--scenario", "as it was")
    assert code == 2
    assert "there is a scenario named" in err
    assert (work / f"calling{SCENARIOS}").read_text() == text


def test_the_first_scenario_of_a_runbook_makes_its_file(work, said):
    (work / f"calling{SCENARIOS}").unlink()
    said("run", "p/calling", "--env", "local")
    assert said("new", "--from", "last")[0] == 0
    assert said("test", "p/calling")[0] == 0


def test_a_scenario_that_does_not_hold_today_is_written_and_says_so(work, said):
    said("run", "p/calling", "--env", "local")
    (work / "called.yaml").write_text(CALLED.replace("> 5", "> 0"))
    code, _, err = said("new", "--from", "last")
    assert code == 1
    assert "it does not hold with today's text" in err


CALLS = """
title: Calls
severity: SEV1
steps: [{id: size, check: run.value, with: {value: 9}, expect: result.value < 5}]
on_failure: [{escalate: default, id: call, message: "{{ size.value }} is too much"}]
"""
CONTACTS = """
people: {ana: {roles: [on-call]}, bo: {}}
policies: {default: [{who: [on-call]}, {who: [bo], after: 1s}]}
severities: {SEV1: {critical: true}}
"""


def test_a_run_that_called_people_makes_a_scenario_and_is_replayed(work, said):
    (work / "contacts.yaml").write_text(CONTACTS)
    (work / "calls.yaml").write_text(CALLS)
    assert said("run", "p/calls", "--env", "local")[0] == 1
    assert said("ack", "last", "--note", "saw it")[0] == 0
    assert said("ack", "last")[0] == 2
    code, _, err = said("new", "--from", "last")
    assert (code, "it holds" in err) == (0, True), err
    made = yaml.safe_load((work / f"calls{SCENARIOS}").read_text())["scenarios"][0]
    assert made["calls"] == "local"
    assert [one["who"] for one in made["expect"]["pages"]] == ["ana", "bo"]
    assert [one["note"] for one in made["acknowledges"]] == ["saw it"]
    assert said("lint", "p/calls")[0] == 0
    assert said("replay")[0] == 0
    (work / "calls.yaml").write_text(
        CALLS.replace("on_failure: [", "on_failure: [{end: aborted}, ")
    )
    code, out, _ = said("replay")
    assert code == 1
    assert "would not call   ana by console (level 1 of `call`), as after 0s then" in out


def test_a_run_that_is_not_over_makes_no_scenario(work, said):
    (work / "ask.yaml").write_text(
        "title: Ask\nsteps: [{id: a, check: human.confirm, with: {question: q?}}]\n"
    )
    assert said("run", "p/ask", "--env", "local")[0] == 7
    code, _, err = said("new", "--from", "last")
    assert code == 2
    assert "it is not over" in err


# -- the transcript of the documentation -----------------------------------------------------------


def test_the_transcript_of_the_documentation_is_what_is_printed(work, said):
    text = transcript(work, said)
    if os.environ.get("GOLDEN_UPDATE"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def transcript(work, said) -> str:
    """A new runbook, its scenarios, a run, and what a change of the text would do to it."""
    lines: list[str] = []

    def tell(*words: str) -> None:
        lines.append(f"$ runbook {shlex.join(words)}")
        _, out, err = said(*words)
        lines.extend((out + err).splitlines())

    for file in work.glob("*.yaml"):
        file.unlink()
    said("new", "shop/disk-full")
    tell("test", "--coverage")
    said("run", "shop/disk-full", "--env", "local")
    file = work.parent / "shop" / "disk-full.yaml"
    text = file.read_text()
    file.write_text(text.replace("usage.value < inputs.limit", "usage.value < 0.6"))
    lines.append("$ sed -i 's/usage.value < inputs.limit/usage.value < 0.6/' disk-full.yaml")
    tell("replay", "last")
    return _steady("\n".join(lines)) + "\n"


def _steady(text: str) -> str:
    """Without what is another every time."""
    text = re.sub(r"\d{8}-\d{6}-[0-9a-z]{8}", "20261121-023035-mwbm6tq7", text)
    return re.sub(r"\(\d+ ms\)", "(4 ms)", text)
