"""`runbook trigger`: what an event would start, and why not, with nothing started."""

from __future__ import annotations

import json

import pytest

from tests.triggers.sent import file

REDIS = """title: Redis is full
inputs:
  host: {type: string, pattern: "cache-.*"}
  limit: {type: number, default: 0.8}
triggers:
  - alertmanager:
      match: {alertname: "Redis*"}
      inputs: {host: "{{ event.labels.instance }}"}
      environment: staging
      autonomy: propose
  - pagerduty: {match: {title: "[FIRING:*] Redis*"}, priority: -1, inputs: {host: cache-1}}
steps: [{end: resolved}]
"""
ERRORS = """title: Errors
triggers:
  - alertmanager: {match: {alertname: HighErrorRate, severity: {in: [critical]}}}
  - pagerduty: {match: {urgency: high}, environment: nowhere}
  - webhook: {name: deploys, match: {state: failed}}
steps: [{end: resolved}]
"""


@pytest.fixture
def books(shop):
    for name, text in (("redis", REDIS), ("errors", ERRORS)):
        (shop / f"runbooks/shop/{name}.yaml").write_text(text)
    return shop


def test_what_would_start_is_told_with_its_inputs_and_what_would_not_with_its_reasons(
    runbook, books
):
    done = runbook("trigger", str(file("alertmanager/two-firing")), "--explain")
    assert done.code == 0
    *lines, last = done.out.splitlines()
    assert last.endswith("runbooks without a trigger for alertmanager")
    assert lines == [
        "alertmanager firing: RedisMemoryHigh and 1 more: RedisMemoryHigh on cache-1:9121",
        "  1. shop/redis in staging, propose at most",
        '       host: "cache-1:9121"',
        "       limit: 0.8 (its default)",
        "       by runbooks/shop/redis.yaml:6:5",
        "  2. shop/redis in staging, propose at most",
        '       host: "cache-2:9121"',
        "       limit: 0.8 (its default)",
        "       by runbooks/shop/redis.yaml:6:5",
        "  not shop/errors, by runbooks/shop/errors.yaml:3:5",
        '       alertname: expected "HighErrorRate", was "RedisMemoryHigh"',
        '       severity: expected one of ["critical"], was "warning"',
        "       that is the nearest of 2 alerts",
    ]


def test_several_are_told_in_the_order_in_which_they_would_begin(runbook, books):
    done = runbook("trigger", str(file("pagerduty/incident.triggered")))
    lines = [line for line in done.out.splitlines() if line.startswith("  ") and line[2].isdigit()]
    assert lines == [
        "  1. shop/errors in nowhere",
        "  2. shop/redis in the server's environment, priority -1",
    ]
    assert "it would be refused: the pack shop has no environment nowhere" in done.out


def test_an_input_that_does_not_fit_is_told_as_the_reason_of_a_refusal(runbook, books):
    sent = json.loads(file("alertmanager/firing").read_text())
    sent["alerts"][0]["labels"]["instance"] = "web-1"
    (books / "event.json").write_text(json.dumps(sent))
    done = runbook("trigger", "event.json")
    assert done.code == 1
    assert 'it would be refused: input `host` has to match `cache-.*`, and "web-1" ' in done.out


def test_machines_get_a_line_for_each_ruling(runbook, books):
    done = runbook("--json", "trigger", str(file("alertmanager/firing")))
    matched, other = done.objects
    assert matched == {
        "type": "ruling",
        "source": "alertmanager",
        "runbook": "shop/redis",
        "matches": True,
        "environment": "staging",
        "autonomy": "propose",
        "priority": 0,
        "inputs": {"host": "cache-1:9121"},
        "defaults": {"limit": 0.8},
        "alerts": [json.loads(file("alertmanager/firing").read_text())["alerts"][0]["labels"]],
        "problem": None,
        "trigger": "runbooks/shop/redis.yaml:6:5",
    }
    assert (other["runbook"], other["matches"], len(other["why"])) == ("shop/errors", False, 2)


def test_nothing_is_started_and_no_journal_is_made(runbook, books):
    runbook("trigger", str(file("alertmanager/firing")))
    assert not (books / "state").exists()


def test_a_webhook_is_named_since_it_looks_like_nothing(runbook, books):
    (books / "event.json").write_text('{"state": "failed"}')
    done = runbook("trigger", "event.json", "--source", "webhook:deploys")
    assert (done.code, done.out.splitlines()[1]) == (
        0,
        "  1. shop/errors in the server's environment",
    )
    done = runbook("trigger", "event.json", "--source", "webhook:deploy", "--explain")
    assert done.code == 1
    assert "it waits for the webhook deploys, not deploy" in done.out


@pytest.mark.parametrize(("text", "source", "told"), [
    ("{}", None, "this looks like no event of PagerDuty or Alertmanager"),
    ("{", None, "event.json would not be read: it is no JSON"),
    ("[" * 99 + "]" * 99, None, "event.json would not be read: it is nested more than 64 deep"),
    ("{}", "pagerduti", "`pagerduti` is no source of events\nhelp: did you mean 'pagerduty'?"),
    ("{}", "webhook", "say which webhook it is\nhelp: --source webhook:NAME"),
    ("{}", "alertmanager", "this is nothing that alertmanager sends: it has no `alerts`"),
    ('{"event": {}}', None, "this is nothing that pagerduty sends: `event` has no `event_type`"),
])  # fmt: skip
def test_a_file_or_a_source_that_is_none_is_told(runbook, books, text, source, told):
    (books / "event.json").write_text(text)
    done = runbook("trigger", "event.json", *(["--source", source] if source else []))
    assert done.code == 2
    assert told in done.err


def test_a_runbook_that_does_not_read_is_no_reason_to_tell_nothing(runbook, books):
    (books / "runbooks/shop/broken.yaml").write_text("titel: x\n")
    done = runbook("trigger", str(file("alertmanager/firing")))
    assert done.code == 0
    assert "shop/broken does not read, so it is as if it were not there" in done.err


def test_a_trigger_whose_environment_is_not_there_is_told_by_lint(runbook, books):
    done = runbook("lint", "shop/errors")
    assert done.code == 2
    assert "errors.yaml:4:41: RB603 the pack 'shop' has no environment 'nowhere'" in done.out
    assert "it has open and staging" in done.out
