"""`runbook lint`: people who cannot be reached, roles nobody has, policies that are not there."""

from __future__ import annotations

import pytest

CONTACTS = """
people:
  ana: {roles: [on-call], channels: {post: ana.example.com, chat: U0ANA}}
  bo: {roles: [on-call, lead], channels: {chat: "@bo"}}
  cy: {}
rotas:
  primary: {order: [ana, bo], since: 2026-01-05, timezone: Europe/Berln}
channels:
  post: {connection: post}
  chat: {connection: chat}
  room: {connection: chat, to: "#room"}
  own: {connection: own}
policies:
  default:
    - {who: [primary], by: [post]}
    - {who: [on-call, cy], by: [post, chat], after: 5m}
    - {who: [cy], by: [post, room], after: 5m}
    - {who: [cy], by: [own], after: 5m}
    - {who: [cy], after: 5m}
    - {who: [room, post], by: [room], after: 5m}
severities:
  SEV1: {critical: true, status: {every: 15m, by: [chat, room]}}
"""
CONNECTIONS = """
connections:
  post: {adapter: mail, host: h, sender: a@b.c}
  chat: {adapter: slack, token: "${env:T}"}
  own: {adapter: webhook, url: "http://h/x"}
"""
RUNBOOK = """
title: Call
who: [on-cal, lead]
severity: SEV2
escalation: {policy: urgnt, unresolved_after: 5m}
steps:
  - id: urgent
    escalate: urgent
  - {id: note, action: run.note, with: {text: x}, approve: {by: [leed]}}
  - id: two
    action: run.note
    with: {text: x}
    approve: {count: 2, by: [lead]}
  - id: enough
    action: run.note
    with: {text: x}
    approve:
      count: 2
      by:
        - primary
"""


def lint(runbook, shop, contacts: str | None, text: str) -> str:
    """What `lint` says of a pack with one runbook, which is asked for and nothing else is."""
    pack = shop / "runbooks/far"
    (pack / "environments").mkdir(parents=True)
    (pack / "environments/night.yaml").write_text(CONNECTIONS.lstrip())
    (pack / "call.yaml").write_text(text.lstrip())
    if contacts is not None:
        (pack / "contacts.yaml").write_text(contacts.lstrip())
    done = runbook("lint", "far")
    return f"{done.out}{done.err}".rstrip()


def test_lint_tells_who_cannot_be_reached_and_who_is_missing_where_it_is_written(
    runbook, shop, golden
):
    contacts = CONTACTS.replace("Berln", "Berlin")
    golden("lint-reach.txt", lint(runbook, shop, contacts, RUNBOOK))


def test_a_rota_that_is_wrong_is_told_once_and_its_name_is_known_all_the_same(runbook, shop):
    found = lint(runbook, shop, CONTACTS, "title: x\nsteps: [{end: resolved}]\n")
    assert "contacts.yaml:6:60: RB840 there is no time zone 'Europe/Berln'" in found
    assert "did you mean 'Europe/Berlin'?" in found
    assert "1 error" in found


def test_a_policy_of_a_pack_without_any_is_told_with_the_page_that_shows_one(runbook, shop):
    text = "title: x\nescalation: default\nsteps: [{end: resolved}]\n"
    found = lint(runbook, shop, None, text)
    assert "call.yaml:2:13: RB850 warning" in found
    assert "runbook docs escalation" in found


def test_the_policy_of_a_severity_is_what_default_means_there(runbook, shop):
    contacts = "severities: {SEV1: {policy: loud}}\npolicies: {loud: [{who: console}]}\n"
    text = "title: x\nseverity: SEV1\nescalation: default\nsteps: [{end: resolved}]\n"
    assert "0 errors, 0 warnings" in lint(runbook, shop, contacts, text)


def test_without_people_nobody_misses_a_role(runbook, shop):
    contacts = "policies: {urgnt: [{who: console}], urgent: [{who: console}]}\n"
    assert "0 errors, 0 warnings" in lint(runbook, shop, contacts, RUNBOOK)


@pytest.mark.parametrize(
    ("who", "by", "warned"),
    [
        ("who: [on-call]\n", "lead", "if 'bo' starts it, too few are left who may approve 'note'"),
        ("", "lead", "if 'bo' starts it"),
        ("who: [cook]\n", "lead", ""),
        ("who: [on-call]\n", "lead, cook", ""),
    ],
)
def test_an_approval_that_nobody_can_give_once_one_of_them_starts_the_run_is_told(
    runbook, shop, who, by, warned
):
    contacts = CONTACTS.replace("Berln", "Berlin").replace("cy: {}", "cy: {roles: [cook]}")
    text = "title: x\n" + who + "steps:\n  - {id: note, action: run.note, with: {text: x}, "
    found = lint(runbook, shop, contacts, f"{text}approve: {{by: [{by}]}}}}\n")
    assert ("RB857" in found) is bool(warned)
    assert warned in found
