"""Runs from the command line: started, asked, answered, taken up, cancelled, listed."""

from __future__ import annotations

import pytest


def run_id(done) -> str:
    return next(line.split()[1] for line in done.out.splitlines() if line.startswith("  run "))


def test_a_run_that_is_resolved_says_so_and_ends_with_0(runbook):
    done = runbook("run", "shop/disk-full", "--env", "staging")
    assert done.code == 0
    lines = [line.partition("+00:00  ")[2] or line for line in done.out.splitlines()]
    assert lines[0].startswith("shop/disk-full in staging, started by ")
    assert "passed    usage: How full is it - value 0.7" in lines[1]
    assert "resolved after" in done.out
    assert "because   70 % used on web-1" in done.out
    assert f"trail     runbook audit show {run_id(done)}" in done.out


def test_inputs_are_given_by_name(runbook):
    done = runbook("run", "shop/disk-full", "-e", "staging", "-i", "limit=0.9", "-i", "host=db-1")
    assert "because   70 % used on db-1" in done.out


def test_a_run_that_fails_ends_with_1_and_says_why(runbook):
    done = runbook("run", "shop/disk-full", "--env", "staging", "--input", "limit=0.5")
    assert done.code == 1
    assert "failed    still: Is it fine - holds: expected true, was false" in done.out
    assert "because   Is it fine: holds: expected true, was false" in done.out


def test_json_is_one_object_a_line_and_the_result_is_the_last(runbook):
    done = runbook("--json", "run", "shop/disk-full", "--env", "staging")
    types = [one["type"] for one in done.objects]
    assert types[0] == "RunStarted"
    assert types[-2:] == ["RunFinished", "result"]
    assert done.objects[-1] == {
        "type": "result",
        "run": done.objects[0]["run"],
        "status": "resolved",
        "exit_code": 0,
        "because": "70 % used on web-1",
        "outputs": {},
        "questions": [],
    }
    assert [one["seq"] for one in done.objects[:-1]] == list(range(1, len(types)))


def test_without_an_environment_those_there_are_are_named(runbook):
    done = runbook("run", "shop/disk-full")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: say where it is to run: --env NAME\nhelp: there are open, staging\n"


def test_without_an_environment_the_only_one_is_named(runbook, shop):
    (shop / "runbooks/shop/environments/open.yaml").unlink()
    assert runbook("run", "shop/disk-full").err.endswith("help: there is one: staging\n")


def test_the_sandbox_is_where_it_runs_when_there_is_nothing_else(runbook, shop):
    for file in (shop / "runbooks/shop/environments").iterdir():
        file.unlink()
    (shop / "runbooks/shop/environments/sandbox.yaml").write_text("connections: {}\n")
    done = runbook("run", "shop/disk-full")
    assert done.code == 0
    assert "shop/disk-full in sandbox" in done.out


def test_a_dry_run_is_a_rehearsal_with_a_verdict(runbook):
    done = runbook("run", "shop/disk-full", "--env", "staging", "--dry-run")
    assert done.code == 0
    assert "would resolve" in done.out + done.err


def test_a_question_nobody_is_there_to_answer_leaves_the_run_waiting(runbook):
    done = runbook("run", "shop/ask", "--env", "staging")
    run = run_id(done)
    assert done.code == 7
    assert done.err.splitlines() == [
        "red waits for a person: Is the dashboard red?",
        f"  runbook answer {run} red yes --note '...'",
        f"  runbook answer {run} red no --note '...'",
        f"then: runbook resume {run}",
    ]


def test_a_run_goes_on_where_it_waited_once_it_is_answered(runbook):
    run = run_id(runbook("run", "shop/ask", "--env", "staging"))
    assert runbook("answer", run, "yes", "--note", "all red").code == 0
    waiting = runbook("resume", run)
    assert waiting.code == 7
    assert "passed    red: Look at the dashboard - answer yes" in waiting.out
    assert runbook("answer", "last", "drain", "done").code == 0
    done = runbook("resume")
    assert done.code == 0
    assert "passed    drain: Take the host out" in done.out


def test_a_no_to_a_question_fails_the_run(runbook):
    runbook("run", "shop/ask", "--env", "staging")
    runbook("answer", "last", "no")
    done = runbook("resume")
    assert done.code == 1
    assert "answered no" in done.out


def test_a_step_is_named_where_more_than_one_question_is_open(runbook):
    runbook("run", "shop/two", "--env", "staging")
    unclear = runbook("answer", "last", "yes")
    assert unclear.code == 2
    assert "left" in unclear.err
    assert "right" in unclear.err
    assert runbook("answer", "last", "left", "yes").code == 0
    assert runbook("answer", "last", "yes").code == 0
    assert runbook("resume").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("answer", "last", "perhaps"), "'perhaps' is no answer"),
        (("answer", "last"), "an answer is missing"),
        (("answer", "last", "done"), "takes yes or no"),
        (("settle", "last", "--happened", "--reason", "saw it"), "nothing in doubt"),
        (("settle", "last", "--reason", "saw it"), "say --happened or --did-not"),
        (("cancel", "last"), "Missing option '--reason'"),
        (("resume", "2019"), "2019"),
        (("answer", "last", "yes", "--as", "ada"), "may not use --as"),
    ],
)
def test_what_cannot_be_said_to_a_run_is_told(runbook, words, said):
    runbook("run", "shop/ask", "--env", "staging")
    done = runbook(*words)
    assert done.code in (2, 6)
    assert said in done.err
    assert done.out == ""


