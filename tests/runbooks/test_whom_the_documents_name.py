"""Who is called when, as the documents have it, held against `contacts.yaml` by a second hand: a
time, a name or a channel that is changed there has to be changed here too, by whoever looked it up.

Scenarios show that the paths are walked so; what no scenario tells apart (a fallback of a rota, a
time to respond, how loudly PagerDuty is told) stands here only. In quotes is what the document
says; the rest of a line is ours, as `contacts.yaml` explains.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from engine.config.contacts import Level, Severity
from engine.language.duration import format_duration
from engine.registry import Registry
from tests.runbooks.every import BOOKS

SEVERITIES: dict[str, dict[str, str]] = {
    "terminal-strategist": {
        "P0": "within 5m, by p0, wakes, as critical",  # "P0 - Critical (Page Immediately)"
        "P1": "within 1h, by p1, wakes, as error",  # "Respond within 1 hour"
        "P2": "within 4h, by p2, keeps quiet hours, as warning",  # "Respond within 4 hours"
        "P3": "within 1d, by p3, keeps quiet hours, as info",  # "Respond within 24 hours"
        "critical": "within 5m, by default, wakes, as critical",  # "Page On-Call"
        "warning": "within 4h, by warning, keeps quiet hours, as warning",  # "Slack/Email"
    },
    "trading-ops": {
        "critical": "within 5m, by critical, wakes, as critical",
        "warning": "within 15m, by warning, keeps quiet hours, as critical",
        "info": "by warning, keeps quiet hours, as critical",
    },
    "ace-playbook": {
        # As it says: "Immediate Actions (< 5 minutes)", "Post status update every 15 minutes"
        "SEV1": "within 5m, by sev1, wakes, as critical, status every 15m by incidents",
        "SEV2": "within 15m, by default, wakes, as error",
        "SEV3": "within 4h, by sev3, keeps quiet hours, as warning",
        "SEV4": "by sev3, keeps quiet hours, as info",
    },
    "stratum": {
        "critical": "within 5m, by default, wakes, as critical",  # "Response Time: < 5 minutes"
        "warning": "within 15m, by warning, wakes, as error",  # "< 15 minutes"
    },
    "adinsights": {
        "critical": "wakes, as critical",
        "warning": "keeps quiet hours, as critical",
    },
}

TEAM_AND_ROOM = "on-call-engineer by page, oncall, oncall-mail"
"""Of terminal-strategist: "Page On-Call", "Check PagerDuty/Slack #oncall"."""

PATH = [
    TEAM_AND_ROOM,  # "1. On-Call Engineer (First responder)"
    "30m: engineering-lead by page-lead, email unless resolved",  # "If unresolved in 30 minutes"
    "1h: operations by email",  # "3. Product/Operations"
]

POLICIES: dict[str, dict[str, list[str]]] = {
    "terminal-strategist": {
        "default": PATH,
        "first-responder": [TEAM_AND_ROOM],
        # "Coordination with strateg.is team"
        "engineering": ["engineering-lead by page-lead, email", "strategis by email"],
        "business": ["operations, media-buyer by email"],
        "p0": PATH,
        "p1": [TEAM_AND_ROOM, "1h: engineering-lead by page-lead, email"],
        "p2": ["oncall, oncall-mail", "4h: on-call-engineer by page, oncall-mail"],
        "p3": ["oncall, oncall-mail", "1d: engineering-lead by email"],
        "warning": ["oncall, oncall-mail"],  # "Warning Alerts (Slack/Email)"
    },
    "trading-ops": {
        "default": ["on-call by sms, email", "15m: platform by email"],
        "warning": ["alerts-ops"],  # "Warning alerts -> #alerts-ops Slack channel"
        # As it says: "Critical alerts -> PagerDuty (platform-team)"
        "critical": ["platform-team by page, alerts-ops", "5m: on-call, engineering by sms, email"],
        # "Apply fix or escalate to engineering"
        "engineering": ["engineering by sms, email", "15m: platform-team by page, alerts-ops"],
    },
    "ace-playbook": {
        "default": ["on-call-rotation by page, incidents", "15m: platform-lead by sms, email"],
        # "Page on-call engineer immediately"
        "sev1": [
            "on-call-rotation, incidents by page, incidents",
            "5m: platform-lead, dba by sms, email",
        ],
        "sev3": ["incidents", "4h: on-call by email"],
        "database": ["dba by sms, email", "15m: platform-lead by sms, email"],
    },
    "stratum": {
        "default": ["on-call-engineer by page, alerts", "5m: second, dba by sms, email"],
        "warning": [
            "alerts",
            "5m: on-call-engineer by page, alerts",
            "10m: second, dba by sms, email",
        ],
    },
    "adinsights": {
        "default": ["alerts, on-call by email"],  # "Alerts integrated with Slack and email"
        # "Page Data Engineering if stale snapshots persist", "Page Platform if API sampling fails"
        "data": ["data-engineering by page-data, email", "30m: alerts"],
        "platform": ["platform by page-platform, email", "30m: alerts"],
        "contact-marketing": ["on-call by email"],
        "contact-data": ["data-engineering by email"],
        "contact-platform": ["platform by email"],
    },
}

TOLD_AS: dict[str, dict[str, str]] = {
    "terminal-strategist": {name.lower(): name for name in ("P0", "P1", "P2", "P3", "warning")},
    "trading-ops": {"critical": "critical"},
}
"""Policies that are of a severity, whatever their run is: a runbook finds out which it is."""

PLACES: dict[str, dict[str, str]] = {
    "terminal-strategist": {"oncall": "#oncall"},  # "Check PagerDuty/Slack #oncall"
    "trading-ops": {"alerts-ops": "-"},  # the connection leads to "#alerts-ops"
    "ace-playbook": {"incidents": "#incident-response"},  # "Incident Channel: #incident-response"
    "stratum": {"alerts": "#platform-alerts"},
    "adinsights": {"alerts": "#adinsights-alerts"},  # "alert in Slack (#adinsights-alerts)"
}

RESPONSES = {
    "stratum/high-error-rate": "5m",  # "Severity: Critical, Response Time: < 5 minutes"
    "stratum/database-connection-exhaustion": "10m",  # "Warning/Critical", "< 10 minutes"
    "stratum/redis-memory-pressure": "15m",  # "Warning", "< 15 minutes"
    "stratum/celery-queue-backlog": "10m",  # "Warning", "< 10 minutes"
    "stratum/integration-rate-limited": "15m",  # "Warning", "< 15 minutes"
    "ace-playbook/sev1-response": "5m",  # "Immediate Actions (< 5 minutes)"
    "ace-playbook/emergency-rollback": "5m",  # "Emergency Rollback (< 5 minutes)"
    "ace-playbook/post-mortem": "1d",  # "Schedule post-mortem within 24 hours"
}
"""Runbooks whose time to respond a document gives."""


def severity(one: Severity) -> str:
    """One of SEVERITIES."""
    words = []
    if one.respond_within_s is not None:
        words.append(f"within {format_duration(one.respond_within_s)}")
    words += [f"by {one.policy}"] if one.policy else []
    words += ["wakes" if one.critical else "keeps quiet hours", f"as {one.page}"]
    if one.status_every_s is not None:
        every = format_duration(one.status_every_s)
        words.append(f"status every {every} by {', '.join(one.status_by)}")
    return ", ".join(words)


def level(one: Level) -> str:
    """One of POLICIES."""
    found = f"{format_duration(one.after_s)}: " if one.after_s else ""
    found += ", ".join(one.who)
    found += f" by {', '.join(one.by)}" if one.by != ("console",) else ""
    found += f" unless {one.unless}" if one.unless != "acknowledged" else ""
    return found + (f" every {format_duration(one.every_s)} x {one.times}" if one.every_s else "")


@pytest.mark.parametrize("pack", BOOKS.packs())
def test_the_severities_of_a_pack_are_those_of_its_document(pack: str):
    found = {name: severity(one) for name, one in BOOKS.contacts(pack).severities.items()}
    assert found == SEVERITIES[pack]


@pytest.mark.parametrize("pack", BOOKS.packs())
def test_the_policies_of_a_pack_call_those_whom_its_document_names_when_it_says(pack: str):
    policies = BOOKS.contacts(pack).policies
    assert {name: [level(one) for one in path] for name, path in policies.items()} == POLICIES[pack]
    assert BOOKS.contacts(pack).severity_of == TOLD_AS.get(pack, {})


@pytest.mark.parametrize("pack", BOOKS.packs())
def test_the_rooms_of_a_pack_are_those_of_its_document(pack: str):
    channels = BOOKS.contacts(pack).channels
    assert {name: channels[name].to or "-" for name in PLACES[pack]} == PLACES[pack]


def test_the_times_to_respond_of_runbooks_are_those_of_their_documents():
    registry: Any = Registry()
    found = {name: BOOKS.load(name, registry).respond_within_s for name in RESPONSES}
    assert {name: format_duration(s) for name, s in found.items() if s} == RESPONSES


def test_nobody_is_paged_for_what_a_document_sends_to_slack_and_mail():
    """ "Warning Alerts (Slack/Email)", "Warning alerts -> #alerts-ops"."""
    for pack in ("terminal-strategist", "trading-ops"):
        (only,) = POLICIES[pack]["warning"]
        assert not re.search(r"\b(page|sms)\b", only)
