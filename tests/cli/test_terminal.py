"""On a real terminal: the live view, questions, Ctrl-C. Driven by pexpect."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path

import pexpect
import pytest
from screen import Screen

RUNBOOK = str(Path(sys.executable).with_name("runbook"))
WITHIN_S = 60
"""Until something is on the screen; a busy machine takes its time to start Python."""

RUN = r"run (\d{8}-\d{6}-\w{8})"


@pytest.fixture
def terminal(shop):
    """Starts the command line on a terminal of its own."""
    started: list[pexpect.spawn] = []

    def start(*words: str, columns: int = 100, **variables: str) -> pexpect.spawn:
        env = {"PATH": f"{Path(RUNBOOK).parent}:/usr/bin:/bin", "TERM": "xterm-256color",
               "LANG": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1",
               "XDG_STATE_HOME": str(shop / "state")}  # fmt: skip
        child = pexpect.spawn(
            RUNBOOK, list(words), env=env | variables, dimensions=(30, columns), encoding="utf-8",
            timeout=WITHIN_S,
        )  # fmt: skip
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def code_of(child: pexpect.spawn) -> int | None:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def screen_of(text: str, columns: int = 100) -> list[str]:
    """What stood on the screen in the end, without colours and empty lines."""
    screen = Screen(columns)
    screen.write(re.sub(r"\x1b\[[\d;]*m", "", text).replace("\r", ""))
    return [line.rstrip() for line in screen.lines if line.strip()]


def everything(child: pexpect.spawn) -> str:
    child.expect(pexpect.EOF)
    text = child.before
    child.close()
    return str(text)


def test_a_run_is_drawn_and_every_step_stands_there_once(terminal):
    child = terminal("run", "shop/disk-full", "--env", "staging", "-i", "limit=0.5")
    lines = screen_of(everything(child))
    assert child.exitstatus == 1
    assert len([line for line in lines if "How full is it" in line]) == 1
    assert lines[0].startswith("shop/disk-full in staging, started by ")
    assert lines[1].split()[:6] == ["✓", "passed", "How", "full", "is", "it"]
    assert [line.split()[1] for line in lines[1:5]] == ["passed", "passed", "failed", "failed"]


def test_colours_are_there_and_go_with_no_color(terminal):
    words = ("run", "shop/disk-full", "--env", "staging")
    assert "\x1b[32m✓ passed" in everything(terminal(*words, NO_COLOR=""))
    for child in (terminal("--no-color", *words, NO_COLOR=""), terminal(*words, NO_COLOR="1")):
        text = everything(child)
        assert "✓ passed" in text
        assert "\x1b[32m" not in text


def test_a_dumb_terminal_gets_lines_and_no_sequences(terminal):
    text = everything(terminal("run", "shop/disk-full", "--env", "staging", TERM="dumb"))
    assert "\x1b" not in text
    assert "passed    usage: How full is it" in text


def test_a_wait_counts_down_and_ctrl_c_asks_it_to_stop(terminal):
    child = terminal("run", "shop/slow", "--env", "staging")
    child.expect("waits until")
    child.expect("59 min 5")
    child.sendintr()
    child.expect("asking the run to stop")
    child.expect("cancelled after")
    child.expect("because +Ctrl-C")
    assert code_of(child) == 1


def test_a_run_that_is_over_and_calls_people_says_so_and_ctrl_c_leaves_it(terminal, shop):
    (shop / "runbooks/shop/contacts.yaml").write_text(
        "people: {ana: {name: Ana}, bo: {name: Bo}}\n"
        "policies:\n  default:\n    - {who: [ana]}\n    - {who: [bo], after: 10m}\n"
    )
    (shop / "runbooks/shop/full.yaml").write_text(
        "title: Full\nsteps:\n  - {escalate: default, id: call, message: Full}\n"
        "  - {end: unresolved}\n"
    )
    child = terminal("run", "shop/full", "--env", "staging")
    child.expect("people are called until somebody takes it")
    child.sendintr()
    child.expect("take it up with: runbook resume")
    assert code_of(child) == 3


def test_a_kill_leaves_at_once_and_says_how_to_take_the_run_up(terminal):
    child = terminal("run", "shop/ask", "--env", "staging")
    child.expect(RUN)
    run = child.match.group(1)
    child.expect("yes/no: ")
    child.kill(15)
    child.expect(f"take it up with: runbook resume {run}")
    assert code_of(child) == 3
    again = terminal("resume", run)
    again.expect("yes/no: ")
    again.sendintr()
    again.expect("cancelled after")
    assert code_of(again) == 1


@pytest.fixture
def silent():
    """The port of a server that takes a request and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_ctrl_c_waits_for_what_cannot_be_stopped_and_a_second_one_leaves(terminal, shop, silent):
    (shop / "runbooks/shop/environments/staging.yaml").write_text(
        f'connections:\n  api: {{adapter: http, base_url: "http://127.0.0.1:{silent}"}}\n'
    )
    (shop / "runbooks/shop/restart.yaml").write_text(
        "title: Restart\nsteps:\n  - id: restart\n    action: http.request\n    target: api\n"
        "    timeout: 10m\n    idempotent: true\n    with: {method: POST, path: /restart}\n"
    )
    child = terminal("run", "shop/restart", "--env", "staging")
    child.expect("running   restart")
    child.sendintr()
    child.expect("asked to cancel: waiting for what cannot be stopped")
    child.sendintr()
    child.expect("take it up with: runbook resume")
    assert code_of(child) == 3
    trail = everything(terminal("audit", "show"))
    assert "reason: Ctrl-C" in trail
    assert "restart passed" not in trail


