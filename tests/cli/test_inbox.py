"""What people were told in a sandbox, as whoever practises sees it."""

from __future__ import annotations

import json

import pytest

from engine.cli.inbox import LINES_MAX, listed

CONTACTS = """
people:
  lead: {name: The lead, channels: {sms: "+15550100001"}}
channels:
  page: {connection: pager}
  sms: {connection: telephone}
policies:
  default:
    - {who: [page]}
    - {who: [lead], by: [sms], after: 1m}
"""
ENVIRONMENT = """
services:
  inbox: {kind: inbox}
connections:
  pager:
    adapter: pagerduty
    base_url: "${service:inbox.url}/to/on-call"
    routing_key: "${service:inbox.routing_key}"
  telephone:
    adapter: twilio
    base_url: "${service:inbox.url}"
    account: "${service:inbox.account}"
    token: "${service:inbox.token}"
    sender: "+15550100000"
"""
FULL = """
title: Disk full
steps:
  - {escalate: default, id: call, message: The disk is full}
  - {end: unresolved, because: nobody made room}
"""


@pytest.fixture
def night(shop, runbook):
    """The command line, with a pack that calls people; whatever stays up is ended."""
    pack = shop / "runbooks" / "night"
    (pack / "environments").mkdir(parents=True)
    (pack / "contacts.yaml").write_text(CONTACTS)
    (pack / "environments" / "sandbox.yaml").write_text(ENVIRONMENT)
    (pack / "full.yaml").write_text(FULL)
    yield runbook
    runbook("sandbox", "down")


def test_a_run_shows_in_the_end_what_came_to_its_inbox_and_how_fast_that_was(night):
    done = night("run", "night/full", "--env", "sandbox")
    assert done.code == 1
    told = done.err
    assert "2 messages came to its inbox; people are called 60 times as fast as written" in told
    assert told.index("PagerDuty, on-call") < told.index("SMS, +15550100001")
    assert "    Disk full: The disk is full" in told


def test_a_run_that_tells_machines_says_nothing_of_its_inbox(night):
    done = night("run", "night/full", "--env", "sandbox", "--json")
    assert done.objects[-1]["type"] == "result"
    assert "inbox;" not in done.err


def test_the_inbox_of_a_sandbox_that_is_up_is_looked_at_between_commands(night):
    assert night("sandbox", "up", "night").code == 0
    assert "nobody was told anything yet" in night("sandbox", "inbox").err
    night("run", "night/full", "--env", "sandbox")
    done = night("sandbox", "inbox", "night")
    assert done.code == 0
    assert done.out.count("Disk full: The disk is full") == 2
    shown = night("sandbox", "status")
    assert "2 messages came; `runbook sandbox inbox night` shows them" in shown.err
    objects = [json.loads(line) for line in night("sandbox", "inbox", "--json").out.splitlines()]
    assert [(one["type"], one["by"], one["to"]) for one in objects] == [
        ("letter", "PagerDuty", "on-call"),
        ("letter", "SMS", "+15550100001"),
    ]


def test_what_is_no_inbox_and_what_is_not_up_is_said(night, shop):
    done = night("sandbox", "inbox", "night")
    assert done.code == 2
    assert "no sandbox of night is up" in done.err
    without = shop / "runbooks" / "night" / "environments" / "sandbox.yaml"
    without.write_text("services: {page: {kind: http}}\nconnections: {}\n")
    night("sandbox", "up", "night")
    assert "the sandbox of night has no inbox" in night("sandbox", "inbox").err


def test_of_a_long_message_the_beginning_is_shown_with_what_became_of_it():
    at = "2026-01-05T03:00:00+00:00"
    text = "\n".join(f"line {n}" for n in range(20))
    news = [{"at": "2026-01-05T03:00:40+00:00", "text": "acknowledged\nby ana"}]
    letter = {"number": 7, "at": at, "by": "SMS", "to": "+1", "title": "line 0"}
    lines = list(listed([{**letter, "text": text, "news": news}], 80))
    assert lines[:2] == ["#7 03:00:00  SMS, +1", "    line 0"]
    assert lines[2 : 2 + LINES_MAX] == [f"    line {n}" for n in range(1, LINES_MAX + 1)]
    assert lines[-3:] == ["    ...", "    03:00:40 acknowledged", "             by ana"]


def test_what_came_cannot_draw_on_the_screen():
    news = [{"at": "2026-01-05T03:00:40+00:00", "text": ""}]
    letter = {"number": 1, "at": "2026-01-05T03:00:00+00:00", "by": "SMS", "to": "+1\x1b[2J"}
    lines = list(listed([{**letter, "title": "\x1b[31mred", "text": "", "news": news}], 80))
    assert "\x1b" not in "".join(lines)


def test_what_is_to_be_opened_stands_there_in_one_piece_wherever_the_rest_is_cut():
    link = f"Take it: https://runbook.example.com/take/{'x' * 200}"
    text = "\n".join([*(f"line {n}" for n in range(20)), link])
    letter = {"number": 7, "at": "2026-01-05T03:00:00+00:00", "by": "mail", "to": "ana"}
    lines = list(listed([{**letter, "title": "line 0", "text": text, "news": []}], 80))
    assert lines[-2:] == ["    ...", f"    {link}"]


def test_messages_that_are_shown_beforehand_say_how_much_sooner_they_come(night):
    done = night("notify", "preview", "night/full", "--env", "sandbox")
    assert "+ 1s  The lead" in done.out
    assert "in sandbox people are called 60 times as fast as written" in done.err