def test_a_run_that_waits_can_be_cancelled(runbook):
    run = run_id(runbook("run", "shop/ask", "--env", "staging"))
    said = runbook("cancel", run, "--reason", "wrong host")
    assert (said.code, said.out) == (0, f"asked run {run} to stop\n")
    done = runbook("resume", run)
    assert done.code == 1
    assert "cancelled after" in done.out
    assert "because   wrong host" in done.out


def test_what_is_over_is_neither_resumed_nor_cancelled(runbook):
    run = run_id(runbook("run", "shop/disk-full", "--env", "staging"))
    for words in (("resume", run), ("cancel", run, "--reason", "x")):
        done = runbook(*words)
        assert (done.code, done.out) == (2, "")
        assert done.err == f"error: run {run} is over: resolved\n"


def test_as_names_another_person_only_where_the_environment_allows_it(runbook):
    refused = runbook("run", "shop/disk-full", "--env", "staging", "--as", "ada")
    assert (refused.code, refused.out) == (6, "")
    assert "may not use --as in environment staging" in refused.err
    done = runbook("--json", "run", "shop/disk-full", "--env", "open", "--as", "ada")
    actor = done.objects[0]["actor"]
    assert (actor["name"], actor["means"], bool(actor["via"])) == ("ada", "as", True)


def test_who_may_start_a_runbook_is_asked(runbook):
    done = runbook("run", "shop/quiet", "--env", "staging")
    assert done.code == 6
    assert "on-call" in done.err


def test_a_run_that_is_resolved_tells_nobody_by_itself(runbook):
    done = runbook("run", "shop/later", "--env", "staging")
    assert done.code == 0
    assert "ESCALATION" not in done.err


def test_runs_are_listed_the_newest_first(runbook):
    runbook("run", "shop/disk-full", "--env", "staging")
    runbook("run", "shop/ask", "--env", "staging")
    done = runbook("runs")
    words = [line.split()[1:3] for line in done.out.splitlines()]
    assert words == [["STATUS", "RUNBOOK"], ["waiting", "shop/ask"], ["resolved", "shop/disk-full"]]
    assert [one["name"] for one in runbook("--json", "runs").objects] == [
        "shop/ask",
        "shop/disk-full",
    ]


def test_runs_are_filtered_by_runbook_and_status(runbook):
    runbook("run", "shop/disk-full", "--env", "staging")
    runbook("run", "shop/ask", "--env", "staging")
    assert "shop/ask" in runbook("runs", "--status", "waiting").out
    assert runbook("runs", "--status", "failed").out == ""
    assert "shop/ask" not in runbook("runs", "--name", "shop/disk-full").out


def test_a_list_without_runs_says_so_on_stderr(runbook):
    done = runbook("runs")
    assert (done.code, done.out, done.err) == (0, "", "no runs yet\n")


def test_watching_a_run_that_is_over_shows_it_and_ends_as_it_did(runbook):
    runbook("run", "shop/disk-full", "--env", "staging", "-i", "limit=0.5")
    done = runbook("watch")
    assert done.code == 1
    assert "failed    still: Is it fine" in done.out
    assert "failed after" in done.out


def test_watching_in_json_gives_the_events_and_the_result(runbook):
    runbook("run", "shop/disk-full", "--env", "staging")
    types = [one["type"] for one in runbook("--json", "watch").objects]
    assert (types[0], types[-1]) == ("RunStarted", "result")


def test_the_store_is_the_one_that_is_named(runbook, shop, monkeypatch):
    url = f"sqlite:///{shop}/here.db"
    runbook("--store", url, "run", "shop/disk-full", "--env", "staging")
    assert (shop / "here.db").is_file()
    assert not (shop / "state").exists()
    monkeypatch.setenv("RUNBOOK_STORE", url)
    assert "shop/disk-full" in runbook("runs").out


def test_a_journal_that_cannot_be_made_ends_with_4(runbook, shop):
    (shop / "file").write_text("")
    done = runbook(
        "--store", f"sqlite:///{shop}/file/journal.db", "run", "shop/ask", "-e", "staging"
    )
    assert done.code == 4
    assert done.out == ""


def test_a_rehearsal_that_is_watched_ends_with_its_verdict(runbook):
    rehearsed = runbook("rehearse", "shop/ask", "--env", "staging")
    watched = runbook("watch")
    assert rehearsed.code == watched.code
    (verdict,) = [line for line in rehearsed.out.splitlines() if " after " in line]
    assert verdict in watched.out.splitlines()
    assert "resolved after" not in watched.out
