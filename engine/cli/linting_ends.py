"""Escalations that the end of their own run cuts short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.cli.linting_reach import where
from engine.config import Contacts
from engine.core.escalate import DEFAULT_POLICY
from engine.errors import Diagnostic
from engine.language.model import (
    Choose,
    Each,
    End,
    Entry,
    Escalate,
    Group,
    Parallel,
    Runbook,
    walk,
)
from engine.language.words import named

HELP = "`wait: acknowledged` waits for them; `end: unresolved` behind it goes on calling"


def cut_short(runbook: Runbook, contacts: Contacts) -> Iterator[Diagnostic]:
    """Steps that call people level by level, behind which the run is over and resolved: whoever was
    called reads so at once, and nobody else ever is.

    A run with a check that failed, which it went on behind, is not resolved: that may be what it
    calls people for.
    """
    if any(step.on_failure == "continue" for step in walk(runbook.steps)):
        return
    severity = contacts.severities.get(runbook.severity or "")
    for step in _last(runbook.steps):
        policy = step.policy
        if policy == DEFAULT_POLICY and severity is not None and severity.policy is not None:
            policy = severity.policy
        levels = contacts.policies.get(policy, ())
        late = next((n for n, level in enumerate(levels, 1) if level.after_s), None)
        if late is not None:
            what = f"the run is over and resolved behind this: level {late} of {named(policy)} is "
            what += "never called, and whoever was called before hears at once that it is resolved"
            at, width = where(runbook.text, step.place, r"escalate\s*:", step.policy)
            yield Diagnostic("RB858", what, at, HELP, width, "warning")


def _last(steps: Sequence[Entry]) -> Iterator[Escalate]:
    """Steps that call people, wait for nobody, and are the last of a run in which all went well."""
    last = steps[-1] if steps else None
    if isinstance(last, End):
        if last.outcome == "resolved" and last.when is None:
            yield from _last(steps[:-1])
    elif isinstance(last, Escalate):
        if last.wait is None:
            yield last
    elif isinstance(last, Choose):
        for way in last.ways:
            yield from _last(way.steps)
    elif isinstance(last, Group | Each):
        yield from _last(last.steps)
    elif isinstance(last, Parallel):
        for branch in last.branches:
            yield from _last((branch,))
