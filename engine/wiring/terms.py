"""How long people have to answer: what a run is told of it when it begins."""

from __future__ import annotations

from typing import Any

from engine.config import Contacts
from engine.config.contacts import Severity
from engine.language.model import Runbook

ANSWER_S = 900.0
"""What whoever is called last has to take it, where neither the run nor its policy says: a quarter
of an hour, as long as a channel is tried, and as most policies give a level before the next."""


def of_run(runbook: Runbook, severity: Severity | None) -> dict[str, Any]:
    """What a run says for all of its policies."""
    within_s = runbook.respond_within_s or (severity.respond_within_s if severity else None)
    found = {"answer_us": round((within_s or ANSWER_S) * 1e6)}
    return found | ({"respond_within_us": found["answer_us"]} if within_s else {})


def of_policy(contacts: Contacts, policy: str, run: dict[str, Any]) -> dict[str, Any]:
    """What a policy says besides: its severity, and that one's time; its own time where neither
    this nor the run has one.
    """
    severity = contacts.severities.get(contacts.severity_of.get(policy, ""))
    found: dict[str, Any] = {"severity": severity.name} if severity is not None else {}
    found |= {"informs": True} if policy in contacts.informs else {}
    if severity is not None and severity.respond_within_s:
        return {**found, "answer_us": round(severity.respond_within_s * 1e6)}
    own_s = contacts.respond_within_s.get(policy)
    if own_s is None or "respond_within_us" in run:
        return {**found}
    return {**found, "answer_us": round(own_s * 1e6)}
