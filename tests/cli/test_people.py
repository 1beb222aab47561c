"""`ack`, `notify preview`, `report`: people are called, take it, and write down how it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CALL = """\
title: Calls people
steps:
  - {escalate: default, id: call, wait: acknowledged, message: The shop is closed}
"""
BOTH = """\
title: Calls people and asks them something
steps:
  - parallel:
      - {escalate: default, id: call, wait: acknowledged, message: The shop is closed}
      - {id: sure, check: human.confirm, title: Is it still, with: {question: Is it so?}}
"""


@pytest.fixture(autouse=True)
def calls(shop):
    (shop / "runbooks/shop/call.yaml").write_text(CALL)


def test_a_run_that_calls_people_waits_until_somebody_takes_it(runbook):
    done = runbook("run", "shop/call", "--env", "staging")
    assert done.code == 7
    assert "ESCALATION (default): The shop is closed" in done.err
    taken = runbook("ack", "last", "--note", "on my way")
    assert taken.code == 0
    assert " has taken call of run " in taken.out
    assert runbook("ack", "last").code == 2
    assert runbook("resume", "last").code == 0
    trail = runbook("audit", "show", "last").out
    assert "level 1 of call calls console by console" in trail
    assert "note: on my way" in trail


def test_what_nobody_calls_for_cannot_be_taken(runbook):
    runbook("run", "shop/call", "--env", "staging")
    done = runbook("ack", "last", "other")
    assert done.code == 2
    assert "calls nobody for `other` now" in done.err
    assert "it calls for call" in done.err


def test_every_message_is_shown_before_one_is_sent(runbook):
    done = runbook("notify", "preview", "shop/call", "--env", "staging")
    assert done.out.splitlines()[:3] == [
        "at `call`  console  by console",
        "    Calls people: The shop is closed",
        "    The shop is closed",
    ]
    (told,) = runbook("--json", "notify", "preview", "shop/call", "--env", "staging").objects
    assert (told["who"], told["by"], told["level"]) == ("console", ["console"], 1)
    assert "tells nobody" in runbook("notify", "preview", "shop/ask", "--env", "staging").out


def test_the_report_has_what_the_trail_knows_and_marks_what_people_know(runbook):
    runbook("run", "shop/call", "--env", "staging")
    runbook("ack", "last", "--note", "on my way")
    runbook("resume", "last")
    text = runbook("report", "last").out
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads == [
        "# Post-Mortem: Calls people",
        "## Summary",
        "## Timeline",
        "## Root Cause",
        "## Impact",
        "## Resolution",
        "## Lessons Learned",
        "## Action Items",
        "## Evidence",
    ]
    assert "Team notified: console was told by console" in text
    assert "took it by command line: on my way" in text
    assert "## Root Cause\n[yours to write]" in text
    page = runbook("report", "last", "--format", "html").out
    assert page.startswith("<!doctype html>")
    assert "<mark>[yours to write]</mark>" in page
    (found,) = runbook("report", "last", "--format", "json").objects
    assert found["outcome"] == "resolved"
    assert "Root Cause" in found["yours"]


def test_the_preview_says_that_a_channel_is_tried_after_the_other_and_what_is_told_again(
    runbook, shop
):
    (shop / "runbooks/shop/contacts.yaml").write_text(
        "people: {ana: {name: Ana, channels: {mail: a@b.c, sms: '+4915112345678'}}}\n"
        "channels: {mail: {connection: post}, sms: {connection: phone}}\n"
        "policies: {default: [{who: ana, by: [mail, sms], repeat: 5m}]}\n"
    )
    (shop / "runbooks/shop/environments/night.yaml").write_text(
        "connections:\n  post: {adapter: mail, host: h, sender: a@b.c}\n"
        "  phone: {adapter: twilio, account: AC0, token: '${env:T}', sender: '+4930123456'}\n"
    )
    shown = runbook("notify", "preview", "shop/call", "--env", "night").out
    assert "Ana  by mail, else sms" in shown
    assert "! again after 5m" in shown
    assert "Ana by mail, else sms" in runbook("notify", "who", "shop", "--env", "night").out


def test_what_several_are_told_in_the_same_words_is_shown_once_and_within_the_width(runbook, shop):
    (shop / "runbooks/shop/contacts.yaml").write_text(
        "people: {ana: {name: Ana, roles: [on-call], channels: {mail: a@b.c}},\n"
        "  bo: {name: Bo, roles: [on-call], channels: {sms: '+4915112345678'}}}\n"
        "channels: {mail: {connection: post}, sms: {connection: phone}}\n"
        "policies: {default: [{who: on-call, by: [mail, sms]}]}\nroles: {on-call: now}\n"
    )
    (shop / "runbooks/shop/environments/night.yaml").write_text(
        "connections:\n  post: {adapter: mail, host: h, sender: a@b.c}\n"
        "  phone: {adapter: twilio, account: AC0, token: '${env:T}', sender: '+4930123456'}\n"
    )
    lines = runbook("notify", "preview", "shop/call", "--env", "night").out.splitlines()
    assert lines[:4] == [
        "at `call`",
        "  Ana  by mail",
        "  Bo  by sms",
        "    Calls people: The shop is closed",
    ]
    assert "    ! Ana: not by sms: no address or no connection there" in lines
    assert sum("nobody is called after you" in line for line in lines) == 1
    assert max(map(len, lines)) <= 100


def test_lint_names_what_leads_to_nobody(runbook, shop):
    pack = shop / "runbooks/shop"
    (pack / "contacts.yaml").write_text(
        "people: {ana: {channels: {mail: a@b.c}}}\nchannels: {mail: {connection: post}}\n"
        "severities: {SEV1: {}}\npolicies: {urgent: [{who: ana, by: mail}]}\n"
        "roles: {on-call: x}\n"
    )
    who = "severity: SEV2\nwho: [on-cal]\n"
    (pack / "call.yaml").write_text(CALL.replace("default", "urgnt") + who)
    done = runbook("lint", "shop")
    assert done.code == 2
    assert "RB850 the contacts have no policy 'urgnt': only the console is told" in (
        done.out + done.err
    )
    assert "did you mean 'urgent'?" in done.out + done.err
    nobody = "RB856 warning: the contacts have neither a role nor a rota 'on-cal', who may start it"
    assert nobody in done.out + done.err
    assert "did you mean 'on-call'?" in done.out + done.err
    assert "RB851" in done.out + done.err
    assert "RB852" in done.out + done.err


def test_lint_names_addresses_that_lead_nowhere_by_their_channel(runbook, shop):
    pack = shop / "runbooks/shop"
    (pack / "contacts.yaml").write_text(
        "people:\n"
        "  ana: {channels: {post: ana.example.com, phone: 0151 123, chat: general}}\n"
        "  bo: {channels: {post: bo@example.com, phone: '+4915112345678', chat: U0123ABC}}\n"
        "channels: {post: {connection: post}, phone: {connection: phone},"
        " chat: {connection: chat, to: '#room'}}\n"
    )
    (pack / "environments/night.yaml").write_text(
        "connections:\n"
        "  post: {adapter: mail, host: h, sender: a@b.c}\n"
        "  phone: {adapter: twilio, account: AC0, token: '${env:T}', sender: '+4930123456'}\n"
        "  chat: {adapter: slack, token: '${env:T}'}\n"
    )
    done = runbook("lint", "shop")
    found = [line for line in (done.out + done.err).splitlines() if "RB854" in line]
    assert [line.partition("RB854 warning: ")[2] for line in found] == [
        "'ana' has 'ana.example.com' for 'post': not a mail address, like ana@example.com",
        "'ana' has '0151 123' for 'phone': not a number with its country, like +4915112345678",
        "'ana' has 'general' for 'chat': not an id of Slack, like U0123ABC, or #a-channel",
    ]


def test_lint_names_an_address_of_two_people_where_whoever_has_it_could_answer_for_both(
    runbook, shop
):
    pack = shop / "runbooks/shop"
    (pack / "contacts.yaml").write_text(
        "people:\n"
        "  ana: {channels: {post: ops@example.com, phone: '+4915112345678', chat: U0123ABC}}\n"
        "  bo: {channels: {post: ops@example.com, phone: '+4915112345678', chat: U0123ABC}}\n"
        "  cy: {channels: {post: cy@example.com, chat: U0999XYZ}}\n"
        "channels: {post: {connection: post}, phone: {connection: phone},"
        " chat: {connection: chat}}\n"
    )
    (pack / "environments/night.yaml").write_text(
        "connections:\n"
        "  post: {adapter: mail, host: h, sender: a@b.c}\n"
        "  phone: {adapter: twilio, account: AC0, token: '${env:T}', sender: '+4930123456'}\n"
        "  chat: {adapter: slack, token: '${env:T}'}\n"
    )
    done = runbook("lint", "shop")
    found = [line for line in (done.out + done.err).splitlines() if "RB859" in line]
    answers = "whoever has it can answer for both"
    assert [line.partition("contacts.yaml:")[2] for line in found] == [
        "3:25: RB859 warning: 'ana' and 'bo' have one address for 'post', 'ops@example.com': "
        + answers,
        "3:73: RB859 warning: 'ana' and 'bo' have one address for 'chat', 'U0123ABC': " + answers,
    ]


def test_a_rehearsal_tells_nobody_and_says_who_would_be_called_when(runbook):
    done = runbook("rehearse", "shop/call", "--env", "staging")
    assert "would call console by console at once, unless acknowledged" in done.out + done.err
    assert "waits for a person" not in done.out + done.err
    told = done.out.partition("at `call`  console  by console\n")[2].splitlines()
    assert told[:3] == ["    Calls people: The shop is closed", "    The shop is closed", ""]
    assert told[3].startswith("    Take it (nobody is called after you)")
    assert "ESCALATION" not in done.err


LATE = """policies:
  default:
    - {who: [console]}
    - {who: [console], after: 1h}