def test_a_question_is_asked_with_its_evidence_and_the_answer_is_recorded(terminal):
    child = terminal("run", "shop/ask", "--env", "staging")
    child.expect("Look at the dashboard")
    child.expect("Is the dashboard red")
    child.expect("errors: 12")
    child.expect("yes/no: ")
    child.sendline("perhaps")
    child.expect("please type one of yes, no")
    child.expect("yes/no: ")
    child.sendline("Y")
    child.expect("a note for the record")
    child.sendline("all red")
    child.expect("Drain web-1 at the load balancer")
    child.expect("done/not-done: ")
    child.sendline("done")
    child.expect("a note for the record")
    child.sendline("")
    child.expect("resolved after")
    assert code_of(child) == 0
    trail = everything(terminal("audit", "show"))
    assert "red answered: yes" in trail
    assert "note: all red" in trail


def test_the_end_of_input_leaves_the_question_open(terminal):
    child = terminal("run", "shop/ask", "--env", "staging")
    child.expect("yes/no: ")
    child.sendeof()
    child.expect("left open")
    child.expect("runbook answer .* red yes")
    assert code_of(child) == 7


def test_an_answer_from_elsewhere_ends_the_question(terminal):
    child = terminal("run", "shop/ask", "--env", "staging")
    child.expect("yes/no: ")
    assert code_of(terminal("answer", "last", "no")) == 0
    child.expect("failed after")
    assert code_of(child) == 1


def test_an_answer_from_elsewhere_ends_the_question_and_the_next_one_is_asked(terminal):
    child = terminal("run", "shop/ask", "--env", "staging")
    child.expect("yes/no: ")
    assert code_of(terminal("answer", "last", "yes")) == 0
    child.expect("Drain web-1 at the load balancer")
    child.expect("done/not-done: ")
    child.sendline("done")
    child.expect("a note for the record")
    child.sendline("")
    child.expect("resolved after")
    assert code_of(child) == 0


def test_two_questions_at_once_are_asked_one_after_the_other(terminal):
    child = terminal("run", "shop/two", "--env", "staging")
    for _ in range(2):
        child.expect(r"Is it (left|right)\?")
        child.expect("yes/no: ")
        child.sendline("yes")
        child.expect("a note for the record")
        child.sendline("")
    child.expect("resolved after")
    assert code_of(child) == 0


def test_watching_follows_a_run_that_is_driven_elsewhere_to_its_end(terminal):
    child = terminal("run", "shop/ask", "--env", "staging")
    child.expect("yes/no: ")
    watcher = terminal("watch", "last")
    watcher.expect("runbook answer .* red yes.no --note")
    watcher.expect("waits for a person")
    child.sendline("no")
    child.expect("a note for the record")
    child.sendline("")
    watcher.expect("failed after")
    assert code_of(watcher) == 1
    assert code_of(child) == 1


def test_ctrl_c_ends_watching_and_not_the_run(terminal):
    child = terminal("run", "shop/slow", "--env", "staging")
    child.expect("waits until")
    watcher = terminal("watch", "last")
    watcher.expect("waits until")
    watcher.sendintr()
    watcher.expect("goes on")
    assert code_of(watcher) == 0
    assert child.isalive()


def test_on_a_narrow_terminal_every_step_still_stands_there_once(terminal):
    child = terminal("run", "shop/disk-full", "--env", "staging", "-i", "limit=0.5", columns=40)
    lines = screen_of(everything(child), 40)
    assert len([line for line in lines if "How full is it" in line]) == 1
    assert max(len(line) for line in lines) <= 40


def test_two_requests_at_once_give_one_result_each_in_json(terminal):
    text = everything(terminal("--json", "run", "shop/ask", "--env", "staging"))
    assert text.count('{"type": "result"') == 1
    assert "yes/no" not in text
