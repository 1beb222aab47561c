"""The command line over a server does what it does over a journal."""

from __future__ import annotations

import json
import os
import subprocess

import httpx
import pytest

from tests.server.process import RUNBOOK, server

BOOK = """title: Looks
inputs: {word: {type: string, default: x}}
steps:
  - {id: value, check: run.value, with: {value: "{{ inputs.word }}"}}
  - {end: resolved, because: "it was {{ value.value }}"}
"""
ASKS = """title: Asks
steps:
  - {id: sure, check: human.confirm, with: {question: Is it so?}}
"""
RESTS = """title: Rests
steps:
  - {wait: 1h, id: rest, title: Let it cool down}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remote")
    (folder / "books/p/environments").mkdir(parents=True)
    (folder / "books/p/environments/test.yaml").write_text("connections: {}\n")
    (folder / "books/p/main.yaml").write_text(BOOK)
    (folder / "books/p/asks.yaml").write_text(ASKS)
    (folder / "books/p/rests.yaml").write_text(RESTS)
    with server(folder) as serving:
        yield serving, serving.token("lead", "--role", "admin")


def environ(served, home, token):
    serving, _ = served
    return {
        "PATH": os.environ["PATH"], "HOME": str(home), "RUNBOOK_TOKEN": token,
        "PYTHONPATH": serving.environ["PYTHONPATH"], "RUNBOOK_SERVER": serving.url,
    }  # fmt: skip


@pytest.fixture
def call(served, tmp_path):
    def made(*words, code=0, given=served[1]):
        env = environ(served, tmp_path, given)
        given_to = {"cwd": tmp_path, "env": env, "text": True, "capture_output": True}
        words = [*RUNBOOK, *words]
        done = subprocess.run(words, check=False, stdin=subprocess.DEVNULL, **given_to)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return made


def test_a_run_over_a_server_is_seen_from_its_first_step_to_its_end(call):
    told = call("run", "p/main", "--env", "test", "--input", "word=green")
    assert "value: value" in told or "passed    value" in told
    assert "it was green" in told
    row = json.loads(call("--json", "runs", "--limit", "1"))
    assert (row["status"], row["actor"], row["because"]) == ("resolved", "lead", "it was green")
    assert "whole" in call("audit", "verify")
    assert "RunStarted" in call("--json", "audit", "show", row["run"])
    assert call("watch", row["run"]).count("passed") >= 1


def test_what_waits_for_a_person_is_answered_from_elsewhere(call):
    told = call("run", "p/asks", "--env", "test", code=7)
    run = told.partition("run ")[2].split()[0]
    assert "Is it so?" in told
    call("answer", run, "yes", "--note", "seen")
    assert "resolved" in call("watch", run)


def test_lists_and_texts_come_from_the_server(call):
    assert "p/main" in call("list")
    assert "Looks" in call("show", "p/main")
    assert "did you mean 'p/main'" in call("show", "p/mian", code=2)


def test_the_switch_and_the_guards_are_those_of_the_server(call):
    call("freeze", "--why", "audit")
    assert "lead: audit" in call("guards")
    call("thaw", "--why", "done")
    assert "nothing is held back" in call("guards")


def test_rehearsals_and_deliveries_are_those_of_the_server(call):
    assert "would resolve" in call("rehearse", "p/main", "--env", "test")
    assert "nothing arrived" in call("deliveries")


def test_errors_say_what_is_wrong_and_how_to_mend_it(call):
    assert "runbook token make" in call("runs", code=6, given="wrong-token")
    assert "RUNBOOK_TOKEN is not set" in call("runs", code=2, given="")
    assert "--as goes with a journal" in call("run", "p/main", "--env", "test", "--as", "x", code=2)
    assert "not done over --server" in call("token", "list", code=2)
    assert "input `wrod`" in call("run", "p/main", "--env", "test", "-i", "wrod=1", code=2)


def test_whoever_resumes_what_waits_for_a_time_reads_that_it_does_and_watches_it(
    served, call, tmp_path
):
    serving, token = served
    headers = {"Authorization": f"Bearer {token}"}
    asked = {"runbook": "p/rests", "environment": "test"}
    with httpx.Client(base_url=f"{serving.url}/api/v1", headers=headers, timeout=60) as http:
        run = http.post("/runs", json=asked).json()["run"]
        seen = 0
        while "StepStarted" not in {
            event["type"] for event in http.get(f"/runs/{run}/events").json()["items"]
        }:
            http.get(f"/runs/{run}/events", params={"after": (seen := seen + 1), "wait_s": 5})
    words = [*RUNBOOK, "resume", run]
    given = {"cwd": tmp_path, "env": environ(served, tmp_path, token), "text": True}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, **given, **pipes) as resuming:
        said = resuming.stderr.readline()
        told = resuming.stderr.readline()
        call("cancel", run, "--reason", "seen enough")
        out, _ = resuming.communicate()
    assert "it is under way by itself, and nothing had to be resumed: `Let it cool down`" in said
    assert "waits until" in said
    assert told == f"Ctrl-C stops the watching; runbook cancel {run} ends the run\n"
    assert "cancelled" in out
    assert resuming.returncode == 1