"""
OVER = """title: Calls behind its end
steps:
  - {escalate: default, id: call, message: The shop is closed}
  - {end: unresolved}
"""


NOBODY = """people: {ana: {name: Ana Lim, channels: {page: "1"}}}
channels: {page: {connection: pager}}
policies: {default: [{who: [ana], by: [page]}]}
"""
PAGER = """connections:
  pager: {adapter: webhook, url: "http://127.0.0.1:PORT/"}
"""
STOPS = """title: Calls behind its end
escalation: default
steps:
  - {end: unresolved}
"""


class Refusing(BaseHTTPRequestHandler):
    """A pager that nobody has: every message is refused for good."""

    def do_POST(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def test_what_nobody_took_is_marked_in_the_list_until_it_is_looked_after(runbook, shop):
    (shop / "runbooks/shop/over.yaml").write_text(STOPS)
    (shop / "runbooks/shop/contacts.yaml").write_text(NOBODY)
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as pager:
        threading.Thread(target=pager.serve_forever, daemon=True).start()
        place = shop / "runbooks/shop/environments/staging.yaml"
        place.write_text(PAGER.replace("PORT", str(pager.server_port)))
        done = runbook("run", "shop/over", "--env", "staging")
        pager.shutdown()
    assert done.code == 1
    assert "NOBODY WAS TOLD: nobody could be told, and no level is left" in done.out
    shown = runbook("runs")
    assert "unresolved, untaken" in shown.out
    assert "untaken: all levels were called, and nobody took it" in shown.err
    (row,) = runbook("--json", "runs").objects
    assert (row["calls"], row["untaken"]) == ([], ["it ended unresolved"])


def test_what_only_the_console_was_told_is_not_marked(runbook):
    assert runbook("run", "shop/call", "--env", "staging").code == 7
    assert "untaken" not in runbook("runs").out


def program(folder, *words):
    """The command line as a process of its own."""
    start = [sys.executable, "-c", "from engine.cli.main import main; raise SystemExit(main())"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*start, *words], cwd=folder, stdout=pipe, stderr=pipe, text=True, env=env
    )


def test_a_run_that_calls_people_and_whose_driver_died_says_that_nobody_drives_it(runbook, shop):
    (shop / "runbooks/shop/over.yaml").write_text(OVER)
    (shop / "runbooks/shop/contacts.yaml").write_text(LATE)
    with program(shop, "run", "shop/over", "--env", "staging") as driving:
        while "level 1 of call calls" not in driving.stdout.readline():
            assert driving.poll() is None
        driving.kill()
    shown = runbook("runs")
    assert ", calls, undriven" in shown.out
    assert "undriven: nobody drives it, so nobody else is called" in shown.err
    assert [row["undriven"] for row in runbook("--json", "runs").objects] == [True]
    with program(shop, "watch") as watching:
        while "nobody drives this run now" not in (said := watching.stderr.readline()):
            assert watching.poll() is None
        watching.send_signal(signal.SIGINT)
        assert watching.stderr.read() == "stopped watching\n"  # and not that the run goes on
    assert "resume 2" in said
    taken = runbook("ack", "last")
    assert "goes on with: runbook resume" in taken.err


def test_a_question_that_people_are_told_of_is_not_something_to_take(runbook, shop):
    (shop / "runbooks/shop/contacts.yaml").write_text("questions: {by: [console]}\n")
    assert runbook("run", "shop/ask", "--env", "staging").code == 7
    shown = runbook("runs")
    assert "waiting, asks" in shown.out
    assert "undriven" not in shown.out  # nothing is to go on before somebody answers
    assert "ack" not in shown.err
    assert "runbook watch 2" in shown.err


@pytest.mark.parametrize("contacts", ["{}\n", "questions: {by: [console]}\n"])
def test_a_run_that_calls_people_and_asks_them_something_is_marked_with_both(
    runbook, shop, contacts
):
    (shop / "runbooks/shop/both.yaml").write_text(BOTH)
    (shop / "runbooks/shop/contacts.yaml").write_text(contacts)
    assert runbook("run", "shop/both", "--env", "staging").code == 7
    shown = runbook("runs")
    assert "waiting, calls, asks " in shown.out
    assert "asks: it waits for an answer; to what, and how to give it: runbook watch 2" in shown.err
    assert "to take what a run calls for: runbook ack 2" in shown.err
    (row,) = runbook("--json", "runs").objects
    assert (row["calls"], len(row["asks"])) == (["call"], 1)
    assert runbook("answer", "last", "sure", "yes").code == 0
    assert runbook("resume", "last").code == 7
    assert "waiting, calls " in runbook("runs").out


def test_a_run_that_is_over_and_still_calls_people_is_marked_in_the_list(runbook, shop):
    (shop / "runbooks/shop/over.yaml").write_text(OVER)
    (shop / "runbooks/shop/contacts.yaml").write_text(LATE)
    driving = program(shop, "run", "shop/over", "--env", "staging")
    assert driving.stdout is not None
    said = ""
    while "level 1 of call calls" not in said:
        said = driving.stdout.readline()
        assert said, driving.communicate()
    while "unresolved" not in (shown := runbook("runs")).out:
        assert driving.poll() is None
    assert "unresolved, calls" in shown.out
    assert "undriven" not in shown.out
    assert "to take what a run calls for: runbook ack 2" in shown.err
    assert [row["calls"] for row in runbook("--json", "runs").objects] == [["call"]]
    assert runbook("ack", "last").code == 0
    rest, _ = driving.communicate(timeout=60)
    assert driving.returncode == 1
    assert "called    call: console was told by console" in rest
    assert "unresolved, calls" not in runbook("runs").out
